//! Plans of Fourier transforms. Their tables are the same for every call: one set serves all.

use std::sync::{Arc, OnceLock};

use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

/// Sizes that are planned, in samples: the blocks and frames of both rates.
const SIZES: [usize; 3] = [256, 512, 1_024];

struct Plans {
    forward: [Arc<dyn RealToComplex<f32>>; SIZES.len()],
    inverse: [Arc<dyn ComplexToReal<f32>>; SIZES.len()],
}

static PLANS: OnceLock<Plans> = OnceLock::new();

fn plans() -> &'static Plans {
    PLANS.get_or_init(|| {
        let mut planner = RealFftPlanner::new();
        Plans {
            forward: SIZES.map(|size| planner.plan_fft_forward(size)),
            inverse: SIZES.map(|size| planner.plan_fft_inverse(size)),
        }
    })
}

fn index(size: usize) -> Option<usize> {
    SIZES.iter().position(|planned| *planned == size)
}

/// From `size` samples to their spectrum; `None` for a size that no rate has.
pub(super) fn forward(size: usize) -> Option<Arc<dyn RealToComplex<f32>>> {
    Some(Arc::clone(&plans().forward[index(size)?]))
}

/// From a spectrum to `size` samples; likewise.
pub(super) fn inverse(size: usize) -> Option<Arc<dyn ComplexToReal<f32>>> {
    Some(Arc::clone(&plans().inverse[index(size)?]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_calls_share_a_plan() {
        let (first, second) = (forward(512).expect("planned"), forward(512).expect("planned"));
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!((first.len(), inverse(1_024).expect("planned").len()), (512, 1_024));
        assert!(forward(300).is_none());
    }
}
