//! Rule 12. A person whose address is protected: a reason in words, a review, and never the address.

use crate::access::decision::{Flag, Reason};
use crate::access::draft::{Draft, Ruling};
use crate::access::facts::Facts;
use crate::access::settings::Settings;
use crate::vocabulary::Category;

pub(super) fn look(facts: &Facts, _: &Settings, draft: &mut Draft) -> Ruling {
    draft.used_truth("pds_restricted", facts.patient.pds_restricted);
    if !facts.patient.pds_restricted {
        return Ruling::Pass;
    }
    draft.used_truth("break_glass_with_reason", facts.is_reasoned());
    if !facts.is_reasoned() {
        return Ruling::Deny(Reason::BreakGlassRequired);
    }
    draft.categories = draft.categories.without(Category::Location);
    draft.override_with(Flag::RestrictedDemographics);
    Ruling::Pass
}
