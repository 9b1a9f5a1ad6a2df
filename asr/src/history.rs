//! The last moments of a stream, kept because news of speech comes after its beginning.

/// The stream's last samples. All memory is taken when it is made.
pub(crate) struct History {
    /// The sample numbered `n` stands at `n % samples.len()`.
    samples: Box<[i16]>,
    position: u64,
}

impl History {
    /// A history of `length` samples.
    pub(crate) fn new(length: usize) -> Self {
        Self { samples: vec![0; length.max(1)].into(), position: 0 }
    }

    /// Samples pushed so far.
    pub(crate) const fn position(&self) -> u64 {
        self.position
    }

    /// The oldest sample that is still there, as a stream position.
    pub(crate) const fn oldest(&self) -> u64 {
        self.position.saturating_sub(self.samples.len() as u64)
    }

    /// Takes the stream's next samples, at most a history of them at once.
    pub(crate) fn push(&mut self, samples: &[i16]) {
        let length = self.samples.len();
        debug_assert!(samples.len() <= length);
        let start = (self.position % length as u64) as usize;
        let (to_end, from_start) = samples.split_at(samples.len().min(length - start));
        self.samples[start..start + to_end.len()].copy_from_slice(to_end);
        self.samples[..from_start.len()].copy_from_slice(from_start);
        self.position += samples.len() as u64;
    }

    /// The samples since `from`, a position that is still there, in two pieces.
    pub(crate) fn since(&self, from: u64) -> [&[i16]; 2] {
        debug_assert!((self.oldest()..=self.position).contains(&from));
        let length = self.samples.len();
        let start = (from % length as u64) as usize;
        let count = (self.position - from) as usize;
        let first = count.min(length - start);
        [&self.samples[start..start + first], &self.samples[..count - first]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_samples_are_there_in_order() {
        let mut history = History::new(10);
        assert!(history.since(0).concat().is_empty());
        for block in [&[0, 1, 2, 3][..], &[4, 5, 6, 7], &[8, 9, 10, 11, 12]] {
            history.push(block);
        }
        assert_eq!((history.position(), history.oldest()), (13, 3));
        assert_eq!(history.since(3).concat(), (3..13).collect::<Vec<i16>>());
        assert_eq!(history.since(12).concat(), [12]);
        assert!(history.since(13).concat().is_empty());
    }
}
