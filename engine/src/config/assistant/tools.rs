//! What the model may call: `model.tools`.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::{Map, Value, json};
use turntaking::rules::Pattern;

use super::handoff::{candidate, extraction, handoffs};
use super::server::server;
use super::transfer::{destination, destinations};
use crate::config::Secret;
use crate::config::validation::Validation;
use crate::llm::ToolDefinition;
use crate::tools::{
    ApiRequest, Comparison, Condition, Ending, MessageKind, RejectionCondition, Tool, ToolMessage,
    ToolMessages, Transfers, Work,
};

/// Tools of Vapi's that are taken and not offered to the model: nothing here runs them yet.
const NOT_OFFERED: &[&str] = &[
    "bash",
    "code",
    "computer",
    "ghl",
    "gohighlevel.calendar.availability.check",
    "gohighlevel.calendar.event.create",
    "gohighlevel.contact.create",
    "gohighlevel.contact.get",
    "google.calendar.availability.check",
    "google.calendar.event.create",
    "google.sheets.row.append",
    "make",
    "mcp",
    "output",
    "query",
    "sipRequest",
    "slack.message.send",
    "textEditor",
];

/// Those that are.
const OFFERED: &[&str] =
    &["apiRequest", "dtmf", "endCall", "function", "handoff", "sms", "transferCall", "voicemail"];

/// How a request may be made.
const METHODS: &[&str] = &["POST", "GET", "PUT", "PATCH", "DELETE"];

/// How long a request may take where nobody says: Vapi's default.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The assistant's tools, and the one that older assistants ask for by a field of its own.
pub(super) fn tools(wire: &wire::Assistant, language: &str, check: &mut Validation) -> Vec<Tool> {
    let model = wire.model.as_ref();
    let sent = model.and_then(|model| model.tools.as_deref()).unwrap_or_default();
    let mut tools: Vec<Tool> = Vec::with_capacity(sent.len());
    for (index, sent) in sent.iter().enumerate() {
        let Some(tool) = tool(sent, &format!("model.tools.{index}."), language, check) else {
            continue;
        };
        if tools.iter().any(|known| known.definition.name == tool.definition.name) {
            check.problem(format!(
                "model.tools.{index}: there is a tool named {} already",
                tool.definition.name
            ));
            continue;
        }
        tools.push(tool);
    }
    let functions = model.and_then(|model| model.functions.as_deref()).unwrap_or_default();
    for (index, sent) in functions.iter().enumerate() {
        tools.extend(function(sent, &format!("model.functions.{index}."), language, check));
    }
    if wire.dial_keypad_function_enabled == Some(true)
        && !tools.iter().any(|tool| tool.work == Work::Keys)
    {
        let sent = wire::Tool { kind: Some("dtmf".to_owned()), ..wire::Tool::default() };
        tools.extend(tool(&sent, "", language, check));
    }
    for tool in &mut tools {
        if let Work::Voicemail(message) = &mut tool.work {
            message.clone_from(wire.voicemail_message.as_ref().unwrap_or(&String::new()));
        }
    }
    let transfers = |tool: &Tool| matches!(tool.work, Work::Transfer(_));
    let forwards =
        wire.forwarding_phone_number.is_some() || wire.forwarding_phone_numbers.is_some();
    if forwards && !tools.iter().any(transfers) {
        tools.extend(forwarding(wire, language, check));
    }
    let has_end_call = tools.iter().any(|tool| tool.work == Work::EndCall);
    if wire.end_call_function_enabled == Some(true) && !has_end_call {
        let sent = wire::Tool { kind: Some("endCall".to_owned()), ..wire::Tool::default() };
        tools.extend(tool(&sent, "", language, check));
    }
    tools
}

/// A function of an older assistant's: its server is asked with a `function-call` message.
fn function(
    sent: &wire::Function,
    path: &str,
    language: &str,
    check: &mut Validation,
) -> Option<Tool> {
    let Some(name) = sent.name.clone() else {
        check.problem(format!("{path}name should not be empty"));
        return None;
    };
    named(&name, &format!("{path}name"), check);
    let own = sent
        .server_url
        .clone()
        .map(|url| wire::Server { url: Some(url), ..wire::Server::default() });
    let own = own.and_then(|own| server(&own, &format!("{path}serverUrl"), check));
    let document = wire::Tool {
        kind: Some("function".to_owned()),
        function: Some(sent.clone()),
        ..wire::Tool::default()
    };
    Some(Tool {
        definition: ToolDefinition {
            name,
            description: sent.description.clone().unwrap_or_default(),
            parameters: sent.parameters.clone().unwrap_or_else(no_parameters),
            strict: sent.strict.unwrap_or(false),
        },
        work: Work::Function(own),
        is_async: sent.is_async.unwrap_or(false),
        messages: messages(sent.messages.as_deref(), path, language, check),
        parameters: Map::new(),
        extraction: None,
        rejection: Vec::new(),
        document: shown(&document),
    })
}

/// The tool that older assistants ask for by a number alone.
fn forwarding(wire: &wire::Assistant, language: &str, check: &mut Validation) -> Option<Tool> {
    let mut all = Vec::new();
    if let Some(number) = &wire.forwarding_phone_number {
        let number = wire::TransferDestination {
            kind: Some("number".to_owned()),
            number: Some(number.clone()),
            ..wire::TransferDestination::default()
        };
        all.extend(destination(&number, "forwardingPhoneNumber", language, check));
    }
    let more = wire.forwarding_phone_numbers.as_deref().unwrap_or_default();
    all.extend(destinations(more, "forwardingPhoneNumbers", language, check));
    let sent = wire::Tool { kind: Some("transferCall".to_owned()), ..wire::Tool::default() };
    let transfers = Transfers { parties: all, assistants: Vec::new(), server: None };
    transfer(&sent, transfers, "", check)
}

/// The tool at `path`, which is empty or ends in a dot. `None` where it is not offered.
pub(in crate::config) fn tool(
    wire: &wire::Tool,
    path: &str,
    language: &str,
    check: &mut Validation,
) -> Option<Tool> {
    let kind = wire.kind.as_deref();
    if let Some(kind) = kind.filter(|kind| NOT_OFFERED.contains(kind)) {
        check.without_effect(format!("{}type {kind}", general(path)));
        return None;
    }
    let kinds: Vec<&str> = OFFERED.iter().chain(NOT_OFFERED).copied().collect();
    check.required_one_of(&format!("{path}type"), kind, &kinds);
    if kind == Some("transferCall") {
        let sent = wire.destinations.as_deref().unwrap_or_default();
        let place = format!("{path}destinations");
        let parties = destinations(sent, &place, language, check);
        let each = sent.iter().enumerate();
        let assistants = each.filter_map(|(index, sent)| {
            candidate(sent, &format!("{place}.{index}"), language, check)
        });
        let assistants = assistants.collect();
        let own = wire.server.as_ref();
        let server = own.and_then(|own| server(own, &format!("{path}server"), check));
        let mut tool = transfer(wire, Transfers { parties, assistants, server }, path, check)?;
        tool.messages = messages(wire.messages.as_deref(), path, language, check);
        return Some(tool);
    }
    let messages = messages(wire.messages.as_deref(), path, language, check);
    if kind == Some("handoff") {
        let handoffs = handoffs(wire, path, language, check);
        let definition = handoff_definition(wire, &handoffs, path, check);
        return Some(Tool {
            definition,
            work: Work::Handoff(Box::new(handoffs)),
            is_async: false,
            messages,
            parameters: Map::new(),
            extraction: None,
            rejection: rejection(wire.rejection_plan.as_ref(), path, check),
            document: shown(wire),
        });
    }
    let definition = match kind {
        Some("apiRequest") => request_definition(wire, path, check),
        _ => definition(wire, path, check),
    };
    let work = match kind {
        Some("endCall") => Work::EndCall,
        Some("dtmf") => Work::Keys,
        Some("voicemail") => Work::Voicemail(String::new()),
        Some("sms") => {
            let from = wire.metadata.as_ref().and_then(|metadata| metadata.get("from"));
            Work::Message { from: from.and_then(Value::as_str).map(str::to_owned) }
        }
        Some("apiRequest") => Work::Request(request(wire, path, check)?),
        _ => {
            let own = wire.server.as_ref();
            Work::Webhook(own.and_then(|own| server(own, &format!("{path}server"), check)))
        }
    };
    Some(Tool {
        definition: definition?,
        work,
        is_async: wire.is_async.unwrap_or(false),
        messages,
        parameters: parameters(wire, path, check),
        extraction: wire
            .variable_extraction_plan
            .as_ref()
            .map(|plan| extraction(plan, &format!("{path}variableExtractionPlan"), check)),
        rejection: match kind {
            Some("endCall") => {
                // The Floor ends the call itself.
                if wire.rejection_plan.is_some() {
                    check.without_effect(format!("{}rejectionPlan of endCall", general(path)));
                }
                Vec::new()
            }
            _ => rejection(wire.rejection_plan.as_ref(), path, check),
        },
        document: shown(wire),
    })
}

/// `handoff`: what of the function is sent, and the rest as it follows from the destinations.
fn handoff_definition(
    wire: &wire::Tool,
    handoffs: &crate::tools::Handoffs,
    path: &str,
    check: &mut Validation,
) -> ToolDefinition {
    let function = wire.function.clone().unwrap_or_default();
    let (name, description, parameters) = crate::tools::handoff_definition(handoffs);
    let name = function.name.unwrap_or(name);
    named(&name, &format!("{path}function.name"), check);
    ToolDefinition {
        name,
        description: function.description.unwrap_or(description),
        parameters: function.parameters.unwrap_or(parameters),
        strict: function.strict.unwrap_or(false),
    }
}

/// `transferCall`. One whose destinations are none that can be used is not offered; one without any
/// asks a server.
fn transfer(
    wire: &wire::Tool,
    transfers: Transfers,
    path: &str,
    check: &mut Validation,
) -> Option<Tool> {
    let sent = wire.destinations.as_ref().is_some_and(|sent| !sent.is_empty());
    if sent && transfers.parties.is_empty() && transfers.assistants.is_empty() {
        return None;
    }
    let function = wire.function.clone().unwrap_or_default();
    let name = function.name.unwrap_or_else(|| "transferCall".to_owned());
    named(&name, &format!("{path}function.name"), check);
    let usual = || "Connects the caller to somebody else, and leaves the call.".to_owned();
    let description = function.description.unwrap_or_else(usual);
    let usual = || crate::tools::destination_parameters(&transfers);
    let parameters = function.parameters.unwrap_or_else(usual);
    Some(Tool {
        definition: ToolDefinition { name, description, parameters, strict: false },
        work: Work::Transfer(Box::new(transfers)),
        is_async: false,
        messages: ToolMessages(None),
        parameters: Map::new(),
        extraction: None,
        rejection: rejection(wire.rejection_plan.as_ref(), path, check),
        document: shown(wire),
    })
}

/// `model.tools.0.` as `model.tools.`: what has no effect is told once.
fn general(path: &str) -> String {
    let without_index = path.trim_end_matches(|c: char| c == '.' || c.is_ascii_digit());
    if without_index.is_empty() { String::new() } else { format!("{without_index}.") }
}

fn definition(wire: &wire::Tool, path: &str, check: &mut Validation) -> Option<ToolDefinition> {
    let kind = wire.kind.as_deref();
    let function = wire.function.clone().unwrap_or_default();
    let name = match (kind, function.name) {
        // The Floor knows it by this name.
        (Some("endCall"), _) => "endCall".to_owned(),
        (_, Some(name)) => name,
        (Some(kind @ ("dtmf" | "sms" | "voicemail")), None) => kind.to_owned(),
        (_, None) => {
            check.problem(format!("{path}function.name should not be empty"));
            return None;
        }
    };
    named(&name, &format!("{path}function.name"), check);
    let usual = || match kind {
        Some("dtmf") => json!({"type": "object", "required": ["dtmf"], "properties": {
            "dtmf": {"type": "string",
                "description": "The keys to press: 0-9, *, #, and w for a pause of half a second."}}}),
        Some("sms") => json!({"type": "object", "required": ["content"], "properties": {
            "content": {"type": "string", "description": "The text."},
            "to": {"type": "string",
                "description": "The number it is sent to, in E.164; the caller's, where absent."}}}),
        _ => no_parameters(),
    };
    let parameters = function.parameters.unwrap_or_else(usual);
    if !parameters.is_object() {
        check.problem(format!("{path}function.parameters must be an object"));
    }
    let description = function.description.unwrap_or_else(|| match kind {
        Some("endCall") => "Ends the call.".to_owned(),
        Some("dtmf") => "Presses keys of the telephone's keypad.".to_owned(),
        Some("sms") => "Sends a text message.".to_owned(),
        Some("voicemail") => {
            "Leaves a message and ends the call: an answering machine or a voicemail has answered."
                .to_owned()
        }
        _ => String::new(),
    });
    let strict = function.strict.unwrap_or(false);
    Some(ToolDefinition { name, description, parameters, strict })
}

fn named(name: &str, path: &str, check: &mut Validation) {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if name.is_empty() || name.len() > 64 || !name.chars().all(fits) {
        check.problem(format!("{path} must match /^[a-zA-Z0-9_-]{{1,64}}$/ regular expression"));
    }
}

fn no_parameters() -> Value {
    json!({"type": "object", "properties": {}})
}

/// `apiRequest`: the model gives the properties of the body that have no value of their own.
fn request_definition(
    wire: &wire::Tool,
    path: &str,
    check: &mut Validation,
) -> Option<ToolDefinition> {
    let function = wire.function.clone().unwrap_or_default();
    let name = wire.name.clone().or(function.name).unwrap_or_else(|| "apiRequest".to_owned());
    named(&name, &format!("{path}name"), check);
    let mut parameters = wire.body.clone().or(function.parameters).unwrap_or_else(no_parameters);
    if !parameters.is_object() {
        check.problem(format!("{path}body must be an object"));
        return None;
    }
    let mut fixed = Vec::new();
    if let Some(Value::Object(properties)) = parameters.get_mut("properties") {
        properties.retain(|name, schema| {
            let keep = schema.get("value").is_none();
            if !keep {
                fixed.push(name.clone());
            }
            keep
        });
    }
    if let Some(Value::Array(required)) = parameters.get_mut("required") {
        required.retain(|name| !fixed.iter().any(|fixed| name == fixed));
    }
    let description = wire.description.clone().or(function.description).unwrap_or_default();
    Some(ToolDefinition { name, description, parameters, strict: false })
}

fn request(wire: &wire::Tool, path: &str, check: &mut Validation) -> Option<ApiRequest> {
    let method = wire.method.as_deref();
    check.required_one_of(&format!("{path}method"), method, METHODS);
    let url = wire.url.clone().unwrap_or_default();
    let is_web = url.starts_with("https://") || url.starts_with("http://") || url.starts_with("{{");
    if !is_web {
        check.problem(format!("{path}url must be a URL address"));
    }
    let timeout =
        check.duration(&format!("{path}timeoutSeconds"), wire.timeout_seconds, 1.0..=300.0);
    let mut headers = Vec::new();
    for (name, value) in header_values(wire.headers.as_ref()) {
        match value {
            Value::String(value) => {
                // What a template makes of it is seen when it is sent.
                let fits = HeaderName::try_from(name).is_ok()
                    && (value.contains("{{") || HeaderValue::try_from(value).is_ok());
                if !fits {
                    check.problem(format!("{path}headers.{name} must be an HTTP header"));
                }
                headers.push((name.clone(), Secret::new(value)));
            }
            _ => check.problem(format!("{path}headers.{name} must be a string")),
        }
    }
    let method = method.filter(|method| METHODS.contains(method))?;
    Some(ApiRequest {
        method: Method::from_bytes(method.as_bytes()).ok()?,
        url,
        headers,
        timeout: timeout.unwrap_or(TIMEOUT),
        backoff: wire.backoff_plan.clone(),
    })
}

/// A JSON schema whose properties have values, or simply the values.
fn header_values(sent: Option<&Map<String, Value>>) -> Vec<(&String, &Value)> {
    let Some(sent) = sent else { return Vec::new() };
    match sent.get("properties") {
        Some(Value::Object(properties)) => properties
            .iter()
            .map(|(name, schema)| (name, schema.get("value").unwrap_or(schema)))
            .collect(),
        _ => sent.iter().filter(|(name, _)| *name != "type" && *name != "required").collect(),
    }
}

/// When a call of the tool is refused.
fn rejection(
    plan: Option<&wire::RejectionPlan>,
    path: &str,
    check: &mut Validation,
) -> Vec<RejectionCondition> {
    let sent = plan.and_then(|plan| plan.conditions.as_deref()).unwrap_or_default();
    let path = format!("{path}rejectionPlan.conditions");
    let conditions = rejecting(sent, &path, check);
    // One that is not understood is one that does not hold: nothing is refused by the others alone.
    if conditions.len() == sent.len() { conditions } else { Vec::new() }
}

fn rejecting(
    sent: &[wire::RejectionCondition],
    path: &str,
    check: &mut Validation,
) -> Vec<RejectionCondition> {
    let mut all = Vec::with_capacity(sent.len());
    for (index, sent) in sent.iter().enumerate() {
        let path = format!("{path}.{index}");
        let kind = sent.kind.as_deref();
        check.required_one_of(&format!("{path}.type"), kind, &["regex", "liquid", "group"]);
        match kind {
            Some("regex") => {
                let text = sent.regex.clone().unwrap_or_default();
                // Vapi's own examples begin so, though JavaScript knows no such flag.
                let (ignore_case, regex) = match text.strip_prefix("(?i)") {
                    Some(rest) => (true, rest.to_owned()),
                    None => (false, text),
                };
                let pattern = Pattern { regex, ignore_case, ..Pattern::default() };
                if let Err(error) = pattern.check() {
                    check.problem(format!("{path}.regex {error}"));
                }
                let target = sent.target.clone().unwrap_or_default();
                let role = target.role.as_deref();
                check.one_of(&format!("{path}.target.role"), role, &["user", "assistant"]);
                let position = target.position.unwrap_or(-1.0) as i64;
                let negate = sent.negate.unwrap_or(false);
                all.push(RejectionCondition::Pattern {
                    pattern,
                    role: target.role,
                    position,
                    negate,
                });
            }
            Some("group") => {
                let operator = sent.operator.as_deref();
                check.required_one_of(&format!("{path}.operator"), operator, &["AND", "OR"]);
                let nested = sent.conditions.as_deref().unwrap_or_default();
                let inner = rejecting(nested, &format!("{path}.conditions"), check);
                if inner.len() == nested.len() {
                    all.push(match operator {
                        Some("OR") => RejectionCondition::Any(inner),
                        _ => RejectionCondition::All(inner),
                    });
                }
            }
            Some("liquid") => {
                check.without_effect(format!("{} liquid", super::transfer::without_indices(&path)));
            }
            _ => {}
        }
    }
    all
}

/// What is sent beside the model's arguments: `parameters`, and the properties of an `apiRequest`'s
/// body that have values.
fn parameters(wire: &wire::Tool, path: &str, check: &mut Validation) -> Map<String, Value> {
    let mut all = Map::new();
    let body =
        wire.body.as_ref().and_then(|body| body.get("properties")).and_then(Value::as_object);
    for (name, schema) in body.into_iter().flatten() {
        if let Some(value) = schema.get("value") {
            all.insert(name.clone(), value.clone());
        }
    }
    for (index, parameter) in wire.parameters.iter().flatten().enumerate() {
        let Some(key) = parameter.key.clone().filter(|key| !key.is_empty()) else {
            check.problem(format!("{path}parameters.{index}.key should not be empty"));
            continue;
        };
        all.insert(key, parameter.value.clone().unwrap_or_default());
    }
    all
}

fn messages(
    sent: Option<&[wire::ToolMessage]>,
    path: &str,
    language: &str,
    check: &mut Validation,
) -> ToolMessages {
    let Some(sent) = sent else { return ToolMessages(None) };
    let mut messages = Vec::with_capacity(sent.len());
    for (index, message) in sent.iter().enumerate() {
        messages.extend(tool_message(message, &format!("{path}messages.{index}"), language, check));
    }
    ToolMessages(Some(messages))
}

fn tool_message(
    sent: &wire::ToolMessage,
    path: &str,
    language: &str,
    check: &mut Validation,
) -> Option<ToolMessage> {
    const KINDS: &[&str] =
        &["request-start", "request-response-delayed", "request-complete", "request-failed"];
    let kind = sent.kind.as_deref();
    check.required_one_of(&format!("{path}.type"), kind, KINDS);
    check.one_of(&format!("{path}.role"), sent.role.as_deref(), &["assistant", "system"]);
    let text = in_language(sent, language);
    check.length(&format!("{path}.content"), Some(&text), 0..=1000);
    let timing = format!("{path}.timingMilliseconds");
    let millis = check.range(&timing, sent.timing_milliseconds, 100.0..=120_000.0);
    let ending = Ending {
        to_model: sent.role.as_deref() == Some("system"),
        end_call_after: sent.end_call_after_spoken_enabled.unwrap_or(false),
    };
    let kind = match kind? {
        "request-start" => MessageKind::Start { blocking: sent.blocking.unwrap_or(false) },
        "request-response-delayed" => match millis {
            Some(millis) => {
                MessageKind::Delayed { after: Duration::from_secs_f64(millis / 1_000.0) }
            }
            None => {
                if sent.timing_milliseconds.is_none() {
                    check.problem(format!("{timing} should not be empty"));
                }
                return None;
            }
        },
        "request-complete" => MessageKind::Complete(ending),
        "request-failed" => MessageKind::Failed(ending),
        _ => return None,
    };
    let mut conditions = Vec::new();
    for (index, condition) in sent.conditions.iter().flatten().enumerate() {
        conditions.push(condition_of(condition, &format!("{path}.conditions.{index}"), check)?);
    }
    Some(ToolMessage { kind, text, conditions })
}

/// The words in the assistant's language, else the first that are there.
pub(super) fn in_language(sent: &wire::ToolMessage, language: &str) -> String {
    let primary = |tag: &str| tag.split(['-', '_']).next().unwrap_or_default().to_lowercase();
    let contents = sent.contents.as_deref().unwrap_or_default();
    let wanted = contents.iter().find(|content| {
        content.language.as_deref().is_some_and(|tag| primary(tag) == primary(language))
    });
    let chosen = wanted.or_else(|| contents.first()).and_then(|content| content.text.clone());
    chosen.or_else(|| sent.content.clone()).unwrap_or_default()
}

fn condition_of(
    sent: &wire::ToolMessageCondition,
    path: &str,
    check: &mut Validation,
) -> Option<Condition> {
    let operator = sent.operator.as_deref();
    let operators = ["eq", "neq", "gt", "gte", "lt", "lte"];
    check.required_one_of(&format!("{path}.operator"), operator, &operators);
    if sent.param.is_none() {
        check.problem(format!("{path}.param should not be empty"));
    }
    let operator = match operator? {
        "eq" => Comparison::Eq,
        "neq" => Comparison::Neq,
        "gt" => Comparison::Gt,
        "gte" => Comparison::Gte,
        "lt" => Comparison::Lt,
        "lte" => Comparison::Lte,
        _ => return None,
    };
    Some(Condition {
        param: sent.param.clone()?,
        operator,
        value: sent.value.clone().unwrap_or_default(),
    })
}

/// The tool as a server may be shown it: without what other servers are told in secret.
fn shown(wire: &wire::Tool) -> Map<String, Value> {
    let mut wire = wire.clone();
    wire.headers = None;
    if let Some(server) = &mut wire.server {
        (server.secret, server.headers) = (None, None);
    }
    match serde_json::to_value(&wire) {
        Ok(Value::Object(shown)) => shown,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::assistant::tests::read;

    #[test]
    fn a_tool_of_vapis_is_understood() {
        let assistant = read(&json!({
            "transcriber": {"language": "fr"},
            "model": {"tools": [{
                "type": "function", "async": false,
                "function": {"name": "book", "parameters": {"type": "object"}},
                "messages": [
                    {"type": "request-start", "blocking": true,
                     "contents": [{"type": "text", "text": "Wait.", "language": "en"},
                                  {"type": "text", "text": "Un instant.", "language": "fr"}]},
                    {"type": "request-response-delayed", "content": "Encore un peu.",
                     "timingMilliseconds": 3000},
                    {"type": "request-complete", "content": "Fait.", "role": "system",
                     "conditions": [{"param": "n", "operator": "gt", "value": 3}]},
                ],
                "server": {"url": "https://x.io/t", "secret": "hunter2"},
                "parameters": [{"key": "tenant", "value": "a"}],
            }]},
        }))
        .expect("it is sound");
        assert!(assistant.without_effect.is_empty(), "{:?}", assistant.without_effect);
        let [tool] = &assistant.tools[..] else { panic!("{:?}", assistant.tools) };
        let Some(messages) = &tool.messages.0 else { panic!("there are messages") };
        assert_eq!(messages[0].text, "Un instant.");
        assert_eq!(messages[0].kind, MessageKind::Start { blocking: true });
        assert_eq!(messages[1].kind, MessageKind::Delayed { after: Duration::from_secs(3) });
        assert_eq!(tool.parameters["tenant"], "a");
        assert!(matches!(&tool.work, Work::Webhook(Some(_))));
        let shown = Value::from(tool.document.clone()).to_string();
        assert!(shown.contains("https://x.io/t") && !shown.contains("hunter2"), "{shown}");
        assert!(!format!("{tool:?}").contains("hunter2"));
    }

    #[test]
    fn what_a_request_has_by_itself_is_not_asked_of_the_model() {
        let assistant = read(&json!({"model": {"tools": [{
            "type": "apiRequest", "name": "stock", "method": "GET",
            "url": "https://x.io/{{sku}}",
            "headers": {"type": "object",
                        "properties": {"X-Key": {"type": "string", "value": "hunter2"}}},
            "body": {"type": "object", "required": ["sku", "shop"],
                     "properties": {"sku": {"type": "string"},
                                    "shop": {"type": "string", "value": "Lyon"}}},
        }]}}))
        .expect("it is sound");
        let tool = &assistant.tools[0];
        assert_eq!(tool.definition.name, "stock");
        assert_eq!(
            tool.definition.parameters,
            json!({"type": "object", "required": ["sku"], "properties": {"sku": {"type": "string"}}})
        );
        assert_eq!(tool.parameters["shop"], "Lyon");
        assert!(!format!("{tool:?}").contains("hunter2"));
    }

    #[test]
    fn what_is_wrong_with_a_tool_is_told_with_its_path() {
        let error = read(&json!({"model": {"tools": [
            {"type": "function", "function": {"name": "a b"},
             "messages": [{"type": "request-begin"},
                          {"type": "request-response-delayed", "content": "x"}]},
            {"type": "apiRequest", "method": "HEAD", "url": "x"},
        ]}}))
        .expect_err("it has problems");
        let mut told = error.problems().to_vec();
        told.sort();
        assert_eq!(
            told,
            [
                "model.tools.0.function.name must match /^[a-zA-Z0-9_-]{1,64}$/ regular expression",
                "model.tools.0.messages.0.type must be one of the following values: \
                 request-start, request-response-delayed, request-complete, request-failed",
                "model.tools.0.messages.1.timingMilliseconds should not be empty",
                "model.tools.1.method must be one of the following values: POST, GET, PUT, PATCH, \
                 DELETE",
                "model.tools.1.url must be a URL address",
            ]
        );
    }

    #[test]
    fn a_telephone_has_keys_text_messages_and_machines() {
        let assistant = read(&json!({"voicemailMessage": "Rappelez-nous.", "model": {
            "functions": [{"name": "book", "parameters": {"type": "object"}}],
            "tools": [{"type": "sms", "metadata": {"from": "+33123456789"}},
                {"type": "voicemail"},
                {"type": "dtmf", "rejectionPlan": {"conditions": [
                    {"type": "regex", "regex": "(?i)menu", "target": {"role": "user"},
                     "negate": true}]}}]},
            "dialKeypadFunctionEnabled": true}))
        .expect("it is sound");
        assert!(assistant.without_effect.is_empty(), "{:?}", assistant.without_effect);
        let names: Vec<_> = assistant.tools.iter().map(|t| t.definition.name.as_str()).collect();
        assert_eq!(names, ["sms", "voicemail", "dtmf", "book"]);
        assert_eq!(assistant.tools[1].work, Work::Voicemail("Rappelez-nous.".to_owned()));
        assert_eq!(assistant.tools[2].rejection.len(), 1);
        assert_eq!(assistant.tools[3].work, Work::Function(None));
    }

    #[test]
    fn the_older_field_for_ending_the_call_makes_a_tool() {
        let assistant = read(&json!({"endCallFunctionEnabled": true})).expect("it is sound");
        assert_eq!(assistant.tools[0].definition.name, "endCall");
        assert!(assistant.without_effect.is_empty(), "{:?}", assistant.without_effect);
    }
}
