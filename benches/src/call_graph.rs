//! Reads the call graph that callgrind writes: who called whom, how often.

use std::collections::BTreeMap;
use std::collections::HashMap;

/// Calls by (caller, callee), demangled.
pub type Calls = BTreeMap<(String, String), u64>;

/// The same, where a part of a function's calls may be another's.
pub type Callers = BTreeMap<(String, String), f64>;

/// Reads one dump ("callgrind format", Valgrind's manual): `fn=` begins a function, `cfn=` names
/// one that it calls, `calls=` says how often. A name stands in full once, `(7) name`, and as
/// `(7)` from then on.
pub fn read(dump: &str) -> Calls {
    let mut names: HashMap<&str, &str> = HashMap::new();
    let mut calls = Calls::new();
    let (mut caller, mut callee) = ("", "");
    for line in dump.lines() {
        let Some((key, value)) = line.split_once('=') else { continue };
        match key {
            "fn" => caller = name(&mut names, value),
            "cfn" => callee = name(&mut names, value),
            "calls" => {
                let count = value.split(' ').next().and_then(|count| count.parse().ok());
                let pair = (without_hash(caller), without_hash(callee));
                *calls.entry(pair).or_insert(0) += count.unwrap_or(0_u64);
            }
            _ => {}
        }
    }
    calls
}

/// Who calls the functions that `wanted` picks, and how often. A caller that `passes` is looked
/// through: its calls are its own callers', in proportion to how often each of them called it
/// (exact where there is one, which a call graph cannot tell otherwise).
pub fn callers(
    calls: &Calls,
    wanted: impl Fn(&str) -> bool,
    passes: impl Fn(&str) -> bool,
) -> Callers {
    let mut above: HashMap<&str, Vec<(&str, u64)>> = HashMap::new();
    for ((caller, callee), &count) in calls {
        above.entry(callee).or_default().push((caller, count));
    }
    let mut found = Callers::new();
    for ((caller, callee), &count) in calls {
        if !wanted(callee) || wanted(caller) {
            continue;
        }
        let mut open = vec![(caller.as_str(), count as f64, 0)];
        while let Some((caller, share, depth)) = open.pop() {
            let higher = above.get(caller).filter(|_| passes(caller) && depth < LOOKED_THROUGH);
            match higher {
                Some(higher) => {
                    let all: u64 = higher.iter().map(|(_, count)| count).sum();
                    open.extend(higher.iter().filter(|(_, count)| *count > 0).map(
                        |&(caller, count)| (caller, share * count as f64 / all as f64, depth + 1),
                    ));
                }
                None => *found.entry((caller.to_owned(), callee.clone())).or_insert(0.0) += share,
            }
        }
    }
    found
}

/// Callers in a row that are looked through: more, and the standard library calls itself.
const LOOKED_THROUGH: u32 = 16;

fn name<'a>(names: &mut HashMap<&'a str, &'a str>, value: &'a str) -> &'a str {
    match value.split_once(' ') {
        Some((id, name)) => {
            names.insert(id, name);
            name
        }
        None => names.get(value).copied().unwrap_or(value),
    }
}

/// Without the suffixes that callgrind adds to a recursive function (`'2`) and the compiler to
/// every one (`::h0123456789abcdef`).
fn without_hash(name: &str) -> String {
    let name = name.split('\'').next().unwrap_or(name);
    match name.rsplit_once("::h") {
        Some((rest, hash)) if hash.len() == 16 => rest.to_owned(),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_added_up_by_caller_and_callee() {
        let dump = "events: Ir\n\
            fl=(1) a.rs\n\
            fn=(1) engine::session::driver::Session::poll_call::h0123456789abcdef\n\
            5 100\n\
            cfn=(2) std::sync::poison::mutex::Mutex<T>::lock'2\n\
            calls=7 12\n\
            5 900\n\
            cfn=(3) syscall\n\
            calls=1 0\n\
            6 2\n\
            fn=(3)\n\
            1 2\n\
            fn=(1)\n\
            cfn=(2)\n\
            calls=3 12\n\
            9 10\n";
        let expected = [("std::sync::poison::mutex::Mutex<T>::lock", 10), ("syscall", 1)];
        let caller = "engine::session::driver::Session::poll_call";
        let expected = expected.map(|(callee, n)| ((caller.to_owned(), callee.to_owned()), n));
        assert_eq!(read(dump), expected.into());
    }

    #[test]
    fn what_is_looked_through_passes_its_calls_on() {
        let edges = [
            ("a", "std::wrap", 3),
            ("b", "std::wrap", 1),
            ("std::wrap", "lock", 8),
            ("c", "lock", 5),
            ("c", "other", 7),
        ];
        let calls = edges.map(|(a, b, n)| ((a.to_owned(), b.to_owned()), n)).into();
        let found = callers(&calls, |name| name == "lock", |name| name.starts_with("std"));
        let expected = [("a", 6.0), ("b", 2.0), ("c", 5.0)];
        assert_eq!(found, expected.map(|(a, n)| ((a.to_owned(), "lock".to_owned()), n)).into());
    }
}
