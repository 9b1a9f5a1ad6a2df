//! Who may listen to a call and give orders: Vapi's `monitorPlan`.

use serde_json::{Map, Value};

/// What an assistant's plan allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Monitoring {
    /// To listen.
    pub(crate) listen: bool,
    /// With a key only.
    pub(crate) listen_with_key: bool,
    /// To give orders.
    pub(crate) control: bool,
    /// With a key only.
    pub(crate) control_with_key: bool,
}

impl Monitoring {
    /// The plan of `assistant`, as it is stored: both are allowed to whoever knows the URL, unless
    /// it says otherwise.
    pub(crate) fn of(assistant: &Map<String, Value>) -> Self {
        let plan = assistant.get("monitorPlan");
        let says = |field| plan.and_then(|plan| plan.get(field)).and_then(Value::as_bool);
        Self {
            listen: says("listenEnabled").unwrap_or(true),
            listen_with_key: says("listenAuthenticationEnabled").unwrap_or(false),
            control: says("controlEnabled").unwrap_or(true),
            control_with_key: says("controlAuthenticationEnabled").unwrap_or(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_said_is_allowed() {
        let of = |assistant: Value| match assistant {
            Value::Object(assistant) => Monitoring::of(&assistant),
            other => panic!("{other}"),
        };
        let all = Monitoring {
            listen: true,
            listen_with_key: false,
            control: true,
            control_with_key: false,
        };
        assert_eq!(of(json!({})), all);
        let plan = json!({"monitorPlan": {"listenEnabled": false,
            "controlAuthenticationEnabled": true}});
        assert_eq!(of(plan), Monitoring { listen: false, control_with_key: true, ..all });
    }
}
