//! One exchange: the model answers, calling tools as often as it needs to.

use std::future::poll_fn;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use tokio::sync::{mpsc, oneshot};
use turntaking::input::TurnId;

use super::message::write;
use crate::llm::{ChatMessage, ChatRequest, LanguageModel, ModelError, ReplyEvent, ToolCall};
use crate::tools::{Answer, Invocation, Progress, Report, Spoken, Toolset, Work};

/// Times that the model may call tools before it has to answer: as on the telephone, with some to
/// spare for those who write longer.
const MOST_ROUNDS: usize = 10;

/// What running tools have to tell.
const QUEUE: usize = 16;

/// A piece of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Which of the messages of the output it belongs to.
    pub(crate) index: usize,
    /// The text.
    pub(crate) delta: String,
}

/// Why a model gives no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Silent {
    /// It fails.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// It calls tools without end.
    #[error("the model calls tools and does not answer")]
    Restless,
}

/// An exchange that is ready to begin.
#[derive(Debug)]
pub(crate) struct Exchange {
    model: Arc<dyn LanguageModel>,
    request: ChatRequest,
    tools: Toolset,
}

impl Exchange {
    pub(super) const fn new(
        model: Arc<dyn LanguageModel>,
        request: ChatRequest,
        tools: Toolset,
    ) -> Self {
        Self { model, request, tools }
    }

    /// Runs it to its end. Returns what was said and done, in order.
    ///
    /// # Errors
    ///
    /// Where the model gives no answer.
    pub(super) async fn run(
        mut self,
        pieces: &mpsc::Sender<Piece>,
    ) -> Result<Vec<ChatMessage>, Silent> {
        let mut output: Vec<ChatMessage> = Vec::new();
        for round in 0..MOST_ROUNDS {
            let (content, tool_calls) = self.reply(output.len(), pieces).await?;
            let is_last = tool_calls.is_empty();
            let answer = ChatMessage::Assistant { content, tool_calls: tool_calls.clone() };
            self.request.messages.push(answer.clone());
            output.push(answer);
            if is_last {
                return Ok(output);
            }
            let mut spoken = None;
            for call in tool_calls {
                let answer = self.run_tool(&call, round).await;
                let message = ChatMessage::Tool { tool_call_id: call.id, content: answer.result };
                self.request.messages.push(message.clone());
                output.push(message);
                spoken = spoken.or(answer.spoken);
            }
            if let Some(Spoken { text, .. }) = spoken {
                // The tool brings its own words: the model is not asked for any.
                let piece = Piece { index: output.len(), delta: text.clone() };
                let _ = pieces.send(piece).await;
                output.push(ChatMessage::Assistant { content: text, tool_calls: Vec::new() });
                return Ok(output);
            }
        }
        Err(Silent::Restless)
    }

    /// What the model says next, and the tools that it calls.
    async fn reply(
        &self,
        index: usize,
        pieces: &mpsc::Sender<Piece>,
    ) -> Result<(String, Vec<ToolCall>), Silent> {
        let mut stream = self.model.start(self.request.clone());
        let (mut content, mut calls) = (String::new(), Vec::new());
        loop {
            match poll_fn(|cx| stream.poll_event(cx)).await {
                ReplyEvent::Text(delta) => {
                    content.push_str(&delta);
                    // Whoever reads along may have left.
                    let _ = pieces.send(Piece { index, delta }).await;
                }
                ReplyEvent::ToolCall(call) => calls.push(call),
                ReplyEvent::Done => return Ok((content, calls)),
                ReplyEvent::Failed(error) => return Err(error.into()),
            }
        }
    }

    async fn run_tool(&self, call: &ToolCall, round: usize) -> Answer {
        let said = |result: &str| Answer::of(result.to_owned());
        let Some(tool) = self.tools.find(&call.name) else {
            return said(&format!("Error: there is no tool {}", call.name));
        };
        match &tool.work {
            Work::EndCall => return said("The conversation is over."),
            Work::Transfer(_) | Work::Handoff(_) | Work::Verdict { .. } => {
                return said("Error: a conversation in writing cannot be transferred");
            }
            Work::Keys | Work::Voicemail(_) => {
                return said("Error: this works on the telephone only");
            }
            Work::Webhook(_) | Work::Function(_) | Work::Request(_) | Work::Message { .. } => {}
        }
        let Some(arguments) = arguments(&call.arguments) else {
            return said("Error: the arguments are not a JSON object");
        };
        let rows: Vec<Value> = self.request.messages.iter().map(write).collect();
        let invocation = Invocation {
            turn: TurnId(u32::try_from(round).unwrap_or(u32::MAX)),
            id: call.id.clone(),
            arguments,
            artifact: json!({"messages": rows, "messagesOpenAIFormatted": rows}),
            // What is said while one waits is for the telephone.
            announced: true,
            choice: 0,
        };
        let (progress, mut told) = mpsc::channel(QUEUE);
        let (heard, is_heard) = oneshot::channel();
        // Read at once, as far as anybody can know.
        let _ = heard.send(());
        let report = Report { progress, heard: is_heard };
        tokio::spawn(self.tools.clone().run(Arc::clone(tool), invocation, report));
        while let Some((_, _, progress)) = told.recv().await {
            if let Progress::Done(answer) = progress {
                return answer;
            }
        }
        said("Error: the tool gave no answer")
    }
}

/// A model that gives no arguments gives none, or an empty text.
fn arguments(text: &str) -> Option<Map<String, Value>> {
    if text.trim().is_empty() {
        return Some(Map::new());
    }
    serde_json::from_str(text).ok()
}
