//! A customer's endpointing server, over a real local socket.

#[path = "llm_server/mod.rs"]
mod llm_server;

use std::time::Duration;

use engine::config::{Secret, Server, ServerUrl};
use engine::endpointing::{EndpointingError, EndpointingModel};
use llm_server::Server as Listener;

fn model(listener: &Listener) -> EndpointingModel {
    let url = listener.settings().base_url;
    let server = Server {
        url: ServerUrl::exact(&format!("{url}/turns/?key=hunter2")).expect("a URL"),
        headers: vec![("X-Vapi-Secret".to_owned(), Secret::new("hunter3"))],
        timeout: Duration::from_secs(20),
        backoff: None,
        credential: None,
    };
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build();
    EndpointingModel::new(client.expect("a client"), &server)
}

#[tokio::test]
async fn it_is_asked_at_its_address_with_its_secret() {
    let listener = Listener::start().await;
    let model = model(&listener);
    let asked = model.ask(br#"{"message":{"type":"call.endpointing.request"}}"#.to_vec());
    let answered = async {
        let mut connection = listener.accept().await;
        let request = connection.request().await;
        connection.answer("200 OK", "application/json", r#"{"timeoutSeconds":0.75}"#).await;
        request
    };
    let (wait, request) = tokio::join!(asked, answered);
    assert_eq!(wait.expect("an answer"), Duration::from_millis(750));
    assert!(request.head.starts_with("POST /v1/turns/?key=hunter2 HTTP/1.1"), "{}", request.head);
    assert_eq!(request.header("x-vapi-secret"), Some("hunter3"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.body["message"]["type"], "call.endpointing.request");
}

#[tokio::test]
async fn refusals_redirects_and_nonsense_are_no_answer() {
    for (status, body) in [
        ("500 Internal Server Error", "{}"),
        ("302 Found", "{}"),
        ("200 OK", "{\"timeoutSeconds\": 99}"),
        ("200 OK", "<html>"),
    ] {
        let listener = Listener::start().await;
        let model = model(&listener);
        let answered = async {
            let mut connection = listener.accept().await;
            connection.request().await;
            connection.answer(status, "application/json", body).await;
        };
        let (wait, ()) = tokio::join!(model.ask(b"{}".to_vec()), answered);
        let error = wait.expect_err(status);
        let expected =
            matches!(error, EndpointingError::Status { .. } | EndpointingError::Answer { .. });
        assert!(expected, "{status}: {error}");
        assert!(!error.to_string().contains("hunter"), "{error}");
    }
}

#[tokio::test]
async fn nobody_waits_for_it_longer_than_for_a_caller() {
    let listener = Listener::start().await;
    let model = model(&listener);
    let silent = async {
        let mut connection = listener.accept().await;
        connection.request().await;
        connection.closed().await;
    };
    let (wait, ()) = tokio::join!(model.ask(b"{}".to_vec()), silent);
    let error = wait.expect_err("no answer");
    assert!(matches!(error, EndpointingError::Connection { .. }), "{error}");
    assert!(!error.to_string().contains("hunter"), "{error}");
}
