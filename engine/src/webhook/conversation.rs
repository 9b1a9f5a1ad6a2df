//! A call's conversation in the rows of Vapi's messages.

use std::time::Duration;

use serde_json::{Map, Value, json};
use turntaking::output::{Event, Role};
use turntaking::time::Instant;
use wire::{Artifact, PerformanceMetrics, TurnLatency};

use crate::store::{StageTimes, Timestamp};

/// What was said so far, and how fast. The assistant's words are those that were heard.
#[derive(Debug)]
pub(super) struct Conversation {
    began: Timestamp,
    rows: Vec<Row>,
    metrics: PerformanceMetrics,
}

#[derive(Debug)]
struct Row {
    role: Speaker,
    text: String,
    /// Since the call began.
    at: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaker {
    System,
    Assistant,
    User,
}

impl Conversation {
    /// Of a call that began at `began`. Instructions of `assistant` come first, as in Vapi's.
    pub(super) fn new(began: Timestamp, assistant: &Map<String, Value>) -> Self {
        let messages = assistant.get("model").and_then(|model| model.get("messages"));
        let rows = messages
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter(|message| message["role"] == "system")
            .filter_map(|message| message["content"].as_str())
            .map(|text| Row { role: Speaker::System, text: text.to_owned(), at: Duration::ZERO })
            .collect();
        Self { began, rows, metrics: PerformanceMetrics::default() }
    }

    /// Notes what the Floor saw. Whether what was said has changed.
    pub(super) fn note(&mut self, at: Instant, event: &Event) -> bool {
        match event {
            Event::UserTranscript { text, is_final: true } => {
                self.say(Speaker::User, text, at);
                true
            }
            Event::AssistantHeard { text, .. } => {
                self.say(Speaker::Assistant, text, at);
                true
            }
            Event::TurnReopened => {
                // The turn's words come again with those that follow.
                self.rows.pop_if(|last| last.role == Speaker::User).is_some()
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

    fn say(&mut self, role: Speaker, text: &str, at: Instant) {
        self.rows.push(Row { role, text: text.to_owned(), at: at.since_start() });
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
            performance_metrics: Some(self.metrics.clone()),
            ..Artifact::default()
        }
    }

    fn vapi(&self, row: &Row) -> Value {
        let role = match row.role {
            Speaker::System => "system",
            Speaker::Assistant => "bot",
            Speaker::User => "user",
        };
        json!({
            "role": role,
            "message": row.text,
            "time": self.began.after(row.at).as_millis(),
            "secondsFromStart": (row.at.as_secs_f64() * 1_000.0).round() / 1_000.0,
        })
    }

    fn transcript(&self) -> String {
        let mut transcript = String::new();
        for row in &self.rows {
            let name = match row.role {
                Speaker::System => continue,
                Speaker::Assistant => "AI",
                Speaker::User => "User",
            };
            transcript.push_str(&format!("{name}: {}\n", row.text));
        }
        transcript
    }
}

fn openai(row: &Row) -> Value {
    let role = match row.role {
        Speaker::System => "system",
        Speaker::Assistant => "assistant",
        Speaker::User => "user",
    };
    json!({"role": role, "content": row.text})
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
