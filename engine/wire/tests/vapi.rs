//! The types against what Vapi publishes.

use std::fs;
use std::path::Path;

use serde_json::json;
use wire::{Assistant, EndedReason};

const REASONS: [EndedReason; 12] = [
    EndedReason::AssistantEndedCall,
    EndedReason::AssistantSaidEndCallPhrase,
    EndedReason::CustomerEndedCall,
    EndedReason::ExceededMaxDuration,
    EndedReason::ManuallyCanceled,
    EndedReason::ModelFailed,
    EndedReason::PhoneCallProviderClosedWebsocket,
    EndedReason::SilenceTimedOut,
    EndedReason::TranscriberFailed,
    EndedReason::VoiceFailed,
    EndedReason::Voicemail,
    EndedReason::WorkerShutdown,
];

#[test]
fn ended_reasons_are_vapis() {
    let list = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vapi/ended-reasons.txt");
    let Ok(list) = fs::read_to_string(Path::new(list)) else {
        eprintln!("skipped: {list} is not there");
        return;
    };
    let known: Vec<_> = list.lines().collect();
    for reason in REASONS {
        let json = serde_json::to_value(reason).expect("an enum serialises");
        let name = json.as_str().expect("to a string");
        assert!(known.contains(&name), "{name} is not one of Vapi's reasons");
    }
}

#[test]
fn a_full_assistant_survives_the_round_trip() {
    let sent = json!({
        "name": "Sara",
        "firstMessage": "Bonjour !",
        "firstMessageMode": "assistant-speaks-first-with-model-generated-message",
        "firstMessageInterruptionsEnabled": true,
        "transcriber": {"provider": "moonshine", "model": "tiny", "language": "en"},
        "model": {
            "provider": "custom-llm",
            "model": "gpt-4o-mini",
            "url": "https://llm.example.com/v1",
            "messages": [{"role": "system", "content": "Soyez brève."}],
            "temperature": 0.5,
            "maxTokens": 250.0,
            "tools": [{
                "type": "function",
                "function": {
                    "name": "checkAvailability",
                    "description": "Is the day free?",
                    "parameters": {"type": "object", "properties": {"date": {"type": "string"}}}
                }
            }]
        },
        "voice": {
            "provider": "espeak-ng",
            "voiceId": "fr",
            "speed": 1.1,
            "chunkPlan": {"enabled": true, "minCharacters": 10.0, "punctuationBoundaries": ["."]}
        },
        "startSpeakingPlan": {
            "waitSeconds": 0.4,
            "smartEndpointingPlan": {"provider": "livekit", "waitFunction": "20 + 500 * x"},
            "customEndpointingRules": [{
                "type": "both",
                "assistantRegex": "e-mail",
                "customerRegex": "@",
                "customerRegexOptions": [{"type": "ignore-case", "enabled": true}],
                "timeoutSeconds": 3.0
            }],
            "transcriptionEndpointingPlan": {
                "onPunctuationSeconds": 0.1,
                "onNoPunctuationSeconds": 1.5,
                "onNumberSeconds": 0.5
            }
        },
        "stopSpeakingPlan": {
            "numWords": 2.0,
            "voiceSeconds": 0.2,
            "backoffSeconds": 1.0,
            "acknowledgementPhrases": ["oui"],
            "interruptionPhrases": ["stop"]
        },
        "silenceTimeoutSeconds": 30.0,
        "maxDurationSeconds": 600.0,
        "endCallPhrases": ["au revoir"],
        "endCallMessage": "Bonne journée.",
        "messagePlan": {"idleMessages": ["Allô ?"], "idleTimeoutSeconds": 10.0},
        "hooks": [{
            "on": "customer.speech.timeout",
            "options": {"timeoutSeconds": 7.5, "triggerResetMode": "never"},
            "do": [
                {"type": "say", "exact": ["Allô ?"]},
                {"type": "say", "prompt": [{"role": "system", "content": "Relance."}]},
                {"type": "tool", "tool": {"type": "endCall"}}
            ]
        }],
        "backgroundSound": "off",
        "backgroundSpeechDenoisingPlan": {"smartDenoisingPlan": {"enabled": true}},
        "voicemailDetection": {"provider": "vapi", "backoffPlan": {"maxRetries": 2.0}},
        "voicemailMessage": "Rappelez-nous.",
        "keypadInputPlan": {"enabled": true, "timeoutSeconds": 2.0, "delimiters": ["#"]},
        "artifactPlan": {"recordingEnabled": false},
        "metadata": {"sector": "salon"}
    });
    let assistant: Assistant = serde_json::from_value(sent.clone()).expect("it is an assistant");
    assert_eq!(serde_json::to_value(assistant).expect("it serialises"), sent);
}

#[test]
fn nothing_is_required() {
    let assistant: Assistant = serde_json::from_str("{}").expect("it is an assistant");
    assert_eq!(assistant, Assistant::default());
    assert_eq!(serde_json::to_value(assistant).expect("it serialises"), json!({}));
}
