//! A call that comes in: who answers it, and that it was there.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value};
use turntaking::input::EndReason;
use uuid::Uuid;
use wire::{Call, CallStatus};

use crate::analysis::Analyst;
use crate::app::{App, Served};
use crate::assemble::Assistant;
use crate::config;
use crate::handover::{self, Line};
use crate::llm::ChatMessage;
use crate::outbound::RING_SECONDS;
use crate::overrides;
use crate::preparation;
use crate::request::{self, Requested};
use crate::session::{CallClock, CallId, Direction, turn_away};
use crate::squad::{Member, NoSquad, Squad, shown};
use crate::store::{CallRecord, Collection, Resource, StoreError, Timestamp, ended_reason};
use crate::tools::{Destination, render};
use crate::transport::MediaTransport;
use crate::transport::twilio::twiml::{self, Dial};
use crate::webhook::{self, Client, Note, Subscription};
use crate::workshop::NotReady;

/// A carrier says that a call has reached a number.
#[derive(Debug)]
pub(crate) struct Announcement {
    /// What the carrier tells of it.
    pub(crate) call: Call,
    /// The number, without its secrets; `None`: it is not stored.
    pub(crate) number: Option<Resource>,
}

/// What is to become of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    /// It may be connected: everything it needs is loaded.
    Taken,
    /// It cannot be served; its record says why.
    Refused,
    /// It is not for us: the carrier follows this TwiML.
    Told(String),
}

/// Why nobody answers.
#[derive(Debug, thiserror::Error)]
enum Nobody {
    #[error("the number's assistant does not exist")]
    Unknown,
    #[error("the number's assistant is not valid: {0}")]
    Invalid(config::AssistantError),
    #[error(transparent)]
    Unserved(#[from] NotReady),
}

impl Nobody {
    /// Vapi's `endedReason`.
    const fn ended_reason(&self) -> &'static str {
        match self {
            Self::Unknown => "assistant-not-found",
            Self::Invalid(_) => "assistant-not-valid",
            Self::Unserved(NotReady { stage, .. }) => {
                ended_reason(EndReason::ProviderFailed(*stage))
            }
        }
    }
}

impl App {
    /// Finds who answers the call, makes it ready, and keeps that the call was there. Said once
    /// more about the same call, it does nothing new.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub(crate) async fn announce(
        &self,
        announcement: Announcement,
    ) -> Result<Answered, StoreError> {
        let Announcement { mut call, number } = announcement;
        let carrier_call = call.phone_call_provider_id.clone().unwrap_or_default();
        if let Some(known) = self.store().announced(&carrier_call).await? {
            return Ok(match known.call.status {
                CallStatus::Ended => Answered::Refused,
                _ => Answered::Taken,
            });
        }
        let call_id = Uuid::new_v4();
        // Of nobody in particular yet: who is asked who answers is told where orders go.
        call.monitor = Some(self.monitor(call_id, &Map::new()));
        let id = number.as_ref().and_then(|number| number.document.get("assistantId"));
        let squad_id = number.as_ref().and_then(|number| number.document.get("squadId"));
        let squad_id = squad_id.and_then(Value::as_str).map(str::to_owned);
        let mut document = None;
        let mut squad = None;
        // Nobody answers here: what the caller gets instead, and why.
        let mut instead = None;
        if let Some((id, number)) = id.and_then(Value::as_str).zip(number.as_ref()) {
            call.assistant_id = Some(id.to_owned());
            document = Some(self.stored_assistant(number.organisation, id).await?);
        } else if let Some((id, number)) = squad_id.zip(number.as_ref()) {
            document =
                Some(self.begun_by(number.organisation, Ok(id), (&mut call, &mut squad)).await?);
        } else if let Some((number, server)) =
            number.as_ref().and_then(|number| Some((number, number_server(number)?)))
            && let Some(server) = config::Server::of(&server)
        {
            let about = webhook::about_new(call_id, &call, number)?;
            match request::ask(&self.courier(number.organisation), &server, about).await {
                Requested::Stored { id, overrides } => {
                    document = Some(self.stored_assistant(number.organisation, &id).await?);
                    call.assistant_id = Some(id);
                    call.assistant_overrides = overrides;
                }
                Requested::Transient { mut assistant, overrides } => {
                    self.with_stored_tools(number.organisation, &mut assistant).await?;
                    call.assistant = Some(webhook::without_secrets(&assistant));
                    document = Some(Some(assistant));
                    call.assistant_overrides = overrides;
                }
                Requested::Squad { squad: wanted, overrides } => {
                    call.assistant_overrides = overrides;
                    let kept = (&mut call, &mut squad);
                    document = Some(self.begun_by(number.organisation, wanted, kept).await?);
                }
                Requested::Elsewhere(to) => {
                    let reason = "assistant-request-returned-forwarding-phone-number";
                    call.destination = Some(to.document.clone());
                    instead = Some((reason, dial(&to, &call, number)));
                }
                Requested::Said(text) => {
                    let reason = "assistant-request-returned-error";
                    instead = Some((reason, twiml::say_and_hang_up(&text).ok()));
                }
                Requested::Nobody(reason) => {
                    let to = number.document.get("fallbackDestination");
                    let to = to.and_then(config::destination);
                    call.destination = to.as_ref().map(|to| to.document.clone());
                    instead = Some((reason, to.and_then(|to| dial(&to, &call, number))));
                }
            }
            // Those of a squad are merged already.
            if let (Some(Some(document)), Some(changes), None) =
                (document.as_mut(), &call.assistant_overrides, &squad)
            {
                overrides::merge(document, changes);
            }
        }
        let described = match &document {
            None => Ok(Cow::Borrowed(self.configured())),
            Some(None) => Err(Nobody::Unknown),
            Some(Some(document)) => self.describe(document).map(Cow::Owned),
        };
        let server = described.as_ref().ok().and_then(|described| described.server.clone());
        let server = server.or_else(|| number.as_ref().and_then(number_server));
        let messages = described.as_ref().ok().and_then(|d| d.server_messages.clone());
        let subscription = server.map(|server| Subscription { server, messages });
        let now = Timestamp::now();
        let answering = match &document {
            None => self.configured().document.0.clone(),
            Some(document) => document.clone().unwrap_or_default(),
        };
        call.monitor = Some(self.monitor(call_id, &answering));
        let record = CallRecord {
            id: call_id,
            organisation: number.as_ref().map_or_else(|| self.organisation(), |n| n.organisation),
            created_at: now,
            updated_at: now,
            call,
            assistant: answering,
            phone_number: number.map(phone_number),
            subscription: subscription.map(serde_json::to_value).transpose()?,
        };
        let record = self.store().announce(record).await?;
        if record.call.status == CallStatus::Ended {
            return Ok(Answered::Refused);
        }
        if let Some(squad) = &squad {
            self.store().keep_squad(record.id, &serde_json::to_value(squad)?).await?;
        }
        if let Some((reason, answer)) = instead {
            self.store().keep(&[webhook::refused(&record, reason)]).await?;
            self.mail().notify_one();
            return Ok(answer.map_or(Answered::Refused, Answered::Told));
        }
        let ready = match described {
            Ok(_) if document.is_none() => Ok(()),
            Ok(described) => self.ready(&described).await.map(drop).map_err(Nobody::from),
            Err(nobody) => Err(nobody),
        };
        let Err(nobody) = ready else {
            self.prepare(record);
            return Ok(Answered::Taken);
        };
        tracing::error!(call = %record.id, error = %nobody, "a call cannot be served");
        self.store().keep(&[webhook::refused(&record, nobody.ended_reason())]).await?;
        self.mail().notify_one();
        Ok(Answered::Refused)
    }

    /// Makes ready what an announced call will want at once. In the background: the carrier is not
    /// kept waiting for it.
    pub(crate) fn prepare(&self, record: CallRecord) {
        let app = self.clone();
        tokio::spawn(async move {
            let about = webhook::about(&record).unwrap_or_default();
            let changes = record.call.assistant_overrides.as_ref();
            let variables = overrides::variables(&about, changes);
            // What is wrong is told when its media comes.
            if let Ok(assistant) = app.assistant_of(&record, &variables).await {
                preparation::prepare(&assistant).await;
            }
        });
    }

    /// Runs an announced call whose media has come, to its end. `client`: who is told of it at the
    /// other end of its leg.
    pub(crate) async fn answer(
        &self,
        carrier_call: String,
        clock: CallClock,
        leg: Box<dyn MediaTransport>,
        client: Option<Client>,
    ) {
        let record = match self.store().claim(&carrier_call).await {
            Ok(Some(record)) => record,
            Ok(None) => {
                tracing::warn!(carrier_call, "media came for a call that is not waiting for it");
                return;
            }
            Err(error) => {
                tracing::error!(carrier_call, %error, "a call was lost");
                return;
            }
        };
        let id = CallId::from(record.id);
        let direction = match record.call.kind.as_str() {
            "outboundPhoneCall" => Direction::Outbound,
            _ => Direction::Inbound,
        };
        let about = webhook::about(&record).unwrap_or_else(|error| {
            tracing::error!(%id, %error, "servers will not be told what call this is");
            Map::new()
        });
        let changes = record.call.assistant_overrides.clone();
        let squad = self.store().kept_squad(record.id).await.unwrap_or_else(|error| {
            tracing::error!(%id, %error, "the call's other assistants cannot be read");
            None
        });
        let squad = handover::kept(squad);
        let first = squad.members.first().map(Member::as_overrides);
        let all = overrides::combined(first.as_ref(), changes.as_ref());
        let variables = overrides::variables(&about, all.as_ref());
        let assistant = self.assistant_of(&record, &variables).await;
        let live = self.live_call(&record).await.unwrap_or_else(|error| {
            tracing::error!(%id, %error, "the call cannot be transferred");
            None
        });
        let elapsed = i64::try_from(clock.now().as_micros()).unwrap_or(0);
        let began = Timestamp::from_micros(Timestamp::now().as_micros() - elapsed);
        // It ends after the calls.
        let analyst = assistant.as_ref().ok().map(analyst);
        let ours = record.phone_number.as_ref().and_then(|number| number["number"].as_str());
        let line = Line {
            call: id,
            owner: record.organisation,
            about,
            variables,
            changes,
            live,
            ours: ours.unwrap_or_default().to_owned(),
            squad: Arc::new(squad),
        };
        let record = Box::new(record);
        let _ = self.notes().send(Note::Opened { record, began, analyst, client }).await;
        let recorded = match assistant {
            Ok(assistant) => {
                let served = Served { assistant, line };
                self.run_call(id, carrier_call, served, direction, clock, leg).await
            }
            Err(nobody) => {
                tracing::error!(%id, error = %nobody, "a call cannot be served");
                let stage = match nobody {
                    Nobody::Unserved(NotReady { stage, .. }) => stage,
                    Nobody::Unknown | Nobody::Invalid(_) => turntaking::input::Stage::Model,
                };
                let reason = EndReason::ProviderFailed(stage);
                turn_away(id, carrier_call, reason, clock, leg, self.events()).await;
                false
            }
        };
        let _ = self.notes().send(Note::Filed { call: id, recorded }).await;
    }

    /// The assistant as it was when the call was announced.
    async fn assistant_of(
        &self,
        record: &CallRecord,
        variables: &Map<String, Value>,
    ) -> Result<Assistant, Nobody> {
        let Call { assistant_id, assistant, .. } = &record.call;
        let Call { squad_id, squad, .. } = &record.call;
        let named =
            [assistant_id.is_some(), squad_id.is_some(), assistant.is_some(), squad.is_some()];
        if named.iter().all(|named| !named) {
            return Ok(self.configured_assistant().clone());
        }
        let described = self.describe(&overrides::personal(&record.assistant, variables))?;
        let mut assistant = self.ready(&described).await?;
        if assistant.server.is_none() {
            // Its own, or its number's: what messages go to.
            let stored = record.subscription.clone().map(serde_json::from_value::<Subscription>);
            let server = stored.and_then(Result::ok).map(|subscription| subscription.server);
            assistant.server = server.as_ref().and_then(config::Server::of);
        }
        Ok(assistant)
    }

    /// The first assistant of the squad `wanted`, which is noted in `call` and kept; `None`: it
    /// cannot take calls.
    async fn begun_by(
        &self,
        owner: Uuid,
        wanted: Result<String, Map<String, Value>>,
        (call, kept): (&mut Call, &mut Option<Squad>),
    ) -> Result<Option<Map<String, Value>>, StoreError> {
        let document = match wanted {
            Ok(id) => {
                let stored = self.stored_squad(owner, &id).await?;
                call.squad_id = Some(id);
                stored
            }
            Err(squad) => {
                call.squad = Some(shown(&squad));
                Some(squad)
            }
        };
        let Some(document) = document else { return Ok(None) };
        match self.squad(owner, &document, call.assistant_overrides.as_ref()).await {
            Ok(squad) => {
                let first = squad.members.first().map(|member| member.assistant.clone());
                *kept = Some(squad);
                Ok(first)
            }
            Err(NoSquad::Store(error)) => Err(error),
            Err(NoSquad::Invalid(error)) => {
                tracing::error!(error, "a squad cannot take a call");
                Ok(None)
            }
        }
    }

    pub(crate) async fn stored_assistant(
        &self,
        organisation: Uuid,
        id: &str,
    ) -> Result<Option<Map<String, Value>>, StoreError> {
        let Ok(id) = Uuid::parse_str(id) else { return Ok(None) };
        let found = self.store().resource(Collection::Assistants, organisation, id).await?;
        let Some(Resource { mut document, .. }) = found else { return Ok(None) };
        self.with_stored_tools(organisation, &mut document).await?;
        Ok(Some(document))
    }

    /// Puts the tools that `model.toolIds` names where the others are.
    pub(crate) async fn with_stored_tools(
        &self,
        organisation: Uuid,
        assistant: &mut Map<String, Value>,
    ) -> Result<(), StoreError> {
        let Some(Value::Object(model)) = assistant.get_mut("model") else { return Ok(()) };
        let Some(Value::Array(ids)) = model.remove("toolIds") else { return Ok(()) };
        let tools = model.entry("tools").or_insert_with(|| Value::Array(Vec::new()));
        let Some(tools) = tools.as_array_mut() else { return Ok(()) };
        for id in ids {
            let tool = match id.as_str().and_then(|id| Uuid::parse_str(id).ok()) {
                Some(id) => self.store().resource(Collection::Tools, organisation, id).await?,
                None => None,
            };
            match tool {
                Some(tool) => tools.push(tool.document.into()),
                None => tracing::warn!(%id, "an assistant names a tool that does not exist"),
            }
        }
        Ok(())
    }

    fn describe(&self, document: &Map<String, Value>) -> Result<config::Assistant, Nobody> {
        self.describe_document(document).map_err(Nobody::Invalid)
    }

    /// Understands an assistant as it is stored.
    pub(crate) fn describe_document(
        &self,
        document: &Map<String, Value>,
    ) -> Result<config::Assistant, config::AssistantError> {
        let text = Value::from(document.clone()).to_string();
        config::Assistant::from_json(&text, self.config())
    }
}

/// Who is asked about the calls of `assistant`.
fn analyst(assistant: &Assistant) -> Analyst {
    let instructions = assistant.persona.preamble.iter().filter_map(|message| match message {
        ChatMessage::System { content } => Some(content.as_str()),
        _ => None,
    });
    Analyst {
        plan: assistant.analysis.clone(),
        model: Arc::clone(&assistant.providers.model),
        language: assistant.persona.language.clone(),
        system_prompt: instructions.collect::<Vec<_>>().join("\n"),
    }
}

/// What connects a call to somebody else before it was answered.
fn dial(to: &Destination, call: &Call, number: &Resource) -> Option<String> {
    let about = webhook::about_new(Uuid::nil(), call, number).ok()?;
    let caller_id = to.caller_id.as_ref().map(|template| render(template, &[&about]));
    let dial = Dial {
        caller_id: caller_id.filter(|caller| !caller.is_empty()),
        ring_seconds: to.ring_seconds.unwrap_or(RING_SECONDS),
        target: &to.target,
    };
    twiml::dial(&dial).ok()
}

/// Where messages go when the assistant names no server.
pub(crate) fn number_server(number: &Resource) -> Option<wire::Server> {
    let server: wire::Server =
        serde_json::from_value(number.document.get("server")?.clone()).ok()?;
    server.url.is_some().then_some(server)
}

pub(crate) fn phone_number(number: Resource) -> Value {
    let mut shown = number.document;
    if let Some(Value::Object(server)) = shown.get_mut("server") {
        server.remove("secret");
        server.remove("headers");
    }
    shown.insert("id".to_owned(), number.id.to_string().into());
    shown.insert("orgId".to_owned(), number.organisation.to_string().into());
    shown.into()
}
