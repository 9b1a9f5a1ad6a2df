//! The answers to Twilio's webhook, in TwiML.

use std::io;

use quick_xml::events::{BytesDecl, BytesText, Event};
use quick_xml::{Reader, Writer};

/// What a webhook is answered with; its content type is [`CONTENT_TYPE`].
pub const CONTENT_TYPE: &str = "text/xml; charset=utf-8";

/// Longest name and value of a `<Parameter>` together, in bytes: the 500 characters of Twilio's page
/// "TwiML Voice: Stream", taken strictly.
pub const PARAMETER_LIMIT: usize = 500;

/// A TwiML document that could not be written.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum TwimlError {
    /// XML 1.0 has no way to write this.
    #[error("{what} holds the control character U+{character:04X}, which XML cannot carry")]
    Character {
        /// Where.
        what: &'static str,
        /// The character.
        character: u32,
    },
    /// Twilio would refuse it.
    #[error("stream parameter `{name}` has {length} bytes with its value; Twilio takes 500")]
    Parameter {
        /// Which.
        name: String,
        /// Bytes.
        length: usize,
    },
    /// Twilio opens streams over TLS only, and drops query strings.
    #[error("stream URL `{0}` is not an absolute wss:// URL without a query")]
    Url(String),
    /// A customer's own TwiML.
    #[error("the TwiML cannot be followed: {0}")]
    Verbs(String),
}

/// Connects the call to our socket at `url`, which gets `parameters` in its `start`.
///
/// # Errors
///
/// Where the URL is not absolute and `wss` (on this machine `ws`), or a parameter cannot be carried.
pub fn connect_stream(url: &str, parameters: &[(&str, &str)]) -> Result<String, TwimlError> {
    check_stream(url, parameters)?;
    Ok(respond(|writer| stream(writer, url, parameters)))
}

/// The same, and asks at `next` what to do once our socket is closed.
///
/// # Errors
///
/// As [`connect_stream`].
pub fn connect_stream_then(
    url: &str,
    parameters: &[(&str, &str)],
    next: &str,
) -> Result<String, TwimlError> {
    check_stream(url, parameters)?;
    check("the URL of what follows", next)?;
    Ok(respond(|writer| {
        stream(writer, url, parameters)?;
        redirect(writer, next)
    }))
}

/// Follows `verbs`, which are TwiML themselves, and asks at `next` what to do then.
///
/// # Errors
///
/// Where `verbs` are none of [`ALLOWED`].
pub fn follow_then(verbs: &str, next: &str) -> Result<String, TwimlError> {
    check_verbs(verbs)?;
    check("the URL of what follows", next)?;
    Ok(respond(|writer| {
        writer.get_mut().extend_from_slice(verbs.as_bytes());
        redirect(writer, next)
    }))
}

/// Joins the conference `room`, which begins with the second who joins and ends with the first who
/// leaves. `chime`: the URL of a sound that is heard before.
///
/// # Errors
///
/// Where a name cannot be carried.
pub fn conference(room: &str, chime: Option<&str>) -> Result<String, TwimlError> {
    check("the conference", room)?;
    check("the sound", chime.unwrap_or_default())?;
    Ok(respond(|writer| {
        if let Some(chime) = chime {
            writer.create_element("Play").write_text_content(BytesText::new(chime))?;
        }
        writer.create_element("Dial").write_inner_content(|writer| {
            let conference = writer.create_element("Conference").with_attributes([
                ("beep", "false"),
                ("startConferenceOnEnter", "true"),
                ("endConferenceOnExit", "true"),
                // Nothing is heard while one waits for the other.
                ("waitUrl", ""),
            ]);
            conference.write_text_content(BytesText::new(room))?;
            Ok(())
        })?;
        Ok(())
    }))
}

fn redirect(writer: &mut Writer<Vec<u8>>, next: &str) -> io::Result<()> {
    let element = writer.create_element("Redirect").with_attribute(("method", "POST"));
    element.write_text_content(BytesText::new(next)).map(drop)
}

fn check_stream(url: &str, parameters: &[(&str, &str)]) -> Result<(), TwimlError> {
    let host = url.strip_prefix("wss://").or_else(|| local(url)).unwrap_or_default();
    if host.is_empty() || host.starts_with('/') || url.contains(['?', '#']) {
        return Err(TwimlError::Url(url.to_owned()));
    }
    check("the stream URL", url)?;
    for (name, value) in parameters {
        check("a stream parameter", name)?;
        check("a stream parameter", value)?;
        let length = name.len() + value.len();
        if length > PARAMETER_LIMIT {
            return Err(TwimlError::Parameter { name: (*name).to_owned(), length });
        }
    }
    Ok(())
}

fn stream(writer: &mut Writer<Vec<u8>>, url: &str, parameters: &[(&str, &str)]) -> io::Result<()> {
    writer.create_element("Connect").write_inner_content(|writer| {
        let stream = writer.create_element("Stream").with_attribute(("url", url));
        stream.write_inner_content(|writer| {
            for &(name, value) in parameters {
                let parameter = writer.create_element("Parameter");
                parameter.with_attributes([("name", name), ("value", value)]).write_empty()?;
            }
            Ok(())
        })?;
        Ok(())
    })?;
    Ok(())
}

/// The verbs that a customer's own TwiML may have (Vapi's `warm-transfer-twiml`).
pub const ALLOWED: &[&str] = &["Play", "Say", "Gather", "Hangup", "Pause"];

/// Whether `verbs` are TwiML of [`ALLOWED`] verbs.
///
/// # Errors
///
/// What is wrong with them.
pub fn check_verbs(verbs: &str) -> Result<(), TwimlError> {
    check("the TwiML", verbs)?;
    let broken = |error: &dyn std::fmt::Display| TwimlError::Verbs(error.to_string());
    let mut reader = Reader::from_str(verbs);
    let mut depth = 0_u32;
    let mut count = 0_u32;
    loop {
        let (tag, opens) = match reader.read_event().map_err(|error| broken(&error))? {
            Event::Start(tag) => (tag, true),
            Event::Empty(tag) => (tag, false),
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                continue;
            }
            Event::Eof => break,
            Event::Text(text) if depth == 0 && !text.trim_ascii().is_empty() => {
                return Err(broken(&"there is text outside of the verbs"));
            }
            Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) | Event::Comment(_) => continue,
            Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {
                return Err(broken(&"it must consist of verbs alone"));
            }
        };
        let name = tag.name();
        // Within `Say` stand marks of SSML.
        if depth == 0 && !ALLOWED.iter().any(|verb| *verb == name.as_ref()) {
            return Err(broken(&format!("{} is none of {}", name.as_ref(), ALLOWED.join(", "))));
        }
        count += 1;
        depth += u32::from(opens);
    }
    match (count, depth) {
        (0, _) => Err(broken(&"there is no verb in it")),
        (_, 0) => Ok(()),
        _ => Err(broken(&"a verb is not closed")),
    }
}

/// Refuses a call before it is answered: the caller hears the busy tone, and nobody pays.
pub fn reject_busy() -> String {
    respond(|writer| {
        writer.create_element("Reject").with_attribute(("reason", "busy")).write_empty()?;
        Ok(())
    })
}

/// Turns the call away; the caller hears that the number is not in service.
pub fn reject() -> String {
    respond(|writer| {
        writer.create_element("Reject").with_attribute(("reason", "rejected")).write_empty()?;
        Ok(())
    })
}

/// Who is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Party {
    /// A number, and an extension that is dialled once it answers.
    Number {
        /// E.164, as a rule.
        number: String,
        /// Its digits.
        extension: Option<String>,
    },
    /// `sip:...`.
    Sip(String),
}

impl Party {
    /// What the model chooses by.
    pub fn name(&self) -> &str {
        match self {
            Self::Number { number, .. } => number,
            Self::Sip(uri) => uri,
        }
    }
}

/// A call to somebody else, whom the caller is connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dial<'a> {
    /// Who is seen to call; `None`: the caller.
    pub caller_id: Option<String>,
    /// How long it rings, in seconds.
    pub ring_seconds: u32,
    /// Who is called.
    pub target: &'a Party,
}

/// Connects the caller to somebody else. The caller hears it ring.
///
/// # Errors
///
/// Where a number or an address cannot be carried.
pub fn dial(dial: &Dial<'_>) -> Result<String, TwimlError> {
    check("the caller id", dial.caller_id.as_deref().unwrap_or_default())?;
    check("the destination", dial.target.name())?;
    let timeout = dial.ring_seconds.to_string();
    Ok(respond(|writer| {
        let mut element = writer
            .create_element("Dial")
            .with_attributes([("answerOnBridge", "true"), ("timeout", timeout.as_str())]);
        if let Some(caller) = &dial.caller_id {
            element = element.with_attribute(("callerId", caller.as_str()));
        }
        element.write_inner_content(|writer| {
            match dial.target {
                Party::Number { number, extension } => {
                    let mut element = writer.create_element("Number");
                    // Half a second for the other side to listen (a `w` each).
                    let digits = extension.as_ref().map(|extension| format!("w{extension}"));
                    if let Some(digits) = &digits {
                        element = element.with_attribute(("sendDigits", digits.as_str()));
                    }
                    element.write_text_content(BytesText::new(number))?;
                }
                Party::Sip(uri) => {
                    writer.create_element("Sip").write_text_content(BytesText::new(uri))?;
                }
            }
            Ok(())
        })?;
        Ok(())
    }))
}

/// Ends a call that was answered.
pub fn hang_up() -> String {
    respond(|writer| {
        writer.create_element("Hangup").write_empty()?;
        Ok(())
    })
}

/// Says something in Twilio's own voice, then hangs up.
///
/// # Errors
///
/// Where the text cannot be carried.
pub fn say_and_hang_up(text: &str) -> Result<String, TwimlError> {
    check("the text", text)?;
    Ok(respond(|writer| {
        writer.create_element("Say").write_text_content(BytesText::new(text))?;
        writer.create_element("Hangup").write_empty()?;
        Ok(())
    }))
}

/// The host of a `ws://` URL of this machine: Twilio cannot reach it, our own carrier can.
fn local(url: &str) -> Option<&str> {
    let host = url.strip_prefix("ws://")?;
    let name = host.split(['/', ':']).next()?;
    (name == "localhost" || name.starts_with("127.") || host.starts_with("[::1]")).then_some(host)
}

fn respond(verbs: impl FnOnce(&mut Writer<Vec<u8>>) -> io::Result<()>) -> String {
    let mut writer = Writer::new(Vec::new());
    let written = writer
        .write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))
        .and_then(|()| writer.create_element("Response").write_inner_content(verbs).map(drop));
    written.expect("a Vec takes what is written to it");
    String::from_utf8(writer.into_inner()).expect("made of strings")
}

/// XML 1.0 §2.2: of the control characters only tab and line ends may occur.
fn check(what: &'static str, text: &str) -> Result<(), TwimlError> {
    let allowed = |character: char| {
        !matches!(character, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}'
            | '\u{fffe}' | '\u{ffff}')
    };
    match text.chars().find(|&character| !allowed(character)) {
        Some(character) => Err(TwimlError::Character { what, character: character.into() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = r#"<?xml version="1.0" encoding="UTF-8"?>"#;

    #[test]
    fn a_stream_with_its_parameters() {
        let twiml = connect_stream(
            "wss://voice.example/twilio/media",
            &[("causerieToken", "abc"), ("who", r#"O'Hara & "Sons" <x>"#)],
        );
        assert_eq!(
            twiml.expect("valid"),
            format!(
                "{HEAD}<Response><Connect><Stream url=\"wss://voice.example/twilio/media\">\
                 <Parameter name=\"causerieToken\" value=\"abc\"/>\
                 <Parameter name=\"who\" value=\"O&apos;Hara &amp; &quot;Sons&quot; &lt;x&gt;\"/>\
                 </Stream></Connect></Response>"
            )
        );
    }

    #[test]
    fn what_twilio_would_not_take_is_refused() {
        for url in ["ws://a/b", "https://a", "/media", "wss:///x", "wss://", "wss://a/?q=1", ""] {
            assert_eq!(connect_stream(url, &[]), Err(TwimlError::Url(url.to_owned())));
        }
        let long = "x".repeat(500);
        assert!(matches!(
            connect_stream("wss://a/b", &[("n", &long)]),
            Err(TwimlError::Parameter { length: 501, .. })
        ));
        assert!(matches!(
            connect_stream("wss://a/b", &[("n", "\u{1b}")]),
            Err(TwimlError::Character { character: 0x1b, .. })
        ));
    }

    #[test]
    fn a_transfer() {
        let extension = Some("12".to_owned());
        let target = Party::Number { number: "+33123456789".to_owned(), extension };
        let caller_id = Some("+33600000000".to_owned());
        let twiml = dial(&Dial { caller_id, ring_seconds: 20, target: &target });
        assert_eq!(
            twiml.expect("valid"),
            format!(
                "{HEAD}<Response><Dial answerOnBridge=\"true\" timeout=\"20\" \
                 callerId=\"+33600000000\"><Number sendDigits=\"w12\">+33123456789</Number>\
                 </Dial></Response>"
            )
        );
        let target = Party::Sip("sip:a@b.example".to_owned());
        let twiml = dial(&Dial { caller_id: None, ring_seconds: 60, target: &target });
        assert!(twiml.expect("valid").contains("<Sip>sip:a@b.example</Sip>"));
    }

    #[test]
    fn what_follows_a_stream_and_a_customers_own_verbs() {
        let next = "https://voice.example/next?a=1&b=2";
        let briefing = connect_stream_then("wss://voice.example/m", &[], next).expect("valid");
        assert_eq!(
            briefing,
            format!(
                "{HEAD}<Response><Connect><Stream url=\"wss://voice.example/m\"></Stream></Connect>\
                 <Redirect method=\"POST\">https://voice.example/next?a=1&amp;b=2</Redirect>\
                 </Response>"
            )
        );
        let own = r#"<Say language="fr-FR">Un appel.</Say><Pause length="1"/>"#;
        let followed = follow_then(own, "https://x.io/n").expect("valid");
        assert!(followed.contains(&format!("<Response>{own}<Redirect")), "{followed}");
        for wrong in
            ["", "Bonjour", "<Dial>+331</Dial>", "<Say>a", "<Say>a</Play>", "<?xml?><Say/>"]
        {
            assert!(matches!(follow_then(wrong, "x"), Err(TwimlError::Verbs(_))), "{wrong}");
        }
    }

    #[test]
    fn two_meet_in_a_conference() {
        assert_eq!(
            conference("r1", Some("https://x.io/beep.mp3")).expect("valid"),
            format!(
                "{HEAD}<Response><Play>https://x.io/beep.mp3</Play><Dial><Conference \
                 beep=\"false\" startConferenceOnEnter=\"true\" endConferenceOnExit=\"true\" \
                 waitUrl=\"\">r1</Conference></Dial></Response>"
            )
        );
    }

    #[test]
    fn refusals() {
        assert_eq!(reject(), format!("{HEAD}<Response><Reject reason=\"rejected\"/></Response>"));
        assert_eq!(reject_busy(), format!("{HEAD}<Response><Reject reason=\"busy\"/></Response>"));
        assert_eq!(
            say_and_hang_up("1 < 2").expect("valid"),
            format!("{HEAD}<Response><Say>1 &lt; 2</Say><Hangup/></Response>")
        );
    }
}
