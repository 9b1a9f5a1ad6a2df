//! `/file`: what an assistant may look things up in. What a file holds is in the object store.

use axum::extract::multipart::{MultipartError, MultipartRejection};
use axum::extract::{DefaultBodyLimit, Multipart, Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::auth::Owner;
use super::document::Document;
use super::error::ApiError;
use super::list;
use super::resource::{Answer, Fields, Kind, uuid};
use crate::app::App;
use crate::config::Checked;
use crate::store::{Collection, Resource, Timestamp};

/// The largest file, in bytes.
const LARGEST: usize = 100 << 20;

/// What else a request may have, in bytes.
const AROUND: usize = 64 << 10;

/// The longest `metadata`, in characters.
const LONGEST_METADATA: usize = 4_096;

/// What a file may be for.
const PURPOSES: &[&str] = &["assistant", "composer-attachment", "knowledge-base-v2"];

/// Media types that are text although they do not say so.
const TEXTS: &[&str] = &[
    "application/csv",
    "application/json",
    "application/ld+json",
    "application/toml",
    "application/x-ndjson",
    "application/x-yaml",
    "application/xml",
    "application/yaml",
];

/// Endings of text files, for those who do not say what they send.
const ENDINGS: &[&str] = &[
    "csv", "htm", "html", "json", "jsonl", "log", "md", "srt", "tsv", "txt", "vtt", "xml", "yaml",
    "yml",
];

const FILE: Kind = Kind {
    shown: |mut file| {
        file.insert("object".to_owned(), "file".into());
        file
    },
    // It was checked when it was taken; its name alone can be changed, which `rename` checks.
    ..Kind::new("/file", Collection::Files, "File", |_, _| Checked::default())
};

pub(super) fn routes() -> Router<App> {
    let upload = || post(upload).layer(DefaultBodyLimit::max(LARGEST + AROUND));
    Router::new()
        .route("/file", get(list_files).merge(upload()))
        .route("/file/upload", upload())
        .route("/file/{id}", get(show).patch(rename).delete(remove))
        .route("/file/{id}/content", get(content))
}

/// What was sent.
#[derive(Debug, Default)]
struct Upload {
    name: Option<String>,
    mimetype: Option<String>,
    content: Option<Bytes>,
    purpose: Option<String>,
    metadata: Option<Value>,
}

async fn upload(
    State(app): State<App>,
    Owner(owner): Owner,
    form: Result<Multipart, MultipartRejection>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let form =
        form.map_err(|rejection| ApiError::with(rejection.status(), rejection.body_text()))?;
    let upload = read(form).await?;
    let Upload { name, mimetype, content, purpose, metadata } = upload;
    let content = content.unwrap_or_default();
    let original = name.unwrap_or_else(|| "file".to_owned());
    let mimetype = mimetype.unwrap_or_else(|| "application/octet-stream".to_owned());
    let mut file = Resource::new(owner, Fields::new());
    let key = key(owner, file.id);
    let text = text_of(&original, &mimetype, &content).map(str::len);
    let url = app.links().file(file.id, None);
    file.document = fields(json!({
        // Its own name for it, which may be 40 characters long.
        "name": original.chars().take(40).collect::<String>(),
        "originalName": original,
        "bytes": content.len(),
        "mimetype": mimetype,
        "status": "done",
        "bucket": app.objects().bucket(),
        "key": key,
        "path": key,
        "url": url,
    }));
    if let Some(bytes) = text {
        file.document.insert("parsedTextUrl".to_owned(), url.into());
        file.document.insert("parsedTextBytes".to_owned(), bytes.into());
    }
    if let Some(purpose) = purpose {
        file.document.insert("purpose".to_owned(), purpose.into());
    }
    if let Some(metadata) = metadata {
        file.document.insert("metadata".to_owned(), metadata);
    }
    // The content first: a file that is listed can be read.
    app.objects().put(&key, content).await?;
    app.store().insert(Collection::Files, &file).await?;
    Ok((StatusCode::CREATED, Json(FILE.show(file))))
}

async fn read(mut form: Multipart) -> Result<Upload, ApiError> {
    let mut upload = Upload::default();
    let mut problems = Vec::new();
    while let Some(field) = form.next_field().await.map_err(unreadable)? {
        match field.name() {
            Some("file") => {
                upload.name = field.file_name().map(str::to_owned);
                upload.mimetype = field.content_type().map(str::to_owned);
                upload.content = Some(field.bytes().await.map_err(unreadable)?);
            }
            Some("purpose") => {
                let purpose = field.text().await.map_err(unreadable)?;
                if !PURPOSES.contains(&purpose.as_str()) {
                    let purposes = PURPOSES.join(", ");
                    problems
                        .push(format!("purpose must be one of the following values: {purposes}"));
                }
                upload.purpose = Some(purpose);
            }
            Some("metadata") => {
                let text = field.text().await.map_err(unreadable)?;
                if text.chars().count() > LONGEST_METADATA {
                    problems.push(format!(
                        "metadata must be shorter than or equal to {LONGEST_METADATA} characters"
                    ));
                }
                match serde_json::from_str::<Value>(&text) {
                    Ok(metadata) if metadata.is_object() => upload.metadata = Some(metadata),
                    _ => problems.push("metadata must be a JSON object".to_owned()),
                }
            }
            Some(other) => problems.push(format!("property {other} should not exist")),
            None => problems.push("each part of the form must have a name".to_owned()),
        }
    }
    match &upload.content {
        None => problems.push("file should not be empty: send it as the part `file`".to_owned()),
        Some(content) if content.is_empty() => problems.push("file should not be empty".to_owned()),
        Some(content) if content.len() > LARGEST => {
            problems.push(format!("file must not be larger than {LARGEST} bytes"));
        }
        Some(_) => {}
    }
    if problems.is_empty() { Ok(upload) } else { Err(ApiError::invalid(problems)) }
}

fn unreadable(error: MultipartError) -> ApiError {
    ApiError::with(error.status(), error.body_text())
}

async fn list_files(
    State(app): State<App>,
    Owner(owner): Owner,
    Query(query): Query<Vec<(String, String)>>,
) -> Answer {
    let Json(mut all) = FILE.list(&app, owner, &query).await?;
    // The schema requires it, older clients leave it out.
    if let (Some(purpose), Some(all)) = (list::parameter(&query, "purpose"), all.as_array_mut()) {
        all.retain(|file| file["purpose"] == purpose);
    }
    Ok(Json(all))
}

async fn show(State(app): State<App>, Owner(owner): Owner, Path(id): Path<String>) -> Answer {
    Ok(Json(FILE.show(FILE.find(&app, owner, &id).await?)))
}

/// A file's name is all that can be changed.
async fn rename(
    State(app): State<App>,
    Owner(owner): Owner,
    Path(id): Path<String>,
    Document(sent): Document,
) -> Answer {
    let mut problems: Vec<_> = sent
        .keys()
        .filter(|name| *name != "name")
        .map(|name| format!("property {name} should not exist"))
        .collect();
    match sent.get("name") {
        None => {}
        Some(Value::String(name)) if (1..=40).contains(&name.chars().count()) => {}
        Some(_) => problems.push("name must be a text of 1 to 40 characters".to_owned()),
    }
    if !problems.is_empty() {
        return Err(ApiError::invalid(problems));
    }
    FILE.update(&app, owner, &id, sent).await
}

async fn remove(State(app): State<App>, Owner(owner): Owner, Path(id): Path<String>) -> Answer {
    let file = FILE.find(&app, owner, &id).await?;
    // The content first: what is not listed cannot be asked to be deleted again.
    app.objects().delete(&key(owner, file.id)).await?;
    FILE.delete(&app, owner, &id).await
}

/// What makes a link.
#[derive(Debug, Deserialize)]
struct Signed {
    expires: i64,
    signature: String,
}

/// `GET /file/{id}/content`: the file, to whoever has the link.
async fn content(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(signed): Query<Signed>,
) -> Result<Response, ApiError> {
    let id = uuid(&id)?;
    if !app.links().allows_file(id, signed.expires, &signed.signature, Timestamp::now()) {
        let message = "the link has expired or was changed";
        return Err(ApiError::with(StatusCode::FORBIDDEN, message));
    }
    let gone = || ApiError::not_found("File");
    let file = app.store().any_resource(Collection::Files, id).await?.ok_or_else(gone)?;
    let found = app.objects().get(&key(file.organisation, id)).await?.ok_or_else(gone)?;
    let text = |name: &str| file.document.get(name).and_then(Value::as_str).unwrap_or_default();
    // A page among them must not run in our name.
    let headers = [
        (header::CONTENT_TYPE, text("mimetype").to_owned()),
        (header::CONTENT_DISPOSITION, "attachment".to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::CONTENT_SECURITY_POLICY, "sandbox".to_owned()),
    ];
    Ok((headers, found).into_response())
}

/// Where the content of a file is.
fn key(organisation: Uuid, id: Uuid) -> String {
    format!("files/{organisation}/{id}")
}

/// The text in a file, where its format is text and it is UTF-8, as text is today.
fn text_of<'a>(name: &str, mimetype: &str, content: &'a [u8]) -> Option<&'a str> {
    let essence = mimetype.split(';').next().unwrap_or_default().trim().to_lowercase();
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_lowercase());
    let is_text = essence.starts_with("text/")
        || TEXTS.contains(&essence.as_str())
        || essence == "application/octet-stream"
            && ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()));
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    is_text.then(|| std::str::from_utf8(content).ok()).flatten()
}

fn fields(value: Value) -> Fields {
    match value {
        Value::Object(fields) => fields,
        _ => Fields::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_told_from_what_is_not() {
        let menu = "Tarte à la rhubarbe".as_bytes();
        assert!(text_of("menu.txt", "text/plain; charset=utf-8", menu).is_some());
        assert!(text_of("menu", "application/json", menu).is_some());
        assert!(text_of("MENU.MD", "application/octet-stream", menu).is_some());
        assert_eq!(text_of("a.txt", "text/plain", b"\xef\xbb\xbfa"), Some("a"));
        assert_eq!(text_of("menu.pdf", "application/pdf", b"%PDF"), None);
        assert_eq!(text_of("menu.txt", "text/plain", b"\xe0"), None, "not UTF-8");
    }
}
