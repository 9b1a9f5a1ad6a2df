//! What a model makes of a call once it is over: a summary, data by the product's schema, whether it
//! did what it was for (Vapi's `analysisPlan`).

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use wire::{Analysis, Call};

use crate::llm::{ChatMessage, ChatRequest, LanguageModel, ReplyEvent};
use crate::tools::render;

/// Longest answer, in tokens.
const LONGEST: u32 = 1_000;

/// What is asked about a call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AnalysisPlan {
    /// Nothing is asked, where fewer messages were exchanged.
    pub fewest_messages: usize,
    /// The questions.
    pub tasks: Vec<Task>,
}

/// One question.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// What about.
    pub subject: Subject,
    /// How it is asked; `None`: as Vapi does, in the call's language.
    pub messages: Option<Vec<ChatMessage>>,
    /// Of structured data.
    pub schema: Value,
    /// Of an evaluation; `None`: `PassFail`.
    pub rubric: Option<String>,
    /// How long the answer may take.
    pub timeout: Duration,
}

/// What a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// What was said.
    Summary,
    /// Data by the product's schema.
    StructuredData,
    /// Whether the call did what it was for.
    Success,
}

impl Subject {
    /// The field of the plan.
    pub const fn plan(self) -> &'static str {
        match self {
            Self::Summary => "summaryPlan",
            Self::StructuredData => "structuredDataPlan",
            Self::Success => "successEvaluationPlan",
        }
    }

    const fn instructions(self, french: bool) -> &'static str {
        match (self, french) {
            (Self::Summary, false) => {
                "You are an expert note-taker. You will be given a transcript of a call. \
                 Summarize the call in 2-3 sentences, if applicable."
            }
            (Self::Summary, true) => {
                "Vous prenez des notes avec soin. On vous donne la transcription d'un appel. \
                 Résumez l'appel en deux ou trois phrases."
            }
            (Self::StructuredData, false) => {
                "You are an expert data extractor. You will be given a transcript of a call. \
                 Extract structured data per the JSON Schema, and answer with the JSON alone. \
                 What was not said is null.\n\nSchema:\n{{schema}}"
            }
            (Self::StructuredData, true) => {
                "Vous extrayez des données avec soin. On vous donne la transcription d'un appel. \
                 Répondez par le seul JSON qui suit ce schéma. Ce qui n'a pas été dit est \
                 null.\n\nSchéma :\n{{schema}}"
            }
            (Self::Success, false) => {
                "You are an expert call evaluator. You will be given a transcript of a call and \
                 the system prompt of the AI participant. Determine if the call was successful \
                 based on the objectives inferred from the system prompt, and answer with the \
                 evaluation alone.\n\nRubric:\n{{rubric}}\n\nSystem prompt:\n{{systemPrompt}}"
            }
            (Self::Success, true) => {
                "Vous évaluez des appels. On vous donne la transcription d'un appel et les \
                 instructions de l'assistant. Dites si l'appel a atteint le but que ces \
                 instructions lui donnent ; répondez par l'évaluation seule.\n\nBarème :\n\
                 {{rubric}}\n\nInstructions :\n{{systemPrompt}}"
            }
        }
    }
}

/// What a rubric asks for.
fn rubric(name: Option<&str>) -> &'static str {
    match name {
        Some("NumericScale") => "NumericScale: a number from 1 to 10.",
        Some("DescriptiveScale") => "DescriptiveScale: Excellent, Good, Fair or Poor.",
        Some("Checklist") => "Checklist: each criterion, and whether it was met.",
        Some("Matrix") => "Matrix: each criterion, and how well it was met.",
        Some("PercentageScale") => "PercentageScale: from 0% to 100%.",
        Some("LikertScale") => {
            "LikertScale: Strongly Agree, Agree, Neutral, Disagree or Strongly Disagree."
        }
        Some("AutomaticRubric") => "AutomaticRubric: each aspect that matters, with a score.",
        _ => "PassFail: 'true' if the call succeeded, 'false' if it did not.",
    }
}

/// Who analyses a call.
#[derive(Clone, Debug)]
pub(crate) struct Analyst {
    /// What is asked.
    pub(crate) plan: AnalysisPlan,
    /// Who answers.
    pub(crate) model: Arc<dyn LanguageModel>,
    /// BCP 47 tag of the language of our own questions.
    pub(crate) language: String,
    /// The assistant's instructions.
    pub(crate) system_prompt: String,
}

impl Analyst {
    /// There is something to ask about `call`.
    pub(crate) fn is_wanted(&self, call: &Call) -> bool {
        let messages = call.messages.as_deref().unwrap_or_default();
        let spoken = messages.iter().filter(|row| row["role"] == "bot" || row["role"] == "user");
        !self.plan.tasks.is_empty() && spoken.count() >= self.plan.fewest_messages
    }

    /// Asks. What is not answered in time is left out.
    pub(crate) async fn analyse(&self, call: &Call) -> Analysis {
        let mut analysis = Analysis::default();
        for task in &self.plan.tasks {
            let answer = complete(&*self.model, self.request(task, call));
            let answer = match tokio::time::timeout(task.timeout, answer).await {
                Ok(Ok(answer)) => answer.trim().to_owned(),
                Ok(Err(error)) => {
                    tracing::warn!(subject = ?task.subject, error, "a call was not analysed");
                    continue;
                }
                Err(_) => {
                    tracing::warn!(subject = ?task.subject, "an analysis took too long");
                    continue;
                }
            };
            match task.subject {
                Subject::Summary => analysis.summary = Some(answer),
                Subject::Success => analysis.success_evaluation = Some(answer),
                Subject::StructuredData => analysis.structured_data = json_in(&answer),
            }
        }
        analysis
    }

    fn request(&self, task: &Task, call: &Call) -> ChatRequest {
        let transcript = call.transcript.clone().unwrap_or_default();
        let text = |value: &Value| value.to_string();
        let variables: Map<String, Value> = [
            ("transcript", transcript),
            ("messages", text(&json!(call.messages))),
            ("systemPrompt", self.system_prompt.clone()),
            ("schema", text(&task.schema)),
            ("rubric", rubric(task.rubric.as_deref()).to_owned()),
            ("endedReason", call.ended_reason.clone().unwrap_or_default()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
        let french = self.language.to_ascii_lowercase().starts_with("fr");
        let about = if french {
            "Transcription :\n\n{{transcript}}"
        } else {
            "Here is the transcript:\n\n{{transcript}}"
        };
        let usual = || {
            vec![
                ChatMessage::System { content: task.subject.instructions(french).to_owned() },
                ChatMessage::User { content: about.to_owned() },
            ]
        };
        let mut messages = task.messages.clone().unwrap_or_else(usual);
        if messages.iter().all(|message| matches!(message, ChatMessage::System { .. })) {
            // Older prompts are instructions alone.
            messages.push(ChatMessage::User { content: about.to_owned() });
        }
        for message in &mut messages {
            match message {
                ChatMessage::System { content }
                | ChatMessage::User { content }
                | ChatMessage::Assistant { content, .. }
                | ChatMessage::Tool { content, .. } => *content = render(content, &[&variables]),
            }
        }
        ChatRequest {
            messages,
            tools: Vec::new(),
            temperature: Some(0.0),
            max_tokens: Some(LONGEST),
        }
    }
}

/// A whole answer of `model`.
async fn complete(model: &dyn LanguageModel, request: ChatRequest) -> Result<String, String> {
    let mut stream = model.start(request);
    let mut text = String::new();
    loop {
        match poll_fn(|cx| stream.poll_event(cx)).await {
            ReplyEvent::Text(piece) => text.push_str(&piece),
            ReplyEvent::ToolCall(_) => {}
            ReplyEvent::Done => return Ok(text),
            ReplyEvent::Failed(error) => return Err(error.to_string()),
        }
    }
}

/// The JSON in an answer, which models like to put between fences.
fn json_in(answer: &str) -> Option<Value> {
    let from = answer.find(['{', '['])?;
    let to = answer.rfind(['}', ']'])?;
    let found = serde_json::from_str(answer.get(from..=to)?);
    if found.is_err() {
        tracing::warn!("the structured data of a call is no JSON");
    }
    found.ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::ScriptedModel;

    const DIALOGUE: &str = r#"
language: fr
rules:
  - when: { user: transcription }
    say: "{{\"couverts\": 4}}"
fallback: { say: "Pardon ?" }
"#;

    #[tokio::test]
    async fn a_call_is_summed_up_and_its_data_taken_out() {
        let task = |subject| Task {
            subject,
            messages: None,
            schema: json!({"type": "object"}),
            rubric: None,
            timeout: Duration::from_secs(5),
        };
        let analyst = Analyst {
            plan: AnalysisPlan {
                fewest_messages: 2,
                tasks: vec![task(Subject::Summary), task(Subject::StructuredData)],
            },
            model: Arc::new(ScriptedModel::from_yaml(DIALOGUE).expect("a dialogue")),
            language: "fr".to_owned(),
            system_prompt: "Soyez brève.".to_owned(),
        };
        let mut call =
            Call { transcript: Some("User: Une table.\n".to_owned()), ..Call::default() };
        assert!(!analyst.is_wanted(&call), "nothing was said");
        call.messages = Some(vec![json!({"role": "bot"}), json!({"role": "user"})]);
        assert!(analyst.is_wanted(&call));
        let analysis = analyst.analyse(&call).await;
        assert_eq!(analysis.summary.as_deref(), Some("{\"couverts\": 4}"));
        assert_eq!(analysis.structured_data, Some(json!({"couverts": 4})));
        assert_eq!(analysis.success_evaluation, None);
    }

    #[test]
    fn json_is_found_between_fences() {
        assert_eq!(json_in("```json\n{\"a\": 1}\n```"), Some(json!({"a": 1})));
        assert_eq!(json_in("Voici : [1, 2]."), Some(json!([1, 2])));
        assert_eq!(json_in("rien"), None);
        assert_eq!(json_in("{a}"), None);
    }

    #[test]
    fn what_is_asked_names_the_call() {
        let analyst = Analyst {
            plan: AnalysisPlan::default(),
            model: Arc::new(ScriptedModel::from_yaml(DIALOGUE).expect("a dialogue")),
            language: "en".to_owned(),
            system_prompt: "Be brief.".to_owned(),
        };
        let task = Task {
            subject: Subject::Success,
            messages: None,
            schema: Value::Null,
            rubric: Some("NumericScale".to_owned()),
            timeout: Duration::from_secs(5),
        };
        let call = Call { transcript: Some("AI: Hello.\n".to_owned()), ..Call::default() };
        let request = analyst.request(&task, &call);
        let [ChatMessage::System { content: asked }, ChatMessage::User { content: about }] =
            &request.messages[..]
        else {
            panic!("{request:?}");
        };
        assert!(asked.contains("Be brief.") && asked.contains("1 to 10"), "{asked}");
        assert!(about.ends_with("AI: Hello.\n"), "{about}");
    }
}
