//! What must hold of a call, kept by simpler books than the Floor's: from its inputs and outputs
//! alone, without knowing its states.

use std::ops::Range;

use turntaking::history::Entry;
use turntaking::input::{Input, TurnId};
use turntaking::output::{Event, Output};

/// One reply, as seen from outside.
#[derive(Debug)]
struct Reply {
    turn: TurnId,
    committed: bool,
    cancelled: bool,
    failed: bool,
    text: String,
    text_done: bool,
    words: Vec<(Range<usize>, Range<u64>)>,
    voiced: u64,
    voiced_all: bool,
    playhead: u64,
    furthest: u64,
    hold_asked: bool,
    /// What entered history; `None`: nothing yet.
    reported: Option<String>,
    /// A later reply was asked for: what is told of this one now comes too late.
    settled: bool,
    tools: Vec<String>,
}

impl Reply {
    fn new(turn: TurnId, committed: bool) -> Self {
        Self {
            turn,
            committed,
            cancelled: false,
            failed: false,
            text: String::new(),
            text_done: false,
            words: Vec::new(),
            voiced: 0,
            voiced_all: false,
            playhead: 0,
            furthest: 0,
            hold_asked: false,
            reported: None,
            settled: false,
            tools: Vec::new(),
        }
    }

    fn is_over(&self) -> bool {
        let played = self.voiced_all && self.playhead >= self.voiced;
        self.committed && self.text_done && (self.text.trim().is_empty() || played)
    }

    fn heard(&self) -> &str {
        if self.is_over() && !self.cancelled && !self.failed && self.furthest > 0 {
            return self.text.trim();
        }
        let middle = |audio: &Range<u64>| audio.start + (audio.end - audio.start) / 2;
        let heard = |audio: &Range<u64>| self.furthest > 0 && middle(audio) <= self.furthest;
        let last = self.words.iter().rfind(|(_, audio)| heard(audio));
        last.map_or("", |(text, _)| self.text[..text.end].trim())
    }
}

/// The books of one call.
#[derive(Debug, Default)]
pub(crate) struct Reference {
    replies: Vec<Reply>,
    history: Vec<(bool, String)>,
    tools_run: Vec<(TurnId, String)>,
    closed: bool,
}

impl Reference {
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    fn live(&mut self, turn: TurnId) -> Option<&mut Reply> {
        self.replies.iter_mut().find(|reply| reply.turn == turn && !reply.settled)
    }

    /// Books an input before the Floor gets it.
    pub(crate) fn on_input(&mut self, input: &Input<'_>) {
        match input {
            Input::ReplyText { turn, text } => {
                if let Some(reply) = self.live(*turn)
                    && !reply.text_done
                    && !reply.cancelled
                {
                    reply.text.push_str(text);
                }
            }
            Input::ReplyDone { turn } => {
                if let Some(reply) = self.live(*turn) {
                    reply.text_done |= !reply.cancelled;
                }
            }
            Input::ReplyFailed { turn, .. } => {
                if let Some(reply) = self.live(*turn).filter(|reply| !reply.cancelled) {
                    reply.failed = true;
                    reply.text_done = true;
                    reply.voiced_all = true;
                }
            }
            Input::ReplyToolCall { turn, id, .. } => {
                if let Some(reply) = self.live(*turn).filter(|reply| !reply.cancelled) {
                    reply.tools.push(id.to_string());
                }
            }
            Input::Span { turn, text, audio } => {
                if let Some(reply) = self.live(*turn).filter(|reply| !reply.cancelled) {
                    let text = text.start as usize..text.end as usize;
                    let after = reply.words.last().map_or(0, |(text, _)| text.end);
                    if text.start >= after && reply.text.get(text.clone()).is_some() {
                        reply.words.push((text, audio.start.0..audio.end.0));
                    }
                }
            }
            Input::Voiced { turn, until, complete } => {
                if let Some(reply) = self.live(*turn).filter(|reply| !reply.cancelled) {
                    reply.voiced = reply.voiced.max(until.0);
                    reply.voiced_all |= complete;
                }
            }
            Input::Played { turn, until, .. } => {
                if let Some(reply) = self.live(*turn).filter(|reply| reply.committed) {
                    reply.playhead = reply.playhead.max(until.0);
                    reply.furthest = reply.furthest.max(reply.playhead);
                }
            }
            Input::Held { turn, at } => {
                let awaited = |reply: &&mut Reply| reply.hold_asked || reply.cancelled;
                if let Some(reply) = self.live(*turn).filter(awaited) {
                    reply.playhead = at.0;
                    reply.furthest = reply.furthest.max(at.0);
                }
            }
            _ => {}
        }
    }

    /// Books an output. Panics where it breaks a rule.
    pub(crate) fn on_output(&mut self, output: &Output) {
        assert!(!self.closed, "after the hang-up: {output:?}");
        match output {
            Output::StartReply { turn, speculative, .. } => self.start(*turn, !speculative),
            Output::Say { turn, .. } => self.start(*turn, true),
            Output::CommitReply { turn } => {
                let reply = self.wanted(*turn, "committed");
                assert!(!reply.committed, "{turn:?} committed twice");
                reply.committed = true;
            }
            Output::CancelReply { turn } => self.wanted(*turn, "cancelled").cancelled = true,
            Output::Hold { turn } => {
                let reply = self.wanted(*turn, "held");
                assert!(reply.committed && reply.furthest > 0, "{turn:?} held before it was heard");
                assert!(!reply.hold_asked, "{turn:?} held twice");
                reply.hold_asked = true;
            }
            Output::Resume { turn, from } => {
                let reply = self.wanted(*turn, "resumed");
                assert!(reply.hold_asked, "{turn:?} resumed without a hold");
                assert!(from.0 <= reply.playhead, "{turn:?} resumed behind the playhead");
                let word = reply
                    .words
                    .iter()
                    .find(|(_, audio)| audio.start <= reply.playhead && reply.playhead < audio.end);
                let wanted = word.map_or(reply.playhead, |(_, audio)| audio.start);
                assert_eq!(from.0, wanted, "{turn:?} resumed at the word in progress");
                reply.hold_asked = false;
                reply.playhead = from.0;
            }
            Output::RunTool { turn, id, .. } => {
                let reply = self.wanted(*turn, "acting");
                assert!(reply.committed, "{turn:?} ran {id} before it was committed");
                assert!(reply.tools.contains(id), "{turn:?} ran {id} unasked");
                let key = (*turn, id.clone());
                assert!(!self.tools_run.contains(&key), "{turn:?} ran {id} twice");
                self.tools_run.push(key);
            }
            Output::Event { event } => self.on_event(event),
            Output::Hangup { .. } => {
                self.settle();
                self.closed = true;
            }
            Output::AskTurnModel { .. }
            | Output::AskEndpointing { .. }
            | Output::Recognizer { .. } => {}
        }
    }

    fn on_event(&mut self, event: &Event) {
        match event {
            Event::AssistantHeard { turn, text, .. } => {
                let reply = self
                    .replies
                    .iter_mut()
                    .find(|reply| reply.turn == *turn)
                    .expect("only replies that were asked for are heard");
                assert!(reply.committed, "{turn:?} heard before it was committed");
                assert_eq!(reply.reported, None, "{turn:?} entered history twice");
                assert_eq!(text, reply.heard(), "{turn:?}: history is what was played");
                reply.reported = Some(text.clone());
                self.history.push((false, text.clone()));
            }
            Event::UserTranscript { text, is_final: true } => {
                assert!(!text.is_empty(), "a turn without a word");
                self.history.push((true, text.clone()));
            }
            Event::TurnReopened => {
                let last = self.history.pop();
                assert!(matches!(last, Some((true, _))), "the caller's turn is the last");
            }
            Event::TurnLatency { turn, times, .. } => {
                let reply = self.wanted(*turn, "heard");
                assert!(reply.furthest > 0, "{turn:?} was not heard yet");
                let stages = [times.requested, times.first_audio, times.first_played];
                assert!(stages.iter().flatten().is_sorted(), "{turn:?}: {times:?}");
                assert!(times.committed <= times.first_played, "{turn:?} heard early: {times:?}");
                assert!(times.speech_ended <= times.committed, "{times:?}");
            }
            _ => {}
        }
    }

    /// After the outputs of an input: the Floor's history is the one its events told of.
    pub(crate) fn check_history(&self, history: &[Entry]) {
        let spoken = history.iter().filter_map(|entry| match entry {
            Entry::User { text, .. } => Some((true, text.as_str())),
            Entry::Assistant { text, .. } => Some((false, text.as_str())),
            Entry::ToolCall { .. } | Entry::ToolResult { .. } => None,
        });
        let told = self.history.iter().map(|(user, text)| (*user, text.as_str()));
        assert!(spoken.eq(told), "history {history:?} against events {:?}", self.history);
        for (at, entry) in history.iter().enumerate() {
            if let Entry::ToolResult { id, .. } = entry {
                let behind = history[..at]
                    .iter()
                    .rev()
                    .find(|entry| !matches!(entry, Entry::ToolResult { .. }));
                assert!(
                    matches!(behind, Some(Entry::ToolCall { .. })),
                    "the result of {id} stands behind a call"
                );
            }
        }
    }

    fn start(&mut self, turn: TurnId, committed: bool) {
        self.settle();
        let last = self.replies.last().map_or(0, |reply| reply.turn.0);
        assert!(turn.0 > last, "{turn:?} is not new");
        if let Some(live) = self.replies.iter().find(|reply| !reply.cancelled && !reply.is_over()) {
            panic!("{turn:?} asked for while {:?} lives", live.turn);
        }
        self.replies.push(Reply::new(turn, committed));
    }

    /// Nothing that was heard may be missing from history once something new begins.
    fn settle(&mut self) {
        for reply in self.replies.iter_mut().filter(|reply| !reply.settled) {
            let heard = if reply.committed { reply.heard() } else { "" };
            let reported = reply.reported.as_deref().unwrap_or("");
            assert_eq!(reported, heard, "{:?}: what was played is in history", reply.turn);
            reply.settled = true;
        }
    }

    fn wanted(&mut self, turn: TurnId, what: &str) -> &mut Reply {
        let reply = self.replies.iter_mut().find(|reply| reply.turn == turn);
        let reply = reply.unwrap_or_else(|| panic!("{turn:?} {what} but never asked for"));
        assert!(!reply.cancelled, "{turn:?} {what} after it was cancelled");
        reply
    }
}
