//! Other assistants for a call in progress, and sessions with operators: what tools need of the
//! whole engine.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::app::App;
use crate::assemble::Assistant;
use crate::llm::ToolDefinition;
use crate::operator::{Briefing, Desk, Host};
use crate::overrides;
use crate::recording::CallTap;
use crate::session::{CallClock, CallId, Session, SessionConfig};
use crate::squad::{Member, Squad};
use crate::store::{StoreError, ended_reason};
use crate::tools::{Candidate, Recruiter, Successor, Tool, ToolMessages, Toolset, Who, Work};
use crate::transport::MediaTransport;
use crate::transport::twilio::rest::LiveCall;
use crate::webhook;

type Fields = Map<String, Value>;

/// What a call's assistants have in common.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// The call.
    pub(crate) call: CallId,
    /// Whose it is.
    pub(crate) owner: Uuid,
    /// What their tools tell servers of it.
    pub(crate) about: Fields,
    /// What templates may name beside.
    pub(crate) variables: Fields,
    /// What this call changes of each of them.
    pub(crate) changes: Option<Fields>,
    /// The carrier's side, where it can be changed.
    pub(crate) live: Option<LiveCall>,
    /// Our number.
    pub(crate) ours: String,
    /// The others; empty: there are none.
    pub(crate) squad: Arc<Squad>,
}

impl App {
    /// What `assistant` may call in the call of `line`.
    pub(crate) fn toolset(&self, assistant: &Assistant, line: &Arc<Line>) -> Toolset {
        let host = Host {
            settings: assistant.settings.clone(),
            persona: assistant.persona.clone(),
            providers: assistant.providers.clone(),
        };
        let desk = Desk {
            board: self.operators().clone(),
            public_url: self.public_url().clone(),
            call: line.call.uuid(),
            ours: line.ours.clone(),
            host,
        };
        let (app, of) = (self.clone(), Arc::clone(line));
        let recruit = move |candidate: Candidate, learnt: Fields| {
            let (app, line) = (app.clone(), Arc::clone(&of));
            let found = async move { app.recruit(&line, candidate, learnt).await };
            Box::pin(found) as crate::tools::Recruited
        };
        Toolset {
            tools: assistant.tools.clone(),
            client: self.client().clone(),
            courier: Some(self.courier(line.owner)),
            server: assistant.server.clone(),
            language: assistant.persona.language.clone(),
            filler_after: assistant.filler_after,
            about: Arc::new(line.about.clone()),
            variables: Arc::new(line.variables.clone()),
            line: line.live.clone(),
            desk: Some(desk),
            recruiter: Some(Recruiter(Arc::new(recruit))),
            hooks: Arc::clone(&assistant.hooks),
            ended_reason,
        }
    }

    /// Finds `candidate` and makes them ready; `learnt` are variables that the call has taught.
    async fn recruit(
        &self,
        line: &Line,
        candidate: Candidate,
        learnt: Fields,
    ) -> Result<Successor, String> {
        let failed = |error: StoreError| {
            tracing::error!(call = %line.call, %error, "another assistant cannot be found");
            "the database failed".to_owned()
        };
        let mut squad = Arc::clone(&line.squad);
        let mut member = match &candidate.who {
            Who::Member(name) => {
                let known = squad.member(name).cloned();
                known.ok_or_else(|| format!("the squad has no assistant named {name}"))?
            }
            Who::Stored(id) => match squad.member(id) {
                Some(member) => member.clone(),
                None => {
                    let stored = self.stored_assistant(line.owner, id).await.map_err(failed)?;
                    let assistant = stored.ok_or_else(|| format!("there is no assistant {id}"))?;
                    self.outsider(line, Some(id.clone()), assistant)
                }
            },
            Who::Transient(assistant) => {
                let mut assistant = assistant.clone();
                self.with_stored_tools(line.owner, &mut assistant).await.map_err(failed)?;
                self.outsider(line, None, assistant)
            }
            Who::Squad { squad: wanted, entry, overrides } => {
                let document = match wanted {
                    Ok(id) => self.stored_squad(line.owner, id).await.map_err(failed)?,
                    Err(document) => Some(document.clone()),
                };
                let document = document.ok_or_else(|| "there is no such squad".to_owned())?;
                let changes = overrides::combined(overrides.as_ref(), line.changes.as_ref());
                let other = self.squad(line.owner, &document, changes.as_ref()).await;
                squad = Arc::new(other.map_err(|error| error.to_string())?);
                let member = match entry {
                    Some(name) => squad.member(name),
                    None => squad.members.first(),
                };
                member.cloned().ok_or_else(|| "the squad has no such member".to_owned())?
            }
        };
        if let Some(changes) = &candidate.overrides {
            member.merge(changes);
        }
        let mut variables = line.variables.clone();
        variables.extend(member.variables.clone());
        variables.extend(learnt);
        let personal = overrides::personal(&member.assistant, &variables);
        let described = self.describe_document(&personal).map_err(|error| error.to_string())?;
        let mut assistant = self.ready(&described).await.map_err(|error| error.to_string())?;
        let line = Arc::new(Line { squad, variables, ..line.clone() });
        let tools = self.toolset(&assistant, &line);
        if assistant.denoising {
            assistant.denoise();
        }
        Ok(Successor {
            name: described.name,
            id: member.id,
            document: webhook::without_secrets(&member.assistant),
            settings: assistant.settings,
            persona: assistant.persona,
            providers: assistant.providers,
            tools,
        })
    }

    /// An assistant who is in no squad, as the call changes it.
    fn outsider(&self, line: &Line, id: Option<String>, assistant: Fields) -> Member {
        let mut member = Member { id, assistant, variables: Fields::new() };
        if let Some(changes) = &line.changes {
            // A call's overrides are its first assistant's, but for the variables.
            member.variables = overrides::own_variables(Some(changes));
        }
        member
    }

    /// The operator's media has come: tells them what it is about.
    pub(crate) async fn brief(
        &self,
        (operator, briefing): (Uuid, Arc<Briefing>),
        carrier_call: String,
        clock: CallClock,
        leg: Box<dyn MediaTransport>,
    ) {
        let mut host = briefing.host.clone();
        let mut tools = None;
        if briefing.taken_by == turntaking::input::EndReason::AssistantForwardedCall {
            if let Some(document) = &briefing.assistant {
                match self.own_host(document, &host).await {
                    Ok(own) => host = own,
                    Err(error) => {
                        tracing::error!(operator = %operator, error, "a transfer assistant is replaced");
                    }
                }
            }
            let verdicts = verdicts();
            host.persona.tools = verdicts.iter().map(|tool| tool.definition.clone()).collect();
            let verdicts = verdicts.into_iter().map(Arc::new).collect();
            tools = Some(Toolset {
                language: host.persona.language.clone(),
                ..Toolset::alone(verdicts, self.client().clone())
            });
        }
        let id = CallId::random();
        // Nobody gives orders to it, and nobody is told of it.
        let (_orders, commands) = mpsc::channel(1);
        let (events, _nobody) = mpsc::channel(1);
        let Host { settings, persona, providers } = host;
        let seed = id.seed();
        let config = SessionConfig { id, carrier_call, settings, seed, persona, providers, tools };
        let taken = match Session::open(config, clock, leg, CallTap::off(), commands, events) {
            Ok(session) => {
                let (reason, _, _) = session.run().await;
                tracing::info!(%operator, ?reason, "an operator was told");
                reason == briefing.taken_by
            }
            Err(unserved) => {
                tracing::error!(%operator, error = %unserved.error, "an operator cannot be told");
                false
            }
        };
        self.operators().settle(operator, taken);
    }

    /// The customer's own transfer assistant, who knows what the plain one is told.
    async fn own_host(&self, document: &Fields, plain: &Host) -> Result<Host, String> {
        let mut document = document.clone();
        if let Some(Value::Object(model)) = document.get_mut("model") {
            // Its tools are ours: they are by these names and no others.
            model.remove("tools");
            model.remove("toolIds");
        }
        let described = self.describe_document(&document).map_err(|error| error.to_string())?;
        let Assistant { settings, mut persona, providers, .. } =
            self.ready(&described).await.map_err(|error| error.to_string())?;
        persona.preamble.extend(plain.persona.preamble.iter().cloned());
        Ok(Host { settings, persona, providers })
    }
}

/// The tools by which an operator's assistant says what becomes of the caller.
fn verdicts() -> [Tool; 2] {
    let tool = |name: &str, description: &str, taken| Tool {
        definition: ToolDefinition {
            name: name.to_owned(),
            description: description.to_owned(),
            parameters: json!({"type": "object", "properties": {}}),
            strict: false,
        },
        work: Work::Verdict { taken },
        is_async: false,
        messages: ToolMessages(Some(Vec::new())),
        parameters: Fields::new(),
        extraction: None,
        rejection: Vec::new(),
        document: Fields::new(),
    };
    let taken = "Connects the caller: a person has agreed to take the call.";
    let declined = "Leaves the caller where they are: nobody takes the call.";
    [tool("transferSuccessful", taken, true), tool("transferCancel", declined, false)]
}

/// A squad as it was kept.
pub(crate) fn kept(squad: Option<Value>) -> Squad {
    let squad = squad.map(serde_json::from_value);
    squad
        .and_then(|squad: Result<Squad, _>| {
            squad.inspect_err(|error| tracing::error!(%error, "a kept squad cannot be read")).ok()
        })
        .unwrap_or_default()
}
