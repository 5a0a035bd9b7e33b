//! Rule 4. Those who look without caring: at the access log, at their own record, or for another.
//!
//! Protected items stay out of these views too. A proxy who has neither the person's agreement nor any tie to the person is refused as well.

use crate::access::decision::Reason;
use crate::access::draft::{Draft, Ruling};
use crate::access::facts::{Facts, Relationship};
use crate::access::roles::categories_of;
use crate::access::settings::Settings;
use crate::vocabulary::{Category, CategorySet, Purpose, Role};

pub(super) fn look(facts: &Facts, _: &Settings, draft: &mut Draft) -> Ruling {
    draft.used(
        "purpose",
        facts.purpose.map_or("not on the list", Purpose::code),
    );
    match facts.purpose {
        Some(Purpose::AuditReview) => {
            draft.categories = CategorySet::EMPTY.with(Category::AccessLog);
            return Ruling::Settled;
        }
        Some(Purpose::SelfView) => draft.categories = categories_of(Role::Patient),
        Some(Purpose::ProxyView) => {
            draft.used_truth(
                "under_16_and_not_gillick_competent",
                facts.patient.parent_decides(),
            );
            draft.used_truth("proxy_agreed", facts.patient.proxy_agreed);
            draft.used("relationship", facts.relationship.code());
            if !may_act_for(facts) {
                return Ruling::Deny(Reason::ProxyNotAuthorised);
            }
            draft.categories = categories_of(Role::Proxy);
        }
        _ => return Ruling::Pass,
    }
    draft.note_protected(facts);
    Ruling::Settled
}

fn may_act_for(facts: &Facts) -> bool {
    facts.patient.proxy_agreed
        || facts.patient.parent_decides() && facts.relationship != Relationship::None
}
