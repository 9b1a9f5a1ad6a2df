//! Squads: several assistants who pass one call to each other (Vapi's `squad`).

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::app::App;
use crate::overrides;
use crate::store::{Collection, StoreError};
use crate::webhook;

type Fields = Map<String, Value>;

/// The assistants of a call, as they are for this call. Its `Debug` does not show them.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Squad {
    /// The first begins.
    pub(crate) members: Vec<Member>,
}

/// One of them.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Member {
    /// Where it is a stored one.
    pub(crate) id: Option<String>,
    /// The assistant, with the tool that reaches the others, and everything merged but the call's
    /// own overrides.
    pub(crate) assistant: Fields,
    /// Its variables.
    pub(crate) variables: Fields,
}

impl fmt::Debug for Squad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Squad").field("members", &self.members.len()).finish()
    }
}

impl Member {
    /// Its name; may be empty.
    pub(crate) fn name(&self) -> &str {
        self.assistant.get("name").and_then(Value::as_str).unwrap_or_default()
    }

    /// Merged over the member, and its variables over the member's.
    pub(crate) fn merge(&mut self, changes: &Fields) {
        overrides::merge(&mut self.assistant, changes);
        self.variables.extend(overrides::own_variables(Some(changes)));
    }

    /// The overrides under which its variables are known.
    pub(crate) fn as_overrides(&self) -> Fields {
        Fields::from_iter([("variableValues".to_owned(), self.variables.clone().into())])
    }
}

impl Squad {
    /// The member of this name, or whose assistant has this id.
    pub(crate) fn member(&self, name: &str) -> Option<&Member> {
        let named = |member: &&Member| member.name() == name || member.id.as_deref() == Some(name);
        self.members.iter().find(named)
    }
}

/// Why a squad cannot take calls.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoSquad {
    /// It is not sound.
    #[error("{0}")]
    Invalid(String),
    /// The database fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl App {
    /// A stored squad.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub(crate) async fn stored_squad(
        &self,
        owner: Uuid,
        id: &str,
    ) -> Result<Option<Fields>, StoreError> {
        let Ok(id) = Uuid::parse_str(id) else { return Ok(None) };
        let found = self.store().resource(Collection::Squads, owner, id).await?;
        Ok(found.map(|squad| squad.document))
    }

    /// The squad that `document` describes, with its stored assistants. Later goes before earlier:
    /// a member's assistant, its `assistantOverrides`, the squad's `membersOverrides`, the call's
    /// `changes`.
    ///
    /// # Errors
    ///
    /// What is wrong with it, with its path.
    pub(crate) async fn squad(
        &self,
        owner: Uuid,
        document: &Fields,
        changes: Option<&Fields>,
    ) -> Result<Squad, NoSquad> {
        let invalid = |text: String| NoSquad::Invalid(text);
        let sent = document.get("members").and_then(Value::as_array).map(Vec::as_slice);
        let sent = sent.filter(|members| !members.is_empty());
        let sent = sent.ok_or_else(|| invalid("squad.members should not be empty".to_owned()))?;
        let object = |value: &Value, name: &str| match value.get(name) {
            Some(Value::Object(fields)) => Some(fields.clone()),
            _ => None,
        };
        let everyone = object(&Value::from(document.clone()), "membersOverrides");
        let mut members = Vec::with_capacity(sent.len());
        for (index, sent) in sent.iter().enumerate() {
            let path = format!("squad.members.{index}");
            let id = sent.get("assistantId").and_then(Value::as_str).map(str::to_owned);
            let assistant = match (object(sent, "assistant"), &id) {
                (Some(mut assistant), _) => {
                    self.with_stored_tools(owner, &mut assistant).await?;
                    assistant
                }
                (None, Some(id)) => self
                    .stored_assistant(owner, id)
                    .await?
                    .ok_or_else(|| invalid(format!("{path}.assistantId {id} does not exist")))?,
                (None, None) => {
                    return Err(invalid(format!("{path} must have an assistant or assistantId")));
                }
            };
            let mut member = Member { id, assistant, variables: Fields::new() };
            let own = object(sent, "assistantOverrides");
            for changes in [own.as_ref(), everyone.as_ref(), changes].into_iter().flatten() {
                member.merge(changes);
            }
            if let Some(Value::Array(destinations)) = sent.get("assistantDestinations")
                && !destinations.is_empty()
            {
                reach(&mut member.assistant, destinations);
            }
            members.push(member);
        }
        Ok(Squad { members })
    }
}

/// A squad as it may be shown to a server: its own assistants may hold secrets.
pub(crate) fn shown(squad: &Fields) -> Fields {
    let mut shown = squad.clone();
    let strip = |value: &mut Value, name: &str| {
        if let Some(Value::Object(assistant)) = value.get_mut(name) {
            *assistant = webhook::without_secrets(assistant);
        }
    };
    let members = shown.get_mut("members").and_then(Value::as_array_mut);
    for member in members.into_iter().flatten() {
        strip(member, "assistant");
        strip(member, "assistantOverrides");
    }
    if let Some(Value::Object(overrides)) = shown.get_mut("membersOverrides") {
        *overrides = webhook::without_secrets(overrides);
    }
    shown
}

/// Gives the assistant a tool that reaches `destinations`.
fn reach(assistant: &mut Fields, destinations: &[Value]) {
    let model = assistant.entry("model").or_insert_with(|| json!({}));
    let Some(model) = model.as_object_mut() else { return };
    let tools = model.entry("tools").or_insert_with(|| json!([]));
    let Some(tools) = tools.as_array_mut() else { return };
    let own = tools.iter_mut().find(|tool| tool["type"] == "transferCall");
    let own = own.and_then(|tool| tool.get_mut("destinations")).and_then(Value::as_array_mut);
    match own {
        // The model has one tool of this name.
        Some(own) => own.extend_from_slice(destinations),
        None => tools.push(json!({"type": "transferCall", "destinations": destinations})),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_become_a_tool_or_join_the_one_that_is_there() {
        let to = |name: &str| json!({"type": "assistant", "assistantName": name});
        let mut plain = Fields::new();
        reach(&mut plain, &[to("A")]);
        assert_eq!(
            plain["model"]["tools"],
            json!([{"type": "transferCall", "destinations": [to("A")]}])
        );
        reach(&mut plain, &[to("B")]);
        assert_eq!(plain["model"]["tools"][0]["destinations"], json!([to("A"), to("B")]));
    }
}
