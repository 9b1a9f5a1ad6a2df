//! Keeps calls in the database as they go, and puts what customers' servers want to know into the
//! outbox: both in one transaction.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::{Notify, mpsc};
use tokio::task::{JoinHandle, JoinSet};
use turntaking::input::{EndReason, TurnId};
use turntaking::output::Event;
use turntaking::time::Instant;
use uuid::Uuid;
use wire::{Call, CallStatus};

use super::audience::{Audience, Client};
use super::conversation::{Conversation, role};
use super::phrases::Phrases;
use super::report::{self, Fields};
use super::subscription::Subscription;
use crate::analysis::Analyst;
use crate::overrides;
use crate::session::{CallId, SessionEvent, SessionEventKind};
use crate::store::{
    CallRecord, Links, NewMessage, Progress, Store, StoreError, Timestamp, ended_reason,
};

/// Notes that wait: 64 calls that all say something at once, a few times over.
const QUEUE: usize = 1_024;

/// Notes that are kept in one transaction.
const BATCH: usize = 256;

/// Tries to keep a batch, a quarter of a second apart, before it is lost.
const TRIES: u32 = 20;

/// Vapi's word for a call whose process died.
const WORKER_DIED: &str = "call.in-progress.error-vapifault-worker-died";

/// What the announcer is told, in this order for each call: `Opened`, its events, `Filed`, but
/// that `Filed` may overtake the last events.
#[derive(Debug)]
pub(crate) enum Note {
    /// A call is taken.
    Opened {
        /// As it was announced.
        record: Box<CallRecord>,
        /// When its clock began.
        began: Timestamp,
        /// Who is asked about it once it is over.
        analyst: Option<Analyst>,
        /// Who is told of it at the other end of a raw WebSocket.
        client: Option<Client>,
    },
    /// Something happened in it.
    Event(SessionEvent),
    /// Its session is over and its files are whole.
    Filed {
        /// The call.
        call: CallId,
        /// There is a recording among them.
        recorded: bool,
    },
}

impl From<SessionEvent> for Note {
    fn from(event: SessionEvent) -> Self {
        Self::Event(event)
    }
}

/// The task that keeps calls.
#[derive(Debug)]
pub(crate) struct Announcer {
    notes: mpsc::Sender<Note>,
    task: JoinHandle<()>,
}

impl Announcer {
    /// Starts it. `mail` is notified when there is something to deliver.
    pub(crate) fn start(store: Store, links: Links, mail: Arc<Notify>) -> Self {
        let (notes, receiver) = mpsc::channel(QUEUE);
        Self { notes, task: tokio::spawn(announce(store, links, mail, receiver)) }
    }

    /// Where it is told.
    pub(crate) fn notes(&self) -> mpsc::Sender<Note> {
        self.notes.clone()
    }

    /// Keeps what is still to be kept. Nobody else may hold [`Self::notes`] any more.
    pub(crate) async fn finish(self) {
        drop(self.notes);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the announcer stopped early");
        }
    }
}

/// Ends the calls that a process left behind when it died, and reports those that it did not report.
/// Returns how many were cut.
///
/// # Errors
///
/// Where the database fails.
pub(crate) async fn end_abandoned(store: &Store) -> Result<usize, StoreError> {
    let abandoned = store.unfinished_calls().await?;
    let mut progress = Vec::with_capacity(abandoned.len());
    for record in &abandoned {
        let mut call = record.call.clone();
        // The last that is known of it.
        call.ended_at = Some(record.updated_at.to_iso());
        progress.push(ended(record.id, call, WORKER_DIED, subscription(record).as_ref()));
    }
    for record in store.unreported_calls().await? {
        let subscription = subscription(&record);
        progress.push(reported(record.id, record.call, subscription.as_ref()));
    }
    store.keep(&progress).await?;
    Ok(abandoned.len())
}

/// A call that has no media yet is a step further.
pub(crate) fn on_its_way(record: &CallRecord, status: CallStatus) -> Progress {
    let mut call = record.call.clone();
    call.status = status;
    let wanted = subscription(record).filter(|subscription| subscription.wants("status-update"));
    let (kind, at, body) = ("status-update", Timestamp::now(), report::status(&call));
    let messages = wanted.map(|_| NewMessage { kind, at, body }).into_iter().collect();
    Progress { id: record.id, call: Some(call), messages, awaits_report: None }
}

/// The end of a call that was never connected.
pub(crate) fn refused(record: &CallRecord, reason: &str) -> Progress {
    let mut call = record.call.clone();
    call.ended_at = Some(Timestamp::now().to_iso());
    ended(record.id, call, reason, subscription(record).as_ref())
}

fn subscription(record: &CallRecord) -> Option<Subscription> {
    let stored = record.subscription.clone()?;
    match serde_json::from_value(stored) {
        Ok(subscription) => Some(subscription),
        Err(error) => {
            tracing::error!(call = %record.id, %error, "a stored subscription cannot be read");
            None
        }
    }
}

/// How a call is kept, and what is told, when it is over.
fn ended(id: Uuid, call: Call, reason: &str, subscription: Option<&Subscription>) -> Progress {
    let mut over = over(id, call, reason, subscription);
    if let Some(call) = over.call.take() {
        let Progress { call, messages, .. } = reported(id, call, subscription);
        over.messages.extend(messages);
        over.call = call;
    }
    over.awaits_report = Some(false);
    over
}

/// The same without the report, which is still to come.
fn over(id: Uuid, mut call: Call, reason: &str, subscription: Option<&Subscription>) -> Progress {
    call.status = CallStatus::Ended;
    call.ended_reason = Some(reason.to_owned());
    let wanted = subscription.is_some_and(|subscription| subscription.wants("status-update"));
    let (kind, at) = ("status-update", Timestamp::now());
    let body = wanted.then(|| report::status(&call));
    let messages = body.map(|body| NewMessage { kind, at, body }).into_iter().collect();
    Progress { id, call: Some(call), messages, awaits_report: Some(true) }
}

/// The report.
fn reported(id: Uuid, call: Call, subscription: Option<&Subscription>) -> Progress {
    let wanted = subscription.is_some_and(|subscription| subscription.wants("end-of-call-report"));
    let (kind, at) = ("end-of-call-report", Timestamp::now());
    let body = wanted.then(|| report::end_of_call(&call));
    let messages = body.map(|body| NewMessage { kind, at, body }).into_iter().collect();
    Progress { id, call: Some(call), messages, awaits_report: Some(false) }
}

async fn announce(store: Store, links: Links, mail: Arc<Notify>, mut notes: mpsc::Receiver<Note>) {
    // Clients are told at once, whatever the database does meanwhile.
    let (kept, to_keep) = mpsc::channel(QUEUE);
    let keeping = tokio::spawn(keep_all(store, mail, to_keep));
    let mut drafts = BTreeMap::new();
    let mut batch = Vec::with_capacity(BATCH);
    let mut analyses = JoinSet::new();
    let mut is_open = true;
    while is_open || !analyses.is_empty() {
        let mut progress = Vec::new();
        tokio::select! {
            biased;
            Some(analysed) = analyses.join_next() => match analysed {
                Ok(reported) => progress.push(reported),
                // It awaits its report, which the next start writes.
                Err(error) => tracing::error!(%error, "an analysis stopped early"),
            },
            count = notes.recv_many(&mut batch, BATCH), if is_open => {
                is_open = count > 0;
                for note in batch.drain(..) {
                    take(note, &mut drafts, &links, (&mut progress, &mut analyses));
                }
            }
        }
        for progress in progress {
            // It ends after this task.
            let _ = kept.send(progress).await;
        }
    }
    drop(kept);
    if let Err(error) = keeping.await {
        tracing::error!(%error, "calls were not kept to their end");
    }
}

/// Keeps what has become of calls, as much in one transaction as there is.
async fn keep_all(store: Store, mail: Arc<Notify>, mut to_keep: mpsc::Receiver<Progress>) {
    let mut progress = Vec::with_capacity(BATCH);
    while to_keep.recv_many(&mut progress, BATCH).await > 0 {
        keep(&store, &progress).await;
        if progress.iter().any(|progress| !progress.messages.is_empty()) {
            mail.notify_one();
        }
        progress.clear();
    }
}

async fn keep(store: &Store, progress: &[Progress]) {
    for attempt in 1..=TRIES {
        match store.keep(progress).await {
            Ok(()) => return,
            Err(error) if attempt == TRIES => {
                tracing::error!(%error, calls = progress.len(), "what became of calls is lost");
            }
            Err(error) => {
                tracing::warn!(%error, attempt, "what became of calls is not kept yet");
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
        }
    }
}

/// A call in progress.
#[derive(Debug)]
struct Draft {
    call: Call,
    assistant: Map<String, Value>,
    audience: Audience,
    conversation: Conversation,
    phrases: Phrases,
    /// Who is asked about it once it is over.
    analyst: Option<Analyst>,
    /// How often the assistant began to speak.
    turns: u64,
    ended: Option<(EndReason, Instant)>,
    recorded: Option<bool>,
}

fn take(
    note: Note,
    drafts: &mut BTreeMap<CallId, Draft>,
    links: &Links,
    (progress, analyses): (&mut Vec<Progress>, &mut JoinSet<Progress>),
) {
    let id = match note {
        Note::Opened { record, began, analyst, client } => {
            let subscription = subscription(&record);
            let CallRecord { id, call, assistant, .. } = *record;
            let mut conversation = Conversation::new(began, &assistant);
            conversation.learn(overrides::own_variables(call.assistant_overrides.as_ref()));
            let audience = Audience::new(subscription, client, &assistant);
            let assistant = report::without_secrets(&assistant);
            let draft = Draft {
                call,
                assistant,
                audience,
                conversation,
                phrases: Phrases::default(),
                analyst,
                turns: 0,
                ended: None,
                recorded: None,
            };
            drafts.insert(id.into(), draft);
            return;
        }
        Note::Event(SessionEvent { call, at, kind }) => {
            let Some(draft) = drafts.get_mut(&call) else { return };
            if let Some(mut noted) = draft.note(call.uuid(), at, kind) {
                draft.audience.tell(&mut noted);
                progress.push(noted);
            }
            call
        }
        Note::Filed { call, recorded } => {
            let Some(draft) = drafts.get_mut(&call) else { return };
            draft.recorded = Some(recorded);
            call
        }
    };
    let over = drafts.get(&id).is_some_and(|d| d.ended.is_some() && d.recorded.is_some());
    if over && let Some(draft) = drafts.remove(&id) {
        progress.push(draft.finish(id.uuid(), links, analyses));
    }
}

impl Draft {
    fn note(&mut self, id: Uuid, at: Instant, kind: SessionEventKind) -> Option<Progress> {
        let event = match kind {
            SessionEventKind::Started { .. } => return Some(self.started(id)),
            SessionEventKind::Ended { reason, stats } => {
                self.conversation.counted(&stats);
                self.ended = Some((reason, at));
                return None;
            }
            SessionEventKind::Audible(measure) => {
                self.conversation.measured(&measure);
                return None;
            }
            SessionEventKind::Pulse(_) => return None,
            SessionEventKind::Phrase { turn, text } => {
                let text = self.phrases.push(turn, text)?;
                return self.told(id, at, self.words(turn, &text));
            }
            SessionEventKind::ToolCalled { id: tool, name, arguments } => {
                let body = report::tool_calls(&tool, &name, &arguments);
                let at_time = self.conversation.time(at);
                let message = NewMessage { kind: "tool-calls", at: at_time, body };
                self.audience.tell_client(&message);
                self.conversation.called(at, tool, name, arguments);
                return Some(self.went_on(id, at));
            }
            SessionEventKind::ToolAnswered { id: tool, result } => {
                let answer = json!({"toolCallId": tool, "result": result});
                let body = fields([("toolCallResult", answer)]);
                let at_time = self.conversation.time(at);
                let message = NewMessage { kind: "tool-calls-result", at: at_time, body };
                self.audience.tell_client(&message);
                self.conversation.answered(at, tool, result);
                return Some(self.went_on(id, at));
            }
            SessionEventKind::MessageAdded { message } => {
                self.conversation.added(at, &message);
                return Some(self.went_on(id, at));
            }
            SessionEventKind::Hangs => {
                let wanted = self.audience.wants("hang");
                let told = wanted.then(|| ("hang", Fields::new())).into_iter().collect();
                return self.told(id, at, told);
            }
            SessionEventKind::HangingUp { reason } => {
                let status = Call {
                    status: CallStatus::Ended,
                    ended_reason: Some(ended_reason(reason).to_owned()),
                    ..Call::default()
                };
                let (kind, body) = ("status-update", report::status(&status));
                let message = NewMessage { kind, at: self.conversation.time(at), body };
                self.audience.tell_client(&message);
                self.audience.dismiss_client();
                return None;
            }
            SessionEventKind::Forwarded { destination } => {
                return Some(self.forwarded(id, at, destination));
            }
            SessionEventKind::HandedOver { assistant, destination, .. } => {
                return self.handed_over(id, at, assistant, destination);
            }
            SessionEventKind::Learnt { variables } => {
                self.conversation.learn(variables);
                report::fill(&mut self.call, self.conversation.artifact());
                let call = Some(self.call.clone());
                return Some(Progress { id, call, messages: Vec::new(), awaits_report: None });
            }
            SessionEventKind::Floor(event) => event,
        };
        if let Event::TurnLatency { turn, .. } = &event {
            let words = self.phrases.begin(*turn).concat();
            self.conversation.note(at, &event);
            return self.told(id, at, self.began_to_speak(*turn, &words));
        }
        let changed = self.conversation.note(at, &event);
        let time = self.conversation.time(at);
        let mut messages = Vec::new();
        if matches!(event, Event::SpeechUpdate { started: true, role }
            if role == turntaking::output::Role::Assistant)
        {
            self.turns += 1;
        }
        if let Some((kind, body)) = message(&event, self.turns, &self.audience) {
            messages.push(NewMessage { kind, at: time, body });
        }
        if changed && self.audience.wants("conversation-update") {
            let body = report::conversation(&self.conversation.artifact());
            messages.push(NewMessage { kind: "conversation-update", at: time, body });
        }
        // What was said is kept as it is said: a process that dies leaves it behind.
        let call = changed.then(|| {
            report::fill(&mut self.call, self.conversation.artifact());
            self.call.clone()
        });
        let is_news = call.is_some() || !messages.is_empty();
        is_news.then_some(Progress { id, call, messages, awaits_report: None })
    }

    /// What a server is told of words that are said.
    fn words(&self, turn: TurnId, text: &str) -> Vec<(&'static str, Fields)> {
        let turn = turn.0.to_string();
        let all = [
            ("model-output", fields([("output", text.into()), ("turnId", turn.into())])),
            ("voice-input", fields([("input", text.into())])),
        ];
        all.into_iter().filter(|(kind, _)| self.audience.wants(kind)).collect()
    }

    /// What a server is told when a reply begins to be heard.
    fn began_to_speak(&self, turn: TurnId, words: &str) -> Vec<(&'static str, Fields)> {
        let mut all = self.words(turn, words);
        if words.is_empty() {
            all.clear();
        }
        if self.audience.wants("assistant.speechStarted") {
            let body = fields([("text", words.into()), ("turn", self.turns.into())]);
            all.insert(0, ("assistant.speechStarted", body));
        }
        all
    }

    /// Messages of this moment that change nothing.
    fn told(&self, id: Uuid, at: Instant, told: Vec<(&'static str, Fields)>) -> Option<Progress> {
        let at = self.conversation.time(at);
        let message = |(kind, body)| NewMessage { kind, at, body };
        let messages: Vec<_> = told.into_iter().map(message).collect();
        let is_news = !messages.is_empty();
        is_news.then_some(Progress { id, call: None, messages, awaits_report: None })
    }

    /// Another assistant has taken over.
    fn handed_over(
        &mut self,
        id: Uuid,
        at: Instant,
        assistant: Fields,
        destination: Value,
    ) -> Option<Progress> {
        self.conversation.instructed(at, &assistant);
        let before = std::mem::replace(&mut self.assistant, assistant.clone());
        let all = [
            (
                "transfer-update",
                fields([
                    ("destination", destination),
                    ("toAssistant", assistant.clone().into()),
                    ("fromAssistant", before.into()),
                ]),
            ),
            ("assistant.started", fields([("newAssistant", assistant.into())])),
        ];
        let told = all.into_iter().filter(|(kind, _)| self.audience.wants(kind)).collect();
        self.told(id, at, told)
    }

    /// The caller is taken elsewhere.
    fn forwarded(&mut self, id: Uuid, at: Instant, destination: Value) -> Progress {
        self.call.status = CallStatus::Forwarding;
        self.call.destination = Some(destination.clone());
        report::fill(&mut self.call, self.conversation.artifact());
        let at = self.conversation.time(at);
        let mut messages = Vec::new();
        if self.audience.wants("status-update") {
            let mut body = report::status(&self.call);
            let transcript = self.call.transcript.clone().unwrap_or_default();
            body.extend(fields([
                ("destination", destination.clone()),
                ("transcript", transcript.into()),
            ]));
            messages.push(NewMessage { kind: "status-update", at, body });
        }
        if self.audience.wants("transfer-update") {
            let body = fields([("destination", destination)]);
            messages.push(NewMessage { kind: "transfer-update", at, body });
        }
        Progress { id, call: Some(self.call.clone()), messages, awaits_report: None }
    }

    /// The conversation went on.
    fn went_on(&mut self, id: Uuid, at: Instant) -> Progress {
        let artifact = self.conversation.artifact();
        let wanted = self.audience.wants("conversation-update");
        let at = self.conversation.time(at);
        let body = wanted.then(|| report::conversation(&artifact));
        let kind = "conversation-update";
        let messages = body.map(|body| NewMessage { kind, at, body }).into_iter().collect();
        report::fill(&mut self.call, artifact);
        Progress { id, call: Some(self.call.clone()), messages, awaits_report: None }
    }

    fn started(&mut self, id: Uuid) -> Progress {
        let began = self.conversation.began();
        self.call.status = CallStatus::InProgress;
        self.call.started_at = Some(began.to_iso());
        let mut messages = Vec::new();
        if self.audience.wants("status-update") {
            let body = report::status(&self.call);
            messages.push(NewMessage { kind: "status-update", at: began, body });
        }
        if self.audience.wants("assistant.started") {
            let body = fields([("newAssistant", self.assistant.clone().into())]);
            messages.push(NewMessage { kind: "assistant.started", at: began, body });
        }
        Progress { id, call: Some(self.call.clone()), messages, awaits_report: None }
    }

    fn finish(self, id: Uuid, links: &Links, analyses: &mut JoinSet<Progress>) -> Progress {
        let Self { mut call, audience, conversation, ended: end, recorded, analyst, .. } = self;
        let subscription = audience.server;
        let (reason, at) = end.unwrap_or((EndReason::MediaLost, Instant::START));
        call.ended_at = Some(conversation.time(at).to_iso());
        let mut artifact = conversation.artifact();
        if recorded == Some(true) {
            let recording = links.all(id);
            artifact.recording_url = Some(recording.mono.combined_url.clone());
            artifact.stereo_recording_url = Some(recording.stereo_url.clone());
            artifact.recording = Some(recording);
        }
        report::fill(&mut call, artifact);
        let reason = ended_reason(reason);
        let Some(analyst) = analyst.filter(|analyst| analyst.is_wanted(&call)) else {
            return ended(id, call, reason, subscription.as_ref());
        };
        let over = over(id, call, reason, subscription.as_ref());
        let mut call = over.call.clone().unwrap_or_default();
        analyses.spawn(async move {
            let analysis = analyst.analyse(&call).await;
            call.summary.clone_from(&analysis.summary);
            call.analysis = Some(analysis);
            reported(id, call, subscription.as_ref())
        });
        over
    }
}

/// What a server is told of `event`, where it wants to know.
fn message(event: &Event, turn: u64, audience: &Audience) -> Option<(&'static str, Fields)> {
    let transcript = |side, text: &str, is_final: bool| {
        let kind = if is_final { "final" } else { "partial" };
        let body =
            fields([("role", side), ("transcriptType", kind.into()), ("transcript", text.into())]);
        audience.wants_transcript(is_final).then_some(("transcript", body))
    };
    match event {
        Event::UserTranscript { text, is_final } => transcript("user".into(), text, *is_final),
        Event::AssistantHeard { text, .. } => transcript("assistant".into(), text, true),
        Event::SpeechUpdate { role: side, started } => {
            let status = if *started { "started" } else { "stopped" };
            let body = fields([
                ("status", status.into()),
                ("role", role(*side).into()),
                ("turn", turn.into()),
            ]);
            audience.wants("speech-update").then_some(("speech-update", body))
        }
        Event::UserInterrupted { turn } => {
            let body = fields([("turnId", json!(turn.0.to_string()))]);
            audience.wants("user-interrupted").then_some(("user-interrupted", body))
        }
        _ => None,
    }
}

fn fields<const N: usize>(pairs: [(&str, Value); N]) -> Fields {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
