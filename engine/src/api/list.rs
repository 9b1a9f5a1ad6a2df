//! The parameters of a list: `limit`, bounds on age, and which. Others are ignored, as by Vapi.

use serde_json::{Value, json};

use crate::store::{Page, ResourceFilter, Span, Timestamp};

use super::error::ApiError;

/// The longest list.
const LIMIT: u32 = 1_000;

/// Reads the parameters of a query that all lists have.
///
/// # Errors
///
/// 400 with everything that is wrong.
pub(super) fn page(query: &[(String, String)]) -> Result<Page, ApiError> {
    let mut page = Page::default();
    let mut problems = Vec::new();
    for (name, value) in query {
        let (span, narrow): (&mut Span, fn(&mut Span, Timestamp)) = match name.as_str() {
            "limit" => {
                match value.parse::<f64>() {
                    Ok(limit) if limit < 0.0 => {
                        problems.push("limit must not be less than 0".to_owned());
                    }
                    Ok(limit) if limit > f64::from(LIMIT) => {
                        problems.push(format!("limit must not be greater than {LIMIT}"));
                    }
                    Ok(limit) if limit.fract() == 0.0 => page.limit = limit as u32,
                    Ok(_) | Err(_) => problems.push(
                        "limit must be a number conforming to the specified constraints".to_owned(),
                    ),
                }
                continue;
            }
            "createdAtGt" => (&mut page.created, Span::after),
            "createdAtGe" => (&mut page.created, Span::at_or_after),
            "createdAtLt" => (&mut page.created, Span::before),
            "createdAtLe" => (&mut page.created, Span::at_or_before),
            "updatedAtGt" => (&mut page.updated, Span::after),
            "updatedAtGe" => (&mut page.updated, Span::at_or_after),
            "updatedAtLt" => (&mut page.updated, Span::before),
            "updatedAtLe" => (&mut page.updated, Span::at_or_before),
            _ => continue,
        };
        match Timestamp::from_iso(value) {
            Some(moment) => narrow(span, moment),
            None => problems.push(format!("{name} must be a valid ISO 8601 date string")),
        }
    }
    if problems.is_empty() { Ok(page) } else { Err(ApiError::invalid(problems)) }
}

/// The same, and the ids that are asked for.
///
/// # Errors
///
/// As [`page`].
pub(super) fn filter(query: &[(String, String)]) -> Result<ResourceFilter, ApiError> {
    let page = page(query)?;
    let ids: Vec<_> = query
        .iter()
        // Clients write lists as `idAny=a&idAny=b`, `idAny[]=a`, `idAny[0]=a` or `idAny=a,b`.
        .filter(|(name, _)| name.split('[').next() == Some("idAny"))
        .flat_map(|(_, value)| value.split(','))
        .map(str::to_owned)
        .collect();
    Ok(ResourceFilter { page, ids: (!ids.is_empty()).then_some(ids) })
}

/// What a list in pages is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Paging {
    filter: ResourceFilter,
    /// From 1.
    number: usize,
    oldest_first: bool,
    /// The id that is wanted.
    id: Option<String>,
    /// The name that is wanted.
    name: Option<String>,
    /// In lower case: what the name, number or SIP address must hold.
    search: Option<String>,
}

/// Reads the parameters of a list in pages.
///
/// # Errors
///
/// As [`page`].
pub(super) fn paging(query: &[(String, String)]) -> Result<Paging, ApiError> {
    let filter = filter(query)?;
    let mut problems = Vec::new();
    let number = match parameter(query, "page").map(|text| text.parse::<usize>()) {
        None => 1,
        Some(Ok(number)) if number > 0 => number,
        Some(_) => {
            problems.push("page must not be less than 1".to_owned());
            1
        }
    };
    let oldest_first = match parameter(query, "sortOrder").as_deref() {
        None | Some("DESC") => false,
        Some("ASC") => true,
        Some(_) => {
            problems.push("sortOrder must be one of the following values: ASC, DESC".to_owned());
            false
        }
    };
    if !problems.is_empty() {
        return Err(ApiError::invalid(problems));
    }
    let search = parameter(query, "search").map(|text| text.to_lowercase());
    let (id, name) = (parameter(query, "id"), parameter(query, "name"));
    Ok(Paging { filter, number, oldest_first, id, name, search })
}

impl Paging {
    /// Asks the store for every page: what is in a name is not the store's to know.
    pub(super) fn everything(&self) -> ResourceFilter {
        let page = Page { limit: u32::MAX, ..self.filter.page };
        ResourceFilter { page, ..self.filter.clone() }
    }

    /// The page that is wanted of `all`, which are shown and the newest first.
    pub(super) fn page_of(&self, mut all: Vec<Value>) -> Value {
        all.retain(|shown| self.holds(shown));
        if self.oldest_first {
            all.reverse();
        }
        let limit = self.filter.page.limit as usize;
        let total = all.len();
        let pages = if limit == 0 { 0 } else { total.div_ceil(limit) };
        let from = limit.saturating_mul(self.number - 1);
        let results: Vec<_> = all.into_iter().skip(from).take(limit).collect();
        json!({
            "results": results,
            "metadata": {
                "itemsPerPage": limit,
                "totalItems": total,
                "currentPage": self.number,
                "totalPages": pages,
                "hasNextPage": self.number < pages,
                "sortOrder": if self.oldest_first { "ASC" } else { "DESC" },
                "sortBy": "createdAt",
            },
        })
    }

    fn holds(&self, shown: &Value) -> bool {
        let is = |field: &str, wanted: &Option<String>| {
            wanted.is_none() || shown[field].as_str() == wanted.as_deref()
        };
        let found = self.search.as_ref().is_none_or(|search| {
            let texts =
                ["name", "number", "sipUri"].iter().filter_map(|name| shown[*name].as_str());
            texts.into_iter().any(|text| text.to_lowercase().contains(search))
        });
        found && is("id", &self.id) && is("name", &self.name)
    }
}

/// The first parameter called `name`.
pub(super) fn parameter(query: &[(String, String)], name: &str) -> Option<String> {
    query.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &[(&str, &str)]) -> Result<Page, ApiError> {
        page(&owned(query))
    }

    #[test]
    fn what_vapi_ignores_is_ignored() {
        let query = [("limit", "5"), ("sortOrder", "DESC"), ("createdAtGt", "2026-01-01")];
        let page = read(&query).expect("it is sound");
        assert_eq!(page.limit, 5);
        assert_eq!(page.created.from.to_iso(), "2026-01-01T00:00:00.001Z");
        assert_eq!(page.updated, Span::default());
    }

    fn owned(query: &[(&str, &str)]) -> Vec<(String, String)> {
        query.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn ids_are_read_in_every_form_that_clients_write() {
        for query in [
            &[("idAny", "a"), ("idAny", "b")][..],
            &[("idAny[]", "a"), ("idAny[]", "b")],
            &[("idAny[0]", "a"), ("idAny[1]", "b")],
            &[("idAny", "a,b")],
        ] {
            let ids = filter(&owned(query)).expect("it is sound").ids;
            assert_eq!(ids, Some(vec!["a".to_owned(), "b".to_owned()]), "{query:?}");
        }
        assert_eq!(filter(&[]).expect("it is sound").ids, None);
    }

    #[test]
    fn a_page_says_how_many_there_are() {
        let all: Vec<_> = (0..5).rev().map(|n| json!({"name": format!("Salle {n}")})).collect();
        let query = owned(&[("limit", "2"), ("page", "2"), ("sortOrder", "ASC")]);
        let told = paging(&query).expect("it is sound").page_of(all.clone());
        assert_eq!(told["results"], json!([{"name": "Salle 2"}, {"name": "Salle 3"}]));
        let metadata = &told["metadata"];
        assert_eq!((&metadata["totalItems"], &metadata["totalPages"]), (&json!(5), &json!(3)));
        assert_eq!(metadata["hasNextPage"], true);
        let found = paging(&owned(&[("search", "salle 4")])).expect("it is sound").page_of(all);
        assert_eq!(found["results"], json!([{"name": "Salle 4"}]));
        assert!(paging(&owned(&[("page", "0")])).is_err());
    }

    #[test]
    fn what_is_wrong_is_told_at_once() {
        let told = read(&[("limit", "1001"), ("updatedAtLt", "soon")]);
        let expected = vec![
            "limit must not be greater than 1000".to_owned(),
            "updatedAtLt must be a valid ISO 8601 date string".to_owned(),
        ];
        assert_eq!(told, Err(ApiError::invalid(expected)));
    }
}
