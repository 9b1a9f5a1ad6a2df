//! What the caller keys in: `keypadInputPlan`.

use turntaking::settings::KeypadPlan;

use super::set;
use crate::config::validation::Validation;

pub(super) fn keypad(plan: &wire::KeypadInputPlan, check: &mut Validation) -> Option<KeypadPlan> {
    let mut keypad = KeypadPlan::default();
    let path = "keypadInputPlan.timeoutSeconds";
    set(&mut keypad.timeout, check.duration(path, plan.timeout_seconds, 0.0..=10.0));
    if let Some(delimiters) = &plan.delimiters {
        let keys = match delimiters {
            wire::OneOrMany::One(key) => std::slice::from_ref(key),
            wire::OneOrMany::Many(keys) => keys,
        };
        for key in keys {
            check.one_of("keypadInputPlan.delimiters", Some(key), &["#", "*", ""]);
        }
        keypad.delimiters = keys.concat();
    }
    plan.enabled.unwrap_or(false).then_some(keypad)
}
