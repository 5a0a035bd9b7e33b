//! Rule 2. Nobody opens their own record in a staff system; the portal is for that.

use crate::access::decision::{Flag, Reason};
use crate::access::draft::{Draft, Ruling};
use crate::access::facts::Facts;
use crate::access::settings::Settings;
use crate::vocabulary::Purpose;

pub(super) fn look(facts: &Facts, _: &Settings, draft: &mut Draft) -> Ruling {
    draft.used_truth("is_the_patient", facts.user.is_the_patient);
    if facts.user.is_the_patient && facts.purpose != Some(Purpose::SelfView) {
        draft.flag(Flag::OwnRecordAttempt);
        draft.flag(Flag::ReviewRequired);
        return Ruling::Deny(Reason::OwnRecord);
    }
    Ruling::Pass
}
