//! Rule 6, the first for carers. A watched record marks every outcome from here on. A dead
//! person's record is open to those who cared for them, for a while.

use crate::access::decision::{Flag, Reason};
use crate::access::draft::{Draft, Ruling};
use crate::access::facts::{Facts, Life};
use crate::access::settings::Settings;

pub(super) fn look(facts: &Facts, settings: &Settings, draft: &mut Draft) -> Ruling {
    draft.used_truth("watched", facts.patient.heightened_monitoring);
    if facts.patient.heightened_monitoring {
        draft.flag(Flag::HeightenedMonitoring);
    }
    let Life::Deceased { days_since } = facts.patient.life else {
        draft.used_truth("deceased", false);
        return Ruling::Pass;
    };
    let days = days_since.map_or("unknown".to_owned(), |days| days.to_string());
    draft.used("days_since_death", days);
    draft.used("relationship", facts.relationship.code());
    let lately = days_since.is_some_and(|days| days <= settings.days_after_death);
    if !lately || !facts.relationship.is_verified() {
        return Ruling::Deny(Reason::DeceasedNoBasis);
    }
    draft.flag(Flag::Deceased);
    Ruling::Pass
}
