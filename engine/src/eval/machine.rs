//! The models of an evaluation, each with its queue, on virtual time.
//!
//! Every model runs where production has a thread for it: Silero in batches, smart-turn one look at
//! a time, Moonshine's decodes by urgency. Rings, queues and schedules are production's own
//! (`SileroVad`, `TurnWorker`, `Moonshine`); only the thread is a task on tokio's paused clock, and
//! a result comes once its [`Costs`] have passed there. tokio's clock moves in milliseconds, and
//! rounds up.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use asr::Recognizer;
use asr::moonshine::{Decoder, Model, Moonshine};
use onnx::VirtualTime;
use tts::Synthesizer;
use vad::silero::{Band, Memory, Silero};
use vad::{Ear, SileroSettings, SileroVad, TurnModel, TurnSettings, TurnWorker};

use super::call;
use super::costs::Costs;
use super::line::RATE;
use super::memo::Memo;
use crate::assemble::{SILERO, SMART_TURN};
use crate::config::Config;
use crate::session::Providers;

/// The recogniser for English, among the models.
pub(super) const MOONSHINE: &str = "moonshine-tiny-en";

/// Why there are no models.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MachineError {
    /// ONNX Runtime.
    #[error(transparent)]
    Onnx(#[from] onnx::Error),
    /// Silero or smart-turn.
    #[error(transparent)]
    Vad(#[from] vad::LoadError),
    /// The recogniser.
    #[error(transparent)]
    Recognizer(#[from] asr::RecognizerError),
}

/// The models. To be used on the runtime it was started on.
pub(super) struct Machine {
    pub(super) vad: Arc<SileroVad>,
    pub(super) turn: Arc<TurnWorker>,
    /// `None`: it is not installed.
    pub(super) moonshine: Option<Arc<Moonshine>>,
    /// Silero once more, for what is asked beside the call.
    silero: RefCell<Silero>,
    ear: Rc<RefCell<Ear>>,
    memo: Rc<RefCell<Memo>>,
}

impl Machine {
    /// Loads the models and starts their tasks on the current `LocalSet`, whose runtime's clock is
    /// paused.
    pub(super) fn start(
        config: &Config,
        costs: &Costs,
        memo: &Rc<RefCell<Memo>>,
    ) -> Result<Self, MachineError> {
        let runtime = onnx::Runtime::load(&config.onnxruntime)?;
        let time = VirtualTime::new(
            || tokio::time::Instant::now().into_std(),
            |duration| tokio::time::sleep(duration),
        );
        let file = config.models_dir.join(SILERO);
        let (of_vad, settings) = (costs.clone(), SileroSettings::default());
        let (vad, run) =
            SileroVad::simulated(&runtime, &file, settings, time.clone(), move |n| of_vad.vad(n))?;
        tokio::task::spawn_local(run);

        let model = TurnModel::load(&runtime, &config.models_dir.join(SMART_TURN))?;
        let ear = Rc::new(RefCell::new(Ear::new(model)));
        let (heard, known) = (Rc::clone(&ear), Rc::clone(memo));
        let look = move |rate, parts: [&[i16]; 2]| {
            known
                .borrow_mut()
                .look(rate, parts, |rate, parts| heard.borrow_mut().listen(rate, parts))
        };
        let settings = TurnSettings::default();
        let (turn, run) = TurnWorker::simulated(settings, time.clone(), costs.look(), look);
        tokio::task::spawn_local(run);

        let folder = config.models_dir.join(MOONSHINE);
        let moonshine = if folder.is_dir() {
            Some(Arc::new(start_moonshine(&runtime, &folder, time, costs, memo)?))
        } else {
            None
        };
        Ok(Self {
            vad: Arc::new(vad),
            turn: Arc::new(turn),
            moonshine,
            silero: RefCell::new(Silero::load(&runtime, &file, 1)?),
            ear,
            memo: Rc::clone(memo),
        })
    }

    /// The models of a call.
    pub(super) fn providers(
        &self,
        recognizer: Arc<dyn Recognizer>,
        voice: Arc<dyn Synthesizer>,
    ) -> Providers {
        Providers {
            endpointing: None,
            vad: Arc::clone(&self.vad) as Arc<_>,
            turn_model: Some(Arc::clone(&self.turn)),
            recognizer,
            model: call::okay(),
            synthesizer: voice,
        }
    }

    /// Silero's score of each window of `line`, heard from its beginning.
    pub(super) fn voice(&self, line: &[i16]) -> Vec<f32> {
        let mut silero = self.silero.borrow_mut();
        let mut memory = Memory::default();
        let windows = line.chunks_exact(Band::Narrow.window());
        windows
            .map(|window| {
                let mut batch = silero.batch(Band::Narrow, 1);
                batch.load(0, &memory, window);
                if batch.run().is_ok() { batch.store(0, &mut memory) } else { 0.0 }
            })
            .collect()
    }

    /// Smart-turn's score of what `line` is up to `end`; `None` where it fails.
    pub(super) fn look(&self, line: &[i16], end: usize) -> Option<f32> {
        const HISTORY: usize = 64_000;
        let end = end.min(line.len());
        let heard = &line[end.saturating_sub(HISTORY)..end];
        let mut memo = self.memo.borrow_mut();
        let mut ear = self.ear.borrow_mut();
        memo.look(RATE, [heard, &[]], |rate, parts| ear.listen(rate, parts)).ok()
    }
}

fn start_moonshine(
    runtime: &onnx::Runtime,
    folder: &Path,
    time: VirtualTime,
    costs: &Costs,
    memo: &Rc<RefCell<Memo>>,
) -> Result<Moonshine, MachineError> {
    let mut decoder = Decoder::new(Model::load(runtime, folder)?);
    let (known, costs) = (Rc::clone(memo), costs.clone());
    let (moonshine, run) = Moonshine::simulated(
        time,
        move |request| known.borrow_mut().decode(request, |request| decoder.answer(request)),
        move |request, decoded| -> Vec<Duration> { costs.decode(request, decoded) },
    );
    tokio::task::spawn_local(run);
    Ok(moonshine)
}
