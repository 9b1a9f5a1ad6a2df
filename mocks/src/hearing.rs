//! What the stand-in for a recogniser tells, from the audio alone: pure, its time is the count of
//! samples.
//!
//! Word by word: a partial every 100 ms with the words that ended at least 50 ms before, the final
//! 150 ms of audio after the last voiced window, no end of turn of its own. The same for every
//! engine, so that none wins by a faster recogniser.

use std::sync::Arc;
use std::time::Duration;

use codecs::SampleRate;

use crate::script::{OUTLINE, Script, ScriptWord, Utterance, VOICED_DBFS, WINDOW, window_samples};

/// Between two partials.
const PARTIAL_EVERY: Duration = Duration::from_millis(100);

/// A word is told once it ended this long ago.
const WORD_AFTER: Duration = Duration::from_millis(50);

/// Silence after which what was said is final.
const FINAL_AFTER: Duration = Duration::from_millis(150);

/// Words of a stretch of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// They will not change.
    pub is_final: bool,
    /// It answers a request to finalise.
    pub from_finalize: bool,
    /// From the end of what is final to the last sample looked at, after the stream's beginning.
    pub stretch: (Duration, Duration),
    /// The words in it, with times after the stream's beginning.
    pub words: Vec<ScriptWord>,
}

/// One stream.
#[derive(Debug)]
pub struct Hearing {
    script: Arc<Script>,
    /// A request to finalise is answered without waiting for silence, as the real service does.
    prompt: bool,
    /// The window being filled.
    window: Vec<i16>,
    size: usize,
    /// Windows so far.
    windows: u32,
    /// One past the last voiced window.
    voiced: u32,
    /// The stretch up to here is final.
    final_until: Duration,
    /// Words that ended by then are final.
    words_until: Duration,
    /// The utterance under way, from its first window.
    under_way: Option<UnderWay>,
    /// A final is owed to a request.
    owed: bool,
}

#[derive(Debug)]
struct UnderWay {
    /// Its first window.
    began: u32,
    outline: Vec<f64>,
    known: Option<Utterance>,
    /// Something was said since the last final.
    open: bool,
}

impl Hearing {
    /// A stream of samples at `rate`. Where `prompt`, a request to finalise is answered at once,
    /// else with the final that comes after the silence.
    pub fn new(script: Arc<Script>, rate: SampleRate, prompt: bool) -> Self {
        let size = window_samples(rate);
        Self {
            script,
            prompt,
            window: Vec::with_capacity(size),
            size,
            windows: 0,
            voiced: 0,
            final_until: Duration::ZERO,
            words_until: Duration::ZERO,
            under_way: None,
            owed: false,
        }
    }

    /// Takes the next samples; calls `tell` with what there is to tell.
    pub fn push(&mut self, mut samples: &[i16], mut tell: impl FnMut(Heard)) {
        while !samples.is_empty() {
            let count = (self.size - self.window.len()).min(samples.len());
            self.window.extend_from_slice(&samples[..count]);
            samples = &samples[count..];
            if self.window.len() == self.size {
                let level = codecs::pcm::level_dbfs(&self.window);
                self.window.clear();
                if let Some(heard) = self.on_window(level) {
                    tell(heard);
                }
            }
        }
    }

    /// A request to finalise what was pushed.
    pub fn finalize(&mut self) -> Option<Heard> {
        let open = self.under_way.as_ref().is_some_and(|utterance| utterance.open);
        self.owed = open && !self.prompt;
        if self.owed {
            return None;
        }
        self.identify(true);
        Some(self.conclude(true))
    }

    fn on_window(&mut self, level: f64) -> Option<Heard> {
        let voiced = level > VOICED_DBFS;
        if voiced && self.under_way.is_none() {
            let began = self.windows;
            self.under_way = Some(UnderWay { began, outline: Vec::new(), known: None, open: true });
        }
        self.windows += 1;
        if voiced {
            self.voiced = self.windows;
        }
        let silence = time(self.windows - self.voiced);
        let utterance = self.under_way.as_mut()?;
        utterance.open |= voiced;
        if utterance.known.is_none() {
            utterance.outline.push(level);
        }
        let length = utterance.outline.len();
        self.identify(length >= OUTLINE || silence >= FINAL_AFTER);

        let utterance = self.under_way.as_ref()?;
        if silence >= FINAL_AFTER && utterance.open {
            let owed = std::mem::take(&mut self.owed);
            return Some(self.conclude(owed));
        }
        let over = utterance.known.as_ref().is_some_and(|known| {
            time(self.windows - utterance.began) >= known.length && !utterance.open
        });
        if over {
            self.under_way = None;
            return None;
        }
        let elapsed = time(self.windows - utterance.began);
        let tick = elapsed.as_millis().is_multiple_of(PARTIAL_EVERY.as_millis());
        if !tick || !utterance.open {
            return None;
        }
        let words = self.words_until(time(self.windows).saturating_sub(WORD_AFTER));
        let stretch = (self.final_until, time(self.windows));
        (!words.is_empty()).then_some(Heard {
            is_final: false,
            from_finalize: false,
            stretch,
            words,
        })
    }

    /// Finds out which utterance it is, where enough of it was heard.
    fn identify(&mut self, enough: bool) {
        if let Some(utterance) = &mut self.under_way
            && utterance.known.is_none()
            && enough
        {
            utterance.known = self.script.recognise(&utterance.outline).cloned();
        }
    }

    /// What was said up to now is final.
    fn conclude(&mut self, from_finalize: bool) -> Heard {
        // A word may fade below the threshold before it ends.
        let until = time(self.voiced) + WORD_AFTER;
        let words = self.words_until(until);
        let stretch = (self.final_until, time(self.windows));
        self.final_until = stretch.1;
        self.words_until = until;
        if let Some(utterance) = &mut self.under_way {
            utterance.open = false;
            let known = utterance.known.as_ref();
            if known.is_none_or(|known| time(self.windows - utterance.began) >= known.length) {
                self.under_way = None;
            }
        }
        Heard { is_final: true, from_finalize, stretch, words }
    }

    /// The words since the last final that ended by `until`.
    fn words_until(&self, until: Duration) -> Vec<ScriptWord> {
        let Some(UnderWay { began, known: Some(known), .. }) = &self.under_way else {
            return Vec::new();
        };
        let began = time(*began);
        let placed = known.words.iter().map(|word| ScriptWord {
            text: word.text.clone(),
            start: began + word.start,
            end: began + word.end,
        });
        // By their ends: a word is in one final only.
        placed.filter(|word| word.end > self.words_until && word.end <= until).collect()
    }
}

fn time(windows: u32) -> Duration {
    WINDOW * windows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::RATE;

    const LOUD: i16 = 4_000;

    fn audio(parts: &[(i16, u64)]) -> Vec<i16> {
        let part = |&(level, ms): &(i16, u64)| {
            (0..RATE.samples_in(Duration::from_millis(ms)))
                .map(move |at| if at % 2 == 0 { level } else { -level })
        };
        parts.iter().flat_map(part).collect()
    }

    fn words(words: &[(&str, u64, u64)]) -> Vec<ScriptWord> {
        let ms = Duration::from_millis;
        let word = |&(text, start, end): &(&str, u64, u64)| ScriptWord {
            text: text.to_owned(),
            start: ms(start),
            end: ms(end),
        };
        words.iter().map(word).collect()
    }

    /// When it is told, whether it is final, and the words.
    fn told(hearing: &mut Hearing, audio: &[i16]) -> Vec<(u128, bool, String)> {
        let mut told = Vec::new();
        hearing.push(audio, |heard| {
            let text: Vec<_> = heard.words.iter().map(|word| word.text.as_str()).collect();
            told.push((heard.stretch.1.as_millis(), heard.is_final, text.join(" ")));
        });
        told
    }

    fn sentence() -> (Vec<i16>, Utterance) {
        let clip = audio(&[(LOUD, 400), (3, 600), (LOUD, 300)]);
        let said = words(&[("one", 0, 200), ("two,", 200, 400), ("three.", 1_000, 1_300)]);
        let utterance = Utterance::new(&clip, said);
        (clip, utterance)
    }

    #[test]
    fn partials_follow_the_words_and_finals_the_silence() {
        let (clip, utterance) = sentence();
        let mut hearing = Hearing::new(Arc::new(Script::new(vec![utterance])), RATE, false);
        let mut call = audio(&[(3, 1_000)]);
        call.extend(&clip);
        call.extend(audio(&[(3, 500)]));
        let told = told(&mut hearing, &call);
        let told: Vec<_> = told.iter().map(|(at, last, text)| (*at, *last, &**text)).collect();
        assert_eq!(
            told,
            [
                // Which utterance it is is known after 250 ms.
                (1_300, false, "one"),
                (1_400, false, "one"),
                (1_500, false, "one two,"),
                (1_550, true, "one two,"),
                (2_400, false, "three."),
                (2_450, true, "three."),
            ]
        );
    }

    #[test]
    fn the_same_is_heard_again() {
        let (clip, utterance) = sentence();
        let mut hearing = Hearing::new(Arc::new(Script::new(vec![utterance])), RATE, false);
        let quiet = audio(&[(3, 700)]);
        for _ in 0..2 {
            let mut said: Vec<String> = told(&mut hearing, &clip)
                .into_iter()
                .chain(told(&mut hearing, &quiet))
                .filter(|(_, is_final, _)| *is_final)
                .map(|(_, _, text)| text)
                .collect();
            said.sort();
            assert_eq!(said, ["one two,", "three."]);
        }
    }

    #[test]
    fn a_request_to_finalise_gains_nothing_in_the_load_script() {
        let (clip, utterance) = sentence();
        let script = Arc::new(Script::new(vec![utterance]));
        let mut hearing = Hearing::new(Arc::clone(&script), RATE, false);
        told(&mut hearing, &clip[..3_600]);
        assert_eq!(hearing.finalize(), None);
        let mut answered = Vec::new();
        hearing.push(&audio(&[(3, 200)]), |heard| answered.push(heard));
        let last = answered.last().expect("a final");
        assert!(last.is_final && last.from_finalize);
        let empty = hearing.finalize().expect("nothing is open");
        assert!(empty.from_finalize && empty.words.is_empty());

        let mut prompt = Hearing::new(script, RATE, true);
        told(&mut prompt, &clip[..3_600]);
        let answer = prompt.finalize().expect("at once");
        assert!(answer.is_final && answer.words.len() == 2, "{answer:?}");
    }

    #[test]
    fn silence_says_nothing() {
        let (_, utterance) = sentence();
        let mut hearing = Hearing::new(Arc::new(Script::new(vec![utterance])), RATE, false);
        assert_eq!(told(&mut hearing, &audio(&[(3, 2_000)])), []);
    }
}
