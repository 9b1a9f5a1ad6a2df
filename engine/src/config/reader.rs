//! From texts to types.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::cores::Cores;
use super::key::{Key, Kind, Preset};
use super::problem::{ConfigError, Problem};
use super::public_url::PublicUrl;
use super::secret::Secret;
use super::server_url::ServerUrl;
use super::sources::{Found, Origin, Sources};
use super::spelling::nearest;

/// Reads key after key, and goes on after a bad one, so that all of them are told at once.
pub(super) struct Reader {
    found: BTreeMap<&'static str, Found>,
    problems: Vec<Problem>,
    /// What was asked for, so that a test can tell that nothing is documented and not read.
    #[cfg(test)]
    pub(super) asked: std::cell::RefCell<std::collections::BTreeSet<&'static str>>,
}

impl Reader {
    pub(super) fn new(sources: &Sources) -> Self {
        let (found, problems) = sources.read();
        Self {
            found,
            problems,
            #[cfg(test)]
            asked: std::cell::RefCell::default(),
        }
    }

    /// Whether all of it could be understood.
    pub(super) fn finish(self) -> Result<(), ConfigError> {
        ConfigError::check(self.problems)
    }

    pub(super) fn address(&mut self, name: &str) -> SocketAddr {
        self.required(name, |_, text, _| {
            text.parse().map_err(|_| "an IP address and port, such as 127.0.0.1:8080".to_owned())
        })
    }

    pub(super) fn flag(&mut self, name: &str) -> bool {
        self.required(name, |_, text, _| text.parse().map_err(|_| "true or false".to_owned()))
    }

    pub(super) fn integer(&mut self, name: &str) -> u64 {
        self.required(name, |key, text, _| {
            let Kind::Integer(range) = &key.kind else {
                unreachable!("`{}` is not a number: a test reads every key", key.name);
            };
            text.parse()
                .ok()
                .filter(|number| range.contains(number))
                .ok_or_else(|| format!("a whole number from {} to {}", range.start(), range.end()))
        })
    }

    pub(super) fn choice<T>(&mut self, name: &str, from_name: fn(&str) -> Option<T>) -> T {
        self.required(name, |key, text, _| {
            let Kind::Choice(words) = key.kind else {
                unreachable!("`{}` is not a choice: a test reads every key", key.name);
            };
            from_name(text).ok_or_else(|| {
                let meant = nearest(text, words.iter().copied());
                let meant = meant.map(|word| format!(" (did you mean `{word}`?)"));
                format!("one of {}{}", words.join(", "), meant.unwrap_or_default())
            })
        })
    }

    pub(super) fn text(&mut self, name: &str) -> String {
        self.required(name, |_, text, _| Ok(text.to_owned()))
    }

    pub(super) fn optional_text(&mut self, name: &str) -> Option<String> {
        self.optional(name, |_, text, _| Ok(text.to_owned()))
    }

    pub(super) fn optional_cores(&mut self, name: &str) -> Option<Cores> {
        self.optional(name, |_, text, _| {
            text.parse().map_err(|()| "numbers of cores and ranges of them, as in 0-3,6".to_owned())
        })
    }

    pub(super) fn path(&mut self, name: &str) -> PathBuf {
        self.required(name, |_, text, origin| Ok(resolve(text, origin)))
    }

    pub(super) fn optional_path(&mut self, name: &str) -> Option<PathBuf> {
        self.optional(name, |_, text, origin| Ok(resolve(text, origin)))
    }

    pub(super) fn optional_secret(&mut self, name: &str) -> Option<Secret> {
        self.optional(name, |_, text, _| Ok(Secret::new(text)))
    }

    pub(super) fn server_url(&mut self, name: &str) -> ServerUrl {
        self.required(name, |_, text, _| ServerUrl::parse(text).map_err(url_expected))
    }

    pub(super) fn optional_server_url(&mut self, name: &str) -> Option<ServerUrl> {
        self.optional(name, |_, text, _| ServerUrl::parse(text).map_err(url_expected))
    }

    pub(super) fn optional_url(&mut self, name: &str) -> Option<PublicUrl> {
        self.optional(name, |_, text, _| PublicUrl::parse(text).map_err(url_expected))
    }

    /// `parse` says what is expected where it cannot read the text.
    fn optional<T>(
        &mut self,
        name: &str,
        parse: impl Fn(&Key, &str, &Origin) -> Result<T, String>,
    ) -> Option<T> {
        let key = self.key(name);
        let found = self.found.get(key.name)?;
        match parse(key, &found.text, &found.origin) {
            Ok(value) => Some(value),
            Err(expected) => {
                let shown = match key.kind {
                    Kind::Secret => String::new(),
                    _ => format!(" (it is `{}`)", found.text),
                };
                self.problems.push(Problem::new(
                    found.origin.clone(),
                    format!("`{}` must be {expected}{shown}", key.name),
                ));
                None
            }
        }
    }

    fn required<T>(
        &mut self,
        name: &str,
        parse: impl Fn(&Key, &str, &Origin) -> Result<T, String>,
    ) -> T {
        if let Some(value) = self.optional(name, &parse) {
            return value;
        }
        let key = self.key(name);
        let Preset::Value(default) = key.preset else {
            unreachable!("`{name}` has no default: a test reads every key");
        };
        parse(key, default, &Origin::Default).unwrap_or_else(|expected| {
            unreachable!("the default of `{name}` is not {expected}: a test reads every key")
        })
    }

    fn key(&self, name: &str) -> &'static Key {
        let Some(key) = Key::find(name) else {
            unreachable!("`{name}` is no key: a test reads every key");
        };
        #[cfg(test)]
        self.asked.borrow_mut().insert(key.name);
        key
    }
}

fn url_expected(reason: String) -> String {
    format!("an https:// URL: {reason}")
}

/// A path in a file is meant from where the file is.
fn resolve(text: &str, origin: &Origin) -> PathBuf {
    match origin {
        Origin::File { path, .. } => path.parent().unwrap_or_else(|| Path::new("")).join(text),
        _ => text.into(),
    }
}
