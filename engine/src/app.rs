//! The composition root: everything a running engine is made of, built once from its
//! configuration.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::api;
use crate::assemble::{self, AssembleError, Assistant};
use crate::config::{Config, PublicUrl};
use crate::recording::{CallTap, Options, Recorder};
use crate::session::{
    CallClock, CallId, Direction, Registry, Session, SessionConfig, SessionEvent, Unserved,
    turn_away,
};
use crate::store::Reporter;
use crate::transport::MediaTransport;
use crate::transport::egress_clock::EgressClock;
use crate::transport::twilio::TwilioSettings;
use crate::transport::twilio::signature::AuthToken;
use crate::transport::twilio::token::TokenOffice;

/// A running engine, as the API and the calls see it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct App(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    assistant: Assistant,
    registry: Registry,
    recorder: Recorder,
    record_audio: bool,
    record_journal: bool,
    events: mpsc::Sender<SessionEvent>,
    egress_clock: EgressClock,
    public_url: PublicUrl,
    twilio_check: SignatureCheck,
    twilio: TwilioSettings,
    tokens: TokenOffice,
}

/// Why the engine did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A model, a voice or a dialogue is not to be had.
    #[error(transparent)]
    Assemble(#[from] AssembleError),
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
        Self::with_assistant(config, assemble::assistant(config).await?, observer).await
    }

    /// The same with an assistant that is there already, whatever of it the configuration names.
    ///
    /// # Errors
    ///
    /// As [`Self::start`].
    pub async fn with_assistant(
        config: &Config,
        assistant: Assistant,
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
        let reporter = Reporter::start(calls, observer);
        let app = App(Arc::new(Parts {
            registry: Registry::start(config.max_concurrent_calls),
            recorder,
            record_audio: assistant.record,
            assistant,
            record_journal: config.journal.enabled,
            events: reporter.events(),
            egress_clock,
            public_url: config.url(address),
            twilio_check: SignatureCheck::new(config),
            twilio: twilio_settings(config),
            tokens,
        }));
        Ok(Self { app, listener, reporter, drain: config.drain })
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
        let Self { app, listener, reporter, drain } = self;
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
        stop.await;
        tracing::info!(calls = app.registry().running(), ?drain, "draining");
        let drained = app.registry().drain(drain).await;
        if drained.cut > 0 {
            tracing::warn!(calls = drained.cut, "calls were ended at the drain limit");
        }
        let _ = close.send(());
        // Sockets of ended calls are closed; a connection kept alive by a client must not hold
        // the process.
        let served = tokio::time::timeout(Duration::from_secs(2), server).await;
        drop(app);
        let finished = tokio::time::timeout(Duration::from_secs(2), reporter.finish()).await;
        if finished.is_err() {
            tracing::warn!("some reports may be missing: a call did not let go of its events");
        }
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

    /// The clock that paces all calls.
    pub(crate) fn egress_clock(&self) -> &EgressClock {
        &self.0.egress_clock
    }

    /// The limits of a Twilio leg.
    pub(crate) fn twilio_settings(&self) -> TwilioSettings {
        self.0.twilio
    }

    /// How Twilio's requests are told from others.
    pub(crate) fn twilio_check(&self) -> &SignatureCheck {
        &self.0.twilio_check
    }

    /// The URL under which the world sees one of our paths.
    pub(crate) fn public_url(&self) -> &PublicUrl {
        &self.0.public_url
    }

    /// Runs a call to its end.
    pub(crate) async fn run_call(
        &self,
        id: CallId,
        carrier_call: String,
        direction: Direction,
        clock: CallClock,
        transport: Box<dyn MediaTransport>,
    ) {
        let parts = &self.0;
        let mut place = match parts.registry.admit(id).await {
            Ok(place) => place,
            Err(refused) => {
                tracing::warn!(%id, carrier_call, %refused, "a call was refused");
                let reason = refused.into();
                turn_away(id, carrier_call, reason, clock, transport, &parts.events).await;
                return;
            }
        };
        let Some(commands) = place.take_commands() else { return };
        let options = Options {
            audio: parts.record_audio,
            journal: parts.record_journal,
            rate: transport.rate(),
        };
        let tap = parts.recorder.start(&id.to_string(), options).unwrap_or_else(|error| {
            tracing::error!(%id, %error, "the call is not recorded");
            CallTap::off()
        });
        tracing::info!(%id, carrier_call, "call started");
        let mut settings = parts.assistant.settings.clone();
        if direction == Direction::Inbound {
            // Who calls is no machine, however long they speak.
            settings.voicemail = None;
        }
        let config = SessionConfig {
            id,
            carrier_call: carrier_call.clone(),
            settings,
            seed: id.seed(),
            persona: parts.assistant.persona.clone(),
            providers: parts.assistant.providers.clone(),
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
                turn_away(id, carrier_call, (&error).into(), clock, leg, &parts.events).await;
            }
        }
        drop(place);
    }
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

fn twilio_settings(config: &Config) -> TwilioSettings {
    let mut settings = TwilioSettings::default();
    settings.playout.lead = config.twilio.lead;
    settings
}
