//! When a request that failed is made again (Vapi's `backoffPlan`).

use std::time::Duration;

use wire::{BackoffKind, BackoffPlan};

/// How a request went, as far as another try is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The server answered with this status.
    Status(u16),
    /// It did not answer.
    Unreachable,
}

impl Failure {
    /// Another try may go better: the server was not reached, was overloaded or failed.
    pub(crate) const fn may_pass(self) -> bool {
        match self {
            Self::Status(status) => matches!(status, 408 | 425 | 429 | 500..=599),
            Self::Unreachable => true,
        }
    }
}

/// How long to wait for the next try after `attempts` that failed; `None`: there is none.
pub(crate) fn pause(plan: &BackoffPlan, failure: Failure, attempts: u32) -> Option<Duration> {
    if let (Failure::Status(status), Some(excluded)) = (failure, &plan.excluded_status_codes)
        && excluded.contains(&status)
    {
        return None;
    }
    // Checked when it was stored: 0 to 10 both.
    let retries = plan.max_retries.unwrap_or(0.0) as u32;
    if attempts > retries {
        return None;
    }
    let first = Duration::try_from_secs_f64(plan.base_delay_seconds.unwrap_or(1.0)).ok()?;
    Some(match plan.kind {
        Some(BackoffKind::Exponential) => doubled(first, attempts),
        _ => first,
    })
}

/// `first`, twice as long after each attempt but the first.
pub(crate) fn doubled(first: Duration, attempts: u32) -> Duration {
    first.saturating_mul(1 << attempts.saturating_sub(1).min(16))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_obeyed() {
        let plan = BackoffPlan {
            kind: Some(BackoffKind::Exponential),
            max_retries: Some(2.0),
            base_delay_seconds: Some(0.5),
            excluded_status_codes: Some(vec![501]),
        };
        let pause = |failure, attempts| pause(&plan, failure, attempts);
        assert_eq!(pause(Failure::Status(503), 1), Some(Duration::from_millis(500)));
        assert_eq!(pause(Failure::Unreachable, 2), Some(Duration::from_secs(1)));
        assert_eq!(pause(Failure::Status(503), 3), None);
        assert_eq!(pause(Failure::Status(501), 1), None);
    }
}
