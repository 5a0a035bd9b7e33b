//! Decisions in plain English: for the person at the screen, for staff who review, and for the
//! person whose record it is. Source: the access model, 8.6 and 8.7.

use crate::vocabulary::{Category, CategorySet};

use super::decision::{Decision, Flag, Outcome, Reason};
use super::facts::{Facts, Permission, Relationship};
use super::settings::{DenialWording, Settings};

/// What staff read when the answer is no.
///
/// Reasons that would give away a hidden fact share one text, unless the deployment or the
/// registered practice may know more.
pub fn denial_wording(
    reason: Reason,
    registered_practice: bool,
    settings: &Settings,
) -> &'static str {
    let may_know = registered_practice || settings.denial_wording == DenialWording::Full;
    let tells_a_choice = matches!(
        reason,
        Reason::PatientObjected
            | Reason::ObjectionPending
            | Reason::OrgBlockedByPatient
            | Reason::ChoiceUnknown
    );
    if tells_a_choice && !may_know {
        "Not available through Connect Care. You can ask the person, or phone the source."
    } else {
        because(reason)
    }
}

/// The trace for staff who review: the answer in a sentence, then a line for every rule.
pub fn explain_to_staff(decision: &Decision) -> String {
    let answer = match decision.outcome() {
        Outcome::Allow => "Allowed.".to_owned(),
        Outcome::BreakGlass => "Allowed by breaking the glass; it goes to review.".to_owned(),
        Outcome::Deny => format!("Denied. {}", because(decision.reason())),
    };
    let lines = decision.trace().lines().join("\n");
    format!("{answer}\n{lines}\n")
}

/// One sentence for the person's own log.
///
/// `viewer` is what the log calls the user ("Nurse A"), `place` the organisation, `seen` what was
/// shown; sections that were not opened are not in it.
pub fn explain_to_the_person(
    decision: &Decision,
    facts: &Facts,
    viewer: &str,
    place: &str,
    seen: CategorySet,
) -> String {
    if decision.outcome() == Outcome::Deny {
        let why = refusal(decision.reason());
        return format!(
            "{viewer} at {place} asked to see your record and could not, because {why}."
        );
    }
    let what = list(seen.intersection(decision.visible_categories()));
    let mut reasons = vec![tie(facts).to_owned()];
    reasons.extend(agreement(decision, facts).map(str::to_owned));
    format!(
        "{viewer} at {place} saw {what} because {}.",
        reasons.join(" and ")
    )
}

/// What would have made the answer another one.
pub(super) fn would_change(reason: Reason) -> &'static [&'static str] {
    match reason {
        Reason::Ok => &[
            "the person refuses permission or objects",
            "the relationship ends",
        ],
        Reason::NotAuthenticated => &["the user signs in"],
        Reason::OrgNotParticipating => &["the organisation signs the sharing agreement"],
        Reason::IncompleteAssertion => &["the partner sends every part of its assertion"],
        Reason::OwnRecord => &["the user looks in the portal, as the person"],
        Reason::PurposeNotPermitted => &["a purpose on the list"],
        Reason::RoleNotPermitted => &["a role that may do this"],
        Reason::ProxyNotAuthorised => &["the person agrees that the proxy looks"],
        Reason::CaseReferenceRequired => &["a case reference"],
        Reason::LegalInstrumentRequired => &["a legal instrument"],
        Reason::ApprovalRequired => &["an approved public interest test"],
        Reason::DeceasedNoBasis => &["a verified relationship, soon enough after the death"],
        Reason::NoLegitimateRelationship => &[
            "a verified relationship",
            "a self-claimed relationship with a reason",
            "an emergency in which the person cannot say, with a reason, for a role with the right",
        ],
        Reason::FamilySelfClaim => &["a verified relationship"],
        Reason::BreakGlassRequired => &["breaking the glass with a reason in words"],
        Reason::RelationshipExpired => &["an appointment inside the window", "a referral"],
        Reason::OrgBlockedByPatient => &["the person lifts the block"],
        Reason::ChoiceUnknown => &["the choice can be found out", "an emergency, with a reason"],
        Reason::PatientObjected | Reason::ObjectionPending => &[
            "the person consents now, and the glass is broken for explicit consent with a reason",
            "an emergency, where the person's objection excepts emergencies",
            "the objection is withdrawn or not upheld",
        ],
        Reason::PermissionRefused => &["the person says yes"],
        Reason::AskPermission => &["the person is asked and says yes"],
    }
}

/// What happened and what to do next.
fn because(reason: Reason) -> &'static str {
    match reason {
        Reason::Ok => "The record may be seen.",
        Reason::NotAuthenticated => "You are not signed in. Sign in and try again.",
        Reason::OrgNotParticipating => {
            "Your organisation does not take part in Connect Care. Ask your IG lead."
        }
        Reason::IncompleteAssertion => {
            "The other record did not say who asks and why. Ask its service desk."
        }
        Reason::OwnRecord => {
            "This is your own record. Look at it in the portal; this attempt goes to review."
        }
        Reason::PurposeNotPermitted => "Connect Care may not be used for this purpose.",
        Reason::RoleNotPermitted => "Your role may not do this. Ask somebody whose role may.",
        Reason::ProxyNotAuthorised => "The person has not agreed that you look for them.",
        Reason::CaseReferenceRequired => "Give the case reference and try again.",
        Reason::LegalInstrumentRequired => "Name the law or order that requires it and try again.",
        Reason::ApprovalRequired => "The public interest test must be approved first.",
        Reason::DeceasedNoBasis => {
            "The person has died and your team has no part in their care. Ask your Caldicott \
             Guardian."
        }
        Reason::NoLegitimateRelationship => {
            "Connect Care knows of no part that your team has in this person's care. Ask for a \
             referral, or say what your part is."
        }
        Reason::FamilySelfClaim => {
            "You have declared to be family, so you cannot claim a part in their care. Ask a \
             colleague."
        }
        Reason::BreakGlassRequired => "Give a reason to go on. The privacy officer will read it.",
        Reason::RelationshipExpired => {
            "The appointment is too long ago or too far ahead. If you still care for the person, \
             say how."
        }
        Reason::OrgBlockedByPatient => "The person does not want your organisation to look.",
        Reason::ChoiceUnknown => "The person's choice cannot be found out now. Try again soon.",
        Reason::PatientObjected => "The person has chosen not to share through Connect Care.",
        Reason::ObjectionPending => "The person has objected, and the objection is being decided.",
        Reason::PermissionRefused => "The person said no.",
        Reason::AskPermission => "Ask the person first.",
    }
}

/// Why not, told to the person.
fn refusal(reason: Reason) -> &'static str {
    match reason {
        Reason::PatientObjected | Reason::ObjectionPending => "you chose not to share it",
        Reason::OrgBlockedByPatient => "you asked that this organisation does not look",
        Reason::ChoiceUnknown => "your choice could not be checked",
        Reason::PermissionRefused => "you said no",
        Reason::AskPermission => "you had not been asked",
        Reason::NoLegitimateRelationship | Reason::RelationshipExpired => {
            "they have no part in your care that we know of"
        }
        Reason::FamilySelfClaim => "they are family and have no part in your care that we know of",
        Reason::BreakGlassRequired => "they gave no reason",
        Reason::DeceasedNoBasis => "they had no part in the care",
        Reason::ProxyNotAuthorised => "you have not agreed that they look for you",
        Reason::OwnRecord => "staff do not open their own record",
        _ => "they were not entitled to",
    }
}

fn tie(facts: &Facts) -> &'static str {
    match facts.relationship {
        Relationship::RegisteredGp => "you are registered there",
        Relationship::Inpatient => "you are an inpatient there",
        Relationship::EdAttendance => "you went to the emergency department there",
        Relationship::Appointment { .. } => "you have or had an appointment there",
        Relationship::OpenReferral => "you were referred there",
        Relationship::Caseload => "their team cares for you",
        Relationship::CareHomeResident => "you live there",
        Relationship::AmbulanceIncident => "their ambulance came to you",
        Relationship::SelfClaimed => "they said they care for you",
        Relationship::Oneself => "it is your record",
        Relationship::ParentalResponsibility => "they have parental responsibility for you",
        Relationship::None => "they said why it had to be",
    }
}

/// What made it all right, beside the tie.
fn agreement(decision: &Decision, facts: &Facts) -> Option<&'static str> {
    let marked = |flag| decision.has_flag(flag);
    if marked(Flag::ObjectionOverriddenConsent) {
        return Some("you agreed this time, though you had objected");
    }
    if marked(Flag::BreakGlassEmergency) || marked(Flag::ObjectionOverriddenEmergency) {
        return Some("it was an emergency and you could not say");
    }
    if marked(Flag::SafeguardingOverride) {
        return Some("somebody had to be kept safe");
    }
    if marked(Flag::LegalDisclosure) {
        return Some("the law requires it");
    }
    if marked(Flag::PublicInterestDisclosure) {
        return Some("the public interest required it");
    }
    match facts.permission {
        Permission::Given | Permission::Standing => Some("you gave permission"),
        Permission::GivenByAttorney => Some("your attorney gave permission"),
        Permission::GivenByParent => Some("your parent gave permission"),
        Permission::Unable => Some("you could not say, and it was best for you"),
        Permission::NotPresent => Some("they prepared or followed up your care"),
        Permission::Refused | Permission::NotAsked | Permission::NotApplicable => None,
    }
}

fn list(categories: CategorySet) -> String {
    let names: Vec<_> = categories.iter().map(in_plain_words).collect();
    match names.split_last() {
        None => "nothing".to_owned(),
        Some((only, [])) => (*only).to_owned(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

/// A category as the person whose record it is would say it.
pub fn in_plain_words(category: Category) -> &'static str {
    match category {
        Category::Demographics => "your name and birth date",
        Category::Location => "your address and phone",
        Category::AboutMe => "what matters to you",
        Category::Alerts => "your alerts",
        Category::Allergies => "your allergies",
        Category::Medications => "your medicines",
        Category::Problems => "your conditions",
        Category::Vaccinations => "your vaccinations",
        Category::Results => "your test results",
        Category::Encounters => "your visits and appointments",
        Category::Documents => "your letters",
        Category::GpConsultations => "your GP consultations",
        Category::MentalHealth => "your mental health care",
        Category::SocialCare => "your social care",
        Category::CarePlans => "your care plans",
        Category::Safeguarding => "safeguarding notes",
        Category::Legal => "your legal information",
        Category::Contacts => "your contacts",
        Category::AccessLog => "who looked at your record",
    }
}
