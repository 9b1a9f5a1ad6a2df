//! What the model was told the caller had heard, against what was audible. Pure.
//!
//! The stand-in for the model logs each request with its messages, the carriers which words were
//! heard. A reply is known by its words, so that the requests need not say which call they are of:
//! between two replies that a caller heard, the second's request must say of the first what was
//! audible, to the word. A word that was cut in the middle may be said or not.

use std::collections::BTreeMap;
use std::time::Duration;

use mocks::openai::Asked;
use mocks::vocabulary;
use serde::Serialize;
use tokio::time::Instant;

use super::ear::HeardWord;
use super::line::CallLog;

/// A reply is looked for among the requests of so long before it was heard.
const WINDOW: Duration = Duration::from_secs(20);

/// Silence after which another reply may begin, in samples: 0.3 s.
const PAUSE: u64 = 2_400;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Replies whose history could be checked: heard, and followed by another.
    pub checked: usize,
    /// Of those, replies that were cut short.
    pub cut_short: usize,
    /// Words that the model was told and nobody heard.
    pub unheard_words: usize,
    /// Words that were heard and the model was not told.
    pub missing_words: usize,
    /// Replies that could not be told from the tones.
    pub unreadable: usize,
    /// Replies that were asked for.
    pub requests: usize,
    /// Of those, replies that were heard.
    pub heard: usize,
    /// The first few disagreements: what the model was told, and what was heard.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<Disagreement>,
}

/// What the model was told of a reply, and what was heard of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Disagreement {
    /// What the reply was going to say.
    pub text: String,
    /// Words of it that were heard to their end, and with the one that was begun.
    pub heard: [usize; 2],
    /// What was added to the conversation after it, role by role.
    pub told: Vec<String>,
}

/// Disagreements that are kept.
const EXAMPLES: usize = 8;

impl Verdict {
    /// Words that were told and not heard, or heard and not told.
    pub fn heard_errors(&self) -> usize {
        self.unheard_words + self.missing_words
    }

    /// Part of the requests whose reply nobody heard: speculation, mostly.
    pub fn wasted(&self) -> f64 {
        let wasted = self.requests.saturating_sub(self.heard);
        wasted as f64 / self.requests.max(1) as f64
    }
}

/// A reply that a caller heard.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Reply {
    /// Its request.
    number: usize,
    /// Words of its text that were heard to their end, from the first.
    whole: usize,
    /// With the word that was begun, if any.
    begun: usize,
}

/// Compares the calls of a run with the requests made in it.
pub fn judge(calls: &[CallLog], requests: &[Asked]) -> Verdict {
    let mut verdict = Verdict { requests: requests.len(), ..Verdict::default() };
    let beginnings = beginnings(requests);
    for call in calls {
        let mut before: Option<Reply> = None;
        for words in replies(call) {
            let mut rest = words.as_slice();
            while !rest.is_empty() {
                let Some((reply, count)) = known(rest, call.began, requests, &beginnings) else {
                    verdict.unreadable += 1;
                    break;
                };
                rest = &rest[count..];
                verdict.heard += 1;
                if let Some(before) = before {
                    compare(&before, reply.number, requests, &mut verdict);
                }
                before = Some(reply);
            }
        }
    }
    verdict
}

/// Requests by the tones of their reply's first two words.
fn beginnings(requests: &[Asked]) -> BTreeMap<(usize, usize), Vec<usize>> {
    let mut beginnings = BTreeMap::<_, Vec<usize>>::new();
    for (index, request) in requests.iter().enumerate() {
        let tones: Vec<usize> = tones_of_reply(request.number).into_iter().map(|t| t.1).collect();
        beginnings.entry((tones[0], tones[1])).or_default().push(index);
    }
    beginnings
}

/// The tones of a reply, each with the word of its text that it belongs to.
fn tones_of_reply(number: u64) -> Vec<(usize, usize)> {
    let tokens = vocabulary::reply(number);
    let tones = tokens.iter().enumerate().flat_map(|(word, token)| {
        vocabulary::tones_of(token.trim()).into_iter().map(move |tone| (word, tone))
    });
    tones.collect()
}

/// The words heard between two turns of the caller.
fn replies(call: &CallLog) -> Vec<Vec<HeardWord>> {
    let mut ends = call.said.iter().filter(|said| said.sound.is_turn()).map(|said| said.speech_end);
    let mut replies = Vec::new();
    let mut reply = Vec::new();
    let mut until = ends.next().unwrap_or(u64::MAX);
    for word in &call.words {
        while word.start >= until {
            replies.push(std::mem::take(&mut reply));
            until = ends.next().unwrap_or(u64::MAX);
        }
        reply.push(*word);
    }
    replies.push(reply);
    replies.retain(|reply| !reply.is_empty());
    replies
}

/// Which reply these words begin with, and how many of them are its.
fn known(
    words: &[HeardWord],
    began: Instant,
    requests: &[Asked],
    beginnings: &BTreeMap<(usize, usize), Vec<usize>>,
) -> Option<(Reply, usize)> {
    let tones: Vec<usize> = words.iter().map_while(|word| word.tone).collect();
    let [first, second, ..] = tones[..] else { return None };
    let heard_at = began + Duration::from_secs_f64(words[0].start as f64 / 8_000.0);
    let candidates = beginnings.get(&(first, second))?;
    let in_time = |index: &&usize| {
        let at = requests[**index].at;
        at <= heard_at && heard_at - at < WINDOW
    };
    let number = *candidates.iter().rev().find(in_time)?;
    let plan = tones_of_reply(requests[number].number);
    let (mut whole, mut begun) = (0, 0);
    let mut last: Option<(usize, u64)> = None;
    let mut count = 0;
    for word in words {
        let place = plan.iter().position(|(_, tone)| Some(*tone) == word.tone);
        if let Some((before, end)) = last
            && word.start - end >= PAUSE
            && place.is_none_or(|place| place < before || place > before + 1)
        {
            // After a pause a reply goes on where it was; what does not is another.
            break;
        }
        count += 1;
        let Some(place) = place else { continue };
        last = Some((place, word.end));
        let text_word = plan[place].0;
        begun = begun.max(text_word + 1);
        // All that belongs to the written word was spoken.
        let ends = plan.get(place + 1).is_none_or(|next| next.0 != text_word);
        if word.whole && ends {
            // A sign that is written and not spoken goes with the word before.
            let next = plan.get(place + 1).map_or(20, |next| next.0);
            whole = whole.max(next);
            begun = begun.max(next);
        }
    }
    Some((Reply { number, whole, begun }, count))
}

/// What request `next` says of the reply before it.
fn compare(before: &Reply, next: usize, requests: &[Asked], verdict: &mut Verdict) {
    let known = requests[before.number].messages.len();
    let since = requests[next].messages.get(known..).unwrap_or_default();
    // What stands between it and the caller's next words.
    let told: Vec<&str> = since
        .iter()
        .take_while(|(role, _)| role == "assistant")
        .flat_map(|(_, content)| content.split_whitespace())
        .collect();
    let text = vocabulary::reply(requests[before.number].number).concat();
    let text: Vec<&str> = text.split_whitespace().collect();
    verdict.checked += 1;
    verdict.cut_short += usize::from(before.whole < text.len());
    // The beginning of the reply that was told; other words are an error each.
    let same = told.iter().zip(&text).take_while(|(a, b)| is_same(a, b)).count();
    let unheard = told.len() - same + same.saturating_sub(before.begun);
    let missing = before.whole.saturating_sub(same);
    verdict.unheard_words += unheard;
    verdict.missing_words += missing;
    if unheard + missing > 0 && verdict.examples.len() < EXAMPLES {
        verdict.examples.push(Disagreement {
            text: text.join(" "),
            heard: [before.whole, before.begun],
            told: since.iter().map(|(role, content)| format!("{role}: {content}")).collect(),
        });
    }
}

/// Whether two written words are the same; the mark at the end may be missing after a cut.
fn is_same(told: &str, written: &str) -> bool {
    let plain = |word: &str| word.trim_end_matches(['.', ',']).to_owned();
    plain(told) == plain(written)
}

#[cfg(test)]
mod tests {
    use super::super::figures::Histogram;
    use super::super::script::{Said, Sound};
    use super::*;

    const SECOND: u64 = 8_000;

    fn asked(number: u64, at: Instant, messages: &[(&str, &str)]) -> Asked {
        let messages = messages.iter().map(|(r, c)| ((*r).to_owned(), (*c).to_owned())).collect();
        Asked { number, at, messages, tokens: 20 }
    }

    /// A call in which the first `count` tones of reply 0 and all of reply 1 were heard.
    fn call(began: Instant, count: usize, last_is_whole: bool) -> CallLog {
        let mut words = Vec::new();
        let mut say = |reply: u64, from: u64, count: usize, whole: bool| {
            let tones: Vec<usize> = tones_of_reply(reply).into_iter().map(|tone| tone.1).collect();
            for (index, tone) in tones.iter().take(count).enumerate() {
                let start = from * SECOND + index as u64 * 2_000;
                let whole = whole || index + 1 < count;
                words.push(HeardWord { tone: Some(*tone), whole, start, end: start + 1_900 });
            }
        };
        say(0, 5, count, last_is_whole);
        say(1, 20, usize::MAX, true);
        let said = |start: u64, end: u64| Said {
            sound: Sound::Turn(0),
            start: start * SECOND,
            speech_end: end * SECOND,
        };
        CallLog {
            began,
            length: 30 * SECOND,
            said: vec![said(1, 4), said(14, 19)],
            audible: Vec::new(),
            runs: Vec::new(),
            clears: 0,
            words,
            lateness: Histogram::default(),
            lead: Histogram::default(),
            malformed: 0,
            cut_off: false,
        }
    }

    /// What is found where `count` tones were heard and the model was told `told` words.
    fn found(count: usize, last_is_whole: bool, told: usize) -> Verdict {
        let began = Instant::now();
        let seconds = |s| began + Duration::from_secs(s);
        let text = vocabulary::reply(0).concat();
        let told: Vec<&str> = text.split_whitespace().take(told).collect();
        let told = told.join(" ");
        let first = [("system", "s"), ("user", "hello")];
        let mut second = first.to_vec();
        second.extend([("assistant", told.as_str()), ("user", "go on")]);
        let requests = [asked(0, seconds(4), &first), asked(1, seconds(19), &second)];
        judge(&[call(began, count, last_is_whole)], &requests)
    }

    #[test]
    fn what_was_heard_and_told_agrees() {
        let verdict = found(5, true, 5);
        assert_eq!((verdict.checked, verdict.cut_short, verdict.heard_errors()), (1, 1, 0));
        assert_eq!((verdict.heard, verdict.requests, verdict.unreadable), (2, 2, 0));
        assert_eq!(found(usize::MAX, true, 20).heard_errors(), 0);
        assert_eq!(found(usize::MAX, true, 20).cut_short, 0);
    }

    #[test]
    fn a_word_that_was_cut_may_be_told_or_not() {
        assert_eq!(found(5, false, 5).heard_errors(), 0);
        assert_eq!(found(5, false, 4).heard_errors(), 0);
        assert_eq!(found(5, false, 6).unheard_words, 1);
        assert_eq!(found(5, false, 3).missing_words, 1);
    }

    #[test]
    fn a_reply_that_came_too_early_is_another() {
        let began = Instant::now();
        let seconds = |s| began + Duration::from_secs(s);
        let mut log = call(began, 5, true);
        // The first word of reply 2, in the pause of the caller's second turn.
        let tone = Some(tones_of_reply(2)[0].1);
        let early = HeardWord { tone, whole: true, start: 17 * SECOND, end: 17 * SECOND + 900 };
        log.words.insert(5, early);
        let text = vocabulary::reply(0).concat();
        let told: Vec<&str> = text.split_whitespace().take(5).collect();
        let told = told.join(" ");
        let first = [("user", "hello")];
        let mut second = first.to_vec();
        second.extend([("assistant", told.as_str()), ("user", "go"), ("assistant", "Mango")]);
        second.push(("user", "on"));
        let requests = [
            asked(0, seconds(4), &first),
            asked(1, seconds(19), &second),
            asked(2, seconds(16), &second[..2]),
        ];
        let verdict = judge(&[log], &requests);
        assert_eq!((verdict.heard_errors(), verdict.unreadable, verdict.checked), (0, 1, 1));
    }

    #[test]
    fn words_too_many_and_too_few_are_counted() {
        assert_eq!(found(5, true, 9).unheard_words, 4);
        assert_eq!(found(5, true, 0).missing_words, 5);
    }

    #[test]
    fn the_price_is_two_written_words_and_three_spoken() {
        // Nine words, then "forty-two" and "euros" of three.
        assert_eq!(found(11, true, 9).heard_errors(), 0);
        assert_eq!(found(12, true, 11).heard_errors(), 0);
        assert_eq!(found(12, true, 9).missing_words, 2);
    }
}
