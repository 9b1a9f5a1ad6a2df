//! The Silero VAD model, versions 5 and 6, on ONNX Runtime.
//!
//! Recipe: `OnnxWrapper` of github.com/snakers4/silero-vad, src/silero_vad/utils_vad.py. A window
//! of 32 ms is preceded by the last 4 ms of the one before ([`Band::context`]); the recurrent state
//! is `[2, batch, 128]`. The rows of a batch do not influence each other: a row's score is, to the
//! bit, the score it has alone (checked with ONNX Runtime 1.31 over 120 windows of 8 streams).
//!
//! All tensors are made at load, one set per batch size, so that a run allocates nothing of ours.
//! ONNX Runtime itself takes a frame per run and per branch of the graph's `If` (8 or 16 kHz) from
//! its own heap, and what is between the layers from its arena, which grows once.

use std::fmt;
use std::path::Path;

use codecs::SampleRate;
use ort::session::{
    HasSelectedOutputs, OutputSelector, RunOptions, Session, SessionInputValue, SessionInputs,
};
use ort::value::Tensor;

use crate::error::{LoadError, check_signature};

/// Values of one layer of the recurrent state.
const UNITS: usize = 128;
/// Layers of the recurrent state (hidden and cell).
const LAYERS: usize = 2;
/// Samples of context at 16 kHz.
const MAX_CONTEXT: usize = 64;

/// The two rates the model knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Band {
    /// 8 kHz, the telephone's.
    Narrow,
    /// 16 kHz.
    Wide,
}

impl Band {
    /// The band of a stream at `rate`; `None` where the model does not know it.
    pub fn of(rate: SampleRate) -> Option<Self> {
        match rate {
            SampleRate::HZ_8000 => Some(Self::Narrow),
            SampleRate::HZ_16000 => Some(Self::Wide),
            _ => None,
        }
    }

    /// Samples per second.
    pub const fn rate(self) -> SampleRate {
        match self {
            Self::Narrow => SampleRate::HZ_8000,
            Self::Wide => SampleRate::HZ_16000,
        }
    }

    /// Samples of a window.
    pub const fn window(self) -> usize {
        match self {
            Self::Narrow => 256,
            Self::Wide => 512,
        }
    }

    /// Samples of the window before that precede a window.
    pub const fn context(self) -> usize {
        match self {
            Self::Narrow => 32,
            Self::Wide => 64,
        }
    }
}

/// What the model remembers of one stream.
#[derive(Clone)]
pub struct Memory {
    state: [[f32; UNITS]; LAYERS],
    context: [f32; MAX_CONTEXT],
}

impl Memory {
    /// Hears a window without the model: only the context moves on.
    pub fn skip(&mut self, band: Band, window: &[i16]) {
        let tail = &window[window.len().saturating_sub(band.context())..];
        for (to, &from) in self.context.iter_mut().zip(tail) {
            *to = to_unit(from);
        }
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self { state: [[0.0; UNITS]; LAYERS], context: [0.0; MAX_CONTEXT] }
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

/// The model. It keeps no stream's memory: whoever runs it does.
pub struct Silero {
    session: Session,
    narrow: Vec<Tensors>,
    wide: Vec<Tensors>,
}

impl fmt::Debug for Silero {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Silero").field("max_batch", &self.narrow.len()).finish_non_exhaustive()
    }
}

impl Silero {
    /// Loads silero_vad.onnx (of PyPI `silero-vad` 5 or 6, the file with both rates) for batches of
    /// up to `max_batch` windows, and runs it once at both rates.
    ///
    /// # Errors
    ///
    /// [`LoadError`] where the file is missing, is another model, or does not run.
    pub fn load(runtime: &onnx::Runtime, path: &Path, max_batch: usize) -> Result<Self, LoadError> {
        let session = runtime.session(path)?;
        check_signature(
            &session,
            path,
            "Silero VAD 5 or 6",
            &["input", "state", "sr"],
            &["output", "stateN"],
        )?;
        let failed = |error: ort::Error| LoadError::Trial {
            path: path.to_owned(),
            reason: error.to_string(),
        };
        let sets = |band: Band| -> Result<Vec<Tensors>, LoadError> {
            (1..=max_batch.max(1))
                .map(|rows| Tensors::new(&session, band, rows).map_err(failed))
                .collect()
        };
        let (narrow, wide) = (sets(Band::Narrow)?, sets(Band::Wide)?);
        let mut silero = Self { session, narrow, wide };
        for band in [Band::Narrow, Band::Wide] {
            silero.batch(band, 1).run().map_err(failed)?;
        }
        Ok(silero)
    }

    /// Begins a run over `rows` windows of one band.
    ///
    /// # Panics
    ///
    /// Where `rows` is 0 or above the `max_batch` the model was loaded for.
    pub fn batch(&mut self, band: Band, rows: usize) -> Batch<'_> {
        let sets = match band {
            Band::Narrow => &mut self.narrow,
            Band::Wide => &mut self.wide,
        };
        Batch { session: &mut self.session, tensors: &mut sets[rows - 1], band, rows }
    }
}

/// One run of the model: load every row, run, read every row.
#[derive(Debug)]
pub struct Batch<'a> {
    session: &'a mut Session,
    tensors: &'a mut Tensors,
    band: Band,
    rows: usize,
}

impl Batch<'_> {
    /// Puts a stream's memory and its next window in a row.
    ///
    /// # Panics
    ///
    /// Where there is no such row, or the window has not the band's length.
    pub fn load(&mut self, row: usize, memory: &Memory, window: &[i16]) {
        let (context, size) = (self.band.context(), self.band.window());
        assert!(row < self.rows && window.len() == size, "row {row} of {} samples", window.len());
        let input = tensor_mut(&mut self.tensors.inputs[0]);
        let input = &mut input[row * (context + size)..(row + 1) * (context + size)];
        input[..context].copy_from_slice(&memory.context[..context]);
        for (to, &from) in input[context..].iter_mut().zip(window) {
            *to = to_unit(from);
        }
        let state = tensor_mut(&mut self.tensors.inputs[1]);
        for (layer, values) in memory.state.iter().enumerate() {
            let at = (layer * self.rows + row) * UNITS;
            state[at..at + UNITS].copy_from_slice(values);
        }
    }

    /// Runs the model.
    ///
    /// # Errors
    ///
    /// ONNX Runtime's own; then the rows hold nothing of use.
    pub fn run(&mut self) -> ort::Result<()> {
        let Tensors { inputs, options, probabilities, state } = &mut *self.tensors;
        let outputs =
            self.session.run_with_options(SessionInputs::<0>::ValueSlice(inputs), options)?;
        let (_, scored) = outputs["output"].try_extract_tensor::<f32>()?;
        let (_, remembered) = outputs["stateN"].try_extract_tensor::<f32>()?;
        probabilities.copy_from_slice(scored);
        state.copy_from_slice(remembered);
        Ok(())
    }

    /// After [`run`](Self::run): a row's score; the stream's memory moves on.
    ///
    /// # Panics
    ///
    /// Where there is no such row.
    pub fn store(&mut self, row: usize, memory: &mut Memory) -> f32 {
        assert!(row < self.rows, "row {row} of {}", self.rows);
        for (layer, values) in memory.state.iter_mut().enumerate() {
            let at = (layer * self.rows + row) * UNITS;
            values.copy_from_slice(&self.tensors.state[at..at + UNITS]);
        }
        let (context, size) = (self.band.context(), self.band.window());
        let end = (row + 1) * (context + size);
        let input = tensor_mut(&mut self.tensors.inputs[0]);
        memory.context[..context].copy_from_slice(&input[end - context..end]);
        self.tensors.probabilities[row]
    }
}

/// The model's inputs and outputs for one band and one batch size.
struct Tensors {
    /// `input`, `state`, `sr`, in the order the session has them.
    inputs: [SessionInputValue<'static>; 3],
    /// Holds the output tensors.
    options: RunOptions<HasSelectedOutputs>,
    probabilities: Vec<f32>,
    state: Vec<f32>,
}

impl Tensors {
    fn new(session: &Session, band: Band, rows: usize) -> ort::Result<Self> {
        let width = band.context() + band.window();
        let input = Tensor::from_array(([rows, width], vec![0_f32; rows * width]))?;
        let state =
            Tensor::from_array(([LAYERS, rows, UNITS], vec![0_f32; LAYERS * rows * UNITS]))?;
        let rate = Tensor::from_array(((), vec![i64::from(band.rate().hz())]))?;
        let outputs = OutputSelector::default()
            .preallocate("output", Tensor::<f32>::new(session.allocator(), [rows, 1])?)
            .preallocate("stateN", Tensor::<f32>::new(session.allocator(), [LAYERS, rows, UNITS])?);
        Ok(Self {
            inputs: [input.into(), state.into(), rate.into()],
            options: RunOptions::new()?.with_outputs(outputs),
            probabilities: vec![0.0; rows],
            state: vec![0.0; LAYERS * rows * UNITS],
        })
    }
}

impl fmt::Debug for Tensors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tensors").field("rows", &self.probabilities.len()).finish_non_exhaustive()
    }
}

/// The values of an input tensor of ours.
fn tensor_mut<'a>(value: &'a mut SessionInputValue<'static>) -> &'a mut [f32] {
    let SessionInputValue::Owned(value) = value else {
        unreachable!("every input is made from an owned tensor");
    };
    let (_, values) =
        value.try_extract_tensor_mut::<f32>().expect("a tensor of f32 in the process's memory");
    values
}

/// A sample in −1..1, as the model was trained.
fn to_unit(sample: i16) -> f32 {
    f32::from(sample) / 32_768.0
}
