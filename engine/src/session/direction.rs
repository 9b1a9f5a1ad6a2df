//! Who called whom.

/// Who called whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Somebody called one of our numbers.
    Inbound,
    /// We called somebody: a machine may answer.
    Outbound,
}

impl Direction {
    /// From Twilio's parameter `Direction`: `inbound`, `outbound-api`, `outbound-dial`. What it
    /// does not say is inbound.
    pub fn of_twilio(direction: &str) -> Self {
        if direction.starts_with("outbound") { Self::Outbound } else { Self::Inbound }
    }

    /// As [`Self::of_twilio`] reads it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }
}
