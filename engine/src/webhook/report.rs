//! The bodies of messages: what each kind has, and what every message has.

use serde_json::{Map, Value, json};
use uuid::Uuid;
use wire::{Artifact, Call};

use crate::store::{CallRecord, Pending, Resource, Timestamp};

/// The fields of a JSON object.
pub(super) type Fields = Map<String, Value>;

/// `status-update`.
pub(super) fn status(call: &Call) -> Fields {
    let mut body = Fields::new();
    body.insert("status".to_owned(), call.status.name().into());
    if let Some(reason) = &call.ended_reason {
        body.insert("endedReason".to_owned(), reason.clone().into());
    }
    if let Some(artifact) = &call.artifact {
        body.extend(conversation(artifact));
    }
    body
}

/// `conversation-update`: the conversation so far, in both forms. Products of 2024 read
/// `conversation`.
pub(super) fn conversation(artifact: &Artifact) -> Fields {
    let openai = Value::from(artifact.messages_openai_formatted.clone());
    let mut body = Fields::new();
    body.insert("messages".to_owned(), artifact.messages.clone().into());
    body.insert("conversation".to_owned(), openai.clone());
    body.insert("messagesOpenAIFormatted".to_owned(), openai);
    body
}

/// `tool-calls`, as a client is told: the call in the form of the schema, and with what the docs
/// read beside it.
pub(super) fn tool_calls(id: &str, name: &str, arguments: &str) -> Fields {
    let arguments: Value = serde_json::from_str(arguments).unwrap_or_else(|_| json!({}));
    let call = json!({"id": id, "type": "function", "name": name, "parameters": arguments,
        "function": {"name": name, "arguments": arguments}});
    let with_tool = json!({"type": "function", "name": name, "function": {"name": name},
        "toolCall": call});
    let mut body = Fields::new();
    body.insert("toolCalls".to_owned(), json!([call]));
    body.insert("toolCallList".to_owned(), json!([call]));
    body.insert("toolWithToolCallList".to_owned(), json!([with_tool]));
    body
}

/// Puts what is left of a call where the API shows it: in the artifact, and where older clients
/// read it.
pub(super) fn fill(call: &mut Call, artifact: Artifact) {
    call.messages = Some(artifact.messages.clone());
    call.transcript = Some(artifact.transcript.clone());
    call.recording_url.clone_from(&artifact.recording_url);
    call.stereo_recording_url.clone_from(&artifact.stereo_recording_url);
    call.artifact = Some(artifact);
}

/// `end-of-call-report`: at the top what many products read there, and the artifact.
pub(super) fn end_of_call(call: &Call) -> Fields {
    let mut body = Fields::new();
    let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
    put("endedReason", json!(call.ended_reason));
    put("startedAt", json!(call.started_at));
    put("endedAt", json!(call.ended_at));
    let moment = |text: &Option<String>| text.as_deref().and_then(Timestamp::from_iso);
    let millis = match (moment(&call.started_at), moment(&call.ended_at)) {
        (Some(from), Some(to)) => to.as_millis().saturating_sub(from.as_millis()).max(0),
        _ => 0,
    };
    put("durationMs", millis.into());
    put("durationSeconds", (millis as f64 / 1_000.0).into());
    put("durationMinutes", (millis as f64 / 60_000.0).into());
    let artifact = call.artifact.clone().unwrap_or_default();
    put("transcript", artifact.transcript.clone().into());
    put("messages", artifact.messages.clone().into());
    if let Some(url) = &artifact.recording_url {
        put("recordingUrl", url.clone().into());
    }
    if let Some(url) = &artifact.stereo_recording_url {
        put("stereoRecordingUrl", url.clone().into());
    }
    // Products read fields of it without asking whether it is there.
    put("analysis", json!(call.analysis.clone().unwrap_or_default()));
    if let Some(summary) = &call.summary {
        put("summary", summary.clone().into());
    }
    put("artifact", json!(artifact));
    if let Some(destination) = &call.destination {
        put("destination", destination.clone());
    }
    body
}

/// What every message says of its call: the call, the assistant, the customer and the number.
///
/// # Errors
///
/// Never, as far as is known: everything in a call is JSON.
pub(crate) fn about(record: &CallRecord) -> Result<Fields, serde_json::Error> {
    let mut call = record.to_json()?;
    // They are in the messages that are about them.
    for heavy in ["analysis", "artifact", "messages", "summary", "transcript"] {
        call.remove(heavy);
    }
    let mut fields = Fields::new();
    fields.insert("call".to_owned(), call.into());
    fields.insert("assistant".to_owned(), without_secrets(&record.assistant).into());
    if let Some(customer) = &record.call.customer {
        fields.insert("customer".to_owned(), json!(customer));
    }
    if let Some(number) = &record.phone_number {
        fields.insert("phoneNumber".to_owned(), number.clone());
    }
    Ok(fields)
}

/// The same of a call that is not kept yet.
///
/// # Errors
///
/// As [`about`].
pub(crate) fn about_new(
    id: Uuid,
    call: &Call,
    number: &Resource,
) -> Result<Fields, serde_json::Error> {
    let now = Timestamp::now();
    about(&CallRecord {
        id,
        organisation: number.organisation,
        created_at: now,
        updated_at: now,
        call: call.clone(),
        assistant: Fields::new(),
        phone_number: Some(crate::inbound::phone_number(number.clone())),
        subscription: None,
    })
}

/// `{"message": ...}` as it is posted.
pub(super) fn envelope(record: &CallRecord, message: &Pending) -> Result<Value, serde_json::Error> {
    let mut fields = about(record)?;
    if let Some(status) = message.body.get("status").filter(|_| message.kind == "status-update")
        && let Some(Value::Object(call)) = fields.get_mut("call")
    {
        // As it was then, however long the message was on its way.
        call.insert("status".to_owned(), status.clone());
    }
    fields.extend(message.body.clone());
    fields.insert("type".to_owned(), message.kind.clone().into());
    fields.insert("timestamp".to_owned(), message.created_at.as_millis().into());
    Ok(json!({"message": fields}))
}

/// An assistant as it may be shown to a server: that of a number may belong to another
/// organisation's.
pub(crate) fn without_secrets(assistant: &Fields) -> Fields {
    let mut shown = assistant.clone();
    shown.remove("serverUrlSecret");
    shown.remove("credentials");
    let nested = [("server", "secret"), ("server", "headers"), ("model", "headers")];
    for (object, field) in nested {
        if let Some(Value::Object(object)) = shown.get_mut(object) {
            object.remove(field);
        }
    }
    let tools = shown.get_mut("model").and_then(|model| model.get_mut("tools"));
    for tool in tools.and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(tool) = tool.as_object_mut() {
            tool.remove("headers");
            if let Some(Value::Object(server)) = tool.get_mut("server") {
                server.remove("secret");
                server.remove("headers");
            }
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_stay_here() {
        let assistant = json!({
            "name": "Camille", "serverUrlSecret": "hunter2",
            "server": {"url": "https://x.io", "secret": "hunter2", "headers": {"a": "hunter2"}},
            "model": {"provider": "custom-llm", "headers": {"key": "hunter2"},
                      "tools": [{"server": {"secret": "hunter2"}, "headers": {"a": "hunter2"}}]},
            "credentials": [{"apiKey": "hunter2"}],
        });
        let Value::Object(assistant) = assistant else { panic!("an object") };
        let shown = Value::from(without_secrets(&assistant)).to_string();
        assert!(!shown.contains("hunter2") && shown.contains("https://x.io"), "{shown}");
    }

    #[test]
    fn a_report_says_at_the_top_what_products_read_there() {
        let mut call = Call {
            started_at: Some("2024-07-27T21:23:27.000Z".to_owned()),
            ended_at: Some("2024-07-27T21:24:09.100Z".to_owned()),
            ended_reason: Some("customer-ended-call".to_owned()),
            ..Call::default()
        };
        let transcript = "AI: Bonjour.\n".to_owned();
        fill(&mut call, Artifact { transcript, ..Artifact::default() });
        let body = end_of_call(&call);
        assert_eq!(body["durationSeconds"], 42.1);
        assert_eq!(body["durationMs"], 42_100);
        assert_eq!(body["endedReason"], "customer-ended-call");
        assert_eq!(body["transcript"], body["artifact"]["transcript"]);
        assert!(!body.contains_key("recordingUrl"));
    }
}
