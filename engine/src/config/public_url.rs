//! The URL under which a carrier reaches this server.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::Url;

/// Scheme, host and perhaps a path, to which every URL handed out is appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl(Url);

impl PublicUrl {
    /// Reads `text`.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut url = Url::parse(text).map_err(|error| error.to_string())?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("it must begin with https:// (or http://)".to_owned());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("it must end before any ? or #".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("it must not hold a user name or password".to_owned());
        }
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Ok(Self(url))
    }

    /// The URL of a server that listens at `address` and has nothing before it. An address that
    /// means "all of them" is named by the machine's own.
    pub fn of_listener(address: SocketAddr) -> Self {
        let ip = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        let text = format!("http://{}", SocketAddr::new(ip, address.port()));
        Self(Url::parse(&text).expect("an address and port make a URL"))
    }

    /// The URL of `path`, which begins with a slash: `https://voice.example.com/twilio/inbound`.
    pub fn http(&self, path: &str) -> String {
        format!("{self}{path}")
    }

    /// The same for a WebSocket: `wss://voice.example.com/twilio/media`.
    pub fn websocket(&self, path: &str) -> String {
        // http becomes ws, https wss.
        format!("ws{}{path}", &self.to_string()["http".len()..])
    }

    /// Nobody on the way can read or change what is said.
    pub fn is_secure(&self) -> bool {
        self.0.scheme() == "https"
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `Url` writes an empty path as a slash.
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_appended_to_it() {
        for (text, http, websocket) in [
            (
                "https://voice.example.com",
                "https://voice.example.com/x",
                "wss://voice.example.com/x",
            ),
            (
                "https://example.com:8443/a/",
                "https://example.com:8443/a/x",
                "wss://example.com:8443/a/x",
            ),
            ("http://[::1]:80", "http://[::1]/x", "ws://[::1]/x"),
        ] {
            let url = PublicUrl::parse(text).expect("it is a URL");
            assert_eq!(url.http("/x"), http);
            assert_eq!(url.websocket("/x"), websocket);
        }
    }

    #[test]
    fn what_cannot_be_appended_to_is_refused() {
        for text in [
            "voice.example.com",
            "wss://a.example",
            "https://a.example/?b",
            "https://a:b@c.example",
        ] {
            assert!(PublicUrl::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_listener_is_named_by_an_address_that_can_be_called() {
        let url = |address: &str| {
            PublicUrl::of_listener(address.parse().expect("an address")).to_string()
        };
        assert_eq!(url("127.0.0.1:8080"), "http://127.0.0.1:8080");
        assert_eq!(url("0.0.0.0:8080"), "http://127.0.0.1:8080");
        assert_eq!(url("[::]:8080"), "http://[::1]:8080");
    }
}
