//! Rule 1. Who asks is known, works for an organisation that takes part, and, when the request
//! comes from a partner, the partner says everything it must.

use crate::access::decision::{Flag, Reason};
use crate::access::draft::{Draft, Ruling};
use crate::access::facts::{Facts, Origin};
use crate::access::settings::Settings;

pub(super) fn look(facts: &Facts, _: &Settings, draft: &mut Draft) -> Ruling {
    let user = &facts.user;
    draft.used_truth("authenticated", user.authenticated);
    draft.used_truth(
        "organisation_participating",
        user.organisation_participating,
    );
    let missing = match &user.origin {
        Origin::Local => 0,
        Origin::Federated { assertion_missing } => {
            draft.used(
                "assertion_parts_missing",
                assertion_missing.len().to_string(),
            );
            draft.flag(Flag::Federated);
            assertion_missing.len()
        }
    };
    if !user.authenticated {
        Ruling::Deny(Reason::NotAuthenticated)
    } else if !user.organisation_participating {
        Ruling::Deny(Reason::OrgNotParticipating)
    } else if missing > 0 {
        Ruling::Deny(Reason::IncompleteAssertion)
    } else {
        Ruling::Pass
    }
}
