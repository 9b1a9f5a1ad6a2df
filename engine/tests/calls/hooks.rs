//! What follows on what happens in a call.

use std::sync::Arc;

use engine::carrier::When;
use engine::tools::{Hook, HookAction, Occasion, Toolset};

use crate::stage::{Stage, ms};

const DIALOGUE: &str = r#"
language: en
rules:
  - when: { user: hours }
    say: "We are open from nine in the morning to six in the evening, every day but Sunday."
fallback: { say: "Very well." }
"#;

#[tokio::test(start_paused = true)]
async fn who_interrupts_is_told_something() {
    let say = HookAction::Say(vec!["Sorry, go on.".to_owned()]);
    let hook =
        Hook { on: Occasion::AssistantInterrupted, ended_reasons: Vec::new(), actions: vec![say] };
    let mut stage = Stage::new("Hello.", DIALOGUE);
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let mut tools = Toolset::alone(Vec::new(), client);
    tools.hooks = Arc::new([hook]);
    "en".clone_into(&mut tools.language);
    stage.tools = Some(tools);
    let call = stage
        .says(When::AgentSilent(ms(400)), "What are your hours?")
        .says(When::AgentSpeaking(ms(1_500)), "No wait stop please.")
        .hangs_up()
        .play()
        .await;
    let conversation = call.conversation();
    let told = conversation.iter().filter(|line| *line == "< Sorry, go on.").count();
    assert_eq!(told, 1, "{conversation:?}");
}
