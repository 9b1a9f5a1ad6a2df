//! `/credential`: other people's keys. They are sealed at rest and never shown.

use super::resource::Kind;
use crate::config::{self, Checked};
use crate::store::Collection;

pub(super) const CREDENTIAL: Kind = Kind {
    shown: config::shown_credential,
    ..Kind::new("/credential", Collection::Credentials, "Credential", |_, json| {
        match serde_json::from_str(json) {
            Ok(document) => config::credential_check(&document),
            Err(error) => Checked { problems: vec![error.to_string()], ..Checked::default() },
        }
    })
};
