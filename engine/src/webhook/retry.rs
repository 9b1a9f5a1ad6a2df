//! When a message that was not taken is sent again.

use std::time::Duration;

use wire::BackoffPlan;

use crate::backoff::{self, Failure, doubled};

/// Our own plan, where the server sends none: what a product cannot do without is tried for two
/// days.
const PATIENT: Plan =
    Plan { retries: 20, first: Duration::from_secs(1), longest: Duration::from_secs(4 * 3_600) };

/// A transcript that comes a minute late is of no use, and holds back what follows.
const HASTY: Plan =
    Plan { retries: 3, first: Duration::from_secs(1), longest: Duration::from_secs(10) };

#[derive(Clone, Copy, Debug)]
struct Plan {
    retries: u32,
    first: Duration,
    longest: Duration,
}

/// How long to wait for the next try after `attempts` that failed; `None`: there is none.
pub(super) fn pause(
    kind: &str,
    plan: Option<&BackoffPlan>,
    failure: Failure,
    attempts: u32,
) -> Option<Duration> {
    if let Some(plan) = plan {
        return backoff::pause(plan, failure, attempts);
    }
    let ours = match kind {
        "end-of-call-report" | "status-update" => PATIENT,
        _ => HASTY,
    };
    let again = failure.may_pass() && attempts <= ours.retries;
    again.then(|| doubled(ours.first, attempts).min(ours.longest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOWN: Failure = Failure::Status(503);

    #[test]
    fn a_report_is_tried_for_days_and_a_transcript_for_seconds() {
        let total = |kind| -> Duration {
            (1..).map_while(|attempts| pause(kind, None, DOWN, attempts)).sum()
        };
        let (report, transcript) = (total("end-of-call-report"), total("transcript"));
        assert!(report > Duration::from_secs(24 * 3_600), "{report:?}");
        assert_eq!(transcript, Duration::from_secs(1 + 2 + 4));
    }

    #[test]
    fn what_the_server_does_not_want_is_not_sent_again() {
        assert_eq!(pause("end-of-call-report", None, Failure::Status(404), 1), None);
        assert!(pause("end-of-call-report", None, Failure::Unreachable, 1).is_some());
        let plan = BackoffPlan::default();
        assert_eq!(pause("end-of-call-report", Some(&plan), DOWN, 1), None, "its own plan");
    }
}
