//! A call's conversation in the rows of Vapi's messages.

use std::time::Duration;

use serde_json::{Map, Value, json};
use turntaking::output::{Event, Role};
use turntaking::time::Instant;
use wire::{Artifact, PerformanceMetrics, Speculation, TurnLatency};

use crate::llm::ChatMessage;
use crate::session::{CallStats, TurnMeasure};
use crate::store::{StageTimes, Timestamp};

/// Who begins to speak within this of the assistant's beginning had not finished: nobody reacts to a
/// voice so soon.
const WENT_ON: Duration = Duration::from_millis(500);

/// What was said so far, and how fast. The assistant's words are those that were heard.
#[derive(Debug)]
pub(super) struct Conversation {
    began: Timestamp,
    rows: Vec<Row>,
    variables: Map<String, Value>,
    metrics: PerformanceMetrics,
    caller_speaks: bool,
    /// Since when the assistant is heard, where the caller has been silent since.
    spoken_since: Option<Instant>,
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
            caller_speaks: false,
            spoken_since: None,
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
            Event::SpeechUpdate { role: Role::User, started } => {
                self.caller_speaks = *started;
                if *started && self.spoken_since.is_some_and(|since| at.since(since) < WENT_ON) {
                    self.metrics.num_user_interrupted += 1;
                }
                self.spoken_since = None;
                false
            }
            Event::SpeechUpdate { role: Role::Assistant, started } => {
                self.metrics.num_user_interrupted += u64::from(*started && self.caller_speaks);
                self.spoken_since = started.then_some(at);
                false
            }
            Event::UserInterrupted { .. } => {
                self.metrics.num_assistant_interrupted += 1;
                false
            }
            _ => false,
        }
    }

    /// A reply has become audible.
    pub(super) fn measured(&mut self, measure: &TurnMeasure) {
        let stages = StageTimes::new(measure);
        self.metrics.turn_latencies.push(TurnLatency {
            model_latency: stages.model_ms,
            voice_latency: stages.voice_ms,
            transcriber_latency: stages.transcriber_ms,
            endpointing_latency: stages.endpointing_ms,
            turn_latency: stages.first_audio_ms,
            transport_latency: stages.transport_ms,
            speculative: measure.speculative,
        });
    }

    /// The call is over.
    pub(super) fn counted(&mut self, stats: &CallStats) {
        let CallStats { speculations: started, speculations_wasted: dropped, .. } = *stats;
        let from_transport = stats.from_transport_us as f64 / 1_000.0;
        self.metrics.from_transport_latency_average = Some(tenths(from_transport));
        self.metrics.speculation = Some(Speculation {
            started,
            kept: started.saturating_sub(dropped),
            dropped,
            tokens_wasted: stats.tokens_wasted,
            characters_wasted: stats.characters_wasted,
        });
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
            (!all.is_empty()).then(|| tenths(all.iter().sum::<f64>() / all.len() as f64))
        };
        PerformanceMetrics {
            model_latency_average: mean(|turn| turn.model_latency),
            voice_latency_average: mean(|turn| turn.voice_latency),
            transcriber_latency_average: mean(|turn| turn.transcriber_latency),
            endpointing_latency_average: mean(|turn| turn.endpointing_latency),
            turn_latency_average: mean(|turn| turn.turn_latency),
            to_transport_latency_average: mean(|turn| turn.transport_latency),
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

/// Rounds to a tenth.
fn tenths(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
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
    use turntaking::output::TurnTimes;

    use super::*;

    fn conversation() -> Conversation {
        Conversation::new(Timestamp::from_micros(0), &Map::new())
    }

    #[test]
    fn stages_add_up_to_what_was_heard() {
        let ms = Instant::from_millis;
        let mut conversation = conversation();
        let times = TurnTimes {
            speech_ended: Some(ms(1_000)),
            transcribed: Some(ms(1_150)),
            committed: Some(ms(1_320)),
            requested: Some(ms(1_110)),
            first_text: Some(ms(1_360)),
            first_audio: Some(ms(1_460)),
            first_played: Some(ms(1_520)),
        };
        let onset = Duration::from_millis(40);
        let turn = TurnId(2);
        conversation.measured(&TurnMeasure { turn, times, speculative: true, onset });
        let greeting = TurnTimes { speech_ended: None, transcribed: None, ..times };
        conversation.measured(&TurnMeasure { turn, times: greeting, speculative: false, onset });
        conversation.counted(&CallStats {
            speculations: 3,
            speculations_wasted: 2,
            tokens_wasted: 17,
            characters_wasted: 60,
            from_transport_us: 12_340,
            ..CallStats::default()
        });
        let metrics = json!(conversation.artifact().performance_metrics);
        assert_eq!(
            metrics["turnLatencies"],
            json!([{"modelLatency": 250.0, "voiceLatency": 100.0, "transcriberLatency": 150.0,
                    "endpointingLatency": 320.0, "turnLatency": 560.0, "transportLatency": 60.0,
                    "speculative": true},
                   {"modelLatency": 250.0, "voiceLatency": 100.0, "transportLatency": 60.0,
                    "speculative": false}])
        );
        assert_eq!(metrics["turnLatencyAverage"], 560.0);
        assert_eq!(metrics["toTransportLatencyAverage"], 60.0);
        assert_eq!(metrics["fromTransportLatencyAverage"], 12.3);
        assert_eq!(
            metrics["speculation"],
            json!({"started": 3, "kept": 1, "dropped": 2, "tokensWasted": 17,
                   "charactersWasted": 60})
        );
    }

    #[test]
    fn who_goes_on_at_once_was_cut_short() {
        let mut conversation = conversation();
        let mut hear = |at, role, started| {
            conversation.note(Instant::from_millis(at), &Event::SpeechUpdate { role, started });
            conversation.metrics().num_user_interrupted
        };
        hear(0, Role::User, true);
        hear(900, Role::User, false);
        assert_eq!(hear(1_300, Role::Assistant, true), 0);
        assert_eq!(hear(1_600, Role::User, true), 1, "it came too early");
        hear(1_700, Role::Assistant, false);
        hear(2_500, Role::User, false);
        hear(3_000, Role::Assistant, true);
        assert_eq!(hear(4_000, Role::User, true), 1, "a caller who cuts in");
        hear(4_100, Role::Assistant, false);
        assert_eq!(hear(4_500, Role::Assistant, true), 2, "over the caller");
    }

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
