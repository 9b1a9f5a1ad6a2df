//! Has a machine answered? The evidence, weighed. Pure.
//!
//! Nothing that is heard is proof alone, but for words that only a machine says ("leave a message
//! after the tone"). So each thing has a weight, and a machine has answered at [`CERTAIN`]:
//!
//! | what is heard | weight |
//! |---|---|
//! | a greeting that no person would put otherwise: "leave your name after the tone" | 4 |
//! | that somebody is not there: "is not available", "répondeur" | 3 |
//! | what machines say, and companies: "you have reached" | 1 |
//! | the first speech of the call goes on for 4 s; for 6 s; for 9 s without a pause of 1.2 s | 1; 2; 4 |
//! | a beep behind it; a beep alone | 3; 1 |
//!
//! A person who answers says one or two words and waits; a receptionist says the company's name,
//! theirs, and a question, which takes four seconds and is worth 1, or with "you have reached", 2.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::interruption::GATE_LAG;
use crate::phrases;
use crate::time::Instant;

/// A machine has answered.
pub const CERTAIN: u8 = 4;

/// Vapi's `beepMaxAwaitSeconds` where nobody sends one.
const BEEP_WAIT: Duration = Duration::from_secs(30);
/// Vapi's `backoffPlan` where nobody sends one: seven looks, the first after 5 s, one each 5 s.
const UNTIL: Duration = Duration::from_secs(35);

/// Silence that ends the first speech of a call: who says "Allô ?" waits at least as long.
const PAUSE: Duration = Duration::from_millis(1_200);
/// A machine greets at once, even where a call was put through first.
const BEGINS_WITHIN: Duration = Duration::from_secs(6);
/// What the first speech is worth once it has lasted so long, beside the plan's own `speech`.
const SPEECH: [(Duration, u8); 2] = [(Duration::from_secs(4), 1), (Duration::from_secs(6), 2)];
/// Shorter speech before a beep is no greeting.
const LEAST_GREETING: Duration = Duration::from_secs(1);

/// How an answering machine is told from a person, and what it is told (Vapi's
/// `voicemailDetection` and `voicemailMessage`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoicemailPlan {
    /// What is said after the beep; empty: the call ends at once.
    pub message: String,
    /// Longest wait for the beep, from the beginning of the call. Vapi: 30 s.
    pub beep_wait: Duration,
    /// No verdict before this time of the call. Ours: 0; what a machine says is heard as it is
    /// said, so there is no first look to wait for.
    pub from: Duration,
    /// Nor after this. Vapi: 35 s.
    pub until: Duration,
    /// How long the greeting is, and the beep, count as well as its words.
    pub by_sound: bool,
    /// First speech that lasts so long is a machine's, whatever it says.
    pub speech: Duration,
}

impl Default for VoicemailPlan {
    fn default() -> Self {
        Self {
            message: String::new(),
            beep_wait: BEEP_WAIT,
            from: Duration::ZERO,
            until: UNTIL,
            by_sound: true,
            speech: Duration::from_secs(9),
        }
    }
}

/// What was heard so far of whoever answered.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    /// What machines say, as far as it was not heard yet.
    phrases: Vec<(Vec<String>, u8)>,
    /// The first speech of the call: since when, and until when where it has paused.
    speech: Option<(Instant, Option<Instant>)>,
    /// It is over: what comes next is conversation.
    speech_over: bool,
    /// Weight of the words, and of the beep.
    words: u8,
    beep: u8,
    /// When the last beep ended.
    beeped: Option<Instant>,
}

impl Evidence {
    /// None yet.
    pub(crate) fn new() -> Self {
        let prepare = |&(phrase, weight): &(&str, u8)| (phrases::words(phrase), weight);
        Self { phrases: ENGLISH.iter().chain(FRENCH).map(prepare).collect(), ..Self::default() }
    }

    /// They began to speak.
    pub(crate) fn on_speech(&mut self, started: Instant, since: Instant) {
        match self.speech {
            _ if self.speech_over => {}
            None => {
                self.speech = Some((since, None));
                self.speech_over = since.since(started) > BEGINS_WITHIN;
            }
            Some((began, paused)) => {
                self.speech_over = paused.is_some_and(|paused| since.since(paused) >= PAUSE);
                if !self.speech_over {
                    self.speech = Some((began, None));
                }
            }
        }
    }

    /// They paused.
    pub(crate) fn on_pause(&mut self, since: Instant) {
        if let Some((_, paused)) = &mut self.speech
            && !self.speech_over
        {
            *paused = Some(since);
        }
    }

    /// Their words, those of earlier turns not among them.
    pub(crate) fn on_words(&mut self, text: &str) {
        let words = phrases::words(text);
        let mut at = 0;
        while at < words.len() {
            let rest = &words[at..];
            let matching = |(phrase, _): &&mut (Vec<String>, u8)| rest.starts_with(phrase);
            let longest = self.phrases.iter_mut().filter(matching).max_by_key(|(p, _)| p.len());
            at += longest.map_or(1, |(phrase, weight)| {
                // Each is counted once: transcripts repeat what they said.
                self.words = self.words.saturating_add(std::mem::take(weight));
                phrase.len()
            });
        }
    }

    /// A beep.
    pub(crate) fn on_beep(&mut self, ended: Instant) {
        let greeted = self.speech_until(ended) >= LEAST_GREETING;
        self.beep = self.beep.max(if greeted { 3 } else { 1 });
        self.beeped = Some(ended);
    }

    /// When the last beep ended, where nothing was said since. A voice gate may take the beep for
    /// speech: that is none.
    pub(crate) fn last_beep(
        &self,
        voicing: Option<Instant>,
        spoke_until: Option<Instant>,
    ) -> Option<Instant> {
        self.beeped.filter(|&ended| match voicing {
            Some(since) => since < ended,
            None => spoke_until.is_none_or(|until| until <= ended + GATE_LAG),
        })
    }

    /// How long the first speech has lasted.
    fn speech_until(&self, now: Instant) -> Duration {
        self.speech.map_or(Duration::ZERO, |(began, paused)| paused.unwrap_or(now).since(began))
    }

    /// What all of it amounts to.
    pub(crate) fn weight(&self, plan: &VoicemailPlan, now: Instant) -> u8 {
        let lasted = self.speech_until(now);
        let steps = SPEECH.into_iter().chain([(plan.speech, CERTAIN)]);
        let speech = steps.filter(|(least, _)| lasted >= *least).map(|(_, weight)| weight).max();
        let sound = if plan.by_sound { self.beep + speech.unwrap_or(0) } else { 0 };
        self.words.saturating_add(sound)
    }

    /// When speech that goes on makes it certain, unless it is.
    pub(crate) fn certain_at(&self, plan: &VoicemailPlan) -> Option<Instant> {
        let (began, None) = self.speech? else { return None };
        if !plan.by_sound || self.speech_over {
            return None;
        }
        let missing = CERTAIN.saturating_sub(self.words.saturating_add(self.beep));
        let steps = SPEECH.into_iter().chain([(plan.speech, CERTAIN)]);
        steps.filter(|(_, weight)| *weight >= missing).map(|(least, _)| began + least).min()
    }
}

/// What machines say, and its weight. The longest phrase at each word counts, so that a person who
/// asks "would you like to leave a message?" is none.
const ENGLISH: &[(&str, u8)] = &[
    ("after the tone", 4),
    ("after the beep", 4),
    ("after the signal", 4),
    ("at the tone", 4),
    ("at the beep", 4),
    ("wait for the tone", 4),
    ("wait for the beep", 4),
    ("record your message", 4),
    ("leave your message", 4),
    ("leave me a message", 4),
    ("leave us a message", 4),
    ("please leave a message", 4),
    ("please leave your name", 4),
    ("leave your name and", 4),
    ("leave a detailed message", 4),
    ("leave a brief message", 4),
    ("leave a message and", 4),
    ("leave a message after", 4),
    ("leave a message", 2),
    ("like to leave a message", 0),
    ("want to leave a message", 0),
    ("wish to leave a message", 0),
    ("care to leave a message", 0),
    ("voicemail", 3),
    ("voice mail", 3),
    ("voice mailbox", 4),
    ("voice messaging system", 4),
    ("mailbox", 3),
    ("mailbox is full", 4),
    ("answering machine", 3),
    ("answering service", 3),
    ("when you have finished recording", 4),
    ("when you are finished", 2),
    ("is not available", 3),
    ("isnt available", 3),
    ("not available right now", 3),
    ("not available to take your call", 4),
    ("is unavailable", 3),
    ("is available to take your call", 4),
    ("unable to take your call", 4),
    ("unable to answer your call", 4),
    ("unable to come to the phone", 4),
    ("cant take your call", 4),
    ("cannot take your call", 4),
    ("cant come to the phone", 4),
    ("cannot come to the phone", 4),
    ("cant get to the phone", 4),
    ("missed your call", 3),
    ("sorry i missed", 3),
    ("return your call", 2),
    ("get back to you as soon as", 3),
    ("call you back as soon as", 3),
    ("the person you are calling", 3),
    ("the person youre calling", 3),
    ("the subscriber you", 3),
    ("the number you have dialed", 3),
    ("the number you have dialled", 3),
    ("you have reached", 1),
    ("youve reached", 1),
];

const FRENCH: &[(&str, u8)] = &[
    ("après le bip", 4),
    ("après le bip sonore", 4),
    ("après le signal", 4),
    ("après le signal sonore", 4),
    ("après le top", 4),
    ("après la tonalité", 4),
    ("après ce message", 2),
    ("bip sonore", 4),
    ("signal sonore", 4),
    ("laissez un message", 4),
    ("laissez un petit message", 4),
    ("laissez moi un message", 4),
    ("laissez moi un petit message", 4),
    ("laissez nous un message", 4),
    ("laissez votre message", 4),
    ("laissez vos coordonnées", 4),
    ("laissez moi vos coordonnées", 4),
    ("laissez nous vos coordonnées", 4),
    ("laissez votre nom", 4),
    ("veuillez laisser", 4),
    ("merci de laisser", 4),
    ("merci de me laisser", 4),
    ("merci de nous laisser", 4),
    ("invite à laisser", 4),
    ("laisser un message après", 4),
    ("pouvez laisser un message", 3),
    ("pouvez me laisser un message", 4),
    ("pouvez nous laisser un message", 4),
    ("laisser un message", 1),
    ("voulez laisser un message", 0),
    ("voulez vous laisser un message", 0),
    ("souhaitez laisser un message", 0),
    ("souhaitez vous laisser un message", 0),
    ("désirez laisser un message", 0),
    ("enregistrez votre message", 4),
    ("enregistrer votre message", 4),
    ("messagerie vocale", 4),
    ("boîte vocale", 4),
    ("boîte vocale est pleine", 4),
    ("messagerie", 3),
    ("sur la messagerie", 4),
    ("passe sa messagerie", 0),
    ("répondeur", 3),
    ("sur le répondeur", 4),
    ("sur mon répondeur", 4),
    ("bien sur le répondeur", 4),
    ("pas disponible pour le moment", 4),
    ("nest pas disponible", 3),
    ("ne suis pas disponible", 3),
    ("ne sommes pas disponibles", 3),
    ("actuellement indisponible", 3),
    ("ne peux pas vous répondre", 3),
    ("ne peut pas vous répondre", 4),
    ("ne pouvons pas vous répondre", 4),
    ("ne peut vous répondre", 4),
    ("ne pouvons vous répondre", 4),
    ("ne suis pas joignable", 3),
    ("nest pas joignable", 3),
    ("votre correspondant", 3),
    ("votre correspondante", 3),
    ("le numéro que vous avez", 3),
    ("vous rappellerai dès que", 3),
    ("vous rappelle dès que", 3),
    ("vous rappellerons dès que", 3),
    ("vous rappellerons dans les", 3),
    ("vous êtes bien sur", 1),
    ("vous êtes bien chez", 1),
    ("vous êtes bien au", 1),
    ("bienvenue sur", 1),
    ("bienvenue chez", 1),
];

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn words(text: &str) -> u8 {
        let mut evidence = Evidence::new();
        evidence.on_words(text);
        evidence.weight(&VoicemailPlan::default(), ms(10_000))
    }

    #[test]
    fn what_only_machines_say_is_certain() {
        for greeting in [
            "Hi, you've reached Anna. I can't come to the phone right now.",
            "Please leave your message after the tone. When done, hang up or press the pound key.",
            "Nobody is available to take your call at the moment.",
            "You have reached the voicemail of 555 0199.",
            "The person you are calling is not available.",
            "Bonjour, vous êtes bien sur le répondeur de Marc.",
            "Bonjour, c'est Julie, laissez-moi un message et je vous rappellerai dès que possible.",
            "Votre correspondant n'est pas disponible.",
            "Bienvenue sur la messagerie Orange du 06 12 34 56 78.",
            "Nous ne pouvons pas vous répondre pour l'instant, merci de laisser vos coordonnées.",
            "Parlez après le signal sonore.",
        ] {
            assert!(words(greeting) >= CERTAIN, "{greeting}: {}", words(greeting));
        }
    }

    #[test]
    fn people_who_answer_are_no_machines_by_their_words() {
        for answer in [
            "Hello?",
            "Allô ?",
            "Allô oui bonjour, qui est à l'appareil ?",
            "Bonjour, cabinet du docteur Martin, Sophie à l'appareil.",
            "Bonjour, vous êtes bien au salon Élégance, que puis-je faire pour vous ?",
            "Good morning, you've reached the Golden Lion, how can I help?",
            "He's not in. Would you like to leave a message?",
            "Il est en rendez-vous, vous voulez laisser un message ?",
            "Je vous passe sa messagerie.",
            "I was just listening to my messages.",
        ] {
            assert!(words(answer) < CERTAIN - 1, "{answer}: {}", words(answer));
        }
    }

    #[test]
    fn words_that_come_again_count_once() {
        let mut evidence = Evidence::new();
        for _ in 0..5 {
            evidence.on_words("you have reached");
        }
        assert_eq!(evidence.weight(&VoicemailPlan::default(), ms(1_000)), 1);
    }

    #[test]
    fn first_speech_that_goes_on_becomes_certain() {
        let plan = VoicemailPlan::default();
        let mut evidence = Evidence::new();
        evidence.on_speech(ms(0), ms(500));
        assert_eq!(evidence.certain_at(&plan), Some(ms(9_500)));
        evidence.on_pause(ms(3_000));
        assert_eq!(evidence.certain_at(&plan), None);
        evidence.on_speech(ms(0), ms(4_000));
        assert_eq!(evidence.weight(&plan, ms(4_400)), 0);
        assert_eq!(evidence.weight(&plan, ms(4_500)), 1);
        assert_eq!(evidence.weight(&plan, ms(6_500)), 2);
        assert_eq!(evidence.weight(&plan, ms(9_500)), CERTAIN);
        // "You have reached" brings it no nearer than six seconds.
        evidence.on_words("vous êtes bien sur");
        assert_eq!(evidence.certain_at(&plan), Some(ms(9_500)));
        evidence.on_beep(ms(5_000));
        assert_eq!(evidence.certain_at(&plan), Some(ms(500 + 4_000)), "it is already");
        assert_eq!(evidence.weight(&VoicemailPlan { by_sound: false, ..plan }, ms(20_000)), 1);
    }

    #[test]
    fn after_a_pause_it_is_a_conversation() {
        let plan = VoicemailPlan::default();
        let mut evidence = Evidence::new();
        evidence.on_speech(ms(0), ms(500));
        evidence.on_pause(ms(900));
        evidence.on_speech(ms(0), ms(2_200));
        assert_eq!(evidence.certain_at(&plan), None);
        assert_eq!(evidence.weight(&plan, ms(30_000)), 0);
        evidence.on_beep(ms(30_000));
        assert_eq!(evidence.weight(&plan, ms(30_000)), 1);

        let mut late = Evidence::new();
        late.on_speech(ms(0), ms(7_000));
        assert_eq!(late.certain_at(&plan), None, "a machine greets at once");
    }

    #[test]
    fn a_beep_behind_a_greeting_weighs_more_than_one_alone() {
        let plan = VoicemailPlan::default();
        let mut alone = Evidence::new();
        alone.on_beep(ms(800));
        assert_eq!(alone.weight(&plan, ms(800)), 1);
        let mut behind = Evidence::new();
        behind.on_speech(ms(0), ms(300));
        behind.on_pause(ms(4_500));
        behind.on_beep(ms(5_500));
        assert_eq!(behind.weight(&plan, ms(5_500)), CERTAIN);
    }
}
