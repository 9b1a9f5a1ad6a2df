//! What this process has used, as Linux's `/proc` tells.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::time::Duration;

/// Time on a processor since the process began, by the threads' names. Threads of one name are
/// added up; those that have ended are not in it.
///
/// # Errors
///
/// Where `/proc` cannot be read.
pub fn cpu_by_thread() -> io::Result<BTreeMap<String, Duration>> {
    let mut times = BTreeMap::new();
    for thread in fs::read_dir("/proc/self/task")? {
        let path = thread?.path();
        let name = fs::read_to_string(path.join("comm"))?.trim_end().to_owned();
        // "time on the processor [ns], time waiting for one [ns], slices" (sched-stats.rst).
        let schedstat = fs::read_to_string(path.join("schedstat"))?;
        let nanos = schedstat.split(' ').next().and_then(|field| field.parse().ok()).unwrap_or(0);
        *times.entry(name).or_insert(Duration::ZERO) += Duration::from_nanos(nanos);
    }
    Ok(times)
}

/// Memory in use, in bytes: resident, and not shared with the page cache (`RssAnon`, proc(5)).
///
/// # Errors
///
/// Where `/proc` cannot be read.
pub fn resident_bytes() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let kibibytes = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))
        .and_then(|rest| rest.trim().split(' ').next()?.parse::<u64>().ok());
    kibibytes
        .map(|kibibytes| kibibytes * 1_024)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "/proc/self/status: no RssAnon"))
}
