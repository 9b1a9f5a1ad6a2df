//! A call to be placed: `POST /call`.

use super::phone_number::is_e164;
use super::validation::Validation;
use crate::store::Timestamp;

/// A call that cannot be placed: everything that is wrong with the order, in Vapi's words, or what
/// of it is not served here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallProblem {
    /// The order is not sound.
    Invalid(Vec<String>),
    /// It asks for something of Vapi's that is not here.
    NotServed(&'static str),
}

/// Understands `json`, an order to place a call.
///
/// # Errors
///
/// What is wrong with it.
pub fn new_call(json: &str) -> Result<wire::NewCall, CallProblem> {
    let mut check = Validation::of("call");
    let call = check.read::<wire::NewCall>(json);
    let Some(call) = call else { return Err(CallProblem::Invalid(check.finish().0)) };
    validate(&call, &mut check);
    let (problems, _) = check.finish();
    if !problems.is_empty() {
        return Err(CallProblem::Invalid(problems));
    }
    match not_served(&call) {
        Some(field) => Err(CallProblem::NotServed(field)),
        None => Ok(call),
    }
}

fn validate(call: &wire::NewCall, check: &mut Validation) {
    check.length("name", call.name.as_deref(), 0..=40);
    let kinds = ["outboundPhoneCall", "vapi.websocketCall"];
    check.one_of("type", call.kind.as_deref(), &kinds);
    if let Some(plan) = &call.schedule_plan {
        validate_schedule(plan, check);
    }
    if let Some(transport) = &call.transport {
        validate_transport(transport, call, check);
    }
    if call.transport.is_some() {
        // Whoever opens the socket is the customer: what is sent of them is theirs to say.
        return;
    }
    match (&call.customer, &call.customers) {
        (Some(_), Some(_)) => check.problem("customer and customers must not both be sent"),
        (Some(customer), None) => validate_customer(customer, "customer", check),
        (None, Some(customers)) => {
            for (index, customer) in customers.iter().enumerate() {
                validate_customer(customer, &format!("customers.{index}"), check);
            }
        }
        (None, None) if call.customer_id.is_none() => {
            check.problem("customer should not be empty");
        }
        (None, None) => {}
    }
}

fn validate_schedule(plan: &wire::SchedulePlan, check: &mut Validation) {
    let moment = |text: &Option<String>| text.as_deref().map(Timestamp::from_iso);
    let (earliest, latest) = (moment(&plan.earliest_at), moment(&plan.latest_at));
    if earliest.is_none() {
        check.problem("schedulePlan.earliestAt should not be empty");
    }
    for (name, moment) in [("earliestAt", earliest), ("latestAt", latest)] {
        if moment == Some(None) {
            check.problem(format!("schedulePlan.{name} must be a valid ISO 8601 date string"));
        }
    }
    if let (Some(Some(earliest)), Some(Some(latest))) = (earliest, latest)
        && latest < earliest
    {
        check.problem("schedulePlan.latestAt must not be before schedulePlan.earliestAt");
    }
}

/// A raw WebSocket is what is carried here beside the telephone.
fn validate_transport(
    transport: &wire::NewTransport,
    call: &wire::NewCall,
    check: &mut Validation,
) {
    if transport.provider.is_none() {
        check.problem("transport.provider should not be empty");
    }
    check.one_of("transport.provider", transport.provider.as_deref(), &["vapi.websocket"]);
    let kind = transport.conversation_type.as_deref();
    check.one_of("transport.conversationType", kind, &["voice"]);
    if let Some(format) = &transport.audio_format {
        let path = "transport.audioFormat";
        let encoding = format.format.as_deref();
        check.one_of(&format!("{path}.format"), encoding, &["pcm_s16le", "mulaw"]);
        check.one_of(&format!("{path}.container"), format.container.as_deref(), &["raw"]);
        if format.sample_rate.is_some_and(|rate| rate != 8_000.0 && rate != 16_000.0) {
            check.problem(format!(
                "{path}.sampleRate must be one of the following values: 8000, 16000"
            ));
        }
    }
    if call.phone_number_id.is_some() {
        check.problem("transport and phoneNumberId must not both be sent");
    }
    if call.schedule_plan.is_some() {
        check.problem("transport and schedulePlan must not both be sent");
    }
    if call.customers.is_some() {
        check.problem("transport and customers must not both be sent");
    }
}

fn validate_customer(customer: &wire::NewCustomer, path: &str, check: &mut Validation) {
    for (name, text, longest) in [
        ("name", &customer.name, 40),
        ("email", &customer.email, 40),
        ("externalId", &customer.external_id, 40),
        ("extension", &customer.extension, 10),
    ] {
        check.length(&format!("{path}.{name}"), text.as_deref(), 0..=longest);
    }
    match customer.number.as_deref() {
        Some(number) if customer.is_e164 != Some(false) && !is_e164(number) => {
            check.problem(format!(
                "{path}.number must be in the E.164 format, such as +33123456789"
            ));
        }
        None if customer.sip_uri.is_none() => {
            check.problem(format!("{path}.number should not be empty"));
        }
        Some(_) | None => {}
    }
}

/// The first field that asks for something that is not here.
fn not_served(call: &wire::NewCall) -> Option<&'static str> {
    let fields = [
        ("assistantVersion", call.assistant_version.is_some()),
        ("customerId", call.customer_id.is_some()),
        ("phoneNumber", call.phone_number.is_some()),
        ("workflow", call.workflow.is_some()),
        ("workflowId", call.workflow_id.is_some()),
        ("workflowOverrides", call.workflow_overrides.is_some()),
    ];
    let of_call = fields.iter().find(|(_, sent)| *sent).map(|(name, _)| *name);
    let mut customers = call.customer.iter().chain(call.customers.iter().flatten());
    let of_customer = customers.any(|customer| customer.sip_uri.is_some());
    of_call.or_else(|| of_customer.then_some("customer.sipUri"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(json: &Value) -> Result<wire::NewCall, CallProblem> {
        new_call(&json.to_string())
    }

    #[test]
    fn an_order_as_products_send_it() {
        let call =
            read(&json!({"assistantId": "a", "phoneNumberId": "b", "type": "outboundPhoneCall",
            "customer": {"number": "+33612345678", "name": "Mme Martin"}}))
            .expect("it is sound");
        assert_eq!(call.customer.expect("a customer").name.as_deref(), Some("Mme Martin"));
        let free = json!({"customer": {"number": "3009", "numberE164CheckEnabled": false}});
        assert!(read(&free).is_ok());
    }

    #[test]
    fn what_is_wrong_and_what_is_not_here_are_told_apart() {
        assert_eq!(
            read(&json!({"customr": {}, "customer": {"number": "06", "extension": "12345678901"}})),
            Err(CallProblem::Invalid(vec![
                "property customr should not exist; did you mean customer?".to_owned(),
                "customer.extension must be shorter than or equal to 10 characters".to_owned(),
                "customer.number must be in the E.164 format, such as +33123456789".to_owned(),
            ]))
        );
        let socket = json!({"transport": {"provider": "vapi.websocket",
            "audioFormat": {"format": "opus", "sampleRate": 44_100}}, "phoneNumberId": "p"});
        assert_eq!(
            read(&socket),
            Err(CallProblem::Invalid(vec![
                "transport.audioFormat.format must be one of the following values: pcm_s16le, \
                 mulaw"
                    .to_owned(),
                "transport.audioFormat.sampleRate must be one of the following values: 8000, 16000"
                    .to_owned(),
                "transport and phoneNumberId must not both be sent".to_owned(),
            ]))
        );
        let plan = json!({"schedulePlan": {"earliestAt": "2026-11-22T10:00:00Z",
            "latestAt": "2026-11-22T09:00:00Z"}, "customer": {"number": "+33612345678"}});
        let problem = "schedulePlan.latestAt must not be before schedulePlan.earliestAt";
        assert_eq!(read(&plan), Err(CallProblem::Invalid(vec![problem.to_owned()])));
        let flow = json!({"workflowId": "w", "customer": {"number": "+33612345678"}});
        assert_eq!(read(&flow), Err(CallProblem::NotServed("workflowId")));
    }
}
