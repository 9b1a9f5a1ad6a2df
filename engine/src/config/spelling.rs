//! Which known word was meant.

/// The candidate that was probably meant by `word`, where one is close enough to be worth
/// suggesting: a slip of a letter or two, or the beginning of a longer name.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let lower = candidate.to_lowercase();
            let distance = strsim::damerau_levenshtein(&word, &lower);
            let slip = distance <= 1 + word.len() / 6;
            let beginning = word.len() >= 4 && lower.starts_with(&word);
            (slip || beginning).then_some((distance, candidate))
        })
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_and_beginnings_are_recognised() {
        let keys = ["listen", "log.format", "max_concurrent_calls", "twilio.lead_ms"];
        assert_eq!(nearest("listne", keys), Some("listen"));
        assert_eq!(nearest("Listen", keys), Some("listen"));
        assert_eq!(nearest("max_concurent_call", keys), Some("max_concurrent_calls"));
        assert_eq!(nearest("twilio.lead", keys), Some("twilio.lead_ms"));
        assert_eq!(nearest("port", keys), None);
        assert_eq!(nearest("tools", ["hooks"]), None, "another word, not a slip");
    }
}
