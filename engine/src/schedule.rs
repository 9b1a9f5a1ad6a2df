//! Calls that are placed at their time.
//!
//! What is scheduled is a row, so it outlives the process. A call is queued before the carrier is
//! asked: a process that dies in between leaves one that may ring, and the next start ends it
//! instead of placing it twice.

use std::time::Duration;

use tokio::time::sleep;
use wire::{CallStatus, SchedulePlan};

use crate::app::{App, WeakApp};
use crate::outbound::NotPlaced;
use crate::store::{CallRecord, StoreError, Timestamp};
use crate::webhook;

/// Calls placed before others are looked for.
const AT_ONCE: u32 = 50;

/// How long until it is looked again where all places are taken, or the database fails.
const PAUSE: Duration = Duration::from_secs(5);

/// How long until it is looked again where nothing is known to come: clocks are set.
const LONGEST: Duration = Duration::from_secs(60);

/// Vapi's word for a call whose time passed, or that was taken back.
pub(crate) const NOT_PLACED: &str = "scheduled-call-deleted";

/// Its time has come at `now`.
pub(crate) fn is_due(plan: &SchedulePlan, now: Timestamp) -> bool {
    plan.earliest_at.as_deref().and_then(Timestamp::from_iso).is_none_or(|at| at <= now)
}

/// Places scheduled calls as long as there is an engine.
pub(crate) async fn run(app: WeakApp) {
    loop {
        let Some(app) = app.upgrade() else { return };
        let schedule = app.schedule();
        let now = Timestamp::now();
        let pause = match app.place_due(now).await {
            Ok(next) => next.map_or(LONGEST, |next| {
                let micros = next.as_micros().saturating_sub(Timestamp::now().as_micros());
                Duration::from_micros(u64::try_from(micros).unwrap_or(0)).min(LONGEST)
            }),
            Err(error) => {
                tracing::error!(%error, "scheduled calls cannot be read");
                PAUSE
            }
        };
        drop(app);
        tokio::select! {
            () = sleep(pause) => {}
            () = schedule.notified() => {}
        }
    }
}

impl App {
    /// Places the calls whose time has come. Returns when to look again.
    async fn place_due(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let (due, mut next) = self.store().due_calls(now, AT_ONCE).await?;
        let is_all = due.len() < AT_ONCE as usize;
        for record in due {
            let plan = record.call.schedule_plan.clone().unwrap_or_default();
            let latest = plan.latest_at.as_deref().and_then(Timestamp::from_iso);
            if latest.is_some_and(|latest| latest < now) {
                tracing::warn!(call = %record.id, "a scheduled call was not placed in time");
                self.end_unconnected(&record, NOT_PLACED).await?;
                continue;
            }
            if !self.registry().has_room() {
                return Ok(Some(now.after(PAUSE)));
            }
            self.place_scheduled(record).await?;
        }
        if !is_all {
            next = Some(now);
        }
        Ok(next)
    }

    async fn place_scheduled(&self, record: CallRecord) -> Result<(), StoreError> {
        let queued = webhook::on_its_way(&record, CallStatus::Queued);
        if !self.store().keep_if(&queued, &[CallStatus::Scheduled]).await? {
            // It was taken back meanwhile.
            return Ok(());
        }
        self.mail().notify_one();
        let number = self.number_of(&record).await?;
        let account = self.account(number.as_ref());
        let (Some(number), Some(account)) = (number, account) else {
            tracing::error!(call = %record.id, "a scheduled call's number has no account any more");
            return self.end_unconnected(&record, "call.start.error-get-phone-number").await;
        };
        match self.dial(record, &number, &account).await {
            Err(NotPlaced::Store(error)) => Err(error),
            // What else goes wrong is kept with the call, and was told.
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_due_from_its_earliest_moment_on() {
        let plan =
            SchedulePlan { earliest_at: Some("2026-11-22T10:00:00Z".to_owned()), latest_at: None };
        let at = |text| Timestamp::from_iso(text).expect("ISO");
        assert!(!is_due(&plan, at("2026-11-22T09:59:59.999Z")));
        assert!(is_due(&plan, at("2026-11-22T10:00:00Z")));
    }
}
