//! One-time tokens: the webhook hands one out in the TwiML and the stream's `start` brings it back;
//! so does the URL of a raw WebSocket.
//!
//! A token proves that a stream belongs to a call whose webhook was verified. It is a MAC under
//! a key that this process drew at its start and never shows, over the call's sid, the moment it
//! expires and a serial number. So nothing about it needs to be stored but whether it was used:
//! one atomic per serial number, in a ring. There is no lock, and the ring bounds the memory: a
//! token that [`OUTSTANDING`] younger ones have overtaken is refused as if it had expired.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

/// The name of the `<Parameter>` that carries the token.
pub const PARAMETER: &str = "causerieToken";

/// How long a token may be used. Twilio opens the stream at once; this covers its retries.
pub const LIFETIME: Duration = Duration::from_secs(60);

/// Tokens that can be out at a time: 68 calls a second for a minute.
pub const OUTSTANDING: usize = 4_096;

/// In the ring: used, or never handed out. Serial numbers begin at 1.
const USED: u64 = 0;

/// Bytes of a serial number, and of a moment.
const WORD: usize = 8;

/// Hands out tokens and takes them back.
pub struct TokenOffice {
    key: [u8; 32],
    epoch: Instant,
    serial: AtomicU64,
    unused: Box<[AtomicU64]>,
}

/// Why a token was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not handed out by this process, or for another call.
    #[error("the stream's token is not one of ours for this call")]
    Foreign,
    /// Older than [`LIFETIME`], or overtaken by [`OUTSTANDING`] others.
    #[error("the stream's token has expired")]
    Expired,
    /// Used before.
    #[error("the stream's token was used before")]
    Used,
}

impl TokenOffice {
    /// Draws a key. `now` is the moment times count from.
    ///
    /// # Errors
    ///
    /// Where the system has no randomness to give.
    pub fn new(now: Instant) -> std::io::Result<Self> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        let unused = (0..OUTSTANDING).map(|_| AtomicU64::new(USED)).collect();
        Ok(Self { key, epoch: now, serial: AtomicU64::new(1), unused })
    }

    /// A token for the call that is known as `call_sid`: 64 characters that need no escape in XML
    /// or a URL.
    pub fn issue(&self, call_sid: &str, now: Instant) -> String {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        let expires = self.since_epoch(now + LIFETIME);
        let mut token = [0; 2 * WORD + 32];
        token[..WORD].copy_from_slice(&serial.to_be_bytes());
        token[WORD..2 * WORD].copy_from_slice(&expires.to_be_bytes());
        let mac = self.mac(&token[..2 * WORD], call_sid);
        token[2 * WORD..].copy_from_slice(&mac);
        self.slot(serial).store(serial, Ordering::Release);
        URL_SAFE_NO_PAD.encode(token)
    }

    /// Takes a token back. Succeeds once.
    ///
    /// # Errors
    ///
    /// Where the token is foreign, expired or used.
    pub fn redeem(&self, token: &str, call_sid: &str, now: Instant) -> Result<(), TokenError> {
        let token = URL_SAFE_NO_PAD.decode(token).map_err(|_| TokenError::Foreign)?;
        let (head, mac) = token
            .split_at_checked(2 * WORD)
            .filter(|(_, mac)| mac.len() == 32)
            .ok_or(TokenError::Foreign)?;
        if !bool::from(self.mac(head, call_sid).as_slice().ct_eq(mac)) {
            return Err(TokenError::Foreign);
        }
        let word = |at: usize| {
            head[at..at + WORD].iter().fold(0, |word, &byte| word << 8 | u64::from(byte))
        };
        let (serial, expires) = (word(0), word(WORD));
        if self.since_epoch(now) >= expires {
            return Err(TokenError::Expired);
        }
        match self.slot(serial).compare_exchange(serial, USED, Ordering::AcqRel, Ordering::Acquire)
        {
            Ok(_) => Ok(()),
            Err(younger) if younger > serial => Err(TokenError::Expired),
            Err(_) => Err(TokenError::Used),
        }
    }

    fn slot(&self, serial: u64) -> &AtomicU64 {
        &self.unused[(serial % OUTSTANDING as u64) as usize]
    }

    fn mac(&self, head: &[u8], call_sid: &str) -> [u8; 32] {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes a key of any length");
        mac.update(head);
        mac.update(call_sid.as_bytes());
        mac.finalize().into_bytes().into()
    }

    /// In microseconds.
    fn since_epoch(&self, moment: Instant) -> u64 {
        let since = moment.saturating_duration_since(self.epoch);
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    }
}

impl std::fmt::Debug for TokenOffice {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("TokenOffice(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn office() -> (TokenOffice, Instant) {
        let now = Instant::now();
        (TokenOffice::new(now).expect("randomness"), now)
    }

    #[test]
    fn a_token_is_good_once_and_for_its_call() {
        let (office, now) = office();
        let token = office.issue("CA1", now);
        assert_eq!(token.len(), 64);
        assert_eq!(office.redeem(&token, "CA2", now), Err(TokenError::Foreign));
        assert_eq!(office.redeem(&token, "CA1", now), Ok(()));
        assert_eq!(office.redeem(&token, "CA1", now), Err(TokenError::Used));
    }

    #[test]
    fn a_token_expires() {
        let (office, now) = office();
        let token = office.issue("CA1", now);
        let almost = now + LIFETIME - Duration::from_millis(1);
        assert_eq!(office.redeem(&token, "CA1", now + LIFETIME), Err(TokenError::Expired));
        assert_eq!(office.redeem(&token, "CA1", almost), Ok(()));
    }

    #[test]
    fn no_change_of_a_token_is_taken() {
        let (office, now) = office();
        let token = office.issue("CA1", now);
        for at in 0..token.len() {
            let other = if token.as_bytes()[at] == b'A' { "B" } else { "A" };
            let forged = format!("{}{other}{}", &token[..at], &token[at + 1..]);
            assert_eq!(office.redeem(&forged, "CA1", now), Err(TokenError::Foreign), "{at}");
        }
        for forged in ["", "A", "é", &token[1..], &format!("{token}AAAA")] {
            assert_eq!(office.redeem(forged, "CA1", now), Err(TokenError::Foreign));
        }
        let (elsewhere, _) = self::office();
        assert_eq!(elsewhere.redeem(&token, "CA1", now), Err(TokenError::Foreign));
        assert_eq!(office.redeem(&token, "CA1", now), Ok(()), "it was not spent by all this");
    }

    #[test]
    fn the_oldest_give_way_when_too_many_are_out() {
        let (office, now) = office();
        let first = office.issue("CA1", now);
        let second = office.issue("CA2", now);
        for _ in 0..OUTSTANDING - 1 {
            office.issue("CAn", now);
        }
        assert_eq!(office.redeem(&first, "CA1", now), Err(TokenError::Expired));
        assert_eq!(office.redeem(&second, "CA2", now), Ok(()));
    }

    #[test]
    fn of_many_at_once_one_wins() {
        let (office, now) = office();
        let token = office.issue("CA1", now);
        let won = std::thread::scope(|scope| {
            let tries: Vec<_> =
                (0..4).map(|_| scope.spawn(|| office.redeem(&token, "CA1", now).is_ok())).collect();
            tries.into_iter().filter_map(|won| won.join().ok()).filter(|&won| won).count()
        });
        assert_eq!(won, 1);
    }
}
