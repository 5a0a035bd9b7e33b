//! The opt-out simulator answers as the rules do, for every role, purpose and choice; and its answers
//! are printed for review in simulator-matrix.txt.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use care_core::access::simulator::{
    Seen, Situation, Subject, Viewer, carers_of, facts, lines, simulate,
};
use care_core::access::*;
use care_core::vocabulary::{CategorySet, OrganisationKind, Role, Sensitivity, SensitivitySet};

use crate::access_facts::{emergency, glass, ordinary};
use crate::printed;

/// Where the viewer of these tests works.
const OWN: &str = "trust-ab1";

fn none() -> Choice {
    Choice {
        connect_care: ChoiceState::None,
        status: ChoiceStatus::Decided,
        blocked_organisations: Vec::new(),
        withheld_sources: Vec::new(),
        gp_dissent: false,
    }
}

/// Every choice a person may have made, by name.
fn choices() -> Vec<(&'static str, Choice)> {
    let state = |connect_care, status| Choice {
        connect_care,
        status,
        ..none()
    };
    let blocked = |code: &str| Choice {
        blocked_organisations: vec![OrganisationCode::new(code)],
        ..none()
    };
    let withheld = |code: &str| Choice {
        withheld_sources: vec![OrganisationCode::new(code)],
        ..none()
    };
    use ChoiceState::{None as Nothing, Objected, ObjectedExceptEmergency, Unknown};
    use ChoiceStatus::{Decided, NotUpheld, Pending};
    vec![
        ("no objection", state(Nothing, Decided)),
        ("objected", state(Objected, Decided)),
        ("objected, pending", state(Objected, Pending)),
        ("objected, not upheld", state(Objected, NotUpheld)),
        (
            "objected except in an emergency",
            state(ObjectedExceptEmergency, Decided),
        ),
        (
            "objected except in an emergency, pending",
            state(ObjectedExceptEmergency, Pending),
        ),
        (
            "objected except in an emergency, not upheld",
            state(ObjectedExceptEmergency, NotUpheld),
        ),
        ("the viewer's organisation blocked", blocked(OWN)),
        ("another organisation blocked", blocked("council-kl6")),
        ("the viewer's own source withheld", withheld(OWN)),
        ("the council's source withheld", withheld("council-kl6")),
        (
            "GP dissent",
            Choice {
                gp_dissent: true,
                ..none()
            },
        ),
        ("cannot be found out", state(Unknown, Decided)),
    ]
}

/// The facts of a situation, written by hand from the access model, not from the simulator.
fn by_hand(role: Role, situation: Situation, subject: &Subject) -> Facts {
    let purpose = situation.purpose();
    let mut facts = ordinary(
        role,
        purpose.unwrap_or(care_core::vocabulary::Purpose::DirectCare),
    );
    facts.purpose = purpose;
    facts.patient = subject.patient.clone();
    facts.choice = subject.choice.clone();
    facts.sensitivity_present = subject.sensitivity_present;
    facts.warrant = Warrant {
        scope: CategorySet::whole_record(),
        ..Warrant::default()
    };
    facts.user.is_the_patient = false;
    facts.permission = Permission::NotApplicable;
    let reason_for_restricted = subject
        .patient
        .pds_restricted
        .then(|| glass(Justification::RestrictedRecord))
        .flatten();
    match situation {
        Situation::Asked => {
            facts.permission = Permission::Given;
            facts.break_glass = reason_for_restricted;
        }
        Situation::Planning => {
            facts.permission = Permission::NotPresent;
            facts.break_glass = reason_for_restricted;
        }
        Situation::CannotSay => emergency(&mut facts),
        Situation::Stranger => {
            emergency(&mut facts);
            facts.relationship = Relationship::None;
        }
        Situation::YouInsist => {
            facts.permission = Permission::Given;
            facts.break_glass = glass(Justification::ExplicitConsent);
        }
        Situation::Claimed => {
            facts.permission = Permission::NotPresent;
            facts.relationship = Relationship::SelfClaimed;
            facts.break_glass = glass(Justification::SelfClaim);
        }
        Situation::Office => facts.break_glass = reason_for_restricted,
        Situation::Safeguarding => facts.warrant.case_reference = true,
        Situation::Law => {
            facts.warrant.case_reference = true;
            facts.warrant.legal_instrument = true;
        }
        Situation::PublicInterest => {
            facts.warrant.case_reference = true;
            facts.warrant.public_interest_approved = true;
        }
        Situation::Oneself => {
            facts.user.is_the_patient = true;
            facts.relationship = Relationship::Oneself;
        }
        Situation::Acting => {
            facts.patient.proxy_agreed = true;
            facts.relationship = Relationship::ParentalResponsibility;
        }
        Situation::Audit | Situation::Else => {}
    }
    facts
}

fn patients() -> Vec<Patient> {
    let of = |age_years| Patient {
        age_years: Some(age_years),
        ..Patient::default()
    };
    vec![
        of(50),
        of(9),
        Patient {
            gillick_competent: true,
            ..of(15)
        },
        Patient {
            pds_restricted: true,
            ..of(45)
        },
        Patient {
            heightened_monitoring: true,
            life: Life::Deceased {
                days_since: Some(10),
            },
            ..of(76)
        },
    ]
}

fn present(levels: &[Sensitivity]) -> SensitivitySet {
    levels.iter().copied().collect()
}

/// What people can tell of an answer.
fn same(one: &Decision, other: &Decision) -> bool {
    Seen::of(one) == Seen::of(other)
        && one.withheld_notice() == other.withheld_notice()
        && one.audit_flags().eq(other.audit_flags())
        && one.view() == other.view()
}

#[test]
fn the_simulator_answers_as_the_rules_do_for_every_role_purpose_and_choice() {
    let implied = Settings {
        permission: PermissionModel::Implied,
        ..Settings::default()
    };
    let never = Settings {
        objection_in_emergency: EmergencyOverride::Never,
        pending_objection_restricts: false,
        ..Settings::default()
    };
    let sensitivities = [
        present(&[Sensitivity::Normal]),
        present(&[
            Sensitivity::Normal,
            Sensitivity::Sealed,
            Sensitivity::RcgpSensitive,
        ]),
    ];
    let mut compared = 0;
    for settings in [Settings::default(), implied, never] {
        for patient in patients() {
            for sensitivity_present in sensitivities {
                for (name, choice) in choices() {
                    let subject = Subject {
                        patient: patient.clone(),
                        choice,
                        sensitivity_present,
                    };
                    for role in Role::ALL {
                        let viewer = Viewer {
                            role: *role,
                            organisation: OrganisationCode::new(OWN),
                            relationship: Relationship::Inpatient,
                        };
                        for situation in Situation::ALL {
                            let told = simulate(&viewer, *situation, &subject, &settings);
                            let real = decide(&by_hand(*role, *situation, &subject), &settings);
                            assert!(
                                same(&told, &real),
                                "{name}, {}, {}: told {:?}, real {:?}",
                                role.code(),
                                situation.code(),
                                Seen::of(&told),
                                Seen::of(&real)
                            );
                            compared += 1;
                        }
                    }
                }
            }
        }
    }
    assert_eq!(
        compared,
        3 * patients().len() * 2 * choices().len() * Role::ALL.len() * Situation::ALL.len()
    );
}

#[test]
fn the_printed_table_of_the_simulator_is_what_it_says() {
    let mut text = String::from(
        "THE OPT-OUT SIMULATOR, FOR EVERY CHOICE, SITUATION AND ROLE\n\n\
         Printed from access::simulator, which asks the rules themselves. The viewer works for the\n\
         hospital trust-ab1, where the person (aged 50) is an inpatient; nothing is protected.\n\
         Roles with one answer share a line.\n",
    );
    for (name, choice) in choices() {
        let subject = Subject {
            patient: patients().swap_remove(0),
            choice,
            sensitivity_present: present(&[Sensitivity::Normal]),
        };
        let _ = write!(text, "\n\n{name}\n{}\n", "-".repeat(name.len()));
        for situation in Situation::ALL {
            let mut groups: BTreeMap<String, Vec<&str>> = BTreeMap::new();
            for role in Role::ALL {
                let viewer = Viewer {
                    role: *role,
                    organisation: OrganisationCode::new(OWN),
                    relationship: Relationship::Inpatient,
                };
                let seen = Seen::of(&simulate(
                    &viewer,
                    *situation,
                    &subject,
                    &Settings::default(),
                ));
                let mut said = seen.words(str::to_owned);
                if seen.reason != Reason::Ok {
                    let _ = write!(said, " ({})", seen.reason.code());
                }
                groups.entry(said).or_default().push(role.code());
            }
            let purpose = situation
                .purpose()
                .map_or("any other purpose", |one| one.code());
            let _ = writeln!(text, "\n{} ({purpose})", situation.code());
            let whole = groups.len() == 1;
            for (said, roles) in groups {
                let who = if whole {
                    "every role".to_owned()
                } else {
                    roles.join(" ")
                };
                let _ = writeln!(text, "    {who}\n        {said}");
            }
        }
    }
    printed::compare("simulator-matrix.txt", &text);
}

fn organisations() -> Vec<(OrganisationKind, OrganisationCode)> {
    OrganisationKind::ALL
        .iter()
        .map(|kind| {
            let code = format!("{}-ab1", kind.prefix());
            (*kind, OrganisationCode::new(&code))
        })
        .collect()
}

#[test]
fn the_lines_of_the_page_name_every_carer_once_and_say_what_changes() {
    let subject = |choice| Subject {
        patient: patients().swap_remove(0),
        choice,
        sensitivity_present: present(&[Sensitivity::Normal]),
    };
    let objected = Choice {
        connect_care: ChoiceState::Objected,
        ..none()
    };
    let all = lines(
        &organisations(),
        &subject(none()),
        &subject(objected.clone()),
        &Settings::default(),
    );
    let carers: usize = OrganisationKind::ALL
        .iter()
        .map(|kind| carers_of(*kind).1.len())
        .sum();
    let of_places = all.iter().filter(|line| line.organisation.is_some());
    assert_eq!(of_places.clone().count(), carers);
    for line in of_places {
        assert!(line.changes());
        assert_ne!(line.now.outcome, Outcome::Deny, "{:?}", line.role);
        assert_eq!(line.then.words(str::to_owned), "Nothing");
    }
    let of = |situation: Situation| {
        all.iter()
            .find(|line| line.situation == situation)
            .expect("the line is there")
    };
    assert_eq!(of(Situation::CannotSay).then.outcome, Outcome::Deny);
    assert_eq!(of(Situation::YouInsist).then.outcome, Outcome::BreakGlass);
    assert!(!of(Situation::Law).changes() && !of(Situation::Oneself).changes());
    assert_eq!(
        of(Situation::Audit).then.words(str::to_owned),
        "Only who has looked"
    );
    // Changing back is the same table the other way round.
    let back = lines(
        &organisations(),
        &subject(objected),
        &subject(none()),
        &Settings::default(),
    );
    for (there, again) in all.iter().zip(&back) {
        assert_eq!((&there.now, &there.then), (&again.then, &again.now));
    }
}

#[test]
fn a_blocked_organisation_and_a_source_held_back_change_their_own_lines_alone() {
    let place = |kind: OrganisationKind| {
        organisations()
            .iter()
            .position(|(one, _)| *one == kind)
            .expect("there")
    };
    let subject = |choice| Subject {
        patient: patients().swap_remove(0),
        choice,
        sensitivity_present: present(&[Sensitivity::Normal]),
    };
    let blocked = Choice {
        blocked_organisations: vec![OrganisationCode::new("council-ab1")],
        ..none()
    };
    let all = lines(
        &organisations(),
        &subject(none()),
        &subject(blocked),
        &Settings::default(),
    );
    for line in all {
        let council = line.organisation == Some(place(OrganisationKind::Council));
        assert_eq!(line.changes(), council, "{line:?}");
    }
    let withheld = Choice {
        withheld_sources: vec![OrganisationCode::new("mh-ab1")],
        ..none()
    };
    let all = lines(
        &organisations(),
        &subject(none()),
        &subject(withheld),
        &Settings::default(),
    );
    for line in all.iter().filter(|line| line.organisation.is_some()) {
        let own = line.organisation == Some(place(OrganisationKind::MentalHealth));
        assert_eq!(line.changes(), !own, "{line:?}");
        if !own {
            let said = line.then.words(|code| format!("the source {code}"));
            assert!(said.ends_with("; nothing from the source mh-ab1"), "{said}");
        }
    }
}

#[test]
fn the_facts_of_the_simulator_never_break_a_seal() {
    for situation in Situation::ALL {
        let viewer = Viewer {
            role: Role::HospitalDoctor,
            organisation: OrganisationCode::new(OWN),
            relationship: Relationship::Inpatient,
        };
        let subject = Subject {
            patient: Patient::default(),
            choice: none(),
            sensitivity_present: present(&[Sensitivity::Sealed]),
        };
        let facts = facts(&viewer, *situation, &subject);
        assert!(facts.break_glass.is_none_or(|glass| !glass.opens_seal));
    }
}
