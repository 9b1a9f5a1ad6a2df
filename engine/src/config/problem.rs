//! What is wrong with a configuration.

use std::fmt;
use std::path::{Path, PathBuf};

use super::sources::Origin;

/// A configuration that cannot be used: everything that is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    place: Place,
    what: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    File(PathBuf),
    Setting(Origin),
}

impl ConfigError {
    /// What is wrong.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    pub(super) fn check(problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(Self { problems }) }
    }
}

impl Problem {
    pub(super) fn new(origin: Origin, what: String) -> Self {
        Self { place: Place::Setting(origin), what }
    }

    pub(super) fn file(path: &Path, what: String) -> Self {
        Self { place: Place::File(path.to_owned()), what }
    }

    pub(super) fn unknown(origin: Origin, kind: &str, name: &str, meant: Option<&str>) -> Self {
        let remedy = match meant {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "`causerie config` prints them all".to_owned(),
        };
        Self::new(origin, format!("unknown {kind} `{name}`; {remedy}"))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::File(path) => write!(f, "{}: {}", path.display(), self.what),
            Place::Setting(origin) => write!(f, "{origin}: {}", self.what),
        }
    }
}

/// One line for each problem.
impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
