//! The URL of a server we ask.

use std::fmt;

use reqwest::Url;

/// A base URL to which a path is appended as text, even after a query, as Vapi does: customers
/// put secrets there, so only scheme and host are ever shown.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerUrl(String);

impl ServerUrl {
    /// Reads `text`.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Self(url) = Self::exact(text)?;
        Ok(Self(url.trim_end_matches('/').to_owned()))
    }

    /// Reads `text`, to which nothing will be appended.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in words.
    pub fn exact(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| error.to_string())?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("it must begin with https:// or http://".to_owned());
        }
        Ok(Self(text.to_owned()))
    }

    /// The URL itself, secrets and all: to send requests to.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Its host.
    pub fn host(&self) -> String {
        let url = Url::parse(&self.0).ok();
        url.as_ref().and_then(Url::host_str).unwrap_or_default().to_owned()
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.0.split("://").next().unwrap_or_default();
        write!(f, "{scheme}://{}", self.host())
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_it_are_not_shown() {
        let text = "https://user:hunter2@llm.example.com/v1?key=hunter2&_=";
        let url = ServerUrl::parse(text).expect("a URL");
        assert_eq!(url.expose(), text);
        assert_eq!(format!("{url} {url:?}"), "https://llm.example.com https://llm.example.com");
    }

    #[test]
    fn only_web_servers_can_be_asked() {
        for text in ["llm.example.com/v1", "ftp://llm.example.com", "file:///etc/passwd"] {
            assert!(ServerUrl::parse(text).is_err(), "{text}");
        }
    }
}
