//! The conversations of the demo: what the caller says there leads where it should, also in the
//! words a recogniser may make of it.

mod llm_server;

use std::path::PathBuf;

use engine::llm::{
    ChatMessage, ChatRequest, LanguageModel, Pace, ReplyEvent, ScriptedModel, ToolCall,
};
use llm_server::{all, ask, text_of};
use tokio::time::Instant;

fn dialogue(name: &str) -> ScriptedModel {
    let path: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "..", "fixtures", "dialogues", name].iter().collect();
    ScriptedModel::from_path(&path).unwrap_or_else(|error| panic!("{error}"))
}

/// A call: what the caller says, and what the model answers.
struct Call {
    model: ScriptedModel,
    messages: Vec<ChatMessage>,
}

impl Call {
    fn new(name: &str) -> Self {
        Self { model: dialogue(name), messages: Vec::new() }
    }

    async fn say(&mut self, words: &str) -> (String, Vec<ToolCall>) {
        self.messages.push(ChatMessage::User { content: words.to_owned() });
        let request = ChatRequest { messages: self.messages.clone(), ..ChatRequest::default() };
        let events = all(&mut *self.model.start(request)).await;
        let text = text_of(&events);
        let calls: Vec<ToolCall> = events
            .into_iter()
            .filter_map(|event| match event {
                ReplyEvent::ToolCall(call) => Some(call),
                ReplyEvent::Text(_) | ReplyEvent::Done | ReplyEvent::Failed(_) => None,
            })
            .collect();
        let tool_calls = calls.clone();
        self.messages.push(ChatMessage::Assistant { content: text.clone(), tool_calls });
        (text, calls)
    }

    /// Says something, and expects each of `parts` in a reply that is fit for the telephone.
    async fn expect(&mut self, words: &str, parts: &[&str]) {
        let (text, calls) = self.say(words).await;
        for part in parts {
            // A slot keeps the capitals of the caller's words: they may begin a sentence there.
            let found = text.to_lowercase().contains(&part.to_lowercase());
            assert!(found, "`{part}` in the answer to `{words}`: {text}");
        }
        assert!(calls.is_empty(), "`{words}` ended the call");
        let count = text.split_whitespace().count();
        assert!((12..=30).contains(&count), "{count} words in the answer to `{words}`: {text}");
        let first = text.split(['.', '!', '?']).next().unwrap_or_default();
        let first = first.split_whitespace().count();
        assert!(first <= 6, "{first} words in the first phrase of: {text}");
    }

    async fn expect_end(&mut self, words: &str, parts: &[&str]) {
        let (text, calls) = self.say(words).await;
        for part in parts {
            assert!(text.contains(part), "`{part}` in the answer to `{words}`: {text}");
        }
        assert_eq!(calls.len(), 1, "`{words}` ends the call");
        assert_eq!((calls[0].name.as_str(), calls[0].arguments.as_str()), ("endCall", "{}"));
    }
}

#[tokio::test]
async fn the_demo_conversation() {
    let mut call = Call::new("demo.en.yaml");
    call.expect(
        "It was the best of times, it was the worst of times, it was the age of wisdom.",
        &["Dickens", "book a table?"],
    )
    .await;
    let booking = "I would like to book a table for four people tomorrow evening.";
    call.expect(booking, &["Of course.", "for four tomorrow evening", "which name"]).await;
    call.expect("My name is Martin.", &["Thank you, Martin.", "for four tomorrow evening"]).await;
    call.expect("No, wait, make it five people.", &["No problem.", "to five people"]).await;
    call.expect_end("Thank you, goodbye.", &["Thank you, Martin.", "Goodbye!"]).await;
}

#[tokio::test]
async fn the_correction_may_come_before_the_name() {
    let mut call = Call::new("demo.en.yaml");
    call.expect("I'd like to book a table for four people tomorrow evening", &["for four"]).await;
    call.expect("no wait make it 5 people", &["to 5 people", "which name"]).await;
    call.expect("Martin.", &["Thank you, Martin.", "for 5 tomorrow evening"]).await;
    call.expect("Yes, that is fine.", &["for 5", "booked"]).await;
    call.expect("No, thank you.", &["You are welcome, Martin."]).await;
    call.expect_end("Good bye.", &["Thank you, Martin."]).await;
}

#[tokio::test]
async fn a_booking_survives_the_recogniser() {
    let four = [
        "I would like to book a table for four people tomorrow evening.",
        "I would like to book a table for for people tomorrow evening",
        "i'd like to book a table four four people, tomorrow evening!",
        "I would like to look a table for 4 people tomorrow evening.",
        "a table for people tomorrow evening",
        "Table four people tomorrow evening",
        "We are four people. Tomorrow evening.",
    ];
    for words in four {
        let mut call = Call::new("demo.en.yaml");
        let count = if words.contains('4') { "for 4 tomorrow" } else { "for four tomorrow" };
        call.expect(words, &[count, "which name"]).await;
    }
    let mut call = Call::new("demo.en.yaml");
    call.expect("A table for to people on Saturday night.", &["for two on Saturday night"]).await;
    call.expect("My name's Zoë.", &["Thank you, Zoë.", "for two on Saturday night"]).await;
}

#[tokio::test]
async fn a_booking_in_pieces() {
    let mut call = Call::new("demo.en.yaml");
    call.expect("I would like to book a table.", &["How many people"]).await;
    call.expect("For four people tomorrow evening.", &["for four tomorrow evening"]).await;
    let mut call = Call::new("demo.en.yaml");
    call.expect("Hello?", &["Golden Lion"]).await;
    call.expect("Yes, please.", &["How many people"]).await;
    call.expect("For.", &["a table for four tomorrow evening"]).await;
    call.expect("Hm, well, let me think about that.", &["say that again?"]).await;
    call.expect("Please make that a table for three.", &["to three people", "which name"]).await;
}

#[tokio::test]
async fn the_reading_is_known_at_any_point_of_it() {
    let reading = [
        "It was the best of times",
        "it was the age of foolishness",
        "it was the epoch of belief, it was the epoch of incredulity",
        "it was the season of light, it was the season of darkness",
        "it was the spring of hope, it was the winter of despair",
        "we had everything before us, we had nothing before us",
        "we were all going direct to heaven, we were all going direct the other way",
        "some of its noisiest authorities insisted on its being received",
        "in the superlative degree of comparison only",
        "There were a king with a large jaw and a queen with a plain face on the throne of England.",
    ];
    let mut call = Call::new("demo.en.yaml");
    for words in reading {
        call.expect(words, &["book"]).await;
    }
}

/// What a small recogniser made of the reading and of synthetic voices over the telephone.
#[tokio::test]
async fn what_was_really_recognised_is_understood() {
    let mut call = Call::new("demo.en.yaml");
    for words in [
        "It was the worst of time.",
        "Was the age of foolish,",
        "It was the epoch of the leaf,",
        "It was the swin of hope.",
        "We had everything before us, we had nothing before.",
        "We were all going to act the other way.",
        "Period was so far like the present period,",
        "But some of it's noisy historical, it's insisted on it's being received.",
        "In the superlative degree of compassion only.",
    ] {
        call.expect(words, &["a table?"]).await;
    }
    for correction in
        ["No way, made it five people.", "No way to make it five people.", "Made it five people,"]
    {
        let mut call = Call::new("demo.en.yaml");
        call.expect("I would like to book a table for four people tomorrow evening", &["four"])
            .await;
        call.expect("My name is Martin.", &["Martin"]).await;
        call.expect(correction, &["changed your table to five people"]).await;
        call.expect_end("Thank you. good-bye.", &["Thank you, Martin."]).await;
    }
}

#[test]
fn every_dialogue_of_the_project_can_be_read() {
    let folder: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "..", "fixtures", "dialogues"].iter().collect();
    let mut count = 0;
    for file in folder.read_dir().expect("the dialogues are there") {
        let path = file.expect("a readable folder").path();
        ScriptedModel::from_path(&path).unwrap_or_else(|error| panic!("{error}"));
        count += 1;
    }
    assert!(count >= 2, "the demo's two languages");
}

#[tokio::test]
async fn a_caller_may_hang_up_without_a_table() {
    for words in ["Goodbye.", "Good by", "okay, bye bye"] {
        Call::new("demo.en.yaml").expect_end(words, &["Thank you for calling."]).await;
    }
}

#[tokio::test]
async fn the_french_conversation() {
    let mut call = Call::new("demo.fr.yaml");
    call.expect("Bonjour, vous m'entendez ?", &["Lion d'Or"]).await;
    let booking = "Je voudrais réserver une table pour quatre personnes demain soir.";
    call.expect(booking, &["Bien sûr.", "pour quatre demain soir", "À quel nom"]).await;
    call.expect("Je m’appelle Aurélie.", &["Merci, Aurélie.", "pour quatre demain soir"]).await;
    call.expect("Non, attendez, plutôt cinq personnes.", &["cinq personnes"]).await;
    call.expect("Oui, c'est parfait.", &["pour cinq", "réservée"]).await;
    call.expect_end("Merci, au revoir.", &["Merci, Aurélie.", "Au revoir !"]).await;
}

#[tokio::test]
async fn french_as_a_recogniser_writes_it() {
    let mut call = Call::new("demo.fr.yaml");
    call.expect("je voudrais reserver une table", &["Combien de personnes"]).await;
    call.expect("nous serons 4 vendredi soir", &["pour 4 vendredi soir"]).await;
    call.expect("martin", &["Merci, martin."]).await;
    call.expect_end("aurevoir", &["Merci, martin."]).await;
}

#[tokio::test]
async fn both_greet_and_name_their_language() {
    for (name, language, greeting) in [
        ("demo.en.yaml", "en", "Hello, this is the Golden Lion restaurant. How can I help you?"),
        (
            "demo.fr.yaml",
            "fr",
            "Bonjour, ici le restaurant du Lion d'Or. Que puis-je faire pour vous ?",
        ),
    ] {
        let model = dialogue(name);
        assert_eq!(model.language(), language);
        let events = all(&mut *model.start(ChatRequest::default())).await;
        assert_eq!(text_of(&events), greeting);
    }
}

/// The model of the load tests: 200 ms to the first word, then 50 words a second.
#[tokio::test(start_paused = true)]
async fn a_pace_of_one_s_own() {
    let pace = Pace { first_token_ms: 200, tokens_per_second: 50 };
    let model = dialogue("demo.en.yaml").with_pace(pace);
    let start = Instant::now();
    let events = all(&mut *model.start(ask("Hello."))).await;
    let words = u128::try_from(events.len() - 1).expect("a short reply");
    assert_eq!(start.elapsed().as_millis(), 200 + 20 * (words - 1));
}

#[test]
fn a_file_that_is_none_is_named() {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "Cargo.toml"].iter().collect();
    let error = ScriptedModel::from_path(&path).expect_err("not a dialogue").to_string();
    assert!(error.contains("Cargo.toml: "), "{error}");
    let error = ScriptedModel::from_path(&path.join("none")).expect_err("no file").to_string();
    assert!(error.starts_with("cannot read the dialogue "), "{error}");
}
