//! What a dialogue means: its file, checked and made ready.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::file::{DialogueFile, OneOrMany, ReplyEntry, RuleEntry, ToolEntry};
use super::pattern::Pattern;
use super::template::{Arguments, Template};
use super::{DialogueError, Pace};

/// A dialogue, checked: every slot, state and fragment it names exists.
#[derive(Debug)]
pub(super) struct Dialogue {
    pub(super) language: String,
    pub(super) start: String,
    pub(super) slots: BTreeMap<String, String>,
    pub(super) pace: Pace,
    pub(super) greeting: Option<Reply>,
    pub(super) rules: Vec<Rule>,
    pub(super) fallback: Reply,
}

/// When to say what.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) pattern: Pattern,
    /// Empty: in every state.
    pub(super) states: Vec<String>,
    pub(super) reply: Reply,
}

/// What to say and do.
#[derive(Debug, Default)]
pub(super) struct Reply {
    pub(super) say: Option<Template>,
    pub(super) set: Vec<(String, Template)>,
    pub(super) goto: Option<String>,
    pub(super) tool: Option<Tool>,
    pub(super) end_call: bool,
    /// The reply to the tool's answer.
    pub(super) then: Option<Box<Self>>,
}

/// A call of a tool.
#[derive(Debug)]
pub(super) struct Tool {
    pub(super) name: String,
    pub(super) arguments: Arguments,
}

impl Dialogue {
    /// Reads and checks a dialogue.
    pub(super) fn parse(yaml: &str) -> Result<Self, DialogueError> {
        let file: DialogueFile = serde_norway::from_str(yaml)
            .map_err(|error| DialogueError::Yaml { reason: error.to_string() })?;

        let names = Names { slots: &file.slots, fragments: &file.fragments };
        for slot in file.slots.keys() {
            if slot == "result" {
                return Err(invalid("slots", "`result` is the name of a tool's answer"));
            }
        }
        let greeting = file.greeting.map(|reply| names.reply("greeting", reply, false));
        let mut rules = Vec::with_capacity(file.rules.len());
        for (index, rule) in file.rules.into_iter().enumerate() {
            rules.push(names.rule(&format!("rules[{index}]"), rule)?);
        }
        let dialogue = Self {
            greeting: greeting.transpose()?,
            fallback: names.reply("fallback", file.fallback, false)?,
            rules,
            language: file.language,
            start: file.start,
            pace: file.pace,
            slots: file.slots,
        };
        dialogue.check_states()?;
        Ok(dialogue)
    }

    /// Every state that a rule waits in is gone to from somewhere: anything else is a
    /// misspelling, of the state or of the `goto` that was to lead there. A state no rule waits
    /// in is none: there the rules for all states apply.
    fn check_states(&self) -> Result<(), DialogueError> {
        let mut reached = BTreeSet::from([self.start.as_str()]);
        self.replies().for_each(|reply| reply.gotos(&mut reached));
        for (index, rule) in self.rules.iter().enumerate() {
            for state in &rule.states {
                if !reached.contains(state.as_str()) {
                    let known: Vec<_> = reached.iter().map(|state| format!("`{state}`")).collect();
                    return Err(invalid(
                        &format!("rules[{index}].when.state"),
                        format!(
                            "nothing goes to the state `{state}`, only to {}",
                            known.join(", ")
                        ),
                    ));
                }
            }
        }
        Ok(())
    }

    fn replies(&self) -> impl Iterator<Item = &Reply> {
        let rules = self.rules.iter().map(|rule| &rule.reply);
        self.greeting.iter().chain(rules).chain([&self.fallback])
    }
}

impl Reply {
    /// Adds the states it goes to, at once or after a tool's answer.
    fn gotos<'a>(&'a self, reached: &mut BTreeSet<&'a str>) {
        reached.extend(self.goto.as_deref());
        if let Some(then) = &self.then {
            then.gotos(reached);
        }
    }
}

/// What the rest of the dialogue may name.
struct Names<'a> {
    slots: &'a BTreeMap<String, String>,
    fragments: &'a BTreeMap<String, String>,
}

impl Names<'_> {
    fn rule(&self, place: &str, rule: RuleEntry) -> Result<Rule, DialogueError> {
        let (when, reply) = rule.split();
        let place_of_user = format!("{place}.when.user");
        let pattern = match when.user {
            None => Ok(Pattern::Any),
            Some(OneOrMany::One(source)) => {
                self.expand(&source).and_then(|source| Pattern::regex(&source))
            }
            Some(OneOrMany::Many(phrases)) => Pattern::phrases(&phrases),
        };
        let pattern = pattern.map_err(|reason| invalid(&place_of_user, reason))?;
        for slot in pattern.captures() {
            self.known_slot(slot).map_err(|reason| invalid(&place_of_user, reason))?;
        }
        let states = match when.state {
            None => Vec::new(),
            Some(OneOrMany::One(state)) => vec![state],
            Some(OneOrMany::Many(states)) => states,
        };
        Ok(Rule { pattern, states, reply: self.reply(place, reply, false)? })
    }

    fn reply(
        &self,
        place: &str,
        entry: ReplyEntry,
        answered: bool,
    ) -> Result<Reply, DialogueError> {
        if entry.then.is_some() && entry.tool.is_none() {
            return Err(invalid(
                &format!("{place}.then"),
                "is the reply to a tool's answer, and no `tool` is called here",
            ));
        }
        let template = |key: String, source: &str| {
            let template =
                Template::parse(&source.split_whitespace().collect::<Vec<_>>().join(" "))
                    .and_then(|template| self.known(&template, answered).map(|()| template));
            template.map_err(|reason| invalid(&key, reason))
        };
        let say = entry.say.map(|say| template(format!("{place}.say"), &say)).transpose()?;
        let mut set = Vec::with_capacity(entry.set.len());
        for (slot, value) in entry.set {
            let key = format!("{place}.set.{slot}");
            self.known_slot(&slot).map_err(|reason| invalid(&key, reason))?;
            set.push((slot, template(key, &value)?));
        }
        let tool = entry.tool.map(|tool| self.tool(&format!("{place}.tool"), tool, answered));
        let then = entry.then.map(|then| self.reply(&format!("{place}.then"), *then, true));
        Ok(Reply {
            say,
            set,
            goto: entry.goto,
            tool: tool.transpose()?,
            end_call: entry.end_call,
            then: then.transpose()?.map(Box::new),
        })
    }

    fn tool(&self, place: &str, entry: ToolEntry, answered: bool) -> Result<Tool, DialogueError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if !(1..=64).contains(&entry.name.len()) || !entry.name.chars().all(allowed) {
            return Err(invalid(
                &format!("{place}.name"),
                format!("`{}` is not 1 to 64 of the characters a-z A-Z 0-9 _ -", entry.name),
            ));
        }
        let arguments = Arguments::parse(Value::Object(entry.arguments))
            .and_then(|arguments| {
                let mut templates = arguments.templates().into_iter();
                templates.try_for_each(|template| self.known(template, answered))?;
                Ok(arguments)
            })
            .map_err(|reason| invalid(&format!("{place}.arguments"), reason))?;
        Ok(Tool { name: entry.name, arguments })
    }

    fn known(&self, template: &Template, answered: bool) -> Result<(), String> {
        if template.uses_result() && !answered {
            return Err("`{result}` is known only within `then`".to_owned());
        }
        template.slots().try_for_each(|slot| self.known_slot(slot))
    }

    fn known_slot(&self, slot: &str) -> Result<(), String> {
        if self.slots.contains_key(slot) {
            return Ok(());
        }
        Err(format!("there is no slot `{slot}`; add it to `slots:` with the value it begins with"))
    }

    /// Puts the fragments into a pattern: `{number}` becomes `(?:one|two|…)`. A regular
    /// expression's own braces hold digits, so they stay.
    fn expand(&self, source: &str) -> Result<String, String> {
        let mut expanded = String::with_capacity(source.len());
        let mut rest = source;
        while let Some((before, after)) = rest.split_once('{') {
            expanded.push_str(before);
            let name = after.split_once('}').map(|(name, _)| name).filter(|name| {
                name.starts_with(|c: char| c.is_ascii_alphabetic()) && !before.ends_with("\\p")
            });
            match name {
                Some(name) => {
                    let fragment = self.fragments.get(name).ok_or_else(|| {
                        format!("there is no fragment `{name}`; add it to `fragments:`")
                    })?;
                    expanded.push_str("(?:");
                    expanded.push_str(fragment);
                    expanded.push(')');
                    rest = &after[name.len() + 1..];
                }
                None => {
                    expanded.push('{');
                    rest = after;
                }
            }
        }
        expanded.push_str(rest);
        Ok(expanded)
    }
}

fn invalid(place: &str, reason: impl Into<String>) -> DialogueError {
    DialogueError::Invalid { place: place.to_owned(), reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(yaml: &str) -> String {
        Dialogue::parse(yaml).expect_err("not a dialogue").to_string()
    }

    #[test]
    fn the_least_dialogue() {
        let dialogue = Dialogue::parse("{language: en, fallback: {say: Yes.}}").expect("valid");
        assert_eq!((dialogue.language.as_str(), dialogue.start.as_str()), ("en", "start"));
        assert!(dialogue.rules.is_empty());
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let told = error("language: en\nfallback:\n  say: Yes.\n  sya: No.\n");
        assert!(told.contains("fallback: unknown field `sya`, expected one of `say`"), "{told}");
        assert!(told.contains("line 4"), "{told}");
        let told = error("language: en\nrules:\n- when: {usr: x}\nfallback: {}\n");
        assert!(told.contains("unknown field `usr`, expected `user` or `state`"), "{told}");
        assert!(told.contains("line 3"), "{told}");
        let told = error("language: en\nrules:\n- when: {user: {a: b}}\nfallback: {}\n");
        assert!(told.contains("expected a text or a list of texts"), "{told}");
        assert!(error("language: en").contains("missing field `fallback`"));
    }

    #[test]
    fn a_wrong_pattern_is_named() {
        let told =
            error("{language: en, rules: [{when: {user: ok}}, {when: {user: '('}}], fallback: {}}");
        assert!(told.starts_with("rules[1].when.user: "), "{told}");
        assert!(told.contains("unclosed group"), "{told}");
        let told = error("{language: en, rules: [{when: {user: '(?P<x>a)'}}], fallback: {}}");
        assert_eq!(
            told,
            "rules[0].when.user: there is no slot `x`; add it to `slots:` with the value it begins \
             with"
        );
        let told = error("{language: en, rules: [{when: {user: 'a {n}'}}], fallback: {}}");
        assert_eq!(told, "rules[0].when.user: there is no fragment `n`; add it to `fragments:`");
    }

    #[test]
    fn fragments_go_into_patterns_and_quantifiers_stay() {
        let fragments = BTreeMap::from([("n".to_owned(), "one|two".to_owned())]);
        let names = Names { slots: &BTreeMap::new(), fragments: &fragments };
        assert_eq!(
            names.expand(r"a{2,3} {n}{n} \p{Greek} {").as_deref(),
            Ok(r"a{2,3} (?:one|two)(?:one|two) \p{Greek} {")
        );
    }

    #[test]
    fn a_wrong_text_is_named() {
        let told = error("{language: en, fallback: {say: 'Hello {name}.'}}");
        assert!(told.starts_with("fallback.say: there is no slot `name`"), "{told}");
        let told = error("{language: en, fallback: {set: {name: x}}}");
        assert!(told.starts_with("fallback.set.name: there is no slot `name`"), "{told}");
        let told = error("{language: en, fallback: {say: '{result}'}}");
        assert_eq!(told, "fallback.say: `{result}` is known only within `then`");
        let told = error("{language: en, fallback: {tool: {name: f, arguments: {a: '{x}'}}}}");
        assert!(told.starts_with("fallback.tool.arguments: there is no slot `x`"), "{told}");
        let told = error("{language: en, fallback: {tool: {name: 'a b'}}}");
        assert!(told.starts_with("fallback.tool.name: `a b` is not"), "{told}");
        let told = error("{language: en, fallback: {then: {say: x}}}");
        assert!(told.starts_with("fallback.then: is the reply to a tool's answer"), "{told}");
    }

    #[test]
    fn a_misspelt_state_is_named() {
        let told =
            error("{language: en, rules: [{goto: booked}, {when: {state: bokked}}], fallback: {}}");
        assert_eq!(
            told,
            "rules[1].when.state: nothing goes to the state `bokked`, only to `booked`, `start`"
        );
    }

    #[test]
    fn a_state_may_be_reached_after_a_tool_and_need_no_rule_of_its_own() {
        let yaml = "{language: en, rules: [{tool: {name: f}, goto: asked, then: {goto: told}}, \
                    {when: {state: [told, start]}}], fallback: {}}";
        Dialogue::parse(yaml).expect("valid");
    }
}
