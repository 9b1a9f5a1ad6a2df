//! `/assistant`.

use super::resource::{Kind, without};
use crate::config;
use crate::store::Collection;

pub(super) const ASSISTANT: Kind = Kind {
    shown: |document| without(document, &["serverUrlSecret"]),
    ..Kind::new("/assistant", Collection::Assistants, "Assistant", |app, json| {
        config::assistant_check(json, app.config())
    })
};
