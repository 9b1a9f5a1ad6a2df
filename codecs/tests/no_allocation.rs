//! Functions named `*_into`, and the detector, never allocate once made: counted, not believed.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use codecs::ambience::Ambience;
use codecs::beep::BeepDetector;
use codecs::dtmf::{self, DtmfDetector};
use codecs::g711::Law;
use codecs::noise::Noise;
use codecs::{Resampler, SampleRate, l16, pcm};

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

#[test]
fn the_counter_counts() {
    assert_eq!(allocations_in(|| drop(std::hint::black_box(vec![1_u8; 100]))), 1);
}

#[test]
fn a_frame_through_every_codec_allocates_nothing() {
    let mut samples = [0; 160];
    let mut codes = [0; 160];
    let mut bytes = [0; 320];
    let mut floats = [0.0; 160];
    let mut detector = DtmfDetector::new();
    let mut beeps = BeepDetector::new(SampleRate::HZ_8000);
    let office = Ambience::office(SampleRate::HZ_8000);
    let mut noise = Noise::new(-30.0, 1);
    let mut tone = dtmf::tone(SampleRate::HZ_8000, '7', Duration::from_secs(1)).expect("a digit");
    let mut digits = 0;
    let count = allocations_in(|| {
        for _ in 0..50 {
            tone.fill_into(&mut samples);
            noise.add_into(&mut samples);
            office.mix_into(u64::MAX, &mut samples);
            for law in [Law::Mu, Law::A] {
                law.encode_into(&samples, &mut codes);
                law.decode_into(&codes, &mut samples);
            }
            l16::encode_into(&samples, &mut bytes);
            assert_eq!(l16::decode_into(&bytes, &mut samples), Ok(160));
            pcm::to_f32_into(&samples, &mut floats);
            pcm::from_f32_into(&floats, &mut samples);
            detector.process(&samples, |_| digits += 1);
            beeps.process(&samples, |beep| panic!("a key is no beep: {beep:?}"));
        }
    });
    assert_eq!((count, digits), (0, 1));
}

#[test]
fn resampling_flushing_and_resetting_allocate_nothing() {
    for (from, to) in [(8_000, 16_000), (16_000, 8_000), (22_050, 8_000), (24_000, 8_000)] {
        let rate = |hz| SampleRate::new(hz).expect("not zero");
        let mut resampler = Resampler::new(rate(from), rate(to)).expect("supported");
        let mut output = vec![0; resampler.output_bound(960).max(resampler.flush_bound())];
        let count = allocations_in(|| {
            for length in [0, 1, 160, 441, 960] {
                resampler.process_into(&[100; 960][..length], &mut output);
            }
            resampler.flush_into(&mut output);
            resampler.process_into(&[100; 320], &mut output);
            resampler.reset();
        });
        assert_eq!(count, 0, "{from} to {to}");
    }
}
