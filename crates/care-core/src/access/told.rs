//! Why a look was allowed, or was not, told to the person whose record it is: short sentences in
//! everyday words, for page M3. Jobs, places and what was seen stand beside them as labels.
//!
//! Source: screens, section 9; the access model, 8.7. A test computes the reading age of every text
//! these rules can make; it may not be above 12.

use crate::vocabulary::Purpose;

use super::decision::{Decision, Flag, Outcome, Reason};
use super::facts::{Facts, Justification, Permission, Relationship};

/// Why this decision said yes or no, in short sentences.
pub fn told_to_the_person(decision: &Decision, facts: &Facts) -> String {
    if decision.outcome() == Outcome::Deny {
        return format!("They could not open it. {}", refusal(decision.reason()));
    }
    let mut sentences = Vec::new();
    match facts.purpose {
        Some(Purpose::SelfView) => sentences.push("It is your own record."),
        Some(Purpose::ProxyView) => sentences.push("They act for you."),
        Some(Purpose::AuditReview) => sentences.push("They checked who had looked at your record."),
        _ => {
            sentences.extend(tie(facts.relationship));
            sentences.extend(agreement(decision, facts));
            sentences.extend(besides(decision, facts));
        }
    }
    sentences.join(" ")
}

/// Why not.
fn refusal(reason: Reason) -> &'static str {
    match reason {
        Reason::PatientObjected | Reason::ObjectionPending => "You chose not to share it.",
        Reason::OrgBlockedByPatient => "You asked that they do not look.",
        Reason::ChoiceUnknown => "We could not check your choice at that time.",
        Reason::PermissionRefused => "You said no.",
        Reason::AskPermission => "You had not been asked.",
        Reason::NoLegitimateRelationship | Reason::RelationshipExpired => {
            "We know of no part that they have in your care."
        }
        Reason::FamilySelfClaim => "They are a relative, and we know of no part in your care.",
        Reason::BreakGlassRequired => "They gave no reason.",
        Reason::DeceasedNoBasis => "They had no part in the care.",
        Reason::ProxyNotAuthorised => "You have not agreed that they look for you.",
        Reason::OwnRecord => "Staff do not open their own record at work.",
        Reason::Ok
        | Reason::NotAuthenticated
        | Reason::OrgNotParticipating
        | Reason::IncompleteAssertion
        | Reason::PurposeNotPermitted
        | Reason::RoleNotPermitted
        | Reason::CaseReferenceRequired
        | Reason::LegalInstrumentRequired
        | Reason::ApprovalRequired => "Our rules do not let them.",
    }
}

/// What ties them to the person's care.
fn tie(relationship: Relationship) -> Option<&'static str> {
    Some(match relationship {
        Relationship::RegisteredGp => "You are a patient of this GP practice.",
        Relationship::Inpatient => "You were staying in hospital there.",
        Relationship::EdAttendance => "You went to A&E there.",
        Relationship::Appointment { .. } => "You have or had an appointment there.",
        Relationship::OpenReferral => "You were referred there.",
        Relationship::Caseload => "Their team looks after you.",
        Relationship::CareHomeResident => "You live there.",
        Relationship::AmbulanceIncident => "Their ambulance came to you.",
        Relationship::SelfClaimed => "They said that they look after you.",
        Relationship::Oneself | Relationship::ParentalResponsibility | Relationship::None => {
            return None;
        }
    })
}

/// What made it all right, beside the tie.
fn agreement(decision: &Decision, facts: &Facts) -> Option<&'static str> {
    let marked = |flag| decision.has_flag(flag);
    if marked(Flag::ObjectionOverriddenConsent) {
        return Some("You had said no before. You agreed this time.");
    }
    if marked(Flag::BreakGlassEmergency) || marked(Flag::ObjectionOverriddenEmergency) {
        return Some("It was an emergency. They could not ask you.");
    }
    if marked(Flag::SafeguardingOverride) {
        return Some("Somebody had to be kept safe.");
    }
    if marked(Flag::LegalDisclosure) {
        return Some("The law said that they must.");
    }
    if marked(Flag::PublicInterestDisclosure) {
        return Some("It was needed to keep others safe.");
    }
    if facts.purpose == Some(Purpose::CareAdmin) {
        return Some("They help to arrange your care.");
    }
    match facts.permission {
        Permission::Given => Some("You gave permission."),
        Permission::Standing => Some("You gave permission before."),
        Permission::GivenByAttorney => Some("Your attorney gave permission."),
        Permission::GivenByParent => Some("Your parent gave permission."),
        Permission::Unable => Some("They could not ask you and it was in your best interests."),
        Permission::NotPresent => Some("They were planning your care."),
        Permission::NotAsked | Permission::NotApplicable => Some("They did not need to ask you."),
        Permission::Refused => None,
    }
}

/// What the person should know besides.
fn besides(decision: &Decision, facts: &Facts) -> Option<&'static str> {
    if decision.has_flag(Flag::SealBroken) {
        let justification = facts.break_glass.as_ref().and_then(|it| it.justification);
        return Some(match justification {
            Some(Justification::ExplicitConsent) => {
                "They opened something you keep sealed. You asked them to."
            }
            Some(Justification::LegalRequirement) => {
                "They opened something you keep sealed. The law said that they must."
            }
            Some(Justification::VitalInterests) => {
                "They opened something you keep sealed. A life was at risk."
            }
            _ => "They opened something you keep sealed. It was needed to keep others safe.",
        });
    }
    if decision.has_flag(Flag::ObjectionNotUpheld) {
        return Some("You asked us not to share. We could not agree to that.");
    }
    if decision.has_flag(Flag::RestrictedDemographics) {
        return Some("Your record has extra protection. They gave a reason.");
    }
    None
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::access::{
        BreakGlass, Choice, ChoiceState, ChoiceStatus, Life, OrganisationCode, Origin, Patient,
        Settings, User, Warrant, decide, json,
    };
    use crate::vocabulary::{Category, CategorySet, Role, Sensitivity, SensitivitySet};

    /// Syllables of an English word, by its groups of vowels. Rough and usual for such measures.
    fn syllables(word: &str) -> usize {
        let word = word.to_lowercase();
        let letters: Vec<char> = word.chars().filter(|c| c.is_alphabetic()).collect();
        let vowel = |c: char| "aeiouy".contains(c);
        let groups = letters
            .iter()
            .enumerate()
            .filter(|(place, c)| vowel(**c) && (*place == 0 || !vowel(letters[place - 1])))
            .count();
        let silent = letters.len() > 2
            && letters.ends_with(&['e'])
            && !letters.ends_with(&['l', 'e'])
            && !vowel(letters[letters.len() - 2]);
        let ed = letters.len() > 3
            && letters.ends_with(&['e', 'd'])
            && !matches!(letters[letters.len() - 3], 't' | 'd');
        groups.saturating_sub(usize::from(silent || ed)).max(1)
    }

    /// The Flesch-Kincaid grade of a text; a child of this school grade is five years older.
    /// Source: Kincaid and others, 1975.
    fn reading_age(text: &str) -> f64 {
        let sentences = text.matches(['.', '?', '!']).count().max(1) as f64;
        let words: Vec<&str> = text.split_whitespace().collect();
        let count = words.len().max(1) as f64;
        let syllables: usize = words.iter().map(|word| syllables(word)).sum();
        0.39 * count / sentences + 11.8 * syllables as f64 / count - 15.59 + 5.0
    }

    /// Facts of every kind that change the sentences.
    fn every_asking() -> Vec<Facts> {
        let relationships = [
            Relationship::RegisteredGp,
            Relationship::Inpatient,
            Relationship::EdAttendance,
            Relationship::Appointment {
                days_from_now: Some(2),
            },
            Relationship::Appointment {
                days_from_now: Some(200),
            },
            Relationship::OpenReferral,
            Relationship::Caseload,
            Relationship::CareHomeResident,
            Relationship::AmbulanceIncident,
            Relationship::SelfClaimed,
            Relationship::Oneself,
            Relationship::ParentalResponsibility,
            Relationship::None,
        ];
        let roles = [
            Role::Gp,
            Role::HospitalNurse,
            Role::HealthcareAssistant,
            Role::AdminClerical,
            Role::SafeguardingLead,
            Role::PrivacyOfficer,
            Role::CaldicottGuardian,
            Role::Patient,
            Role::Proxy,
            Role::Analyst,
        ];
        let mut all = Vec::new();
        for relationship in relationships {
            for role in roles {
                for permission in Permission::ALL {
                    for purpose in Purpose::ALL.iter().copied().map(Some).chain([None]) {
                        let mut facts = asking(role, relationship, *permission, purpose);
                        all.push(facts.clone());
                        facts.break_glass = broken(Justification::BestInterest, false);
                        facts.emergency = true;
                        all.push(facts);
                    }
                }
            }
            for choice in ChoiceState::ALL {
                for status in ChoiceStatus::ALL {
                    for justification in Justification::ALL {
                        let permission = Permission::Given;
                        let mut facts = asking(
                            Role::Gp,
                            relationship,
                            permission,
                            Some(Purpose::DirectCare),
                        );
                        facts.choice.connect_care = *choice;
                        facts.choice.status = *status;
                        facts.break_glass = broken(*justification, true);
                        facts.user.can_break_seal = true;
                        all.push(facts.clone());
                        facts.patient.pds_restricted = true;
                        all.push(facts.clone());
                        facts.user.declared_family = true;
                        facts.patient.life = Life::Deceased { days_since: None };
                        all.push(facts);
                    }
                }
            }
        }
        all
    }

    fn broken(justification: Justification, opens_seal: bool) -> Option<BreakGlass> {
        Some(BreakGlass {
            justification: Some(justification),
            reason: "words".to_owned(),
            opens_seal,
        })
    }

    fn asking(
        role: Role,
        relationship: Relationship,
        permission: Permission,
        purpose: Option<Purpose>,
    ) -> Facts {
        Facts {
            user: User {
                role: Some(role),
                organisation: OrganisationCode::new("trust-cd2"),
                authenticated: true,
                organisation_participating: true,
                is_the_patient: relationship == Relationship::Oneself,
                declared_family: false,
                can_break_seal: false,
                origin: Origin::Local,
            },
            patient: Patient {
                age_years: Some(12),
                ..Patient::default()
            },
            relationship,
            purpose,
            permission,
            emergency: false,
            choice: Choice {
                connect_care: ChoiceState::None,
                status: ChoiceStatus::Decided,
                blocked_organisations: Vec::new(),
                withheld_sources: Vec::new(),
                gp_dissent: false,
            },
            sensitivity_present: SensitivitySet::EMPTY.with(Sensitivity::Sealed),
            break_glass: None,
            warrant: Warrant {
                case_reference: true,
                legal_instrument: true,
                public_interest_approved: true,
                scope: CategorySet::EMPTY.with(Category::Results),
            },
        }
    }

    #[test]
    fn every_rule_outcome_is_told_at_a_reading_age_of_12_or_below() {
        let settings = Settings::default();
        let mut told = BTreeSet::new();
        for facts in every_asking() {
            let decision = decide(&facts, &settings);
            told.insert(told_to_the_person(&decision, &facts));
        }
        for reason in Reason::ALL {
            told.insert(format!("They could not open it. {}", refusal(*reason)));
        }
        let mut worst: f64 = 0.0;
        for text in &told {
            let age = reading_age(text);
            println!("{age:5.1}  {text}");
            worst = worst.max(age);
            assert!(!text.is_empty(), "an outcome is told with no words");
        }
        println!(
            "{} texts; the highest reading age is {worst:.1}",
            told.len()
        );
        assert!(told.len() > 60, "{} texts", told.len());
        let hard: Vec<&String> = told
            .iter()
            .filter(|text| reading_age(text) > 12.0)
            .collect();
        assert!(hard.is_empty(), "too hard to read: {hard:#?}");
        // The measure tells easy from hard.
        let hard =
            "Authorisation was established following determination of a legitimate relationship.";
        assert!(reading_age(hard) > 12.0);
    }

    #[test]
    fn what_was_recorded_is_told_as_what_was_decided() {
        let settings = Settings::default();
        for facts in every_asking().iter().step_by(97) {
            let decision = decide(facts, &settings);
            let recorded = json::record(facts, &settings);
            assert_eq!(
                json::told_recorded(&recorded).ok(),
                Some(told_to_the_person(&decision, facts)),
            );
        }
    }
}
