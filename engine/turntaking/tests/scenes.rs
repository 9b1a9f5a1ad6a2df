//! Plays every scene of `fixtures/scenes` and compares it, line by line, with what was written.
//!
//! `UPDATE_SCENES=1 cargo test -p turntaking --test scenes` writes them anew; the difference is
//! for review. A bug becomes a scene first.

#![expect(clippy::disallowed_methods, reason = "tests read and write their fixtures")]

#[path = "support/notation.rs"]
mod notation;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notation::{inputs, show};
use turntaking::Floor;
use turntaking::history::Entry;
use turntaking::input::Input;
use turntaking::settings::Settings;
use turntaking::time::Instant;

/// Fewer means that scenes went missing.
const LEAST: usize = 25;

#[test]
fn every_scene_goes_as_written() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/scenes"));
    let mut scenes: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the folder of scenes")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "scene"))
        .collect();
    scenes.sort();
    let mut wrong = Vec::new();
    for path in &scenes {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let wanted = fs::read_to_string(path).expect("a readable scene");
        match play(&wanted) {
            Err(error) => wrong.push(format!("{name}: {error}")),
            Ok(played) if played == wanted => {}
            Ok(played) if std::env::var_os("UPDATE_SCENES").is_some() => {
                fs::write(path, played).expect("a writable scene");
            }
            Ok(played) => wrong.push(format!("{name}: {}", first_difference(&wanted, &played))),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(scenes.len() >= LEAST, "{} scenes", scenes.len());
}

fn first_difference(wanted: &str, played: &str) -> String {
    let (mut wanted, mut played) = (wanted.lines(), played.lines());
    for line in 1.. {
        let pair = (wanted.next(), played.next());
        if pair.0 != pair.1 || pair.0.is_none() {
            let or_end = |text: Option<&str>| text.unwrap_or("(the end)").to_owned();
            let (wanted, played) = (or_end(pair.0), or_end(pair.1));
            return format!("line {line}\n  wanted {wanted}\n  played {played}");
        }
    }
    unreachable!("texts are finite")
}

/// Plays the inputs of `scene` and writes the whole scene as it went.
///
/// # Errors
///
/// The line that is not understood.
fn play(scene: &str) -> Result<String, String> {
    let mut settings = Settings::default();
    let mut written = String::new();
    let mut stage: Option<Stagehand> = None;
    for (at, line) in scene.lines().enumerate() {
        let wrong = |what: &str| format!("line {}: {what}: {line}", at + 1);
        let text = stage.as_mut().map_or(&mut written, |stage| &mut stage.written);
        let trimmed = line.trim();
        if let Some((time, input)) = trimmed.split_once(" > ") {
            let millis = time.trim().parse().map_err(|_| wrong("no time in ms"))?;
            let stage = stage.get_or_insert_with(|| {
                Stagehand::new(settings.clone(), std::mem::take(&mut written))
            });
            stage.play(Instant::from_millis(millis), input).map_err(|what| wrong(&what))?;
        } else if trimmed.starts_with('#') {
            writeln!(text, "{line}").expect("a string");
        } else if stage.is_none() {
            if let Some(setting) = trimmed.strip_prefix("set ") {
                set(&mut settings, setting).map_err(|what| wrong(&what))?;
            }
            writeln!(written, "{line}").expect("a string");
        }
        // Everything else is what the Floor did; it is written anew.
    }
    Ok(stage.ok_or("the scene has no input")?.curtain())
}

struct Stagehand {
    floor: Floor,
    state: &'static str,
    written: String,
}

impl Stagehand {
    fn new(settings: Settings, written: String) -> Self {
        let floor = Floor::new(settings, 0, Instant::START);
        let state = floor.state().name();
        Self { floor, state, written }
    }

    fn play(&mut self, at: Instant, text: &str) -> Result<(), String> {
        // Whatever was due before happens at its very moment.
        while let Some((due, reason)) = self.floor.poll_timeout()
            && due <= at
        {
            self.line(due, '!', &snake_case(&format!("{reason:?}")));
            self.tell(due, &Input::Timeout);
        }
        self.line(at, '>', text);
        for input in inputs(at, text)? {
            self.tell(at, &input);
        }
        Ok(())
    }

    fn tell(&mut self, at: Instant, input: &Input<'_>) {
        self.floor.handle(at, input);
        while let Some(output) = self.floor.poll_output() {
            self.line(at, '<', &show(&output));
        }
        self.floor.check().expect("the Floor is sound");
        let state = self.floor.state().name();
        if state != std::mem::replace(&mut self.state, state) {
            self.line(at, '=', state);
        }
    }

    fn line(&mut self, at: Instant, mark: char, text: &str) {
        let (millis, micros) = (at.as_micros() / 1_000, at.as_micros() % 1_000);
        assert_eq!(micros, 0, "scenes keep to whole milliseconds: {text}");
        writeln!(self.written, "{millis:>6} {mark} {text}").expect("a string");
    }

    fn curtain(mut self) -> String {
        writeln!(self.written, "\nhistory").expect("a string");
        for entry in self.floor.history() {
            let line = match entry {
                Entry::User { text, dictated: None } => format!("  user {text:?}"),
                Entry::User { text, dictated: Some(found) } => format!(
                    "  user {text:?} ({:?}, {:?}: {})",
                    found.kind, found.progress, found.value
                ),
                Entry::Assistant { text, complete, .. } => {
                    format!("  assistant {text:?}{}", if *complete { "" } else { " (cut)" })
                }
                Entry::ToolCall { id, name, arguments, .. } => {
                    format!("  tool {id} {name} {arguments}")
                }
                Entry::ToolResult { id, result } => format!("  result {id} {result:?}"),
            };
            writeln!(self.written, "{line}").expect("a string");
        }
        self.written
    }
}

/// `path.to.setting value`, where the value is JSON or a duration in ms.
fn set(settings: &mut Settings, text: &str) -> Result<(), String> {
    if text == "vapi" {
        *settings = Settings::vapi();
        return Ok(());
    }
    let (path, value) = text.split_once(' ').ok_or("no value")?;
    let value = match value.strip_suffix("ms") {
        Some(millis) => {
            let millis = millis.parse().map_err(|_| "no duration")?;
            serde_json::to_value(Duration::from_millis(millis)).expect("a duration")
        }
        None => serde_json::from_str(value).map_err(|error| error.to_string())?,
    };
    let mut all = serde_json::to_value(&*settings).expect("settings");
    let pointer = format!("/{}", path.replace('.', "/"));
    *all.pointer_mut(&pointer).ok_or("no such setting")? = value;
    *settings = serde_json::from_value(all).map_err(|error| error.to_string())?;
    Ok(())
}

/// `EndOfTurn` as `end_of_turn`.
fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for character in name.chars() {
        if character.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(character.to_lowercase());
    }
    snake
}
