//! One ordinary view, for tests to change: a hospital doctor, an inpatient, permission given.

use care_core::access::*;
use care_core::vocabulary::{CategorySet, Purpose, Role, Sensitivity, SensitivitySet};

/// Facts that are allowed by every rule.
pub fn ordinary(role: Role, purpose: Purpose) -> Facts {
    Facts {
        user: User {
            role: Some(role),
            organisation: OrganisationCode::new("trust-ab1"),
            authenticated: true,
            organisation_participating: true,
            is_the_patient: purpose == Purpose::SelfView,
            declared_family: false,
            can_break_seal: false,
            origin: Origin::Local,
        },
        patient: Patient {
            age_years: Some(50),
            proxy_agreed: true,
            ..Patient::default()
        },
        relationship: Relationship::Inpatient,
        purpose: Some(purpose),
        permission: Permission::Given,
        emergency: false,
        choice: Choice {
            connect_care: ChoiceState::None,
            status: ChoiceStatus::Decided,
            blocked_organisations: Vec::new(),
            withheld_sources: Vec::new(),
            gp_dissent: false,
        },
        sensitivity_present: SensitivitySet::EMPTY.with(Sensitivity::Normal),
        break_glass: None,
        warrant: Warrant {
            case_reference: true,
            legal_instrument: true,
            public_interest_approved: true,
            scope: CategorySet::whole_record(),
        },
    }
}

/// A break-glass request with a reason in words.
pub fn glass(justification: Justification) -> Option<BreakGlass> {
    Some(BreakGlass {
        justification: Some(justification),
        reason: "a reason in words".to_owned(),
        opens_seal: false,
    })
}

/// The same, to open a seal.
pub fn seal(justification: Justification) -> Option<BreakGlass> {
    glass(justification).map(|request| BreakGlass {
        opens_seal: true,
        ..request
    })
}

/// Makes the facts those of an emergency.
pub fn emergency(facts: &mut Facts) {
    facts.emergency = true;
    facts.permission = Permission::Unable;
    facts.break_glass = glass(Justification::BestInterest);
}
