//! What is drawn from a call once it is over: Vapi's `CreateStructuredOutputDTO`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A question about a call, and the shape of its answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct StructuredOutput {
    /// 1 to 40 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `ai`, by a model, or `regex`, by a pattern. Absent: `ai`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The JSON Schema of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    /// With `regex`: what is looked for in the transcript, 1 to 1000 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
    /// Who is asked, and with what words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<Map<String, Value>>,
    /// All of them must hold for it to be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conditions: Option<Vec<StructuredOutputCondition>>,
    /// Whose calls it is asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assistant_ids: Option<Vec<String>>,
    /// The same for workflows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow_ids: Option<Vec<String>>,
    /// What of it is kept where health data is spoken of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compliance_plan: Option<Map<String, Value>>,
}

/// When a question is asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct StructuredOutputCondition {
    /// `minMessages`, `minCallDuration` or `endedReason`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// With `minMessages`: as many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<f64>,
    /// With `minCallDuration`: as long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// With `endedReason`: `oneOf`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// With `endedReason`: those.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<Vec<String>>,
}
