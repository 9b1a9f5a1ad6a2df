//! The last frames of a stream, by number.

/// Frames that are kept: 2 s. The longest look back is a window of evidence before the longest
/// delay.
const KEPT: usize = 128;

/// A ring of what is known of each frame. Frames come in order, without a gap.
#[derive(Clone, Debug)]
pub(super) struct Frames<T> {
    items: Box<[T; KEPT]>,
    /// The number of the next frame.
    next: i64,
    absent: T,
}

impl<T: Copy> Frames<T> {
    /// No frame yet; `absent` stands for those that are not kept.
    pub(super) fn new(absent: T) -> Self {
        Self { items: Box::new([absent; KEPT]), next: 0, absent }
    }

    /// Forgets everything: the next frame is `next`. Those before it are absent.
    pub(super) fn restart(&mut self, next: i64) {
        self.items.fill(self.absent);
        self.next = next;
    }

    /// The number of the next frame.
    pub(super) const fn next(&self) -> i64 {
        self.next
    }

    pub(super) fn push(&mut self, item: T) {
        if self.next >= 0 {
            self.items[slot(self.next)] = item;
        }
        self.next += 1;
    }

    /// The frame `number`.
    pub(super) fn at(&self, number: i64) -> &T {
        if self.has(number) { &self.items[slot(number)] } else { &self.absent }
    }

    /// The frame `number`, where it is kept.
    pub(super) fn at_mut(&mut self, number: i64) -> Option<&mut T> {
        self.has(number).then(|| &mut self.items[slot(number)])
    }

    fn has(&self, number: i64) -> bool {
        number >= 0 && number < self.next && number + KEPT as i64 >= self.next
    }
}

fn slot(number: i64) -> usize {
    // Never negative: `has` and `next` see to it.
    number as usize % KEPT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_frames_are_kept_by_number() {
        let mut frames = Frames::new(-1);
        assert_eq!(*frames.at(0), -1);
        for number in 0..300 {
            assert_eq!(frames.next(), i64::from(number));
            frames.push(number);
        }
        assert_eq!([frames.at(299), frames.at(172)], [&299, &172]);
        assert_eq!([frames.at(300), frames.at(171), frames.at(-1)], [&-1; 3]);
        *frames.at_mut(200).expect("it is kept") = 7;
        assert_eq!(*frames.at(200), 7);
        assert!(frames.at_mut(171).is_none());
    }
}
