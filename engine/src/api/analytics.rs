//! `POST /analytics`: what is added up over calls.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::Value;

use super::auth::Owner;
use super::document::Document;
use super::error::ApiError;
use crate::analytics::Tally;
use crate::app::App;
use crate::config;
use crate::store::Timestamp;

pub(super) async fn answer(
    State(app): State<App>,
    Owner(owner): Owner,
    Document(sent): Document,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let queries = config::analytics(&Value::from(sent).to_string())?;
    let mut answers = Vec::with_capacity(queries.len());
    for query in queries {
        let mut tally = Tally::new(query, Timestamp::now());
        app.store().add_up_calls(owner, tally.span(), |call| tally.add(call)).await?;
        answers.push(tally.finish());
    }
    Ok((StatusCode::CREATED, Json(answers.into())))
}
