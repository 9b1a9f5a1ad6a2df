//! `/openapi.json`: what is served here, drawn from what serves it; and `/docs`, pages made of it.

use std::sync::LazyLock;

use axum::extract::State;
use axum::http::header;
use axum::response::{Html, IntoResponse};
use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use super::assistant::ASSISTANT;
use super::credential::CREDENTIAL;
use super::knowledge_base::KNOWLEDGE_BASE;
use super::phone_number::PHONE_NUMBER;
use super::resource::{Kind, Listing};
use super::squad::SQUAD;
use super::structured_output::STRUCTURED_OUTPUT;
use super::tool::TOOL;
use crate::app::App;

/// How a type is described.
pub(super) type Describe = fn(&mut SchemaGenerator) -> Schema;

/// The stored resources, and what each is.
pub(super) const RESOURCES: &[(Kind, &str, Describe)] = &[
    (ASSISTANT, "Assistants", of::<wire::Assistant>),
    (SQUAD, "Squads", of::<wire::Squad>),
    (TOOL, "Tools", of::<wire::Tool>),
    (PHONE_NUMBER, "Phone numbers", of::<wire::PhoneNumber>),
    (CREDENTIAL, "Credentials", credential),
    (KNOWLEDGE_BASE, "Knowledge bases", of::<wire::KnowledgeBase>),
    (STRUCTURED_OUTPUT, "Structured outputs", of::<wire::StructuredOutput>),
];

/// Method, path, tag, what it does, its body, its status and answer.
type Operation = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    Option<Describe>,
    &'static str,
    Option<Describe>,
);

/// What is no stored resource.
#[rustfmt::skip]
const OTHERS: &[Operation] = &[
    ("get", "/call", "Calls", "List calls", None, "200", Some(list_of::<wire::Call>)),
    ("post", "/call", "Calls", "Place a call", Some(of::<wire::NewCall>), "201", Some(of::<wire::Call>)),
    ("post", "/call/phone", "Calls", "Place a call, as older clients do", Some(of::<wire::NewCall>), "201", Some(of::<wire::Call>)),
    ("get", "/call/{id}", "Calls", "Show a call", None, "200", Some(of::<wire::Call>)),
    ("patch", "/call/{id}", "Calls", "Rename a call", Some(named), "200", Some(of::<wire::Call>)),
    ("delete", "/call/{id}", "Calls", "Delete what is left of a call", None, "200", Some(of::<wire::Call>)),
    ("post", "/call/{id}/control", "Calls", "Give an order to a call in progress", Some(anything), "200", Some(anything)),
    ("get", "/call/{id}/mono-recording", "Calls", "Go to the recording", None, "302", None),
    ("get", "/call/{id}/stereo-recording", "Calls", "Go to the recording, caller left, assistant right", None, "302", None),
    ("get", "/call/{id}/customer-recording", "Calls", "Go to the caller's side of the recording", None, "302", None),
    ("get", "/call/{id}/assistant-recording", "Calls", "Go to the assistant's side of the recording", None, "302", None),
    ("get", "/call/{id}/call-logs", "Calls", "Go to what happened, line by line", None, "302", None),
    ("get", "/logs", "Calls", "What happened in calls", None, "200", Some(anything)),
    ("get", "/file", "Files", "List files", None, "200", Some(anything)),
    ("post", "/file", "Files", "Send a file, as multipart/form-data", None, "201", Some(anything)),
    ("get", "/file/{id}", "Files", "Show a file", None, "200", Some(anything)),
    ("patch", "/file/{id}", "Files", "Rename a file", Some(named), "200", Some(anything)),
    ("delete", "/file/{id}", "Files", "Delete a file", None, "200", Some(anything)),
    ("post", "/phone-number/import/twilio", "Phone numbers", "Import a number, as older clients do", Some(of::<wire::PhoneNumber>), "201", Some(of::<wire::PhoneNumber>)),
    ("get", "/v2/phone-number", "Phone numbers", "List phone numbers in pages", None, "200", Some(anything)),
    ("get", "/token", "Keys", "List keys", None, "200", Some(anything)),
    ("post", "/token", "Keys", "Make a key", Some(of::<wire::NewToken>), "201", Some(anything)),
    ("delete", "/token/{id}", "Keys", "Make a key worthless", None, "200", Some(anything)),
];

/// Everything but the server's own URL, which is known once it runs.
static DOCUMENT: LazyLock<Value> = LazyLock::new(document);

/// `GET /openapi.json`.
pub(super) async fn show(State(app): State<App>) -> impl IntoResponse {
    let mut document = DOCUMENT.clone();
    document["servers"] = json!([{"url": app.public_url().http("")}]);
    ([(header::CONTENT_TYPE, "application/json")], document.to_string())
}

/// `GET /docs`: one page, which asks nobody else for anything.
pub(super) async fn pages() -> impl IntoResponse {
    const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src \
                          'unsafe-inline'; connect-src 'self'";
    ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(include_str!("docs.html")))
}

fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut paths = Map::new();
    for (kind, tag, describe) in RESOURCES {
        resource(*kind, tag, describe(&mut generator), &mut paths);
    }
    for (method, path, tag, summary, body, status, answer) in OTHERS {
        let body = body.map(|describe| describe(&mut generator));
        let answer = answer.map(|describe| describe(&mut generator));
        let operation = operation(path, tag, summary, body, status, answer);
        let methods = paths.entry(*path).or_insert_with(|| json!({}));
        methods[*method] = operation;
    }
    let error = generator.subschema_for::<wire::ErrorBody>();
    let mut schemas = generator.take_definitions(true);
    schemas.insert("Stored".to_owned(), stored());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Causerie",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Vapi's API, served by your own engine.",
        },
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {"Refused": {
                "description": "Everything that is wrong, at once.",
                "content": {"application/json": {"schema": error}},
            }},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    })
}

/// What is served for a kind of stored resource.
fn resource(kind: Kind, tag: &str, schema: Schema, paths: &mut Map<String, Value>) {
    let name = kind.name.to_lowercase();
    let shown =
        Schema::try_from(json!({"allOf": [schema, {"$ref": "#/components/schemas/Stored"}]}));
    let shown = shown.unwrap_or_default();
    let list = match kind.listing {
        Listing::Bare => json!({"type": "array", "items": shown}),
        Listing::Paged => json!({
            "type": "object",
            "properties": {
                "results": {"type": "array", "items": shown},
                "metadata": {"type": "object"},
            },
        }),
    };
    let one = format!("{}/{{id}}", kind.path);
    let (sent, shown, list) = (Some(schema), Some(shown), Schema::try_from(list).ok());
    let say = |path: &str, verb: &str, body: &Option<Schema>, status, answer: &Option<Schema>| {
        operation(path, tag, &format!("{verb} {name}"), body.clone(), status, answer.clone())
    };
    let mut listing = say(kind.path, "List every", &None, "200", &list);
    listing["parameters"] = list_parameters();
    paths.insert(
        kind.path.to_owned(),
        json!({"get": listing, "post": say(kind.path, "Make a", &sent, "201", &shown)}),
    );
    let compatibility = format!("{one}/compatibility");
    let told = say(&compatibility, "What has no effect here of a", &None, "200", &None);
    paths.insert(compatibility, json!({"get": told}));
    let methods = json!({
        "get": say(&one, "Show a", &None, "200", &shown),
        "patch": say(&one, "Change fields of a", &sent, "200", &shown),
        "put": say(&one, "Replace a", &sent, "200", &shown),
        "delete": say(&one, "Delete a", &None, "200", &shown),
    });
    paths.insert(one, methods);
}

fn operation(
    path: &str,
    tag: &str,
    summary: &str,
    body: Option<Schema>,
    status: &str,
    answer: Option<Schema>,
) -> Value {
    let mut succeeded = json!({"description": summary});
    if let Some(answer) = answer {
        succeeded["content"] = json!({"application/json": {"schema": answer}});
    }
    let mut operation = json!({
        "tags": [tag],
        "summary": summary,
        "responses": {"default": {"$ref": "#/components/responses/Refused"}},
    });
    operation["responses"][status] = succeeded;
    if path.contains("{id}") {
        operation["parameters"] = json!([
            {"name": "id", "in": "path", "required": true,
             "schema": {"type": "string", "format": "uuid"}},
        ]);
    }
    if let Some(body) = body {
        operation["requestBody"] =
            json!({"required": true, "content": {"application/json": {"schema": body}}});
    }
    operation
}

/// What every list may be asked for.
fn list_parameters() -> Value {
    let parameter = |name: &str, schema: Value| json!({"name": name, "in": "query", "required": false, "schema": schema});
    let moment = json!({"type": "string", "format": "date-time"});
    let mut all = vec![
        parameter(
            "limit",
            json!({"type": "integer", "minimum": 0, "maximum": 1000, "default": 100}),
        ),
        parameter("idAny", json!({"type": "array", "items": {"type": "string", "format": "uuid"}})),
    ];
    for field in ["createdAt", "updatedAt"] {
        for bound in ["Gt", "Ge", "Lt", "Le"] {
            all.push(parameter(&format!("{field}{bound}"), moment.clone()));
        }
    }
    all.into()
}

/// What every stored resource has.
fn stored() -> Value {
    let moment = json!({"type": "string", "format": "date-time"});
    json!({
        "type": "object",
        "required": ["id", "orgId", "createdAt", "updatedAt"],
        "properties": {
            "id": {"type": "string", "format": "uuid"},
            "orgId": {"type": "string", "format": "uuid"},
            "createdAt": moment,
            "updatedAt": moment,
        },
    })
}

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

fn list_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<Vec<T>>()
}

fn anything(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({"type": "object"})
}

fn named(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 40}},
    })
}

/// What a credential has beside these depends on its provider.
fn credential(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({
        "type": "object",
        "required": ["provider"],
        "properties": {
            "provider": {"type": "string"},
            "name": {"type": "string", "minLength": 1, "maxLength": 40},
            "authenticationPlan": {"type": "object", "properties": {
                "type": {"type": "string", "enum": ["bearer", "hmac", "oauth2"]},
            }},
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_leads_somewhere() {
        fn references<'a>(value: &'a Value, all: &mut Vec<&'a str>) {
            match value {
                Value::Object(fields) => {
                    all.extend(fields.get("$ref").and_then(Value::as_str));
                    fields.values().for_each(|value| references(value, all));
                }
                Value::Array(values) => values.iter().for_each(|value| references(value, all)),
                _ => {}
            }
        }
        let mut all = Vec::new();
        references(&DOCUMENT, &mut all);
        assert!(all.len() > 50, "{} references", all.len());
        for reference in all {
            let pointer = reference.strip_prefix('#').expect("of this document");
            assert!(DOCUMENT.pointer(pointer).is_some(), "{reference}");
        }
        let assistant = &DOCUMENT["components"]["schemas"]["Assistant"]["properties"];
        assert!(assistant["firstMessage"]["description"].is_string(), "{assistant}");
    }
}
