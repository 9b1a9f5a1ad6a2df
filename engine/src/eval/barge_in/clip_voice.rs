//! A voice that plays a recording, whatever it is to say.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tts::{SpeechEvent, SpeechStream, Synthesizer, SynthesizerError, TextChunk, VoiceConfig};

use super::super::line::RATE;

/// A voice of recorded speech. Phrases get their share of the recording by their length, so that
/// a text of `letters` bytes uses it up.
#[derive(Clone, Debug)]
pub(in crate::eval) struct ClipVoice {
    samples: Arc<[i16]>,
    letters: usize,
}

impl ClipVoice {
    pub(in crate::eval) fn new(samples: Vec<i16>, letters: usize) -> Self {
        Self { samples: samples.into(), letters: letters.max(1) }
    }
}

impl Synthesizer for ClipVoice {
    fn open(&self, _: &VoiceConfig) -> Result<Box<dyn SpeechStream>, SynthesizerError> {
        let voice = self.clone();
        Ok(Box::new(Stream { voice, events: VecDeque::new(), finished: false, waker: None }))
    }
}

struct Stream {
    voice: ClipVoice,
    events: VecDeque<SpeechEvent>,
    finished: bool,
    waker: Option<Waker>,
}

impl Stream {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl SpeechStream for Stream {
    fn push(&mut self, chunk: TextChunk) {
        let ClipVoice { samples, letters } = &self.voice;
        let place = |at: u32| samples.len() * (at as usize).min(*letters) / letters;
        let audio = place(chunk.range.start)..place(chunk.range.end);
        let samples = samples[audio.clone()].to_vec();
        let audio = audio.start as u64..audio.end as u64;
        self.events.push_back(SpeechEvent::Span { text: chunk.range, audio });
        self.events.push_back(SpeechEvent::Audio { rate: RATE, samples });
        self.wake();
    }

    fn finish(&mut self) {
        self.finished = true;
        self.wake();
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<SpeechEvent> {
        if let Some(event) = self.events.pop_front() {
            return Poll::Ready(event);
        }
        if std::mem::take(&mut self.finished) {
            return Poll::Ready(SpeechEvent::Done);
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_share_the_recording() {
        let voice = ClipVoice::new((0..100).collect(), 10);
        let config = VoiceConfig { voice: String::new(), language: "en".into(), speed: 1.0 };
        let mut stream = voice.open(&config).expect("it says everything");
        stream.push(TextChunk { text: "four".into(), range: 0..4 });
        stream.push(TextChunk { text: "sixsix".into(), range: 4..10 });
        stream.finish();
        let mut cx = Context::from_waker(Waker::noop());
        let mut heard = Vec::new();
        while let Poll::Ready(event) = stream.poll_event(&mut cx) {
            match event {
                SpeechEvent::Audio { samples, .. } => heard.extend(samples),
                SpeechEvent::Span { text, audio } => {
                    assert_eq!(u64::from(text.start) * 10, audio.start);
                }
                SpeechEvent::Done => break,
                SpeechEvent::Failed(error) => panic!("{error}"),
            }
        }
        assert_eq!(heard, (0..100).collect::<Vec<i16>>());
    }
}
