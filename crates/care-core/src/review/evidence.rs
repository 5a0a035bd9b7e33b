//! What supports a look: parts in the person's care near the time.

use jiff::{SignedDuration, Timestamp};

use crate::vocabulary::{Involvement, InvolvementKind};

/// A part in the care near a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Near<'a> {
    /// The part.
    pub part: &'a Involvement,
    /// It holds at the moment of the look, not only near it.
    pub at_the_time: bool,
}

/// Parts of any organisation within so many days either side of a moment, in order of their beginning.
/// A part without an end goes on; a registration without a beginning always was. Cancelled ones count
/// for nothing.
pub fn near<'a>(
    parts: impl IntoIterator<Item = &'a Involvement>,
    at: Timestamp,
    days: i64,
) -> Vec<Near<'a>> {
    let span = SignedDuration::from_hours(24 * days);
    let mut found: Vec<Near<'a>> = parts
        .into_iter()
        .filter(|part| !part.cancelled)
        .filter(|part| {
            let (from, until) = lasts(part);
            from <= at.saturating_add(span).unwrap_or(Timestamp::MAX)
                && until >= at.saturating_sub(span).unwrap_or(Timestamp::MIN)
        })
        .map(|part| {
            let (from, until) = lasts(part);
            Near {
                part,
                at_the_time: from <= at && at <= until,
            }
        })
        .collect();
    found.sort_by_key(|near| near.part.starts);
    found
}

/// From when until when a part lasts. An appointment without an end is a moment, as is an attendance.
fn lasts(part: &Involvement) -> (Timestamp, Timestamp) {
    let from = part.starts.unwrap_or(Timestamp::MIN);
    let passes = matches!(
        part.kind,
        InvolvementKind::Appointment
            | InvolvementKind::EdAttendance
            | InvolvementKind::AmbulanceIncident
    );
    let until = match part.ends {
        Some(end) => end,
        None if passes => part.starts.unwrap_or(Timestamp::MIN),
        None => Timestamp::MAX,
    };
    (from, until)
}

/// The part of this organisation in the care that supports an override after the fact: near the
/// time, the nearest first.
pub fn supports<'a>(
    parts: impl IntoIterator<Item = &'a Involvement>,
    organisation: &str,
    at: Timestamp,
    days: i64,
) -> Option<&'a Involvement> {
    let of_theirs = parts
        .into_iter()
        .filter(|part| part.organisation.as_str() == organisation);
    near(of_theirs, at, days)
        .into_iter()
        .min_by_key(|near| {
            let away = near.part.starts.map(|start| at.duration_since(start).abs());
            (!near.at_the_time, away)
        })
        .map(|near| near.part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocabulary::OdsCode;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a moment")
    }

    fn part(kind: InvolvementKind, starts: Option<&str>, ends: Option<&str>) -> Involvement {
        Involvement {
            kind,
            organisation: OdsCode::parse("RJ1").expect("a code"),
            source_key: "1".into(),
            starts: starts.map(at),
            ends: ends.map(at),
            cancelled: false,
        }
    }

    #[test]
    fn care_is_near_when_it_touches_the_days_around_the_look() {
        use InvolvementKind::*;
        let look = at("2026-10-10T12:00:00Z");
        #[rustfmt::skip]
        let table = [
            ("open stay", part(Inpatient, Some("2026-10-01T00:00:00Z"), None), Some(true)),
            ("stay that ended", part(Inpatient, Some("2026-09-20T00:00:00Z"), Some("2026-10-05T00:00:00Z")), Some(false)),
            ("stay long ago", part(Inpatient, Some("2026-09-01T00:00:00Z"), Some("2026-09-05T00:00:00Z")), None),
            ("appointment next week", part(Appointment, Some("2026-10-15T09:00:00Z"), None), Some(false)),
            ("appointment long ago", part(Appointment, Some("2026-08-15T09:00:00Z"), None), None),
            ("attendance later that day", part(EdAttendance, Some("2026-10-10T13:00:00Z"), None), Some(false)),
            ("registered", part(RegisteredGp, None, None), Some(true)),
            ("stay to come", part(Inpatient, Some("2026-11-10T00:00:00Z"), None), None),
        ];
        for (name, one, expected) in table {
            let found = near([&one], look, 7);
            assert_eq!(
                found.first().map(|near| near.at_the_time),
                expected,
                "{name}"
            );
            assert_eq!(
                supports([&one], "RJ1", look, 7).is_some(),
                expected.is_some()
            );
            assert_eq!(supports([&one], "RV5", look, 7), None, "another's care");
            let cancelled = Involvement {
                cancelled: true,
                ..one.clone()
            };
            assert_eq!(near([&cancelled], look, 7), []);
        }
    }
}
