//! `causerie eval` on a small set of its own, and on the shared recordings where they are.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use codecs::{Pcm, SampleRate, wav};
use engine::config::{Config, Sources};
use engine::eval::{self, Costs, Expected, Options, Part, Report, Variant};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The models, or `None` with a line that says so.
#[expect(clippy::disallowed_methods, reason = "where the models are is told to tests alone")]
fn config() -> Option<Config> {
    let models = std::env::var_os("CAUSERIE_MODELS_DIR")
        .map_or_else(|| repository().join("models"), PathBuf::from);
    for model in ["silero-vad", "smart-turn-v3.2", "moonshine-tiny-en", "demo-speech-en"] {
        if !models.join(model).is_dir() {
            eprintln!("skipped: {} is absent; run `make setup`", models.join(model).display());
            return None;
        }
    }
    let library = std::env::var_os("CAUSERIE_ONNXRUNTIME")
        .map_or_else(|| repository().join("native/lib/libonnxruntime.so"), PathBuf::from);
    let path = |path: &Path| path.display().to_string();
    let sources = Sources {
        command_line: BTreeMap::from([
            ("models_dir", path(&models)),
            ("onnxruntime", path(&library)),
        ]),
        ..Sources::default()
    };
    Some(Config::load(&sources).expect("a configuration that can be used"))
}

fn options(folder: &Path, parts: &[Part]) -> Options {
    Options {
        folder: folder.to_owned(),
        parts: parts.to_vec(),
        assistant: serde_json::json!({}),
        slow: true,
        patiences: Vec::new(),
        interruptions: 20,
        oracle: false,
        costs: Costs::default(),
        memo: None,
        only: None,
    }
}

fn json(report: &Report) -> String {
    serde_json::to_string_pretty(report).expect("a report is JSON")
}

/// A set of one sentence, twice: as English, and as French, for which there is no recogniser.
fn small_set(config: &Config) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a directory");
    let speech = config.models_dir.join("demo-speech-en/two_cities.wav");
    let speech = wav::Wav::read(File::open(speech).expect("the demo's speech")).expect("a WAV");
    let rate = speech.rate;
    let samples = speech.into_mono();
    // "It was the best of times, it was the worst of times": up to its first pause of 300 ms.
    let (start, end) = first_sentence(&samples, rate);
    let sentence = &samples[..end + rate.hz() as usize / 2];
    let write = |name: &str, rate: SampleRate, samples: &[i16]| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        let file = File::create(path).expect("a file");
        wav::write_mono(file, Pcm::new(rate, samples)).expect("room on the disk");
    };
    write("read/a/sentence.wav", rate, sentence);
    write("read/b/phrase.wav", rate, sentence);
    let mut street = vec![0; 24_000];
    codecs::noise::Noise::new(-40.0, 3).fill_into(&mut street);
    write("noise/hiss.wav", SampleRate::HZ_8000, &street);
    let ms = |sample: usize| sample * 1_000 / rate.hz() as usize;
    let (from, to) = (ms(start), ms(end));
    let list = format!(
        "file\tlang\tkind\tprompt\ttranscript\tstart_ms\tend_ms\tlongest_pause_ms\n\
         read/a/sentence.wav\ten\tplain\t\tIt was the best of times\t{from}\t{to}\t0\n\
         read/b/phrase.wav\tfr\tcode\tQuel est le code ?\tun deux trois quatre cinq\t{from}\t{to}\t0\n\
         read/c/absent.wav\ten\tplain\t\tNobody said this\t0\t500\t0\n"
    );
    fs::write(folder.path().join("eval.tsv"), list).expect("a file");
    folder
}

/// Where speech begins and where its first pause of 300 ms does, by energy.
fn first_sentence(samples: &[i16], rate: SampleRate) -> (usize, usize) {
    let block = rate.hz() as usize / 50;
    let loud: Vec<bool> = samples
        .chunks(block)
        .map(|block| block.iter().any(|sample| sample.unsigned_abs() > 1_000))
        .collect();
    // A click of the mouth is no speech.
    let start = loud.windows(3).position(|three| !three.contains(&false)).expect("speech");
    let pause = (start..loud.len() - 20).find(|at| !loud[*at..at + 15].contains(&true));
    (start * block, pause.expect("a pause") * block)
}

#[test]
fn two_runs_of_a_small_set_are_the_same_byte_for_byte() {
    let Some(config) = config() else { return };
    let set = small_set(&config);
    let memo = set.path().join("memo.json");
    let run = |memo: Option<&Path>| {
        let mut options = options(set.path(), &[Part::Turns]);
        options.memo = memo.map(Path::to_owned);
        options.patiences = vec![200];
        eval::run(&options, &config, &mut |_| {}).expect("a report")
    };
    let report = run(None);
    assert_eq!(json(&report), json(&run(None)));
    assert_eq!(json(&report), json(&run(Some(&memo))), "answers are kept");
    assert_eq!(json(&report), json(&run(Some(&memo))), "answers are remembered");
    assert_eq!(
        eval::html_page(&report).expect("a page"),
        eval::html_page(&run(Some(&memo))).expect("a page")
    );

    let files: Vec<&str> = report.utterances.iter().map(|row| row.file.as_str()).collect();
    assert_eq!(files[..2], ["read/a/sentence.wav", "read/b/phrase.wav"]);
    assert_eq!(report.summary.utterances, 2);
    let [english, french] = [&report.utterances[0], &report.utterances[1]];
    assert_eq!((english.recogniser, french.recogniser), ("moonshine-tiny-en", "oracle"));
    assert!(english.heard.join(" ").to_lowercase().contains("best of times"), "{english:?}");
    assert_eq!(french.heard.last().map(String::as_str), Some("un deux trois quatre cinq"));
    assert!(report.utterances.iter().all(|row| !row.missed), "{:?}", report.summary);
    assert!(report.notes.iter().any(|note| note.contains("An oracle") && note.contains("fr")));
    assert_eq!(report.skipped[0].file, "read/c/absent.wav");
    assert_eq!(report.sets.keys().collect::<Vec<_>>(), ["read/a", "read/b"]);

    let curve = report.curves.iter().find(|curve| curve.group == "plain").expect("a curve");
    let delay = |setting: &str| {
        let point = curve.ours.iter().find(|point| point.setting == setting);
        point.expect("it was played").end_of_turn_delay_ms.p50.expect("an end")
    };
    assert!(delay("patience 200 %") > delay("patience 100 %"), "{curve:?}");
}

#[test]
fn words_stop_the_voice_and_hiss_does_not() {
    let Some(config) = config() else { return };
    let set = small_set(&config);
    let options = options(set.path(), &[Part::BargeIn]);
    let report = eval::run(&options, &config, &mut |_| {}).expect("a report");
    let found = report.barge_in.expect("trials were played");
    // Each utterance clean and with three noises, and one over an echo.
    assert_eq!(found.words.trials, 9);
    assert_eq!(found.words.missed.map(|missed| missed.count), Some(0), "{:?}", found.trials);
    assert!(found.words.yield_ms.max.is_some_and(|longest| longest < 400), "{:?}", found.words);
    let hiss: Vec<_> = found.trials.iter().filter(|trial| trial.class == "noise").collect();
    assert_eq!(hiss.len(), 3);
    assert!(hiss.iter().all(|trial| trial.expected == Expected::GoOn && !trial.stopped));
}

#[test]
fn history_is_compared_with_what_was_audible_without_any_model() {
    let folder = tempfile::tempdir().expect("a directory");
    let header = "file\tlang\tkind\tprompt\ttranscript\tstart_ms\tend_ms\n";
    fs::write(folder.path().join("eval.tsv"), header).expect("a file");
    let config = Config::load(&Sources::default()).expect("a configuration that can be used");
    let options = options(folder.path(), &[Part::History]);
    let report = eval::run(&options, &config, &mut |_| {}).expect("a report");
    let found = report.history.as_ref().expect("replies were interrupted");
    assert_eq!((found.timed.cuts, found.untimed.cuts), (20, 20));
    assert_eq!((found.timed.unheard_words, found.timed.lost_words), (0, 0), "{:?}", found.wrong);
    assert_eq!(found.untimed.past_mark.count, 0);
    assert!(found.untimed.words_off.max <= Some(3), "{:?}", found.wrong);
    let again = eval::run(&options, &config, &mut |_| {}).expect("a report");
    assert_eq!(json(&report), json(&again));
}

#[test]
fn a_folder_that_is_no_set_is_refused_by_name() {
    let folder = tempfile::tempdir().expect("a directory");
    let config = Config::load(&Sources::default()).expect("a configuration that can be used");
    let options = options(folder.path(), &[Part::Turns]);
    let error = eval::run(&options, &config, &mut |_| {}).expect_err("there is no list");
    assert!(error.to_string().contains("eval.tsv"), "{error}");
    fs::write(folder.path().join("eval.tsv"), "file\tlang\n").expect("a file");
    let error = eval::run(&options, &config, &mut |_| {}).expect_err("columns are missing");
    assert!(error.to_string().contains("no column `kind`"), "{error}");
}

#[test]
fn shared_recordings_are_read_in_place_wav_and_flac() {
    let Some(config) = config() else { return };
    let shared = repository().join("../shared/audio");
    if !shared.join("eval.tsv").is_file() {
        eprintln!("skipped: the recordings in {} are not there", shared.display());
        return;
    }
    for (only, variants) in [("cen7-mdms2", 2), ("jfk", 1)] {
        let mut options = options(&shared, &[Part::Turns]);
        options.only = Some(only.to_owned());
        let report = eval::run(&options, &config, &mut |_| {}).expect("a report");
        assert_eq!(report.utterances.len(), variants, "{:?}", report.skipped);
        assert!(report.utterances.iter().all(|row| !row.missed), "{:?}", report.summary);
        for slow in report.utterances.iter().filter(|row| row.variant == Variant::Slow) {
            let added: u64 = slow.inserted.iter().map(|(_, length)| length).sum();
            assert!(added >= 700 && slow.end_ms == report.utterances[0].end_ms + added);
        }
    }
}
