//! Sign-ins that fail again and again are stopped for a while, by where they come from.
//!
//! Counted in memory: a restart begins anew, and the log keeps every refusal. Source: promise S16.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use jiff::{SignedDuration, Timestamp};

use crate::problem::Problem;

/// Failures from one place within the span that are borne.
const BORNE: usize = 10;
const SPAN: SignedDuration = SignedDuration::from_mins(15);
/// Places remembered at most; the oldest are forgotten first.
const PLACES: usize = 50_000;

/// Failures by place.
#[derive(Default)]
pub struct Throttle {
    places: Mutex<HashMap<String, VecDeque<Timestamp>>>,
    /// A demonstration under load.
    off: bool,
}

impl Throttle {
    /// A throttle; `off` lets everything pass.
    pub fn new(off: bool) -> Self {
        Self {
            off,
            ..Self::default()
        }
    }

    /// Lets a try pass, or says how long to wait.
    pub fn check(&self, place: &str, now: Timestamp) -> Result<(), Problem> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(failures) = places.get_mut(place).filter(|_| !self.off) else {
            return Ok(());
        };
        while failures.front().is_some_and(|at| *at + SPAN <= now) {
            failures.pop_front();
        }
        let Some(oldest) = failures.front().filter(|_| failures.len() >= BORNE) else {
            return Ok(());
        };
        let minutes = (*oldest + SPAN).duration_since(now).as_mins().max(0) + 1;
        Err(Problem::too_many(
            format!("Signing in failed {BORNE} times from here. Try again in {minutes} minutes."),
            u32::try_from(minutes).unwrap_or(15),
        ))
    }

    /// Notes a failure; true when this one closes the door.
    pub fn failed(&self, place: &str, now: Timestamp) -> bool {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= PLACES {
            places.retain(|_, failures| failures.back().is_some_and(|at| *at + SPAN > now));
        }
        let failures = places.entry(place.to_owned()).or_default();
        failures.push_back(now);
        if failures.len() > BORNE {
            failures.pop_front();
        }
        failures.len() == BORNE
    }

    /// A sign-in that worked forgets the failures before it.
    pub fn worked(&self, place: &str) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.remove(place);
    }
}

/// Where a request comes from: the connection, or what a proxy on this machine says of it.
pub struct Place(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Place {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let peer = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map(|ConnectInfo(address)| address.ip());
        let told = parts
            .headers
            .get("x-forwarded-for")
            .and_then(|value| value.to_str().ok())
            .and_then(|list| list.rsplit(',').next()?.trim().parse::<IpAddr>().ok());
        let place = match (peer, told) {
            (Some(peer), Some(told)) if peer.is_loopback() => Some(told),
            (peer, _) => peer,
        };
        Ok(Self(
            place.map_or_else(|| "unknown".to_owned(), |ip| ip.to_string()),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_failures_close_the_door_for_a_while_and_a_success_forgets_them() {
        let start: Timestamp = "2026-10-02T10:00:00Z".parse().expect("a moment");
        let throttle = Throttle::default();
        for second in 0..BORNE as i64 {
            let now = start + SignedDuration::from_secs(second);
            assert!(throttle.check("here", now).is_ok(), "{second}");
            assert_eq!(throttle.failed("here", now), second == 9);
        }
        let now = start + SignedDuration::from_mins(1);
        assert!(throttle.check("here", now).is_err());
        assert!(throttle.check("elsewhere", now).is_ok());
        let later = start + SignedDuration::from_mins(16);
        assert!(throttle.check("here", later).is_ok());
        throttle.failed("here", later);
        throttle.worked("here");
        assert!(throttle.check("here", later).is_ok());
    }
}
