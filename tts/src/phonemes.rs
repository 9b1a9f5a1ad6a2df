//! Phonemes for voices that are given sounds, not letters: eSpeak NG run as a program prints
//! IPA, in the form Piper's models were trained on (piper-phonemize).

use std::path::PathBuf;
use std::sync::Arc;

use crate::SynthesizerError;
use crate::program::{Invocation, Work};
use crate::spoken::SpokenWord;

/// Asks espeak-ng for the sounds of words.
#[derive(Clone, Debug)]
pub(crate) struct Phonemizer {
    pub(crate) provider: &'static str,
    /// Absolute path of espeak-ng.
    pub(crate) program: Arc<PathBuf>,
}

impl Phonemizer {
    /// The sounds of `words` as a voice of espeak-ng says them, marks between phrases included.
    ///
    /// # Errors
    ///
    /// As [`Work::run`].
    pub(crate) async fn phonemes(
        &self,
        work: &Work,
        words: &[SpokenWord],
        voice: &str,
    ) -> Result<Sounds, SynthesizerError> {
        let said: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        let printed = work
            .run(Invocation {
                provider: self.provider,
                program: &self.program,
                args: &["-q", "-v", voice, "-b", "1", "--ipa", "--stdin"],
                input: said.join(" ") + "\n",
                seekable_stderr: false,
            })
            .await?;
        let lines = lines(&String::from_utf8_lossy(&printed.stdout));
        Ok(Sounds { joined: join_clauses(&lines, &said), lines })
    }
}

/// What words sound like, in IPA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sounds {
    /// Everything, with the marks between clauses.
    pub joined: String,
    /// A clause each.
    pub lines: Vec<String>,
}

/// The clauses espeak-ng printed, without switches of language: in `(en)wˈiːkˈɛnd(fr)` the
/// language a word was borrowed from is no sound.
pub(crate) fn lines(printed: &str) -> Vec<String> {
    let lines = printed.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let mut sounds = String::with_capacity(line.len());
            let mut rest = line;
            while let Some((before, after)) = rest.split_once('(') {
                sounds.push_str(before);
                rest = after.split_once(')').map_or("", |(_, after)| after);
            }
            sounds.push_str(rest);
            sounds
        })
        .collect()
}

/// Puts back the marks at which espeak-ng starts a new line.
fn join_clauses(lines: &[String], said: &[&str]) -> String {
    let mark = |word: &&str| word.chars().next_back().filter(|c| ".,;:!?".contains(*c));
    let marks: Vec<char> = said.iter().filter_map(mark).collect();
    let last_mark = said.last().and_then(mark);
    // A mark may be an abbreviation's: then the lines tell nothing about which is which.
    let known = lines.len() == marks.len() + usize::from(last_mark.is_none());
    let mut phonemes = String::new();
    for (at, line) in lines.iter().enumerate() {
        phonemes.push_str(line);
        let last = at + 1 == lines.len();
        match (last, known) {
            (true, _) => phonemes.extend(last_mark),
            (false, true) => phonemes.extend(marks.get(at)),
            (false, false) => phonemes.push(','),
        }
        if !last {
            phonemes.push(' ');
        }
    }
    phonemes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(printed: &str, said: &[&str]) -> String {
        join_clauses(&lines(printed), said)
    }

    #[test]
    fn marks_come_back_between_clauses() {
        let printed = "həlˈoʊ\nwˈɜːld\nhˈaʊ ɑːɹ juː\n";
        assert_eq!(
            joined(printed, &["Hello,", "world!", "How", "are", "you?"]),
            "həlˈoʊ, wˈɜːld! hˈaʊ ɑːɹ juː?"
        );
        assert_eq!(joined("dˈɑːktɚ smˈɪθ\n", &["Dr.", "Smith"]), "dˈɑːktɚ smˈɪθ");
        assert_eq!(joined("a\nb\n", &["Dr.", "A,", "b."]), "a, b.");
        assert_eq!(joined("", &["!"]), "");
    }

    #[test]
    fn switches_of_language_are_left_out() {
        assert_eq!(lines("lə- (en)wˈiːkˈɛnd(fr) ʃ\n"), ["lə- wˈiːkˈɛnd ʃ"]);
        assert_eq!(lines("\n lə- (en\n"), ["lə- "]);
    }
}
