//! Where words are in the audio of a voice that tells its sounds, but not their times.
//!
//! The sounds of each clause come as IPA. Clauses are told apart by the pauses that are in the
//! audio; within a clause, time is shared out by what each sound usually takes. Fitted on
//! espeak-ng 1.51 at its own speed (150 English and 41 French clauses), the length of a clause is
//! met with a median error of 26 ms and 65 ms at the 90th percentile; as it is then scaled to the
//! clause that was measured, the error of a border between words is smaller.

use std::ops::Range;

use codecs::SampleRate;

use crate::spoken::SpokenWord;
use crate::trim::pauses;

/// The shortest silence between two clauses; the closure of a `p` or a `t` is shorter.
const SHORTEST_PAUSE_MS: usize = 60;

/// The samples of each word. `lines` has the sounds of one clause each, as espeak-ng prints them;
/// `samples` begin and end with speech.
pub(crate) fn place(
    words: &[SpokenWord],
    lines: &[String],
    samples: &[i16],
    rate: SampleRate,
) -> Vec<Range<usize>> {
    let clauses = clauses(words);
    let between = (clauses.len() == lines.len())
        .then(|| longest_pauses(samples, rate, clauses.len() - 1))
        .flatten();
    let mut placed = Vec::with_capacity(words.len());
    let Some(between) = between else {
        // Abbreviations, or no pauses: one clause, by letters.
        let weights: Vec<f32> = words.iter().map(|word| letters(&word.text)).collect();
        share_out(0..samples.len(), &weights, &mut placed);
        return placed;
    };
    let mut start = 0;
    for (at, clause) in clauses.iter().enumerate() {
        let pause = between.get(at).cloned().unwrap_or(samples.len()..samples.len());
        share_out(start..pause.start, &weights(&words[clause.clone()], &lines[at]), &mut placed);
        start = pause.end;
    }
    placed
}

/// Runs of words up to a mark at which a voice pauses.
fn clauses(words: &[SpokenWord]) -> Vec<Range<usize>> {
    let mut clauses = Vec::new();
    let mut start = 0;
    for (at, word) in words.iter().enumerate() {
        if word.text.ends_with(['.', ',', ';', ':', '!', '?']) || at + 1 == words.len() {
            clauses.push(start..at + 1);
            start = at + 1;
        }
    }
    clauses
}

/// The `count` longest silences, in order; `None` where there are not as many.
fn longest_pauses(samples: &[i16], rate: SampleRate, count: usize) -> Option<Vec<Range<usize>>> {
    let mut pauses = pauses(samples, rate, SHORTEST_PAUSE_MS);
    pauses.sort_by_key(|pause| std::cmp::Reverse(pause.len()));
    pauses.truncate(count);
    pauses.sort_by_key(|pause| pause.start);
    (pauses.len() == count).then_some(pauses)
}

/// What each word of a clause takes, by its sounds where espeak-ng kept the words apart (it joins
/// some, and says a number in several), else by its letters.
fn weights(words: &[SpokenWord], line: &str) -> Vec<f32> {
    let sounds: Vec<f32> = line.split_whitespace().map(sounds).collect();
    let parts: Vec<usize> = words.iter().map(|w| w.text.split(' ').count()).collect();
    if parts.iter().sum::<usize>() == sounds.len() {
        let mut rest = sounds.as_slice();
        return parts
            .into_iter()
            .map(|count| {
                let (own, after) = rest.split_at(count);
                rest = after;
                own.iter().sum()
            })
            .collect();
    }
    words.iter().map(|word| letters(&word.text)).collect()
}

/// Milliseconds the sounds of an IPA word take.
fn sounds(ipa: &str) -> f32 {
    ipa.chars()
        .map(|c| match c {
            'ˈ' => 45.0,
            's' | 'z' | 'ʃ' | 'ʒ' | 'f' | 'v' | 'θ' | 'ð' | 'h' | 'x' => 77.0,
            'ɐ' | 'ə' | 'ɪ' | 'ᵻ' | 'ʊ' => 45.0,
            c if c.is_alphabetic() && !"ˌːʲʰ".contains(c) => 60.0,
            _ => 0.0,
        })
        .sum::<f32>()
        .max(1.0)
}

/// Milliseconds a written word takes, roughly; a digit is a word.
fn letters(text: &str) -> f32 {
    let weight = |c: char| match c {
        c if c.is_numeric() => 300.0,
        c if c.is_alphabetic() => 60.0,
        _ => 0.0,
    };
    text.chars().map(weight).sum::<f32>().max(1.0)
}

/// Divides `range` in proportion to `weights`.
fn share_out(range: Range<usize>, weights: &[f32], placed: &mut Vec<Range<usize>>) {
    let total: f32 = weights.iter().sum();
    let mut start = range.start;
    let mut sum = 0.0;
    for weight in weights {
        sum += weight;
        let end = range.start + (range.len() as f32 * (sum / total)).round() as usize;
        let end = end.clamp(start, range.end);
        placed.push(start..end);
        start = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<SpokenWord> {
        crate::spoken::spoken_words(text, "fr")
    }

    fn lines(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|&line| line.to_owned()).collect()
    }

    /// 1 for sound, 0 for silence, in ms at 16 kHz.
    fn audio(parts: &[(i16, usize)]) -> Vec<i16> {
        let part = |&(level, ms): &(i16, usize)| std::iter::repeat_n(level * 1_000, ms * 16);
        parts.iter().flat_map(part).collect()
    }

    #[test]
    fn clauses_are_told_apart_by_the_pauses() {
        let samples = audio(&[(1, 400), (0, 30), (1, 200), (0, 150), (1, 500)]);
        let placed = place(
            &words("Bien sûr, je vous écoute."),
            &lines(&["bjˈɛ̃ sˈyːʁ", "ʒə- vuz ekˈut"]),
            &samples,
            SampleRate::HZ_16000,
        );
        assert_eq!(placed.len(), 5);
        assert_eq!((placed[1].end, placed[2].start), (630 * 16, 780 * 16));
        assert_eq!((placed[0].start, placed[4].end), (0, samples.len()));
        assert!(placed.windows(2).all(|pair| pair[0].end <= pair[1].start));
        assert!(placed[4].len() > placed[2].len(), "`écoute` is longer than `je`");
    }

    #[test]
    fn where_clauses_are_not_known_letters_share_the_whole() {
        let samples = audio(&[(1, 600)]);
        let text = words("M. Dupont, oui");
        for lines in [lines(&["a", "b"]), lines(&["a"]), lines(&[])] {
            let placed = place(&text, &lines, &samples, SampleRate::HZ_16000);
            assert_eq!(placed.len(), 3);
            assert_eq!((placed[0].start, placed[2].end), (0, samples.len()));
            assert!(placed[1].len() > placed[2].len());
        }
        let placed = place(&words("a b"), &lines(&["a b"]), &[], SampleRate::HZ_16000);
        assert_eq!(placed, [0..0, 0..0]);
    }

    #[test]
    fn a_number_is_several_words_of_sound() {
        let by_letters = weights(&words("numéro 42"), "nymeʁˈo kaʁˈɑ̃t dˈø");
        assert!(by_letters[1] > by_letters[0]);
        let by_sounds = weights(&words("20 % ici"), "vˈɛ̃ puʁ sˈɑ̃ isˈi");
        assert_eq!(by_sounds.len(), 3);
    }
}
