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
    ) -> Result<String, SynthesizerError> {
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
        Ok(join_clauses(&String::from_utf8_lossy(&printed.stdout), &said))
    }
}

/// Puts back the marks at which espeak-ng starts a new line.
fn join_clauses(printed: &str, said: &[&str]) -> String {
    let mark = |word: &&str| word.chars().next_back().filter(|c| ".,;:!?".contains(*c));
    let marks: Vec<char> = said.iter().filter_map(mark).collect();
    let lines: Vec<&str> = printed.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last_mark = said.last().and_then(mark);
    // A mark may be an abbreviation's: then the lines tell nothing about which is which.
    let known = lines.len() == marks.len() + usize::from(last_mark.is_none());
    let mut phonemes = String::with_capacity(printed.len() + lines.len());
    for (at, line) in lines.iter().enumerate() {
        push_without_switches(&mut phonemes, line);
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

/// `(en)wˈiːkˈɛnd(fr)`: the language a word was borrowed from is no sound.
fn push_without_switches(into: &mut String, line: &str) {
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('(') {
        into.push_str(before);
        rest = after.split_once(')').map_or("", |(_, after)| after);
    }
    into.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_come_back_between_clauses() {
        let printed = "həlˈoʊ\nwˈɜːld\nhˈaʊ ɑːɹ juː\n";
        assert_eq!(
            join_clauses(printed, &["Hello,", "world!", "How", "are", "you?"]),
            "həlˈoʊ, wˈɜːld! hˈaʊ ɑːɹ juː?"
        );
        assert_eq!(join_clauses("dˈɑːktɚ smˈɪθ\n", &["Dr.", "Smith"]), "dˈɑːktɚ smˈɪθ");
        assert_eq!(join_clauses("a\nb\n", &["Dr.", "A,", "b."]), "a, b.");
        assert_eq!(join_clauses("", &["!"]), "");
    }

    #[test]
    fn switches_of_language_are_left_out() {
        assert_eq!(join_clauses("lə- (en)wˈiːkˈɛnd(fr) ʃ\n", &["x"]), "lə- wˈiːkˈɛnd ʃ");
        assert_eq!(join_clauses("lə- (en", &["x"]), "lə- ");
    }
}
