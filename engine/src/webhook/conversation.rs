//! A call's conversation in the rows of Vapi's messages.

use std::time::Duration;

use serde_json::{Map, Value, json};
use turntaking::output::{Event, Role};
use turntaking::time::Instant;
use wire::{Artifact, PerformanceMetrics, TurnLatency};

use crate::llm::ChatMessage;
use crate::store::{StageTimes, Timestamp};

/// What was said so far, and how fast. The assistant's words are those that were heard.
#[derive(Debug)]
pub(super) struct Conversation {
    began: Timestamp,
    rows: Vec<Row>,
    variables: Map<String, Value>,
    metrics: PerformanceMetrics,
}

#[derive(Debug)]
struct Row {
    said: Said,
    /// Since the call began.
    at: Duration,
}

#[derive(Debug)]
enum Said {
    System(String),
    Assistant(String),
    User(String),
    /// The model called a tool.
    Called {
        id: String,
        name: String,
        arguments: String,
    },
    /// It answered.
    Answered {
        id: String,
        name: String,
        result: String,
    },
}

impl Conversation {
    /// Of a call that began at `began`. Instructions of `assistant` come first, as in Vapi's.
    pub(super) fn new(began: Timestamp, assistant: &Map<String, Value>) -> Self {
        let mut conversation = Self {
            began,
            rows: Vec::new(),
            variables: Map::new(),
            metrics: PerformanceMetrics::default(),
        };
        conversation.instructed(Instant::START, assistant);
        conversation
    }

    /// An assistant speaks from now on: its instructions.
    pub(super) fn instructed(&mut self, at: Instant, assistant: &Map<String, Value>) {
        let messages = assistant.get("model").and_then(|model| model.get("messages"));
        let messages = messages.and_then(Value::as_array).into_iter().flatten();
        let instructions = messages.filter(|message| message["role"] == "system");
        for text in instructions.filter_map(|message| message["content"].as_str()) {
            self.say(Said::System(text.to_owned()), at);
        }
    }

    /// Variables of the call.
    pub(super) fn learn(&mut self, variables: Map<String, Value>) {
        self.variables.extend(variables);
    }

    /// Notes what the Floor saw. Whether what was said has changed.
    pub(super) fn note(&mut self, at: Instant, event: &Event) -> bool {
        match event {
            Event::UserTranscript { text, is_final: true } => {
                self.say(Said::User(text.clone()), at);
                true
            }
            Event::AssistantHeard { text, .. } => {
                self.say(Said::Assistant(text.clone()), at);
                true
            }
            Event::TurnReopened => {
                // The turn's words come again with those that follow.
                self.rows.pop_if(|last| matches!(last.said, Said::User(_))).is_some()
            }
            Event::TurnLatency { times, .. } => {
                let stages = StageTimes::new(times);
                self.metrics.turn_latencies.push(TurnLatency {
                    model_latency: stages.model_ms,
                    voice_latency: stages.voice_ms,
                    transcriber_latency: stages.transcriber_ms,
                    endpointing_latency: stages.endpointing_ms,
                    turn_latency: stages.first_audio_ms,
                });
                false
            }
            Event::UserInterrupted { .. } => {
                self.metrics.num_assistant_interrupted += 1;
                false
            }
            _ => false,
        }
    }

    /// The model called a tool.
    pub(super) fn called(&mut self, at: Instant, id: String, name: String, arguments: String) {
        self.say(Said::Called { id, name, arguments }, at);
    }

    /// A tool answered.
    pub(super) fn answered(&mut self, at: Instant, id: String, result: String) {
        let name = self.rows.iter().rev().find_map(|row| match &row.said {
            Said::Called { id: called, name, .. } if *called == id => Some(name.clone()),
            _ => None,
        });
        self.say(Said::Answered { id, name: name.unwrap_or_default(), result }, at);
    }

    /// A message was put in from outside.
    pub(super) fn added(&mut self, at: Instant, message: &ChatMessage) {
        let said = match message {
            ChatMessage::System { content } => Said::System(content.clone()),
            ChatMessage::User { content } => Said::User(content.clone()),
            ChatMessage::Assistant { content, .. } => Said::Assistant(content.clone()),
            ChatMessage::Tool { tool_call_id: id, content } => {
                return self.answered(at, id.clone(), content.clone());
            }
        };
        self.say(said, at);
    }

    fn say(&mut self, said: Said, at: Instant) {
        self.rows.push(Row { said, at: at.since_start() });
    }

    /// The wall clock at a moment of the call.
    pub(super) fn time(&self, at: Instant) -> Timestamp {
        self.began.after(at.since_start())
    }

    /// When the call began.
    pub(super) const fn began(&self) -> Timestamp {
        self.began
    }

    /// What is left of it, but for the recording.
    pub(super) fn artifact(&self) -> Artifact {
        Artifact {
            messages: self.rows.iter().map(|row| self.vapi(row)).collect(),
            messages_openai_formatted: self.rows.iter().map(openai).collect(),
            transcript: self.transcript(),
            performance_metrics: Some(self.metrics()),
            variable_values: self.variables.clone(),
            ..Artifact::default()
        }
    }

    /// How fast the replies were, and on the whole.
    fn metrics(&self) -> PerformanceMetrics {
        let mean = |of: fn(&TurnLatency) -> Option<f64>| {
            let all: Vec<f64> = self.metrics.turn_latencies.iter().filter_map(of).collect();
            let mean = all.iter().sum::<f64>() / all.len() as f64;
            (!all.is_empty()).then_some((mean * 10.0).round() / 10.0)
        };
        PerformanceMetrics {
            model_latency_average: mean(|turn| turn.model_latency),
            voice_latency_average: mean(|turn| turn.voice_latency),
            transcriber_latency_average: mean(|turn| turn.transcriber_latency),
            endpointing_latency_average: mean(|turn| turn.endpointing_latency),
            turn_latency_average: mean(|turn| turn.turn_latency),
            ..self.metrics.clone()
        }
    }

    fn vapi(&self, row: &Row) -> Value {
        let mut json = match &row.said {
            Said::System(text) => json!({"role": "system", "message": text}),
            Said::Assistant(text) => json!({"role": "bot", "message": text}),
            Said::User(text) => json!({"role": "user", "message": text}),
            Said::Called { id, name, arguments } => json!({
                "role": "tool_calls",
                "message": "",
                "toolCalls": [tool_call(id, name, arguments)],
            }),
            Said::Answered { id, name, result } => json!({
                "role": "tool_call_result",
                "name": name,
                "result": result,
                "toolCallId": id,
            }),
        };
        json["time"] = self.began.after(row.at).as_millis().into();
        let seconds = (row.at.as_secs_f64() * 1_000.0).round() / 1_000.0;
        json["secondsFromStart"] = seconds.into();
        json
    }

    fn transcript(&self) -> String {
        let mut transcript = String::new();
        for row in &self.rows {
            let (name, text) = match &row.said {
                Said::System(_) | Said::Called { .. } | Said::Answered { .. } => continue,
                Said::Assistant(text) => ("AI", text),
                Said::User(text) => ("User", text),
            };
            transcript.push_str(&format!("{name}: {text}\n"));
        }
        transcript
    }
}

fn openai(row: &Row) -> Value {
    match &row.said {
        Said::System(text) => json!({"role": "system", "content": text}),
        Said::Assistant(text) => json!({"role": "assistant", "content": text}),
        Said::User(text) => json!({"role": "user", "content": text}),
        Said::Called { id, name, arguments } => {
            json!({"role": "assistant", "content": "", "tool_calls": [tool_call(id, name, arguments)]})
        }
        Said::Answered { id, result, .. } => {
            json!({"role": "tool", "tool_call_id": id, "content": result})
        }
    }
}

/// Here arguments are text, as OpenAI has them.
fn tool_call(id: &str, name: &str, arguments: &str) -> Value {
    json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
}

/// Vapi's word for a side.
pub(super) const fn role(role: Role) -> &'static str {
    match role {
        Role::User => "user",
        Role::Assistant => "assistant",
    }
}

#[cfg(test)]
mod tests {
    use turntaking::input::TurnId;

    use super::*;

    #[test]
    fn a_conversation_reads_as_vapis_do() {
        let assistant =
            json!({"model": {"messages": [{"role": "system", "content": "Be brief."}]}});
        let Value::Object(assistant) = assistant else { panic!("an object") };
        let began = Timestamp::from_micros(1_722_115_407_000_000);
        let mut conversation = Conversation::new(began, &assistant);
        let heard =
            Event::AssistantHeard { turn: TurnId(1), text: "Bonjour.".to_owned(), complete: true };
        assert!(conversation.note(Instant::from_millis(1_520), &heard));
        for text in ["Je vou", "Je voudrais une table."] {
            let event = Event::UserTranscript { text: text.to_owned(), is_final: true };
            conversation.note(Instant::from_millis(3_000), &event);
            if text == "Je vou" {
                assert!(conversation.note(Instant::from_millis(2_500), &Event::TurnReopened));
            }
        }
        let artifact = conversation.artifact();
        assert_eq!(artifact.transcript, "AI: Bonjour.\nUser: Je voudrais une table.\n");
        assert_eq!(
            artifact.messages[1],
            json!({"role": "bot", "message": "Bonjour.", "time": 1_722_115_408_520_i64,
                   "secondsFromStart": 1.52})
        );
        assert_eq!(
            artifact.messages_openai_formatted[2],
            json!({"role": "user", "content": "Je voudrais une table."})
        );
    }
}
