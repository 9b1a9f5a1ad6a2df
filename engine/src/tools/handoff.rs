//! A tool that hands the call over to another assistant (Vapi's `handoff`, and `transferCall` to an
//! assistant).

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::oneshot;
use turntaking::settings::{FirstMessageMode, Settings};
use wire::Call;

use super::extraction::Extraction;
use super::message::Opening;
use super::run::{Answer, HEARD_WITHIN, Invocation, Lost, Progress, Teller, Toolset};
use super::template::render;
use super::{Context, Tool, Work, webhook};
use crate::analysis::{AnalysisPlan, Analyst, Subject, Task};
use crate::config::{self, Server};
use crate::session::{Persona, Providers};

/// What the model asks for where a server is to say who takes over.
const DYNAMIC: &str = "dynamic";

/// How long a model may take to find the variables that travel with a call: the caller waits.
const EXTRACTION_WITHIN: Duration = Duration::from_secs(5);

/// To whom a call may be handed over.
#[derive(Clone, Debug, PartialEq)]
pub struct Handoffs {
    /// Those who are known.
    pub candidates: Vec<Candidate>,
    /// A server says who; within, `None`: the assistant's.
    pub dynamic: Option<Option<Server>>,
    /// What the model is told where nothing else is said.
    pub result: Option<String>,
}

/// Somebody who may take the call over.
#[derive(Clone, PartialEq)]
pub struct Candidate {
    /// Who.
    pub who: Who,
    /// For the model, which chooses.
    pub description: String,
    /// Said before; empty: nothing. `None`: nobody chose.
    pub message: Option<String>,
    /// What of the conversation they are told.
    pub context: Context,
    /// Merged into the assistant.
    pub overrides: Option<Map<String, Value>>,
    /// What the model takes out of the conversation for them.
    pub extraction: Option<Extraction>,
    /// As it was sent.
    pub document: Value,
}

/// Who may take a call over.
#[derive(Clone, PartialEq)]
pub enum Who {
    /// A member of the same squad, by the assistant's name.
    Member(String),
    /// A stored assistant, by its id.
    Stored(String),
    /// An assistant for this call alone.
    Transient(Map<String, Value>),
    /// A squad, stored or for this call alone.
    Squad {
        /// Its id, or itself.
        squad: Result<String, Map<String, Value>>,
        /// The member who begins; `None`: the first.
        entry: Option<String>,
        /// Merged into each of its members.
        overrides: Option<Map<String, Value>>,
    },
}

impl Candidate {
    /// A member of the squad, who is told everything.
    pub fn member(name: &str) -> Self {
        Self {
            who: Who::Member(name.to_owned()),
            description: String::new(),
            message: None,
            context: Context::Everything,
            overrides: None,
            extraction: None,
            document: json!({"type": "assistant", "assistantName": name}),
        }
    }

    /// What the model chooses by.
    pub fn name(&self) -> &str {
        match &self.who {
            Who::Member(name) | Who::Stored(name) => name,
            Who::Transient(assistant) => own_name(assistant).unwrap_or("assistant"),
            Who::Squad { entry: Some(entry), .. } => entry,
            Who::Squad { squad: Ok(id), .. } => id,
            Who::Squad { squad: Err(squad), .. } => own_name(squad).unwrap_or("squad"),
        }
    }
}

fn own_name(document: &Map<String, Value>) -> Option<&str> {
    document.get("name").and_then(Value::as_str)
}

/// Its `Debug` shows no document.
impl fmt::Debug for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Candidate").field("name", &self.name()).finish_non_exhaustive()
    }
}

/// An assistant who takes a call over, ready.
#[derive(Clone)]
pub struct Successor {
    /// Its name; may be empty.
    pub name: String,
    /// Where it is a stored one.
    pub id: Option<String>,
    /// As it is shown to servers.
    pub document: Map<String, Value>,
    /// How turns are taken.
    pub settings: Settings,
    /// Who speaks.
    pub persona: Persona,
    /// With what.
    pub providers: Providers,
    /// What the model may call.
    pub tools: Toolset,
}

impl fmt::Debug for Successor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Successor").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Whom a call is handed over to, and with what they are told.
#[derive(Clone, Debug)]
pub struct Succession {
    /// Who.
    pub successor: Successor,
    /// What of the conversation they are told.
    pub context: Context,
    /// As it was sent.
    pub destination: Value,
}

/// Somebody on the way.
pub type Recruited = Pin<Box<dyn Future<Output = Result<Successor, String>> + Send>>;

/// Finds an assistant and makes it ready, with these variables beside the call's. What went wrong is
/// told in words.
#[derive(Clone)]
pub struct Recruiter(pub Arc<dyn Fn(Candidate, Map<String, Value>) -> Recruited + Send + Sync>);

impl fmt::Debug for Recruiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recruiter")
    }
}

/// One call of the tool.
pub(super) struct Handoff<'a> {
    pub(super) set: &'a Toolset,
    pub(super) tool: &'a Tool,
    pub(super) call: &'a Invocation,
    pub(super) teller: &'a Teller,
}

impl Handoff<'_> {
    /// Finds out who takes over, and has them do it.
    pub(super) async fn choose(
        &self,
        handoffs: &Handoffs,
        heard: oneshot::Receiver<()>,
    ) -> Result<(), Lost> {
        let arguments = &self.call.arguments;
        let asked = arguments.get("destination").and_then(Value::as_str).unwrap_or_default().trim();
        let named =
            |to: &&Candidate| !asked.is_empty() && (to.name() == asked || to.description == asked);
        let candidate = match &handoffs.candidates[..] {
            [only] if handoffs.dynamic.is_none() && asked.is_empty() => Some(only),
            all => all.iter().find(named),
        };
        match (candidate, &handoffs.dynamic) {
            (Some(candidate), _) => self.run(candidate, heard).await,
            (None, Some(server)) if asked.is_empty() || asked == DYNAMIC => {
                self.asked(server.as_ref(), heard).await
            }
            (None, _) => Err(Lost::Destination(asked.to_owned())),
        }
    }

    /// Asks a server who.
    async fn asked(
        &self,
        server: Option<&Server>,
        heard: oneshot::Receiver<()>,
    ) -> Result<(), Lost> {
        let Self { set, call, .. } = *self;
        let server = server.or(set.server.as_ref()).ok_or(Lost::NoServer)?;
        let question = Map::from_iter([
            ("type".to_owned(), "handoff-destination-request".into()),
            ("parameters".to_owned(), call.arguments.clone().into()),
        ]);
        let answer = webhook::question(server, set, call, question).await?;
        if let Some(error) = answer.get("error").and_then(Value::as_str) {
            return Err(Lost::Server(error.to_owned()));
        }
        let sent = answer.get("destination").ok_or(Lost::NoDestination)?;
        let candidate = config::candidate(sent, &set.language).ok_or(Lost::NoDestination)?;
        self.run(&candidate, heard).await
    }

    /// Says what is to be said, and has `candidate` take over.
    pub(super) async fn run(
        &self,
        candidate: &Candidate,
        heard: oneshot::Receiver<()>,
    ) -> Result<(), Lost> {
        let Self { set, tool, call, teller } = *self;
        let recruiter = set.recruiter.as_ref().ok_or(Lost::NoRecruiter)?;
        let opening = tool.messages.opening(&set.language, &call.arguments, call.choice);
        let text = match (&candidate.message, opening) {
            (Some(message), _) => message.clone(),
            (None, Opening::Say { text, .. }) => text,
            // The next assistant speaks soon enough.
            (None, Opening::Silence | Opening::Filler(_)) => String::new(),
        };
        let scopes = [&call.arguments, &set.variables, &set.about];
        // They are found while the caller is told.
        teller.tell(Progress::Say(render(&text, &scopes))).await;
        let learnt = self.extract(candidate.extraction.as_ref()).await;
        let found = (recruiter.0)(candidate.clone(), learnt.clone());
        let successor = found.await.map_err(Lost::Assistant)?;
        let _ = tokio::time::timeout(HEARD_WITHIN, heard).await;
        let name = successor.name.clone();
        let asks_model = speaks_at_once(&successor.settings);
        let succession = Succession {
            successor,
            context: candidate.context,
            destination: candidate.document.clone(),
        };
        teller.tell(Progress::HandOver(Box::new(succession))).await;
        let result = match &tool.work {
            Work::Handoff(handoffs) if handoffs.result.is_some() => {
                handoffs.result.clone().unwrap_or_default()
            }
            _ if name.is_empty() => "Handed over.".to_owned(),
            _ => format!("Handed over to {name}."),
        };
        let answer = Answer { result, spoken: None, answered: !asks_model, learnt };
        teller.tell(Progress::Done(answer)).await;
        Ok(())
    }

    /// The variables that the plan takes out of the conversation.
    async fn extract(&self, extraction: Option<&Extraction>) -> Map<String, Value> {
        let Some(extraction) = extraction else { return Map::new() };
        let Self { set, call, .. } = *self;
        let Some(desk) = &set.desk else { return Map::new() };
        let rows = call.artifact["messages"].as_array().map_or(&[][..], Vec::as_slice);
        let line = |row: &Value| {
            let who = match row["role"].as_str()? {
                "bot" => "AI",
                "user" => "User",
                _ => return None,
            };
            Some(format!("{who}: {}\n", row["message"].as_str()?))
        };
        let transcript: String = rows.iter().filter_map(line).collect();
        let mut found = Value::Null;
        if let Some(schema) = &extraction.schema {
            let task = Task {
                subject: Subject::StructuredData,
                messages: None,
                schema: schema.clone(),
                rubric: None,
                timeout: EXTRACTION_WITHIN,
            };
            let analyst = Analyst {
                plan: AnalysisPlan { fewest_messages: 0, tasks: vec![task] },
                model: Arc::clone(&desk.host.providers.model),
                language: set.language.clone(),
                system_prompt: String::new(),
            };
            let about = Call { transcript: Some(transcript), ..Call::default() };
            found = analyst.analyse(&about).await.structured_data.unwrap_or_default();
        }
        extraction.variables(&found, &[&call.arguments, &set.variables, &set.about])
    }
}

/// The assistant has no first message of its own, and is not to wait: the caller, who waits for an
/// answer, gets the model's.
fn speaks_at_once(settings: &Settings) -> bool {
    match settings.first_message_mode {
        FirstMessageMode::AssistantSpeaksFirst => settings.first_message.is_empty(),
        FirstMessageMode::AssistantSpeaksFirstWithModelGeneratedMessage
        | FirstMessageMode::AssistantWaitsForUser => false,
    }
}

/// What the model sees of the tool.
pub(crate) fn definition(handoffs: &Handoffs) -> (String, String, Value) {
    let Handoffs { candidates, dynamic, .. } = handoffs;
    let mut names: Vec<&str> = candidates.iter().map(Candidate::name).collect();
    names.extend(dynamic.is_some().then_some(DYNAMIC));
    let fits = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') { c } else { '_' };
    let first: String = names.first().copied().unwrap_or_default().chars().map(fits).collect();
    let name: String = format!("handoff_to_{first}").chars().take(64).collect();
    let mut description = format!(
        "Use this function to handoff the call to the next assistant. Only use it when \
         instructions explicitly ask you to use the {name} function. Here are the destinations \
         you can handoff the call to:"
    );
    for (index, candidate) in candidates.iter().enumerate() {
        description.push_str(&format!(" {}. {}.", index + 1, candidate.name()));
        if !candidate.description.is_empty() {
            description.push_str(&format!(" When: {}", candidate.description));
        }
    }
    let parameters = json!({
        "type": "object",
        "properties": {"destination": {"type": "string", "enum": names}},
        "required": ["destination"],
    });
    (name, description, parameters)
}
