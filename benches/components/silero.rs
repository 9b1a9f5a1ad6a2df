//! The voice-activity model, where it is installed.

use std::path::{Path, PathBuf};

use codecs::SampleRate;
use vad::silero::{Band, Memory, Silero};

use crate::piece::sound;

/// Windows of several calls through Silero at once.
pub(crate) struct VoiceActivity {
    silero: Silero,
    windows: Vec<i16>,
    memories: Vec<Memory>,
}

impl VoiceActivity {
    /// `None`: the model is not here.
    pub(crate) fn new(rows: usize) -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let models = std::env::var_os("CAUSERIE_MODELS_DIR").map(PathBuf::from);
        let model =
            models.unwrap_or_else(|| root.join("models")).join("silero-vad/silero_vad.onnx");
        let library = root.join("native/lib/libonnxruntime.so");
        let runtime = onnx::Runtime::load(&library).ok()?;
        Some(Self {
            silero: Silero::load(&runtime, &model, rows).ok()?,
            windows: sound(SampleRate::HZ_8000, Band::Narrow.window() * rows),
            memories: vec![Memory::default(); rows],
        })
    }

    pub(crate) fn step(&mut self) -> f32 {
        let window = Band::Narrow.window();
        let mut batch = self.silero.batch(Band::Narrow, self.memories.len());
        for (row, memory) in self.memories.iter().enumerate() {
            batch.load(row, memory, &self.windows[row * window..][..window]);
        }
        batch.run().expect("the model runs");
        let store = |(row, memory)| batch.store(row, memory);
        self.memories.iter_mut().enumerate().map(store).sum()
    }
}
