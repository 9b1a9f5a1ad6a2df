//! What is made of a call once it is over: Vapi's `analysisPlan` and `call.analysis`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Message;

/// What is made of a call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AnalysisPlan {
    /// Nothing is, where fewer messages were exchanged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_messages_threshold: Option<f64>,
    /// A summary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary_plan: Option<AnalysisTask>,
    /// What the product wants to know, by its own schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub structured_data_plan: Option<AnalysisTask>,
    /// Whether the call did what it was for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success_evaluation_plan: Option<AnalysisTask>,
    /// Older for the summary's instructions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary_prompt: Option<String>,
    /// Older for those of the structured data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub structured_data_prompt: Option<String>,
    /// Older for its schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub structured_data_schema: Option<Value>,
    /// Older for the instructions of the evaluation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success_evaluation_prompt: Option<String>,
    /// Older for its rubric.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success_evaluation_rubric: Option<String>,
}

/// One thing a model is asked about a call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AnalysisTask {
    /// It is asked at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// How it is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages: Option<Vec<Message>>,
    /// How long it may take: 1 to 60 s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<f64>,
    /// Of the structured data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    /// Of the evaluation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rubric: Option<String>,
}

/// What was made of a call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Analysis {
    /// What it was about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// By the product's schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub structured_data: Option<Value>,
    /// By the rubric: text, even where it is a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success_evaluation: Option<String>,
}
