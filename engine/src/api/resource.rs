//! What assistants, tools and phone numbers have in common: made, listed, shown, changed and
//! deleted as documents.

use axum::Json;
use axum::http::StatusCode;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::document::patched;
use super::error::ApiError;
use super::list;
use crate::app::App;
use crate::store::{Collection, Resource, Timestamp};

/// A kind of resource.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    /// Where it is kept.
    pub(super) collection: Collection,
    /// What it is called in a refusal.
    pub(super) name: &'static str,
    /// What is wrong with a document; empty: nothing.
    pub(super) problems: fn(&App, &str) -> Vec<String>,
    /// Fields that are kept and never shown.
    pub(super) secret: &'static [&'static str],
    /// What Vapi says of one that can be used.
    pub(super) status: Option<&'static str>,
}

/// What a handler answers.
pub(super) type Answer = Result<Json<Value>, ApiError>;

impl Kind {
    pub(super) async fn create(
        self,
        app: &App,
        owner: Uuid,
        document: Map<String, Value>,
    ) -> Result<(StatusCode, Json<Value>), ApiError> {
        self.check(app, &document)?;
        let resource = Resource::new(owner, document);
        if !app.store().insert(self.collection, &resource).await? {
            return Err(duplicate());
        }
        Ok((StatusCode::CREATED, Json(self.show(resource))))
    }

    pub(super) async fn list(self, app: &App, owner: Uuid, query: &[(String, String)]) -> Answer {
        let page = list::page(query)?;
        let found = app.store().resources(self.collection, owner, page).await?;
        Ok(Json(found.into_iter().map(|resource| self.show(resource)).collect()))
    }

    pub(super) async fn show_one(self, app: &App, owner: Uuid, id: &str) -> Answer {
        Ok(Json(self.show(self.find(app, owner, id).await?)))
    }

    pub(super) async fn update(
        self,
        app: &App,
        owner: Uuid,
        id: &str,
        sent: Map<String, Value>,
    ) -> Answer {
        let stored = self.find(app, owner, id).await?;
        let document = patched(&stored.document, sent);
        self.check(app, &document)?;
        let changed = Resource { document, updated_at: Timestamp::now(), ..stored };
        if !app.store().replace(self.collection, &changed).await? {
            return Err(duplicate());
        }
        Ok(Json(self.show(changed)))
    }

    pub(super) async fn delete(self, app: &App, owner: Uuid, id: &str) -> Answer {
        let id = self.id(id)?;
        let deleted = app.store().delete(self.collection, owner, id).await?;
        let deleted = deleted.ok_or_else(|| ApiError::not_found(self.name))?;
        Ok(Json(self.show(deleted)))
    }

    pub(super) async fn find(self, app: &App, owner: Uuid, id: &str) -> Result<Resource, ApiError> {
        let found = app.store().resource(self.collection, owner, self.id(id)?).await?;
        found.ok_or_else(|| ApiError::not_found(self.name))
    }

    fn check(self, app: &App, document: &Map<String, Value>) -> Result<(), ApiError> {
        let problems = (self.problems)(app, &serde_json::to_string(document)?);
        if problems.is_empty() { Ok(()) } else { Err(ApiError::invalid(problems)) }
    }

    fn id(self, id: &str) -> Result<Uuid, ApiError> {
        Uuid::parse_str(id).map_err(|_| ApiError::bad_request("id must be a UUID"))
    }

    fn show(self, resource: Resource) -> Value {
        let mut shown = resource.document;
        for field in self.secret {
            shown.remove(*field);
        }
        if let Some(status) = self.status {
            shown.insert("status".to_owned(), status.into());
        }
        shown.insert("id".to_owned(), resource.id.to_string().into());
        shown.insert("orgId".to_owned(), resource.organisation.to_string().into());
        shown.insert("createdAt".to_owned(), resource.created_at.to_iso().into());
        shown.insert("updatedAt".to_owned(), resource.updated_at.to_iso().into());
        shown.into()
    }
}

fn duplicate() -> ApiError {
    // The only thing of which there may be one is a number.
    ApiError::bad_request("Existing Phone Number Has Identical `number`")
}
