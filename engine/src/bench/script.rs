//! What one caller does, drawn by a seed. Pure: its time is the count of samples.
//!
//! A turn every 15 s with a phase of the call's own; every fourth is a barge-in at a random instant
//! of the reply before it; every eighth reply gets a cough or an "mhm" that must not stop it. A
//! turn that would cut into a reply unscripted waits until the assistant has been silent for 0.7 s.

use std::ops::Range;

use super::material::{FRAME, Material};

/// Between two turns, in samples: 15 s.
const EVERY: u64 = 120_000;

/// Silence of the assistant before a turn that is no barge-in, in samples: 0.7 s.
const POLITE: u64 = 5_600;

/// When a caller cuts in or makes a sound, after the reply became audible, in samples: 0.3 to 5 s.
/// A reply lasts about 7.
const INSTANTS: Range<u64> = 2_400..40_000;

/// The assistant speaks as long as its last audible sample is no older than this, in samples: the
/// longest pause of a reply and some network.
const SPEAKING: u64 = 1_600;

/// A reply that is not audible after this long will not come, in samples: 6 s.
const GIVEN_UP: u64 = 48_000;

/// What a caller says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sound {
    /// A turn: which clip.
    Turn(usize),
    /// A turn that cuts into a reply.
    BargeIn(usize),
    /// A cough into a reply.
    Cough,
    /// An "mhm" into a reply.
    Mhm,
}

impl Sound {
    /// The caller wants the assistant to listen.
    pub const fn is_turn(self) -> bool {
        matches!(self, Self::Turn(_) | Self::BargeIn(_))
    }
}

/// Something that was said, in samples of the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// What.
    pub sound: Sound,
    /// Its first sample.
    pub start: u64,
    /// One past the last sample of speech.
    pub speech_end: u64,
}

/// One caller.
#[derive(Debug)]
pub struct Caller {
    random: Random,
    clips: usize,
    /// Turns so far, barge-ins included, from a place of the call's own.
    turns: u64,
    /// When the next turn is due.
    due: u64,
    /// What is being said: the clip's frame.
    saying: Option<(Sound, usize)>,
    /// What will be said into the reply, and how long after it became audible.
    interjection: Option<(Sound, u64)>,
    said: Vec<Said>,
    /// When the last turn's speech ended; the reply is what is audible after.
    answer_from: Option<u64>,
    /// When the reply became audible.
    reply: Option<u64>,
    /// One past the assistant's last audible sample.
    last_audible: u64,
    position: u64,
}

impl Caller {
    /// A caller with clips numbered below `clips`, whose first turn is in the first 15 s.
    pub fn new(seed: u64, clips: usize) -> Self {
        let mut random = Random(seed);
        // Never at once: the engine is given a second to be there.
        let due = 8_000 + random.below(EVERY);
        // So that a short run has its part of everything.
        let turns = random.below(16);
        Self {
            random,
            clips,
            turns,
            due,
            saying: None,
            interjection: None,
            said: Vec::new(),
            answer_from: None,
            reply: None,
            last_audible: 0,
            position: 0,
        }
    }

    /// What has been said.
    pub fn said(&self) -> &[Said] {
        &self.said
    }

    /// Nobody speaks, and no reply is to come.
    pub fn is_quiet(&self) -> bool {
        let answered = self
            .answer_from
            .is_none_or(|from| self.reply.is_some() || self.position > from + GIVEN_UP);
        self.saying.is_none() && answered && self.position > self.last_audible + POLITE
    }

    /// The next frame: what was audible of the assistant in the one before, as the places of its
    /// first and last audible samples in it; returns the frame's µ-law.
    pub fn step<'a>(
        &mut self,
        audible: Option<(usize, usize)>,
        material: &'a Material,
    ) -> &'a [u8] {
        if let Some((first, last)) = audible {
            let frame = self.position - FRAME as u64;
            self.hear(frame + first as u64, frame + last as u64 + 1);
        }
        if self.saying.is_none() {
            self.begin(material);
        }
        let frame = match &mut self.saying {
            Some((sound, frame)) => {
                let codes = &clip(material, *sound).codes;
                let codes = &codes[*frame * FRAME..(*frame + 1) * FRAME];
                *frame += 1;
                codes
            }
            None => {
                let frames = material.bed.len() / FRAME;
                let frame = usize::try_from(self.position / FRAME as u64).unwrap_or(0) % frames;
                &material.bed[frame * FRAME..(frame + 1) * FRAME]
            }
        };
        if let Some((sound, said)) = self.saying
            && said * FRAME == clip(material, sound).codes.len()
        {
            self.saying = None;
        }
        self.position += FRAME as u64;
        frame
    }

    fn hear(&mut self, first: u64, end: u64) {
        self.last_audible = end;
        if self.reply.is_none() && self.answer_from.is_some_and(|from| first >= from) {
            self.reply = Some(first);
        }
    }

    fn begin(&mut self, material: &Material) {
        let now = self.position;
        if let (Some((sound, after)), Some(reply)) = (self.interjection, self.reply) {
            let speaks = now < self.last_audible + SPEAKING;
            if now >= reply + after && speaks {
                self.interjection = None;
                self.say(sound, material);
                return;
            }
            if !speaks {
                // The reply was shorter than that.
                self.interjection = None;
            }
        }
        let waiting =
            self.answer_from.is_some_and(|from| self.reply.is_none() && now < from + GIVEN_UP);
        if now >= self.due && !waiting && now > self.last_audible + POLITE {
            let sound = Sound::Turn(self.clip());
            self.say(sound, material);
        }
    }

    fn clip(&mut self) -> usize {
        usize::try_from(self.random.below(self.clips as u64)).unwrap_or(0)
    }

    fn say(&mut self, sound: Sound, material: &Material) {
        let speech_end = self.position + clip(material, sound).speech_end;
        self.said.push(Said { sound, start: self.position, speech_end });
        self.saying = Some((sound, 0));
        if !sound.is_turn() {
            return;
        }
        self.turns += 1;
        // A barge-in takes the place of the turn that would have been next.
        self.due += EVERY;
        while self.due <= self.position {
            self.due += EVERY;
        }
        self.answer_from = Some(speech_end);
        self.reply = None;
        let after = INSTANTS.start + self.random.below(INSTANTS.end - INSTANTS.start);
        self.interjection = match self.turns {
            turns if turns % 4 == 3 => Some((Sound::BargeIn(self.clip()), after)),
            turns if turns % 16 == 6 => Some((Sound::Cough, after)),
            turns if turns % 16 == 14 => Some((Sound::Mhm, after)),
            _ => None,
        };
    }
}

fn clip(material: &Material, sound: Sound) -> &super::material::Clip {
    match sound {
        Sound::Turn(clip) | Sound::BargeIn(clip) => &material.turns[clip],
        Sound::Cough => &material.cough,
        Sound::Mhm => &material.mhm,
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::super::material::Clip;
    use super::*;

    fn material() -> Material {
        let clip = |frames: usize| Clip {
            codes: vec![0x80; frames * FRAME],
            speech_end: (frames * FRAME - 80) as u64,
            words: String::new(),
        };
        Material {
            turns: vec![clip(150), clip(200)],
            cough: clip(4),
            mhm: clip(15),
            bed: vec![0xff; 50 * FRAME],
            script: mocks::Script::default(),
            source: String::new(),
        }
    }

    /// A call of `seconds` with an assistant that answers after half a second, for 7 s, and stops
    /// 100 ms after a turn begins.
    fn call(seed: u64, seconds: u64) -> Vec<Said> {
        let material = material();
        let mut caller = Caller::new(seed, 2);
        let mut audible = None;
        for _ in 0..seconds * 50 {
            caller.step(audible, &material);
            let now = caller.position;
            let turn = caller.said().iter().rev().find(|said| said.sound.is_turn());
            let before = caller.said().iter().rev().filter(|said| said.sound.is_turn()).nth(1);
            let answers =
                |said: &&Said| (said.speech_end + 4_000..said.speech_end + 60_000).contains(&now);
            let goes_on = turn.is_some_and(|turn| now < turn.start + 800);
            let speaks =
                turn.filter(answers).is_some() || goes_on && before.filter(answers).is_some();
            audible = speaks.then_some((0, FRAME - 1));
        }
        caller.said
    }

    #[test]
    fn every_fourth_turn_cuts_into_the_reply_before_it() {
        let said = call(1, 600);
        let turns: Vec<&Said> = said.iter().filter(|said| said.sound.is_turn()).collect();
        assert!(turns.len() > 30, "{}", turns.len());
        let cuts_in = |said: &&Said| matches!(said.sound, Sound::BargeIn(_));
        let first = turns.iter().position(cuts_in).expect("there are some");
        assert!(first < 5, "{first}");
        for (index, pair) in turns.windows(2).enumerate() {
            let barges = cuts_in(&pair[1]);
            assert_eq!(barges, (index + 1) % 4 == first % 4, "turn {}", index + 1);
            let pause = pair[1].start - pair[0].speech_end;
            if barges {
                assert!((INSTANTS.start + 4_000..INSTANTS.end + 4_500).contains(&pause));
            } else {
                assert!(pair[1].start - pair[0].start > 100_000, "about 15 s: {pause}");
            }
        }
        let sounds = said.iter().filter(|said| !said.sound.is_turn()).count();
        assert!(sounds.abs_diff(turns.len() / 8) <= 1, "every eighth reply: {sounds}");
    }

    #[test]
    fn phases_differ_and_a_seed_repeats() {
        assert_eq!(call(3, 60), call(3, 60));
        assert_ne!(call(3, 60)[0].start, call(4, 60)[0].start);
    }

    #[test]
    fn a_caller_who_gets_no_answer_goes_on() {
        let material = material();
        let mut caller = Caller::new(5, 2);
        for _ in 0..60 * 50 {
            caller.step(None, &material);
        }
        assert!(caller.said().len() >= 3, "{:?}", caller.said());
        assert!(caller.said().iter().all(|said| matches!(said.sound, Sound::Turn(_))));
    }
}
