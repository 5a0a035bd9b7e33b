//! Rule 11. Protected items. What the law excludes and what is sealed and locked leaves no sign;
//! the rest leaves a notice; a seal opens only for those with the right, a ground and a request.

use crate::access::decision::Flag;
use crate::access::draft::{Draft, Ruling};
use crate::access::facts::{Facts, Justification};
use crate::access::settings::Settings;
use crate::vocabulary::Sensitivity;

pub(super) fn look(facts: &Facts, _: &Settings, draft: &mut Draft) -> Ruling {
    let present = facts.sensitivity_present;
    let levels: Vec<_> = present.iter().map(Sensitivity::code).collect();
    draft.used("present", levels.join("+"));
    if present.contains(Sensitivity::RcgpSensitive) {
        draft.withheld_notice = true;
    }
    if present.contains(Sensitivity::Sealed) {
        sealed(facts, draft);
    }
    Ruling::Pass
}

fn sealed(facts: &Facts, draft: &mut Draft) {
    let Some(glass) = facts.break_glass.as_ref().filter(|glass| glass.opens_seal) else {
        draft.withheld_notice = true;
        return;
    };
    draft.used_truth("can_break_seal", facts.user.can_break_seal);
    draft.used(
        "justification",
        glass.justification.map_or("other", Justification::code),
    );
    if facts.user.can_break_seal && glass.justification.is_some_and(opens_a_seal) {
        draft.sensitivities = draft.sensitivities.with(Sensitivity::Sealed);
        draft.override_with(Flag::SealBroken);
    } else {
        draft.withheld_notice = true;
        draft.flag(Flag::SealBreakRefused);
        draft.flag(Flag::ReviewRequired);
    }
}

fn opens_a_seal(justification: Justification) -> bool {
    matches!(
        justification,
        Justification::ExplicitConsent
            | Justification::LegalRequirement
            | Justification::OverridingPublicInterest
            | Justification::VitalInterests
    )
}
