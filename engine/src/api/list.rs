//! The parameters of a list: `limit`, and bounds on age. Others are ignored, as by Vapi.

use crate::store::{Page, Span, Timestamp};

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

/// The first parameter called `name`.
pub(super) fn parameter(query: &[(String, String)], name: &str) -> Option<String> {
    query.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &[(&str, &str)]) -> Result<Page, ApiError> {
        let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        page(&query.iter().map(owned).collect::<Vec<_>>())
    }

    #[test]
    fn what_vapi_ignores_is_ignored() {
        let query = [("limit", "5"), ("sortOrder", "DESC"), ("createdAtGt", "2026-01-01")];
        let page = read(&query).expect("it is sound");
        assert_eq!(page.limit, 5);
        assert_eq!(page.created.from.to_iso(), "2026-01-01T00:00:00.001Z");
        assert_eq!(page.updated, Span::default());
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
