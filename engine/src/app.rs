//! The composition root: everything a running engine is made of, built once from its
//! configuration.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use axum::serve::ListenerExt as _;
use serde_json::{Map, Value};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
use tts::PhraseCache;
use turntaking::input::EndReason;
use uuid::Uuid;

use crate::api;
use crate::assemble::{self, AssembleError, Assistant};
use crate::authority::Authority;
use crate::config::{self, Config, PublicUrl, Secret};
use crate::handover::Line;
use crate::http::{self, Courier};
use crate::llm::LanguageModel;
use crate::operator::Board as Operators;
use crate::recording::{CallTap, Options, Recorder};
use crate::schedule;
use crate::session::{
    CallClock, CallId, Direction, Overload, Registry, Session, SessionConfig, SessionEvent,
    Unserved, turn_away,
};
use crate::store::{KeyKind, Links, ObjectError, Objects, Reporter, Store, StoreError};
use crate::telemetry::board::{Board, Parties};
use crate::telemetry::live::Live;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::vitals::{Queues, Reading, Vitals, resident_bytes};
use crate::transport::MediaTransport;
use crate::transport::egress_clock::EgressClock;
use crate::transport::token::TokenOffice;
use crate::transport::twilio::TwilioSettings;
use crate::transport::twilio::rest::TwilioRest;
use crate::transport::twilio::signature::AuthToken;
use crate::webhook::{self, Announcer, Delivery, Note};
use crate::workshop::{NotReady, Workshop};

/// How long messages are delivered after the last call; the others wait for the next start.
const LAST_DELIVERIES: Duration = Duration::from_secs(3);

/// A running engine, as the API and the calls see it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct App(Arc<Parts>);

/// A running engine, as those see it who do not keep it running.
#[derive(Clone, Debug)]
pub(crate) struct WeakApp(Weak<Parts>);

impl WeakApp {
    /// The engine; `None`: it has stopped.
    pub(crate) fn upgrade(&self) -> Option<App> {
        self.0.upgrade().map(App)
    }
}

#[derive(Debug)]
struct Parts {
    config: Config,
    store: Store,
    objects: Objects,
    authority: Authority,
    links: Links,
    /// The organisation of calls to numbers that are not stored.
    organisation: Uuid,
    workshop: Arc<Workshop>,
    /// Who answers where no stored number names an assistant.
    configured: config::Assistant,
    assistant: Assistant,
    registry: Registry,
    recorder: Recorder,
    record_journal: bool,
    events: mpsc::Sender<SessionEvent>,
    notes: mpsc::Sender<Note>,
    /// Notified when there is something to deliver.
    mail: Arc<Notify>,
    /// Notified when a call was scheduled.
    schedule: Arc<Notify>,
    egress_clock: EgressClock,
    board: Board,
    metrics: Metrics,
    vitals: Vitals,
    public_url: PublicUrl,
    twilio_check: SignatureCheck,
    twilio: TwilioSettings,
    tokens: TokenOffice,
    /// Operators who are being called.
    operators: Operators,
    /// Makes the requests to customers' servers.
    client: reqwest::Client,
    twilio_rest: TwilioRest,
}

/// Why the engine did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A model, a voice or a dialogue is not to be had.
    #[error(transparent)]
    Assemble(#[from] AssembleError),
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The place of files cannot be used.
    #[error(transparent)]
    Objects(#[from] ObjectError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; choose another with `listen` or --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's words.
        source: std::io::Error,
    },
    /// The system refuses something the engine cannot do without.
    #[error("cannot {action}: {source}")]
    System {
        /// What was tried.
        action: &'static str,
        /// The system's words.
        source: std::io::Error,
    },
}

/// A started engine, and what it takes to stop it.
#[derive(Debug)]
pub struct Engine {
    app: App,
    listener: TcpListener,
    reporter: Reporter,
    announcer: Announcer,
    delivery: Delivery,
    new_keys: Vec<(KeyKind, Secret)>,
    drain: Duration,
}

impl Engine {
    /// Loads what the configuration names and binds the port. `observer` is sent a copy of each
    /// session event.
    ///
    /// # Errors
    ///
    /// Where something is missing; nothing is left running.
    pub async fn start(
        config: &Config,
        observer: Option<mpsc::Sender<SessionEvent>>,
    ) -> Result<Self, StartError> {
        let configured = config::Assistant::configured(config).map_err(AssembleError::from)?;
        let client = http_client()?;
        let cache = assemble::phrase_cache(config);
        let assistant = assemble::described(config, &configured, (&client, &cache)).await?;
        Self::build(config, client, configured, (assistant, cache), observer).await
    }

    /// The same with an assistant that is there already, whatever of it the configuration names.
    /// A stored assistant that says nothing about its providers is served by this one's.
    ///
    /// # Errors
    ///
    /// As [`Self::start`].
    pub async fn with_assistant(
        config: &Config,
        assistant: Assistant,
        observer: Option<mpsc::Sender<SessionEvent>>,
    ) -> Result<Self, StartError> {
        let configured = config::Assistant::from_json("{}", config).map_err(AssembleError::from)?;
        let cache = assemble::phrase_cache(config);
        Self::build(config, http_client()?, configured, (assistant, cache), observer).await
    }

    async fn build(
        config: &Config,
        client: reqwest::Client,
        configured: config::Assistant,
        (assistant, cache): (Assistant, PhraseCache),
        observer: Option<mpsc::Sender<SessionEvent>>,
    ) -> Result<Self, StartError> {
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(|source| StartError::Listen { address: config.listen, source })?;
        let system = |action| move |source| StartError::System { action, source };
        let address = listener.local_addr().map_err(system("read the listener's address"))?;
        let calls = config.data_dir.join("calls");
        let recorder =
            Recorder::new(calls.clone()).map_err(system("start the recording thread"))?;
        let egress_clock = EgressClock::start(config.max_concurrent_calls as usize)
            .map_err(system("start the egress clock"))?;
        let tokens = TokenOffice::new(std::time::Instant::now())
            .map_err(system("draw a key for stream tokens"))?;

        let store = Store::open_with_key(&config.data_dir, config.encryption_key.as_ref()).await?;
        let abandoned = webhook::end_abandoned(&store).await?;
        if abandoned > 0 {
            tracing::warn!(calls = abandoned, "calls were cut when the last process died");
        }
        let keys = (config.private_key.as_ref(), config.public_key.as_ref());
        let organisation = store.first_organisation(keys.0, keys.1).await?;
        let public_url = config.url(address);
        let links = Links::new(store.signing_key("recordings").await?, public_url.clone());
        let objects = Objects::open(&config.data_dir, &config.storage)?;
        let authority = Authority::new(store.clone(), client.clone());
        let mail = Arc::new(Notify::new());
        let announcer = Announcer::start(store.clone(), links.clone(), Arc::clone(&mail));
        let delivery =
            Delivery::start(store.clone(), client.clone(), authority.clone(), Arc::clone(&mail));
        let workshop = Arc::new(Workshop::new(
            config,
            client.clone(),
            &configured,
            (assistant.providers.clone(), cache),
        ));
        let overload = Overload::default();
        let registry = Registry::guarded(config.max_concurrent_calls, overload.clone());
        if let Some(limit) = config.max_scheduling_lag {
            let wakes = egress_clock.wakes();
            tokio::spawn(overload.watch(move || wakes.read(), limit));
        }
        let board = Board::default();
        let events = Arc::default();
        let vitals = vitals(&registry, &egress_clock, &workshop, &events);
        let metrics = Metrics::new(vitals.clone());
        let (shown, counted) = (board.clone(), metrics.clone());
        let watch = move |event: &SessionEvent| {
            shown.note(event);
            counted.note(event);
        };
        let reporter = Reporter::watched(calls, observer, Some(announcer.notes()), watch);
        let _ = events.set(reporter.events().downgrade());
        let app = App(Arc::new(Parts {
            workshop,
            config: config.clone(),
            store,
            objects,
            authority,
            links,
            organisation: organisation.id,
            configured,
            assistant,
            registry,
            recorder,
            record_journal: config.journal.enabled,
            events: reporter.events(),
            notes: announcer.notes(),
            mail,
            schedule: Arc::default(),
            egress_clock,
            board,
            metrics,
            vitals,
            public_url,
            twilio_check: SignatureCheck::new(config),
            twilio: twilio_settings(config),
            tokens,
            operators: Operators::default(),
            twilio_rest: TwilioRest::new(client.clone(), config.twilio.api_url.clone()),
            client,
        }));
        Ok(Self {
            app,
            listener,
            reporter,
            announcer,
            delivery,
            new_keys: organisation.new_keys,
            drain: config.drain,
        })
    }

    /// Keys that were made at this start: the only moment at which they can be shown.
    pub fn new_keys(&self) -> &[(KeyKind, Secret)] {
        &self.new_keys
    }

    /// Where the engine listens.
    ///
    /// # Errors
    ///
    /// Where the system does not tell.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The running engine.
    pub const fn app(&self) -> &App {
        &self.app
    }

    /// Serves until `stop` completes, then drains: no new calls, those in progress finish within
    /// the limit, the rest are ended.
    ///
    /// # Errors
    ///
    /// Where the server fails.
    pub async fn serve(self, stop: impl Future<Output = ()>) -> std::io::Result<()> {
        let Self { app, listener, reporter, announcer, delivery, drain, .. } = self;
        let (close, closed) = tokio::sync::oneshot::channel::<()>();
        // A frame must not wait for the acknowledgement of the one before (RFC 896).
        let listener = listener.tap_io(|stream| {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::warn!(%error, "TCP_NODELAY is refused: frames may be held back");
            }
        });
        let server = axum::serve(listener, api::router(app.clone()))
            .with_graceful_shutdown(async {
                let _ = closed.await;
            })
            .into_future();
        let server = tokio::spawn(server);
        let placing = tokio::spawn(schedule::run(app.weak()));
        stop.await;
        // What is scheduled is placed by the next process.
        placing.abort();
        tracing::info!(calls = app.registry().running(), ?drain, "draining");
        let drained = app.registry().drain(drain).await;
        if drained.cut > 0 {
            tracing::warn!(calls = drained.cut, "calls were ended at the drain limit");
        }
        let _ = close.send(());
        // Sockets of ended calls are closed; a connection kept alive by a client must not hold
        // the process.
        let served = tokio::time::timeout(Duration::from_secs(2), server).await;
        let store = app.store().clone();
        drop(app);
        let finished = tokio::time::timeout(Duration::from_secs(2), async {
            reporter.finish().await;
            announcer.finish().await;
        });
        if finished.await.is_err() {
            tracing::warn!("some reports may be missing: a call did not let go of its events");
        }
        delivery.finish(LAST_DELIVERIES).await;
        store.close().await;
        match served {
            Ok(Ok(result)) => result,
            Ok(Err(_)) | Err(_) => Ok(()),
        }
    }
}

impl App {
    /// The running calls.
    pub fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// One-time tokens for media sockets.
    pub(crate) fn tokens(&self) -> &TokenOffice {
        &self.0.tokens
    }

    /// Operators who are being called.
    pub(crate) fn operators(&self) -> &Operators {
        &self.0.operators
    }

    /// The clock that paces all calls.
    pub(crate) fn egress_clock(&self) -> &EgressClock {
        &self.0.egress_clock
    }

    /// The limits of a Twilio leg.
    pub(crate) fn twilio_settings(&self) -> TwilioSettings {
        self.0.twilio
    }

    /// Makes requests to customers' servers.
    pub(crate) fn client(&self) -> &reqwest::Client {
        &self.0.client
    }

    /// Twilio's REST API.
    pub(crate) fn twilio_rest(&self) -> &TwilioRest {
        &self.0.twilio_rest
    }

    /// The counts of the process.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// How the engine is now, and its calls.
    pub(crate) fn live(&self) -> Live {
        Live::read(&self.0.vitals, &self.0.board)
    }

    /// How Twilio's requests are told from others.
    pub(crate) fn twilio_check(&self) -> &SignatureCheck {
        &self.0.twilio_check
    }

    /// The URL under which the world sees one of our paths.
    pub(crate) fn public_url(&self) -> &PublicUrl {
        &self.0.public_url
    }

    /// What is kept.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// The configuration.
    pub(crate) fn config(&self) -> &Config {
        &self.0.config
    }

    /// What files hold.
    pub(crate) fn objects(&self) -> &Objects {
        &self.0.objects
    }

    /// Makes requests to the servers of this organisation.
    pub(crate) fn courier(&self, organisation: Uuid) -> Courier {
        Courier::new(self.0.client.clone(), self.0.authority.clone(), organisation)
    }

    /// URLs of recordings and files.
    pub(crate) fn links(&self) -> &Links {
        &self.0.links
    }

    /// The organisation of calls to numbers that are not stored.
    pub(crate) fn organisation(&self) -> Uuid {
        self.0.organisation
    }

    /// Who answers where no stored number names an assistant.
    pub(crate) fn configured(&self) -> &config::Assistant {
        &self.0.configured
    }

    /// The same, ready.
    pub(crate) fn configured_assistant(&self) -> &Assistant {
        &self.0.assistant
    }

    /// An assistant, ready for calls.
    pub(crate) async fn ready(&self, described: &config::Assistant) -> Result<Assistant, NotReady> {
        self.0.workshop.ready(described).await
    }

    /// An assistant's model, ready.
    pub(crate) async fn model_of(
        &self,
        described: &config::Assistant,
    ) -> Result<Arc<dyn LanguageModel>, NotReady> {
        self.0.workshop.model(described).await
    }

    /// Where sessions send their events.
    pub(crate) fn events(&self) -> &mpsc::Sender<SessionEvent> {
        &self.0.events
    }

    /// Where the beginning and the end of calls are told.
    pub(crate) fn notes(&self) -> &mpsc::Sender<Note> {
        &self.0.notes
    }

    /// To be notified when there is something to deliver.
    pub(crate) fn mail(&self) -> &Notify {
        &self.0.mail
    }

    /// To be notified when a call was scheduled.
    pub(crate) fn schedule(&self) -> Arc<Notify> {
        Arc::clone(&self.0.schedule)
    }

    /// For those who must not keep it running.
    pub(crate) fn weak(&self) -> WeakApp {
        WeakApp(Arc::downgrade(&self.0))
    }

    /// Where the files of a call are.
    pub(crate) fn call_folder(&self, call: Uuid) -> PathBuf {
        self.0.config.data_dir.join("calls").join(call.to_string())
    }

    /// Runs a call to its end. Returns whether there is a recording.
    pub(crate) async fn run_call(
        &self,
        id: CallId,
        carrier_call: String,
        served: Served,
        direction: Direction,
        clock: CallClock,
        transport: Box<dyn MediaTransport>,
    ) -> bool {
        let parts = &self.0;
        let Served { mut assistant, line } = served;
        let mut place = match parts.registry.admit(id).await {
            Ok(place) => place,
            Err(refused) => {
                tracing::warn!(%id, carrier_call, %refused, "a call was refused");
                parts.metrics.refused(refused);
                let reason = refused.into();
                turn_away(id, carrier_call, reason, clock, transport, &parts.events).await;
                return false;
            }
        };
        let Some(commands) = place.take_commands() else { return false };
        let options = Options {
            audio: assistant.record,
            journal: parts.record_journal,
            rate: transport.rate(),
        };
        let mut recorded = assistant.record;
        let tap = parts.recorder.start(&id.to_string(), options).unwrap_or_else(|error| {
            tracing::error!(%id, %error, "the call is not recorded");
            recorded = false;
            CallTap::off()
        });
        tracing::info!(%id, carrier_call, "call started");
        parts.board.enter(id, direction, parties(&line.about));
        let mut settings = assistant.settings.clone();
        if direction == Direction::Inbound {
            // Who calls is no machine, however long they speak.
            settings.voicemail = None;
        }
        let tools = self.toolset(&assistant, &Arc::new(line));
        if assistant.denoising {
            assistant.denoise();
        }
        let config = SessionConfig {
            id,
            carrier_call: carrier_call.clone(),
            settings,
            seed: id.seed(),
            persona: assistant.persona,
            providers: assistant.providers,
            tools: Some(tools),
        };
        let opened = Session::open(config, clock, transport, tap, commands, parts.events.clone());
        match opened {
            Ok(session) => {
                let (reason, stats, files) = session.run().await;
                tracing::info!(%id, ?reason, ?stats, "call ended");
                // The place is given back once the files are whole, so that a drain waits for
                // them.
                files.await;
            }
            Err(unserved) => {
                let Unserved { error, leg } = *unserved;
                tracing::error!(%id, %error, "a call cannot be served");
                let reason = EndReason::from(&error);
                turn_away(id, carrier_call, reason, clock, leg, &parts.events).await;
                recorded = false;
            }
        }
        parts.board.leave(id);
        drop(place);
        recorded
    }
}

/// Who is in a call of which servers are told `about`.
fn parties(about: &Map<String, Value>) -> Parties {
    let text = |of: &str, field| Some(about.get(of)?.get(field)?.as_str()?.to_owned());
    Parties { customer: text("customer", "number"), assistant: text("assistant", "name") }
}

/// What a call is served by.
#[derive(Debug)]
pub(crate) struct Served {
    /// Who speaks.
    pub(crate) assistant: Assistant,
    /// In which call.
    pub(crate) line: Line,
}

/// How Twilio's requests are told from others.
#[derive(Debug)]
pub(crate) enum SignatureCheck {
    /// By the account's token.
    Key(AuthToken),
    /// Nothing is taken: there is no token to check with.
    Unconfigured,
    /// Everything is taken, as the configuration demands.
    Off,
}

impl SignatureCheck {
    fn new(config: &Config) -> Self {
        if !config.twilio.validate_signatures {
            tracing::warn!("`twilio.validate_signatures` is off: anybody who finds it may call");
            return Self::Off;
        }
        match &config.twilio.auth_token {
            Some(token) => Self::Key(AuthToken::new(token.expose())),
            None => {
                tracing::warn!("`twilio.auth_token` is not set: Twilio's calls are refused");
                Self::Unconfigured
            }
        }
    }
}

/// The client of a whole engine.
fn http_client() -> Result<reqwest::Client, StartError> {
    http::client().map_err(|source| StartError::System { action: "make an HTTP client", source })
}

/// Where sessions send their events, once that is there. Weak: it ends with the last session.
type Events = Arc<OnceLock<mpsc::WeakSender<SessionEvent>>>;

/// What is read of the process whenever somebody looks.
fn vitals(
    registry: &Registry,
    clock: &EgressClock,
    workshop: &Arc<Workshop>,
    events: &Events,
) -> Vitals {
    let (registry, workshop, events) = (registry.clone(), Arc::clone(workshop), Arc::clone(events));
    let (lateness, wakes) = (clock.lateness_reader(), clock.wakes());
    Vitals::new(move || {
        let waiting = events.get().and_then(mpsc::WeakSender::upgrade);
        let waiting = waiting.map_or(0, |events| events.max_capacity() - events.capacity());
        Reading {
            calls: registry.running(),
            capacity: registry.capacity(),
            overloaded: registry.overload().is_overloaded(),
            lag_ms: registry.overload().lag().as_secs_f64() * 1_000.0,
            lags: wakes.read(),
            queues: Queues {
                turn_model: workshop.turn_model().map_or(0, |model| model.backlog()),
                decode: workshop.decode_backlog() as u64,
                events: waiting as u64,
            },
            vad: workshop.vad().counters(),
            turn_model: workshop.turn_model().map(|model| model.counters()),
            cache: workshop.cache(),
            lost_samples: workshop.lost_samples(),
            clock: lateness(),
            memory_bytes: resident_bytes(),
        }
    })
}

fn twilio_settings(config: &Config) -> TwilioSettings {
    let mut settings = TwilioSettings::default();
    settings.playout.lead = config.twilio.lead;
    settings
}
