//! What holds for every view, tried on every combination of a small world of facts.
//!
//! Every role and purpose with every relationship, permission, choice, status and break-glass
//! request, with the other facts mixed in by a counter: 653,184 views.

use care_core::access::*;
use care_core::vocabulary::{
    Category, CategorySet, Involvement, InvolvementKind, OdsCode, OrganisationKind, Purpose, Role,
    Sensitivity, SensitivitySet,
};
use jiff::{Timestamp, ToSpan};

use crate::access_facts::ordinary;

const RELATIONSHIPS: &[Relationship] = &[
    Relationship::RegisteredGp,
    Relationship::Inpatient,
    Relationship::Appointment {
        days_from_now: Some(0),
    },
    Relationship::Appointment {
        days_from_now: Some(15),
    },
    Relationship::SelfClaimed,
    Relationship::Oneself,
    Relationship::ParentalResponsibility,
    Relationship::None,
];

const JUSTIFICATIONS: &[Option<Justification>] = &[
    None,
    Some(Justification::ExplicitConsent),
    Some(Justification::BestInterest),
    Some(Justification::VitalInterests),
];

/// Calls `look` on every view of the small world, and says how many there were.
fn every_view(purposes: &[Option<Purpose>], mut look: impl FnMut(&Facts)) -> usize {
    let mut turn: u64 = 0;
    for role in Role::ALL {
        for purpose in purposes {
            for relationship in RELATIONSHIPS {
                for permission in Permission::ALL {
                    for choice in ChoiceState::ALL {
                        for status in ChoiceStatus::ALL {
                            for justification in JUSTIFICATIONS {
                                let mut facts = ordinary(*role, Purpose::DirectCare);
                                facts.purpose = *purpose;
                                facts.relationship = *relationship;
                                facts.permission = *permission;
                                facts.choice.connect_care = *choice;
                                facts.choice.status = *status;
                                turn += 1;
                                round(&mut facts, turn, *justification);
                                look(&facts);
                            }
                        }
                    }
                }
            }
        }
    }
    usize::try_from(turn).expect("a count")
}

/// The facts beside the grid, mixed by a counter so that they meet each other.
fn round(facts: &mut Facts, turn: u64, justification: Option<Justification>) {
    let mixed = turn.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let bit = |place: u32| mixed >> (63 - place) & 1 == 1;
    facts.emergency = bit(0);
    facts.user.can_break_seal = bit(1);
    facts.user.declared_family = bit(2) && bit(3);
    facts.user.is_the_patient = facts.purpose == Some(Purpose::SelfView) && bit(4);
    facts.patient.pds_restricted = bit(5) && bit(6);
    facts.patient.heightened_monitoring = bit(7);
    facts.patient.gillick_competent = bit(8);
    facts.patient.proxy_agreed = bit(9);
    facts.patient.age_years = Some(if bit(10) { 12 } else { 40 });
    if bit(11) && bit(12) {
        let days_since = Some(if bit(13) { 28 } else { 29 });
        facts.patient.life = Life::Deceased { days_since };
    }
    facts.choice.gp_dissent = bit(14);
    if bit(15) {
        facts
            .choice
            .withheld_sources
            .push(OrganisationCode::new("council-gh4"));
    }
    facts.sensitivity_present = SensitivitySet::from_bits((mixed >> 20) as u8);
    facts.break_glass = justification.map(|justification| BreakGlass {
        justification: Some(justification),
        reason: if bit(16) && bit(17) {
            " ".into()
        } else {
            "why".into()
        },
        opens_seal: bit(18),
    });
}

fn every_purpose() -> Vec<Option<Purpose>> {
    Purpose::ALL
        .iter()
        .copied()
        .map(Some)
        .chain([None])
        .collect()
}

fn care() -> Vec<Option<Purpose>> {
    vec![Some(Purpose::DirectCare), Some(Purpose::CareAdmin)]
}

#[test]
fn every_answer_has_its_trace_and_every_denial_its_mark() {
    let settings = Settings::default();
    let count = every_view(&every_purpose(), |facts| {
        let decision = decide(facts, &settings);
        assert!(!decision.trace().steps().is_empty(), "{facts:?}");
        let denied = decision.outcome() == Outcome::Deny;
        assert_eq!(denied, decision.has_flag(Flag::DeniedAttempt), "{facts:?}");
        assert_eq!(denied, decision.reason() != Reason::Ok, "{facts:?}");
        assert_eq!(denied, decision.view().is_none(), "{facts:?}");
        let reviewed = decision.outcome() != Outcome::BreakGlass || decision.needs_review();
        assert!(reviewed, "{facts:?}");
        let codes: Vec<_> = decision.audit_flags().map(Flag::code).collect();
        assert!(codes.is_sorted(), "{codes:?}");
    });
    println!("{count} views");
    assert_eq!(count, 653_184);
}

#[test]
fn breaking_the_glass_never_widens_a_roles_categories() {
    let settings = Settings::default();
    every_view(&care(), |facts| {
        let most = facts.user.role.map_or(CategorySet::EMPTY, categories_of);
        let seen = decide(facts, &settings).visible_categories();
        assert_eq!(seen.intersection(most), seen, "{facts:?}");
    });
}

#[test]
fn what_statute_excludes_and_what_is_locked_is_never_in_a_view() {
    let settings = Settings::default();
    every_view(&every_purpose(), |facts| {
        let decision = decide(facts, &settings);
        let Some(view) = decision.view() else { return };
        for level in [
            Sensitivity::StatutoryExcluded,
            Sensitivity::SealedLocked,
            Sensitivity::RcgpSensitive,
        ] {
            assert!(!view.sensitivities().contains(level), "{facts:?}");
        }
        let opened = view.sensitivities().contains(Sensitivity::Sealed);
        assert_eq!(opened, decision.has_flag(Flag::SealBroken), "{facts:?}");
    });
}

#[test]
fn what_leaves_no_sign_changes_nothing_at_all() {
    let settings = Settings::default();
    every_view(&every_purpose(), |facts| {
        let mut without = facts.clone();
        without.sensitivity_present = facts
            .sensitivity_present
            .iter()
            .filter(|it| {
                !matches!(
                    it,
                    Sensitivity::StatutoryExcluded | Sensitivity::SealedLocked
                )
            })
            .collect();
        let (with, without) = (decide(facts, &settings), decide(&without, &settings));
        assert_eq!(with.view(), without.view(), "{facts:?}");
        assert_eq!(
            with.withheld_notice(),
            without.withheld_notice(),
            "{facts:?}"
        );
        assert_eq!(with.reason(), without.reason(), "{facts:?}");
        assert!(with.audit_flags().eq(without.audit_flags()), "{facts:?}");
    });
}

#[test]
fn an_objection_gives_way_only_to_the_listed_exceptions() {
    let settings = Settings::default();
    every_view(&care(), |facts| {
        let objected = matches!(
            facts.choice.connect_care,
            ChoiceState::Objected | ChoiceState::ObjectedExceptEmergency
        );
        let decision = decide(facts, &settings);
        if !objected || decision.outcome() == Outcome::Deny {
            return;
        }
        let not_upheld = facts.choice.status == ChoiceStatus::NotUpheld;
        let emergency = facts.choice.connect_care == ChoiceState::ObjectedExceptEmergency
            && facts.emergency
            && facts.permission == Permission::Unable;
        let consent = facts.permission == Permission::Given
            && facts.is_reasoned_with(Justification::ExplicitConsent);
        assert!(not_upheld || emergency || consent, "{facts:?}");
        let marked = [
            Flag::ObjectionNotUpheld,
            Flag::ObjectionOverriddenEmergency,
            Flag::ObjectionOverriddenConsent,
        ];
        assert!(
            marked.iter().any(|flag| decision.has_flag(*flag)),
            "{facts:?}"
        );
    });
}

#[test]
fn an_unknown_choice_is_denied_unless_it_is_an_emergency() {
    let settings = Settings::default();
    every_view(&care(), |facts| {
        if facts.choice.connect_care != ChoiceState::Unknown {
            return;
        }
        let decision = decide(facts, &settings);
        let emergency = facts.emergency
            && facts.permission == Permission::Unable
            && facts.is_reasoned_with(Justification::BestInterest);
        assert!(
            emergency || decision.outcome() == Outcome::Deny,
            "{facts:?}"
        );
    });
}

#[test]
fn a_refusal_of_permission_is_never_overridden_in_direct_care() {
    for settings in [
        Settings::default(),
        Settings {
            permission: PermissionModel::Implied,
            ..Settings::default()
        },
        Settings {
            objection_in_emergency: EmergencyOverride::Always,
            ..Settings::default()
        },
    ] {
        every_view(&[Some(Purpose::DirectCare)], |facts| {
            let refused = facts.permission == Permission::Refused;
            assert!(
                !refused || decide(facts, &settings).outcome() == Outcome::Deny,
                "{facts:?}"
            );
        });
    }
}

#[test]
fn a_protected_address_is_seen_by_nobody_but_the_person() {
    let settings = Settings::default();
    every_view(&every_purpose(), |facts| {
        let seen = decide(facts, &settings).visible_categories();
        let own = facts.purpose == Some(Purpose::SelfView);
        let hidden = own || !facts.patient.pds_restricted || !seen.contains(Category::Location);
        assert!(hidden, "{facts:?}");
    });
}

#[test]
fn the_same_facts_always_get_the_same_answer() {
    let settings = Settings::default();
    every_view(&every_purpose(), |facts| {
        assert_eq!(
            decide(facts, &settings),
            decide(facts, &settings),
            "{facts:?}"
        );
    });
}

#[test]
fn what_is_recorded_of_a_decision_reproduces_it() {
    let settings = Settings {
        permission: PermissionModel::Implied,
        appointment_days_ahead: 20,
        days_after_death: 3,
        ..Settings::default()
    };
    let (mut recorded, mut expected) = (Vec::new(), Vec::new());
    let mut turn = 0;
    every_view(&every_purpose(), |facts| {
        turn += 1;
        if turn % 41 == 0 {
            recorded.push(json::record(facts, &settings));
            expected.push(decide(facts, &settings).trace().lines());
        }
    });
    let text = json::evaluate(&format!("[{}]", recorded.join(","))).expect("it can be read");
    let answers: Vec<serde_json::Value> = serde_json::from_str(&text).expect("JSON");
    assert_eq!(answers.len(), expected.len());
    for ((answer, trace), facts) in answers.iter().zip(expected).zip(recorded) {
        assert_eq!(answer["trace"], serde_json::json!(trace), "{facts}");
    }
}

#[test]
fn an_explanation_for_the_person_is_one_sentence_without_codes() {
    let settings = Settings::default();
    every_view(&care(), |facts| {
        let decision = decide(facts, &settings);
        let seen = CategorySet::whole_record();
        let text = explain_to_the_person(&decision, facts, "Nurse A", "City Hospital", seen);
        assert!(
            text.starts_with("Nurse A at City Hospital ") && text.ends_with('.'),
            "{text}"
        );
        assert!(
            !text.contains('_') && text.matches(". ").count() == 0,
            "{text}"
        );
    });
}

#[test]
fn the_persons_log_says_who_saw_what_and_why() {
    let facts = ordinary(Role::HospitalNurse, Purpose::DirectCare);
    let decision = decide(&facts, &Settings::default());
    let seen = CategorySet::EMPTY.with(Category::Allergies);
    assert_eq!(
        explain_to_the_person(&decision, &facts, "Nurse A", "City Hospital", seen),
        "Nurse A at City Hospital saw your allergies because you are an inpatient there and you \
         gave permission."
    );
}

#[test]
fn a_denial_by_choice_reads_the_same_whatever_the_choice_save_in_the_registered_practice() {
    let settings = Settings::default();
    let told = [
        Reason::PatientObjected,
        Reason::ObjectionPending,
        Reason::OrgBlockedByPatient,
    ]
    .map(|reason| denial_wording(reason, false, &settings));
    assert!(told.iter().all(|text| *text == told[0]), "{told:?}");
    let practice = denial_wording(Reason::PatientObjected, true, &settings);
    assert_ne!(practice, told[0]);
}

fn part(kind: InvolvementKind, from_days: Option<i64>, to_days: Option<i64>) -> Involvement {
    let at = |days: i64| now() + (days * 24).hours();
    Involvement {
        kind,
        organisation: organisation(),
        source_key: "visit".into(),
        starts: from_days.map(at),
        ends: to_days.map(at),
        cancelled: false,
    }
}

fn now() -> Timestamp {
    "2026-11-23T10:00:00Z".parse().expect("a moment")
}

fn organisation() -> OdsCode {
    OdsCode::parse("AB1").expect("a code")
}

fn relationship(parts: &[Involvement], kind: OrganisationKind) -> Relationship {
    relationship_from(parts, &organisation(), kind, now(), &Settings::default()).0
}

#[test]
fn a_relationship_is_what_the_sources_say_and_counts_for_as_long_as_the_settings_say() {
    use InvolvementKind as Kind;
    let hospital = OrganisationKind::Trust;
    let appointment = |days| Relationship::Appointment {
        days_from_now: Some(days),
    };
    let none = Relationship::None;
    for (part, kind, expected) in [
        (
            part(Kind::RegisteredGp, Some(-900), None),
            OrganisationKind::Practice,
            Relationship::RegisteredGp,
        ),
        (part(Kind::RegisteredGp, Some(-900), None), hospital, none),
        (
            part(Kind::RegisteredGp, Some(-900), Some(-1)),
            OrganisationKind::Practice,
            none,
        ),
        (
            part(Kind::Inpatient, Some(-40), None),
            hospital,
            Relationship::Inpatient,
        ),
        (
            part(Kind::Inpatient, Some(-40), Some(-7)),
            hospital,
            Relationship::Inpatient,
        ),
        (part(Kind::Inpatient, Some(-40), Some(-8)), hospital, none),
        (part(Kind::Inpatient, Some(2), None), hospital, none),
        (
            part(Kind::EdAttendance, Some(-7), None),
            hospital,
            Relationship::EdAttendance,
        ),
        (part(Kind::EdAttendance, Some(-8), None), hospital, none),
        (part(Kind::EdAttendance, None, None), hospital, none),
        (
            part(Kind::Appointment, Some(14), None),
            hospital,
            appointment(14),
        ),
        (
            part(Kind::Appointment, Some(-91), None),
            hospital,
            appointment(-91),
        ),
        (
            part(Kind::Appointment, Some(-3), Some(3)),
            hospital,
            appointment(0),
        ),
        (
            part(Kind::OpenReferral, Some(-300), None),
            hospital,
            Relationship::OpenReferral,
        ),
        (
            part(Kind::OpenReferral, Some(-300), Some(-1)),
            hospital,
            none,
        ),
        (
            part(Kind::Caseload, None, None),
            OrganisationKind::Community,
            Relationship::Caseload,
        ),
        (
            part(Kind::CareHomeResident, None, None),
            OrganisationKind::CareHome,
            Relationship::CareHomeResident,
        ),
        (part(Kind::CareHomeResident, None, None), hospital, none),
        (
            part(Kind::AmbulanceIncident, Some(-1), None),
            OrganisationKind::Ambulance,
            Relationship::AmbulanceIncident,
        ),
        (
            part(Kind::AmbulanceIncident, Some(-1), None),
            hospital,
            none,
        ),
    ] {
        assert_eq!(
            relationship(std::slice::from_ref(&part), kind),
            expected,
            "{part:?} {kind:?}"
        );
    }
}

#[test]
fn the_strongest_relationship_is_taken_with_its_evidence_and_a_stale_appointment_comes_last() {
    use InvolvementKind as Kind;
    let stale = part(Kind::Appointment, Some(-200), None);
    let nearer = part(Kind::Appointment, Some(-100), None);
    let referral = part(Kind::OpenReferral, Some(-10), None);
    let admitted = part(Kind::Inpatient, Some(-1), None);
    let cancelled = Involvement {
        cancelled: true,
        ..admitted.clone()
    };
    let elsewhere = Involvement {
        organisation: OdsCode::parse("XY9").expect("a code"),
        ..admitted.clone()
    };
    let chosen = |parts: &[Involvement]| {
        let kind = OrganisationKind::Trust;
        let settings = Settings::default();
        relationship_from(parts, &organisation(), kind, now(), &settings)
            .1
            .cloned()
    };
    let all = [stale.clone(), referral.clone(), admitted.clone()];
    assert_eq!(chosen(&all), Some(admitted));
    assert_eq!(chosen(&[stale.clone(), referral.clone()]), Some(referral));
    assert_eq!(chosen(&[stale, nearer.clone()]), Some(nearer.clone()));
    assert_eq!(chosen(&[cancelled, elsewhere]), None);
    let mut facts = ordinary(Role::HospitalDoctor, Purpose::DirectCare);
    facts.relationship = relationship(&[nearer], OrganisationKind::Trust);
    assert_eq!(
        decide(&facts, &Settings::default()).reason(),
        Reason::RelationshipExpired
    );
}

#[test]
fn the_default_settings_are_safe_and_unsafe_ones_are_refused_by_name() {
    let model = Settings::default();
    assert_eq!(model.check(), Ok(()));
    let implied = PermissionModel::Implied;
    for settings in [
        Settings {
            permission: implied,
            objection_in_emergency: EmergencyOverride::Always,
            ..model.clone()
        },
        Settings {
            permission: implied,
            pending_objection_restricts: false,
            ..model.clone()
        },
        Settings {
            appointment_days_past: 366,
            ..model.clone()
        },
        Settings {
            days_after_death: 366,
            ..model.clone()
        },
        Settings {
            days_after_care: 91,
            ..model.clone()
        },
        Settings {
            self_claim_hours: 0,
            ..model.clone()
        },
        Settings {
            emergency_minutes: 721,
            ..model.clone()
        },
    ] {
        let why = settings.check().expect_err("unsafe").to_string();
        assert!(why.contains("set "), "says how to mend it: {why}");
    }
}

#[test]
fn what_is_said_to_change_a_denial_does_change_it() {
    let settings = Settings::default();
    let denied = |change: fn(&mut Facts)| {
        let mut facts = ordinary(Role::HospitalDoctor, Purpose::DirectCare);
        change(&mut facts);
        facts
    };
    type Mended = (Facts, &'static str, fn(&mut Facts));
    let cases: [Mended; 7] = [
        (
            denied(|f| f.user.authenticated = false),
            "the user signs in",
            |f| f.user.authenticated = true,
        ),
        (
            denied(|f| f.relationship = Relationship::None),
            "a verified relationship",
            |f| f.relationship = Relationship::Inpatient,
        ),
        (
            denied(|f| f.relationship = Relationship::None),
            "an emergency in which the person cannot say, with a reason, for a role with the right",
            crate::access_facts::emergency,
        ),
        (
            denied(|f| {
                f.relationship = Relationship::Appointment {
                    days_from_now: None,
                }
            }),
            "a referral",
            |f| f.relationship = Relationship::OpenReferral,
        ),
        (
            denied(|f| f.choice.connect_care = ChoiceState::Objected),
            "the person consents now, and the glass is broken for explicit consent with a reason",
            |f| f.break_glass = crate::access_facts::glass(Justification::ExplicitConsent),
        ),
        (
            denied(|f| f.permission = Permission::Refused),
            "the person says yes",
            |f| f.permission = Permission::Given,
        ),
        (
            denied(|f| f.patient.pds_restricted = true),
            "breaking the glass with a reason in words",
            |f| f.break_glass = crate::access_facts::glass(Justification::RestrictedRecord),
        ),
    ];
    for (mut facts, said, change) in cases {
        let before = decide(&facts, &settings);
        assert_eq!(before.outcome(), Outcome::Deny);
        assert!(
            before.trace().would_change().contains(&said),
            "{said}: {:?}",
            before.trace()
        );
        change(&mut facts);
        assert_ne!(decide(&facts, &settings).outcome(), Outcome::Deny, "{said}");
    }
}
