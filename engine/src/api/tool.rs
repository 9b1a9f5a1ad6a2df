//! `/tool`.

use super::resource::Kind;
use crate::config;
use crate::store::Collection;

pub(super) const TOOL: Kind =
    Kind::new("/tool", Collection::Tools, "Tool", |_, json| config::tool_check(json));
