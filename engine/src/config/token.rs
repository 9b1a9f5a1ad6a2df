//! A key to be made: `POST /token`.

use super::validation::Validation;

/// Understands `json`, an order to make a key.
///
/// # Errors
///
/// Everything that is wrong with it, in the words of Vapi's API.
pub fn new_token(json: &str) -> Result<wire::NewToken, Vec<String>> {
    let mut check = Validation::of("token");
    let token = check.read::<wire::NewToken>(json);
    if let Some(token) = &token {
        check.one_of("tag", token.tag.as_deref(), &["private", "public"]);
        check.length("name", token.name.as_deref(), 0..=40);
        if token.restrictions.is_some() && token.tag.as_deref() != Some("public") {
            check.problem("restrictions hold for tag public only");
        }
    }
    let (problems, _) = check.finish();
    token.filter(|_| problems.is_empty()).ok_or(problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_key_cannot_be_restricted() {
        let read = |json: &str| new_token(json);
        assert!(read(r#"{"tag": "public", "restrictions": {"allowedOrigins": []}}"#).is_ok());
        assert_eq!(
            read(r#"{"tag": "private", "restrictions": {}, "nom": ""}"#),
            Err(vec![
                "property nom should not exist".to_owned(),
                "restrictions hold for tag public only".to_owned(),
            ])
        );
    }
}
