//! From what sources say about who has a part in a person's care to the one relationship the rules
//! look at. Source: the access model, 8.1 and 8.6; the grace after a visit is our own decision.

use jiff::Timestamp;

use crate::vocabulary::{Involvement, InvolvementKind, OdsCode, OrganisationKind};

use super::facts::Relationship;
use super::settings::Settings;

const SECONDS_A_DAY: i64 = 86_400;

/// The strongest verified relationship of an organisation with a person, and the involvement that
/// shows it, for the audit entry.
///
/// Strongest first: the order of the access model, 8.1; an appointment outside its window comes
/// last of all, so that it can be told from none. Of several of one kind the nearest in time.
/// A day is 24 hours, and part of a day is left out.
pub fn relationship_from<'a>(
    involvements: &'a [Involvement],
    organisation: &OdsCode,
    kind: OrganisationKind,
    now: Timestamp,
    settings: &Settings,
) -> (Relationship, Option<&'a Involvement>) {
    involvements
        .iter()
        .filter(|part| part.organisation == *organisation && !part.cancelled)
        .filter_map(|part| Some((part, shown_by(part, kind, now, settings)?)))
        .min_by_key(|(part, relationship)| strength(*relationship, part, now, settings))
        .map_or((Relationship::None, None), |(part, relationship)| {
            (relationship, Some(part))
        })
}

/// The relationship one involvement shows now, if any.
fn shown_by(
    part: &Involvement,
    kind: OrganisationKind,
    now: Timestamp,
    settings: &Settings,
) -> Option<Relationship> {
    let open = has_begun(part, now) && part.ends.is_none_or(|end| end > now);
    let lately = lately(part, now, settings.days_after_care);
    match part.kind {
        InvolvementKind::RegisteredGp => {
            (open && kind == OrganisationKind::Practice).then_some(Relationship::RegisteredGp)
        }
        InvolvementKind::Inpatient => {
            (open || lately && part.ends.is_some()).then_some(Relationship::Inpatient)
        }
        InvolvementKind::EdAttendance => lately.then_some(Relationship::EdAttendance),
        InvolvementKind::Appointment => Some(Relationship::Appointment {
            days_from_now: days_from_now(part, now),
        }),
        InvolvementKind::OpenReferral => open.then_some(Relationship::OpenReferral),
        InvolvementKind::Caseload => open.then_some(Relationship::Caseload),
        InvolvementKind::CareHomeResident => {
            (open && kind == OrganisationKind::CareHome).then_some(Relationship::CareHomeResident)
        }
        InvolvementKind::AmbulanceIncident => (lately && kind == OrganisationKind::Ambulance)
            .then_some(Relationship::AmbulanceIncident),
    }
}

/// Lower is stronger: the kind, then how far away.
fn strength(
    relationship: Relationship,
    part: &Involvement,
    now: Timestamp,
    settings: &Settings,
) -> (u8, u64) {
    match relationship {
        Relationship::Appointment { days_from_now } => {
            let outside = !settings.appointment_counts(days_from_now);
            let rank = if outside { u8::MAX } else { part.kind as u8 };
            (rank, days_from_now.map_or(u64::MAX, i64::unsigned_abs))
        }
        _ => {
            let since = part
                .starts
                .map_or(u64::MAX, |start| seconds(start, now).unsigned_abs());
            (part.kind as u8, since)
        }
    }
}

fn has_begun(part: &Involvement, now: Timestamp) -> bool {
    part.starts.is_none_or(|start| start <= now)
}

/// Whether it has begun, and its end (or, where no end was sent, its beginning) is in the future
/// or at most so many days ago. An attendance whose end was never sent does not stay open for ever.
fn lately(part: &Involvement, now: Timestamp, days: u32) -> bool {
    let last_known = part.ends.or(part.starts);
    let limit = i64::from(days) * SECONDS_A_DAY;
    has_begun(part, now) && last_known.is_some_and(|moment| seconds(moment, now) >= -limit)
}

/// Days until an appointment begins; negative since it ended; 0 while it lasts; unknown without a
/// beginning.
fn days_from_now(part: &Involvement, now: Timestamp) -> Option<i64> {
    let start = part.starts?;
    let end = part.ends.unwrap_or(start).max(start);
    let away = if start > now {
        seconds(start, now)
    } else {
        seconds(end, now).min(0)
    };
    Some(away / SECONDS_A_DAY)
}

/// Seconds from now; negative in the past.
fn seconds(moment: Timestamp, now: Timestamp) -> i64 {
    moment.as_second() - now.as_second()
}
