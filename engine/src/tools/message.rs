//! What the caller hears while a tool runs and once it has answered.

use std::time::Duration;

use serde_json::{Map, Value};

use super::template::render;

/// What is said where the assistant names no message: Vapi's words in English.
const FILLERS: &[(&str, &[&str])] = &[
    ("en", &["Hold on a sec.", "One moment.", "Just a sec.", "Give me a moment."]),
    (
        "fr",
        &[
            "Un instant, s'il vous plaît.",
            "Je regarde cela tout de suite.",
            "Une petite seconde.",
            "Un moment, je vérifie.",
        ],
    ),
];

/// What a tool may say. `None`: nothing was configured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToolMessages(pub Option<Vec<ToolMessage>>);

/// One message.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolMessage {
    /// When it is said.
    pub kind: MessageKind,
    /// The words; empty: silence.
    pub text: String,
    /// All of them must hold for the call's arguments.
    pub conditions: Vec<Condition>,
}

/// When a message is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// The tool was called.
    Start {
        /// The tool runs once it was heard.
        blocking: bool,
    },
    /// The tool has not answered yet.
    Delayed {
        /// Since it was called.
        after: Duration,
    },
    /// It has answered.
    Complete(Ending),
    /// It has failed.
    Failed(Ending),
}

/// What follows on an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ending {
    /// The words are for the model, which answers.
    pub to_model: bool,
    /// The call ends once they were heard.
    pub end_call_after: bool,
}

/// A condition on the arguments of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// Which argument.
    pub param: String,
    /// How it is compared.
    pub operator: Comparison,
    /// With what.
    pub value: Value,
}

/// How an argument is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Equal.
    Eq,
    /// Not equal.
    Neq,
    /// Greater.
    Gt,
    /// Greater or equal.
    Gte,
    /// Less.
    Lt,
    /// Less or equal.
    Lte,
}

/// What is said at the beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// Nothing.
    Silence,
    /// Nobody chose: a filler, where the wait is long enough to be noticed.
    Filler(&'static str),
    /// These words.
    Say { text: String, blocking: bool },
}

impl ToolMessages {
    /// What is said when the tool is called; `choice` picks among variants.
    pub(super) fn opening(&self, language: &str, arguments: &Arguments, choice: u64) -> Opening {
        let filler = || filler(language, choice).map_or(Opening::Silence, Opening::Filler);
        let Some(messages) = &self.0 else { return filler() };
        let mut starts = messages.iter().filter_map(|message| match message.kind {
            MessageKind::Start { blocking } => Some((message, blocking)),
            _ => None,
        });
        if messages.is_empty() {
            return Opening::Silence;
        }
        if starts.clone().next().is_none() {
            return filler();
        }
        let eligible: Vec<_> =
            starts.by_ref().filter(|(message, _)| message.applies(arguments)).collect();
        match pick(&eligible, choice) {
            Some((message, blocking)) if !message.text.trim().is_empty() => {
                Opening::Say { text: message.words(arguments), blocking: *blocking }
            }
            _ => Opening::Silence,
        }
    }

    /// What is said while it takes its time, the soonest first.
    pub(super) fn delayed(&self, arguments: &Arguments, choice: u64) -> Vec<(Duration, String)> {
        let mut stages: Vec<(Duration, Vec<&ToolMessage>)> = Vec::new();
        for message in self.0.iter().flatten() {
            let MessageKind::Delayed { after } = message.kind else { continue };
            if !message.applies(arguments) || message.text.trim().is_empty() {
                continue;
            }
            match stages.iter_mut().find(|(at, _)| *at == after) {
                Some((_, variants)) => variants.push(message),
                None => stages.push((after, vec![message])),
            }
        }
        stages.sort_by_key(|(after, _)| *after);
        let said = |(after, variants): (Duration, Vec<&ToolMessage>)| {
            Some((after, pick(&variants, choice)?.words(arguments)))
        };
        stages.into_iter().filter_map(said).collect()
    }

    /// What is said once it has answered, or failed.
    pub(super) fn ending(
        &self,
        failed: bool,
        arguments: &Arguments,
        choice: u64,
    ) -> Option<(String, Ending)> {
        let eligible: Vec<_> = self
            .0
            .iter()
            .flatten()
            .filter_map(|message| match message.kind {
                MessageKind::Complete(ending) if !failed => Some((message, ending)),
                MessageKind::Failed(ending) if failed => Some((message, ending)),
                _ => None,
            })
            .filter(|(message, _)| message.applies(arguments) && !message.text.trim().is_empty())
            .collect();
        let (message, ending) = pick(&eligible, choice)?;
        Some((message.words(arguments), *ending))
    }
}

/// The arguments of a call.
pub(super) type Arguments = Map<String, Value>;

fn filler(language: &str, choice: u64) -> Option<&'static str> {
    let primary = language.split(['-', '_']).next().unwrap_or_default();
    let known = |(tag, _): &&(&str, &[&str])| tag.eq_ignore_ascii_case(primary);
    let (_, fillers) = FILLERS.iter().find(known)?;
    pick(fillers, choice).copied()
}

fn pick<T>(variants: &[T], choice: u64) -> Option<&T> {
    let count = u64::try_from(variants.len()).ok().filter(|count| *count > 0)?;
    variants.get(usize::try_from(choice % count).ok()?)
}

impl ToolMessage {
    fn applies(&self, arguments: &Arguments) -> bool {
        self.conditions.iter().all(|condition| condition.holds(arguments))
    }

    fn words(&self, arguments: &Arguments) -> String {
        render(&self.text, &[arguments])
    }
}

impl Condition {
    fn holds(&self, arguments: &Arguments) -> bool {
        let given = arguments.get(&self.param).unwrap_or(&Value::Null);
        let order = match (number(given), number(&self.value)) {
            (Some(given), Some(wanted)) => given.partial_cmp(&wanted),
            _ => Some(text(given).cmp(&text(&self.value))),
        };
        let Some(order) = order else { return false };
        match self.operator {
            Comparison::Eq => order.is_eq(),
            Comparison::Neq => order.is_ne(),
            Comparison::Gt => order.is_gt(),
            Comparison::Gte => order.is_ge(),
            Comparison::Lt => order.is_lt(),
            Comparison::Lte => order.is_le(),
        }
    }
}

/// The value as a number: models write numbers as text, too.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn arguments(value: Value) -> Arguments {
        let Value::Object(arguments) = value else { panic!("an object") };
        arguments
    }

    fn message(kind: MessageKind, text: &str, conditions: Vec<Condition>) -> ToolMessage {
        ToolMessage { kind, text: text.to_owned(), conditions }
    }

    const START: MessageKind = MessageKind::Start { blocking: false };

    #[test]
    fn who_configures_nothing_gets_a_filler_in_the_calls_language() {
        let none = arguments(json!({}));
        let opening = |language| ToolMessages(None).opening(language, &none, 1);
        assert_eq!(opening("fr-FR"), Opening::Filler("Je regarde cela tout de suite."));
        assert_eq!(opening("en"), Opening::Filler("One moment."));
        assert_eq!(opening("fi"), Opening::Silence, "rather than in another language");
        assert_eq!(ToolMessages(Some(vec![])).opening("fr", &none, 0), Opening::Silence);
        let only_end = message(MessageKind::Complete(Ending::default()), "Fait.", vec![]);
        let opening = ToolMessages(Some(vec![only_end])).opening("fr", &none, 0);
        assert!(matches!(opening, Opening::Filler(_)), "{opening:?}");
        let empty = ToolMessages(Some(vec![message(START, "", vec![])]));
        assert_eq!(empty.opening("fr", &none, 0), Opening::Silence);
    }

    #[test]
    fn variants_are_chosen_among_those_whose_conditions_hold() {
        let many =
            Condition { param: "guests".to_owned(), operator: Comparison::Gte, value: json!(8) };
        let messages = ToolMessages(Some(vec![
            message(START, "Un grand groupe de {{guests}}, voyons.", vec![many.clone()]),
            message(START, "Voyons.", vec![Condition { operator: Comparison::Lt, ..many }]),
        ]));
        let said = |guests: Value| match messages.opening(
            "fr",
            &arguments(json!({"guests": guests})),
            3,
        ) {
            Opening::Say { text, .. } => text,
            other => panic!("{other:?}"),
        };
        assert_eq!(said(json!(2)), "Voyons.");
        assert_eq!(said(json!("12")), "Un grand groupe de 12, voyons.");
    }

    #[test]
    fn delayed_messages_of_one_moment_are_variants() {
        let at = |seconds| MessageKind::Delayed { after: Duration::from_secs(seconds) };
        let messages = ToolMessages(Some(vec![
            message(at(9), "Toujours rien.", vec![]),
            message(at(4), "Encore un instant.", vec![]),
            message(at(4), "Je cherche.", vec![]),
        ]));
        let said = messages.delayed(&arguments(json!({})), 1);
        assert_eq!(
            said,
            [
                (Duration::from_secs(4), "Je cherche.".to_owned()),
                (Duration::from_secs(9), "Toujours rien.".to_owned()),
            ]
        );
    }
}
