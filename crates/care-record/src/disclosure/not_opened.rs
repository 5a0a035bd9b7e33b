//! "Your record was not opened at this visit": attendances that nobody had planned, at which nobody
//! looked, though the record held something that could have helped.
//!
//! A look that is held back counts as a look: the page never says that nobody looked when somebody
//! did. Source: screens, section 9; the leaflet's promise that staff see what they need.

use care_core::audit::Outcome;
use care_core::fhir::ResourceType;
use care_core::sections::Header;
use care_core::vocabulary::{Category, Involvement, InvolvementKind};
use jiff::{SignedDuration, Timestamp};

use super::gather::Gathered;
use super::looks::Group;
use super::who_looked::{Look, LookKind};
use super::{Answer, Disclosure};
use crate::choices::{Choice, ConnectCareChoice};

/// An attendance whose end was not sent counts as over after this time.
const USUAL_END: SignedDuration = SignedDuration::from_hours(24);
/// Staff who prepare for somebody on the way look before the attendance begins.
const BEFORE: SignedDuration = SignedDuration::from_hours(1);

/// What helps somebody who has to care for a stranger at once.
const HELPS: [Category; 6] = [
    Category::Alerts,
    Category::Allergies,
    Category::Medications,
    Category::Problems,
    Category::CarePlans,
    Category::Documents,
];

impl Disclosure {
    /// One line for each unplanned attendance that is over and at which nobody looked.
    pub(super) fn not_opened(&self, gathered: &Gathered, groups: &[Group]) -> Answer<Vec<Look>> {
        let Some(view) = gathered.decision.view() else {
            return Ok(Vec::new());
        };
        let now = self.now();
        let mut parts: Vec<(&Involvement, Timestamp, Timestamp)> = gathered
            .row
            .involvements
            .iter()
            .filter_map(|(_, part)| unplanned(part, now))
            .filter(|(part, start, end)| {
                !could_not_be_opened(gathered, *end) && !somebody_looked(groups, part, *start, *end)
            })
            .collect();
        if parts.is_empty() {
            return Ok(Vec::new());
        }
        let headers = self.inner.store.headers(gathered.person, view)?;
        parts.retain(|(part, start, _)| headers.iter().any(|one| helps(one, part, *start)));
        parts.dedup_by_key(|(part, start, _)| (part.organisation.clone(), *start));
        Ok(parts
            .into_iter()
            .map(|(part, start, _)| self.told(part, start))
            .collect())
    }

    fn told(&self, part: &Involvement, start: Timestamp) -> Look {
        let code = part.organisation.as_str();
        Look {
            entry: 0,
            at: start,
            kind: LookKind::NotOpened,
            organisation: code.to_owned(),
            place: self.place(code),
            team: match part.kind {
                InvolvementKind::AmbulanceIncident => "Ambulance crew",
                _ => "Emergency department",
            },
            job: String::new(),
            name: String::new(),
            why: "It held something that could have helped them. They may not have needed it."
                .to_owned(),
            reference: String::new(),
            seen: Vec::new(),
            printed: false,
            reviewed: false,
            own: false,
        }
    }
}

/// An attendance that nobody planned and that is over, with its beginning and end.
fn unplanned(part: &Involvement, now: Timestamp) -> Option<(&Involvement, Timestamp, Timestamp)> {
    let kind = matches!(
        part.kind,
        InvolvementKind::EdAttendance | InvolvementKind::AmbulanceIncident
    );
    let start = part.starts.filter(|_| kind && !part.cancelled)?;
    let end = part
        .ends
        .or_else(|| start.saturating_add(USUAL_END).ok())
        .filter(|end| *end <= now)?;
    Some((part, start, end.max(start)))
}

/// The person had said no by then: nobody could have looked.
fn could_not_be_opened(gathered: &Gathered, end: Timestamp) -> bool {
    let choice = gathered.row.choice.as_deref().map(Choice::from_bytes);
    match choice {
        None => false,
        Some(Err(_)) => true,
        Some(Ok(choice)) => {
            choice.connect_care != ConnectCareChoice::None && choice.decided_at <= end
        }
    }
}

fn somebody_looked(groups: &[Group], part: &Involvement, start: Timestamp, end: Timestamp) -> bool {
    let from = start.saturating_sub(BEFORE).unwrap_or(start);
    groups.iter().any(|group| {
        matches!(group.kind(), LookKind::Opened | LookKind::System)
            && group.entries.iter().any(|(_, entry)| {
                entry.organisation == part.organisation.as_str()
                    && entry.outcome == Outcome::Success
                    && (from..=end).contains(&entry.at)
            })
    })
}

/// Something from elsewhere that was there in time and could have helped.
fn helps(header: &Header, part: &Involvement, start: Timestamp) -> bool {
    header.source != part.organisation
        && header.received_at <= start
        && header.resource_type != ResourceType::PATIENT
        && HELPS.contains(&header.category)
}
