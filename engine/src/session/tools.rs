//! A call's tools at work: begun on the Floor's order, each a task of its own, heard of as they go.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};

use codecs::ambience::Ambience;
use serde_json::{Map, Value, json};
use tokio::sync::{mpsc, oneshot};
use turntaking::input::{EndReason, Input, TurnId};

use super::transcript::{Transcript, open_ai};
use crate::llm::ChatMessage;
use crate::tools::{
    Answer, Hook, HookAction, Invocation, Occasion, Progress, Report, Spoken, Succession, Tool,
    Toolset, Work,
};

/// What running tools have to tell, all of a call together.
const QUEUE: usize = 16;

/// The tools of one call.
pub(super) struct Tools {
    set: Option<Toolset>,
    running: Vec<Running>,
    sender: mpsc::Sender<(TurnId, String, Progress)>,
    progress: mpsc::Receiver<(TurnId, String, Progress)>,
    news: VecDeque<News>,
    /// Where the caller is being connected to.
    forwarding: Option<Value>,
    /// Somebody is being called for the caller.
    calling: bool,
    /// How many were begun: chooses among variants of messages.
    begun: u64,
    seed: u64,
}

/// A tool at work.
struct Running {
    turn: TurnId,
    id: String,
    /// Resolved when what it said was heard.
    heard: Option<oneshot::Sender<()>>,
}

/// What a running tool brings about.
pub(super) enum News {
    /// The Floor is to be told.
    Tell(Input<'static>),
    /// The caller hears this behind everything; `None`: what belongs to the assistant.
    Hold(Option<Arc<Ambience>>),
    /// These keys are pressed.
    Press(String),
    /// Another assistant takes over.
    HandOver(Box<Succession>),
    /// This is known of the call now.
    Learnt(Map<String, Value>),
}

/// The turn of tools that no reply has called: the Floor has none of this number.
const BY_ITSELF: TurnId = TurnId(0);

/// An order of the Floor's.
pub(super) struct Order<'a> {
    pub(super) turn: TurnId,
    pub(super) id: &'a str,
    pub(super) name: &'a str,
    pub(super) arguments: &'a str,
    /// The model said something before.
    pub(super) announced: bool,
}

impl Tools {
    pub(super) fn new(set: Option<Toolset>, seed: u64) -> Self {
        let (sender, progress) = mpsc::channel(QUEUE);
        let (running, news) = (Vec::new(), VecDeque::new());
        Self {
            set,
            running,
            sender,
            progress,
            news,
            forwarding: None,
            calling: false,
            begun: 0,
            seed,
        }
    }

    /// Runs a tool. Returns what the Floor must know at once: that it cannot be run.
    pub(super) fn run(
        &mut self,
        order: &Order<'_>,
        transcript: &Transcript,
        messages: &[ChatMessage],
    ) -> Option<Input<'static>> {
        let &Order { turn, id, name, arguments, announced } = order;
        let refuse = |reason: String| {
            Some(Input::ToolResult {
                turn,
                id: id.to_owned().into(),
                result: format!("Error: {reason}").into(),
                answered: false,
            })
        };
        let Some((set, tool)) = self.set.as_ref().and_then(|set| Some((set, set.find(name)?)))
        else {
            tracing::warn!(tool = name, "the model calls a tool that is not there");
            return refuse(format!("there is no tool {name}"));
        };
        let Some(arguments) = read_arguments(arguments) else {
            tracing::warn!(tool = name, "the model calls a tool with arguments that are no JSON");
            return refuse("the arguments are not a JSON object".to_owned());
        };
        let call = Invocation {
            turn,
            id: id.to_owned(),
            arguments,
            artifact: json!({
                "messages": transcript.rows(),
                "messagesOpenAIFormatted": open_ai(messages),
            }),
            announced,
            choice: self.seed.wrapping_add(self.begun),
        };
        self.begun += 1;
        let (said, heard) = oneshot::channel();
        self.running.push(Running { turn, id: id.to_owned(), heard: Some(said) });
        let report = Report { progress: self.sender.clone(), heard };
        tokio::spawn(set.clone().run(tool.clone(), call, report));
        None
    }

    /// What follows on `occasion`, by the assistant's hooks.
    pub(super) fn due(&self, occasion: Occasion, ended: Option<EndReason>) -> Vec<HookAction> {
        let Some(set) = &self.set else { return Vec::new() };
        let reason = ended.map_or("", set.ended_reason);
        let is_due = |hook: &&Hook| hook.on == occasion && hook.is_for(reason);
        set.hooks.iter().filter(is_due).flat_map(|hook| hook.actions.clone()).collect()
    }

    /// One of `texts`.
    pub(super) fn draw(&mut self, texts: &[String]) -> Option<String> {
        self.begun += 1;
        let count = u64::try_from(texts.len()).ok().filter(|count| *count > 0)?;
        let drawn = self.seed.wrapping_add(self.begun) % count;
        texts.get(usize::try_from(drawn).ok()?).cloned()
    }

    /// Runs a tool that no reply has called. What it says is said, what it answers is for nobody.
    pub(super) fn run_by_itself(
        &mut self,
        tool: &Arc<Tool>,
        transcript: &Transcript,
        messages: &[ChatMessage],
    ) {
        let Some(set) = &self.set else { return };
        let id = format!("hook_{}", self.begun);
        let call = Invocation {
            turn: BY_ITSELF,
            id: id.clone(),
            arguments: Map::new(),
            artifact: json!({
                "messages": transcript.rows(),
                "messagesOpenAIFormatted": open_ai(messages),
            }),
            announced: false,
            choice: self.seed.wrapping_add(self.begun),
        };
        self.begun += 1;
        let (said, heard) = oneshot::channel();
        self.running.push(Running { turn: BY_ITSELF, id, heard: Some(said) });
        let report = Report { progress: self.sender.clone(), heard };
        tokio::spawn(set.clone().run(Arc::clone(tool), call, report));
    }

    /// What a tool said was heard, or will not be.
    pub(super) fn on_said(&mut self, turn: TurnId, id: &str) {
        let of = |running: &&mut Running| running.turn == turn && running.id == id;
        if let Some(heard) = self.running.iter_mut().find(of).and_then(|found| found.heard.take()) {
            // A tool that does not wait has dropped its end.
            let _ = heard.send(());
        }
    }

    /// Where the carrier has taken the caller, as far as is known when its leg ends.
    pub(super) const fn forwarded(&mut self) -> Option<Value> {
        self.forwarding.take()
    }

    /// Somebody is being called for the caller.
    pub(super) const fn is_calling(&self) -> bool {
        self.calling
    }

    /// Whether the model's calls of `name` pass the call on.
    pub(super) fn passes_on(&self, name: &str) -> bool {
        let tool = self.set.as_ref().and_then(|set| set.find(name));
        tool.is_some_and(|tool| matches!(tool.work, Work::Transfer(_) | Work::Handoff(_)))
    }

    /// Another assistant's tools take the place of these; those that run are heard to their end.
    pub(super) fn replace(&mut self, set: Toolset) {
        self.set = Some(set);
    }

    /// What there is to tell, once there is something.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<News> {
        if let Some(news) = self.news.pop_front() {
            return Poll::Ready(news);
        }
        while let Poll::Ready(Some((turn, id, progress))) = self.progress.poll_recv(cx) {
            match progress {
                Progress::Forwarding(to) => self.forwarding = Some(to),
                Progress::Forwarded | Progress::Verdict { taken: true } => {
                    return ended(EndReason::AssistantForwardedCall);
                }
                Progress::Verdict { taken: false } => {
                    return ended(EndReason::AssistantEndedCall);
                }
                Progress::Say(text) if turn == BY_ITSELF => {
                    self.on_said(turn, &id);
                    if !text.trim().is_empty() {
                        let (text, end_call_after) = (text.into(), false);
                        return Poll::Ready(News::Tell(Input::Say { text, end_call_after }));
                    }
                }
                Progress::Say(text) => {
                    let (id, text) = (id.into(), text.into());
                    return Poll::Ready(News::Tell(Input::ToolMessage { turn, id, text }));
                }
                Progress::AtWork => {
                    return Poll::Ready(News::Tell(Input::ToolAtWork { turn, id: id.into() }));
                }
                Progress::Hold(sound) => {
                    self.calling = sound.is_some();
                    return Poll::Ready(News::Hold(sound));
                }
                Progress::Press(keys) => return Poll::Ready(News::Press(keys)),
                Progress::End(reason) => return ended(reason),
                Progress::HandOver(to) => return Poll::Ready(News::HandOver(to)),
                Progress::Done(answer) => return Poll::Ready(self.on_done(turn, id, answer)),
            }
        }
        Poll::Pending
    }

    fn on_done(&mut self, turn: TurnId, id: String, answer: Answer) -> News {
        let Answer { result, spoken, answered, learnt } = answer;
        self.forwarding = None;
        self.running.retain(|running| running.turn != turn || running.id != id);
        if !learnt.is_empty() {
            if let Some(set) = &mut self.set {
                Arc::make_mut(&mut set.variables).extend(learnt.clone());
            }
            self.news.push_back(News::Learnt(learnt));
        }
        if let Some(Spoken { text, end_call_after }) = spoken {
            self.news.push_back(News::Tell(Input::Say { text: text.into(), end_call_after }));
        }
        if turn == BY_ITSELF {
            // The model knows nothing of it.
            return self.news.pop_front().unwrap_or_else(|| News::Learnt(Map::new()));
        }
        let (id, result) = (id.into(), result.into());
        News::Tell(Input::ToolResult { turn, id, result, answered })
    }
}

fn ended(reason: EndReason) -> Poll<News> {
    Poll::Ready(News::Tell(Input::EndCall { reason }))
}

/// A model that gives no arguments gives none, or an empty text.
fn read_arguments(text: &str) -> Option<Map<String, Value>> {
    if text.trim().is_empty() {
        return Some(Map::new());
    }
    serde_json::from_str(text).ok()
}
