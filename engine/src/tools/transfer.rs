//! A tool that connects the caller to somebody else (Vapi's `transferCall`).

use std::sync::Arc;

use codecs::SampleRate;
use codecs::ambience::Ambience;
use serde_json::{Map, Value, json};
use tokio::sync::oneshot;
use wire::Call;

use super::destination::{Destination, Fallback, Warm, Way, Words};
use super::handoff::{self, Candidate};
use super::message::Opening;
use super::run::{Answer, HEARD_WITHIN, Invocation, Lost, Progress, Spoken, Teller, Toolset};
use super::template::render;
use super::tool::Tool;
use super::webhook;
use crate::analysis::{AnalysisPlan, Analyst, Task};
use crate::background;
use crate::config::{self, Server};
use crate::llm::ChatMessage;
use crate::operator::{Briefing, Desk, NotReached, Order, Treatment, ringback};
use crate::transport::twilio::rest::LiveCall;
use crate::transport::twilio::twiml::{self, Dial, Party};

/// Said where the assistant names no message: Vapi's words in English.
const ANNOUNCEMENTS: &[(&str, &str)] =
    &[("en", "Transferring the call now."), ("fr", "Je vous transfère, ne quittez pas.")];

/// How long the other telephone rings where nobody says: Vapi's default, in seconds.
const RING_SECONDS: u32 = 60;

/// The longest value of a SIP header, in bytes: Twilio takes 1,024 for all of them with their names.
const LONGEST_HEADER: usize = 900;

/// The header that a summary travels in: Vapi's.
const SUMMARY_HEADER: &str = "X-Transfer-Summary";

/// Where callers may be connected to.
#[derive(Clone, Debug, PartialEq)]
pub struct Transfers {
    /// People on the telephone.
    pub parties: Vec<Destination>,
    /// Other assistants, who take the call over.
    pub assistants: Vec<Candidate>,
    /// Who is asked where both are empty; `None`: the assistant's server.
    pub server: Option<Server>,
}

/// Why a caller is not connected, and what they are told of it.
pub(super) struct Failed {
    pub(super) lost: Lost,
    pub(super) fallback: Option<Fallback>,
}

impl From<Lost> for Failed {
    fn from(lost: Lost) -> Self {
        Self { lost, fallback: None }
    }
}

impl Failed {
    /// What the plan has the caller told, in the place of the tool's messages.
    pub(super) fn answer(&self) -> Option<Answer> {
        let Fallback { message, end_call } = self.fallback.as_ref()?;
        let spoken = Spoken { text: message.clone(), end_call_after: *end_call };
        let (result, learnt) = (format!("Error: {}", self.lost), Map::new());
        Some(Answer { result, spoken: Some(spoken), answered: true, learnt })
    }
}

/// One call of the tool.
pub(super) struct Transfer<'a> {
    pub(super) set: &'a Toolset,
    pub(super) tool: &'a Tool,
    pub(super) call: &'a Invocation,
    pub(super) teller: &'a Teller,
}

impl Transfer<'_> {
    /// Announces the transfer, waits until that was heard, and has it done.
    pub(super) async fn run(
        &self,
        transfers: &Transfers,
        heard: oneshot::Receiver<()>,
    ) -> Result<(), Failed> {
        let Self { set, tool, call, teller } = *self;
        if transfers.parties.is_empty() && transfers.assistants.is_empty() {
            return self.asked(transfers.server.as_ref(), heard).await;
        }
        match chosen(transfers, &call.arguments)? {
            Choice::Party(destination) => self.connect(destination, None, heard).await,
            Choice::Assistant(candidate) => {
                let handoff = handoff::Handoff { set, tool, call, teller };
                Ok(handoff.run(candidate, heard).await?)
            }
        }
    }

    /// Asks a server where to.
    async fn asked(
        &self,
        server: Option<&Server>,
        heard: oneshot::Receiver<()>,
    ) -> Result<(), Failed> {
        let Self { set, tool, call, teller } = *self;
        let server = server.or(set.server.as_ref()).ok_or(Lost::NoServer)?;
        let question = Map::from_iter([
            ("type".to_owned(), "transfer-destination-request".into()),
            ("parameters".to_owned(), call.arguments.clone().into()),
        ]);
        let answer = webhook::question(server, set, call, question).await?;
        if let Some(error) = answer.get("error").and_then(Value::as_str) {
            return Err(Lost::Server(error.to_owned()).into());
        }
        let sent = answer.get("destination").filter(|sent| !sent.is_null());
        let sent = sent.ok_or(Lost::NoDestination)?;
        let message = &answer["message"];
        // The docs say `message.message`, the schema `content`.
        let said = message.get("content").or_else(|| message.get("message"));
        let said = said.and_then(Value::as_str).map(str::to_owned);
        if sent["type"] == "assistant" {
            let candidate = config::candidate(sent, &set.language).ok_or(Lost::NoDestination)?;
            let candidate = Candidate { message: said.or(candidate.message), ..candidate };
            let handoff = handoff::Handoff { set, tool, call, teller };
            return Ok(handoff.run(&candidate, heard).await?);
        }
        let destination = config::destination(sent).ok_or(Lost::NoDestination)?;
        self.connect(&destination, said, heard).await
    }

    async fn connect(
        &self,
        destination: &Destination,
        said: Option<String>,
        heard: oneshot::Receiver<()>,
    ) -> Result<(), Failed> {
        let Self { set, tool, call, teller } = *self;
        let line = set.line.as_ref().ok_or(Lost::NoCarrier)?;
        let opening = tool.messages.opening(&set.language, &call.arguments, call.choice);
        let text = match (said.or_else(|| destination.message.clone()), opening) {
            (Some(message), _) => message,
            (None, Opening::Say { text, .. }) => text,
            (None, Opening::Silence) => String::new(),
            // The model has said so already.
            (None, Opening::Filler(_)) if call.announced => String::new(),
            (None, Opening::Filler(_)) => announcement(&set.language),
        };
        teller.tell(Progress::Say(self.filled(&text))).await;
        let _ = tokio::time::timeout(HEARD_WITHIN, heard).await;
        match &destination.way {
            Way::Blind { summary } => {
                Ok(self.redirect(line, destination, summary.as_ref()).await?)
            }
            Way::Warm(warm) => {
                let desk = set.desk.as_ref().ok_or(Lost::NoCarrier)?;
                let hold = hold(warm, &set.language).await;
                teller.tell(Progress::Hold(hold)).await;
                let connected = self.accompany((line, desk), destination, warm).await;
                if connected.is_err() {
                    teller.tell(Progress::Hold(None)).await;
                }
                let failed = |error: NotReached| Failed {
                    lost: Lost::Operator(error.to_string()),
                    fallback: warm.fallback.clone().map(|fallback| Fallback {
                        message: self.filled(&fallback.message),
                        ..fallback
                    }),
                };
                connected.map_err(failed)
            }
        }
    }

    /// Has the carrier connect the caller. What it connects them to is no business of ours any
    /// more.
    async fn redirect(
        &self,
        line: &LiveCall,
        destination: &Destination,
        summary: Option<&Task>,
    ) -> Result<(), Lost> {
        let mut headers = destination.headers.clone();
        if let Some(task) = summary {
            headers.push((SUMMARY_HEADER.to_owned(), self.summary(task).await));
        }
        let target = with_headers(&destination.target, &headers);
        let dial = Dial {
            caller_id: self.caller_id(destination),
            ring_seconds: destination.ring_seconds.unwrap_or(RING_SECONDS),
            target: &target,
        };
        let carrier = |error: &dyn std::fmt::Display| Lost::Carrier(error.to_string());
        let twiml = twiml::dial(&dial).map_err(|error| carrier(&error))?;
        self.teller.tell(Progress::Forwarding(destination.document.clone())).await;
        line.redirect(&twiml).await.map_err(|error| carrier(&error))?;
        self.teller.tell(Progress::Forwarded).await;
        Ok(())
    }

    /// Calls whoever it is, has them told, and brings the caller to them.
    async fn accompany(
        &self,
        (line, desk): (&LiveCall, &Desk),
        destination: &Destination,
        warm: &Warm,
    ) -> Result<(), NotReached> {
        let target = with_headers(&destination.target, &destination.headers);
        let order = Order {
            target: &target,
            caller_id: self.caller_id(destination),
            ring_seconds: destination.ring_seconds.unwrap_or(RING_SECONDS),
            patience: warm.patience,
            chime: warm.chime.clone(),
        };
        let treatment = self.treatment(desk, warm);
        let reached = desk.reach(line, &order, treatment, self.teller.at_work()).await?;
        self.teller.tell(Progress::Forwarding(destination.document.clone())).await;
        reached.join(line).await?;
        self.teller.tell(Progress::Forwarded).await;
        Ok(())
    }

    /// What is done with whoever answers.
    async fn treatment(&self, desk: &Desk, warm: &Warm) -> Treatment {
        let recited = |words| {
            let (first, patience) = (warm.operator_first, warm.patience);
            Treatment::Brief(Arc::new(Briefing::recited(&desk.host, words, first, patience)))
        };
        match &warm.words {
            Words::Message(text) => recited(self.filled(text)),
            Words::Summary(task) => recited(self.summary(task).await),
            Words::Twiml(verbs) => Treatment::Follow(verbs.clone()),
            Words::Conversation { assistant, first, context } => {
                let rows = &self.call.artifact["messagesOpenAIFormatted"];
                let told = context.told(rows.as_array().map_or(&[], Vec::as_slice));
                let preamble = vec![ChatMessage::System { content: instructions(&told) }];
                let first = self.filled(first);
                let briefing =
                    Briefing::conversation(&desk.host, preamble, first, assistant.clone());
                Treatment::Brief(Arc::new(briefing))
            }
        }
    }

    /// What was said so far, in a few words; empty where the model has none.
    async fn summary(&self, task: &Task) -> String {
        let Self { set, call, .. } = self;
        let Some(desk) = &set.desk else { return String::new() };
        let rows = call.artifact["messages"].as_array().map_or(&[][..], Vec::as_slice);
        let line = |row: &Value| {
            let who = match row["role"].as_str()? {
                "bot" => "AI",
                "user" => "User",
                _ => return None,
            };
            Some(format!("{who}: {}\n", row["message"].as_str()?))
        };
        let call = Call {
            transcript: Some(rows.iter().filter_map(line).collect()),
            messages: Some(rows.to_vec()),
            ..Call::default()
        };
        let plan = AnalysisPlan { fewest_messages: 0, tasks: vec![task.clone()] };
        let model = Arc::clone(&desk.host.providers.model);
        let (language, system_prompt) = (set.language.clone(), String::new());
        let analyst = Analyst { plan, model, language, system_prompt };
        analyst.analyse(&call).await.summary.unwrap_or_default()
    }

    fn caller_id(&self, destination: &Destination) -> Option<String> {
        let caller_id = destination.caller_id.as_ref().map(|template| self.filled(template));
        caller_id.filter(|caller| !caller.is_empty())
    }

    /// A text with the arguments and the variables that it names.
    fn filled(&self, text: &str) -> String {
        render(text, &[&self.call.arguments, &self.set.variables, &self.set.about])
    }
}

/// What the model chose.
#[derive(Debug)]
enum Choice<'a> {
    Party(&'a Destination),
    Assistant(&'a Candidate),
}

/// The destination that the model asks for: by its name, by its description, or the only one.
fn chosen<'a>(
    transfers: &'a Transfers,
    arguments: &Map<String, Value>,
) -> Result<Choice<'a>, Lost> {
    let asked = arguments.get("destination").and_then(Value::as_str).unwrap_or_default().trim();
    let Transfers { parties, assistants, .. } = transfers;
    match (&parties[..], &assistants[..]) {
        ([only], []) if asked.is_empty() => return Ok(Choice::Party(only)),
        ([], [only]) if asked.is_empty() => return Ok(Choice::Assistant(only)),
        // Nobody is meant by it, least of all who has no description.
        _ if asked.is_empty() => return Err(Lost::Destination(String::new())),
        _ => {}
    }
    let party = parties.iter().find(|to| to.target.name() == asked || to.description == asked);
    let assistant = || assistants.iter().find(|to| to.name() == asked || to.description == asked);
    match party {
        Some(party) => Ok(Choice::Party(party)),
        None => {
            assistant().map(Choice::Assistant).ok_or_else(|| Lost::Destination(asked.to_owned()))
        }
    }
}

/// What is said before a transfer, where nobody chose.
pub(super) fn announcement(language: &str) -> String {
    let primary = language.split(['-', '_']).next().unwrap_or_default();
    let known = ANNOUNCEMENTS.iter().find(|(tag, _)| tag.eq_ignore_ascii_case(primary));
    known.map(|(_, text)| (*text).to_owned()).unwrap_or_default()
}

/// What the caller hears meanwhile.
async fn hold(warm: &Warm, language: &str) -> Option<Arc<Ambience>> {
    if let Some(url) = &warm.hold {
        match background::fetch(url).await {
            Ok(sound) => return Some(Arc::new(sound)),
            Err(reason) => tracing::warn!(%url, reason, "a caller on hold hears a ringing tone"),
        }
    }
    ringback(SampleRate::HZ_8000, language).map(Arc::new)
}

/// The address with what goes along: `sip:a@b?X-Name=value` (Twilio's page "TwiML Voice: Sip").
fn with_headers(target: &Party, headers: &[(String, String)]) -> Party {
    let Party::Sip(uri) = target else { return target.clone() };
    if headers.is_empty() {
        return target.clone();
    }
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in headers {
        let mut value = value.as_str();
        while value.len() > LONGEST_HEADER {
            let last = value.char_indices().next_back().map_or(0, |(at, _)| at);
            value = &value[..last];
        }
        query.append_pair(name, value);
    }
    let joint = if uri.contains('?') { '&' } else { '?' };
    Party::Sip(format!("{uri}{joint}{}", query.finish().replace('+', "%20")))
}

/// What an assistant who talks with an operator is told.
fn instructions(told: &str) -> String {
    let mut text = "You are on the telephone with a person to whom a caller is to be transferred. \
                    The caller is on hold. Say in a sentence or two who calls and why, and ask \
                    whether they can take the call. When a person agrees, call \
                    transferSuccessful. When they refuse, when they are not the right person, or \
                    when a voicemail or a machine answers, call transferCancel."
        .to_owned();
    if !told.is_empty() {
        text.push_str("\n\nThe conversation with the caller so far:\n");
        text.push_str(told);
    }
    text
}

/// What the model sees of the tool.
pub(crate) fn parameters(transfers: &Transfers) -> Value {
    let parties = transfers.parties.iter().map(|to| (to.target.name(), to.description.as_str()));
    let assistants = transfers.assistants.iter().map(|to| (to.name(), to.description.as_str()));
    let all: Vec<(&str, &str)> = parties.chain(assistants).collect();
    if all.is_empty() {
        return json!({"type": "object", "properties": {}});
    }
    let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
    let described: Vec<String> = all
        .iter()
        .filter(|(_, description)| !description.is_empty())
        .map(|(name, description)| format!("{name}: {description}"))
        .collect();
    json!({
        "type": "object",
        "properties": {"destination": {
            "type": "string",
            "enum": names,
            "description": format!("Where the call is transferred to. {}", described.join(" ")),
        }},
        "required": ["destination"],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destination(number: &str, description: &str) -> Destination {
        Destination {
            target: Party::Number { number: number.to_owned(), extension: None },
            caller_id: None,
            message: None,
            description: description.to_owned(),
            ring_seconds: None,
            headers: Vec::new(),
            way: Way::Blind { summary: None },
            document: Value::Null,
        }
    }

    #[test]
    fn a_destination_is_chosen_by_name_or_description() {
        let parties = vec![destination("+331", "la cuisine"), destination("+332", "le gérant")];
        let member = Candidate::member("Réception");
        let transfers = Transfers { parties, assistants: vec![member], server: None };
        let asked = |json: Value| {
            let Value::Object(arguments) = json else { panic!("an object") };
            match chosen(&transfers, &arguments) {
                Ok(Choice::Party(party)) => Some(party.target.name().to_owned()),
                Ok(Choice::Assistant(candidate)) => Some(candidate.name().to_owned()),
                Err(_) => None,
            }
        };
        assert_eq!(asked(json!({"destination": "+332"})).as_deref(), Some("+332"));
        assert_eq!(asked(json!({"destination": "la cuisine"})).as_deref(), Some("+331"));
        assert_eq!(asked(json!({"destination": "Réception"})).as_deref(), Some("Réception"));
        assert_eq!(asked(json!({"destination": "+339"})), None);
        assert_eq!(asked(json!({})), None, "there are three");
        let only =
            Transfers { parties: vec![destination("+331", "")], assistants: vec![], ..transfers };
        assert!(chosen(&only, &Map::new()).is_ok());
    }

    #[test]
    fn a_transfer_is_announced_in_the_calls_language() {
        assert_eq!(announcement("fr-FR"), "Je vous transfère, ne quittez pas.");
        assert_eq!(announcement("en"), "Transferring the call now.");
        assert_eq!(announcement("fi"), "", "rather than in another language");
    }

    #[test]
    fn headers_travel_in_the_address() {
        let sip = Party::Sip("sip:gerant@pbx.example".to_owned());
        let headers = [(SUMMARY_HEADER.to_owned(), "Table pour 2 & café".to_owned())];
        assert_eq!(
            with_headers(&sip, &headers),
            Party::Sip(
                "sip:gerant@pbx.example?X-Transfer-Summary=Table%20pour%202%20%26%20caf%C3%A9"
                    .to_owned()
            )
        );
        let long = [("X-a".to_owned(), "é".repeat(1_000))];
        let Party::Sip(uri) = with_headers(&sip, &long) else { panic!("an address") };
        assert!(uri.ends_with("%A9") && uri.len() < 2_800, "{}", uri.len());
        let number = destination("+331", "").target;
        assert_eq!(with_headers(&number, &headers), number);
    }
}
