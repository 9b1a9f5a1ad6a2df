//! Cores by number, as `taskset -c` takes them.

use std::str::FromStr;

/// No machine has more (the kernel's own limit, `CONFIG_NR_CPUS`, is 8192 at most).
const MOST: usize = 8_192;

/// Some of the machine's cores, in order, each once. Not empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cores(Vec<usize>);

impl Cores {
    /// Their numbers.
    pub fn numbers(&self) -> &[usize] {
        &self.0
    }
}

impl FromStr for Cores {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut cores = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let number = |text: &str| text.trim().parse::<usize>().ok().filter(|core| *core < MOST);
            let (first, last) = (number(first).ok_or(())?, number(last).ok_or(())?);
            if first > last {
                return Err(());
            }
            cores.extend(first..=last);
        }
        cores.sort_unstable();
        cores.dedup();
        Ok(Self(cores))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_ranges_are_read() {
        let read = |text: &str| text.parse::<Cores>().map(|cores| cores.0);
        assert_eq!(read("3"), Ok(vec![3]));
        assert_eq!(read("0-2, 6,1"), Ok(vec![0, 1, 2, 6]));
        for bad in ["", "a", "2-", "3-1", "1,,2", "-1", "99999"] {
            assert_eq!(read(bad), Err(()), "{bad}");
        }
    }
}
