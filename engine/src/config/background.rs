//! What is heard behind the voice.

use std::path::PathBuf;

use super::ServerUrl;

/// What is heard behind the voice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Background {
    /// Nothing.
    #[default]
    Off,
    /// The office that this engine makes itself.
    Office,
    /// A recording on this machine.
    File(PathBuf),
    /// A recording elsewhere.
    Url(ServerUrl),
}

impl Background {
    /// Vapi's `backgroundSound`: `off`, `office` or a URL. `None`: none of these.
    pub fn from_vapi(text: &str) -> Option<Self> {
        match text {
            "off" => Some(Self::Off),
            "office" => Some(Self::Office),
            url => ServerUrl::parse(url).ok().map(Self::Url),
        }
    }

    /// The same, or the path of a file: for the operator of this machine.
    pub fn from_operator(text: &str) -> Self {
        Self::from_vapi(text).unwrap_or_else(|| Self::File(PathBuf::from(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_operator_names_files() {
        let url = "https://sounds.example.com/office.mp3";
        let parsed = ServerUrl::parse(url).expect("a URL");
        assert_eq!(Background::from_vapi("off"), Some(Background::Off));
        assert_eq!(Background::from_vapi("office"), Some(Background::Office));
        assert_eq!(Background::from_vapi(url), Some(Background::Url(parsed)));
        for text in ["cafe", "/etc/passwd", "file:///etc/passwd", ""] {
            assert_eq!(Background::from_vapi(text), None, "{text}");
        }
        let file = Background::File(PathBuf::from("sounds/cafe.wav"));
        assert_eq!(Background::from_operator("sounds/cafe.wav"), file);
        assert_eq!(Background::from_operator("office"), Background::Office);
    }
}
