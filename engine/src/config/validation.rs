//! Reads JSON strictly and collects everything that is wrong with it, in the words of Vapi's API.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::fields;
use super::spelling::nearest;

/// Fields of Vapi's that are taken and have no effect here, by the object they stand in: of an
/// assistant, or of what [`Validation::of`] names. What is in neither this list nor our types is
/// refused, as Vapi does.
const WITHOUT_EFFECT: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "compliancePlan",
            "credentialIds",
            "credentials",
            "customerJoinTimeoutSeconds",
            "hipaaEnabled",
            "modelOutputInMessagesEnabled",
            "observabilityPlan",
            "pciEnabled",
            "recordingEnabled",
            "transportConfigurations",
            "videoRecordingEnabled",
        ],
    ),
    ("monitorPlan", &["monitorIds"]),
    ("backgroundSpeechDenoisingPlan", &["fourierDenoisingPlan"]),
    (
        "transcriber",
        &[
            "agentContext",
            "audioEnhancer",
            "confidenceThreshold",
            "contextGeneral",
            "customVocabulary",
            "customVocabularyConfig",
            "customVocabularyEnabled",
            "disablePartialTranscripts",
            "enableDiarization",
            "endOfTurnConfidenceThreshold",
            "endOfTurnSensitivity",
            "endUtteranceSilenceThreshold",
            "endpointing",
            "eotThreshold",
            "eotTimeoutMs",
            "fallbackPlan",
            "formatTurns",
            "keyterm",
            "keytermsPrompt",
            "keywords",
            "languageBehaviour",
            "languageCodes",
            "languageHint",
            "languageHintsStrict",
            "languages",
            "maxDelay",
            "maxEndpointDelayMs",
            "maxTurnSilence",
            "minEndOfTurnSilenceWhenConfident",
            "minSilenceDurationMs",
            "minSpeechDurationMs",
            "minimumSpeechDuration",
            "mipOptOut",
            "mode",
            "numeralStyle",
            "numerals",
            "operatingPoint",
            "profanityFilter",
            "prompt",
            "prosody",
            "realtimeUrl",
            "receivePartialTranscripts",
            "redaction",
            "region",
            "removeDisfluencies",
            "segmentationMaximumTimeMs",
            "segmentationSilenceTimeoutMs",
            "segmentationStrategy",
            "server",
            "silenceThresholdSeconds",
            "smartFormat",
            "speechModel",
            "speechThreshold",
            "transcriptionHint",
            "turnTaking",
            "vadAssistedEndpointingEnabled",
            "version",
            "wordBoost",
            "wordFinalizationMaxWaitTime",
        ],
    ),
    ("hooks.do.tool.server", SERVER),
    ("hooks.do.server", SERVER),
    (
        "model",
        &[
            "emotionRecognitionEnabled",
            "fallbackModels",
            "knowledgeBase",
            "knowledgeBaseId",
            "metadataSendMode",
            "numFastTurns",
            "promptCacheKey",
            "promptCacheRetention",
            "realtimeConfig",
            "reasoningEffort",
            "systemPrompt",
            "thinking",
            "timeoutSeconds",
            "toolRefs",
            "toolStrictCompatibilityMode",
            "version",
            "wordLevelConfidenceEnabled",
        ],
    ),
    (
        "model.tools",
        &[
            "beepDetectionEnabled",
            "code",
            "credentialId",
            "displayHeightPx",
            "displayNumber",
            "displayWidthPx",
            "encryptedPaths",
            "environmentVariables",
            "knowledgeBases",
            "sipInfoDtmfEnabled",
            "subType",
            "toolMessages",
            "verb",
        ],
    ),
    ("model.tools.server", SERVER),
    ("model.tools.destinations.server", SERVER),
    ("model.tools.destinations.transferPlan", TRANSFER_PLAN),
    ("forwardingPhoneNumbers.transferPlan", TRANSFER_PLAN),
    ("model.messages", &["name", "tool_calls"]),
    (
        "voice",
        &[
            "autoMode",
            "callbackUrl",
            "conversationName",
            "conversationalContext",
            "customGreeting",
            "description",
            "emotion",
            "enableSsml",
            "enableSsmlParsing",
            "experimentalControls",
            "fallbackPlan",
            "fillerInjectionEnabled",
            "generationConfig",
            "inlineSpeedAlpha",
            "inputMinCharacters",
            "inputPunctuationBoundaries",
            "inputReformattingEnabled",
            "instructions",
            "isCustomHumeVoice",
            "languageBoost",
            "languageCode",
            "libraryIds",
            "mipOptOut",
            "optimizeStreamingLatency",
            "pauseBetweenBrackets",
            "personaId",
            "phonemizeBetweenBrackets",
            "pitch",
            "pronunciationDictId",
            "pronunciationDictionary",
            "pronunciationDictionaryLocators",
            "properties",
            "reduceLatency",
            "region",
            "role",
            "server",
            "similarityBoost",
            "speakingRate",
            "stability",
            "style",
            "styleDegree",
            "styleGuidance",
            "subtitleType",
            "temperature",
            "textGuidance",
            "textNormalizationEnabled",
            "useSpeakerBoost",
            "version",
            "voiceGuidance",
            "volume",
        ],
    ),
    ("voice.chunkPlan", &["formatPlan"]),
    ("server", SERVER),
    (
        "phoneNumber",
        &[
            "authentication",
            "credentialId",
            "hooks",
            "numberDesiredAreaCode",
            "numberE164CheckEnabled",
            "sipUri",
            "smsEnabled",
            "workflowId",
        ],
    ),
    ("squad.members", &["assistantVersion"]),
    ("knowledgeBase.server", SERVER),
    ("phoneNumber.server", SERVER),
    ("phoneNumber.fallbackDestination.transferPlan", TRANSFER_PLAN),
    ("analysisPlan", &["outcomePlan", "structuredDataMultiPlan"]),
    ("startSpeakingPlan.smartEndpointingPlan.server", SERVER),
    (
        "artifactPlan",
        &[
            "fullMessageHistoryEnabled",
            "loggingEnabled",
            "loggingPath",
            "loggingUseCustomStorageEnabled",
            "pcapEnabled",
            "pcapS3PathPrefix",
            "pcapUseCustomStorageEnabled",
            "recordingFormat",
            "recordingPath",
            "recordingUseCustomStorageEnabled",
            "scorecardIds",
            "scorecards",
            "structuredOutputIds",
            "structuredOutputs",
            "transcriptPlan",
            "videoRecordingEnabled",
        ],
    ),
];

/// What of a transfer's plan is taken and has no effect here: they are SIP's own, or ask a provider
/// that is not here.
const TRANSFER_PLAN: &[&str] = &["sipHeadersInReferToEnabled", "sipVerb", "voicemailDetectionType"];

/// What of a server is taken and has no effect here.
const SERVER: &[&str] = &["encryptedPaths", "staticIpAddressesEnabled"];

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Validation {
    root: &'static str,
    problems: Vec<String>,
    without_effect: BTreeSet<String>,
}

impl Validation {
    /// Reads what stands at `root` of an assistant, or is no assistant, by itself.
    pub(super) fn of(root: &'static str) -> Self {
        Self { root, ..Self::default() }
    }

    /// What is wrong, and what has no effect.
    pub(super) fn finish(self) -> (Vec<String>, BTreeSet<String>) {
        (self.problems, self.without_effect)
    }

    /// Notes what is wrong; once, however many read the same field.
    pub(super) fn problem(&mut self, problem: impl Into<String>) {
        let problem = problem.into();
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    pub(super) fn without_effect(&mut self, path: String) {
        self.without_effect.insert(path);
    }

    /// Reads `json`; `None` where a value is of the wrong type, or the text is no JSON.
    pub(super) fn read<'de, T>(&mut self, json: &'de str) -> Option<T>
    where
        T: Deserialize<'de> + JsonSchema,
    {
        let mut unknown = Vec::new();
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let mut track = serde_path_to_error::Track::new();
        let tracked = serde_path_to_error::Deserializer::new(&mut deserializer, &mut track);
        let read = serde_ignored::deserialize(tracked, |path| unknown.push(path.to_string()));
        for path in unknown {
            self.unknown(&path, fields::of::<T>);
        }
        match read.and_then(|value: T| deserializer.end().map(|()| value)) {
            Ok(value) => Some(value),
            Err(error) if error.is_data() => {
                // The place in the text adds nothing to the path.
                let text = error.to_string();
                let text = text.split(" at line ").next().unwrap_or_default();
                self.problem(format!("{}: {text}", track.path()));
                None
            }
            Err(error) => {
                self.problem(format!("it is not JSON: {error}"));
                None
            }
        }
    }

    /// `path` is as `serde_ignored` writes it: `?` stands for an optional value on the way.
    /// `fields`: which there are at a path.
    fn unknown(&mut self, path: &str, fields: fn(&[&str]) -> Vec<String>) {
        let steps: Vec<&str> = path.split('.').filter(|step| *step != "?").collect();
        let Some((name, parents)) = steps.split_last() else { return };
        let objects: Vec<&str> = parents
            .iter()
            .filter(|step| !step.bytes().all(|byte| byte.is_ascii_digit()))
            .copied()
            .collect();
        let object = objects.join(".");
        let place = match (self.root, object.as_str()) {
            ("", object) => object.to_owned(),
            (root, "") => root.to_owned(),
            (root, object) => format!("{root}.{object}"),
        };
        let known =
            WITHOUT_EFFECT.iter().any(|(parent, names)| *parent == place && names.contains(name));
        let dot = |path: &str| if path.is_empty() { String::new() } else { format!("{path}.") };
        if known {
            self.without_effect(format!("{}{name}", dot(&object)));
        } else {
            let fields = fields(parents);
            let taken = WITHOUT_EFFECT.iter().filter(|(parent, _)| *parent == place);
            let taken = taken.flat_map(|(_, names)| names.iter().copied());
            let meant = nearest(name, fields.iter().map(String::as_str).chain(taken));
            let meant = meant.map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
            let parents = dot(&parents.join("."));
            self.problem(format!("{parents}property {name} should not exist{meant}"));
        }
    }

    pub(super) fn range(
        &mut self,
        path: &str,
        value: Option<f64>,
        range: RangeInclusive<f64>,
    ) -> Option<f64> {
        let value = value?;
        if value < *range.start() {
            self.problem(format!("{path} must not be less than {}", range.start()));
        } else if value > *range.end() {
            self.problem(format!("{path} must not be greater than {}", range.end()));
        } else {
            return Some(value);
        }
        None
    }

    /// In seconds.
    pub(super) fn duration(
        &mut self,
        path: &str,
        value: Option<f64>,
        range: RangeInclusive<f64>,
    ) -> Option<Duration> {
        self.range(path, value, range).map(Duration::from_secs_f64)
    }

    pub(super) fn whole(
        &mut self,
        path: &str,
        value: Option<f64>,
        range: RangeInclusive<u32>,
    ) -> Option<u32> {
        let value = self.range(path, value, f64::from(*range.start())..=f64::from(*range.end()))?;
        if value.fract() != 0.0 {
            self.problem(format!("{path} must be an integer number"));
            return None;
        }
        Some(value as u32)
    }

    pub(super) fn length(&mut self, path: &str, text: Option<&str>, range: RangeInclusive<usize>) {
        let Some(text) = text else { return };
        let length = text.chars().count();
        if length < *range.start() {
            let least = range.start();
            self.problem(format!("{path} must be longer than or equal to {least} characters"));
        } else if length > *range.end() {
            let most = range.end();
            self.problem(format!("{path} must be shorter than or equal to {most} characters"));
        }
    }

    /// The same for each text of a list.
    pub(super) fn lengths(&mut self, path: &str, texts: &[String], range: RangeInclusive<usize>) {
        let before = self.problems.len();
        for text in texts {
            self.length(&format!("each value in {path}"), Some(text), range.clone());
            if self.problems.len() > before {
                // Once is enough: the message does not say which.
                return;
            }
        }
    }

    pub(super) fn one_of(&mut self, path: &str, word: Option<&str>, words: &[&str]) {
        if word.is_some() {
            self.required_one_of(path, word, words);
        }
    }

    pub(super) fn required_one_of(&mut self, path: &str, word: Option<&str>, words: &[&str]) {
        if word.is_none_or(|word| !words.contains(&word)) {
            let words = words.join(", ");
            self.problem(format!("{path} must be one of the following values: {words}"));
        }
    }

    /// An assistant may come from somebody who must not choose files of this machine.
    pub(super) fn folder(&mut self, path: &str, name: &str) {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if name.is_empty() || name.starts_with('.') || !name.chars().all(fits) {
            self.problem(format!("{path} must be the name of a folder in models_dir"));
        }
    }
}
