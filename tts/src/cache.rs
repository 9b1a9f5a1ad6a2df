//! Phrases that were spoken before.
//!
//! A business says the same things all day: its greeting, "un instant, s'il vous plaît", "merci de
//! votre appel". [`Cached`] keeps the audio of such phrases, with the places of their words, and
//! gives it back at once: no service is asked, nothing waits, and what was heard of a cached phrase
//! is known as exactly as of any other.
//!
//! Only what repeats is kept. A phrase that is spoken for the first time leaves a mark (8 bytes); if
//! it comes again before the mark is written over, its audio is kept. So the sentences that a model
//! writes once cost nothing. [`Synthesizer::prepare`] keeps at the first time: a greeting is made
//! while the telephone rings.
//!
//! A reply is served from the cache up to its first phrase that is not there; the rest is the
//! voice's, in one piece, so that its melody does not break at every phrase.
//!
//! The cache is shared by all calls. Nobody waits for it: who finds another at it goes without.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use codecs::SampleRate;

use crate::{SpeechEvent, SpeechStream, Synthesizer, SynthesizerError, TextChunk, VoiceConfig};

/// Marks of phrases that were spoken. A power of two; 32 kB.
const MARKS: usize = 4_096;

/// The longest reply that is listened to for its phrases, in samples: 20 s at 16 kHz.
const LONGEST: usize = 320_000;

/// A phrase may take this part of the cache at most, so that one does not drive out all others.
const LARGEST_PART: usize = 8;

/// What an entry takes beside its samples, spans and text, about.
const OVERHEAD: usize = 256;

/// The audio of repeated phrases, for all calls. Cheap to clone.
#[derive(Clone)]
pub struct PhraseCache(Arc<Shared>);

struct Shared {
    limit: usize,
    shelf: Mutex<Shelf>,
    marks: Box<[AtomicU64]>,
    voices: AtomicU64,
    hits: AtomicU64,
    misses: AtomicU64,
    bytes: AtomicU64,
    phrases: AtomicU64,
}

/// What a cache has done since it was made, and what it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheCounters {
    /// Phrases that were there.
    pub hits: u64,
    /// Phrases that were not.
    pub misses: u64,
    /// Phrases it holds.
    pub phrases: u64,
    /// Memory they take.
    pub bytes: u64,
}

#[derive(Default)]
struct Shelf {
    phrases: HashMap<Arc<Key>, Entry>,
    /// The least recently used first.
    order: BTreeMap<u64, Arc<Key>>,
    clock: u64,
    bytes: usize,
}

struct Entry {
    phrase: Arc<Phrase>,
    used: u64,
}

/// What decides how a phrase sounds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    voice: Arc<str>,
    text: String,
}

/// A phrase as it was spoken. Positions count from its own beginning.
#[derive(Debug)]
struct Phrase {
    rate: SampleRate,
    samples: Box<[i16]>,
    spans: Vec<(Range<u32>, Range<u64>)>,
}

impl Phrase {
    fn bytes(&self) -> usize {
        size_of_val(&*self.samples) + self.spans.capacity() * size_of::<(Range<u32>, Range<u64>)>()
    }
}

impl PhraseCache {
    /// A cache that takes up to `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Shared {
            limit,
            shelf: Mutex::default(),
            marks: (0..MARKS).map(|_| AtomicU64::new(0)).collect(),
            voices: AtomicU64::new(0),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            phrases: AtomicU64::new(0),
        }))
    }

    /// What it has done, and what it holds.
    pub fn counters(&self) -> CacheCounters {
        let load = |value: &AtomicU64| value.load(Ordering::Relaxed);
        CacheCounters {
            hits: load(&self.0.hits),
            misses: load(&self.0.misses),
            phrases: load(&self.0.phrases),
            bytes: load(&self.0.bytes),
        }
    }

    /// Whether the phrase was spoken lately; from now on it was.
    fn mark(&self, key: &Key) -> bool {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let hash = hasher.finish().max(1);
        self.0.marks[hash as usize % MARKS].swap(hash, Ordering::Relaxed) == hash
    }

    /// `None` also where another is at it.
    fn shelf(&self) -> Option<MutexGuard<'_, Shelf>> {
        self.0.shelf.try_lock().ok()
    }

    fn take(&self, key: &Key) -> Option<Arc<Phrase>> {
        let found = self.shelf().and_then(|mut shelf| shelf.take(key));
        let count = if found.is_some() { &self.0.hits } else { &self.0.misses };
        count.fetch_add(1, Ordering::Relaxed);
        found
    }

    fn has(&self, key: &Key) -> bool {
        self.shelf().is_some_and(|shelf| shelf.phrases.contains_key(key))
    }

    fn keep(&self, key: Key, phrase: Phrase) {
        if cost(&key, &phrase) > self.0.limit / LARGEST_PART {
            return;
        }
        let Some(mut shelf) = self.shelf() else { return };
        shelf.keep(key, phrase, self.0.limit);
        self.0.bytes.store(shelf.bytes as u64, Ordering::Relaxed);
        self.0.phrases.store(shelf.phrases.len() as u64, Ordering::Relaxed);
    }
}

impl fmt::Debug for PhraseCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PhraseCache").field("counters", &self.counters()).finish_non_exhaustive()
    }
}

fn cost(key: &Key, phrase: &Phrase) -> usize {
    phrase.bytes() + key.text.len() + OVERHEAD
}

impl Shelf {
    fn take(&mut self, key: &Key) -> Option<Arc<Phrase>> {
        let entry = self.phrases.get_mut(key)?;
        self.clock += 1;
        if let Some(key) = self.order.remove(&entry.used) {
            self.order.insert(self.clock, key);
        }
        entry.used = self.clock;
        Some(Arc::clone(&entry.phrase))
    }

    fn keep(&mut self, key: Key, phrase: Phrase, limit: usize) {
        if self.phrases.contains_key(&key) {
            return;
        }
        self.bytes += cost(&key, &phrase);
        self.clock += 1;
        let key = Arc::new(key);
        self.order.insert(self.clock, Arc::clone(&key));
        self.phrases.insert(key, Entry { phrase: Arc::new(phrase), used: self.clock });
        while self.bytes > limit
            && let Some((_, oldest)) = self.order.pop_first()
            && let Some(entry) = self.phrases.remove(&oldest)
        {
            self.bytes -= cost(&oldest, &entry.phrase);
        }
    }
}

/// A voice whose repeated phrases are kept.
#[derive(Debug)]
pub struct Cached {
    voices: Arc<dyn Synthesizer>,
    cache: PhraseCache,
    /// Tells its phrases from those of other providers in the same cache.
    number: u64,
}

impl Cached {
    /// The voices of `voices`, whose repeated phrases `cache` keeps.
    pub fn new(voices: Arc<dyn Synthesizer>, cache: &PhraseCache) -> Self {
        let number = cache.0.voices.fetch_add(1, Ordering::Relaxed);
        Self { voices, cache: cache.clone(), number }
    }

    fn stream(&self, voice: &VoiceConfig, keep_all: bool) -> Result<Stream, SynthesizerError> {
        let VoiceConfig { voice: name, language, speed } = voice;
        let number = self.number;
        Ok(Stream {
            inner: Some(self.voices.open(voice)?),
            cache: self.cache.clone(),
            voice: format!("{number}\0{name}\0{language}\0{speed}").into(),
            keep_all,
            ready: VecDeque::new(),
            rate: None,
            served: 0,
            missed: None,
            finished: false,
            over: false,
            waker: None,
        })
    }
}

impl Synthesizer for Cached {
    fn open(&self, voice: &VoiceConfig) -> Result<Box<dyn SpeechStream>, SynthesizerError> {
        Ok(Box::new(self.stream(voice, false)?))
    }

    fn prepare(&self, voice: &VoiceConfig, phrases: &[TextChunk]) -> Option<Box<dyn SpeechStream>> {
        // One that cannot be opened fails again, and says so, when it is wanted.
        let mut stream = self.stream(voice, true).ok()?;
        if phrases.iter().all(|phrase| self.cache.has(&stream.key(&phrase.text))) {
            return None;
        }
        for phrase in phrases {
            stream.push(phrase.clone());
        }
        stream.finish();
        Some(Box::new(stream))
    }
}

struct Stream {
    /// `None` once it is not needed any more.
    inner: Option<Box<dyn SpeechStream>>,
    cache: PhraseCache,
    voice: Arc<str>,
    /// Every phrase is kept, whether it repeats or not.
    keep_all: bool,
    ready: VecDeque<SpeechEvent>,
    /// That of the cached phrases.
    rate: Option<SampleRate>,
    /// Samples that came from the cache.
    served: u64,
    /// The voice speaks from here on.
    missed: Option<Missed>,
    finished: bool,
    over: bool,
    waker: Option<Waker>,
}

/// The part of a reply that was not in the cache.
struct Missed {
    /// Where it begins in the reply's text.
    text: u32,
    /// What is listened to for its phrases; `None`: none of them are to be kept.
    heard: Option<Heard>,
}

/// What the voice has said, in its own positions, which begin at zero.
#[derive(Default)]
struct Heard {
    rate: Option<SampleRate>,
    samples: Vec<i16>,
    spans: Vec<(Range<u32>, Range<u64>)>,
    /// The phrases, and whether each is to be kept.
    phrases: Vec<(TextChunk, bool)>,
}

impl Stream {
    fn key(&self, text: &str) -> Key {
        Key { voice: Arc::clone(&self.voice), text: text.to_owned() }
    }

    /// Gives a phrase from the cache.
    fn serve(&mut self, at: u32, phrase: &Phrase) {
        self.rate = Some(phrase.rate);
        for (text, audio) in &phrase.spans {
            self.ready.push_back(SpeechEvent::Span {
                text: text.start + at..text.end + at,
                audio: audio.start + self.served..audio.end + self.served,
            });
        }
        if !phrase.samples.is_empty() {
            let (rate, samples) = (phrase.rate, phrase.samples.to_vec());
            self.ready.push_back(SpeechEvent::Audio { rate, samples });
        }
        self.served += phrase.samples.len() as u64;
    }

    /// Has the voice say a phrase.
    fn speak(&mut self, chunk: TextChunk, keep: bool) {
        let missed = self.missed.get_or_insert_with(|| Missed {
            text: chunk.range.start,
            heard: keep.then(Heard::default),
        });
        let range = chunk.range.start - missed.text..chunk.range.end - missed.text;
        let chunk = TextChunk { range, ..chunk };
        if let Some(heard) = &mut missed.heard {
            heard.phrases.push((chunk.clone(), keep));
        }
        if let Some(inner) = &mut self.inner {
            inner.push(chunk);
        }
    }

    /// Takes what the voice gives, moves it behind what came from the cache, and notes it.
    fn pass(&mut self, event: SpeechEvent) -> SpeechEvent {
        let Some(missed) = &mut self.missed else { return event };
        if let Some(heard) = &mut missed.heard
            && !heard.note(&event)
        {
            missed.heard = None;
        }
        match event {
            SpeechEvent::Audio { rate, .. } if self.rate.is_some_and(|known| known != rate) => {
                self.over = true;
                let reason = "the voice has changed its sample rate".to_owned();
                SpeechEvent::Failed(SynthesizerError::Stream { provider: "cache", reason })
            }
            SpeechEvent::Span { text, audio } => SpeechEvent::Span {
                text: text.start + missed.text..text.end + missed.text,
                audio: audio.start + self.served..audio.end + self.served,
            },
            SpeechEvent::Done => {
                self.over = true;
                self.inner = None;
                if let Some(heard) = missed.heard.take() {
                    for (text, phrase) in heard.into_phrases() {
                        let key = self.key(&text);
                        self.cache.keep(key, phrase);
                    }
                }
                SpeechEvent::Done
            }
            SpeechEvent::Failed(_) => {
                self.over = true;
                event
            }
            SpeechEvent::Audio { .. } => event,
        }
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl SpeechStream for Stream {
    fn push(&mut self, chunk: TextChunk) {
        if self.finished || self.over {
            return;
        }
        let key = self.key(&chunk.text);
        if self.missed.is_none()
            && let Some(phrase) = self.cache.take(&key)
            && self.rate.is_none_or(|rate| rate == phrase.rate)
        {
            self.serve(chunk.range.start, &phrase);
        } else {
            let keep = self.cache.mark(&key) || self.keep_all;
            self.speak(chunk, keep);
        }
        self.wake();
    }

    fn finish(&mut self) {
        if self.finished {
            return;
        }
        self.finished = true;
        match (&self.missed, &mut self.inner) {
            (Some(_), Some(inner)) => inner.finish(),
            // It was not needed.
            _ => self.inner = None,
        }
        self.wake();
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<SpeechEvent> {
        if let Some(event) = self.ready.pop_front() {
            return Poll::Ready(event);
        }
        if self.over {
            return Poll::Pending;
        }
        if self.missed.is_some()
            && let Some(inner) = &mut self.inner
        {
            let event = std::task::ready!(inner.poll_event(cx));
            return Poll::Ready(self.pass(event));
        }
        if self.finished {
            self.over = true;
            return Poll::Ready(SpeechEvent::Done);
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Heard {
    /// Notes what the voice said. `false`: there is too much of it.
    fn note(&mut self, event: &SpeechEvent) -> bool {
        match event {
            SpeechEvent::Audio { rate, samples } => {
                self.rate = Some(*rate);
                self.samples.extend_from_slice(samples);
                self.samples.len() <= LONGEST
            }
            SpeechEvent::Span { text, audio } => {
                self.spans.push((text.clone(), audio.clone()));
                true
            }
            SpeechEvent::Done => true,
            SpeechEvent::Failed(_) => false,
        }
    }

    /// The phrases that are to be kept. A phrase begins where its first word does; the silence
    /// between two belongs to the first. A voice that does not say where each of its phrases begins
    /// has none that can be told apart.
    fn into_phrases(self) -> Vec<(String, Phrase)> {
        let Self { rate: Some(rate), samples, spans, phrases } = self else { return Vec::new() };
        let total = samples.len() as u64;
        let of = |range: &Range<u32>| {
            let first = spans.partition_point(|(text, _)| text.start < range.start);
            let behind = spans.partition_point(|(text, _)| text.start < range.end);
            &spans[first..behind]
        };
        let mut kept = Vec::new();
        for (index, (chunk, keep)) in phrases.iter().enumerate() {
            let own = of(&chunk.range);
            let begins = |spans: &[(Range<u32>, Range<u64>)]| Some(spans.first()?.1.start);
            let start = if index == 0 { Some(0) } else { begins(own) };
            let end = match phrases.get(index + 1) {
                Some((next, _)) => begins(of(&next.range)),
                None => Some(total),
            };
            let whole = own.last().is_some_and(|(text, _)| text.end <= chunk.range.end);
            let (Some(start), Some(end), true, true) = (start, end, *keep, whole) else { continue };
            let (from, to) = (start.min(total) as usize, end.min(total) as usize);
            if from >= to {
                continue;
            }
            let within = |at: u64| at.clamp(from as u64, to as u64) - from as u64;
            let at = chunk.range.start;
            let spans = own
                .iter()
                .map(|(text, audio)| {
                    (text.start - at..text.end - at, within(audio.start)..within(audio.end))
                })
                .collect();
            let samples = samples[from..to].into();
            kept.push((chunk.text.clone(), Phrase { rate, samples, spans }));
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::scripted::{Scripted, ScriptedConfig};

    /// Counts what is really synthesised.
    #[derive(Debug, Default)]
    struct Counted {
        voice: Scripted,
        pushed: Arc<AtomicUsize>,
    }

    struct CountedStream(Box<dyn SpeechStream>, Arc<AtomicUsize>);

    impl Synthesizer for Counted {
        fn open(&self, voice: &VoiceConfig) -> Result<Box<dyn SpeechStream>, SynthesizerError> {
            Ok(Box::new(CountedStream(self.voice.open(voice)?, Arc::clone(&self.pushed))))
        }
    }

    impl SpeechStream for CountedStream {
        fn push(&mut self, chunk: TextChunk) {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.push(chunk);
        }

        fn finish(&mut self) {
            self.0.finish();
        }

        fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<SpeechEvent> {
            self.0.poll_event(cx)
        }
    }

    type Spoken = (Vec<i16>, Vec<(Range<u32>, Range<u64>)>);

    fn voice(name: &str) -> VoiceConfig {
        VoiceConfig { voice: name.to_owned(), language: "fr".to_owned(), speed: 1.0 }
    }

    fn chunks(phrases: &[&str]) -> Vec<TextChunk> {
        let mut at = 0;
        let chunk = |text: &&str| {
            let range = at..at + text.len() as u32;
            at = range.end;
            TextChunk { text: (*text).to_owned(), range }
        };
        phrases.iter().map(chunk).collect()
    }

    fn drain(stream: &mut dyn SpeechStream) -> Spoken {
        let (mut all, mut places) = (Vec::new(), Vec::new());
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            match stream.poll_event(&mut cx) {
                Poll::Ready(SpeechEvent::Audio { samples, .. }) => all.extend(samples),
                Poll::Ready(SpeechEvent::Span { text, audio }) => {
                    assert!(audio.end >= all.len() as u64, "a span after its audio");
                    places.push((text, audio));
                }
                Poll::Ready(SpeechEvent::Done) => break,
                Poll::Ready(SpeechEvent::Failed(error)) => panic!("{error}"),
                Poll::Pending => {}
            }
        }
        assert!(stream.poll_event(&mut cx).is_pending(), "nothing after the end");
        (all, places)
    }

    fn say(voices: &dyn Synthesizer, name: &str, phrases: &[&str]) -> Spoken {
        let mut stream = voices.open(&voice(name)).expect("a voice");
        for chunk in chunks(phrases) {
            stream.push(chunk);
        }
        stream.finish();
        drain(&mut *stream)
    }

    fn cached(limit: usize) -> (Cached, PhraseCache, Arc<AtomicUsize>) {
        let counted = Counted::default();
        let pushed = Arc::clone(&counted.pushed);
        let cache = PhraseCache::new(limit);
        (Cached::new(Arc::new(counted), &cache), cache, pushed)
    }

    const GREETING: [&str; 2] = ["Bonjour, salon Camille,", " que puis-je faire pour vous ?"];

    #[test]
    fn what_repeats_is_the_same_and_is_synthesised_no_more() {
        let (cached, cache, pushed) = cached(8 << 20);
        let plain = say(&Scripted::default(), "", &GREETING);
        for (time, synthesised) in [(1, 2), (2, 4), (3, 4), (4, 4)] {
            assert_eq!(say(&cached, "", &GREETING), plain, "time {time}");
            assert_eq!(pushed.load(Ordering::Relaxed), synthesised, "time {time}");
        }
        let counters = cache.counters();
        assert_eq!((counters.hits, counters.phrases), (4, 2));
        assert!(counters.bytes > plain.0.len() as u64 * 2);
    }

    #[test]
    fn what_is_said_once_is_not_kept() {
        let (cached, cache, _) = cached(8 << 20);
        for number in 0..20 {
            say(&cached, "", &["Voilà,", &format!(" c'est le numéro {number}.")]);
        }
        assert_eq!(cache.counters().phrases, 1, "the phrase that all of them have");
    }

    #[test]
    fn a_new_phrase_goes_on_behind_a_known_one() {
        let (cached, _, pushed) = cached(8 << 20);
        let known = "Un instant, s'il vous plaît.";
        for _ in 0..2 {
            say(&cached, "", &[known]);
        }
        let before = pushed.load(Ordering::Relaxed);
        let (samples, spans) = say(&cached, "", &[known, " Je regarde.", " Voilà."]);
        assert_eq!(pushed.load(Ordering::Relaxed) - before, 2);
        let (first, first_spans) = say(&Scripted::default(), "", &[known]);
        let (rest, rest_spans) = say(&Scripted::default(), "", &[" Je regarde.", " Voilà."]);
        assert_eq!(samples, [first.clone(), rest].concat());
        let (text, audio) = (known.len() as u32, first.len() as u64);
        let moved = rest_spans.into_iter().map(|(words, heard)| {
            (words.start + text..words.end + text, heard.start + audio..heard.end + audio)
        });
        assert_eq!(spans, first_spans.into_iter().chain(moved).collect::<Vec<_>>());
    }

    #[test]
    fn voices_and_providers_do_not_mix() {
        let (first, cache, pushed) = cached(8 << 20);
        let other = Counted::default();
        let (second, theirs) = (Arc::clone(&other.pushed), Cached::new(Arc::new(other), &cache));
        for _ in 0..2 {
            say(&first, "a", &GREETING);
        }
        say(&first, "b", &GREETING);
        assert_eq!(pushed.load(Ordering::Relaxed), 6);
        say(&theirs, "a", &GREETING);
        assert_eq!(second.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn what_is_prepared_is_there_at_the_first_time() {
        let (cached, cache, pushed) = cached(8 << 20);
        let phrases = chunks(&GREETING);
        let mut stream = cached.prepare(&voice(""), &phrases).expect("it is not there");
        drain(&mut *stream);
        assert_eq!(pushed.load(Ordering::Relaxed), 2);
        assert!(cached.prepare(&voice(""), &phrases).is_none(), "it is there");
        assert_eq!(say(&cached, "", &GREETING), say(&Scripted::default(), "", &GREETING));
        assert_eq!((pushed.load(Ordering::Relaxed), cache.counters().hits), (2, 2));
    }

    #[test]
    fn the_least_used_makes_room() {
        let one = say(&Scripted::default(), "", &["Numéro 0."]).0.len() * 2;
        let limit = one * 20;
        let (cached, cache, pushed) = cached(limit);
        let prepare = |text: &str| {
            let stream = cached.prepare(&voice(""), &chunks(&[text]));
            stream.map(|mut stream| drain(&mut *stream)).is_some()
        };
        for number in 0..200 {
            prepare(&format!("Numéro {number}."));
            say(&cached, "", &["Numéro 0."]);
        }
        let CacheCounters { bytes, phrases, .. } = cache.counters();
        assert!(bytes <= limit as u64 && phrases > 3, "{bytes} of {limit}, {phrases} phrases");
        let before = pushed.load(Ordering::Relaxed);
        say(&cached, "", &["Numéro 0."]);
        assert_eq!(pushed.load(Ordering::Relaxed), before, "in use all the time");
        assert!(prepare("Numéro 1."), "long gone");
        assert!(!prepare("Numéro 1."), "there again");
        let long = "Une phrase qui prend bien plus que sa part de la mémoire. ".repeat(40);
        assert!(prepare(&long) && prepare(&long), "too long to be kept");
        assert!(cache.counters().bytes <= limit as u64);
    }

    #[test]
    fn a_voice_that_places_phrases_alone_is_kept_too() {
        let config = ScriptedConfig { word_spans: false, ..ScriptedConfig::default() };
        let plain = say(&Scripted::new(config.clone()), "", &GREETING);
        let cache = PhraseCache::new(8 << 20);
        let cached = Cached::new(Arc::new(Scripted::new(config)), &cache);
        for _ in 0..3 {
            assert_eq!(say(&cached, "", &GREETING), plain);
        }
        assert_eq!(cache.counters().hits, 2);
    }

    #[test]
    fn a_reply_that_fails_leaves_nothing() {
        let config = ScriptedConfig { fail_after: Some(3), ..ScriptedConfig::default() };
        let cache = PhraseCache::new(8 << 20);
        let cached = Cached::new(Arc::new(Scripted::new(config)), &cache);
        let mut stream = cached.prepare(&voice(""), &chunks(&GREETING)).expect("not there");
        let mut cx = Context::from_waker(Waker::noop());
        let failed = (0..1_000)
            .any(|_| matches!(stream.poll_event(&mut cx), Poll::Ready(SpeechEvent::Failed(_))));
        assert!(failed);
        assert_eq!(cache.counters().phrases, 0);
    }
}
