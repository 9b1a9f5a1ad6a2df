//! A call that goes out: placed with the carrier, and what becomes of it before it is answered.

use serde_json::{Map, Value, json};
use uuid::Uuid;
use wire::{Call, CallStatus, Customer, NewCall, NewCustomer, Transport};

use crate::app::App;
use crate::config;
use crate::inbound::{number_server, phone_number};
use crate::monitoring::Monitoring;
use crate::overrides;
use crate::schedule;
use crate::squad::{self, NoSquad, Squad};
use crate::store::{CallRecord, Collection, Resource, StoreError, Timestamp};
use crate::transport::twilio::rest::{Account, LiveCall, Placement, RestError};
use crate::webhook::{self, Subscription};
use crate::workshop::NotReady;

/// How long the other side's telephone rings: Twilio's default.
pub(crate) const RING_SECONDS: u32 = 60;

/// Why a call is not placed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotPlaced {
    /// Somebody who does not exist is named.
    #[error("{0}")]
    Unknown(String),
    /// The assistant cannot be used.
    #[error("{0}")]
    Invalid(config::AssistantError),
    /// The assistant cannot be served here.
    #[error(transparent)]
    Unserved(#[from] NotReady),
    /// All places are taken.
    #[error("Over Concurrency Limit")]
    Full,
    /// The carrier refuses.
    #[error("the call cannot be placed: {0}")]
    Carrier(#[from] RestError),
    /// The database fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl App {
    /// Places a call to `customer`, now or at its time. It is queued, or scheduled, when this
    /// returns.
    ///
    /// # Errors
    ///
    /// Why it is not; what was tried with the carrier is kept, as a call that has ended.
    pub(crate) async fn place(
        &self,
        owner: Uuid,
        order: &NewCall,
        customer: &NewCustomer,
    ) -> Result<CallRecord, NotPlaced> {
        let number = self.our_number(owner, order).await?;
        let account = self.account(Some(&number)).ok_or_else(|| {
            let missing = "the number has no Twilio account to call with: give it \
                           twilioAccountSid and twilioAuthToken, or set `twilio.account_sid` and \
                           `twilio.auth_token`";
            NotPlaced::Unknown(missing.to_owned())
        })?;
        let own = customer.assistant_overrides.as_ref();
        let changes = overrides::combined(order.assistant_overrides.as_ref(), own);
        let of_squad = overrides::combined(order.squad_overrides.as_ref(), changes.as_ref());
        let changes = overrides::combined(of_squad.as_ref(), customer.squad_overrides.as_ref());
        let squad = self.squad_for(owner, order, changes.as_ref()).await?;
        let first = squad.as_ref().and_then(|squad| squad.members.first());
        let assistant = match first {
            Some(first) => first.assistant.clone(),
            None => {
                let mut assistant = self.assistant_for(owner, order).await?;
                if let Some(changes) = &changes {
                    overrides::merge(&mut assistant, changes);
                }
                assistant
            }
        };
        let described = self.describe_document(&assistant).map_err(NotPlaced::Invalid)?;
        self.ready(&described).await?;
        let plan = order.schedule_plan.clone();
        let is_due = plan.as_ref().is_none_or(|plan| schedule::is_due(plan, Timestamp::now()));
        if is_due && let Some(refused) = self.registry().refusal() {
            tracing::warn!(%refused, "a call was not placed");
            self.metrics().refused(refused);
            return Err(NotPlaced::Full);
        }
        let theirs = customer.number.clone().unwrap_or_default();
        let id = Uuid::new_v4();
        let server = described.server.clone().or_else(|| number_server(&number));
        let messages = described.server_messages.clone();
        let subscription = server.map(|server| Subscription { server, messages });
        let now = Timestamp::now();
        let record = CallRecord {
            id,
            organisation: owner,
            created_at: now,
            updated_at: now,
            call: Call {
                kind: "outboundPhoneCall".to_owned(),
                status: if is_due { CallStatus::Queued } else { CallStatus::Scheduled },
                schedule_plan: plan,
                name: order.name.clone(),
                metadata: order.metadata.clone(),
                assistant_id: order.assistant_id.clone(),
                assistant: order.assistant.as_ref().map(webhook::without_secrets),
                squad_id: order.squad_id.clone(),
                squad: order.squad.as_ref().map(squad::shown),
                assistant_overrides: changes,
                phone_number_id: Some(number.id.to_string()),
                customer: Some(Customer {
                    number: Some(theirs),
                    name: customer.name.clone(),
                    email: customer.email.clone(),
                    external_id: customer.external_id.clone(),
                    extension: customer.extension.clone(),
                }),
                phone_call_provider: Some("twilio".to_owned()),
                phone_call_transport: Some("pstn".to_owned()),
                transport: Some(Transport {
                    provider: "twilio".to_owned(),
                    conversation_type: "voice".to_owned(),
                    account_sid: Some(account.sid.clone()),
                    ..Transport::default()
                }),
                monitor: Some(self.monitor(id, &assistant)),
                ..Call::default()
            },
            assistant,
            phone_number: Some(phone_number(number.clone())),
            subscription: subscription
                .map(serde_json::to_value)
                .transpose()
                .map_err(StoreError::from)?,
        };
        let record = self.store().announce(record).await?;
        if let Some(squad) = &squad {
            let squad = serde_json::to_value(squad).map_err(StoreError::from)?;
            self.store().keep_squad(id, &squad).await?;
        }
        if is_due {
            self.dial(record, &number, &account).await
        } else {
            self.schedule().notify_one();
            Ok(record)
        }
    }

    /// Asks the carrier to place a call that is queued.
    ///
    /// # Errors
    ///
    /// Where the carrier refuses, the call is kept as one that has ended.
    pub(crate) async fn dial(
        &self,
        record: CallRecord,
        number: &Resource,
        account: &Account,
    ) -> Result<CallRecord, NotPlaced> {
        let id = record.id;
        let url = self.public_url().http(&format!("/twilio/outbound/{id}"));
        let status_url = self.public_url().http(&format!("/twilio/status/{id}"));
        let customer = record.call.customer.clone().unwrap_or_default();
        let placement = Placement {
            to: customer.number.as_deref().unwrap_or_default(),
            from: number.document.get("number").and_then(Value::as_str).unwrap_or_default(),
            url: &url,
            status_url: &status_url,
            ring_seconds: RING_SECONDS,
            digits: customer.extension.as_deref().unwrap_or_default(),
        };
        match self.twilio_rest().place(account, &placement).await {
            Ok(sid) => {
                self.store().carried(id, &sid).await?;
                self.prepare(record.clone());
                Ok(self.store().any_call(id).await?.unwrap_or(record))
            }
            Err(error) => {
                tracing::error!(call = %id, %error, "a call cannot be placed");
                self.end_unconnected(&record, "twilio-failed-to-connect-call").await?;
                Err(error.into())
            }
        }
    }

    /// Takes note of what the carrier says of a call that has no media yet.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub(crate) async fn on_carrier_status(
        &self,
        record: &CallRecord,
        status: &str,
    ) -> Result<(), StoreError> {
        let reason = match status {
            "ringing" => {
                let ringing = webhook::on_its_way(record, CallStatus::Ringing);
                let kept = self.store().keep_if(&ringing, &[CallStatus::Queued]).await?;
                if kept {
                    self.mail().notify_one();
                }
                return Ok(());
            }
            "busy" => "customer-busy",
            "no-answer" => "customer-did-not-answer",
            "failed" => "twilio-failed-to-connect-call",
            "canceled" => "manually-canceled",
            // They hung up before a word was said.
            "completed" => "customer-ended-call",
            // Its media, or its end, tells the rest.
            _ => return Ok(()),
        };
        self.end_unconnected(record, reason).await
    }

    /// Ends a call that was never connected; one that was is ended by its media.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub(crate) async fn end_unconnected(
        &self,
        record: &CallRecord,
        reason: &str,
    ) -> Result<(), StoreError> {
        let ended = webhook::refused(record, reason);
        let before = [CallStatus::Scheduled, CallStatus::Queued, CallStatus::Ringing];
        if self.store().keep_if(&ended, &before).await? {
            self.mail().notify_one();
        }
        Ok(())
    }

    /// The account that carries calls of `number`; `None`: nobody knows how to ask it.
    pub(crate) fn account(&self, number: Option<&Resource>) -> Option<Account> {
        let twilio = &self.config().twilio;
        let ours = || {
            let sid = twilio.account_sid.clone()?;
            let secret = twilio.auth_token.clone()?;
            Some(Account { user: sid.clone(), sid, secret })
        };
        let Some(number) = number else { return ours() };
        if let Some(own) = own_account(&number.document) {
            return Some(own);
        }
        let sid = number.document.get("twilioAccountSid").and_then(Value::as_str);
        let Some(sid) = sid.map(str::to_owned) else { return ours() };
        let known = twilio.account_sid.as_deref().is_none_or(|known| known == sid);
        let secret = twilio.auth_token.clone().filter(|_| known)?;
        Some(Account { user: sid.clone(), sid, secret })
    }

    /// What it takes to change the carrier's side of a call.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub(crate) async fn live_call(
        &self,
        record: &CallRecord,
    ) -> Result<Option<LiveCall>, StoreError> {
        let number = self.number_of(record).await?;
        let sid = record.call.phone_call_provider_id.clone();
        let live = self.account(number.as_ref()).zip(sid);
        let rest = self.twilio_rest().clone();
        Ok(live.map(|(account, sid)| LiveCall { rest, account, sid }))
    }

    /// The stored number of a call, with its secrets.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub(crate) async fn number_of(
        &self,
        record: &CallRecord,
    ) -> Result<Option<Resource>, StoreError> {
        let id = record.call.phone_number_id.as_deref();
        let Some(id) = id.and_then(|id| Uuid::parse_str(id).ok()) else { return Ok(None) };
        self.store().resource(Collection::PhoneNumbers, record.organisation, id).await
    }

    async fn our_number(&self, owner: Uuid, order: &NewCall) -> Result<Resource, NotPlaced> {
        let Some(id) = &order.phone_number_id else {
            return Err(NotPlaced::Unknown("phoneNumberId should not be empty".to_owned()));
        };
        let unknown = || NotPlaced::Unknown(format!("phoneNumberId {id} does not exist"));
        let uuid = Uuid::parse_str(id).map_err(|_| unknown())?;
        let number = self.store().resource(Collection::PhoneNumbers, owner, uuid).await?;
        number.ok_or_else(unknown)
    }

    /// The squad that the order names, with `changes` merged; `None`: it names none.
    async fn squad_for(
        &self,
        owner: Uuid,
        order: &NewCall,
        changes: Option<&Map<String, Value>>,
    ) -> Result<Option<Squad>, NotPlaced> {
        let document = match (&order.squad, &order.squad_id) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => {
                let both = "squad and squadId must not both be sent".to_owned();
                return Err(NotPlaced::Unknown(both));
            }
            (Some(squad), None) => squad.clone(),
            (None, Some(id)) => {
                let stored = self.stored_squad(owner, id).await?;
                let unknown = || NotPlaced::Unknown(format!("squadId {id} does not exist"));
                stored.ok_or_else(unknown)?
            }
        };
        if order.assistant.is_some() || order.assistant_id.is_some() {
            let both = "an assistant and a squad must not both be sent".to_owned();
            return Err(NotPlaced::Unknown(both));
        }
        match self.squad(owner, &document, changes).await {
            Ok(squad) => Ok(Some(squad)),
            Err(NoSquad::Invalid(problem)) => Err(NotPlaced::Unknown(problem)),
            Err(NoSquad::Store(error)) => Err(error.into()),
        }
    }

    /// The assistant that the order names, with its stored tools.
    pub(crate) async fn assistant_for(
        &self,
        owner: Uuid,
        order: &NewCall,
    ) -> Result<Map<String, Value>, NotPlaced> {
        match (&order.assistant, &order.assistant_id) {
            (Some(_), Some(_)) => Err(NotPlaced::Unknown(
                "assistant and assistantId must not both be sent".to_owned(),
            )),
            (Some(assistant), None) => {
                let mut assistant = assistant.clone();
                self.with_stored_tools(owner, &mut assistant).await?;
                Ok(assistant)
            }
            (None, Some(id)) => {
                let stored = self.stored_assistant(owner, id).await?;
                stored.ok_or_else(|| NotPlaced::Unknown(format!("assistantId {id} does not exist")))
            }
            (None, None) => {
                Err(NotPlaced::Unknown("assistant or assistantId should not be empty".to_owned()))
            }
        }
    }

    /// Where the call of `assistant` is controlled and listened to while it goes on.
    pub(crate) fn monitor(&self, id: Uuid, assistant: &Map<String, Value>) -> wire::Monitor {
        let plan = Monitoring::of(assistant);
        let control_url = || self.public_url().http(&format!("/call/{id}/control"));
        let listen_url = || self.public_url().websocket(&format!("/call/{id}/listen"));
        wire::Monitor {
            control_url: plan.control.then(control_url),
            listen_url: plan.listen.then(listen_url),
        }
    }

    /// How many calls may be made, as Vapi's API tells it.
    pub(crate) fn limits(&self) -> Value {
        let registry = self.registry();
        json!({
            "concurrencyBlocked": !registry.has_room(),
            "concurrencyLimit": registry.capacity(),
            "remainingConcurrentCalls": registry.capacity().saturating_sub(registry.running()),
        })
    }
}

/// The account of a number that was imported with its token, or with a key of it.
pub(crate) fn own_account(number: &Map<String, Value>) -> Option<Account> {
    let text = |name| number.get(name).and_then(Value::as_str).map(str::to_owned);
    let sid = text("twilioAccountSid")?;
    let (user, secret) = match text("twilioAuthToken") {
        Some(token) => (sid.clone(), token),
        None => (text("twilioApiKey")?, text("twilioApiSecret")?),
    };
    Some(Account { sid, user, secret: config::Secret::new(secret) })
}
