//! Asks the customer's endpointing server how long to wait.

use std::sync::Arc;
use std::task::{Context, Poll};

use serde_json::json;
use turntaking::input::Input;
use turntaking::time::Instant;

use super::CallId;
use super::transcript::{Transcript, open_ai};
use crate::endpointing::{Answer, EndpointingModel};
use crate::llm::ChatMessage;

/// The questions of one call to its endpointing server. At most one is open: a newer one takes
/// the place of the older, whose answer nobody wants any more.
pub(super) struct Endpointing {
    model: Option<Arc<EndpointingModel>>,
    call: CallId,
    open: Option<(u32, Answer)>,
}

impl Endpointing {
    pub(super) fn new(model: Option<Arc<EndpointingModel>>, call: CallId) -> Self {
        Self { model, call, open: None }
    }

    /// Asks how long to wait after `user`, the caller's words so far, at the end of `messages`.
    /// Returns what the Floor must know at once: that there is nobody to ask.
    pub(super) fn ask(
        &mut self,
        look: u32,
        user: &str,
        messages: &[ChatMessage],
        (transcript, now): (&Transcript, Instant),
    ) -> Option<Input<'static>> {
        let Some(model) = &self.model else {
            return Some(Input::EndpointingAnswer { look, wait: None });
        };
        let mut said = transcript.rows().to_vec();
        said.push(transcript.message("user", user, now));
        let request = json!({"message": {
            "type": "call.endpointing.request",
            "call": {"id": self.call},
            "messages": said,
            "messagesOpenAIFormatted": open_ai(messages),
        }});
        self.open = Some((look, model.ask(request.to_string().into_bytes())));
        None
    }

    /// The answer, once it is there.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Input<'static>> {
        let Some((look, answer)) = &mut self.open else { return Poll::Pending };
        let Poll::Ready(answered) = answer.as_mut().poll(cx) else { return Poll::Pending };
        let look = *look;
        self.open = None;
        let wait = match answered {
            Ok(wait) => Some(wait),
            Err(error) => {
                tracing::warn!(call = %self.call, %error, "no answer to an endpointing request");
                None
            }
        };
        Poll::Ready(Input::EndpointingAnswer { look, wait })
    }
}
