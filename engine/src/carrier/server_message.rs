//! What a server says to its carrier: `media`, `mark` and `clear`
//! (twilio.com/docs/voice/media-streams/websocket-messages, "Send WebSocket messages to Twilio").

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::playout_model::PlayoutModel;

/// A message that is none of the three, or not JSON, or whose audio is not base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server sent something that is neither media, a mark, nor a clear")]
pub(crate) struct Malformed;

/// Does to `model` what the message `text` asks. `payload` is room for its audio, to be used again.
///
/// # Errors
///
/// Where a carrier would not understand it; then the model is as it was.
pub(crate) fn obey(
    text: &str,
    model: &mut PlayoutModel,
    payload: &mut Vec<u8>,
) -> Result<(), Malformed> {
    let message: ServerMessage<'_> = serde_json::from_str(text).map_err(|_| Malformed)?;
    match (message.event, message.media, message.mark) {
        ("media", Some(media), _) => {
            payload.clear();
            STANDARD.decode_vec(media.payload, payload).map_err(|_| Malformed)?;
            model.media(payload);
        }
        ("mark", _, Some(mark)) => model.mark(mark.name),
        ("clear", ..) => model.clear(),
        _ => return Err(Malformed),
    }
    Ok(())
}

#[derive(Deserialize)]
struct ServerMessage<'a> {
    event: &'a str,
    #[serde(borrow)]
    media: Option<ServerMedia<'a>>,
    mark: Option<ServerMark>,
}

#[derive(Deserialize)]
struct ServerMedia<'a> {
    payload: &'a str,
}

#[derive(Deserialize)]
struct ServerMark {
    name: String,
}

#[cfg(test)]
mod tests {
    use super::super::playout_model::FRAME;
    use super::*;

    #[test]
    fn audio_is_queued_marks_return_and_a_clear_drops_all() {
        let (mut model, mut payload) = (PlayoutModel::new(0), Vec::new());
        let media = format!(
            r#"{{"event":"media","streamSid":"MZ1","media":{{"payload":"{}"}}}}"#,
            STANDARD.encode([0x80; 2 * FRAME])
        );
        assert_eq!(obey(&media, &mut model, &mut payload), Ok(()));
        let mark = r#"{"event":"mark","streamSid":"MZ1","mark":{"name":"one"}}"#;
        assert_eq!(obey(mark, &mut model, &mut payload), Ok(()));
        model.play(&mut [0; FRAME]);
        assert_eq!((model.queued(), model.pop_returned()), (FRAME, None));
        assert_eq!(obey(r#"{"event":"clear"}"#, &mut model, &mut payload), Ok(()));
        assert_eq!((model.queued(), model.pop_returned().as_deref()), (0, Some("one")));
    }

    #[test]
    fn what_no_carrier_understands_is_said_to_be_so() {
        let (mut model, mut payload) = (PlayoutModel::new(0), Vec::new());
        for text in [
            "",
            "{}",
            r#"{"event":"stop"}"#,
            r#"{"event":"media"}"#,
            r#"{"event":"media","media":{"payload":"*"}}"#,
            r#"{"event":"mark","media":{"payload":""}}"#,
        ] {
            assert_eq!(obey(text, &mut model, &mut payload), Err(Malformed), "{text}");
        }
        assert_eq!(model.queued(), 0);
    }
}
