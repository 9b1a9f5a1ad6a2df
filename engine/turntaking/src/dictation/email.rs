//! E-mail addresses.

use super::{Dictated, Kind, Progress, Token};

/// The address in `tokens`, where they begin one.
pub(super) fn read(tokens: &[Token]) -> Option<Dictated> {
    let at =
        tokens.iter().rposition(|token| *token == Token::Mark('@')).or_else(|| said_at(tokens));
    let Some(at) = at else {
        let local = local_part(tokens);
        // Before the "at" little tells that it is one: a dot, or that there is no sentence.
        let words = local.iter().filter(|token| !token.is_piece()).count();
        let dotted = local.iter().any(|token| matches!(token, Token::Mark(_)));
        let begun = !local.is_empty() && (words <= 2 || dotted);
        return begun.then(|| Dictated::new(Kind::Email, Progress::InProgress, joined(local)));
    };
    let local = joined(local_part(&tokens[..at]));
    let (domain, progress) = domain(&tokens[at + 1..]);
    Some(Dictated::new(Kind::Email, progress, format!("{local}@{domain}")))
}

/// The English "at", where a domain follows it or nothing does.
fn said_at(tokens: &[Token]) -> Option<usize> {
    let at = tokens.iter().rposition(|token| token.is_word(&["at"]))?;
    let rest = &tokens[at + 1..];
    let domain = rest.is_empty()
        || rest.contains(&Token::Mark('.'))
        || matches!(rest, [Token::Word(host), ..] if HOSTS.contains(&host.as_str()));
    (at > 0 && domain).then_some(at)
}

/// What stands before the "@", behind "my e-mail is".
fn local_part(tokens: &[Token]) -> &[Token] {
    let start = tokens.iter().rposition(|token| token.is_word(INTRODUCTIONS));
    &tokens[start.map_or(0, |word| word + 1)..]
}

const INTRODUCTIONS: &[&str] = &[
    "is", "its", "cest", "est", "my", "mon", "email", "mail", "adresse", "address", "alors", "oui",
    "yes", "so", "sure", "ok", "okay", "well", "donc", "ben", "le", "the",
];

fn joined(tokens: &[Token]) -> String {
    let mut text = String::new();
    for token in tokens {
        match token {
            Token::Digits { digits, .. } => text.push_str(digits),
            Token::Letter(letter) => text.push(*letter),
            Token::Mark(mark) => text.push(*mark),
            Token::Word(word) if matches!(word.as_str(), "et" | "and" | "espace" | "space") => {}
            Token::Word(word) if matches!(word.as_str(), "majuscule" | "minuscule" | "capital") => {
            }
            Token::Word(word) => text.push_str(word),
        }
    }
    text
}

/// The domain, and whether it has come to its end.
fn domain(tokens: &[Token]) -> (String, Progress) {
    // What follows the domain is no part of it.
    let end = ending(tokens);
    if let Some((last, country)) = end {
        let name = joined(&tokens[..last]);
        let name = name.trim_end_matches('.');
        let Token::Word(top) = &tokens[last] else { return (joined(tokens), Progress::InProgress) };
        if name.is_empty() {
            return (joined(tokens), Progress::InProgress);
        }
        // "co" is followed by "dot uk".
        let open = top == "co" && !country;
        let progress = if open { Progress::InProgress } else { Progress::Complete };
        return (format!("{name}.{top}"), progress);
    }
    (joined(tokens), Progress::InProgress)
}

/// The token that ends the domain, and whether a domain of a country ends there.
fn ending(tokens: &[Token]) -> Option<(usize, bool)> {
    let is_top =
        |token: &Token| matches!(token, Token::Word(word) if TOPS.contains(&word.as_str()));
    for (at, token) in tokens.iter().enumerate().rev() {
        if at == 0 || !is_top(token) {
            continue;
        }
        let after_dot = tokens[at - 1] == Token::Mark('.');
        // "gmail com": the dot was not understood.
        let after_host =
            matches!(&tokens[at - 1], Token::Word(host) if HOSTS.contains(&host.as_str()));
        if after_dot || after_host {
            let two = matches!(token, Token::Word(word) if word.len() == 2 && word != "co");
            return Some((at, two));
        }
    }
    // Spelled: "point f r".
    None
}

const HOSTS: &[&str] = &[
    "gmail",
    "hotmail",
    "outlook",
    "yahoo",
    "icloud",
    "live",
    "msn",
    "aol",
    "orange",
    "wanadoo",
    "free",
    "sfr",
    "laposte",
    "bbox",
    "neuf",
    "protonmail",
    "proton",
    "gmx",
    "me",
    "numericable",
    "googlemail",
    "bluewin",
    "skynet",
    "videotron",
    "comcast",
    "verizon",
];

const TOPS: &[&str] = &[
    "com", "fr", "net", "org", "eu", "be", "ch", "io", "co", "uk", "de", "ca", "es", "it", "lu",
    "info", "edu", "gov", "gouv", "biz", "pro", "me", "ai", "app", "dev", "us", "nl", "pt", "re",
    "bzh", "paris", "shop", "store", "tv", "nc", "ma", "tn", "dz", "sn", "ie", "au", "nz", "in",
];

#[cfg(test)]
mod tests {
    use super::super::tokens;
    use super::*;

    fn read(text: &str) -> (Progress, String) {
        let found = super::read(&tokens(text)).unwrap_or_else(|| panic!("{text}"));
        (found.progress, found.value)
    }

    #[test]
    fn an_address_ends_in_its_domain() {
        for (text, value) in [
            ("jean.dupont@gmail.com.", "jean.dupont@gmail.com"),
            ("jean point dupont arobase gmail point com", "jean.dupont@gmail.com"),
            ("alors c'est marie tiret claire arobase orange point fr", "marie-claire@orange.fr"),
            ("it's john underscore smith at yahoo dot com", "john_smith@yahoo.com"),
            ("my email is j p martin 75 at free dot fr", "jpmartin75@free.fr"),
            ("b o deux n e t arobase gmail com", "bonnet@gmail.com"),
            ("contact at example dot co dot uk", "contact@example.co.uk"),
            ("jean arobase mon tiret site point com", "jean@mon-site.com"),
        ] {
            assert_eq!(read(text), (Progress::Complete, value.to_owned()), "{text}");
        }
    }

    #[test]
    fn without_its_end_it_goes_on() {
        for text in [
            "jean.dupont@",
            "jean.dupont@gmail",
            "jean point dupont",
            "jean point",
            "jean point dupont arobase",
            "jean arobase orange",
            "jean arobase orange point",
            "john at gmail",
            "john dot smith at",
            "contact at example dot co",
            "jean",
        ] {
            assert_eq!(read(text).0, Progress::InProgress, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_none() {
        assert_eq!(super::read(&tokens("I do not have one")), None);
        assert_eq!(super::read(&tokens("je n'en ai pas du tout")), None);
    }
}
