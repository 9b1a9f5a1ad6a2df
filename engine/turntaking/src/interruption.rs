//! Is this an interruption? The verdict on speech over the assistant's. Pure.

use std::time::Duration;

use crate::phrases::{Meaning, Phrases};
use crate::settings::StopSpeakingPlan;

/// A verdict is due this long after the hold. Longer, and a false alarm sounds like a dropout;
/// shorter, and a recogniser has no chance to say "mhm" (its first partial takes 200 to 300 ms).
pub const VERDICT_WITHIN: Duration = Duration::from_millis(400);

/// How late the voice gate tells that speech is over: two windows of 32 ms, and a frame of 20 ms.
/// Speech has surely lasted a time only once that time plus this has passed.
pub const GATE_LAG: Duration = Duration::from_millis(84);

/// Silence after which speech that was too short to interrupt is over. A stop consonant ("atten-
/// dez") closes the gate for up to 130 ms; playing on inside it would stutter.
pub const OVER_AFTER: Duration = Duration::from_millis(160);

/// What is known of the speech.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// Its words so far.
    pub words: &'a str,
    /// How long voice was surely heard, pauses not counted.
    pub voiced: Duration,
    /// It goes on; otherwise it has been over for [`OVER_AFTER`].
    pub voicing: bool,
    /// It may be a noise that resembles a voice.
    pub perhaps_noise: bool,
    /// It may be the assistant's own voice, come back.
    pub perhaps_echo: bool,
    /// [`VERDICT_WITHIN`] has passed.
    pub overdue: bool,
}

/// What is to be done with a held reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It takes more to tell.
    Undecided,
    /// The caller takes the floor.
    Interruption,
    /// Playback goes on.
    Resume,
}

/// The verdict on speech while playback is held.
pub fn verdict(plan: &StopSpeakingPlan, phrases: &Phrases, evidence: Evidence<'_>) -> Verdict {
    let Evidence { words, voiced, voicing, perhaps_noise, perhaps_echo, overdue } = evidence;
    if perhaps_echo && voicing && !overdue {
        // Playback is held: an echo is about to end, and until then its lag may be found.
        return Verdict::Undecided;
    }
    // An echo ends because playback is held.
    let voiced = if perhaps_echo && !voicing { Duration::ZERO } else { voiced };
    match phrases.meaning(words) {
        Meaning::Interruption => Verdict::Interruption,
        Meaning::Acknowledgement if overdue || !voicing => Verdict::Resume,
        Meaning::Acknowledgement => Verdict::Undecided,
        Meaning::Words { count } if plan.num_words == 0 || count >= plan.num_words => {
            Verdict::Interruption
        }
        Meaning::Words { .. } | Meaning::Nothing if plan.num_words > 0 => {
            if overdue {
                Verdict::Resume
            } else {
                Verdict::Undecided
            }
        }
        // A noise that resembles a voice takes words.
        _ if voiced >= plan.voice && !perhaps_noise => Verdict::Interruption,
        _ if overdue || !voicing => Verdict::Resume,
        _ => Verdict::Undecided,
    }
}

/// Whether words heard while playback goes on take the floor. `spoken`: the voice gate opened
/// for them (a recogniser also hears words in noise).
pub fn words_interrupt(
    plan: &StopSpeakingPlan,
    phrases: &Phrases,
    words: &str,
    spoken: bool,
) -> bool {
    match phrases.meaning(words) {
        Meaning::Interruption => true,
        Meaning::Words { count } if plan.num_words > 0 => count >= plan.num_words,
        Meaning::Words { .. } => spoken,
        Meaning::Acknowledgement | Meaning::Nothing => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Language;
    use crate::settings::Settings;

    const NOTHING: Evidence<'static> = Evidence {
        words: "",
        voiced: Duration::ZERO,
        voicing: true,
        perhaps_noise: false,
        perhaps_echo: false,
        overdue: false,
    };

    fn phrases(plan: &StopSpeakingPlan) -> Phrases {
        Phrases::new(&plan.acknowledgement_phrases, &plan.interruption_phrases, Language::ALL)
    }

    fn judge(num_words: u32, evidence: Evidence<'_>) -> Verdict {
        let plan = StopSpeakingPlan { num_words, ..Settings::default().stop_speaking };
        let phrases = phrases(&plan);
        verdict(&plan, &phrases, evidence)
    }

    #[test]
    fn continued_voice_interrupts_without_words() {
        let voiced = Duration::from_millis;
        assert_eq!(judge(0, Evidence { voiced: voiced(199), ..NOTHING }), Verdict::Undecided);
        assert_eq!(judge(0, Evidence { voiced: voiced(200), ..NOTHING }), Verdict::Interruption);
        assert_eq!(judge(2, Evidence { voiced: voiced(399), ..NOTHING }), Verdict::Undecided);
    }

    #[test]
    fn what_may_be_noise_takes_words() {
        let noise = Evidence { voiced: Duration::from_millis(380), perhaps_noise: true, ..NOTHING };
        assert_eq!(judge(0, noise), Verdict::Undecided);
        assert_eq!(judge(0, Evidence { overdue: true, ..noise }), Verdict::Resume);
        assert_eq!(judge(0, Evidence { words: "les horaires", ..noise }), Verdict::Interruption);
    }

    #[test]
    fn an_acknowledgement_never_interrupts() {
        let mhm = Evidence { words: "Mhm.", voiced: Duration::from_millis(380), ..NOTHING };
        assert_eq!(judge(0, mhm), Verdict::Undecided);
        assert_eq!(judge(0, Evidence { voicing: false, ..mhm }), Verdict::Resume);
        assert_eq!(judge(0, Evidence { overdue: true, ..mhm }), Verdict::Resume);
    }

    #[test]
    fn an_interruption_phrase_always_interrupts() {
        assert_eq!(judge(5, Evidence { words: "attendez", ..NOTHING }), Verdict::Interruption);
    }

    #[test]
    fn what_may_be_echo_must_outlast_the_hold() {
        let perhaps_echo =
            Evidence { perhaps_echo: true, voiced: Duration::from_millis(300), ..NOTHING };
        assert_eq!(judge(0, perhaps_echo), Verdict::Undecided);
        assert_eq!(judge(0, Evidence { words: "stop", ..perhaps_echo }), Verdict::Undecided);
        assert_eq!(judge(0, Evidence { overdue: true, ..perhaps_echo }), Verdict::Interruption);
        let over = Evidence { voicing: false, ..perhaps_echo };
        assert_eq!(judge(0, over), Verdict::Resume);
        assert_eq!(judge(0, Evidence { words: "stop", ..over }), Verdict::Interruption);
    }

    #[test]
    fn a_cough_resumes() {
        let cough = Evidence { voiced: Duration::from_millis(130), voicing: false, ..NOTHING };
        assert_eq!(judge(0, cough), Verdict::Resume);
    }

    #[test]
    fn words_are_counted_where_a_number_is_set() {
        let two = Evidence { words: "les horaires", ..NOTHING };
        assert_eq!(judge(2, two), Verdict::Interruption);
        assert_eq!(judge(3, two), Verdict::Undecided);
        assert_eq!(judge(3, Evidence { overdue: true, ..two }), Verdict::Resume);
        let filled = Evidence { words: "euh les horaires", ..NOTHING };
        assert_eq!(judge(3, filled), Verdict::Undecided, "a filler is no word");
    }

    #[test]
    fn words_in_mere_noise_do_not_interrupt() {
        let plan = Settings::default().stop_speaking;
        let phrases = phrases(&plan);
        assert!(words_interrupt(&plan, &phrases, "thank you", true));
        assert!(!words_interrupt(&plan, &phrases, "thank you", false));
        assert!(words_interrupt(&plan, &phrases, "stop", false));
    }
}
