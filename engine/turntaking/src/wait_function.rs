//! A wait computed by the assistant's own expression (Vapi's `livekit` endpointing:
//! `smartEndpointingPlan.waitFunction`).
//!
//! The expression is one of math.js: `20 + 500 * sqrt(x) + 2500 * x^3` gives milliseconds from x,
//! the probability that the caller is still speaking. Two things are read differently by the
//! library used here, `-x^2` and `2^3^2`; they are refused, so that nobody waits another time than
//! they wrote down.

use std::fmt;
use std::time::Duration;

use exmex::{Express, FlatEx};

use crate::input::Probability;

/// Vapi's default.
pub const DEFAULT: &str = "20 + 500 * sqrt(x) + 2500 * x^3";

/// The longest wait it may give: Vapi's bound of other timeouts.
pub const LONGEST: Duration = Duration::from_secs(15);

/// The longest expression, in characters.
const LONGEST_EXPRESSION: usize = 500;

/// Points at which an expression is tried before it is used.
const TRIALS: u16 = 200;

/// Why an expression cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitFunctionError {
    /// It is not understood.
    Syntax {
        /// What is wrong with it.
        reason: String,
    },
    /// It has another variable than x (or t).
    Variable {
        /// Its name.
        name: String,
    },
    /// Its reading depends on who reads it.
    Ambiguous {
        /// What to write.
        remedy: &'static str,
    },
    /// It gives no number.
    NoNumber {
        /// At this x, in ten-thousandths.
        at: Probability,
    },
}

impl fmt::Display for WaitFunctionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { reason } => {
                write!(f, "must be an expression such as `{DEFAULT}`: {reason}")
            }
            Self::Variable { name } => {
                write!(f, "must have no other variable than x, and has `{name}`")
            }
            Self::Ambiguous { remedy } => write!(f, "must have parentheses: write {remedy}"),
            Self::NoNumber { at } => {
                write!(f, "must give a number of milliseconds, and gives none at x = {}", at.get())
            }
        }
    }
}

impl std::error::Error for WaitFunctionError {}

/// An expression, made ready.
#[derive(Debug)]
pub struct WaitFunction {
    expression: FlatEx<f64>,
}

impl WaitFunction {
    /// Reads `text`.
    ///
    /// # Errors
    ///
    /// Where it is not understood, has unknown variables, or gives no number somewhere between 0
    /// and 1.
    pub fn parse(text: &str) -> Result<Self, WaitFunctionError> {
        let syntax = |reason: &str| WaitFunctionError::Syntax { reason: reason.to_owned() };
        if text.chars().count() > LONGEST_EXPRESSION {
            return Err(syntax("it is longer than 500 characters"));
        }
        if let Some(remedy) = ambiguity(text) {
            return Err(WaitFunctionError::Ambiguous { remedy });
        }
        let expression = FlatEx::<f64>::parse(text).map_err(|error| syntax(error.msg()))?;
        let known = |name: &&String| matches!(name.as_str(), "x" | "t" | "e" | "pi");
        if let Some(name) = expression.var_names().iter().find(|name| !known(name)) {
            return Err(WaitFunctionError::Variable { name: name.clone() });
        }
        let function = Self { expression };
        for trial in 0..=TRIALS {
            let at = Probability::new(f32::from(trial) / f32::from(TRIALS));
            if function.millis(at).is_none() {
                return Err(WaitFunctionError::NoNumber { at });
            }
        }
        Ok(function)
    }

    /// The wait where the caller goes on with probability `speaking`; negative ones are none, and
    /// none is longer than [`LONGEST`].
    pub fn wait(&self, speaking: Probability) -> Duration {
        let Some(millis) = self.millis(speaking) else { return LONGEST };
        // Whole milliseconds, so that the last bit of an exponential decides nothing.
        Duration::from_millis(millis.round().clamp(0.0, LONGEST.as_millis() as f64) as u64)
    }

    fn millis(&self, speaking: Probability) -> Option<f64> {
        let x = f64::from(speaking.ten_thousandths()) / 10_000.0;
        let values = self.expression.var_names().iter().map(|name| match name.as_str() {
            "e" => std::f64::consts::E,
            "pi" => std::f64::consts::PI,
            _ => x,
        });
        let values: Vec<f64> = values.collect();
        self.expression.eval(&values).ok().filter(|millis| millis.is_finite())
    }
}

/// What to write instead, where a minus stands before a power or a power is raised again.
fn ambiguity(text: &str) -> Option<&'static str> {
    let text: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    for (at, character) in text.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| text[before]);
        let is_sign = matches!(before, None | Some('(' | ',' | '+' | '-' | '*' | '/' | '^'));
        if *character == '-' && is_sign && text.get(operand(&text, at + 1)) == Some(&'^') {
            return Some("-(x^2) or (-x)^2 for -x^2");
        }
        if *character == '^' {
            let sign = usize::from(matches!(text.get(at + 1), Some('-' | '+')));
            if text.get(operand(&text, at + 1 + sign)) == Some(&'^') {
                return Some("2^(3^2) or (2^3)^2 for 2^3^2");
            }
        }
    }
    None
}

/// One past the operand that begins at `from`: a number, a name, a call, or a parenthesis.
fn operand(text: &[char], from: usize) -> usize {
    let is_word = |c: &char| c.is_alphanumeric() || matches!(c, '.' | '_');
    let mut at = from + text.get(from..).unwrap_or(&[]).iter().take_while(|c| is_word(c)).count();
    if text.get(at) != Some(&'(') {
        return at;
    }
    let mut depth = 0;
    while let Some(character) = text.get(at) {
        at += 1;
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, x: f32) -> u128 {
        let function = WaitFunction::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        function.wait(Probability::new(x)).as_millis()
    }

    #[test]
    fn vapis_presets_give_what_they_say() {
        for (text, waits) in [
            (DEFAULT, [20, 686, 3_020]),
            ("2000 / (1 + exp(-10 * (x - 0.5)))", [13, 1_000, 1_987]),
            (
                "(20 + 500 * sqrt(x) + 2500 * x^3 + 700 + 4000 * max(0, x-0.5)) / 2",
                [360, 693, 2_860],
            ),
            ("700 + 4000 * max(0, x - 0.5)", [700, 700, 2_700]),
            ("200 + 8000 * x", [200, 4_200, 8_200]),
            ("70 + 4000 * t", [70, 2_070, 4_070]),
            ("4000 * (1 - cos(pi * x))", [0, 4_000, 8_000]),
        ] {
            assert_eq!([at(text, 0.0), at(text, 0.5), at(text, 1.0)], waits, "{text}");
        }
    }

    #[test]
    fn waits_are_neither_negative_nor_endless() {
        assert_eq!(at("x - 100", 0.5), 0);
        assert_eq!(at("x * 1000000", 1.0), 15_000);
    }

    #[test]
    fn what_is_no_function_of_x_is_refused() {
        let error = |text: &str| WaitFunction::parse(text).expect_err(text);
        for text in ["", "20 +", "sqrt(", "foo(x)", "20 20", "x > 0.5 ? 1 : 2", "ключ"] {
            let found = error(text);
            let refused = matches!(
                found,
                WaitFunctionError::Syntax { .. } | WaitFunctionError::Variable { .. }
            );
            assert!(refused, "{text}: {found:?}");
        }
        assert_eq!(error("20 * y"), WaitFunctionError::Variable { name: "y".to_owned() });
        assert!(matches!(error("1 / (x - 0.5)"), WaitFunctionError::NoNumber { .. }));
        assert!(matches!(error("sqrt(x - 1)"), WaitFunctionError::NoNumber { .. }));
        assert!(matches!(error(&"(".repeat(100_000)), WaitFunctionError::Syntax { .. }));
        assert!(matches!(error(&"(".repeat(400)), WaitFunctionError::Syntax { .. }));
    }

    #[test]
    fn what_others_read_differently_is_refused() {
        for text in ["-x^2", "20 + exp(-x^2)", "2 * -sqrt(x)^2", "-(x)^2", "2^3^2", "2^-x^2"] {
            let found = WaitFunction::parse(text);
            assert!(matches!(found, Err(WaitFunctionError::Ambiguous { .. })), "{text}");
        }
        for text in ["-(x^2) + 9", "(-x)^2", "5 - x^2", "(2^3)^2", "x^2 * x^3", "exp(-10*x)^2"] {
            assert!(WaitFunction::parse(text).is_ok(), "{text}");
        }
    }
}
