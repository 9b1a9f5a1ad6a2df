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
use super::{Destination, Ending, Tool, Work, request, transfer, webhook};
use crate::config::Server;
use crate::http::Courier;
use crate::transport::twilio::rest::LiveCall;

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
    /// Makes those to the customer's own servers.
    pub(crate) courier: Courier,
    /// Who is asked where a tool names nobody.
    pub server: Option<Server>,
    /// The call, the assistant, the customer and the number, as messages to servers have them; what
    /// templates may name.
    pub about: Arc<Map<String, Value>>,
    /// The carrier's side of the call; `None`: it cannot be transferred.
    pub line: Option<LiveCall>,
    /// What templates may name beside `about`.
    pub variables: Arc<Map<String, Value>>,
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
    /// Say this while it runs; empty: wait until nobody speaks.
    Say(String),
    /// The carrier is asked to connect the caller to this destination: our leg may end any moment.
    Forwarding(Value),
    /// It does.
    Forwarded,
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

/// Tells the session about one call of a tool.
#[derive(Debug)]
struct Teller {
    turn: TurnId,
    id: String,
    progress: mpsc::Sender<(TurnId, String, Progress)>,
}

impl Teller {
    async fn tell(&self, what: Progress) {
        // Nobody listens once the call is over.
        let _ = self.progress.send((self.turn, self.id.clone(), what)).await;
    }
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
    #[error("there is no destination {0:?}")]
    Destination(String),
    #[error("this call cannot be transferred: its number has no Twilio account to ask with")]
    NoCarrier,
    #[error("the carrier did not transfer the call: {0}")]
    Carrier(String),
}

impl Toolset {
    /// The tool of this name.
    pub fn find(&self, name: &str) -> Option<&Arc<Tool>> {
        self.tools.iter().find(|tool| tool.definition.name == name)
    }

    /// Runs `tool`, to its end whatever becomes of the session: what was begun is finished.
    pub async fn run(self, tool: Arc<Tool>, call: Invocation, report: Report) {
        let Report { progress, heard } = report;
        let teller = Teller { turn: call.turn, id: call.id.clone(), progress };
        if tool.is_async {
            let answer = Answer { result: "Success".to_owned(), spoken: None };
            let answer = spoken(&tool, &call, answer, false, None);
            teller.tell(Progress::Done(answer)).await;
            if let Err(lost) = self.ask(&tool, &call).await {
                tracing::warn!(tool = tool.definition.name, %lost, "an asynchronous tool failed");
            }
            return;
        }
        if let Work::Transfer(destinations) = &tool.work {
            if let Err(lost) = self.transfer(destinations, &tool, &call, &teller, heard).await {
                teller.tell(Progress::Done(self.failure(&tool, &call, &lost))).await;
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
                teller.tell(Progress::Say(text)).await;
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
                () = tokio::time::sleep_until(began + after) => teller.tell(Progress::Say(text)).await,
            }
        };
        let answer = match answered {
            Ok(Answered { result, failed, message }) => {
                let result = if failed { format!("Error: {result}") } else { result };
                spoken(&tool, &call, Answer { result, spoken: None }, failed, message)
            }
            Err(lost) => self.failure(&tool, &call, &lost),
        };
        teller.tell(Progress::Done(answer)).await;
    }

    /// What is said of a tool that gave no answer.
    fn failure(&self, tool: &Tool, call: &Invocation, lost: &Lost) -> Answer {
        tracing::warn!(tool = tool.definition.name, %lost, "a tool failed");
        let text: String = lost.to_string().chars().take(LONGEST_REFUSAL).collect();
        let answer = Answer { result: format!("Error: {text}"), spoken: None };
        spoken(tool, call, answer, true, None)
    }

    /// Announces the transfer, waits until that was heard, and has the carrier do it.
    async fn transfer(
        &self,
        destinations: &[Destination],
        tool: &Tool,
        call: &Invocation,
        teller: &Teller,
        heard: oneshot::Receiver<()>,
    ) -> Result<(), Lost> {
        let destination = transfer::chosen(destinations, &call.arguments)?;
        let opening = tool.messages.opening(&self.language, &call.arguments, call.choice);
        let text = match (&destination.message, opening) {
            (Some(message), _) => message.clone(),
            (None, Opening::Say { text, .. }) => text,
            (None, Opening::Silence) => String::new(),
            // The model has said so already.
            (None, Opening::Filler(_)) if call.announced => String::new(),
            (None, Opening::Filler(_)) => transfer::announcement(destination, &self.language),
        };
        let scopes = [&*self.variables, &*self.about];
        teller.tell(Progress::Say(render(&text, &[&call.arguments, scopes[0], scopes[1]]))).await;
        let _ = tokio::time::timeout(HEARD_WITHIN, heard).await;
        teller.tell(Progress::Forwarding(destination.document.clone())).await;
        transfer::redirect(self.line.as_ref(), destination, call, &scopes).await?;
        teller.tell(Progress::Forwarded).await;
        Ok(())
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
            // It has no answer: [`Self::transfer`].
            Work::Transfer(_) => Err(Lost::NoCarrier),
            Work::Webhook(own) => {
                let server = own.as_ref().or(self.server.as_ref()).ok_or(Lost::NoServer)?;
                webhook::ask(&self.courier, server, tool, &call, &self.about).await
            }
            Work::Request(request) => {
                let scopes = [&*self.variables, &*self.about];
                request::ask(&self.client, request, &call, scopes).await
            }
        }
    }

    /// A static value, with the variables that its texts name.
    fn filled(&self, value: &Value, arguments: &Map<String, Value>) -> Value {
        match value {
            Value::String(text) => render(text, &[arguments, &self.variables, &self.about]).into(),
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

/// Adds what the caller is told, or the model beside the result.
fn spoken(
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
