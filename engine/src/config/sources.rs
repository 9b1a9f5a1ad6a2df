//! Where settings come from, as texts: command line, environment, file. The only place of the
//! engine that reads the environment.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::key::{KEYS, Key, Kind};
use super::problem::Problem;
use super::spelling::nearest;

/// The file that is read where it exists and none is named.
const DEFAULT_FILE: &str = "causerie.toml";
/// Names the file.
const FILE_VARIABLE: &str = "CAUSERIE_CONFIG";
/// What our variables begin with.
const PREFIX: &str = "CAUSERIE_";

/// What was said where, before it is understood.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// `--config`.
    pub file: Option<PathBuf>,
    /// Options of the command line by the name of their key. They go before everything else.
    pub command_line: BTreeMap<&'static str, String>,
    /// The variables that begin with `CAUSERIE_`. They go before the file.
    pub environment: BTreeMap<String, String>,
    /// What the command makes of keys that nobody has set.
    pub defaults: BTreeMap<&'static str, String>,
}

/// Where a setting was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The option for this key.
    CommandLine(&'static str),
    /// The key's default.
    Default,
    /// This variable.
    Environment(String),
    /// The configuration file.
    File {
        /// Which.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
}

/// A setting, not yet understood.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) text: String,
    pub(super) origin: Origin,
}

impl Sources {
    /// The environment of this process.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn of_process() -> Self {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| {
                let name = name.into_string().ok().filter(|name| name.starts_with(PREFIX))?;
                // What is not UTF-8 is refused when it is read.
                Some((name, value.to_string_lossy().into_owned()))
            })
            .collect();
        Self { environment, ..Self::default() }
    }

    /// The last word on each key, and what is wrong with the rest.
    pub(super) fn read(&self) -> (BTreeMap<&'static str, Found>, Vec<Problem>) {
        let by_command = |(&name, text): (&&'static str, &String)| {
            (name, Found { text: text.clone(), origin: Origin::Default })
        };
        let mut found: BTreeMap<_, _> = self.defaults.iter().map(by_command).collect();
        let mut problems = Vec::new();
        self.read_file(&mut found, &mut problems);
        for (variable, text) in &self.environment {
            // Container tools pass on variables that nobody has set as empty ones.
            if text.is_empty() || variable == FILE_VARIABLE {
                continue;
            }
            let origin = Origin::Environment(variable.clone());
            if text.contains(char::REPLACEMENT_CHARACTER) {
                problems.push(Problem::new(origin, "its value is not UTF-8".to_owned()));
                continue;
            }
            match KEYS.iter().find(|key| key.variable() == *variable) {
                Some(key) => {
                    found.insert(key.name, Found { text: text.clone(), origin });
                }
                None => {
                    let variables: Vec<String> = KEYS.iter().map(Key::variable).collect();
                    let meant = nearest(variable, variables.iter().map(String::as_str));
                    problems.push(Problem::unknown(origin, "variable", variable, meant));
                }
            }
        }
        for (&name, text) in &self.command_line {
            found.insert(name, Found { text: text.clone(), origin: Origin::CommandLine(name) });
        }
        (found, problems)
    }

    fn read_file(&self, found: &mut BTreeMap<&'static str, Found>, problems: &mut Vec<Problem>) {
        let named = self.environment.get(FILE_VARIABLE).filter(|path| !path.is_empty());
        let named = self.file.clone().or_else(|| named.map(PathBuf::from));
        let path = named.clone().unwrap_or_else(|| DEFAULT_FILE.into());
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => {
                problems.push(Problem::file(&path, format!("it cannot be read: {error}")));
                return;
            }
        };
        match DeTable::parse(&text) {
            Ok(table) => {
                File { path: &path, text: &text, found, problems }.table("", table.get_ref());
            }
            Err(error) => {
                let origin = Origin::File {
                    path,
                    line: error.span().map_or(1, |span| line(&text, span.start)),
                };
                problems.push(Problem::new(origin, error.message().to_owned()));
            }
        }
    }
}

/// The file while it is walked through.
struct File<'a> {
    path: &'a Path,
    text: &'a str,
    found: &'a mut BTreeMap<&'static str, Found>,
    problems: &'a mut Vec<Problem>,
}

impl File<'_> {
    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let name = format!("{prefix}{}", key.get_ref());
            let origin = Origin::File {
                path: self.path.to_owned(),
                line: line(self.text, key.span().start),
            };
            let is_table = KEYS.iter().any(|key| key.table_and_name().0 == Some(name.as_str()));
            match (value.get_ref(), Key::find(&name)) {
                (DeValue::Table(inner), None) if is_table => {
                    self.table(&format!("{name}."), inner);
                }
                (_, Some(key)) => match scalar(key, value) {
                    Ok(text) => {
                        self.found.insert(key.name, Found { text, origin });
                    }
                    Err(expected) => self
                        .problems
                        .push(Problem::new(origin, format!("`{name}` must be {expected}"))),
                },
                (_, None) if is_table => {
                    self.problems
                        .push(Problem::new(origin, format!("`{name}` must be a table: [{name}]")));
                }
                (_, None) => {
                    let names =
                        KEYS.iter().flat_map(|key| [Some(key.name), key.table_and_name().0]);
                    let meant = nearest(&name, names.flatten());
                    self.problems.push(Problem::unknown(origin, "key", &name, meant));
                }
            }
        }
    }
}

/// The text of a TOML value, where it is of the type that `key` wants.
fn scalar(key: &Key, value: &Spanned<DeValue<'_>>) -> Result<String, &'static str> {
    match (value.get_ref(), &key.kind) {
        (DeValue::Boolean(flag), Kind::Flag) => Ok(flag.to_string()),
        (_, Kind::Flag) => Err("true or false, without quotes"),
        (DeValue::Integer(number), Kind::Integer(_)) => {
            // Other bases are read here; what does not fit is told later, with the range.
            let plain = i128::from_str_radix(number.as_str(), number.radix());
            Ok(plain.map_or_else(|_| number.to_string(), |plain| plain.to_string()))
        }
        (_, Kind::Integer(_)) => Err("a whole number, without quotes"),
        (DeValue::String(text), _) => Ok(text.clone().into_owned()),
        _ => Err("a text in quotes"),
    }
}

/// The line of byte `offset`, counted from 1.
fn line(text: &str, offset: usize) -> usize {
    1 + text.as_bytes().iter().take(offset).filter(|&&byte| byte == b'\n').count()
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine(key) => write!(f, "--{}", key.replace('_', "-")),
            Self::Default => f.write_str("the default"),
            Self::Environment(variable) => f.write_str(variable),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
        }
    }
}
