//! When a message that was not taken is sent again.

use std::time::Duration;

use wire::{BackoffKind, BackoffPlan};

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

/// What became of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The server has it.
    Taken,
    /// The server answered with this status.
    Refused(u16),
    /// It did not answer.
    Unreachable(String),
}

impl Outcome {
    /// Another try may go better: it was not reached, was overloaded or failed.
    const fn may_pass(&self) -> bool {
        match self {
            Self::Taken => false,
            Self::Refused(status) => matches!(status, 408 | 425 | 429 | 500..=599),
            Self::Unreachable(_) => true,
        }
    }
}

/// How long to wait for the next try after `attempts` that failed; `None`: there is none.
pub(super) fn pause(
    kind: &str,
    plan: Option<&BackoffPlan>,
    outcome: &Outcome,
    attempts: u32,
) -> Option<Duration> {
    let doubled = |first: Duration| first.saturating_mul(1 << attempts.saturating_sub(1).min(16));
    let Some(plan) = plan else {
        let ours = match kind {
            "end-of-call-report" | "status-update" => PATIENT,
            _ => HASTY,
        };
        let again = outcome.may_pass() && attempts <= ours.retries;
        return again.then(|| doubled(ours.first).min(ours.longest));
    };
    if let (Outcome::Refused(status), Some(excluded)) = (outcome, &plan.excluded_status_codes)
        && excluded.contains(status)
    {
        return None;
    }
    // Checked when the assistant was stored: 0 to 10 both.
    let retries = plan.max_retries.unwrap_or(0.0) as u32;
    let first = Duration::try_from_secs_f64(plan.base_delay_seconds.unwrap_or(1.0)).ok()?;
    if *outcome == Outcome::Taken || attempts > retries {
        return None;
    }
    Some(match plan.kind {
        Some(BackoffKind::Exponential) => doubled(first),
        _ => first,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOWN: Outcome = Outcome::Refused(503);

    #[test]
    fn a_report_is_tried_for_days_and_a_transcript_for_seconds() {
        let total = |kind| -> Duration {
            (1..).map_while(|attempts| pause(kind, None, &DOWN, attempts)).sum()
        };
        let (report, transcript) = (total("end-of-call-report"), total("transcript"));
        assert!(report > Duration::from_secs(24 * 3_600), "{report:?}");
        assert_eq!(transcript, Duration::from_secs(1 + 2 + 4));
    }

    #[test]
    fn what_the_server_does_not_want_is_not_sent_again() {
        assert_eq!(pause("end-of-call-report", None, &Outcome::Refused(404), 1), None);
        let lost = Outcome::Unreachable("connection refused".to_owned());
        assert!(pause("end-of-call-report", None, &lost, 1).is_some());
    }

    #[test]
    fn the_servers_own_plan_is_obeyed() {
        let plan = BackoffPlan {
            kind: Some(BackoffKind::Exponential),
            max_retries: Some(2.0),
            base_delay_seconds: Some(0.5),
            excluded_status_codes: Some(vec![501]),
        };
        let pause = |outcome, attempts| pause("transcript", Some(&plan), &outcome, attempts);
        assert_eq!(pause(DOWN, 1), Some(Duration::from_millis(500)));
        assert_eq!(pause(DOWN, 2), Some(Duration::from_secs(1)));
        assert_eq!(pause(DOWN, 3), None);
        assert_eq!(pause(Outcome::Refused(501), 1), None);
    }
}
