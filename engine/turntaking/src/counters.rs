//! What was dropped and why, and how often the Floor guessed right.

/// Counts since the call began. Nothing the Floor is told disappears without one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Messages of a reply or a pause that is over.
    pub late: u64,
    /// Messages that repeat what is known.
    pub duplicate: u64,
    /// Messages about something the Floor never asked for, or before the call was connected.
    pub foreign: u64,
    /// Messages whose content makes no sense: spans outside the text, keys that do not exist.
    pub invalid: u64,
    /// Words of a turn that came when its reply could be heard already.
    pub late_words: u64,
    /// Keys pressed while keypad input is off.
    pub ignored_digits: u64,
    /// Orders to say something that came when too many were waiting, or the call was closing.
    pub dropped_orders: u64,
    /// The voice gate opened and no word followed.
    pub noises: u64,
    /// The voice gate opened for the assistant's own voice, which was found out then.
    pub echoes: u64,
    /// "Mhm" and its like, said while the assistant spoke, and rightly passed over.
    pub backchannels: u64,
    /// Turns whose reply was started again because words came late.
    pub restarts: u64,
    /// Answers of the assistant's endpointing server that never came, or made no sense.
    pub failed_looks: u64,
    /// Replies prepared in advance.
    pub speculations: u64,
    /// Of these, kept.
    pub speculations_kept: u64,
}

impl Counters {
    /// Inputs that had no effect.
    pub const fn dropped(&self) -> u64 {
        self.late
            + self.duplicate
            + self.foreign
            + self.invalid
            + self.late_words
            + self.ignored_digits
            + self.dropped_orders
    }

    /// Replies prepared in advance and dropped unheard (one still in preparation counts).
    pub const fn speculations_wasted(&self) -> u64 {
        self.speculations - self.speculations_kept
    }
}
