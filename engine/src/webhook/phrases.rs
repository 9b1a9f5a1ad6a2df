//! What the assistant is about to say, for servers that follow along (`assistant.speechStarted`,
//! `model-output`, `voice-input`).

use turntaking::input::TurnId;

/// The words of the reply that is heard, and of those that may be.
#[derive(Debug, Default)]
pub(super) struct Phrases {
    heard: Option<TurnId>,
    /// Words of replies that nobody has heard anything of.
    waiting: Vec<(TurnId, String)>,
}

impl Phrases {
    /// The next words of a reply. Returns them where it is heard already.
    pub(super) fn push(&mut self, turn: TurnId, text: String) -> Option<String> {
        if self.heard == Some(turn) {
            return Some(text);
        }
        // One reply is prepared at a time.
        self.waiting.retain(|(of, _)| *of == turn);
        self.waiting.push((turn, text));
        None
    }

    /// The first sample of a reply was heard: returns its words so far.
    pub(super) fn begin(&mut self, turn: TurnId) -> Vec<String> {
        self.heard = Some(turn);
        let waiting = std::mem::take(&mut self.waiting);
        waiting.into_iter().filter(|(of, _)| *of == turn).map(|(_, text)| text).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_once_their_reply_is_heard() {
        let mut phrases = Phrases::default();
        let (dropped, live) = (TurnId(1), TurnId(2));
        assert_eq!(phrases.push(dropped, "Un ".to_owned()), None);
        assert_eq!(phrases.push(live, "Oui, ".to_owned()), None);
        assert_eq!(phrases.begin(live), ["Oui, "]);
        assert_eq!(phrases.push(live, "à midi.".to_owned()).as_deref(), Some("à midi."));
        assert_eq!(phrases.begin(TurnId(3)), [""; 0]);
    }
}
