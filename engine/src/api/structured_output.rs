//! `/structured-output`.

use serde_json::Value;

use super::resource::{Fields, Kind, Listing, Reference};
use crate::config;
use crate::store::Collection;

pub(super) const STRUCTURED_OUTPUT: Kind = Kind {
    references,
    listing: Listing::Paged,
    ..Kind::new(
        "/structured-output",
        Collection::StructuredOutputs,
        "Structured output",
        |_, json| config::structured_output_check(json),
    )
};

/// The assistants whose calls it is asked about.
fn references(document: &Fields) -> Vec<Reference> {
    let ids = document.get("assistantIds").and_then(Value::as_array);
    ids.into_iter()
        .flatten()
        .enumerate()
        .filter_map(|(index, id)| {
            let (path, collection) = (format!("assistantIds.{index}"), Collection::Assistants);
            Some(Reference { path, collection, id: id.as_str()?.to_owned() })
        })
        .collect()
}
