//! A call of a tool, from the model's asking to the answer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use serde_json::{Map, Value};
use tokio::sync::{mpsc, oneshot};
use turntaking::input::TurnId;

use super::message::Opening;
use super::template::render;
use super::webhook::Answered;
use super::{Ending, Tool, Work, request, webhook};
use crate::config::Server;

/// How long a message that the tool waits for may take to be heard. Whoever talks through it does
/// not hold up the tool for ever.
const HEARD_WITHIN: Duration = Duration::from_secs(30);

/// The longest text of a refusal that the model is shown, in characters.
const LONGEST_REFUSAL: usize = 500;

/// What a call's tools are run with. Cheap to clone; its `Debug` shows no words and no secrets.
#[derive(Clone)]
pub struct Toolset {
    /// The tools.
    pub tools: Vec<Arc<Tool>>,
    /// Makes the requests.
    pub client: Client,
    /// Who is asked where a tool names nobody.
    pub server: Option<Server>,
    /// The call, the assistant, the customer and the number, as messages to servers have them; what
    /// templates may name.
    pub about: Arc<Map<String, Value>>,
    /// BCP 47 tag of the language that is spoken.
    pub language: String,
    /// How long a wait is before a filler that nobody configured is said.
    pub filler_after: Duration,
}

impl fmt::Debug for Toolset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Toolset").field("tools", &self.tools).finish_non_exhaustive()
    }
}

/// A call of a tool. Its `Debug` shows nothing of what was said.
#[derive(Clone)]
pub struct Invocation {
    /// The reply that made it.
    pub turn: TurnId,
    /// The model's id for it.
    pub id: String,
    /// What the model gives.
    pub arguments: Map<String, Value>,
    /// The conversation so far, as messages to servers have it.
    pub artifact: Value,
    /// The caller was told something when the tool was called.
    pub announced: bool,
    /// Chooses among variants.
    pub choice: u64,
}

impl fmt::Debug for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invocation").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What a running tool tells the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Say this while it runs.
    Say(String),
    /// It is over.
    Done(Answer),
}

/// How a call of a tool ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What the model is told.
    pub result: String,
    /// What the caller is told; `None`: the model finds the words.
    pub spoken: Option<Spoken>,
}

/// Words that are given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spoken {
    /// What is said.
    pub text: String,
    /// The call ends once they were heard.
    pub end_call_after: bool,
}

/// Where a running tool tells what it has to tell.
#[derive(Debug)]
pub struct Report {
    /// To the session, with the call's turn and id.
    pub progress: mpsc::Sender<(TurnId, String, Progress)>,
    /// Resolved once what it said was heard.
    pub heard: oneshot::Receiver<()>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Lost {
    #[error("no server is configured for this tool")]
    NoServer,
    #[error("the server did not answer in time")]
    TimedOut,
    #[error("the server was not reached: {0}")]
    Unreachable(String),
    #[error("the server answered with status {0}")]
    Status(u16),
    #[error("the server answered with status {status}: {text}")]
    Refused { status: u16, text: String },
    #[error("the server's answer is too long")]
    TooLong,
}

impl Toolset {
    /// The tool of this name.
    pub fn find(&self, name: &str) -> Option<&Arc<Tool>> {
        self.tools.iter().find(|tool| tool.definition.name == name)
    }

    /// Runs `tool`, to its end whatever becomes of the session: what was begun is finished.
    pub async fn run(self, tool: Arc<Tool>, call: Invocation, report: Report) {
        let Report { progress, heard } = report;
        let (turn, id) = (call.turn, call.id.clone());
        let tell = async |what| {
            // Nobody listens once the call is over.
            let _ = progress.send((turn, id.clone(), what)).await;
        };
        if tool.is_async {
            let answer = Answer { result: "Success".to_owned(), spoken: None };
            let answer = self.spoken(&tool, &call, answer, false, None);
            tell(Progress::Done(answer)).await;
            if let Err(lost) = self.ask(&tool, &call).await {
                tracing::warn!(tool = tool.definition.name, %lost, "an asynchronous tool failed");
            }
            return;
        }
        let opening = match tool.messages.opening(&self.language, &call.arguments, call.choice) {
            Opening::Filler(_) if call.announced => Opening::Silence,
            opening => opening,
        };
        let began = tokio::time::Instant::now();
        let mut due = tool.messages.delayed(&call.arguments, call.choice);
        match opening {
            Opening::Silence => {}
            Opening::Filler(text) => due.insert(0, (self.filler_after, text.to_owned())),
            Opening::Say { text, blocking } => {
                tell(Progress::Say(text)).await;
                if blocking {
                    let _ = tokio::time::timeout(HEARD_WITHIN, heard).await;
                }
            }
        }
        let mut work = std::pin::pin!(self.ask(&tool, &call));
        let mut due = due.into_iter();
        let answered = loop {
            let Some((after, text)) = due.next() else { break work.await };
            tokio::select! {
                biased;
                answered = &mut work => break answered,
                () = tokio::time::sleep_until(began + after) => tell(Progress::Say(text)).await,
            }
        };
        let (result, failed, own) = match answered {
            Ok(Answered { result, failed, message }) => (result, failed, message),
            Err(lost) => {
                tracing::warn!(tool = tool.definition.name, %lost, "a tool failed");
                let text: String = lost.to_string().chars().take(LONGEST_REFUSAL).collect();
                (text, true, None)
            }
        };
        let result = if failed { format!("Error: {result}") } else { result };
        let answer = Answer { result, spoken: None };
        tell(Progress::Done(self.spoken(&tool, &call, answer, failed, own))).await;
    }

    /// Adds what the caller is told, or the model beside the result.
    fn spoken(
        &self,
        tool: &Tool,
        call: &Invocation,
        mut answer: Answer,
        failed: bool,
        own: Option<(String, Ending)>,
    ) -> Answer {
        let configured = || tool.messages.ending(failed, &call.arguments, call.choice);
        let Some((text, ending)) = own.or_else(configured) else { return answer };
        if ending.to_model {
            answer.result = format!("{}\n\n{text}", answer.result);
        } else {
            let end_call_after = ending.end_call_after;
            answer.spoken = Some(Spoken { text, end_call_after });
        }
        answer
    }

    async fn ask(&self, tool: &Tool, call: &Invocation) -> Result<Answered, Lost> {
        let mut call = call.clone();
        for (name, value) in &tool.parameters {
            let value = self.filled(value, &call.arguments);
            call.arguments.insert(name.clone(), value);
        }
        match &tool.work {
            // The Floor runs it.
            Work::EndCall => Err(Lost::NoServer),
            Work::Webhook(own) => {
                let server = own.as_ref().or(self.server.as_ref()).ok_or(Lost::NoServer)?;
                webhook::ask(&self.client, server, tool, &call, &self.about).await
            }
            Work::Request(request) => request::ask(&self.client, request, &call, &self.about).await,
        }
    }

    /// A static value, with the variables that its texts name.
    fn filled(&self, value: &Value, arguments: &Map<String, Value>) -> Value {
        match value {
            Value::String(text) => render(text, &[arguments, &self.about]).into(),
            Value::Array(values) => {
                values.iter().map(|value| self.filled(value, arguments)).collect()
            }
            Value::Object(fields) => fields
                .iter()
                .map(|(name, value)| (name.clone(), self.filled(value, arguments)))
                .collect(),
            other => other.clone(),
        }
    }
}
