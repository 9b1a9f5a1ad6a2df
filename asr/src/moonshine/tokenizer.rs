//! Moonshine's vocabulary: token numbers to text.

use std::path::Path;

/// Begins every text.
pub(crate) const BEGIN: i64 = 1;
/// Ends every text.
pub(crate) const END: i64 = 2;

/// SentencePiece's mark for a space before a word.
const SPACE: char = '\u{2581}';

/// The byte string of each token.
///
/// The file is a run of length-prefixed byte strings, one for each token in order. A length below
/// 128 takes one byte; a longer one two, the low seven bits first with the top bit set. An empty
/// string stands for a token that is never written.
pub(crate) struct Tokenizer {
    bytes: Box<[u8]>,
    /// Where each token's string ends in `bytes`; it begins where the one before ends.
    ends: Box<[u32]>,
}

impl Tokenizer {
    /// Reads `tokenizer.bin`.
    pub(crate) fn load(path: &Path) -> Result<Self, String> {
        let file = std::fs::read(path)
            .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        Self::parse(&file).map_err(|reason| format!("{}: {reason}", path.display()))
    }

    fn parse(file: &[u8]) -> Result<Self, String> {
        let mut bytes = Vec::with_capacity(file.len());
        let mut ends = Vec::new();
        let mut rest = file;
        while let Some((&low, after)) = rest.split_first() {
            let (length, after) = match (low, after.split_first()) {
                (0..128, _) => (usize::from(low), after),
                (_, Some((&high, after))) => {
                    (usize::from(low & 0x7f) | usize::from(high) << 7, after)
                }
                (_, None) => return Err("it ends within a length".to_owned()),
            };
            let (token, after) = after
                .split_at_checked(length)
                .ok_or_else(|| format!("it ends within token {}", ends.len()))?;
            bytes.extend_from_slice(token);
            ends.push(u32::try_from(bytes.len()).map_err(|_| "it is too long".to_owned())?);
            rest = after;
        }
        if ends.len() <= END as usize {
            return Err(format!("it holds {} tokens, too few for a vocabulary", ends.len()));
        }
        Ok(Self { bytes: bytes.into(), ends: ends.into() })
    }

    /// How many tokens there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Writes the text of `tokens` into `text`, replacing what was there. Control tokens and
    /// numbers outside the vocabulary write nothing; bytes that are not UTF-8 become U+FFFD.
    pub(crate) fn write_text(&self, tokens: &[i64], text: &mut String) {
        let mut joined = Vec::with_capacity(tokens.len() * 4);
        for &token in tokens {
            let token = self.token(token);
            if !is_control(token) {
                joined.extend_from_slice(token);
            }
        }
        text.clear();
        text.push_str(String::from_utf8_lossy(&joined).replace(SPACE, " ").trim());
    }

    fn token(&self, token: i64) -> &[u8] {
        let Ok(index) = usize::try_from(token) else { return &[] };
        let Some(&end) = self.ends.get(index) else { return &[] };
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start as usize..end as usize]
    }
}

/// `<s>`, `</s>`, `<unk>` and the spare `<<ST_n>>`: marks for the model, not text.
fn is_control(token: &[u8]) -> bool {
    token.len() > 2 && token.starts_with(b"<") && token.ends_with(b">")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(tokens: &[&[u8]]) -> Vec<u8> {
        let mut file = Vec::new();
        for token in tokens {
            if token.len() < 128 {
                file.push(token.len() as u8);
            } else {
                file.extend([(token.len() & 0x7f | 0x80) as u8, (token.len() >> 7) as u8]);
            }
            file.extend_from_slice(token);
        }
        file
    }

    #[test]
    fn tokens_join_into_words() {
        let long = [b'x'; 300];
        let tokenizer = Tokenizer::parse(&file(&[
            b"<unk>",
            b"<s>",
            b"</s>",
            "\u{2581}caf".as_bytes(),
            b"\xc3",
            b"\xa9",
            "\u{2581}au".as_bytes(),
            &long,
            b"",
        ]))
        .expect("well formed");
        assert_eq!(tokenizer.len(), 9);
        let mut text = "old".to_owned();
        tokenizer.write_text(&[BEGIN, 3, 4, 5, 6, 8, 99, -1, END], &mut text);
        assert_eq!(text, "café au");
        tokenizer.write_text(&[7], &mut text);
        assert_eq!(text.len(), 300);
        tokenizer.write_text(&[3, 4], &mut text);
        assert_eq!(text, "caf\u{fffd}");
    }

    #[test]
    fn a_cut_file_is_refused() {
        let whole = file(&[b"<unk>", b"<s>", b"</s>", b"abc"]);
        assert!(Tokenizer::parse(&whole).is_ok());
        for (length, reason) in [(0, "too few"), (5, "within token"), (whole.len() - 1, "token 3")]
        {
            let error = Tokenizer::parse(&whole[..length]).err().expect("cut");
            assert!(error.contains(reason), "{length}: {error}");
        }
        let within_length = [&whole[..], &[0x85]].concat();
        assert!(Tokenizer::parse(&within_length).err().expect("cut").contains("length"));
    }
}
