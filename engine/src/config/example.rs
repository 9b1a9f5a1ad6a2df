//! The annotated configuration: what `causerie config` prints and causerie.example.toml holds.

use super::key::{KEYS, Key, Kind, Preset};

/// Columns of a comment.
const WIDTH: usize = 96;

/// Every key with its meaning, its variable, what it may hold and its default, as TOML in which
/// all settings are commented out.
pub fn annotated() -> String {
    let mut out = String::from(
        "# Causerie's configuration: every key there is, with its default. Copy this file to\n\
         # causerie.toml and take the # away from what you change.\n\
         #\n\
         # The command line goes before the environment, the environment before this file. The\n\
         # variable of a key is named with it; an empty variable counts as unset. Relative paths\n\
         # in the file are meant from the file's own folder.\n",
    );
    let mut table = None;
    for key in KEYS {
        let (of_key, name) = key.table_and_name();
        if of_key != table {
            table = of_key;
            out.push_str(&format!("\n[{}]\n", of_key.unwrap_or_default()));
        }
        out.push('\n');
        for line in wrap(&format!("{} {}", key.about, holds(key))) {
            out.push_str(&format!("# {line}\n"));
        }
        out.push_str(&format!("# {}\n", key.variable()));
        let (value, note) = match key.preset {
            Preset::Value(value) => (value, ""),
            Preset::Unset { example } => (example, " # unset"),
        };
        out.push_str(&format!("# {name} = {}{note}\n", literal(key, value)));
    }
    out
}

fn holds(key: &Key) -> String {
    match &key.kind {
        Kind::Choice(words) => format!("One of {}.", words.join(", ")),
        Kind::Integer(range) => format!("From {} to {}.", range.start(), range.end()),
        Kind::Address | Kind::Flag | Kind::Path | Kind::Secret | Kind::Text | Kind::Url => {
            String::new()
        }
    }
}

fn literal(key: &Key, value: &str) -> String {
    match key.kind {
        Kind::Flag | Kind::Integer(_) => value.to_owned(),
        Kind::Address | Kind::Choice(_) | Kind::Path | Kind::Secret | Kind::Text | Kind::Url => {
            format!("\"{value}\"")
        }
    }
}

fn wrap(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_file_is_up_to_date() {
        let file = include_str!("../../../causerie.example.toml");
        assert!(
            file == annotated(),
            "put the output of `causerie config` into causerie.example.toml"
        );
    }
}
