//! The access matrix as a text that an information governance lead can read. A changed line is a
//! changed right.
//!
//! To keep a change that is meant: `mkdir -p target && touch target/refresh` at the top of the
//! repository, run this test again (it writes the file), `rm target/refresh`, read the difference.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use care_core::access::*;
use care_core::vocabulary::{Category, CategorySet, Purpose, Role, Sensitivity};

use crate::access_facts::{emergency, glass, ordinary, seal};
use crate::printed;

#[test]
fn the_printed_access_matrix_is_what_the_rules_say() {
    let mut text = String::from(OPENING);
    categories_by_role(&mut text);
    purposes_by_role(&mut text);
    choice_and_permission(&mut text);
    situations(&mut text);
    proxies(&mut text);
    printed::compare("access-matrix.txt", &text);
}

const OPENING: &str = "\
THE ACCESS MATRIX OF CONNECT CARE

Printed from the rules; read it beside docs/access.md. Every line is what the rules answer, with
the settings of the model unless it says otherwise. The ordinary view is: an inpatient of the
user's hospital, aged 50, who gave permission, with no objection and nothing protected.

  yes      shown
  review   shown by breaking the glass; the privacy officer reviews it
  no       not shown

Marks on the audit entry stand in square brackets. A student's view is always marked supervised,
which is not repeated below section 1. The whole record is all of: demographics location about_me
alerts allergies medications problems vaccinations results encounters documents gp_consultations
mental_health social_care care_plans safeguarding legal contacts.
";

fn answer(decision: &Decision) -> &'static str {
    match decision.outcome() {
        Outcome::Allow => "yes",
        Outcome::BreakGlass => "review",
        Outcome::Deny => "no",
    }
}

fn heading(text: &mut String, title: &str) {
    let line = "-".repeat(title.len());
    let _ = write!(text, "\n\n{title}\n{line}\n\n");
}

/// The purpose a role has most use for.
fn own_purpose(role: Role) -> Option<Purpose> {
    Purpose::ALL.iter().copied().find(|purpose| {
        decide(&ordinary(role, *purpose), &Settings::default()).outcome() != Outcome::Deny
    })
}

fn categories_by_role(text: &mut String) {
    heading(text, "1. What each role sees in the ordinary view");
    for role in Role::ALL {
        let Some(purpose) = own_purpose(*role) else {
            let _ = writeln!(text, "{}\n    nothing, for any purpose\n", role.code());
            continue;
        };
        let decision = decide(&ordinary(*role, purpose), &Settings::default());
        let seen = decision.visible_categories();
        let unseen = Category::ALL
            .iter()
            .filter(|it| !seen.contains(**it))
            .copied()
            .collect();
        let marks: String = decision
            .audit_flags()
            .map(|flag| format!("  [{}]", flag.code()))
            .collect();
        let _ = writeln!(text, "{} ({}){marks}", role.code(), purpose.code());
        let _ = writeln!(text, "    sees      {}", names(seen));
        let _ = writeln!(text, "    does not  {}\n", names(unseen));
    }
}

fn names(categories: CategorySet) -> String {
    if categories.is_empty() {
        return "-".to_owned();
    }
    if categories == CategorySet::whole_record() {
        return "the whole record".to_owned();
    }
    categories
        .iter()
        .map(Category::code)
        .collect::<Vec<_>>()
        .join(" ")
}

fn purposes_by_role(text: &mut String) {
    heading(text, "2. Which role may have which purpose");
    let _ = write!(text, "{:28}", "");
    for purpose in Purpose::ALL {
        let _ = write!(text, "{:27}", purpose.code());
    }
    text.push_str("any other\n");
    for role in Role::ALL {
        let _ = write!(text, "{:28}", role.code());
        for purpose in Purpose::ALL {
            let decision = decide(&ordinary(*role, *purpose), &Settings::default());
            let _ = write!(text, "{:27}", answer(&decision));
        }
        let mut other = ordinary(*role, Purpose::DirectCare);
        other.purpose = None;
        let _ = writeln!(text, "{}", answer(&decide(&other, &Settings::default())));
    }
}

fn choice_and_permission(text: &mut String) {
    heading(
        text,
        "3. What the person chose, and what the person says now (hospital_doctor, inpatient)",
    );
    let _ = writeln!(
        text,
        "{:52}{:30}{:30}{:30}as it is, permission implied",
        "choice, status / permission",
        "as it is",
        "explicit_consent with reason",
        "emergency, best_interest"
    );
    for state in ChoiceState::ALL {
        for status in ChoiceStatus::ALL {
            let objected = matches!(
                state,
                ChoiceState::Objected | ChoiceState::ObjectedExceptEmergency
            );
            if !objected && *status != ChoiceStatus::Decided {
                continue;
            }
            for permission in Permission::ALL {
                let label = if objected {
                    format!(
                        "{}, {} / {}",
                        state.code(),
                        status.code(),
                        permission.code()
                    )
                } else {
                    format!("{} / {}", state.code(), permission.code())
                };
                let mut facts = ordinary(Role::HospitalDoctor, Purpose::DirectCare);
                facts.choice.connect_care = *state;
                facts.choice.status = *status;
                facts.permission = *permission;
                let _ = writeln!(text, "{label:52}{}", four_ways(&facts).trim_end());
            }
        }
    }
}

/// The answer as it is, with consent, in an emergency, and where permission is implied.
fn four_ways(facts: &Facts) -> String {
    let mut consent = facts.clone();
    consent.break_glass = glass(Justification::ExplicitConsent);
    let mut urgent = facts.clone();
    urgent.break_glass = glass(Justification::BestInterest);
    urgent.emergency = true;
    let implied = Settings {
        permission: PermissionModel::Implied,
        ..Settings::default()
    };
    let ask = Settings::default();
    [
        (facts, &ask),
        (&consent, &ask),
        (&urgent, &ask),
        (facts, &implied),
    ]
    .into_iter()
    .map(|(facts, settings)| format!("{:30}", short(&decide(facts, settings))))
    .collect()
}

fn short(decision: &Decision) -> String {
    match decision.outcome() {
        Outcome::Deny => format!("no: {}", decision.reason().code()),
        _ => answer(decision).to_owned(),
    }
}

type Change = fn(&mut Facts);

/// Situations beside the ordinary view; each is put to every care role, and to administrative
/// staff for administration. Roles with one answer share a line.
fn situations(text: &mut String) {
    heading(
        text,
        "4. Situations, for every care role (direct_care) and admin_clerical (care_admin)",
    );
    for (title, change) in SITUATIONS {
        let mut groups: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for role in CARE_ROLES.iter().copied().chain([Role::AdminClerical]) {
            let purpose = match role {
                Role::AdminClerical => Purpose::CareAdmin,
                _ => Purpose::DirectCare,
            };
            let mut facts = ordinary(role, purpose);
            change(&mut facts);
            let said = sentence(&decide(&facts, &Settings::default()), role);
            groups.entry(said).or_default().push(role.code());
        }
        let _ = writeln!(text, "{title}");
        write_groups(text, groups);
        text.push('\n');
    }
    heading(text, "5. Safeguarding, the law, the public interest");
    for (title, role, purpose, change) in MANDATES {
        let mut facts = ordinary(*role, *purpose);
        change(&mut facts);
        let said = sentence(&decide(&facts, &Settings::default()), *role);
        let _ = writeln!(
            text,
            "{title} ({}, {})\n    {said}\n",
            role.code(),
            purpose.code()
        );
    }
}

/// The fewest roles first; the most, if they are more than half, as everybody (else).
fn write_groups(text: &mut String, groups: BTreeMap<String, Vec<&str>>) {
    let alone = groups.len() == 1;
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, roles)| roles.len());
    for (said, roles) in groups {
        let who = match roles.len() {
            _ if alone => "everybody".to_owned(),
            8.. => "everybody else".to_owned(),
            _ => roles.join(" "),
        };
        let _ = writeln!(text, "    {who}\n        {said}");
    }
}

/// The answer, what it leaves out of the role's categories, and its marks.
fn sentence(decision: &Decision, role: Role) -> String {
    let mut said = short(decision);
    if let Some(view) = decision.view() {
        if role == Role::CaldicottGuardian {
            let _ = write!(said, ", sees {}", names(view.categories()));
        }
        let missing: CategorySet = categories_of(role)
            .iter()
            .filter(|category| !view.categories().contains(*category))
            .collect();
        if !missing.is_empty() {
            let _ = write!(said, ", without {}", names(missing));
        }
        if view.hide_gp_sourced() {
            said.push_str(", nothing that came from a GP practice");
        }
        for source in view.hidden_sources() {
            let _ = write!(said, ", nothing that came from {source}");
        }
        if view.sensitivities().contains(Sensitivity::Sealed) {
            said.push_str(", sealed items opened");
        }
        if decision.withheld_notice() {
            said.push_str(", with the notice that something is withheld");
        }
    }
    let noted = |flag: &Flag| *flag != Flag::Supervised;
    let flags: Vec<_> = decision
        .audit_flags()
        .filter(noted)
        .map(Flag::code)
        .collect();
    if !flags.is_empty() {
        let _ = write!(said, "  [{}]", flags.join(" "));
    }
    said
}

fn appointment(facts: &mut Facts, days: i64) {
    facts.relationship = Relationship::Appointment {
        days_from_now: Some(days),
    };
}

fn present(facts: &mut Facts, level: Sensitivity) {
    facts.sensitivity_present = facts.sensitivity_present.with(level);
}

fn withheld(facts: &mut Facts, source: &str) {
    facts
        .choice
        .withheld_sources
        .push(OrganisationCode::new(source));
}

const SITUATIONS: &[(&str, Change)] = &[
    ("the ordinary view", |_| {}),
    ("not signed in", |f| f.user.authenticated = false),
    ("the organisation does not take part", |f| {
        f.user.organisation_participating = false
    }),
    ("asked by a partner, who says all it must", |f| {
        f.user.origin = Origin::Federated {
            assertion_missing: vec![],
        }
    }),
    ("asked by a partner, who leaves something out", |f| {
        f.user.origin = Origin::Federated {
            assertion_missing: vec!["purpose".into()],
        }
    }),
    ("the user's own record", |f| f.user.is_the_patient = true),
    ("a purpose that is not on the list, such as research", |f| {
        f.purpose = None
    }),
    ("no relationship", |f| f.relationship = Relationship::None),
    ("no relationship, a reason but no emergency", |f| {
        f.relationship = Relationship::None;
        f.break_glass = glass(Justification::BestInterest);
    }),
    ("no relationship, an emergency", |f| {
        f.relationship = Relationship::None;
        emergency(f);
    }),
    ("no relationship, an emergency, but a blank reason", |f| {
        f.relationship = Relationship::None;
        emergency(f);
        if let Some(request) = f.break_glass.as_mut() {
            request.reason = "  ".into();
        }
    }),
    (
        "no relationship, an emergency, but the person can speak and gave permission",
        |f| {
            f.relationship = Relationship::None;
            emergency(f);
            f.permission = Permission::Given;
        },
    ),
    ("the user is a parent of the person and no more", |f| {
        f.relationship = Relationship::ParentalResponsibility
    }),
    ("a self-claimed relationship, no reason", |f| {
        f.relationship = Relationship::SelfClaimed
    }),
    ("a self-claimed relationship with a reason", |f| {
        f.relationship = Relationship::SelfClaimed;
        f.break_glass = glass(Justification::SelfClaim);
    }),
    (
        "a self-claimed relationship with a reason, by declared family",
        |f| {
            f.relationship = Relationship::SelfClaimed;
            f.break_glass = glass(Justification::SelfClaim);
            f.user.declared_family = true;
        },
    ),
    ("a verified relationship, by declared family", |f| {
        f.user.declared_family = true
    }),
    ("an appointment 91 days ago", |f| appointment(f, -91)),
    ("an appointment 90 days ago", |f| appointment(f, -90)),
    ("an appointment in 14 days", |f| appointment(f, 14)),
    ("an appointment in 15 days", |f| appointment(f, 15)),
    ("the person blocked this organisation", |f| {
        f.choice
            .blocked_organisations
            .push(f.user.organisation.clone())
    }),
    ("the person blocked this organisation; an emergency", |f| {
        f.choice
            .blocked_organisations
            .push(f.user.organisation.clone());
        emergency(f);
    }),
    ("the choice is unknown", |f| {
        f.choice.connect_care = ChoiceState::Unknown
    }),
    ("the choice is unknown; an emergency", |f| {
        f.choice.connect_care = ChoiceState::Unknown;
        emergency(f);
    }),
    ("objected", |f| {
        f.choice.connect_care = ChoiceState::Objected
    }),
    ("objected; an emergency", |f| {
        f.choice.connect_care = ChoiceState::Objected;
        emergency(f);
    }),
    ("objected except in an emergency; an emergency", |f| {
        f.choice.connect_care = ChoiceState::ObjectedExceptEmergency;
        emergency(f);
    }),
    ("objected; the person gives explicit consent now", |f| {
        f.choice.connect_care = ChoiceState::Objected;
        f.break_glass = glass(Justification::ExplicitConsent);
    }),
    ("objected; an attorney gives explicit consent now", |f| {
        f.choice.connect_care = ChoiceState::Objected;
        f.permission = Permission::GivenByAttorney;
        f.break_glass = glass(Justification::ExplicitConsent);
    }),
    ("permission refused", |f| f.permission = Permission::Refused),
    ("permission refused; a reason of best interest", |f| {
        f.permission = Permission::Refused;
        f.break_glass = glass(Justification::BestInterest);
    }),
    ("not asked", |f| f.permission = Permission::NotAsked),
    ("the person cannot say, no reason", |f| {
        f.permission = Permission::Unable
    }),
    ("the person cannot say, best interest with a reason", |f| {
        f.permission = Permission::Unable;
        f.break_glass = glass(Justification::BestInterest);
    }),
    ("the person is not there", |f| {
        f.permission = Permission::NotPresent
    }),
    ("a parent gave permission for a child of 9", |f| {
        f.permission = Permission::GivenByParent;
        f.patient.age_years = Some(9);
    }),
    (
        "a parent gave permission for a Gillick-competent person of 15",
        |f| {
            f.permission = Permission::GivenByParent;
            f.patient.age_years = Some(15);
            f.patient.gillick_competent = true;
        },
    ),
    ("a parent gave permission for a person of 16", |f| {
        f.permission = Permission::GivenByParent;
        f.patient.age_years = Some(16);
    }),
    ("died 28 days ago", |f| {
        f.patient.life = Life::Deceased {
            days_since: Some(28),
        }
    }),
    ("died 29 days ago", |f| {
        f.patient.life = Life::Deceased {
            days_since: Some(29),
        }
    }),
    ("died, nobody knows when", |f| {
        f.patient.life = Life::Deceased { days_since: None }
    }),
    (
        "died yesterday; a self-claimed relationship with a reason",
        |f| {
            f.patient.life = Life::Deceased {
                days_since: Some(1),
            };
            f.relationship = Relationship::SelfClaimed;
            f.break_glass = glass(Justification::SelfClaim);
        },
    ),
    ("a watched record", |f| {
        f.patient.heightened_monitoring = true
    }),
    ("a watched record; permission refused", |f| {
        f.patient.heightened_monitoring = true;
        f.permission = Permission::Refused;
    }),
    ("the GP record carries dissent", |f| {
        f.choice.gp_dissent = true
    }),
    (
        "the GP record carries dissent; the viewer is the registered practice",
        |f| {
            f.choice.gp_dissent = true;
            f.user.organisation = OrganisationCode::new("practice-cd2");
            f.relationship = Relationship::RegisteredGp;
        },
    ),
    (
        "the GP record carries dissent; the viewer is another practice",
        |f| {
            f.choice.gp_dissent = true;
            f.user.organisation = OrganisationCode::new("practice-cd2");
            f.relationship = Relationship::OpenReferral;
        },
    ),
    ("a council is withheld", |f| withheld(f, "council-ef3")),
    ("a mental health trust is withheld", |f| {
        withheld(f, "mh-gh4")
    }),
    ("the viewer's own organisation is withheld", |f| {
        withheld(f, "trust-ab1")
    }),
    ("items excluded by statute", |f| {
        present(f, Sensitivity::StatutoryExcluded)
    }),
    ("items on the RCGP sensitive list", |f| {
        present(f, Sensitivity::RcgpSensitive)
    }),
    ("sealed items", |f| present(f, Sensitivity::Sealed)),
    (
        "sealed items, opened for explicit consent by one with the right",
        |f| {
            present(f, Sensitivity::Sealed);
            f.user.can_break_seal = true;
            f.break_glass = seal(Justification::ExplicitConsent);
        },
    ),
    (
        "sealed items, to be opened in the best interest by one with the right",
        |f| {
            present(f, Sensitivity::Sealed);
            f.user.can_break_seal = true;
            f.break_glass = seal(Justification::BestInterest);
        },
    ),
    (
        "sealed items, to be opened for explicit consent by one without the right",
        |f| {
            present(f, Sensitivity::Sealed);
            f.break_glass = seal(Justification::ExplicitConsent);
        },
    ),
    (
        "sealed and locked items, to be opened by one with the right",
        |f| {
            present(f, Sensitivity::SealedLocked);
            f.user.can_break_seal = true;
            f.break_glass = seal(Justification::VitalInterests);
        },
    ),
    ("a restricted person, no reason", |f| {
        f.patient.pds_restricted = true
    }),
    ("a restricted person, a reason", |f| {
        f.patient.pds_restricted = true;
        f.break_glass = glass(Justification::RestrictedRecord);
    }),
];

const MANDATES: &[(&str, Role, Purpose, Change)] = &[
    (
        "an objection, permission refused",
        Role::SafeguardingLead,
        Purpose::SafeguardingInvestigation,
        |f| {
            f.choice.connect_care = ChoiceState::Objected;
            f.permission = Permission::Refused;
        },
    ),
    (
        "no case reference",
        Role::SafeguardingLead,
        Purpose::SafeguardingInvestigation,
        |f| f.warrant.case_reference = false,
    ),
    (
        "died long ago",
        Role::SafeguardingLead,
        Purpose::SafeguardingInvestigation,
        |f| {
            f.patient.life = Life::Deceased {
                days_since: Some(900),
            }
        },
    ),
    (
        "a restricted person, sealed items",
        Role::SafeguardingLead,
        Purpose::SafeguardingInvestigation,
        |f| {
            f.patient.pds_restricted = true;
            present(f, Sensitivity::Sealed);
        },
    ),
    (
        "a scope of allergies and legal",
        Role::CaldicottGuardian,
        Purpose::LegalRequirement,
        |f| f.warrant.scope = [Category::Allergies, Category::Legal].into_iter().collect(),
    ),
    (
        "no scope",
        Role::CaldicottGuardian,
        Purpose::LegalRequirement,
        |f| f.warrant.scope = CategorySet::EMPTY,
    ),
    (
        "no instrument",
        Role::CaldicottGuardian,
        Purpose::LegalRequirement,
        |f| f.warrant.legal_instrument = false,
    ),
    (
        "an approved test, a scope of alerts",
        Role::CaldicottGuardian,
        Purpose::PublicInterest,
        |f| f.warrant.scope = [Category::Alerts].into_iter().collect(),
    ),
    (
        "no approved test",
        Role::CaldicottGuardian,
        Purpose::PublicInterest,
        |f| f.warrant.public_interest_approved = false,
    ),
];

fn proxies(text: &mut String) {
    heading(
        text,
        "6. Somebody who acts for the person (proxy, proxy_view)",
    );
    for (age, competent) in [
        (9, false),
        (15, false),
        (15, true),
        (16, false),
        (80, false),
    ] {
        for agreed in [false, true] {
            for tie in [Relationship::ParentalResponsibility, Relationship::None] {
                let mut facts = ordinary(Role::Proxy, Purpose::ProxyView);
                facts.patient.age_years = Some(age);
                facts.patient.gillick_competent = competent;
                facts.patient.proxy_agreed = agreed;
                facts.relationship = tie;
                let said = short(&decide(&facts, &Settings::default()));
                let competent = if competent { ", Gillick-competent" } else { "" };
                let agreed = if agreed { "agreed" } else { "did not agree" };
                let label = format!("aged {age}{competent}, {agreed}, {}", tie.code());
                let _ = writeln!(text, "{label:72}{said}");
            }
        }
    }
}
