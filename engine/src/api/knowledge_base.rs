//! `/knowledge-base`, of the first kind.

use super::resource::Kind;
use crate::config;
use crate::store::Collection;

pub(super) const KNOWLEDGE_BASE: Kind =
    Kind::new("/knowledge-base", Collection::KnowledgeBases, "Knowledge base", |_, json| {
        config::knowledge_base_check(json)
    });
