//! Where words are in the sounds of a phrase.
//!
//! A voice that prints the sounds it made, with their times, does not say which word each belongs
//! to. The same program, asked for each word alone, prints the sounds of that word. In the phrase
//! a few of them differ (`the` before a vowel), so the two rows are aligned by edit distance.

/// A sound of a phrase.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Phone {
    /// Its name in the voice's alphabet.
    pub name: String,
    /// When it begins, in seconds.
    pub start: f32,
    /// When it ends, in seconds.
    pub end: f32,
}

/// Begin and end of each word, in seconds; words without a sound of their own are empty, at the
/// end of the word before. `words` has the sounds of each word said alone.
pub(crate) fn word_times(phones: &[Phone], words: &[Vec<String>]) -> Vec<(f32, f32)> {
    let expected: Vec<(&str, usize)> = words
        .iter()
        .enumerate()
        .flat_map(|(word, names)| names.iter().map(move |name| (name.as_str(), word)))
        .collect();
    let owners = owners(phones, &expected);
    let mut times: Vec<Option<(f32, f32)>> = vec![None; words.len()];
    for (phone, owner) in phones.iter().zip(owners) {
        let Some(time) = times.get_mut(owner) else { continue };
        *time = Some(time.map_or((phone.start, phone.end), |(start, _)| (start, phone.end)));
    }
    let mut end = phones.first().map_or(0.0, |phone| phone.start);
    times
        .into_iter()
        .map(|time| {
            let (start, stop) = time.unwrap_or((end, end));
            end = stop;
            (start, stop)
        })
        .collect()
}

/// The word each phone belongs to, never going back.
fn owners(phones: &[Phone], expected: &[(&str, usize)]) -> Vec<usize> {
    const GAP: f32 = 0.7;
    let width = expected.len() + 1;
    let mut cost = vec![0.0_f32; (phones.len() + 1) * width];
    for (column, cell) in cost.iter_mut().take(width).enumerate() {
        *cell = column as f32 * GAP;
    }
    for row in 1..=phones.len() {
        cost[row * width] = row as f32 * GAP;
        for column in 1..width {
            let diagonal = cost[(row - 1) * width + column - 1]
                + difference(&phones[row - 1].name, expected[column - 1].0);
            let inserted = cost[(row - 1) * width + column] + GAP;
            let missing = cost[row * width + column - 1] + GAP;
            cost[row * width + column] = diagonal.min(inserted).min(missing);
        }
    }
    let mut owners = vec![0; phones.len()];
    let (mut row, mut column) = (phones.len(), expected.len());
    while row > 0 {
        let here = cost[row * width + column];
        if column > 0 {
            let diagonal = cost[(row - 1) * width + column - 1]
                + difference(&phones[row - 1].name, expected[column - 1].0);
            if here >= diagonal {
                owners[row - 1] = expected[column - 1].1;
                (row, column) = (row - 1, column - 1);
                continue;
            }
            if here >= cost[row * width + column - 1] + GAP {
                column -= 1;
                continue;
            }
        }
        // A sound no word has: it belongs to the word that was being said.
        owners[row - 1] = expected.get(column.saturating_sub(1)).map_or(0, |&(_, word)| word);
        row -= 1;
    }
    owners
}

/// 0 for the same sound, little for one of the same kind.
fn difference(a: &str, b: &str) -> f32 {
    let vowel = |name: &str| name.starts_with(['a', 'e', 'i', 'o', 'u']);
    match (a == b, vowel(a) == vowel(b)) {
        (true, _) => 0.0,
        (false, true) => 0.5,
        (false, false) => 1.2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phones(names: &str) -> Vec<Phone> {
        let times = names.split(' ').enumerate();
        times
            .map(|(at, name)| Phone { name: name.into(), start: at as f32, end: at as f32 + 1.0 })
            .collect()
    }

    fn words(rows: &[&str]) -> Vec<Vec<String>> {
        rows.iter().map(|row| row.split_whitespace().map(str::to_owned).collect()).collect()
    }

    #[test]
    fn equal_sounds_give_exact_times() {
        let times = word_times(&phones("sh uh r ay k ae n"), &words(&["sh uh r", "ay", "k ae n"]));
        assert_eq!(times, [(0.0, 3.0), (3.0, 4.0), (4.0, 7.0)]);
    }

    #[test]
    fn a_reduced_vowel_and_an_added_sound_move_no_border() {
        let times = word_times(&phones("dh iy ae p ax l z"), &words(&["dh ax", "ae p ax l", "z"]));
        assert_eq!(times, [(0.0, 2.0), (2.0, 6.0), (6.0, 7.0)]);
        let times = word_times(&phones("k ae n t uw"), &words(&["k ae n", "uw"]));
        assert_eq!(times, [(0.0, 4.0), (4.0, 5.0)]);
    }

    #[test]
    fn a_word_without_sound_is_empty_and_in_order() {
        let times = word_times(&phones("ay k"), &words(&["ay", "", "k"]));
        assert_eq!(times, [(0.0, 1.0), (1.0, 1.0), (1.0, 2.0)]);
        assert_eq!(word_times(&[], &words(&["ay"])), [(0.0, 0.0)]);
        assert_eq!(word_times(&phones("ay k"), &words(&["", ""])), [(0.0, 2.0), (2.0, 2.0)]);
    }
}
