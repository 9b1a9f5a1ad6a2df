//! A credential: `POST /credential`, which Vapi's public schema leaves out and its customers send.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::{Map, Value};

use super::checked::Checked;
use super::secret::Secret;
use super::server_url::ServerUrl;
use super::spelling::nearest;
use super::validation::Validation;

/// The providers, what each needs, and what it may have beside. `name` may stand in all.
const PROVIDERS: &[(&str, &[&str], &[&str])] = &[
    ("11labs", &["apiKey"], &["apiUrl"]),
    ("anthropic", &["apiKey"], &[]),
    ("anthropic-bedrock", &["authenticationPlan", "region"], &[]),
    ("anyscale", &["apiKey"], &[]),
    ("assembly-ai", &["apiKey"], &[]),
    ("azure", &["service"], &["apiKey", "bucketPlan", "fallbackIndex", "region"]),
    (
        "azure-openai",
        &["models", "openAIEndpoint", "openAIKey", "region"],
        &["ocpApimSubscriptionKey"],
    ),
    (
        "byo-sip-trunk",
        &["gateways"],
        &[
            "outboundAuthenticationPlan",
            "outboundLeadingPlusEnabled",
            "sipDiversionHeader",
            "sbcConfiguration",
            "techPrefix",
            "type",
        ],
    ),
    ("cartesia", &["apiKey"], &["apiUrl"]),
    ("cerebras", &["apiKey"], &[]),
    ("cloudflare", &[], &["accountEmail", "accountId", "apiKey", "bucketPlan", "fallbackIndex"]),
    (CUSTOM, &["authenticationPlan"], &["encryptionPlan"]),
    ("custom-llm", &["apiKey"], &["authenticationPlan"]),
    ("deep-seek", &["apiKey"], &[]),
    ("deepgram", &["apiKey"], &["apiUrl"]),
    ("deepinfra", &["apiKey"], &[]),
    ("email", &["email"], &[]),
    ("gcp", &["gcpKey"], &["bucketPlan", "fallbackIndex", "region"]),
    ("ghl.oauth2-authorization", &["authenticationSession"], &[]),
    ("gladia", &["apiKey"], &[]),
    ("gohighlevel", &["apiKey"], &[]),
    ("google", &["apiKey"], &[]),
    ("google.calendar.oauth2-authorization", &["authorizationId"], &[]),
    ("google.calendar.oauth2-client", &[], &[]),
    ("google.sheets.oauth2-authorization", &["authorizationId"], &[]),
    ("groq", &["apiKey"], &[]),
    ("hume", &["apiKey"], &[]),
    ("inflection-ai", &["apiKey"], &[]),
    ("inworld", &["apiKey"], &[]),
    ("langfuse", &["apiKey", "apiUrl", "publicKey"], &[]),
    ("lmnt", &["apiKey"], &[]),
    ("make", &["apiKey", "region", "teamId"], &[]),
    ("microsoft", &["apiKey"], &["region"]),
    ("minimax", &["apiKey", "groupId"], &[]),
    ("mistral", &["apiKey"], &[]),
    ("neuphonic", &["apiKey"], &[]),
    ("openai", &["apiKey"], &[]),
    ("openrouter", &["apiKey"], &[]),
    ("perplexity-ai", &["apiKey"], &[]),
    ("playht", &["apiKey", "userId"], &[]),
    ("rime-ai", &["apiKey"], &[]),
    ("runpod", &["apiKey"], &[]),
    (
        "s3",
        &["awsAccessKeyId", "awsSecretAccessKey", "region", "s3BucketName", "s3PathPrefix"],
        &["fallbackIndex"],
    ),
    ("s3-compatible", &["bucketPlan"], &["fallbackIndex"]),
    ("slack-webhook", &["webhookUrl"], &[]),
    ("slack.oauth2-authorization", &["authorizationId"], &[]),
    ("smallest-ai", &["apiKey"], &[]),
    ("soniox", &["apiKey"], &["apiUrl"]),
    ("speechmatics", &["apiKey"], &[]),
    ("supabase", &[], &["bucketPlan", "fallbackIndex"]),
    ("tavus", &["apiKey"], &[]),
    ("together-ai", &["apiKey"], &[]),
    ("trieve", &["apiKey"], &[]),
    ("twilio", &["accountSid"], &["apiKey", "apiSecret", "authToken"]),
    ("vonage", &["apiKey", "apiSecret"], &[]),
    (WEBHOOK, &["authenticationPlan"], &[]),
    ("wellsaid", &["apiKey"], &[]),
    ("xai", &["apiKey"], &[]),
];

/// Those that requests to a customer's server are signed with.
const WEBHOOK: &str = "webhook";
const CUSTOM: &str = "custom-credential";

/// Fields that hold something else than text.
const STRUCTURES: &[&str] = &[
    "authenticationPlan",
    "authenticationSession",
    "bucketPlan",
    "encryptionPlan",
    "gcpKey",
    "outboundAuthenticationPlan",
    "sbcConfiguration",
];
const LISTS: &[&str] = &["gateways", "models"];
const OTHERS: &[&str] = &["fallbackIndex", "outboundLeadingPlusEnabled"];

/// The ways to sign a request: what each needs, and what it may have beside.
const PLANS: &[(&str, &[&str], &[&str])] = &[
    ("bearer", &["token"], &["bearerPrefixEnabled", "headerName"]),
    (
        "hmac",
        &["algorithm", "secretKey"],
        &[
            "includeTimestamp",
            "messageIdHeader",
            "payloadFormat",
            "secretIsBase64",
            "signatureEncoding",
            "signatureHeader",
            "signaturePrefix",
            "timestampHeader",
        ],
    ),
    ("oauth2", &["clientId", "clientSecret", "url"], &["scope"]),
];

/// What of a credential may be shown, wherever in it it stands. Everything else may be a secret.
const SHOWN: &[&str] = &[
    "accountId",
    "accountSid",
    "algorithm",
    "apiUrl",
    "authUsername",
    "authenticationPlan",
    "authorizationId",
    "bearerPrefixEnabled",
    "bucketPlan",
    "clientId",
    "domain",
    "email",
    "fallbackIndex",
    "gateways",
    "groupId",
    "headerName",
    "inboundEnabled",
    "includeTimestamp",
    "ip",
    "messageIdHeader",
    "models",
    "name",
    "netmask",
    "openAIEndpoint",
    "optionsPingEnabled",
    "outboundAuthenticationPlan",
    "outboundEnabled",
    "outboundLeadingPlusEnabled",
    "outboundProtocol",
    "path",
    "payloadFormat",
    "port",
    "provider",
    "realm",
    "region",
    "s3BucketName",
    "s3PathPrefix",
    "scope",
    "secretIsBase64",
    "service",
    "signatureEncoding",
    "signatureHeader",
    "signaturePrefix",
    "sipDiversionHeader",
    "sipRegisterPlan",
    "teamId",
    "techPrefix",
    "timestampHeader",
    "type",
    "url",
    "userId",
    "username",
];

/// How requests to a customer's server prove who sends them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// A word that both sides know.
    Bearer {
        /// Where it stands.
        header: HeaderName,
        /// All of the header's text.
        value: Secret,
    },
    /// A keyed hash of the body (RFC 2104).
    Hmac(Signing),
    /// A token that another server gives for a while (RFC 6749 §4.4).
    OAuth2 {
        /// Who gives it.
        url: ServerUrl,
        /// Who asks for it.
        client: String,
        /// How it knows us.
        secret: Secret,
        /// What for.
        scope: Option<String>,
    },
}

/// How a body is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signing {
    /// The key.
    pub key: Vec<u8>,
    /// Which hash.
    pub algorithm: Hash,
    /// Where the signature stands.
    pub header: HeaderName,
    /// Where the moment stands, in seconds since 1970; `None`: it is not sent.
    pub timestamp_header: Option<HeaderName>,
    /// Where the message's id stands.
    pub id_header: Option<HeaderName>,
    /// What stands before the signature.
    pub prefix: String,
    /// What is signed, with `{body}`, `{timestamp}`, `{method}`, `{url}` and `{svix-id}` in it.
    pub format: String,
    /// The signature is written in base64, else in hexadecimal digits.
    pub base64: bool,
}

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Hash {
    const NAMES: &[&str] = &["sha256", "sha512", "sha1"];

    fn from_name(name: &str) -> Option<Self> {
        match name {
            "sha1" => Some(Self::Sha1),
            "sha256" => Some(Self::Sha256),
            "sha512" => Some(Self::Sha512),
            _ => None,
        }
    }
}

/// Checks a credential.
pub fn credential_check(document: &Map<String, Value>) -> Checked {
    let mut check = Validation::of("credential");
    let text = |name| document.get(name).and_then(Value::as_str);
    check.length("name", text("name"), 1..=40);
    let provider = text("provider").unwrap_or_default();
    let Some((_, required, optional)) = PROVIDERS.iter().find(|(name, ..)| *name == provider)
    else {
        let names: Vec<_> = PROVIDERS.iter().map(|(name, ..)| *name).collect();
        let meant = nearest(provider, names.iter().copied());
        let meant = meant.map(|name| format!(" (did you mean {name}?)")).unwrap_or_default();
        let names = names.join(", ");
        check.problem(format!("provider must be one of the following values: {names}{meant}"));
        return check.into();
    };
    fields(document, "", required, &[*optional, &["name", "provider"]].concat(), &mut check);
    if document.get("encryptionPlan").is_some() {
        check.without_effect("encryptionPlan".to_owned());
    }
    if [WEBHOOK, CUSTOM].contains(&provider) {
        if let Some(Value::Object(plan)) = document.get("authenticationPlan") {
            authentication_of(plan, &mut check);
        }
    } else {
        check.without_effect(format!("provider {provider}"));
    }
    check.into()
}

/// What a stored credential signs requests with; `None`: it is for something else.
pub fn authentication(document: &Map<String, Value>) -> Option<Authentication> {
    let provider = document.get("provider")?.as_str()?;
    let plan = document.get("authenticationPlan")?.as_object()?;
    let signs = [WEBHOOK, CUSTOM].contains(&provider);
    signs.then(|| authentication_of(plan, &mut Validation::default())).flatten()
}

/// A credential without its secrets.
pub fn shown_credential(document: Map<String, Value>) -> Map<String, Value> {
    document
        .into_iter()
        .filter(|(name, _)| SHOWN.contains(&name.as_str()))
        .map(|(name, value)| (name, shown(value)))
        .collect()
}

fn shown(value: Value) -> Value {
    match value {
        Value::Object(fields) => shown_credential(fields).into(),
        Value::Array(values) => values.into_iter().map(shown).collect(),
        other => other,
    }
}

/// The fields of the object at `path`, which is empty or ends in a dot: those that are known, and
/// all that are needed.
fn fields(
    object: &Map<String, Value>,
    path: &str,
    required: &[&str],
    optional: &[&str],
    check: &mut Validation,
) {
    for (name, value) in object {
        let known = required.iter().chain(optional);
        if !known.clone().any(|known| known == name) {
            let meant = nearest(name, known.copied());
            let meant = meant.map(|name| format!("; did you mean {name}?")).unwrap_or_default();
            check.problem(format!("{path}property {name} should not exist{meant}"));
            continue;
        }
        let name_is = |names: &[&str]| names.contains(&name.as_str());
        let (fits, wanted) = if name_is(STRUCTURES) {
            (value.is_object(), "an object")
        } else if name_is(LISTS) {
            (value.is_array(), "an array")
        } else if name_is(OTHERS) || name.ends_with("Enabled") || name_is(FLAGS) {
            (value.is_boolean() || value.is_number(), "a boolean or a number")
        } else {
            (value.is_string(), "a string")
        };
        if !fits {
            check.problem(format!("{path}{name} must be {wanted}"));
        }
    }
    for name in required {
        if object.get(*name).is_none_or(|value| value == "") {
            check.problem(format!("{path}{name} should not be empty"));
        }
    }
}

/// Flags of a plan that do not end in `Enabled`.
const FLAGS: &[&str] = &["includeTimestamp", "secretIsBase64"];

fn authentication_of(plan: &Map<String, Value>, check: &mut Validation) -> Option<Authentication> {
    const PATH: &str = "authenticationPlan.";
    let text = |name: &str| plan.get(name).and_then(Value::as_str);
    let flag = |name: &str, absent| plan.get(name).and_then(Value::as_bool).unwrap_or(absent);
    let kind = text("type").unwrap_or_default();
    let Some((_, required, optional)) = PLANS.iter().find(|(name, ..)| *name == kind) else {
        let kinds: Vec<_> = PLANS.iter().map(|(name, ..)| *name).collect();
        check.required_one_of("authenticationPlan.type", Some(kind), &kinds);
        return None;
    };
    fields(plan, PATH, required, &[*optional, &["type"]].concat(), check);
    let mut header = |name: &str, absent: &'static str| match text(name) {
        None => Some(HeaderName::from_static(absent)),
        Some(sent) => {
            let header = HeaderName::try_from(sent).ok();
            if header.is_none() {
                check.problem(format!("{PATH}{name} must be the name of an HTTP header"));
            }
            header
        }
    };
    match kind {
        "bearer" => {
            let header = header("headerName", "authorization");
            let prefix = if flag("bearerPrefixEnabled", true) { "Bearer " } else { "" };
            let value = format!("{prefix}{}", text("token")?);
            if HeaderValue::try_from(&value).is_err() {
                check.problem(format!("{PATH}token must fit an HTTP header"));
                return None;
            }
            Some(Authentication::Bearer { header: header?, value: Secret::new(value) })
        }
        "hmac" => {
            let signature_header = header("signatureHeader", "x-signature");
            let timestamp_header = header("timestampHeader", "x-timestamp");
            let id_header = text("messageIdHeader").map(|_| header("messageIdHeader", "x-id"));
            let stamped = flag("includeTimestamp", true);
            let algorithm = text("algorithm")?;
            check.required_one_of("authenticationPlan.algorithm", Some(algorithm), Hash::NAMES);
            let encoding = text("signatureEncoding");
            check.one_of("authenticationPlan.signatureEncoding", encoding, &["hex", "base64"]);
            let secret = text("secretKey")?;
            let key = match flag("secretIsBase64", false) {
                // Svix writes a prefix before its keys.
                true => STANDARD.decode(secret.strip_prefix("whsec_").unwrap_or(secret)).ok(),
                false => Some(secret.as_bytes().to_vec()),
            };
            if key.is_none() {
                check.problem(format!("{PATH}secretKey must be base64"));
            }
            let usual = if stamped { "{timestamp}.{body}" } else { "{body}" };
            Some(Authentication::Hmac(Signing {
                key: key?,
                algorithm: Hash::from_name(algorithm)?,
                header: signature_header?,
                timestamp_header: if stamped { Some(timestamp_header?) } else { None },
                id_header: match id_header {
                    Some(header) => Some(header?),
                    None => None,
                },
                prefix: text("signaturePrefix").unwrap_or_default().to_owned(),
                format: text("payloadFormat").unwrap_or(usual).to_owned(),
                base64: encoding == Some("base64"),
            }))
        }
        _ => {
            let url = ServerUrl::exact(text("url")?).ok();
            if url.is_none() {
                check.problem(format!("{PATH}url must be a URL address"));
            }
            Some(Authentication::OAuth2 {
                url: url?,
                client: text("clientId")?.to_owned(),
                secret: Secret::new(text("clientSecret")?),
                scope: text("scope").map(str::to_owned),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        let Value::Object(object) = value else { panic!("an object") };
        object
    }

    fn problems(value: Value) -> Vec<String> {
        credential_check(&object(value)).problems
    }

    #[test]
    fn every_provider_needs_what_vapi_asks_for() {
        assert_eq!(problems(json!({"provider": "openai", "apiKey": "sk", "name": "A"})), [""; 0]);
        assert_eq!(
            problems(json!({"provider": "twilio", "authTokn": "t", "accountSid": 1})),
            [
                "accountSid must be a string",
                "property authTokn should not exist; did you mean authToken?",
            ]
        );
        assert_eq!(
            problems(json!({"provider": "deepgram", "name": ""})),
            ["name must be longer than or equal to 1 characters", "apiKey should not be empty"]
        );
        let told = problems(json!({"provider": "webhok"}));
        assert!(told[0].ends_with("(did you mean webhook?)"), "{told:?}");
        let checked = credential_check(&object(json!({"provider": "groq", "apiKey": "k"})));
        assert!(checked.without_effect.contains("provider groq"));
    }

    #[test]
    fn plans_are_read_and_their_mistakes_told() {
        let plan = |plan: Value| object(json!({"provider": "webhook", "authenticationPlan": plan}));
        let bearer = plan(json!({"type": "bearer", "token": "t", "headerName": "X-Key",
            "bearerPrefixEnabled": false}));
        let expected = Authentication::Bearer {
            header: HeaderName::from_static("x-key"),
            value: Secret::new("t"),
        };
        assert_eq!(authentication(&bearer), Some(expected));
        assert!(credential_check(&bearer).without_effect.is_empty());
        let hmac = plan(json!({"type": "hmac", "secretKey": "whsec_aGk=", "algorithm": "sha256",
            "secretIsBase64": true, "messageIdHeader": "svix-id", "signatureEncoding": "base64"}));
        let Some(Authentication::Hmac(signing)) = authentication(&hmac) else { panic!("HMAC") };
        assert_eq!((signing.key.as_slice(), signing.base64), (&b"hi"[..], true));
        assert_eq!(signing.format, "{timestamp}.{body}");
        assert_eq!(
            problems(
                plan(json!({"type": "hmac", "algorithm": "md5", "signatureHeader": "a b"})).into()
            ),
            [
                "authenticationPlan.secretKey should not be empty",
                "authenticationPlan.signatureHeader must be the name of an HTTP header",
                "authenticationPlan.algorithm must be one of the following values: sha256, sha512, \
                 sha1",
            ]
        );
        assert_eq!(
            problems(
                plan(json!({"type": "oauth2", "url": "x", "clientId": "c",
                "clientSecret": "s", "token": ""}))
                .into()
            ),
            [
                "authenticationPlan.property token should not exist",
                "authenticationPlan.url must be a URL address",
            ]
        );
        assert_eq!(
            problems(plan(json!({"type": "basic"})).into()),
            ["authenticationPlan.type must be one of the following values: bearer, hmac, oauth2"]
        );
    }

    #[test]
    fn what_is_shown_holds_no_secret() {
        let trunk = object(json!({"provider": "byo-sip-trunk", "name": "Trunk",
            "gateways": [{"ip": "sip.example", "port": 5060}],
            "outboundAuthenticationPlan": {"authUsername": "u", "authPassword": "hunter2",
                "sipRegisterPlan": {"domain": "d", "password": "hunter2"}},
            "authenticationPlan": {"type": "oauth2", "clientSecret": "hunter2", "clientId": "c"},
            "apiKey": "hunter2", "gcpKey": {"type": "hunter2"}}));
        let shown = Value::from(shown_credential(trunk));
        assert!(!shown.to_string().contains("hunter2"), "{shown}");
        assert_eq!(shown["gateways"][0]["ip"], "sip.example");
        assert_eq!(shown["outboundAuthenticationPlan"]["authUsername"], "u");
    }
}
