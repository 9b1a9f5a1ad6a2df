//! The OpenAI provider against a server on a local socket.
//!
//! How long the provider waits is tested on a paused clock beside its code
//! (`src/llm/openai/reply.rs`). Here real sockets show what the protocol does: how bytes are cut,
//! when connections close and when they are used again.

mod llm_server;

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use engine::llm::openai::Timeouts;
use engine::llm::{
    ChatMessage, ChatRequest, LanguageModel, ModelError, OpenAi, OpenAiSettings, ReplyEvent,
    ToolCall, ToolDefinition,
};
use llm_server::{
    DONE, Server, all, ask, call_event, finish_event, next, settle, text_event, text_of,
};
use serde_json::json;

fn model(settings: OpenAiSettings) -> OpenAi {
    OpenAi::new(settings).expect("valid settings")
}

/// Timeouts that a test waits out; what they lead to is asserted, not how long it takes.
fn short(first_token: u64, stall: u64) -> Timeouts {
    Timeouts {
        first_token: Duration::from_millis(first_token),
        stall: Duration::from_millis(stall),
        ..Timeouts::default()
    }
}

fn text(text: &str) -> ReplyEvent {
    ReplyEvent::Text(text.to_owned())
}

fn failure(events: &[ReplyEvent]) -> &ModelError {
    match events.last() {
        Some(ReplyEvent::Failed(error)) => error,
        other => panic!("a failure was expected, not {other:?}"),
    }
}

#[tokio::test]
async fn the_request_is_what_openai_documents() {
    let server = Server::start().await;
    let mut settings = server.settings();
    settings.api_key = Some("sk-test".to_owned());
    settings.headers = vec![("X-Title".to_owned(), "Causerie".to_owned())];
    settings.include_usage = true;
    let mut reply = model(settings).start(ChatRequest {
        messages: vec![
            ChatMessage::System { content: "Be brief.".to_owned() },
            ChatMessage::User { content: "Déjà vu?".to_owned() },
        ],
        tools: vec![ToolDefinition {
            name: "endCall".to_owned(),
            description: "Ends the call.".to_owned(),
            parameters: json!({"type": "object", "properties": {}}),
            strict: false,
        }],
        temperature: Some(0.5),
        max_tokens: Some(250),
    });
    let served = async {
        let mut connection = server.accept().await;
        let request = connection.request().await;
        connection.stream(DONE).await;
        request
    };
    let (request, events) = tokio::join!(served, all(&mut *reply));

    assert_eq!(events, [ReplyEvent::Done]);
    assert!(request.head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{}", request.head);
    assert_eq!(request.header("authorization"), Some("Bearer sk-test"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("accept"), Some("text/event-stream"));
    assert_eq!(request.header("x-title"), Some("Causerie"));
    assert_eq!(
        request.body,
        json!({
            "model": "test-model",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Déjà vu?"},
            ],
            "tools": [{"type": "function", "function": {
                "name": "endCall",
                "description": "Ends the call.",
                "parameters": {"type": "object", "properties": {}},
            }}],
            "temperature": 0.5,
            "max_tokens": 250,
            "stream": true,
            "stream_options": {"include_usage": true},
        })
    );
}

#[tokio::test]
async fn without_a_key_there_is_no_authorization() {
    let server = Server::start().await;
    let mut reply = model(server.settings()).start(ask("Hello."));
    let served = async {
        let mut connection = server.accept().await;
        let request = connection.request().await;
        connection.stream(DONE).await;
        request
    };
    let (request, _) = tokio::join!(served, all(&mut *reply));
    assert_eq!(request.header("authorization"), None);
    assert_eq!(request.header("proxy-authorization"), None);
}

/// Chunks of one to three bytes cut every character, every line end and every end mark somewhere.
#[tokio::test]
async fn bytes_may_be_cut_anywhere() {
    let stream = [
        ": ping\r\n\r\n".to_owned(),
        text_event("Où "),
        ": keep-alive\n\n".to_owned(),
        text_event("ça ? 4 €, "),
        text_event("😀").replace('\n', "\r\n"),
        finish_event("stop").replace('\n', "\r"),
        DONE.to_owned(),
    ]
    .concat();
    for size in 1..=3 {
        let server = Server::start().await;
        let mut reply = model(server.settings()).start(ask("Hello."));
        let served = async {
            let mut connection = server.accept().await;
            connection.request().await;
            connection.open_stream().await;
            for piece in stream.as_bytes().chunks(size) {
                connection.chunk(piece).await;
                // Lets the client see this piece before the next.
                tokio::task::yield_now().await;
            }
            connection.end_stream().await;
        };
        let ((), events) = tokio::join!(served, all(&mut *reply));
        let expected = [text("Où "), text("ça ? 4 €, "), text("😀"), ReplyEvent::Done];
        assert_eq!(events, expected, "pieces of {size}");
    }
}

#[tokio::test]
async fn text_is_given_while_the_server_writes_on() {
    let server = Server::start().await;
    let mut reply = model(server.settings()).start(ask("Hello."));
    let served = async {
        let mut connection = server.accept().await;
        connection.request().await;
        connection.open_stream().await;
        connection.chunk(text_event("One,").as_bytes()).await;
        connection
    };
    // The second piece is sent only once the first was given out.
    let (mut connection, first) = tokio::join!(served, next(&mut *reply));
    assert_eq!(first, text("One,"));
    connection.chunk(text_event(" two.").as_bytes()).await;
    assert_eq!(next(&mut *reply).await, text(" two."));
    connection.chunk(DONE.as_bytes()).await;
    assert_eq!(next(&mut *reply).await, ReplyEvent::Done);
}

#[tokio::test]
async fn tool_calls_come_whole_after_the_text() {
    let server = Server::start().await;
    let mut reply = model(server.settings()).start(ask("Book it."));
    let stream = [
        text_event("One moment."),
        call_event(r#"{"index":0,"id":"call_a","type":"function","function":{"name":"book","arguments":""}}"#),
        call_event(r#"{"index":0,"function":{"arguments":"{\"guests\":"}}"#),
        call_event(r#"{"index":1,"id":"call_b","type":"function","function":{"name":"endCall","arguments":"{}"}}"#),
        call_event(r#"{"index":0,"function":{"arguments":"4}"}}"#),
        finish_event("tool_calls"),
        DONE.to_owned(),
    ]
    .concat();
    let served = async {
        let mut connection = server.accept().await;
        connection.request().await;
        connection.stream(&stream).await;
    };
    let ((), events) = tokio::join!(served, all(&mut *reply));
    let call = |id: &str, name: &str, arguments: &str| {
        ReplyEvent::ToolCall(ToolCall {
            id: id.to_owned(),
            name: name.to_owned(),
            arguments: arguments.to_owned(),
        })
    };
    assert_eq!(
        events,
        [
            text("One moment."),
            call("call_a", "book", r#"{"guests":4}"#),
            call("call_b", "endCall", "{}"),
            ReplyEvent::Done,
        ]
    );
}

#[tokio::test]
async fn dropping_a_reply_in_mid_stream_closes_its_socket() {
    let server = Server::start().await;
    let mut reply = model(server.settings()).start(ask("Hello."));
    let served = async {
        let mut connection = server.accept().await;
        connection.request().await;
        connection.open_stream().await;
        connection.chunk(text_event("One").as_bytes()).await;
        connection
    };
    let (connection, first) = tokio::join!(served, next(&mut *reply));
    assert_eq!(first, text("One"));
    drop(reply);
    connection.closed().await;
}

#[tokio::test]
async fn dropping_a_reply_before_its_answer_closes_its_socket() {
    let server = Server::start().await;
    // Alive to the end: it is the reply that closes the socket, not the client.
    let model = model(server.settings());
    let mut reply = model.start(ask("Hello."));
    let served = async {
        let mut connection = server.accept().await;
        connection.request().await;
        connection
    };
    let connection = tokio::select! {
        connection = served => connection,
        event = next(&mut *reply) => panic!("no answer was sent, yet there is {event:?}"),
    };
    drop(reply);
    connection.closed().await;
}

#[tokio::test]
async fn a_failed_reply_closes_its_socket_at_once() {
    let server = Server::start().await;
    let mut settings = server.settings();
    settings.max_response_bytes = 200;
    let model = model(settings);
    let mut reply = model.start(ask("Hello."));
    let served = async {
        let mut connection = server.accept().await;
        connection.request().await;
        connection.open_stream().await;
        connection.chunk(&b": padding\n".repeat(100)).await;
        connection
    };
    let (connection, events) = tokio::join!(served, all(&mut *reply));
    let reason = "an answer of more than 200 bytes".to_owned();
    assert_eq!(failure(&events), &ModelError::Protocol { provider: "openai", reason });
    // The reply itself is still there.
    connection.closed().await;
    drop(reply);
}

#[tokio::test]
async fn the_next_reply_uses_the_same_connection() {
    let server = Server::start().await;
    let model = model(server.settings());
    let served = async {
        let mut connection = server.accept().await;
        for n in 0..3 {
            connection.request().await;
            let events = [text_event(&format!("Reply {n}.")), finish_event("stop"), DONE.into()];
            connection.stream(&events.concat()).await;
        }
        connection.request().await;
        connection.answer("429 Too Many Requests", "text/plain", "slow down").await;
        connection.request().await;
        connection.stream(DONE).await;
    };
    let asked = async {
        for n in 0..3 {
            let events = all(&mut *model.start(ask("Hello."))).await;
            assert_eq!(events, [text(&format!("Reply {n}.")), ReplyEvent::Done]);
            settle().await;
        }
        let refused = all(&mut *model.start(ask("Hello."))).await;
        assert!(matches!(failure(&refused), ModelError::Status { status: 429, .. }));
        settle().await;
        assert_eq!(all(&mut *model.start(ask("Hello."))).await, [ReplyEvent::Done]);
    };
    // A second connection would be accepted by nobody, and never answered.
    tokio::join!(served, asked);
}

#[tokio::test]
async fn http_errors_carry_status_and_reason() {
    let body = r#"{"error":{"message":"Incorrect API key provided: sk-secret-key.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#;
    let cases = [
        ("401 Unauthorized", "application/json", body, 401, "Incorrect API key provided: [hidden]"),
        ("429 Too Many Requests", "application/json", r#"{"error":"slow down"}"#, 429, "slow down"),
        ("500 Internal Server Error", "text/html", "<h1>Oh\n no</h1>", 500, "<h1>Oh no</h1>"),
        ("503 Service Unavailable", "text/plain", "", 503, "Service Unavailable"),
    ];
    for (line, content_type, body, status, reason) in cases {
        let server = Server::start().await;
        let mut settings = server.settings();
        settings.api_key = Some("sk-secret-key.".to_owned());
        let mut reply = model(settings).start(ask("Hello."));
        let served = async {
            let mut connection = server.accept().await;
            connection.request().await;
            connection.answer(line, content_type, body).await;
        };
        let ((), events) = tokio::join!(served, all(&mut *reply));
        let reason = reason.to_owned();
        assert_eq!(events.len(), 1);
        assert_eq!(failure(&events), &ModelError::Status { provider: "openai", status, reason });
    }
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let server = Server::start().await;
    let mut settings = server.settings();
    settings.timeouts = short(50, 60_000);
    let mut reply = model(settings).start(ask("Hello."));
    let served = async {
        let mut connection = server.accept().await;
        connection.request().await;
        connection
    };
    let (connection, events) = tokio::join!(served, all(&mut *reply));
    let reason = "no word of the reply within 50ms".to_owned();
    assert_eq!(failure(&events), &ModelError::Connection { provider: "openai", reason });
    connection.closed().await;
}

#[tokio::test]
async fn a_server_that_stalls_is_given_up() {
    let server = Server::start().await;
    let mut settings = server.settings();
    settings.timeouts = short(60_000, 50);
    let mut reply = model(settings).start(ask("Hello."));
    let served = async {
        let mut connection = server.accept().await;
        connection.request().await;
        connection.open_stream().await;
        connection.chunk(text_event("One").as_bytes()).await;
        connection
    };
    let (connection, events) = tokio::join!(served, all(&mut *reply));
    assert_eq!(events[0], text("One"));
    let reason = "the reply stopped in mid-stream for 50ms".to_owned();
    assert_eq!(failure(&events), &ModelError::Connection { provider: "openai", reason });
    connection.closed().await;
}

#[tokio::test]
async fn a_connection_that_breaks_off_fails_the_reply_after_its_text() {
    let server = Server::start().await;
    let mut reply = model(server.settings()).start(ask("Hello."));
    let served = async {
        let mut connection = server.accept().await;
        connection.request().await;
        connection.open_stream().await;
        connection.chunk(text_event("One").as_bytes()).await;
        // The chunk promises more than comes.
        connection.write(b"100\r\ndata: {").await;
    };
    let ((), events) = tokio::join!(served, all(&mut *reply));
    assert_eq!(events[0], text("One"));
    assert!(matches!(failure(&events), ModelError::Connection { .. }), "{events:?}");
}

#[tokio::test]
async fn a_connection_that_breaks_off_after_the_last_word_harms_nothing() {
    let server = Server::start().await;
    let mut settings = server.settings();
    settings.timeouts.end_mark = Duration::from_secs(60);
    let mut reply = model(settings).start(ask("Hello."));
    let served = async {
        let mut connection = server.accept().await;
        connection.request().await;
        connection.open_stream().await;
        connection.chunk((text_event("One.") + &finish_event("stop")).as_bytes()).await;
    };
    let ((), events) = tokio::join!(served, all(&mut *reply));
    assert_eq!(events, [text("One."), ReplyEvent::Done]);
}

#[tokio::test]
async fn a_stream_that_ends_in_mid_reply_fails_it() {
    let server = Server::start().await;
    let mut reply = model(server.settings()).start(ask("Hello."));
    let served = async {
        let mut connection = server.accept().await;
        connection.request().await;
        connection.stream(&text_event("One")).await;
    };
    let ((), events) = tokio::join!(served, all(&mut *reply));
    assert_eq!(text_of(&events), "One");
    let reason = "the stream ended before the reply did".to_owned();
    assert_eq!(failure(&events), &ModelError::Connection { provider: "openai", reason });
}

#[tokio::test]
async fn nobody_listening_is_a_connection_error_without_the_address() {
    let server = Server::start().await;
    let mut settings = server.settings();
    settings.base_url.push_str("?token=query-secret");
    drop(server);
    let mut reply = model(settings).start(ask("Hello."));
    let events = all(&mut *reply).await;
    let ModelError::Connection { reason, .. } = failure(&events) else {
        panic!("a connection error was expected: {events:?}");
    };
    assert!(reason.contains("refused"), "{reason}");
    assert!(!reason.contains("query-secret") && !reason.contains("127.0.0.1"), "{reason}");
}

#[test]
fn starting_a_reply_needs_no_runtime() {
    let settings = OpenAiSettings::new("http://127.0.0.1:9", "test-model");
    let reply = model(settings).start(ask("Hello."));
    drop(reply);
}

#[tokio::test]
async fn after_the_end_there_is_nothing() {
    let server = Server::start().await;
    let mut reply = model(server.settings()).start(ask("Hello."));
    let served = async {
        let mut connection = server.accept().await;
        connection.request().await;
        connection.stream(&[finish_event("stop"), DONE.into(), text_event("late")].concat()).await;
    };
    let ((), events) = tokio::join!(served, all(&mut *reply));
    assert_eq!(events, [ReplyEvent::Done]);
    let polled = reply.poll_event(&mut Context::from_waker(Waker::noop()));
    assert_eq!(polled, Poll::Pending);
}
