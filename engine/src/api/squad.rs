//! `/squad`.

use serde_json::Value;

use super::resource::{Fields, Kind, Reference};
use crate::config;
use crate::store::Collection;

pub(super) const SQUAD: Kind = Kind {
    references,
    ..Kind::new("/squad", Collection::Squads, "Squad", |app, json| {
        config::squad_check(json, app.config())
    })
};

/// The stored assistants among its members, and those that a member may hand over to.
fn references(squad: &Fields) -> Vec<Reference> {
    let named = |object: &Value, path: &str| {
        Reference::of(object.as_object()?, path, "assistantId", Collection::Assistants)
    };
    let mut all = Vec::new();
    let members = squad.get("members").and_then(Value::as_array);
    for (index, member) in members.into_iter().flatten().enumerate() {
        let path = format!("members.{index}.");
        all.extend(named(member, &path));
        let destinations = member.get("assistantDestinations").and_then(Value::as_array);
        for (index, destination) in destinations.into_iter().flatten().enumerate() {
            all.extend(named(destination, &format!("{path}assistantDestinations.{index}.")));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_squad_names_stored_assistants_in_two_places() {
        let squad = json!({"members": [
            {"assistant": {"name": "Accueil"}, "assistantDestinations": [
                {"type": "assistant", "assistantName": "Cuisine"},
                {"type": "assistant", "assistantId": "b"}]},
            {"assistantId": "a"},
        ]});
        let all = references(squad.as_object().expect("an object"));
        let named: Vec<_> = all.iter().map(|r| (r.path.as_str(), r.id.as_str())).collect();
        assert_eq!(
            named,
            [
                ("members.0.assistantDestinations.1.assistantId", "b"),
                ("members.1.assistantId", "a")
            ]
        );
    }
}
