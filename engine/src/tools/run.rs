//! A call of a tool, from the model's asking to the answer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use codecs::ambience::Ambience;
use reqwest::Client;
use serde_json::{Map, Value};
use tokio::sync::{mpsc, oneshot};
use turntaking::input::{EndReason, TurnId};

use super::handoff::{Handoff, Recruiter, Succession};
use super::message::Opening;
use super::rejection::Condition;
use super::template::render;
use super::transfer::Transfer;
use super::webhook::Answered;
use super::{Ending, Hook, Tool, Work, request, webhook};
use crate::config::Server;
use crate::http::Courier;
use crate::operator::Desk;
use crate::session::press_duration;
use crate::transport::twilio::rest::LiveCall;

/// How long a message that the tool waits for may take to be heard. Whoever talks through it does
/// not hold up the tool for ever.
pub(super) const HEARD_WITHIN: Duration = Duration::from_secs(30);

/// How often the session is told that somebody is still being called for the caller, who knows it.
const AT_WORK_EVERY: Duration = Duration::from_secs(5);

/// The most keys that are pressed at once: an account number and its code, some times over.
const MOST_KEYS: usize = 64;

/// The longest text of a refusal that the model is shown, in characters.
const LONGEST_REFUSAL: usize = 500;

/// What a call's tools are run with. Cheap to clone; its `Debug` shows no words and no secrets.
#[derive(Clone)]
pub struct Toolset {
    /// The tools.
    pub tools: Vec<Arc<Tool>>,
    /// Makes the requests.
    pub client: Client,
    /// Makes those to the customer's own servers; `None`: there are none.
    pub(crate) courier: Option<Courier>,
    /// Who is asked where a tool names nobody.
    pub server: Option<Server>,
    /// The call, the assistant, the customer and the number, as messages to servers have them; what
    /// templates may name.
    pub about: Arc<Map<String, Value>>,
    /// The carrier's side of the call; `None`: it cannot be transferred.
    pub line: Option<LiveCall>,
    /// Where people are called for the caller; `None`: nowhere.
    pub desk: Option<Desk>,
    /// Who finds other assistants; `None`: nobody.
    pub recruiter: Option<Recruiter>,
    /// What follows on what happens in the call.
    pub hooks: Arc<[Hook]>,
    /// Vapi's word for an end.
    pub ended_reason: fn(EndReason) -> &'static str,
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
#[derive(Clone, Debug)]
pub enum Progress {
    /// Say this while it runs; empty: wait until nobody speaks.
    Say(String),
    /// What the caller hears behind everything until something else is said of it; `None`: what
    /// belongs to the assistant.
    Hold(Option<Arc<Ambience>>),
    /// It is still at work, and the caller knows.
    AtWork,
    /// Another assistant takes over, before the answer.
    HandOver(Box<Succession>),
    /// Press these keys now.
    Press(String),
    /// The call is over.
    End(EndReason),
    /// An operator takes a caller, or does not.
    Verdict {
        /// They do.
        taken: bool,
    },
    /// The carrier is asked to connect the caller to this destination: our leg may end any moment.
    Forwarding(Value),
    /// It does.
    Forwarded,
    /// It is over.
    Done(Answer),
}

/// How a call of a tool ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// What the model is told.
    pub result: String,
    /// What the caller is told; `None`: the model finds the words.
    pub spoken: Option<Spoken>,
    /// Nobody need find words.
    pub answered: bool,
    /// What it teaches about the call: variables.
    pub learnt: Map<String, Value>,
}

impl Answer {
    /// `result`, of which the model makes what it likes.
    pub(crate) fn of(result: String) -> Self {
        Self { result, spoken: None, answered: false, learnt: Map::new() }
    }
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
pub(super) struct Teller {
    turn: TurnId,
    id: String,
    progress: mpsc::Sender<(TurnId, String, Progress)>,
}

impl Teller {
    pub(super) async fn tell(&self, what: Progress) {
        // Nobody listens once the call is over.
        let _ = self.progress.send((self.turn, self.id.clone(), what)).await;
    }

    /// Says again and again that the tool is at work, until the call is over.
    pub(super) async fn at_work(&self) {
        loop {
            tokio::select! {
                () = self.progress.closed() => return,
                () = tokio::time::sleep(AT_WORK_EVERY) => self.tell(Progress::AtWork).await,
            }
        }
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
    #[error("the call was not transferred: {0}")]
    Operator(String),
    #[error("the text message was not sent: {0}")]
    Message(String),
    #[error("{0:?} are no keys: give 0-9, *, #, A-D, or w for a pause")]
    Keys(String),
    #[error("no other assistant can take this call over")]
    NoRecruiter,
    #[error("the other assistant cannot take the call over: {0}")]
    Assistant(String),
    #[error("the server named no destination that can be used")]
    NoDestination,
    #[error("{0}")]
    Server(String),
}

impl Toolset {
    /// Tools that need nothing but themselves: without a server, a carrier's side, or anybody else.
    pub fn alone(tools: Vec<Arc<Tool>>, client: Client) -> Self {
        Self {
            tools,
            client,
            courier: None,
            server: None,
            about: Arc::default(),
            line: None,
            desk: None,
            recruiter: None,
            hooks: Arc::new([]),
            ended_reason: |_| "",
            variables: Arc::default(),
            language: String::new(),
            filler_after: Duration::ZERO,
        }
    }

    /// The tool of this name.
    pub fn find(&self, name: &str) -> Option<&Arc<Tool>> {
        self.tools.iter().find(|tool| tool.definition.name == name)
    }

    /// Runs `tool`, to its end whatever becomes of the session: what was begun is finished.
    pub async fn run(self, tool: Arc<Tool>, call: Invocation, report: Report) {
        let Report { progress, heard } = report;
        let teller = Teller { turn: call.turn, id: call.id.clone(), progress };
        let said = call.artifact["messagesOpenAIFormatted"].as_array();
        let said = said.map_or(&[][..], Vec::as_slice);
        let all = |conditions: &[Condition]| conditions.iter().all(|one| one.holds(said));
        if !tool.rejection.is_empty() && all(&tool.rejection) {
            tracing::info!(tool = tool.definition.name, "a call of a tool is refused by its plan");
            let text = "The call of the tool was rejected: its conditions are not met.";
            teller.tell(Progress::Done(Answer::of(text.to_owned()))).await;
            return;
        }
        if tool.is_async {
            let answer = spoken(&tool, &call, Answer::of("Success".to_owned()), false, None);
            teller.tell(Progress::Done(answer)).await;
            if let Err(lost) = self.ask(&tool, &call).await {
                tracing::warn!(tool = tool.definition.name, %lost, "an asynchronous tool failed");
            }
            return;
        }
        let (set, called) = (&self, &call);
        match &tool.work {
            Work::Transfer(transfers) => {
                let transfer = Transfer { set, tool: &tool, call: called, teller: &teller };
                if let Err(failed) = transfer.run(transfers, heard).await {
                    let answer = failed.answer();
                    let answer = answer.unwrap_or_else(|| self.failure(&tool, &call, &failed.lost));
                    teller.tell(Progress::Done(answer)).await;
                }
                return;
            }
            Work::Handoff(handoffs) => {
                let handoff = Handoff { set, tool: &tool, call: called, teller: &teller };
                if let Err(lost) = handoff.choose(handoffs, heard).await {
                    teller.tell(Progress::Done(self.failure(&tool, &call, &lost))).await;
                }
                return;
            }
            Work::Verdict { taken } => {
                teller.tell(Progress::Verdict { taken: *taken }).await;
                return;
            }
            Work::Keys => {
                let pressed = keys(&call.arguments);
                let answer = match &pressed {
                    Ok(keys) => {
                        // Between what is said, not over it.
                        teller.tell(Progress::Say(String::new())).await;
                        let _ = tokio::time::timeout(HEARD_WITHIN, heard).await;
                        teller.tell(Progress::Press(keys.clone())).await;
                        tokio::time::sleep(press_duration(keys)).await;
                        teller.tell(Progress::Hold(None)).await;
                        let answer = Answer::of(format!("The keys {keys} were pressed."));
                        spoken(&tool, &call, answer, false, None)
                    }
                    Err(lost) => self.failure(&tool, &call, lost),
                };
                teller.tell(Progress::Done(answer)).await;
                return;
            }
            Work::Voicemail(message) => {
                let text = render(message, &[&call.arguments, &self.variables, &self.about]);
                teller.tell(Progress::Say(text)).await;
                let _ = tokio::time::timeout(HEARD_WITHIN, heard).await;
                teller.tell(Progress::End(EndReason::Voicemail)).await;
                return;
            }
            Work::EndCall
            | Work::Webhook(_)
            | Work::Function(_)
            | Work::Message { .. }
            | Work::Request(_) => {}
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
                let learnt = match &tool.extraction {
                    Some(plan) if !failed => {
                        let answer = serde_json::from_str(&result);
                        let answer = answer.unwrap_or_else(|_| Value::from(result.clone()));
                        let scopes = [&call.arguments, &*self.variables, &*self.about];
                        plan.variables(&answer, &scopes)
                    }
                    _ => Map::new(),
                };
                let result = if failed { format!("Error: {result}") } else { result };
                let answer = Answer { learnt, ..Answer::of(result) };
                spoken(&tool, &call, answer, failed, message)
            }
            Err(lost) => self.failure(&tool, &call, &lost),
        };
        teller.tell(Progress::Done(answer)).await;
    }

    /// What is said of a tool that gave no answer.
    fn failure(&self, tool: &Tool, call: &Invocation, lost: &Lost) -> Answer {
        tracing::warn!(tool = tool.definition.name, %lost, "a tool failed");
        let text: String = lost.to_string().chars().take(LONGEST_REFUSAL).collect();
        spoken(tool, call, Answer::of(format!("Error: {text}")), true, None)
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
            // They have no answer: [`Self::run`].
            Work::Transfer(_)
            | Work::Handoff(_)
            | Work::Verdict { .. }
            | Work::Keys
            | Work::Voicemail(_) => Err(Lost::NoCarrier),
            Work::Message { from } => self.send_message(from.as_deref(), &call).await,
            Work::Function(own) => {
                let server = own.as_ref().or(self.server.as_ref()).ok_or(Lost::NoServer)?;
                webhook::ask_function(server, self, tool, &call).await
            }
            Work::Webhook(own) => {
                let server = own.as_ref().or(self.server.as_ref()).ok_or(Lost::NoServer)?;
                webhook::ask(self, server, tool, &call).await
            }
            Work::Request(request) => {
                let scopes = [&*self.variables, &*self.about];
                request::ask(&self.client, request, &call, scopes).await
            }
        }
    }

    /// Sends a text message to whom the model names, or to the caller.
    async fn send_message(&self, from: Option<&str>, call: &Invocation) -> Result<Answered, Lost> {
        let line = self.line.as_ref().ok_or(Lost::NoCarrier)?;
        let scopes = [&call.arguments, &*self.variables, &*self.about];
        let text = |name: &str| call.arguments.get(name).and_then(Value::as_str);
        let caller = self.about.get("customer").and_then(|customer| customer["number"].as_str());
        let to = text("to").filter(|to| !to.trim().is_empty()).or(caller);
        let to = to.ok_or_else(|| Lost::Message("there is nobody to send it to".to_owned()))?;
        let body = text("content").or_else(|| text("message")).unwrap_or_default().trim();
        if body.is_empty() {
            return Err(Lost::Message("content is empty".to_owned()));
        }
        let ours = self.desk.as_ref().map(|desk| desk.ours.as_str()).unwrap_or_default();
        let from = from.map_or_else(|| ours.to_owned(), |from| render(from, &scopes));
        let sent = line.rest.send_message(&line.account, (&from, to), body).await;
        sent.map_err(|error| Lost::Message(error.to_string()))?;
        let result = "The text message was sent.".to_owned();
        Ok(Answered { result, failed: false, message: None })
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

/// The keys that the model gives: `1`, `12#`, `1,2,3` or `1w2`.
fn keys(arguments: &Map<String, Value>) -> Result<String, Lost> {
    let given = arguments.get("dtmf").or_else(|| arguments.get("keys"));
    let text = match given {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    let separates = |c: &char| !matches!(c, ',' | ' ' | '-');
    let keys: String = text.chars().filter(separates).collect();
    let is_key =
        |c: char| c.is_ascii_digit() || matches!(c, '*' | '#' | 'A'..='D' | 'a'..='d' | 'w');
    if keys.is_empty() || keys.len() > MOST_KEYS || !keys.chars().all(is_key) {
        return Err(Lost::Keys(text));
    }
    Ok(keys)
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
        answer.answered = true;
    }
    answer
}
