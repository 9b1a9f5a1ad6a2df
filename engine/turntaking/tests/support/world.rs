//! A session, a carrier and a caller around one Floor, driven by bytes: each two choose what
//! happens next. Everything the contract allows happens, and much that it does not.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use turntaking::Floor;
use turntaking::idle::{IdleAction, IdleRule};
use turntaking::input::{EndReason, Input, Offset, Probability, Stability, Stage, TurnId};
use turntaking::journal;
use turntaking::output::Output;
use turntaking::rules::{EndpointingRule, Pattern};
use turntaking::settings::{FirstMessageMode, KeypadPlan, Settings, SmartEndpointing};
use turntaking::state::State;
use turntaking::time::Instant;
use turntaking::timers::Reason;
use turntaking::voicemail::VoicemailPlan;

use super::reference::Reference;

/// What the caller may say: nothing much, numbers, phrases that decide, French.
const WORDS: &[&str] = &[
    "hello",
    "mhm",
    "stop",
    "I would like a table",
    "for two",
    "and",
    "euh",
    "my number is 06 12",
    "oui",
    "attendez",
    "what are your hours?",
    "zéro six douze trente-quatre cinquante-six soixante-dix-huit",
    "jean arobase exemple point fr",
    "D'accord.",
    "laissez un message après le bip",
    "",
];

/// What the assistant may say.
const PHRASES: &[&str] = &[
    "Sure. ",
    "We are open until eight, ",
    "à demain ! ",
    "What for? ",
    "at the corner. ",
    "7 ",
    "… ",
    " ",
    "goodbye ",
];

/// One reply on its way through the session.
#[derive(Debug)]
struct Reply {
    turn: TurnId,
    released: bool,
    text: String,
    voiced_text: usize,
    text_done: bool,
    voiced: u64,
    voiced_all: bool,
    playhead: u64,
    held: bool,
    failed: bool,
    tools: u32,
}

/// How often each state was reached and each thing asked for.
pub(crate) type Tally = BTreeMap<String, usize>;

/// Everything outside the Floor.
pub(crate) struct World {
    floor: Floor,
    reference: Reference,
    now: Instant,
    reply: Option<Reply>,
    answers: VecDeque<Input<'static>>,
    answers_delayed: bool,
    running: Vec<(TurnId, String)>,
    pause: Option<u32>,
    look: Option<u32>,
    voicing: bool,
    segment: u32,
    said: String,
    journal: String,
    tally: Tally,
}

impl World {
    /// A call whose settings `choice` picks.
    pub(crate) fn new(choice: u8) -> Self {
        let settings = settings(choice);
        let journal = journal::header_line("model", &settings, u64::from(choice), Instant::START);
        Self {
            floor: Floor::new(settings, u64::from(choice), Instant::START),
            reference: Reference::default(),
            now: Instant::START,
            reply: None,
            answers: VecDeque::new(),
            answers_delayed: false,
            running: Vec::new(),
            pause: None,
            look: None,
            voicing: false,
            segment: 1,
            said: String::new(),
            journal,
            tally: Tally::new(),
        }
    }

    /// Runs a whole call from bytes; returns what happened in it.
    pub(crate) fn run(bytes: &[u8]) -> Tally {
        let (choice, steps) = bytes.split_first().unwrap_or((&0, &[]));
        let mut world = Self::new(*choice);
        // Now and then something happens before the call is connected.
        if choice % 7 != 0 {
            world.tell(Input::Connected);
        }
        let mut after_the_end = 0;
        for step in steps.chunks_exact(2) {
            world.step(step[0], step[1]);
            world.count("step");
            after_the_end += usize::from(world.reference.is_closed());
            if after_the_end > 4 {
                break;
            }
        }
        world.come_to_rest();
        world.hang_up_and_replay();
        std::mem::take(&mut world.tally)
    }

    fn count(&mut self, what: &str) {
        *self.tally.entry(what.to_owned()).or_default() += 1;
    }

    fn step(&mut self, what: u8, how: u8) {
        if !self.answers_delayed {
            self.deliver_answers();
        }
        self.answers_delayed = false;
        match what % 48 {
            38..=44 => self.serve(how),
            45..=46 => self.converse(how),
            47 => self.barge_in(how),
            0..=3 => self.advance(u64::from(how)),
            4 => self.advance(u64::from(how) * 10),
            5..=8 => self.advance_to_timeout(how),
            9..=11 if !self.voicing => self.start_speaking(u64::from(how % 80)),
            9..=11 => self.stop_speaking(u64::from(how % 80)),
            12..=14 => self.say_words(how),
            15 => self.segment += 1,
            16 if how.is_multiple_of(2) => self.answer_look(how),
            16 => self.score(how),
            17 => self.tell(Input::EndOfTurn { eager: how.is_multiple_of(2) }),
            18 if how.is_multiple_of(4) => self.tell(Input::TurnResumed),
            18..=20 => self.write(how),
            21..=22 => self.voice(how),
            23 => self.finish_text(),
            24..=28 => self.play(u64::from(how) * 4),
            29 if how.is_multiple_of(32) => self.fail(how / 32),
            29..=30 => self.call_tool(how),
            31 => self.answer_tool(how),
            32 => self.tell(Input::Digit {
                digit: char::from(b"0123456789*#ABX"[usize::from(how) % 15]),
            }),
            33 => self.tell(Input::Say {
                text: PHRASES[usize::from(how) % PHRASES.len()].into(),
                end_call_after: how % 16 == 3,
            }),
            34 => self.answers_delayed = true,
            35 if how == 7 => {
                self.tell(Input::EndCall { reason: EndReason::CustomerEndedCall });
            }
            35 if how == 8 => self.tell(Input::RecognizerFailed),
            35 if how % 16 == 10 => self.tell(Input::Interrupt),
            35 if how % 16 == 11 => self.tell(Input::Respond),
            35 if how.is_multiple_of(3) => {
                self.tell(Input::Beep { until: self.now - Duration::from_millis(u64::from(how)) });
            }
            35 => self.tell(Input::Timeout),
            36 => self.tell_at_an_earlier_time(how),
            _ => self.garble(how),
        }
    }

    fn advance(&mut self, millis: u64) {
        let until = self.now + Duration::from_millis(millis);
        while let Some((at, _)) = self.floor.poll_timeout()
            && at <= until
        {
            self.now = at;
            self.tell(Input::Timeout);
        }
        self.now = until;
    }

    fn advance_to_timeout(&mut self, how: u8) {
        let rare = [Reason::SilenceTimeout, Reason::MaxDuration, Reason::ReplyStalled];
        if let Some((at, reason)) = self.floor.poll_timeout()
            && (how.is_multiple_of(32) || !rare.contains(&reason))
        {
            self.now = self.now.max(at);
            self.count(&format!("{reason:?}"));
            self.tell(Input::Timeout);
        }
    }

    fn start_speaking(&mut self, ago: u64) {
        self.voicing = true;
        self.tell(Input::SpeechStarted { since: self.now - Duration::from_millis(ago) });
    }

    fn stop_speaking(&mut self, ago: u64) {
        self.voicing = false;
        self.tell(Input::SpeechStopped { since: self.now - Duration::from_millis(ago) });
    }

    fn say_words(&mut self, how: u8) {
        let words = WORDS[usize::from(how) % WORDS.len()];
        if how.is_multiple_of(3) {
            self.said.clear();
        }
        if !self.said.is_empty() {
            self.said.push(' ');
        }
        self.said.push_str(words);
        let stability = match how / 64 {
            0 => Stability::Partial,
            1 => Stability::Final,
            _ => Stability::Stable,
        };
        self.tell(Input::Transcript {
            segment: self.segment,
            text: self.said.clone().into(),
            stability,
            covers: self.now - Duration::from_millis(u64::from(how % 16) * 30),
        });
        if stability == Stability::Final {
            self.segment += 1;
            self.said.clear();
        }
    }

    fn score(&mut self, how: u8) {
        if let Some(pause) = self.pause {
            let complete = Probability::new(f32::from(how) / 255.0);
            self.tell(Input::TurnScore { pause, complete });
        }
    }

    /// The assistant's endpointing server answers, late and senselessly too.
    fn answer_look(&mut self, how: u8) {
        if let Some(look) = self.look {
            let wait = match how % 5 {
                0 => None,
                1 => Some(Duration::from_secs(60)),
                _ => Some(Duration::from_millis(u64::from(how) * 10)),
            };
            self.tell(Input::EndpointingAnswer { look, wait });
        }
    }

    fn write(&mut self, how: u8) {
        let Some(reply) = self.reply.as_mut().filter(|reply| !reply.text_done && !reply.failed)
        else {
            return;
        };
        let text = PHRASES[usize::from(how) % PHRASES.len()];
        reply.text.push_str(text);
        let turn = reply.turn;
        self.tell(Input::ReplyText { turn, text: text.into() });
    }

    /// Voices what was written, word by word, each 100 to 355 ms long with a gap before it.
    fn voice(&mut self, how: u8) {
        if !self.answers.is_empty() {
            // The session tells of text before it tells of its audio.
            return;
        }
        let Some(reply) = self.reply.as_mut().filter(|reply| !reply.voiced_all && !reply.failed)
        else {
            return;
        };
        let turn = reply.turn;
        let mut inputs = Vec::new();
        let fresh = reply.text[reply.voiced_text..].to_owned();
        for word in fresh.split_whitespace() {
            let from = word.as_ptr() as usize - fresh.as_ptr() as usize + reply.voiced_text;
            let text = u32::try_from(from).expect("short texts");
            let text = text..text + u32::try_from(word.len()).expect("short words");
            let start = reply.voiced + u64::from(how % 4) * 20_000;
            let end = start + 100_000 + u64::from(how) * 1_000;
            reply.voiced = end;
            inputs.push(Input::Span { turn, text, audio: Offset(start)..Offset(end) });
        }
        reply.voiced_text = reply.text.len();
        reply.voiced_all = reply.text_done;
        let (until, complete) = (Offset(reply.voiced), reply.voiced_all);
        inputs.push(Input::Voiced { turn, until, complete });
        for input in inputs {
            self.tell(input);
        }
    }

    fn finish_text(&mut self) {
        if let Some(reply) = self.reply.as_mut().filter(|reply| !reply.failed) {
            reply.text_done = true;
            let turn = reply.turn;
            self.tell(Input::ReplyDone { turn });
        }
    }

    /// The caller hears what is ready, up to `millis` of it.
    fn play(&mut self, millis: u64) {
        let Some(reply) = self.reply.as_mut().filter(|reply| reply.released && !reply.held) else {
            return;
        };
        let until = (reply.playhead + millis * 1_000).min(reply.voiced);
        if until == reply.playhead {
            return;
        }
        let taken = Duration::from_micros(until - reply.playhead);
        reply.playhead = until;
        let turn = reply.turn;
        let until = Offset(until);
        self.now = self.now + taken;
        self.tell(Input::Played { turn, until, acknowledged: millis.is_multiple_of(2) });
    }

    fn fail(&mut self, how: u8) {
        if let Some(reply) = self.reply.as_mut().filter(|reply| !reply.failed) {
            reply.failed = true;
            let stage = if how.is_multiple_of(2) { Stage::Model } else { Stage::Voice };
            let turn = reply.turn;
            self.tell(Input::ReplyFailed { turn, stage });
        }
    }

    fn call_tool(&mut self, how: u8) {
        let Some(reply) = self.reply.as_mut().filter(|reply| !reply.text_done && !reply.failed)
        else {
            return;
        };
        reply.tools += 1;
        let turn = reply.turn;
        let name = if how % 32 == 5 { "endCall" } else { "checkAvailability" };
        let id = format!("call-{}", reply.tools);
        self.tell(Input::ReplyToolCall {
            turn,
            id: id.into(),
            name: name.into(),
            arguments: "{}".into(),
        });
    }

    fn answer_tool(&mut self, how: u8) {
        if self.running.is_empty() {
            return;
        }
        let chosen = usize::from(how) % self.running.len();
        if how % 4 == 1 {
            let (turn, id) = self.running[chosen].clone();
            self.tell(Input::ToolMessage { turn, id: id.into(), text: "A moment.".into() });
            return;
        }
        let (turn, id) = self.running.remove(chosen);
        let answered = how % 8 == 7;
        self.tell(Input::ToolResult { turn, id: id.into(), result: "free".into(), answered });
    }

    /// The clock of one source runs behind the others'.
    fn tell_at_an_earlier_time(&mut self, how: u8) {
        let now = self.now;
        self.now = now - Duration::from_millis(u64::from(how));
        self.tell(Input::Timeout);
        self.now = now;
    }

    /// What no contract allows, and a network makes of it.
    fn garble(&mut self, how: u8) {
        let old = TurnId(u32::from(how / 16));
        let old = if self.reply.as_ref().is_some_and(|reply| reply.turn == old) {
            TurnId(9_999)
        } else {
            old
        };
        let far = Offset(10_000_000);
        let input = match how % 14 {
            0 => Input::Connected,
            1 => Input::Played { turn: TurnId(10_000 + old.0), until: far, acknowledged: true },
            2 => Input::Held { turn: TurnId(10_000 + old.0), at: far },
            3 => Input::ReplyText { turn: old, text: "late words ".into() },
            4 => Input::ReplyDone { turn: old },
            5 => Input::ReplyFailed { turn: old, stage: Stage::Voice },
            6 => Input::ToolResult {
                turn: old,
                id: "unknown".into(),
                result: "".into(),
                answered: how % 2 == 1,
            },
            7 => Input::TurnScore { pause: u32::from(how / 16), complete: Probability::new(1.0) },
            8 => Input::Voiced { turn: old, until: far, complete: true },
            9 => Input::ReplyToolCall {
                turn: old,
                id: "x".into(),
                name: "y".into(),
                arguments: "{".into(),
            },
            10 if self.voicing => Input::SpeechStarted { since: self.now },
            10 => Input::SpeechStopped { since: self.now },
            11 => Input::Transcript {
                segment: u32::from(how / 16),
                text: "old words".into(),
                stability: Stability::Final,
                covers: Instant::START,
            },
            12 if how > 128 => {
                Input::EndpointingAnswer { look: u32::from(how), wait: Some(Duration::ZERO) }
            }
            12 if how > 96 => Input::NoiseSuspected,
            12 if how > 64 => Input::VoiceConfirmed,
            12 if how > 48 => Input::EchoSuspected,
            12 if how > 32 => {
                let past = Duration::from_millis(100 * u64::from(how % 16));
                Input::EchoFound { since: self.now - past }
            }
            12 => Input::Digit { digit: '☎' },
            _ => {
                // A span outside the live reply's text.
                let turn = self.reply.as_ref().map_or(old, |reply| reply.turn);
                Input::Span { turn, text: 90_000..90_001, audio: Offset(0)..far }
            }
        };
        self.tell(input);
    }

    fn deliver_answers(&mut self) {
        while let Some(answer) = self.answers.pop_front() {
            self.tell(answer);
        }
    }

    /// Tells the Floor, books it, and carries out what it asks for.
    fn tell(&mut self, input: Input<'static>) {
        self.reference.on_input(&input);
        self.floor.handle(self.now, &input);
        let mut outputs = Vec::new();
        while let Some(output) = self.floor.poll_output() {
            outputs.push(output);
        }
        journal::record_line(self.now, &input, &outputs, &mut self.journal);
        for output in &outputs {
            self.reference.on_output(output);
        }
        self.reference.check_history(self.floor.history());
        self.floor.check().expect("the Floor is sound");
        if self.reference.is_closed() {
            assert!(matches!(self.floor.state(), State::Closed(_)));
            assert_eq!(self.floor.poll_timeout(), None, "after Closed, silence");
        }
        self.count(self.floor.state().name());
        for output in outputs {
            let name = format!("{output:?}");
            let name = name.split([' ', '{']).next().unwrap_or_default().to_owned();
            let event = match &output {
                Output::Event { event } => format!("{event:?}"),
                _ => String::new(),
            };
            let event = event.split([' ', '{']).next().unwrap_or_default();
            self.count(&format!("{name}{event}"));
            self.carry_out(output);
        }
    }

    /// The providers do what is next.
    fn serve(&mut self, how: u8) {
        self.deliver_answers();
        self.write(how);
        if !how.is_multiple_of(4) {
            self.finish_text();
        }
        self.voice(how);
        if how % 8 > 1 {
            self.play(u64::from(how) * 8);
        }
    }

    /// The caller makes a sound while the assistant may be speaking, with words or without.
    fn barge_in(&mut self, how: u8) {
        self.serve(how | 7);
        if !self.voicing {
            self.start_speaking(64);
        }
        if !how.is_multiple_of(8) {
            self.deliver_answers();
        }
        if how.is_multiple_of(2) {
            self.say_words(how / 2);
        }
        self.advance(u64::from(how) / 2);
        if how.is_multiple_of(3) {
            self.stop_speaking(64);
        }
        self.advance(u64::from(how) * 2);
    }

    /// The caller says something, and is silent.
    fn converse(&mut self, how: u8) {
        if !self.voicing {
            self.start_speaking(64);
        }
        self.advance(u64::from(how) * 3);
        self.say_words(how);
        self.stop_speaking(64);
        self.advance(100);
        self.score(how | 128);
        self.advance(u64::from(how % 64) * 10);
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::StartReply { turn, speculative, .. } => self.begin(turn, !speculative),
            Output::Say { turn, text } => {
                self.begin(turn, true);
                if let Some(reply) = &mut self.reply {
                    reply.text.clone_from(&text);
                    reply.text_done = true;
                }
                self.answers.push_back(Input::ReplyText { turn, text: Cow::Owned(text) });
                self.answers.push_back(Input::ReplyDone { turn });
            }
            Output::CommitReply { turn } => {
                let reply = self.reply.as_mut().filter(|reply| reply.turn == turn);
                reply.expect("the committed reply lives").released = true;
            }
            Output::CancelReply { turn } => {
                if let Some(mut reply) = self.reply.take_if(|reply| reply.turn == turn)
                    && reply.released
                    && !reply.held
                    && reply.voiced > 0
                {
                    self.answers.push_back(stop(&mut reply));
                }
            }
            Output::Hold { turn } => {
                let reply = self.reply.as_mut().filter(|reply| reply.turn == turn);
                let reply = reply.expect("the held reply lives");
                reply.held = true;
                self.answers.push_back(stop(reply));
            }
            Output::Resume { turn, from } => {
                let reply = self.reply.as_mut().filter(|reply| reply.turn == turn);
                let reply = reply.expect("the resumed reply lives");
                reply.held = false;
                reply.playhead = from.0;
            }
            Output::RunTool { turn, id, .. } => self.running.push((turn, id)),
            Output::AskTurnModel { pause } => self.pause = Some(pause),
            Output::AskEndpointing { look, .. } => self.look = Some(look),
            Output::Recognizer { .. } | Output::Event { .. } | Output::Hangup { .. } => {}
        }
    }

    fn begin(&mut self, turn: TurnId, released: bool) {
        self.reply = Some(Reply {
            turn,
            released,
            text: String::new(),
            voiced_text: 0,
            text_done: false,
            voiced: 0,
            voiced_all: false,
            playhead: 0,
            held: false,
            failed: false,
            tools: 0,
        });
    }

    /// With a caller who is silent and providers that work, the Floor comes to rest.
    fn come_to_rest(&mut self) {
        if self.voicing {
            self.stop_speaking(0);
        }
        for _ in 0..400 {
            self.deliver_answers();
            match self.floor.state() {
                State::Closed(_) => return,
                State::Listening if self.running.is_empty() => return,
                _ => {}
            }
            self.answer_tool(0);
            self.finish_text();
            self.voice(40);
            self.play(60_000);
            self.advance(50);
        }
        panic!("not at rest after 20 s of silence: {:#?}", self.floor.state());
    }

    fn hang_up_and_replay(&mut self) {
        self.tell(Input::EndCall { reason: EndReason::CustomerEndedCall });
        assert!(self.reference.is_closed());
        let report = journal::replay(self.journal.lines()).expect("a whole journal");
        assert!(report.is_identical(), "{report:?}");
        assert!(report.ended.is_some());
    }
}

/// The carrier stops: up to one frame more than was told of had been heard.
fn stop(reply: &mut Reply) -> Input<'static> {
    reply.playhead = (reply.playhead + 15_000).min(reply.voiced);
    Input::Held { turn: reply.turn, at: Offset(reply.playhead) }
}

fn settings(choice: u8) -> Settings {
    let mut settings = if choice & 1 == 0 { Settings::default() } else { Settings::vapi() };
    settings.first_message_mode = match choice >> 1 & 3 {
        0 => FirstMessageMode::AssistantWaitsForUser,
        1 => FirstMessageMode::AssistantSpeaksFirstWithModelGeneratedMessage,
        _ => FirstMessageMode::AssistantSpeaksFirst,
    };
    settings.first_message = "Hello, how can I help?".to_owned();
    settings.first_message_interruptions = choice & 8 != 0;
    settings.stop_speaking.num_words = if choice & 16 == 0 { 0 } else { 2 };
    settings.end_call_phrases = vec!["Goodbye".to_owned()];
    if choice & 32 != 0 {
        settings.end_call_message = "Thank you for calling.".to_owned();
    }
    if choice & 128 != 0 {
        let rule = |seconds, actions| IdleRule {
            timeout: Duration::from_secs(seconds),
            most: 2,
            reset_on_speech: seconds == 5,
            actions,
        };
        let say = IdleAction::Say(vec!["Are you there?".to_owned(), "Hello?".to_owned()]);
        let ask = IdleAction::Ask("Ask whether they are there.".to_owned());
        settings.idle = vec![
            rule(5, vec![say.clone(), ask]),
            rule(12, vec![say, IdleAction::Say(vec![" ".to_owned()]), IdleAction::EndCall]),
        ];
    }
    if choice % 5 == 3 {
        settings.voicemail = Some(VoicemailPlan {
            message: if choice & 8 == 0 {
                "Please call us back.".to_owned()
            } else {
                String::new()
            },
            by_sound: choice & 16 == 0,
            from: Duration::from_secs(u64::from(choice & 32) / 8),
            ..VoicemailPlan::default()
        });
    }
    settings.start_speaking.smart_endpointing = match choice % 6 {
        0 => SmartEndpointing::Model,
        1 => SmartEndpointing::livekit(),
        _ => settings.start_speaking.smart_endpointing,
    };
    if choice.is_multiple_of(5) {
        let regex = "number|table".to_owned();
        settings.start_speaking.rules = vec![EndpointingRule {
            assistant: None,
            customer: Some(Pattern { regex, ..Pattern::default() }),
            timeout: Duration::from_millis(u64::from(choice) * 8),
        }];
    }
    if choice & 64 != 0 {
        let timeout = Duration::from_secs(if choice & 16 == 0 { 2 } else { 0 });
        settings.keypad = Some(KeypadPlan { timeout, ..KeypadPlan::default() });
        settings.stop_speaking.backoff = Duration::from_millis(700);
    }
    settings
}

impl Drop for World {
    /// A call that fails shows how it came to that.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let lines: Vec<_> = self.journal.lines().collect();
            for line in &lines[lines.len().saturating_sub(30)..] {
                eprintln!("{line}");
            }
        }
    }
}
