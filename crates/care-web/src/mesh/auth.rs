//! The token every request carries: `NHSMESH mailbox:nonce:count:time:hash`. The hash is made over the
//! mailbox, the nonce, the count, the password and the time; the password itself is never sent.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::hmac;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

/// The exchange and we may differ by this much.
const CLOCKS: SignedDuration = SignedDuration::from_hours(2);

/// Makes the value of the `Authorization` header. A token is good for one request.
pub fn token(
    mailbox: &str,
    password: &str,
    shared_key: &str,
    nonce: &str,
    count: u32,
    now: Timestamp,
) -> String {
    let mailbox = mailbox.to_ascii_uppercase();
    let time = minute(now);
    let hash = hash(
        &mailbox,
        password,
        shared_key,
        nonce,
        &count.to_string(),
        &time,
    );
    format!("NHSMESH {mailbox}:{nonce}:{count}:{time}:{hash}")
}

fn hash(
    mailbox: &str,
    password: &str,
    shared_key: &str,
    nonce: &str,
    count: &str,
    time: &str,
) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, shared_key.as_bytes());
    let text = format!("{mailbox}:{nonce}:{count}:{password}:{time}");
    let tag = hmac::sign(&key, text.as_bytes());
    tag.as_ref().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn minute(now: Timestamp) -> String {
    now.to_zoned(TimeZone::UTC)
        .strftime("%Y%m%d%H%M")
        .to_string()
}

/// A nonce in the form of a GUID. Empty where the machine gives no random numbers: the exchange then
/// refuses it.
pub fn nonce() -> String {
    let mut bytes = [0_u8; 16];
    if getrandom::fill(&mut bytes).is_err() {
        return String::new();
    }
    let mut text = String::with_capacity(36);
    for (place, byte) in bytes.iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Why a token lets nobody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoEntry {
    /// It is not one.
    Form,
    /// Another mailbox's.
    Mailbox,
    /// Made too long ago, or ahead of time.
    Time,
    /// The hash does not fit.
    Hash,
    /// It was used before.
    Used,
}

/// The exchange's side: checks tokens, each good for one request.
#[derive(Default)]
pub struct Gate {
    used: Mutex<HashMap<String, Timestamp>>,
}

impl Gate {
    /// Lets a request for this mailbox in, or says why not.
    pub fn admit(
        &self,
        header: &str,
        mailbox: &str,
        password: &str,
        shared_key: &str,
        now: Timestamp,
    ) -> Result<(), NoEntry> {
        let fields = header.strip_prefix("NHSMESH ").ok_or(NoEntry::Form)?;
        let fields: Vec<&str> = fields.split(':').collect();
        let [claimed, nonce, count, time, given] = fields[..] else {
            return Err(NoEntry::Form);
        };
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if nonce.is_empty() || !digits(count) || !digits(time) {
            return Err(NoEntry::Form);
        }
        if claimed != mailbox {
            return Err(NoEntry::Mailbox);
        }
        let near = [now - CLOCKS, now + CLOCKS].map(minute);
        if time < near[0].as_str() || time > near[1].as_str() {
            return Err(NoEntry::Time);
        }
        let expected = hash(mailbox, password, shared_key, nonce, count, time);
        aws_lc_rs::constant_time::verify_slices_are_equal(expected.as_bytes(), given.as_bytes())
            .map_err(|_| NoEntry::Hash)?;
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.retain(|_, until| *until > now);
        let once = format!("{claimed}:{nonce}:{count}");
        match used.insert(once, now + CLOCKS + CLOCKS) {
            None => Ok(()),
            Some(_) => Err(NoEntry::Used),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn a_token_has_its_five_parts_and_not_the_password() {
        let now = at("2026-11-03T09:05:59Z");
        let token = token(
            "x26abc1",
            "password",
            "TestKey",
            "2c001608-5f09-4840-9611-bea43e666a30",
            1,
            now,
        );
        // Worked out with Python's hmac over the same text.
        assert_eq!(
            token,
            "NHSMESH X26ABC1:2c001608-5f09-4840-9611-bea43e666a30:1:202611030905:73deeaa02c9f120a65ee2c8d96a30c342967fc4d1e5d4bcb2f11d5f72a3789f9"
        );
    }

    #[test]
    fn the_gate_opens_once_for_the_right_token_and_for_no_other() {
        let now = at("2026-11-03T09:05:00Z");
        let gate = Gate::default();
        let good = token("X26ABC1", "password", "TestKey", &nonce(), 0, now);
        let admit = |header: &str, mailbox: &str, now| {
            gate.admit(header, mailbox, "password", "TestKey", now)
        };
        assert_eq!(admit(&good, "X26ABC2", now), Err(NoEntry::Mailbox));
        assert_eq!(
            admit(&good, "X26ABC1", now + SignedDuration::from_hours(3)),
            Err(NoEntry::Time)
        );
        assert_eq!(
            admit(&good, "X26ABC1", now - SignedDuration::from_hours(3)),
            Err(NoEntry::Time)
        );
        assert_eq!(
            admit(&good.replace("NHSMESH ", ""), "X26ABC1", now),
            Err(NoEntry::Form)
        );
        assert_eq!(
            admit("NHSMESH X26ABC1:a:b", "X26ABC1", now),
            Err(NoEntry::Form)
        );
        let mut changed = good.clone();
        changed.pop();
        assert_eq!(admit(&changed, "X26ABC1", now), Err(NoEntry::Hash));
        let other = token("X26ABC1", "another", "TestKey", &nonce(), 0, now);
        assert_eq!(admit(&other, "X26ABC1", now), Err(NoEntry::Hash));
        assert_eq!(admit(&good, "X26ABC1", now), Ok(()));
        assert_eq!(admit(&good, "X26ABC1", now), Err(NoEntry::Used));
    }
}
