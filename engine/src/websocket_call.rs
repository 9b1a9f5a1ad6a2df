//! A call over a raw WebSocket (Vapi's `vapi.websocket`): ordered by the API, begun by the client
//! that opens the socket.

use std::time::Instant;

use axum::extract::ws::{Utf8Bytes, WebSocket};
use codecs::SampleRate;
use tokio::sync::mpsc;
use uuid::Uuid;
use wire::{Call, CallStatus, Customer, NewCall, Transport};

use crate::app::App;
use crate::outbound::NotPlaced;
use crate::overrides;
use crate::session::CallClock;
use crate::store::{CallRecord, StoreError, Timestamp};
use crate::transport::token;
use crate::transport::websocket::{AudioFormat, Encoding, Texts, WebSocketLeg, WebSocketSettings};
use crate::webhook::{self, Client, Subscription};

/// What Vapi calls it.
const PROVIDER: &str = "vapi.websocket";

/// Messages to the client that wait for its socket: a conversation that goes fast, for seconds.
const MESSAGES: usize = 256;

/// Orders of the client that wait.
const ORDERS: usize = 32;

/// Vapi's word for a call whose client never came.
const NOBODY_CAME: &str = "call.in-progress.error-assistant-did-not-receive-customer-audio";

/// What the client of a call orders, as it comes.
pub(crate) type Orders = mpsc::Receiver<Utf8Bytes>;

/// The way to answer them, as long as the call goes on.
pub(crate) type Answers = mpsc::WeakSender<Utf8Bytes>;

impl App {
    /// Makes a call that waits for its client to open `transport.websocketCallUrl`, for a minute.
    ///
    /// # Errors
    ///
    /// Why it is not made.
    pub(crate) async fn await_socket(
        &self,
        owner: Uuid,
        order: &NewCall,
    ) -> Result<CallRecord, NotPlaced> {
        let customer = order.customer.clone().unwrap_or_default();
        let own = customer.assistant_overrides.as_ref();
        let changes = overrides::combined(order.assistant_overrides.as_ref(), own);
        let mut assistant = self.assistant_for(owner, order).await?;
        if let Some(changes) = &changes {
            overrides::merge(&mut assistant, changes);
        }
        let described = self.describe_document(&assistant).map_err(NotPlaced::Invalid)?;
        self.ready(&described).await?;
        if let Err(refused) = self.registry().knock() {
            tracing::warn!(%refused, "a call was not made");
            self.metrics().refused(refused);
            return Err(NotPlaced::Full);
        }
        let id = Uuid::new_v4();
        let messages = described.server_messages.clone();
        let subscription = described.server.map(|server| Subscription { server, messages });
        let token = self.tokens().issue(&id.to_string(), Instant::now());
        let path = format!("/call/{id}/transport?token={token}");
        let sent = order.transport.clone().unwrap_or_default().audio_format.unwrap_or_default();
        let now = Timestamp::now();
        let record = CallRecord {
            id,
            organisation: owner,
            created_at: now,
            updated_at: now,
            call: Call {
                kind: "vapi.websocketCall".to_owned(),
                status: CallStatus::Queued,
                name: order.name.clone(),
                metadata: order.metadata.clone(),
                assistant_id: order.assistant_id.clone(),
                assistant: order.assistant.as_ref().map(webhook::without_secrets),
                assistant_overrides: changes,
                customer: order.customer.as_ref().map(|_| Customer {
                    number: customer.number,
                    name: customer.name,
                    email: customer.email,
                    external_id: customer.external_id,
                    extension: customer.extension,
                }),
                transport: Some(Transport {
                    provider: PROVIDER.to_owned(),
                    conversation_type: "voice".to_owned(),
                    audio_format: Some(complete(sent)),
                    websocket_call_url: Some(self.public_url().websocket(&path)),
                    ..Transport::default()
                }),
                monitor: Some(self.monitor(id, &assistant)),
                ..Call::default()
            },
            assistant,
            phone_number: None,
            subscription: subscription
                .map(serde_json::to_value)
                .transpose()
                .map_err(StoreError::from)?,
        };
        let record = self.store().announce(record).await?;
        self.prepare(record.clone());
        let (app, waiting) = (self.weak(), record.clone());
        tokio::spawn(async move {
            tokio::time::sleep(token::LIFETIME).await;
            if let Some(app) = app.upgrade()
                && let Err(error) = app.end_unconnected(&waiting, NOBODY_CAME).await
            {
                tracing::error!(call = %waiting.id, %error, "a call that nobody opened is kept");
            }
        });
        Ok(record)
    }

    /// The format of the socket of this call; `None`: it is not carried by one.
    pub(crate) fn socket_format(record: &CallRecord) -> Option<AudioFormat> {
        let transport = record.call.transport.as_ref()?;
        let format = transport.audio_format.as_ref().filter(|_| transport.provider == PROVIDER)?;
        let encoding = match format.format.as_deref() {
            Some("mulaw") => Encoding::MuLaw,
            _ => Encoding::PcmS16Le,
        };
        let rate = match format.sample_rate {
            Some(8_000.0) => SampleRate::HZ_8000,
            _ => SampleRate::HZ_16000,
        };
        Some(AudioFormat { encoding, rate })
    }

    /// Runs the call over a socket that its client has opened, to its end. `take_orders` is run
    /// beside it.
    pub(crate) async fn answer_socket<T>(
        &self,
        id: Uuid,
        format: AudioFormat,
        socket: WebSocket,
        take_orders: impl FnOnce(Orders, Answers) -> T,
    ) where
        T: Future<Output = ()> + Send + 'static,
    {
        let clock = CallClock::start();
        let (messages, down) = mpsc::channel(MESSAGES);
        let (up, orders) = mpsc::channel(ORDERS);
        tokio::spawn(take_orders(orders, messages.downgrade()));
        let (texts, settings) = (Texts { down, up }, WebSocketSettings::default());
        let ticker = self.egress_clock().ticker();
        let leg = WebSocketLeg::new(socket, format, texts, settings, ticker);
        let client = Some(Client::new(messages));
        self.answer(id.to_string(), clock, Box::new(leg), client).await;
    }
}

/// With Vapi's defaults where nothing was sent.
fn complete(sent: wire::AudioFormat) -> wire::AudioFormat {
    wire::AudioFormat {
        format: sent.format.or_else(|| Some("pcm_s16le".to_owned())),
        container: sent.container.or_else(|| Some("raw".to_owned())),
        sample_rate: sent.sample_rate.or(Some(16_000.0)),
    }
}
