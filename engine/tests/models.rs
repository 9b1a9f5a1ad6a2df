//! Pulling models: from a page over HTTP, from packages, and from neither.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::routing::get;
use engine::models::{Clients, Library, Manifest, Pull, PullError, Reason};

const WORDS: &[u8] = b"It was the best of times, it was the worst of times";
const SHA256: &str = "47b4196caffbd11a2df80881d457bd3f4acf3814c543aafb4e624bd9369a1799";

/// A page that has the file, and counts how often it is asked.
#[derive(Clone, Default)]
struct Page {
    asked: Arc<AtomicUsize>,
    ranges: Arc<AtomicUsize>,
}

async fn words(State(page): State<Page>, headers: HeaderMap) -> Response<Body> {
    page.asked.fetch_add(1, Ordering::Relaxed);
    let range = headers.get(header::RANGE).and_then(|range| range.to_str().ok());
    let start = range.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
    let Some(start) = start.and_then(|start| start.parse::<usize>().ok()) else {
        return Response::new(Body::from(WORDS));
    };
    page.ranges.fetch_add(1, Ordering::Relaxed);
    Response::builder()
        .status(StatusCode::PARTIAL_CONTENT)
        .header(header::CONTENT_RANGE, format!("bytes {start}-{}/{}", WORDS.len() - 1, WORDS.len()))
        .body(Body::from(&WORDS[start..]))
        .expect("a response")
}

async fn serve(page: Page) -> SocketAddr {
    let router = Router::new()
        .route("/words", get(words))
        .route("/other", get(async || "It was the age of wisdom, it was the age of foolish"))
        .route("/longer", get(async || WORDS.repeat(2)))
        .with_state(page);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

fn library(root: &Path, sources: &str) -> Library {
    let manifest: Manifest = toml::from_str(&format!(
        r#"
        [[model]]
        id = "words"
        purpose = "audio"
        about = "a test"
        language = "en"
        licence = "public domain"
        [[model.file]]
        name = "words.txt"
        size = {}
        sha256 = "{SHA256}"
        sources = [{sources}]
        "#,
        WORDS.len()
    ))
    .expect("a manifest");
    Library::with_manifest(root.join("models"), manifest)
}

/// Programs that nobody has.
fn no_clients() -> Clients {
    Clients { python: "/nonexistent/python3".into(), npm: "/nonexistent/npm".into() }
}

fn script(path: PathBuf, text: &str) -> PathBuf {
    fs::write(&path, text).expect("a script");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("permissions");
    path
}

async fn pull(library: &Library, clients: &Clients) -> (Result<usize, PullError>, Vec<String>) {
    let mut lines = Vec::new();
    let mut say = |line: &str| lines.push(line.to_owned());
    let result = Pull::new(library, clients).run(&["words"], &mut say).await;
    (result, lines)
}

fn reasons(error: &PullError) -> &[(engine::models::Source, Reason)] {
    match error {
        PullError::Unavailable { tried, .. } => tried,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_page_gives_the_file_once() {
    let root = tempfile::tempdir().expect("a folder");
    let page = Page::default();
    let address = serve(page.clone()).await;
    let library = library(root.path(), &format!("{{ url = \"http://{address}/words\" }}"));

    assert_eq!(pull(&library, &no_clients()).await.0.expect("it is there"), 1);
    let verified = library.verify("words").expect("it is intact");
    assert_eq!(fs::read(verified.file("words.txt")).expect("the file"), WORDS);

    let (again, lines) = pull(&library, &no_clients()).await;
    assert_eq!(again.expect("it is there"), 0);
    assert_eq!(page.asked.load(Ordering::Relaxed), 1, "what is here needs no network");
    assert!(lines.is_empty(), "{lines:?}");
}

#[tokio::test]
async fn a_download_goes_on_where_it_stopped() {
    let root = tempfile::tempdir().expect("a folder");
    let page = Page::default();
    let address = serve(page.clone()).await;
    let library = library(root.path(), &format!("{{ url = \"http://{address}/words\" }}"));
    let folder = library.root().join("words");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join(".words.txt.part"), &WORDS[..20]).expect("a part");

    assert_eq!(pull(&library, &no_clients()).await.0.expect("it is there"), 1);
    assert_eq!(page.ranges.load(Ordering::Relaxed), 1);
    library.verify("words").expect("it is intact");
}

#[tokio::test]
async fn a_part_of_something_else_is_not_kept() {
    let root = tempfile::tempdir().expect("a folder");
    let address = serve(Page::default()).await;
    let library = library(root.path(), &format!("{{ url = \"http://{address}/words\" }}"));
    let folder = library.root().join("words");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join(".words.txt.part"), "It was something else").expect("a part");

    let error = pull(&library, &no_clients()).await.0.expect_err("the whole is wrong");
    assert!(matches!(reasons(&error)[0].1, Reason::Wrong { .. }), "{error}");
    assert_eq!(pull(&library, &no_clients()).await.0.expect("a second try begins afresh"), 1);
}

#[tokio::test]
async fn another_file_is_deleted_and_the_next_source_tried() {
    let root = tempfile::tempdir().expect("a folder");
    let address = serve(Page::default()).await;
    let sources = format!(
        "{{ url = \"http://{address}/other\" }}, {{ url = \"http://{address}/longer\" }}, \
         {{ url = \"http://{address}/nothing\" }}, {{ url = \"http://{address}/words\" }}"
    );
    let library = library(root.path(), &sources);
    let (result, lines) = pull(&library, &no_clients()).await;
    assert_eq!(result.expect("the last has it"), 1);
    let told = lines.join("\n");
    assert!(told.contains("another file (sha256 ") && told.contains("; deleted"), "{told}");
    assert!(told.contains("more than the 51 bytes"), "{told}");
    assert!(told.contains("404"), "{told}");
    let left: Vec<_> = fs::read_dir(library.root().join("words")).expect("a folder").collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[tokio::test]
async fn a_damaged_file_is_replaced() {
    let root = tempfile::tempdir().expect("a folder");
    let address = serve(Page::default()).await;
    let library = library(root.path(), &format!("{{ url = \"http://{address}/words\" }}"));
    let folder = library.root().join("words");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("words.txt"), vec![b'x'; WORDS.len()]).expect("a file");

    let (result, lines) = pull(&library, &no_clients()).await;
    assert_eq!(result.expect("it is replaced"), 1);
    assert!(lines[0].contains("words.txt is wrong (sha256 "), "{lines:?}");
    library.verify("words").expect("it is intact");
}

#[tokio::test]
async fn a_wheel_gives_its_member() {
    let root = tempfile::tempdir().expect("a folder");
    let wheel = root.path().join("tales-1.0-py3-none-any.whl");
    let mut zip = zip::ZipWriter::new(fs::File::create(&wheel).expect("a file"));
    let stored = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated);
    zip.start_file("tales/words.txt", stored).expect("a member");
    zip.write_all(WORDS).expect("its bytes");
    zip.finish().expect("a wheel");
    // `python3 -c 'import pip'`, then `python3 -m pip download ... --dest DIR ... tales==1.0`.
    let python = script(
        root.path().join("python3"),
        &format!(
            "#!/bin/sh\n[ \"$1\" = -c ] && exit 0\n\
             while [ $# -gt 1 ]; do [ \"$1\" = --dest ] && dest=$2; shift; done\n\
             [ \"$1\" = tales==1.0 ] && cp {} \"$dest\"\n",
            wheel.display()
        ),
    );
    let clients = Clients { python, ..no_clients() };
    let source = r#"{ pypi = "tales", version = "1.0", member = "tales/words.txt" }"#;
    let library = library(root.path(), source);

    assert_eq!(pull(&library, &clients).await.0.expect("it is in there"), 1);
    library.verify("words").expect("it is intact");
    let packages = fs::read_dir(library.root()).expect("a folder").flatten();
    let left: Vec<_> = packages.map(|entry| entry.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("packages")), "{left:?}");
}

#[tokio::test]
async fn an_npm_package_gives_its_member() {
    let root = tempfile::tempdir().expect("a folder");
    let tarball = root.path().join("tales-1.0.0.tgz");
    let file = fs::File::create(&tarball).expect("a file");
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(file, Default::default()));
    let mut header = tar::Header::new_gnu();
    header.set_size(WORDS.len() as u64);
    header.set_mode(0o644);
    tar.append_data(&mut header, "package/dist/words.txt", WORDS).expect("a member");
    tar.into_inner().expect("a tar").finish().expect("a tarball");
    let npm = script(
        root.path().join("npm"),
        &format!(
            "#!/bin/sh\nfor last; do :; done\n[ \"$last\" = @books/tales@1.0.0 ] && cp {} .\n",
            tarball.display()
        ),
    );
    let clients = Clients { npm, ..no_clients() };
    let source = r#"{ npm = "@books/tales", version = "1.0.0", member = "dist/words.txt" }"#;
    let library = library(root.path(), source);

    assert_eq!(pull(&library, &clients).await.0.expect("it is in there"), 1);
    library.verify("words").expect("it is intact");
}

#[tokio::test]
async fn nobody_reachable_names_every_source_and_what_to_install() {
    let root = tempfile::tempdir().expect("a folder");
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = closed.local_addr().expect("an address");
    drop(closed);
    let sources = format!(
        "{{ url = \"http://{address}/words\" }}, \
         {{ pypi = \"tales\", version = \"1.0\", member = \"tales/words.txt\" }}, \
         {{ npm = \"@books/tales\", version = \"1.0.0\", member = \"dist/words.txt\" }}"
    );
    let library = library(root.path(), &sources);
    let error = pull(&library, &no_clients()).await.0.expect_err("nobody has it");
    assert!(error.lacks_client());
    assert_eq!(reasons(&error).len(), 3);
    let told = error.to_string();
    for part in [
        "cannot fetch words/words.txt",
        "no connection",
        "pip is not installed (on Debian: apt-get install python3-pip)",
        "npm is not installed (on Debian: apt-get install npm)",
        "run `causerie models pull` again",
    ] {
        assert!(told.contains(part), "`{part}` is missing: {told}");
    }
    assert!(!told.contains('\n'), "one line: {told}");
}

#[tokio::test]
async fn a_failing_client_is_told() {
    let root = tempfile::tempdir().expect("a folder");
    let npm = script(root.path().join("npm"), "#!/bin/sh\nexit 7\n");
    let source = r#"{ npm = "@books/tales", version = "1.0.0", member = "dist/words.txt" }"#;
    let library = library(root.path(), source);
    let clients = Clients { npm, ..no_clients() };
    let error = pull(&library, &clients).await.0.expect_err("it fails");
    assert!(!error.lacks_client());
    assert!(error.to_string().contains("npm failed (exit status: 7)"), "{error}");
}
