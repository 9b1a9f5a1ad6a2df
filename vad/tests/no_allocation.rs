//! The call's side allocates nothing once open, and a run of Silero nothing of ours: counted, not
//! believed. (What ONNX Runtime takes from its own heap does not pass this counter.)
#![allow(unsafe_code)]

mod models;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::task::Context;
use std::time::Instant;

use codecs::SampleRate;
use vad::silero::{Band, Memory, Silero};
use vad::{EnergyVad, Gate, GateSettings, ScriptedVad, SileroVad, TurnWorker, Vad};

thread_local! {
    /// Of this thread only: the test harness's own threads allocate as they like.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes on to the system's allocator unchanged; the counter is a `Cell` with a
// constant initial value and no destructor, so touching it allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps `GlobalAlloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above; the pointer came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations_in(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

/// Pushes `speech` by 20 ms, reads every score and passes it through a gate.
fn hear(vad: &dyn Vad, speech: &[i16]) -> u64 {
    let mut stream = vad.open(SampleRate::HZ_8000).expect("a known rate");
    let mut gate = Gate::new(GateSettings::default(), 256);
    let waker = models::waker();
    let mut cx = Context::from_waker(&waker);
    let (mut pushed, mut heard, mut events) = (0, 0, 0);
    let count = allocations_in(|| {
        for frame in speech.chunks_exact(160) {
            stream.push(frame);
            pushed += frame.len();
            while heard < pushed / 256 {
                match stream.poll_score(&mut cx) {
                    std::task::Poll::Ready(score) => {
                        heard += 1;
                        events += u32::from(gate.accept(score).is_some());
                    }
                    std::task::Poll::Pending => std::thread::yield_now(),
                }
            }
        }
    });
    assert!(events > 0, "there was speech to hear");
    count
}

#[test]
fn a_call_hears_without_allocating() {
    let Some(speech) = models::speech_8k() else { return };
    assert_eq!(hear(&EnergyVad, &speech), 0);
    assert_eq!(hear(&ScriptedVad::level(-40.0), &speech), 0);
    let Some((runtime, path)) = models::runtime().zip(models::model("silero-vad/silero_vad.onnx"))
    else {
        return;
    };
    let vad = SileroVad::start(&runtime, &path, Default::default()).expect("Silero starts");
    assert_eq!(hear(&vad, &speech), 0);
}

#[test]
fn a_run_of_silero_allocates_nothing_of_ours() {
    let Some((runtime, path)) = models::runtime().zip(models::model("silero-vad/silero_vad.onnx"))
    else {
        return;
    };
    let mut silero = Silero::load(&runtime, &path, 8).expect("Silero loads");
    let mut memories = vec![Memory::default(); 8];
    let mut run = |rows: usize| {
        allocations_in(|| {
            let mut batch = silero.batch(Band::Narrow, rows);
            for (row, memory) in memories[..rows].iter().enumerate() {
                batch.load(row, memory, &[100; 256]);
            }
            batch.run().expect("runs");
            for (row, memory) in memories[..rows].iter_mut().enumerate() {
                batch.store(row, memory);
            }
        })
    };
    for rows in [1, 8, 3] {
        let count = run(rows);
        println!("{count} allocations in a run of {rows} windows, by the binding");
        assert_eq!(count, run(rows), "the same every time");
        assert_eq!(count, 0);
    }
}

#[test]
fn a_turn_is_followed_without_allocating() {
    let Some((runtime, path)) =
        models::runtime().zip(models::model("smart-turn-v3.2/smart-turn-v3.2-cpu.onnx"))
    else {
        return;
    };
    let worker = TurnWorker::start(&runtime, &path, Default::default()).expect("it starts");
    let mut stream = worker.open(SampleRate::HZ_8000).expect("a known rate");
    let waker = models::waker();
    let mut cx = Context::from_waker(&waker);
    let now = Instant::now();
    let count = allocations_in(|| {
        for pause in 0..100 {
            stream.push(&[1_000; 160]);
            let _ = stream.poll_score(&mut cx);
            if pause % 10 == 9 {
                stream.ask(pause, now);
                stream.withdraw();
            }
        }
    });
    assert_eq!(count, 0);
}
