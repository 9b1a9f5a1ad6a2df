//! What every language model does, whichever provider it is.
//!
//! Each provider says how it is brought to give a certain reply ([`Provider`]); the rest is the
//! same for all.

mod llm_server;

use std::task::{Context, Poll, Waker};

use engine::llm::{
    ChatMessage, ChatRequest, LanguageModel, OpenAi, ReplyEvent, ScriptedModel, ToolCall,
};
use llm_server::{DONE, Server, all, ask, call_event, finish_event, next, text_event, text_of};
use serde_json::{Value, json};

/// The reply a test wants.
#[derive(Clone, Debug, Default)]
struct Wanted {
    text: String,
    /// A tool's name and its arguments.
    call: Option<(&'static str, Value)>,
}

impl Wanted {
    fn text(text: &str) -> Self {
        Self { text: text.to_owned(), call: None }
    }
}

/// A provider, brought to give one reply to every request.
trait Provider: Sized {
    async fn giving(wanted: Wanted) -> (Box<dyn LanguageModel>, Self);

    /// Serves `requests` requests, where the provider has somebody who does.
    async fn serve(&mut self, requests: usize);
}

struct Scripted;

impl Provider for Scripted {
    async fn giving(wanted: Wanted) -> (Box<dyn LanguageModel>, Self) {
        let say = wanted.text.replace('{', "{{").replace('}', "}}");
        let tool =
            wanted.call.map(|(name, arguments)| json!({"name": name, "arguments": arguments}));
        // JSON is YAML.
        let mut reply = json!({"say": say});
        if let Some(tool) = tool {
            reply["tool"] = tool;
        }
        let dialogue = json!({"language": "en", "greeting": reply, "fallback": reply});
        let model = ScriptedModel::from_yaml(&dialogue.to_string()).expect("a valid dialogue");
        (Box::new(model), Self)
    }

    async fn serve(&mut self, _: usize) {}
}

struct OverHttp {
    server: Server,
    wanted: Wanted,
}

impl Provider for OverHttp {
    async fn giving(wanted: Wanted) -> (Box<dyn LanguageModel>, Self) {
        let server = Server::start().await;
        let model = OpenAi::new(server.settings()).expect("valid settings");
        (Box::new(model), Self { server, wanted })
    }

    async fn serve(&mut self, requests: usize) {
        let mut stream = String::new();
        for word in self.wanted.text.split_inclusive(' ') {
            stream.push_str(&text_event(word));
        }
        if let Some((name, arguments)) = &self.wanted.call {
            let arguments = arguments.to_string();
            // In two pieces, as a model writes them.
            let middle = arguments.ceil_char_boundary(arguments.len() / 2);
            let begun = json!({"index": 0, "id": "call_1", "type": "function",
                "function": {"name": name, "arguments": arguments[..middle]}});
            let rest = json!({"index": 0, "function": {"arguments": arguments[middle..]}});
            stream.push_str(&call_event(&begun.to_string()));
            stream.push_str(&call_event(&rest.to_string()));
        }
        stream.push_str(&finish_event("stop"));
        stream.push_str(DONE);
        for _ in 0..requests {
            let mut connection = self.server.accept().await;
            connection.request().await;
            connection.last_stream(&stream).await;
        }
    }
}

async fn events_of<P: Provider>(wanted: Wanted, request: ChatRequest) -> Vec<ReplyEvent> {
    let (model, mut provider) = P::giving(wanted).await;
    let mut reply = model.start(request);
    let ((), events) = tokio::join!(provider.serve(1), all(&mut *reply));
    let polled = reply.poll_event(&mut Context::from_waker(Waker::noop()));
    assert_eq!(polled, Poll::Pending, "nothing comes after the end");
    events
}

async fn text_then_done<P: Provider>() {
    let words = "Of course. I have a table for four.";
    let events = events_of::<P>(Wanted::text(words), ask("A table, please.")).await;
    assert_eq!(text_of(&events), words);
    assert_eq!(events.last(), Some(&ReplyEvent::Done));
    let pieces = events.len() - 1;
    assert!(pieces > 1, "the text comes in pieces, so that the voice can begin with the first");
    assert!(
        events[..pieces]
            .iter()
            .all(|event| matches!(event, ReplyEvent::Text(piece) if !piece.is_empty()))
    );
}

async fn tool_calls_are_whole_and_after_the_text<P: Provider>() {
    let arguments = json!({"guests": "four", "name": "Zoë \"Z\" Müller", "notes": ["a", {"b": 1}]});
    let wanted = Wanted { text: "One moment.".to_owned(), call: Some(("book", arguments.clone())) };
    let events = events_of::<P>(wanted, ask("A table, please.")).await;
    assert_eq!(text_of(&events), "One moment.");
    let [.., ReplyEvent::Text(_), ReplyEvent::ToolCall(call), ReplyEvent::Done] = &events[..]
    else {
        panic!("text, one call, done: {events:?}");
    };
    assert_eq!(call.name, "book");
    assert!(!call.id.is_empty());
    assert_eq!(serde_json::from_str::<Value>(&call.arguments).expect("JSON"), arguments);
}

async fn a_tool_call_without_text_or_arguments<P: Provider>() {
    let wanted = Wanted { text: String::new(), call: Some(("endCall", json!({}))) };
    let events = events_of::<P>(wanted, ask("Goodbye.")).await;
    let [ReplyEvent::ToolCall(ToolCall { name, arguments, .. }), ReplyEvent::Done] = &events[..]
    else {
        panic!("one call, done: {events:?}");
    };
    assert_eq!((name.as_str(), arguments.as_str()), ("endCall", "{}"));
}

async fn unicode_arrives_as_it_was_written<P: Provider>() {
    let words = "Ça fait 42,50 €, Zoë. 東京で 👩‍👩‍👧 {\"a\\b\"} cafe\u{301} ﬁn\u{200b}!";
    let events = events_of::<P>(Wanted::text(words), ask("Combien ? 😀")).await;
    assert_eq!(text_of(&events), words);
}

async fn an_empty_conversation_has_an_end<P: Provider>() {
    for messages in [vec![], vec![ChatMessage::User { content: String::new() }]] {
        let request = ChatRequest { messages, ..ChatRequest::default() };
        let events = events_of::<P>(Wanted::text("Hello there."), request).await;
        assert_eq!(text_of(&events), "Hello there.");
        assert_eq!(events.last(), Some(&ReplyEvent::Done));
    }
}

async fn an_empty_reply_is_done<P: Provider>() {
    let events = events_of::<P>(Wanted::default(), ask("Hello.")).await;
    assert_eq!(events, [ReplyEvent::Done]);
}

async fn a_reply_dropped_in_the_middle_leaves_the_model_usable<P: Provider>() {
    let words = "Of course. I have a table for four.";
    let (model, mut provider) = P::giving(Wanted::text(words)).await;
    for _ in 0..3 {
        let mut dropped = model.start(ask("A table, please."));
        let ((), first) = tokio::join!(provider.serve(1), next(&mut *dropped));
        assert!(matches!(first, ReplyEvent::Text(_)));
        drop(dropped);
        // Never polled, so never sent.
        drop(model.start(ask("A table, please.")));
    }
    let mut reply = model.start(ask("A table, please."));
    let ((), events) = tokio::join!(provider.serve(1), all(&mut *reply));
    assert_eq!(text_of(&events), words);
}

async fn replies_of_many_calls_do_not_mix<P: Provider>() {
    let words = "Of course. I have a table for four.";
    let (model, mut provider) = P::giving(Wanted::text(words)).await;
    let mut one = model.start(ask("A table, please."));
    let mut other = model.start(ask("A table, please."));
    let both = async {
        let first = next(&mut *one).await;
        let events = all(&mut *other).await;
        let mut rest = all(&mut *one).await;
        rest.insert(0, first);
        (rest, events)
    };
    let ((), (one, other)) = tokio::join!(provider.serve(2), both);
    assert_eq!(text_of(&one), words);
    assert_eq!(text_of(&other), words);
}

macro_rules! conformance {
    ($($provider:ident = $type:ty;)*) => { mod conformance { $(
        mod $provider {
            use super::super::*;

            conformance!(@tests $type;
                text_then_done,
                tool_calls_are_whole_and_after_the_text,
                a_tool_call_without_text_or_arguments,
                unicode_arrives_as_it_was_written,
                an_empty_conversation_has_an_end,
                an_empty_reply_is_done,
                a_reply_dropped_in_the_middle_leaves_the_model_usable,
                replies_of_many_calls_do_not_mix,
            );
        }
    )* } };
    (@tests $type:ty; $($test:ident,)*) => { $(
        #[tokio::test]
        async fn $test() {
            super::super::$test::<$type>().await;
        }
    )* };
}

conformance! {
    openai = OverHttp;
    scripted = Scripted;
}
