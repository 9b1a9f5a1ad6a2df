//! `/assistant`.

use serde_json::Value;

use super::resource::{Fields, Kind, Reference, server_credential, without};
use crate::config;
use crate::store::Collection;

pub(super) const ASSISTANT: Kind = Kind {
    references,
    shown: |document| without(document, &["serverUrlSecret"]),
    ..Kind::new("/assistant", Collection::Assistants, "Assistant", |app, json| {
        config::assistant_check(json, app.config())
    })
};

/// The credentials that requests to its servers are signed with.
fn references(assistant: &Fields) -> Vec<Reference> {
    let mut all: Vec<_> = server_credential(assistant, "").into_iter().collect();
    let tools = assistant.get("model").and_then(|model| model.get("tools"));
    for (index, tool) in tools.and_then(Value::as_array).into_iter().flatten().enumerate() {
        let parent = format!("model.tools.{index}.");
        all.extend(tool.as_object().and_then(|tool| server_credential(tool, &parent)));
    }
    all
}
