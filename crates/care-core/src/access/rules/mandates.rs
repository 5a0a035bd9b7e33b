//! Rule 5. Safeguarding, the law and the public interest set objection and permission aside, each
//! with its papers. What the law asks for is shown, and nothing beside it.

use crate::access::decision::{Flag, Reason};
use crate::access::draft::{Draft, Ruling};
use crate::access::facts::{Facts, Life};
use crate::access::settings::Settings;
use crate::vocabulary::{CategorySet, Purpose};

pub(super) fn look(facts: &Facts, _: &Settings, draft: &mut Draft) -> Ruling {
    draft.used(
        "purpose",
        facts.purpose.map_or("not on the list", Purpose::code),
    );
    let purpose = match facts.purpose {
        Some(
            purpose @ (Purpose::SafeguardingInvestigation
            | Purpose::LegalRequirement
            | Purpose::PublicInterest),
        ) => purpose,
        _ => return Ruling::Pass,
    };
    if let Some(reason) = missing_paper(facts, purpose, draft) {
        return Ruling::Deny(reason);
    }
    match purpose {
        Purpose::SafeguardingInvestigation => {
            draft.categories = CategorySet::whole_record();
            draft.override_with(Flag::SafeguardingOverride);
        }
        Purpose::LegalRequirement => disclose(facts, draft, Flag::LegalDisclosure),
        _ => disclose(facts, draft, Flag::PublicInterestDisclosure),
    }
    if facts.patient.life != Life::Living {
        draft.flag(Flag::Deceased);
    }
    draft.note_protected(facts);
    Ruling::Settled
}

fn missing_paper(facts: &Facts, purpose: Purpose, draft: &mut Draft) -> Option<Reason> {
    let warrant = &facts.warrant;
    draft.used_truth("case_reference", warrant.case_reference);
    if !warrant.case_reference {
        return Some(Reason::CaseReferenceRequired);
    }
    match purpose {
        Purpose::LegalRequirement => {
            draft.used_truth("legal_instrument", warrant.legal_instrument);
            (!warrant.legal_instrument).then_some(Reason::LegalInstrumentRequired)
        }
        Purpose::PublicInterest => {
            draft.used_truth(
                "public_interest_test_approved",
                warrant.public_interest_approved,
            );
            (!warrant.public_interest_approved).then_some(Reason::ApprovalRequired)
        }
        _ => None,
    }
}

fn disclose(facts: &Facts, draft: &mut Draft, flag: Flag) {
    draft.categories = facts.warrant.scope;
    draft.flag(flag);
    draft.flag(Flag::ReviewRequired);
}
