//! `X-Twilio-Signature`: proof that a request comes from Twilio.
//!
//! Base64 of HMAC-SHA1, keyed by the account's auth token, over the full public URL followed by
//! the form's parameters sorted by name, names and values without separators (Twilio's page
//! "Security"; checked against the PyPI package `twilio` 9.13).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use sha1::Sha1;
use subtle::ConstantTimeEq as _;

/// The header that carries the signature.
pub const HEADER: &str = "x-twilio-signature";

/// The auth token of a Twilio account. Shows nothing of itself when printed.
#[derive(Clone)]
pub struct AuthToken(String);

impl AuthToken {
    /// The token as Twilio's console shows it.
    pub fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }

    /// The signature of a request to `url` with the form parameters `params`.
    pub fn sign<N: AsRef<str>, V: AsRef<str>>(&self, url: &str, params: &[(N, V)]) -> String {
        STANDARD.encode(self.mac(url, &sorted(params)))
    }

    /// Whether `signature` is that of a request to `url` with the form parameters `params`.
    ///
    /// `url` is the one Twilio was given, not the one a proxy made of it. Twilio is not
    /// consistent about the port in what it signs, so, as its own helper libraries do (`twilio`
    /// 9.13 for Python, `RequestValidator.validate`), the URL is tried with and without it.
    pub fn verify<N: AsRef<str>, V: AsRef<str>>(
        &self,
        url: &str,
        params: &[(N, V)],
        signature: &str,
    ) -> bool {
        let Ok(signature) = STANDARD.decode(signature) else { return false };
        let params = sorted(params);
        let (with_port, without_port) = port_variants(url);
        // Both are always computed: how long this takes tells nothing.
        let matches = |url: &str| self.mac(url, &params).ct_eq(&signature);
        (matches(&with_port) | matches(&without_port) | matches(url)).into()
    }

    fn mac(&self, url: &str, params: &[(&str, &str)]) -> Vec<u8> {
        let mut mac = Hmac::<Sha1>::new_from_slice(self.0.as_bytes())
            .expect("HMAC takes a key of any length");
        mac.update(url.as_bytes());
        for (name, value) in params {
            mac.update(name.as_bytes());
            mac.update(value.as_bytes());
        }
        mac.finalize().into_bytes().to_vec()
    }
}

impl std::fmt::Debug for AuthToken {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("AuthToken(…)")
    }
}

/// By name, then by value, twins once.
fn sorted<N: AsRef<str>, V: AsRef<str>>(params: &[(N, V)]) -> Vec<(&str, &str)> {
    let mut sorted: Vec<_> =
        params.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect();
    sorted.sort_unstable();
    sorted.dedup();
    sorted
}

/// The URL with its port, the scheme's own where it has none, and without.
fn port_variants(url: &str) -> (String, String) {
    let Some((scheme, rest)) = url.split_once("://") else {
        return (url.to_owned(), url.to_owned());
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host_at = authority.rfind('@').map_or(0, |at| at + 1);
    // A colon inside brackets belongs to an IPv6 address.
    let after_brackets = host_at + authority[host_at..].rfind(']').unwrap_or(0);
    let colon = authority[after_brackets..].rfind(':').map(|at| after_brackets + at);
    let (host, port) = match colon {
        Some(at) => (&authority[..at], &authority[at + 1..]),
        None => (authority, ""),
    };
    let port = match (port, scheme) {
        ("", "https" | "wss") => "443",
        ("", _) => "80",
        (port, _) => port,
    };
    (format!("{scheme}://{host}:{port}{path}"), format!("{scheme}://{host}{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";

    /// The example of Twilio's page "Security". The signature was computed once with the PyPI
    /// package `twilio` 9.13.0 (`RequestValidator("12345").compute_signature`).
    const FORM: [(&str, &str); 5] = [
        ("CallSid", "CA1234567890ABCDE"),
        ("Caller", "+12349013030"),
        ("Digits", "1234"),
        ("From", "+12349013030"),
        ("To", "+18005551212"),
    ];
    const SIGNATURE: &str = "0/KCTR6DLpKmkAf8muzZqo1nDgQ=";

    fn token() -> AuthToken {
        AuthToken::new("12345")
    }

    #[test]
    fn twilios_own_example() {
        assert_eq!(token().sign(URL, &FORM), SIGNATURE);
        assert!(token().verify(URL, &FORM, SIGNATURE));
    }

    #[test]
    fn the_order_of_the_form_does_not_matter_and_its_content_does() {
        let mut form = FORM;
        form.reverse();
        assert!(token().verify(URL, &form, SIGNATURE));
        form[0].1 = "+18005551213";
        assert!(!token().verify(URL, &form, SIGNATURE));
        assert!(!token().verify("https://mycompany.com/myapp.php?foo=1", &FORM, SIGNATURE));
        assert!(!AuthToken::new("12346").verify(URL, &FORM, SIGNATURE));
        for signature in ["", "0/KCTR6DLpKmkAf8muzZqo1nDgQ", "AAAA", "é", &SIGNATURE[1..]] {
            assert!(!token().verify(URL, &FORM, signature), "{signature:?}");
        }
    }

    #[test]
    fn the_port_may_be_there_or_not() {
        let with_port = "https://mycompany.com:443/myapp.php?foo=1&bar=2";
        assert!(token().verify(with_port, &FORM, SIGNATURE));
        let odd_port = "https://mycompany.com:8443/myapp.php?foo=1&bar=2";
        assert!(token().verify(odd_port, &FORM, SIGNATURE));
        // From the same package, for the URL with :443 and for a socket's handshake.
        assert!(token().verify(URL, &FORM, "EpDEmp1PyjDYp77YxYU3GILBWzE="));
        let none: [(&str, &str); 0] = [];
        let signed = "okykUWKkAOgQseVjzERZh4soLeU=";
        assert!(token().verify("wss://mycompany.com/media", &none, signed));
        assert!(token().verify("wss://mycompany.com:443/media", &none, signed));
    }

    #[test]
    fn ports_are_found_in_every_kind_of_authority() {
        for (url, with, without) in [
            ("http://a", "http://a:80", "http://a"),
            ("https://a:1/b:2", "https://a:1/b:2", "https://a/b:2"),
            ("https://u:p@a/b", "https://u:p@a:443/b", "https://u:p@a/b"),
            ("https://[::1]/b", "https://[::1]:443/b", "https://[::1]/b"),
            ("https://[::1]:9/b", "https://[::1]:9/b", "https://[::1]/b"),
            ("https://a?x=@:", "https://a:443?x=@:", "https://a?x=@:"),
            ("nonsense", "nonsense", "nonsense"),
        ] {
            assert_eq!(port_variants(url), (with.to_owned(), without.to_owned()), "{url}");
        }
    }

    #[test]
    fn values_of_one_name_are_sorted_and_counted_once() {
        let twice = [("A", "2"), ("A", "1"), ("A", "2")];
        assert_eq!(token().sign(URL, &twice), token().sign(URL, &[("A", "1"), ("A", "2")]));
    }

    #[test]
    fn the_token_is_not_printed() {
        assert!(!format!("{:?}", token()).contains("12345"));
    }
}
