//! `/tool`.

use super::resource::{Kind, server_credential};
use crate::config;
use crate::store::Collection;

pub(super) const TOOL: Kind = Kind {
    references: |tool| server_credential(tool, "").into_iter().collect(),
    ..Kind::new("/tool", Collection::Tools, "Tool", |_, json| config::tool_check(json))
};
