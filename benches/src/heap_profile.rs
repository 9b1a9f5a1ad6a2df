//! Reads the heap profile that dhat writes and says who allocated.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::symbol::{self, Author};

/// Allocations of one site, on behalf of one function of ours, in one place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Site {
    /// Where in the engine: the name [`read`] was given for it, or `None`.
    pub place: Option<&'static str>,
    /// The site is ours.
    pub ours: bool,
    /// The innermost function that is not the standard library's.
    pub function: String,
    /// The innermost function of ours on the way to it; empty where there is none.
    pub on_behalf_of: String,
}

/// How much was allocated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Allocations.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
}

#[derive(Deserialize)]
struct Profile {
    #[serde(rename = "pps")]
    points: Vec<Point>,
    #[serde(rename = "ftbl")]
    frames: Vec<String>,
}

#[derive(Deserialize)]
struct Point {
    #[serde(rename = "tb")]
    bytes: u64,
    #[serde(rename = "tbk")]
    blocks: u64,
    /// What is left of them when the profile ends.
    #[serde(rename = "eb", default)]
    live_bytes: u64,
    #[serde(rename = "ebk", default)]
    live_blocks: u64,
    /// Innermost first.
    #[serde(rename = "fs")]
    frames: Vec<usize>,
}

/// What of a profile is added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Everything that was allocated.
    All,
    /// What had not been given back when the profile ended.
    Live,
}

/// Adds up the profile by site. `places` names parts of the engine by a function that is on the
/// stack there and nowhere else: (part of a symbol, name). The first that fits counts.
///
/// # Errors
///
/// Where the text is not a profile of dhat's.
pub fn read(
    json: &str,
    counted: Counted,
    places: &[(&str, &'static str)],
) -> Result<BTreeMap<Site, Amount>, serde_json::Error> {
    let profile: Profile = serde_json::from_str(json)?;
    let mut sites: BTreeMap<Site, Amount> = BTreeMap::new();
    for point in &profile.points {
        let stack: Vec<&str> = point
            .frames
            .iter()
            .filter_map(|&frame| profile.frames.get(frame))
            .map(|frame| symbol_of(frame))
            .collect();
        let (blocks, bytes) = match counted {
            Counted::All => (point.blocks, point.bytes),
            Counted::Live => (point.live_blocks, point.live_bytes),
        };
        if blocks == 0 {
            continue;
        }
        let amount = sites.entry(site(&stack, places)).or_default();
        amount.blocks += blocks;
        amount.bytes += bytes;
    }
    Ok(sites)
}

fn site(stack: &[&str], places: &[(&str, &'static str)]) -> Site {
    let first = |wanted: &[Author]| {
        stack.iter().find(|symbol| wanted.contains(&symbol::author(symbol))).copied()
    };
    let function = first(&[Author::Ours, Author::Library]).or_else(|| stack.first().copied());
    let function = function.unwrap_or_default();
    let place = places
        .iter()
        .find(|(part, _)| stack.iter().any(|symbol| symbol.contains(part)))
        .map(|&(_, name)| name);
    Site {
        place,
        ours: symbol::author(function) == Author::Ours,
        function: symbol::shortened(function),
        on_behalf_of: first(&[Author::Ours]).map(symbol::shortened).unwrap_or_default(),
    }
}

/// The symbol in `0x5581: crate::function (src/file.rs:1:2)`.
fn symbol_of(frame: &str) -> &str {
    let symbol = frame.split_once(": ").map_or(frame, |(_, rest)| rest);
    symbol.rsplit_once(" (").map_or(symbol, |(symbol, _)| symbol)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = r#"{
        "dhatFileVersion": 2,
        "pps": [
            {"tb": 640, "tbk": 10, "eb": 128, "ebk": 2, "fs": [1, 2, 3, 4]},
            {"tb": 64, "tbk": 1, "fs": [1, 5, 3, 4]},
            {"tb": 7, "tbk": 1, "fs": [5, 3, 4]},
            {"tb": 9, "tbk": 3, "fs": [1]}
        ],
        "ftbl": [
            "[root]",
            "0x1: alloc::vec::Vec<T,A>::push (src/vec/mod.rs:1:2)",
            "0x2: bytes::bytes_mut::BytesMut::reserve (bytes/src/a.rs:3:4)",
            "0x3: engine::transport::twilio::leg::TwilioLeg<S>::try_write (b.rs:5:6)",
            "0x4: engine::session::driver::Session::poll_call (c.rs:7:8)",
            "0x5: <codecs::Resampler as core::ops::Drop>::drop (d.rs:9:10)"
        ]
    }"#;

    #[test]
    fn the_innermost_function_outside_std_is_the_site() {
        let places = [("Session::poll_call", "call")];
        let sites = read(PROFILE, Counted::All, &places).expect("a profile");
        let library = Site {
            place: Some("call"),
            ours: false,
            function: "bytes::bytes_mut::BytesMut::reserve".to_owned(),
            on_behalf_of: "engine::transport::twilio::leg::TwilioLeg::try_write".to_owned(),
        };
        let ours = Site {
            place: Some("call"),
            ours: true,
            function: "codecs::Resampler::drop".to_owned(),
            on_behalf_of: "codecs::Resampler::drop".to_owned(),
        };
        let nobody = Site {
            place: None,
            ours: false,
            function: "alloc::vec::Vec::push".to_owned(),
            on_behalf_of: String::new(),
        };
        let expected = [
            (nobody, Amount { blocks: 3, bytes: 9 }),
            (library, Amount { blocks: 10, bytes: 640 }),
            (ours, Amount { blocks: 2, bytes: 71 }),
        ];
        assert_eq!(sites, expected.into());
        let live = read(PROFILE, Counted::Live, &places).expect("a profile");
        let left: Vec<_> = live.into_values().collect();
        assert_eq!(left, [Amount { blocks: 2, bytes: 128 }], "what was given back is not there");
    }

    #[test]
    fn what_is_no_profile_is_refused() {
        assert!(read("{}", Counted::All, &[]).is_err());
    }
}
