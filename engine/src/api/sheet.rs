//! Lists that come by the page: `{results, metadata}`.

use serde_json::{Value, json};

use super::error::ApiError;
use super::list;
use crate::store::Sheet;

/// Reads the parameters of a list that comes by the page. `fields` may be filtered by: one value as
/// `field`, several as `fieldAny`, separated by commas.
///
/// # Errors
///
/// 400 with what is wrong.
pub(super) fn sheet(query: &[(String, String)], fields: &[&str]) -> Result<Sheet, ApiError> {
    let page = list::page(query)?;
    let number = match list::parameter(query, "page") {
        None => 1,
        Some(text) => match text.parse() {
            Ok(number) if number >= 1 => number,
            _ => return Err(ApiError::invalid(vec!["page must not be less than 1".to_owned()])),
        },
    };
    let ascending = match list::parameter(query, "sortOrder").as_deref() {
        None | Some("DESC") => false,
        Some("ASC") => true,
        Some(_) => {
            let problem = "sortOrder must be one of the following values: ASC, DESC";
            return Err(ApiError::invalid(vec![problem.to_owned()]));
        }
    };
    let mut only = Vec::new();
    for field in fields {
        if let Some(value) = list::parameter(query, field) {
            only.push(((*field).to_owned(), vec![value]));
        }
        if let Some(values) = list::parameter(query, &format!("{field}Any")) {
            let values = values.split(',').map(|value| value.trim().to_owned()).collect();
            only.push(((*field).to_owned(), values));
        }
    }
    Ok(Sheet { page, number, ascending, only })
}

/// A page, of `total` things on all pages.
pub(super) fn show(results: Vec<Value>, total: u64, sheet: &Sheet) -> Value {
    let limit = u64::from(sheet.page.limit);
    let pages = if limit == 0 { 0 } else { total.div_ceil(limit) };
    json!({
        "results": results,
        "metadata": {
            "itemsPerPage": limit,
            "totalItems": total,
            "currentPage": sheet.number,
            "totalPages": pages,
            "hasNextPage": u64::from(sheet.number) < pages,
            "sortOrder": if sheet.ascending { "ASC" } else { "DESC" },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &[(&str, &str)]) -> Result<Sheet, ApiError> {
        let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        sheet(&query.iter().map(owned).collect::<Vec<_>>(), &["id", "assistantId"])
    }

    #[test]
    fn a_page_says_where_it_stands() {
        let sheet = read(&[("limit", "10"), ("page", "2"), ("idAny", "a, b")]).expect("sound");
        assert_eq!(sheet.only, [("id".to_owned(), vec!["a".to_owned(), "b".to_owned()])]);
        let metadata = &show(Vec::new(), 21, &sheet)["metadata"];
        assert_eq!(
            metadata,
            &json!({"itemsPerPage": 10, "totalItems": 21, "currentPage": 2, "totalPages": 3,
                    "hasNextPage": true, "sortOrder": "DESC"})
        );
        assert!(read(&[("page", "0")]).is_err() && read(&[("sortOrder", "up")]).is_err());
    }
}
