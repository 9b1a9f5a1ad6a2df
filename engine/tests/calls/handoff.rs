//! Another assistant takes a call over.

use std::sync::Arc;

use asr::scripted::{Scripted as ScriptedRecognizer, Utterance};
use engine::carrier::When;
use engine::llm::{ChatMessage, ChatRequest, LanguageModel, ScriptedModel, ToolDefinition};
use engine::session::{Persona, Providers, SessionEventKind};
use engine::tools::{
    Candidate, Context, Handoffs, Recruited, Recruiter, Successor, Tool, ToolMessages, Toolset,
    Work,
};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tts::scripted::{Scripted as ScriptedVoice, ScriptedConfig};
use tts::{ChunkPlan, VoiceConfig};
use turntaking::settings::Settings;
use vad::ScriptedVad;

use crate::providers::{Watch, Watched};
use crate::stage::{RATE, Stage, WORD, ms};

const FIRST: &str = r#"
language: en
rules:
  - when: { user: book }
    tool: { name: handoff_to_Bookings, arguments: { destination: Bookings } }
fallback: { say: "Pardon?" }
"#;

const SECOND: &str = r#"
language: en
rules:
  - when: { user: four }
    say: "A table for four."
fallback: { say: "How many?" }
"#;

fn persona(prompt: &str) -> Persona {
    Persona {
        language: "en".to_owned(),
        preamble: vec![ChatMessage::System { content: prompt.to_owned() }],
        tools: Vec::new(),
        temperature: None,
        max_tokens: None,
        voice: VoiceConfig { voice: String::new(), language: "en".to_owned(), speed: 1.0 },
        chunk_plan: ChunkPlan::default(),
        background: None,
    }
}

fn toolset(tools: Vec<Tool>, recruiter: Option<Recruiter>) -> Toolset {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let mut set = Toolset::alone(tools.into_iter().map(Arc::new).collect(), client);
    set.recruiter = recruiter;
    "en".clone_into(&mut set.language);
    set.filler_after = ms(500);
    set
}

/// What the second assistant is told of the conversation.
fn handoff(context: Context) -> Tool {
    let candidate = Candidate { context, ..Candidate::member("Bookings") };
    let handoffs = Handoffs { candidates: vec![candidate], dynamic: None, result: None };
    Tool {
        definition: ToolDefinition {
            name: "handoff_to_Bookings".to_owned(),
            description: String::new(),
            parameters: json!({"type": "object"}),
            strict: false,
        },
        work: Work::Handoff(Box::new(handoffs)),
        is_async: false,
        messages: ToolMessages(Some(Vec::new())),
        parameters: Map::new(),
        extraction: None,
        rejection: Vec::new(),
        document: Map::new(),
    }
}

/// A second assistant with a model, a voice and a recogniser of its own, which hears `words`.
fn bookings(greeting: &str, words: &str, watch: &Watch) -> Recruiter {
    let model: Arc<dyn LanguageModel> =
        Arc::new(ScriptedModel::from_yaml(SECOND).expect("a dialogue"));
    let heard = Utterance::evenly(words, WORD * 2);
    let successor = Successor {
        name: "Bookings".to_owned(),
        id: None,
        document: Map::new(),
        settings: Settings { first_message: greeting.to_owned(), ..Settings::default() },
        persona: persona("You take bookings."),
        providers: Providers {
            vad: Arc::new(ScriptedVad::level(-40.0)),
            turn_model: None,
            endpointing: None,
            recognizer: Arc::new(ScriptedRecognizer::new([heard])),
            model: Arc::new(Watched::new(model, watch)),
            synthesizer: Arc::new(ScriptedVoice::new(ScriptedConfig::default())),
        },
        tools: toolset(Vec::new(), None),
    };
    Recruiter(Arc::new(move |_: Candidate, _: Map<String, Value>| {
        let successor = successor.clone();
        Box::pin(async move { Ok(successor) }) as Recruited
    }))
}

fn contents(request: &ChatRequest) -> Vec<String> {
    let line = |message: &ChatMessage| match message {
        ChatMessage::System { content } => format!("# {content}"),
        ChatMessage::User { content } => format!("> {content}"),
        ChatMessage::Assistant { content, tool_calls } => {
            format!("< {content}{}", tool_calls.len())
        }
        ChatMessage::Tool { .. } => "=".to_owned(),
    };
    request.messages.iter().map(line).collect()
}

fn last(asked: &mut mpsc::UnboundedReceiver<ChatRequest>) -> Vec<String> {
    let mut last = Vec::new();
    while let Ok(request) = asked.try_recv() {
        last = contents(&request);
    }
    last
}

#[tokio::test(start_paused = true)]
async fn the_next_assistant_greets_hears_and_answers_in_the_same_call() {
    let (watch, mut asked) = Watch::new();
    let recruiter = bookings("Bookings, hello.", "Four please.", &watch);
    let mut stage = Stage::new("Hello.", FIRST);
    stage.tools = Some(toolset(vec![handoff(Context::WithoutInstructions)], Some(recruiter)));
    let call = stage
        .says(When::AgentSilent(ms(400)), "I want to book.")
        .says(When::AgentSilent(ms(1_000)), "Four please.")
        .hangs_up()
        .play()
        .await;
    assert_eq!(
        call.conversation(),
        [
            "< Hello.",
            "> I want to book.",
            "< Bookings, hello.",
            "> Four please.",
            "< A table for four."
        ]
    );
    assert_eq!(
        last(&mut asked),
        [
            "# You take bookings.",
            "< Hello.0",
            "> I want to book.",
            "< 1",
            "=",
            "< Bookings, hello.0",
            "> Four please."
        ]
    );
    let handed = call.events.iter().filter_map(|event| match &event.kind {
        SessionEventKind::HandedOver { name, .. } => Some(name.as_str()),
        _ => None,
    });
    assert_eq!(handed.collect::<Vec<_>>(), ["Bookings"]);
    // What was heard of both is in one recording.
    assert!(call.recording.samples.len() as u64 / 2 > RATE.samples_in(ms(3_000)));
}

#[tokio::test(start_paused = true)]
async fn what_the_next_assistant_is_told_follows_its_plan() {
    let head = ["# You answer the telephone.", "< Hello.0", "> I want to book.", "< 1", "="];
    for (context, expected) in [
        (Context::Nothing, vec!["# You take bookings."]),
        (Context::Everything, [&head[..], &["# You take bookings."]].concat()),
        (Context::Spoken, vec!["# You take bookings.", "< Hello.0", "> I want to book."]),
    ] {
        let (watch, mut asked) = Watch::new();
        // Without a greeting its model answers at once.
        let recruiter = bookings("", "", &watch);
        let mut stage = Stage::new("Hello.", FIRST);
        stage.tools = Some(toolset(vec![handoff(context)], Some(recruiter)));
        let call =
            stage.says(When::AgentSilent(ms(400)), "I want to book.").hangs_up().play().await;
        assert_eq!(call.conversation()[..2], ["< Hello.", "> I want to book."]);
        assert_eq!(last(&mut asked), expected, "{context:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_cannot_take_over_leaves_the_call_where_it_is() {
    let recruiter = Recruiter(Arc::new(|_, _| {
        Box::pin(async { Err("there is no such assistant".to_owned()) }) as Recruited
    }));
    let called = "arguments: { destination: Bookings } }";
    let then = format!("{called}\n    then: {{ say: \"Sorry: {{result|nothing}}.\" }}");
    let dialogue = FIRST.replace(called, &then);
    let mut stage = Stage::new("Hello.", &dialogue);
    stage.tools = Some(toolset(vec![handoff(Context::Everything)], Some(recruiter)));
    let call = stage.says(When::AgentSilent(ms(400)), "I want to book.").hangs_up().play().await;
    assert_eq!(
        call.conversation()[2..],
        [
            "< Sorry: Error: the other assistant cannot take the call over: there is no such assistant."
        ]
    );
}
