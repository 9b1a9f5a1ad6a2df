//! The binary, as a shell sees it.

use std::path::Path;
use std::process::{Command, Output};

fn causerie(folder: &Path, environment: &[(&str, &str)], arguments: &[&str]) -> Output {
    // Whatever is set where the tests run must not decide what they find.
    Command::new(env!("CARGO_BIN_EXE_causerie"))
        .env_clear()
        .current_dir(folder)
        .envs(environment.iter().copied())
        .args(arguments)
        .output()
        .expect("the binary runs")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn a_configuration_that_cannot_be_used_ends_with_64_and_every_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("causerie.toml"), "[twilio]\nlead = 1\n").expect("a file");
    let output = causerie(folder.path(), &[("CAUSERIE_LISTNE", "x")], &["serve"]);
    assert_eq!(output.status.code(), Some(64));
    assert_eq!(
        text(&output.stderr),
        "causerie.toml:2: unknown key `twilio.lead`; did you mean `twilio.lead_ms`?\n\
         CAUSERIE_LISTNE: unknown variable `CAUSERIE_LISTNE`; did you mean `CAUSERIE_LISTEN`?\n"
    );
    assert!(output.stdout.is_empty(), "nothing was served");
}

#[test]
fn config_prints_a_configuration_that_can_be_used() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = causerie(folder.path(), &[], &["config"]);
    assert!(output.status.success());
    std::fs::write(folder.path().join("causerie.toml"), &output.stdout).expect("a file");
    let output = causerie(folder.path(), &[], &["models", "list"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn models_that_are_not_here_are_listed_so_and_fail_verification() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = causerie(folder.path(), &[], &["models", "list"]);
    let line = text(&output.stdout).lines().find(|line| line.starts_with("silero-vad "));
    assert!(line.expect("it is listed").contains(" missing "));

    let output = causerie(folder.path(), &[], &["models", "verify"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("run `causerie models pull silero-vad`"));

    let output = causerie(folder.path(), &[], &["models", "pull", "silero-vda"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("did you mean `silero-vad`?"));
}

#[test]
fn doctor_speaks_json_and_fails_where_calls_would() {
    let folder = tempfile::tempdir().expect("a folder");
    let output =
        causerie(folder.path(), &[("CAUSERIE_LISTEN", "127.0.0.1:0")], &["doctor", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let checks = report["checks"].as_array().expect("checks");
    let silero = checks.iter().find(|check| check["name"] == "model silero-vad");
    let silero = silero.expect("it is looked at");
    assert_eq!(silero["state"], "failed");
    assert_eq!(silero["remedy"], "causerie models pull silero-vad");
}

#[test]
fn an_organisation_is_added_and_its_keys_are_shown_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = causerie(folder.path(), &[], &["organisation", "add", "--name", "Voisin"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    let id = shown.lines().next().and_then(|line| line.strip_prefix("organisation: "));
    let id = id.expect("its id");
    assert!(shown.contains("private key, shown this once: "), "{shown}");
    let output = causerie(folder.path(), &[], &["organisation", "list"]);
    let listed = text(&output.stdout);
    assert!(listed.contains(id) && listed.contains("Voisin"), "{listed}");
    assert!(!listed.contains("key"), "{listed}");
    let elsewhere = [("CAUSERIE_ENCRYPTION_KEY", "another-long-random-text-than-the-file")];
    let output = causerie(folder.path(), &elsewhere, &["organisation", "list"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("sealed with another key"), "{:?}", output.stderr);
}
