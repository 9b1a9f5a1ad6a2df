//! What is made of a call once it is over: `analysisPlan`.

use std::time::Duration;

use serde_json::Value;

use crate::analysis::{AnalysisPlan, Subject, Task};
use crate::config::ModelProvider;
use crate::config::validation::Validation;
use crate::llm::ChatMessage;

/// How long one question may take where nobody says: Vapi's default.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Vapi's `minMessagesThreshold` where nobody sends one.
const FEWEST_MESSAGES: u32 = 2;

/// Vapi's rubrics.
const RUBRICS: &[&str] = &[
    "AutomaticRubric",
    "Checklist",
    "DescriptiveScale",
    "LikertScale",
    "Matrix",
    "NumericScale",
    "PassFail",
    "PercentageScale",
];

/// Reads the plan. Where there is none, a summary and an evaluation are made, as Vapi does; not by a
/// scripted model, which has nothing to say about a call that was not written for it.
pub(super) fn analysis(
    sent: Option<&wire::AnalysisPlan>,
    model: ModelProvider,
    check: &mut Validation,
) -> AnalysisPlan {
    const PLAN: &str = "analysisPlan";
    let by_default = sent.is_some() || model != ModelProvider::Scripted;
    let sent = sent.cloned().unwrap_or_default();
    let threshold = format!("{PLAN}.minMessagesThreshold");
    let fewest = check.whole(&threshold, sent.min_messages_threshold, 0..=10_000);
    let instructions = |text: Option<String>| {
        text.map(|text| {
            vec![wire::Message { role: Some(wire::MessageRole::System), content: Some(text) }]
        })
    };
    let mut tasks = Vec::new();
    let summary = sent.summary_plan.unwrap_or_default();
    let prompt = instructions(sent.summary_prompt);
    tasks.extend(task(Subject::Summary, summary, prompt, (by_default, PLAN), check));

    let mut structured = sent.structured_data_plan.unwrap_or_default();
    structured.schema = structured.schema.or(sent.structured_data_schema);
    // Older assistants switch it on by describing it.
    let described = sent.structured_data_prompt.is_some() || structured.schema.is_some();
    let prompt = instructions(sent.structured_data_prompt);
    tasks.extend(task(Subject::StructuredData, structured, prompt, (described, PLAN), check));

    let mut success = sent.success_evaluation_plan.unwrap_or_default();
    success.rubric = success.rubric.or(sent.success_evaluation_rubric);
    check.one_of(
        &format!("{PLAN}.successEvaluationPlan.rubric"),
        success.rubric.as_deref(),
        RUBRICS,
    );
    let prompt = instructions(sent.success_evaluation_prompt);
    tasks.extend(task(Subject::Success, success, prompt, (by_default, PLAN), check));
    AnalysisPlan { fewest_messages: fewest.unwrap_or(FEWEST_MESSAGES) as usize, tasks }
}

/// How a conversation is summed up for whoever takes it over: the `summaryPlan` at `plan`.
pub(super) fn summing_up(sent: wire::AnalysisTask, plan: &str, check: &mut Validation) -> Task {
    let sent = wire::AnalysisTask { enabled: Some(true), ..sent };
    task(Subject::Summary, sent, None, (true, plan), check).expect("it is enabled")
}

fn task(
    subject: Subject,
    sent: wire::AnalysisTask,
    older: Option<Vec<wire::Message>>,
    (by_default, plan): (bool, &str),
    check: &mut Validation,
) -> Option<Task> {
    let timeout = format!("{plan}.{}.timeoutSeconds", subject.plan());
    let timeout = check.duration(&timeout, sent.timeout_seconds, 1.0..=60.0);
    if !sent.enabled.unwrap_or(by_default) {
        return None;
    }
    let messages = sent.messages.filter(|messages| !messages.is_empty()).or(older);
    let message = |message: wire::Message| {
        let content = message.content.unwrap_or_default();
        match message.role {
            Some(wire::MessageRole::System) => ChatMessage::System { content },
            Some(wire::MessageRole::Assistant) => {
                ChatMessage::Assistant { content, tool_calls: Vec::new() }
            }
            _ => ChatMessage::User { content },
        }
    };
    Some(Task {
        subject,
        messages: messages.map(|messages| messages.into_iter().map(message).collect()),
        schema: sent.schema.unwrap_or(Value::Null),
        rubric: sent.rubric,
        timeout: timeout.unwrap_or(TIMEOUT),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::analysis::Subject;
    use crate::config::Assistant;
    use crate::config::assistant::tests::{config, read};

    fn subjects(assistant: &Assistant) -> Vec<Subject> {
        assistant.analysis.tasks.iter().map(|task| task.subject).collect()
    }

    #[test]
    fn what_vapi_makes_of_a_call_by_default_takes_a_model_that_can() {
        let openai = config(&[("CAUSERIE_MODEL_PROVIDER", "openai")]);
        let usual = Assistant::from_json("{}", &openai).expect("it is sound");
        assert_eq!(subjects(&usual), [Subject::Summary, Subject::Success]);
        let scripted = config(&[("CAUSERIE_MODEL_PROVIDER", "scripted")]);
        let silent = Assistant::from_json("{}", &scripted).expect("it is sound");
        assert_eq!(subjects(&silent), []);
    }

    #[test]
    fn older_fields_and_newer_ones_are_read() {
        let older = read(&json!({"analysisPlan": {"summaryPrompt": "Résumez.",
            "structuredDataSchema": {"type": "object"}, "successEvaluationRubric": "PassFail"}}))
        .expect("it is sound");
        assert_eq!(subjects(&older), [Subject::Summary, Subject::StructuredData, Subject::Success]);
        assert!(older.without_effect.is_empty(), "{:?}", older.without_effect);
        let newer = read(&json!({"analysisPlan": {"summaryPlan": {"enabled": false},
            "successEvaluationPlan": {"enabled": false}}}))
        .expect("it is sound");
        assert_eq!(subjects(&newer), []);
        let error = read(&json!({"analysisPlan": {"successEvaluationPlan": {"rubric": "Five"},
            "summaryPlan": {"timeoutSeconds": 0}}}))
        .expect_err("it has problems");
        assert_eq!(error.problems().len(), 2, "{error}");
    }
}
