//! Stored resources, served in one way: made, listed, shown, changed and deleted as documents. What
//! a kind of resource has of its own is said by its [`Kind`].

use std::collections::BTreeSet;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use futures_util::future::BoxFuture;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::auth::Owner;
use super::document::{Document, patched};
use super::error::ApiError;
use super::list;
use crate::app::App;
use crate::config::Checked;
use crate::store::{Collection, Resource, Timestamp};

/// A kind of resource.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    /// Where it is served.
    pub(super) path: &'static str,
    /// Where it is kept.
    pub(super) collection: Collection,
    /// What it is called in a refusal.
    pub(super) name: &'static str,
    /// What is wrong with a document, and what of it has no effect here.
    pub(super) check: fn(&App, &str) -> Checked,
    /// The other resources that a document names.
    pub(super) references: fn(&Fields) -> Vec<Reference>,
    /// The fields of a document that are for others to see.
    pub(super) shown: fn(Fields) -> Fields,
    /// Has the world outside follow, before a sound document is kept.
    pub(super) before: Option<Before>,
    /// How many are told at once.
    pub(super) listing: Listing,
}

/// A document.
pub(super) type Fields = Map<String, Value>;

/// What a handler answers.
pub(super) type Answer = Result<Json<Value>, ApiError>;

/// Work before a document of this organisation is kept, in the place of another or as a new one.
pub(super) type Before = for<'a> fn(
    &'a App,
    Uuid,
    Option<&'a Fields>,
    &'a Fields,
) -> BoxFuture<'a, Result<(), ApiError>>;

/// How a list is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listing {
    /// As an array.
    Bare,
    /// In pages, with what there is in all.
    Paged,
}

/// Another resource that a document names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    /// The field.
    pub(super) path: String,
    /// What it names.
    pub(super) collection: Collection,
    /// Which.
    pub(super) id: String,
}

impl Reference {
    /// What `field` of `document` names; nothing where it is absent.
    pub(super) fn of(
        document: &Fields,
        parent: &str,
        field: &str,
        collection: Collection,
    ) -> Option<Self> {
        let id = document.get(field)?.as_str()?.to_owned();
        Some(Self { path: format!("{parent}{field}"), collection, id })
    }
}

impl Kind {
    /// One that names nothing else and hides nothing.
    pub(super) const fn new(
        path: &'static str,
        collection: Collection,
        name: &'static str,
        check: fn(&App, &str) -> Checked,
    ) -> Self {
        Self {
            path,
            collection,
            name,
            check,
            references: |_| Vec::new(),
            shown: |document| document,
            before: None,
            listing: Listing::Bare,
        }
    }

    /// `GET` and `POST` at its path; `GET`, `PATCH`, `PUT` and `DELETE` below it; and what of one
    /// has no effect here.
    pub(super) fn routes(self) -> Router<App> {
        type Sought = Query<Vec<(String, String)>>;
        let list = move |State(app): State<App>, Owner(owner): Owner, Query(query): Sought| async move {
            self.list(&app, owner, &query).await
        };
        let create = move |State(app): State<App>,
                           Owner(owner): Owner,
                           Document(sent): Document| async move {
            self.create(&app, owner, sent).await
        };
        let show = move |State(app): State<App>, Owner(owner): Owner, Path(id): Path<String>| async move {
            Answer::Ok(Json(self.show(self.find(&app, owner, &id).await?)))
        };
        let update = move |State(app): State<App>,
                           Owner(owner): Owner,
                           Path(id): Path<String>,
                           Document(sent): Document| async move {
            self.update(&app, owner, &id, sent).await
        };
        let put = move |State(app): State<App>,
                        Owner(owner): Owner,
                        Path(id): Path<String>,
                        Document(sent): Document| async move {
            self.put(&app, owner, &id, sent).await
        };
        let delete = move |State(app): State<App>, Owner(owner): Owner, Path(id): Path<String>| async move {
            self.delete(&app, owner, &id).await
        };
        let compatibility =
            move |State(app): State<App>, Owner(owner): Owner, Path(id): Path<String>| async move {
                self.compatibility(&app, owner, &id).await
            };
        let one = format!("{}/{{id}}", self.path);
        Router::new()
            .route(self.path, get(list).post(create))
            .route(&one, get(show).patch(update).put(put).delete(delete))
            .route(&format!("{one}/compatibility"), get(compatibility))
    }

    pub(super) async fn create(
        self,
        app: &App,
        owner: Uuid,
        document: Fields,
    ) -> Result<(StatusCode, Json<Value>), ApiError> {
        self.check(app, owner, &document).await?;
        if let Some(before) = self.before {
            before(app, owner, None, &document).await?;
        }
        let resource = Resource::new(owner, document);
        if !app.store().insert(self.collection, &resource).await? {
            return Err(duplicate());
        }
        Ok((StatusCode::CREATED, Json(self.show(resource))))
    }

    pub(super) async fn list(self, app: &App, owner: Uuid, query: &[(String, String)]) -> Answer {
        let filter = list::filter(query)?;
        if self.listing == Listing::Paged {
            return self.paged(app, owner, query).await;
        }
        let found = app.store().resources(self.collection, owner, &filter).await?;
        Ok(Json(found.into_iter().map(|resource| self.show(resource)).collect()))
    }

    /// The same in pages.
    pub(super) async fn paged(self, app: &App, owner: Uuid, query: &[(String, String)]) -> Answer {
        let paging = list::paging(query)?;
        let filter = paging.everything();
        let found = app.store().resources(self.collection, owner, &filter).await?;
        let shown = found.into_iter().map(|resource| self.show(resource)).collect();
        Ok(Json(paging.page_of(shown)))
    }

    pub(super) async fn update(self, app: &App, owner: Uuid, id: &str, sent: Fields) -> Answer {
        let stored = self.find(app, owner, id).await?;
        let document = patched(&stored.document, sent);
        self.replace(app, stored, document).await
    }

    /// As Vapi's undocumented `PUT`: what is not sent is gone.
    async fn put(self, app: &App, owner: Uuid, id: &str, sent: Fields) -> Answer {
        let stored = self.find(app, owner, id).await?;
        self.replace(app, stored, sent).await
    }

    async fn replace(self, app: &App, stored: Resource, document: Fields) -> Answer {
        let owner = stored.organisation;
        self.check(app, owner, &document).await?;
        if let Some(before) = self.before {
            before(app, owner, Some(&stored.document), &document).await?;
        }
        let changed = Resource { document, updated_at: Timestamp::now(), ..stored };
        if !app.store().replace(self.collection, &changed).await? {
            return Err(duplicate());
        }
        Ok(Json(self.show(changed)))
    }

    pub(super) async fn delete(self, app: &App, owner: Uuid, id: &str) -> Answer {
        let id = uuid(id)?;
        let deleted = app.store().delete(self.collection, owner, id).await?;
        let deleted = deleted.ok_or_else(|| ApiError::not_found(self.name))?;
        Ok(Json(self.show(deleted)))
    }

    pub(super) async fn find(self, app: &App, owner: Uuid, id: &str) -> Result<Resource, ApiError> {
        let found = app.store().resource(self.collection, owner, uuid(id)?).await?;
        found.ok_or_else(|| ApiError::not_found(self.name))
    }

    /// What of a stored one has no effect here, and which of its providers are not here, so that
    /// its calls are refused. Not Vapi's.
    async fn compatibility(self, app: &App, owner: Uuid, id: &str) -> Answer {
        let found = self.find(app, owner, id).await?;
        let checked = (self.check)(app, &serde_json::to_string(&found.document)?);
        if !checked.problems.is_empty() {
            // It was sound when it was stored; a later version may be stricter.
            return Err(ApiError::invalid(checked.problems));
        }
        let (fields, providers) = (checked.without_effect, checked.unserved);
        Ok(Json(json!({"fieldsWithoutEffect": fields, "providersNotServed": providers})))
    }

    /// Everything that is wrong with a document is told at once, what it names and is not there
    /// included.
    async fn check(self, app: &App, owner: Uuid, document: &Fields) -> Result<(), ApiError> {
        let mut problems = (self.check)(app, &serde_json::to_string(document)?).problems;
        let mut known = BTreeSet::new();
        for Reference { path, collection, id } in (self.references)(document) {
            let Ok(uuid) = Uuid::parse_str(&id) else {
                problems.push(format!("{path} must be a UUID"));
                continue;
            };
            if !known.contains(&uuid) {
                if app.store().resource(collection, owner, uuid).await?.is_none() {
                    problems.push(format!("{path} {id} does not exist"));
                    continue;
                }
                known.insert(uuid);
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(ApiError::invalid(problems)) }
    }

    pub(super) fn show(self, resource: Resource) -> Value {
        let mut shown = (self.shown)(resource.document);
        shown.insert("id".to_owned(), resource.id.to_string().into());
        shown.insert("orgId".to_owned(), resource.organisation.to_string().into());
        shown.insert("createdAt".to_owned(), resource.created_at.to_iso().into());
        shown.insert("updatedAt".to_owned(), resource.updated_at.to_iso().into());
        shown.into()
    }
}

/// The credential that the server in `object` names.
pub(super) fn server_credential(object: &Fields, parent: &str) -> Option<Reference> {
    let server = object.get("server")?.as_object()?;
    let parent = format!("{parent}server.");
    Reference::of(server, &parent, "credentialId", Collection::Credentials)
}

/// The id in a path.
pub(super) fn uuid(id: &str) -> Result<Uuid, ApiError> {
    Uuid::parse_str(id).map_err(|_| ApiError::bad_request("id must be a UUID"))
}

/// `document` without `fields`.
pub(super) fn without(mut document: Fields, fields: &[&str]) -> Fields {
    for field in fields {
        document.remove(*field);
    }
    document
}

/// A document with what every stored object has.
pub(super) fn shown(resource: Resource) -> Map<String, Value> {
    let mut shown = resource.document;
    shown.insert("id".to_owned(), resource.id.to_string().into());
    shown.insert("orgId".to_owned(), resource.organisation.to_string().into());
    shown.insert("createdAt".to_owned(), resource.created_at.to_iso().into());
    shown.insert("updatedAt".to_owned(), resource.updated_at.to_iso().into());
    shown
}

fn duplicate() -> ApiError {
    // The only thing of which there may be one is a number.
    ApiError::bad_request("Existing Phone Number Has Identical `number`")
}
