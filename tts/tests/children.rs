//! Child processes end with the stream they work for. One test, so that no other test of this
//! process has children.

use std::future::poll_fn;
use std::time::{Duration, Instant};

use tts::{
    Espeak, EspeakConfig, Flite, FliteConfig, PoolLimits, ProgramPool, Synthesizer,
    SynthesizerError, TextChunk, VoiceConfig,
};

#[tokio::test]
async fn dropping_a_stream_leaves_no_child() {
    let pool = ProgramPool::new(PoolLimits { children: 3, ..PoolLimits::default() }).expect("pool");
    let flite = Flite::new(&FliteConfig::default(), pool.clone());
    let espeak = Espeak::new(&EspeakConfig::default(), pool.clone());
    if let Some(flite) = installed(flite) {
        drop_streams(&flite, "en", &pool).await;
    }
    if let Some(espeak) = installed(espeak) {
        drop_streams(&espeak, "fr", &pool).await;
    }
}

async fn drop_streams(provider: &dyn Synthesizer, language: &str, pool: &ProgramPool) {
    for round in 0..20 {
        let voice = VoiceConfig { voice: String::new(), language: language.to_owned(), speed: 1.0 };
        let mut stream = provider.open(&voice).expect("a voice");
        let text = "Something long enough to be in the making, that is. And more. ".repeat(5);
        let range = 0..text.len() as u32;
        stream.push(TextChunk { text, range });
        if round % 2 == 0 {
            // Some are cancelled in mid-delivery, some before or while a child runs.
            poll_fn(|cx| stream.poll_event(cx)).await;
        }
        drop(stream);
    }
    let deadline = Instant::now() + Duration::from_secs(30);
    while pool.queued() > 0 {
        assert!(Instant::now() < deadline, "{} jobs never end", pool.queued());
        tokio::task::yield_now().await;
    }
    assert_eq!(pool.running(), 0);
    let children = children();
    assert!(children.is_empty(), "children left: {children:?}");
    assert!(pool.peak() > 0, "no child ever ran");
}

/// Children of this process, zombies included: `pid (name) state ppid …`.
fn children() -> Vec<String> {
    let own = std::process::id().to_string();
    std::fs::read_dir("/proc")
        .expect("procfs")
        .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("stat")).ok())
        .filter(|stat| {
            let fields = stat.rsplit_once(") ").map(|(_, after)| after.split(' ').nth(1));
            fields == Some(Some(own.as_str()))
        })
        .collect()
}

/// The provider, or a visible skip where its program is not installed.
fn installed<T>(made: Result<T, SynthesizerError>) -> Option<T> {
    match made {
        Ok(provider) => Some(provider),
        Err(error @ SynthesizerError::Unavailable { .. }) => {
            eprintln!("skipped: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}
