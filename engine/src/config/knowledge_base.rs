//! A knowledge base of the first kind: `POST /knowledge-base`, which Vapi's public schema no longer
//! has and older clients ask for.

use super::assistant;
use super::checked::Checked;
use super::validation::Validation;

/// The kinds of it.
const PROVIDERS: &[&str] = &["canonical", "custom-knowledge-base", "trieve"];

/// Checks a knowledge base.
pub fn knowledge_base_check(json: &str) -> Checked {
    let mut check = Validation::of("knowledgeBase");
    if let Some(wire) = check.read::<wire::KnowledgeBase>(json) {
        check.required_one_of("provider", wire.provider.as_deref(), PROVIDERS);
        check.length("name", wire.name.as_deref(), 1..=80);
        match (wire.provider.as_deref(), &wire.server) {
            (_, Some(server)) => assistant::sound_server(server, "server", &mut check),
            (Some("custom-knowledge-base"), None) => check.problem("server should not be empty"),
            (_, None) => {}
        }
        if let Some(provider) = &wire.provider {
            check.without_effect(format!("provider {provider}"));
        }
    }
    check.into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_kind_needs_its_own() {
        let problems = |json: serde_json::Value| knowledge_base_check(&json.to_string()).problems;
        let trieve = json!({"provider": "trieve", "name": "Carte",
            "searchPlan": {"topK": 5, "searchType": "semantic"},
            "createPlan": {"type": "create", "chunkPlans": [{"fileIds": ["a"]}]}});
        assert_eq!(problems(trieve), [""; 0]);
        let custom = json!({"provider": "custom-knowledge-base", "server": {"url": "nowhere"}});
        assert_eq!(problems(custom), ["server.url must be a URL address"]);
        assert_eq!(
            problems(json!({"provider": "custom-knowledge-base", "serveur": 1})),
            [
                "property serveur should not exist; did you mean server?",
                "server should not be empty",
            ]
        );
    }
}
