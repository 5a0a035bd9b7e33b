//! Facts and answers of `access evaluate` as JSON. Source: the access model, 8.8.
//!
//! What is left out is read with caution: a truth value is `false`, a list is empty, the choice is
//! unknown, permission was not asked, the relationship is none, the age is that of a grown-up.
//! A code that is on no list is read the same way, so that it gets an answer and not an error.

use serde::Serialize;
use serde_json::{Value, json};

use crate::reading::{Node, answer_each, read_one};
use crate::vocabulary::{Category, CategorySet, Purpose, Role, Sensitivity};

use super::facts::{
    BreakGlass, Capacity, Choice, ChoiceState, ChoiceStatus, Facts, Justification, Life,
    OrganisationCode, Origin, Patient, Permission, Relationship, User, Warrant,
};
use super::settings::{EmergencyOverride, PermissionModel, Settings};
use super::{Decision, Flag, decide};

pub use crate::reading::EvaluateError;

/// Decides the facts in a text: one object, or a list of them.
///
/// Errors: the text is not JSON, a value has the wrong type, or the settings are unsafe; the error
/// names the place, never the value.
pub fn evaluate(text: &str) -> Result<String, EvaluateError> {
    answer_each(text, |node| {
        let settings = settings(&node.member("deployment_policy")?)?;
        Ok(Answer::of(&decide(&facts(node)?, &settings)))
    })
}

/// Writes the facts and the settings a decision was made from, for the audit entry: what
/// [`evaluate`] reads back gives the same decision.
pub fn record(facts: &Facts, settings: &Settings) -> String {
    recorded(facts, settings).to_string()
}

/// The sentence of the person's own log for a decision whose facts [`record`] wrote: see
/// [`super::explain_to_the_person`].
///
/// Errors: as [`evaluate`]'s.
pub fn explain_recorded(
    text: &str,
    viewer: &str,
    place: &str,
    seen: CategorySet,
) -> Result<String, EvaluateError> {
    let (facts, settings) = read_one(text, |node| {
        Ok((facts(node)?, settings(&node.member("deployment_policy")?)?))
    })?;
    let decision = decide(&facts, &settings);
    Ok(super::explain_to_the_person(
        &decision, &facts, viewer, place, seen,
    ))
}

/// The short sentences of the person's own log for a decision whose facts [`record`] wrote: see
/// [`super::told_to_the_person`].
///
/// Errors: as [`evaluate`]'s.
pub fn told_recorded(text: &str) -> Result<String, EvaluateError> {
    let (facts, settings) = read_one(text, |node| {
        Ok((facts(node)?, settings(&node.member("deployment_policy")?)?))
    })?;
    Ok(super::told_to_the_person(
        &decide(&facts, &settings),
        &facts,
    ))
}

/// The decision again, from the facts [`record`] wrote. Which protected kinds of information exist is
/// not recorded, so it is given.
///
/// Errors: as [`evaluate`]'s.
pub fn decide_recorded(
    text: &str,
    sensitivity_present: crate::vocabulary::SensitivitySet,
) -> Result<(Facts, Decision), EvaluateError> {
    let (mut facts, settings) = read_one(text, |node| {
        Ok((facts(node)?, settings(&node.member("deployment_policy")?)?))
    })?;
    facts.sensitivity_present = sensitivity_present;
    let decision = decide(&facts, &settings);
    Ok((facts, decision))
}

#[derive(Serialize)]
struct Answer {
    decision: &'static str,
    reason: &'static str,
    visible_categories: Vec<&'static str>,
    hidden_sources: Vec<String>,
    withheld_notice: bool,
    audit_flags: Vec<&'static str>,
    trace: Vec<String>,
}

impl Answer {
    fn of(decision: &Decision) -> Self {
        Self {
            decision: decision.outcome().code(),
            reason: decision.reason().code(),
            visible_categories: decision
                .visible_categories()
                .iter()
                .map(Category::code)
                .collect(),
            hidden_sources: decision.hidden_sources().to_vec(),
            withheld_notice: decision.withheld_notice(),
            audit_flags: decision.audit_flags().map(Flag::code).collect(),
            trace: decision.trace().lines(),
        }
    }
}

fn facts(node: &Node<'_>) -> Result<Facts, EvaluateError> {
    let sensitivities = node.member("sensitivity_present")?.texts()?;
    Ok(Facts {
        user: user(&node.member("user")?)?,
        patient: patient(&node.member("patient")?)?,
        relationship: relationship(&node.member("relationship")?)?,
        purpose: node.member("purpose")?.code(Purpose::from_code)?,
        permission: node
            .member("permission")?
            .code(Permission::from_code)?
            .unwrap_or(Permission::NotAsked),
        emergency: node.member("emergency")?.truth()?,
        choice: choice(&node.member("choice")?)?,
        sensitivity_present: sensitivities
            .into_iter()
            .filter_map(Sensitivity::from_code)
            .collect(),
        break_glass: break_glass(&node.member("break_glass")?)?,
        warrant: warrant(node)?,
    })
}

fn user(node: &Node<'_>) -> Result<User, EvaluateError> {
    Ok(User {
        role: node.member("role")?.code(Role::from_code)?,
        organisation: OrganisationCode::new(node.member("org")?.text()?.unwrap_or_default()),
        authenticated: node.member("authenticated")?.truth()?,
        organisation_participating: node.member("org_participating")?.truth()?,
        is_the_patient: node.member("is_the_patient")?.truth()?,
        declared_family: node.member("declared_family_of_patient")?.truth()?,
        can_break_seal: node.member("can_break_seal")?.truth()?,
        origin: origin(node)?,
    })
}

fn origin(user: &Node<'_>) -> Result<Origin, EvaluateError> {
    let missing = user.member("assertion_missing")?.texts()?;
    Ok(match user.member("request_origin")?.text()? {
        None | Some("local") => Origin::Local,
        Some(_) => Origin::Federated {
            assertion_missing: missing.into_iter().map(str::to_owned).collect(),
        },
    })
}

fn patient(node: &Node<'_>) -> Result<Patient, EvaluateError> {
    let whole = |name| {
        Ok(node
            .member(name)?
            .whole()?
            .and_then(|it| u32::try_from(it).ok()))
    };
    let flags = node.member("flags")?.texts()?;
    let deceased = node.member("deceased")?.truth()?;
    let days_since = whole("days_since_death")?;
    Ok(Patient {
        age_years: whole("age")?,
        gillick_competent: node.member("gillick_competent")?.truth()?,
        proxy_agreed: node.member("proxy_agreed")?.truth()?,
        capacity: node.member("capacity")?.code(Capacity::from_code)?,
        life: if deceased {
            Life::Deceased { days_since }
        } else {
            Life::Living
        },
        pds_restricted: flags.contains(&"pds_restricted"),
        heightened_monitoring: flags.contains(&"heightened_monitoring"),
    })
}

/// A relationship that only a system can verify, and that none verified, is none.
fn relationship(node: &Node<'_>) -> Result<Relationship, EvaluateError> {
    let days_from_now = node.member("days_from_now")?.whole()?;
    let named = match node.member("type")?.text()?.unwrap_or_default() {
        "registered_gp" => Relationship::RegisteredGp,
        "inpatient" => Relationship::Inpatient,
        "ed_attendance" => Relationship::EdAttendance,
        "appointment" => Relationship::Appointment { days_from_now },
        "open_referral" => Relationship::OpenReferral,
        "caseload" => Relationship::Caseload,
        "care_home_resident" => Relationship::CareHomeResident,
        "ambulance_incident" => Relationship::AmbulanceIncident,
        "self_claimed" => Relationship::SelfClaimed,
        "self" => Relationship::Oneself,
        "parental_responsibility" => Relationship::ParentalResponsibility,
        _ => Relationship::None,
    };
    let verified = node.member("verified")?.truth()?;
    Ok(if named.is_verified() && !verified {
        Relationship::None
    } else {
        named
    })
}

fn choice(node: &Node<'_>) -> Result<Choice, EvaluateError> {
    let organisations = |name| -> Result<Vec<OrganisationCode>, EvaluateError> {
        Ok(node
            .member(name)?
            .texts()?
            .into_iter()
            .map(OrganisationCode::new)
            .collect())
    };
    Ok(Choice {
        connect_care: node
            .member("connect_care")?
            .code(ChoiceState::from_code)?
            .unwrap_or(ChoiceState::Unknown),
        status: node
            .member("status")?
            .code(ChoiceStatus::from_code)?
            .unwrap_or(ChoiceStatus::Decided),
        blocked_organisations: organisations("blocked_orgs")?,
        withheld_sources: organisations("withheld_sources")?,
        gp_dissent: node.member("gp_dissent")?.truth()?,
    })
}

fn break_glass(node: &Node<'_>) -> Result<Option<BreakGlass>, EvaluateError> {
    let glass = BreakGlass {
        justification: node
            .member("justification")?
            .code(Justification::from_code)?,
        reason: node
            .member("reason")?
            .text()?
            .unwrap_or_default()
            .to_owned(),
        opens_seal: node.member("target")?.text()? == Some("seal"),
    };
    Ok(node.member("requested")?.truth()?.then_some(glass))
}

fn warrant(node: &Node<'_>) -> Result<Warrant, EvaluateError> {
    let scope = node.member("scope")?.texts()?;
    Ok(Warrant {
        case_reference: node.member("case_ref")?.is_given(),
        legal_instrument: node.member("legal_instrument")?.is_given(),
        public_interest_approved: node.member("public_interest_test")?.text()? == Some("approved"),
        scope: scope
            .into_iter()
            .filter_map(Category::from_code)
            .collect::<CategorySet>(),
    })
}

fn recorded(facts: &Facts, settings: &Settings) -> Value {
    json!({
        "user": recorded_user(&facts.user),
        "patient": recorded_patient(&facts.patient),
        "relationship": recorded_relationship(facts.relationship),
        "purpose": facts.purpose.map_or("not on the list", Purpose::code),
        "permission": facts.permission.code(),
        "emergency": facts.emergency,
        "choice": recorded_choice(&facts.choice),
        "sensitivity_present": codes(facts.sensitivity_present.iter().map(Sensitivity::code)),
        "break_glass": recorded_break_glass(facts.break_glass.as_ref()),
        "case_ref": facts.warrant.case_reference,
        "legal_instrument": facts.warrant.legal_instrument,
        "public_interest_test": facts.warrant.public_interest_approved.then_some("approved"),
        "scope": codes(facts.warrant.scope.iter().map(Category::code)),
        "deployment_policy": recorded_settings(settings),
    })
}

fn recorded_user(user: &User) -> Value {
    let missing = match &user.origin {
        Origin::Local => &Vec::new(),
        Origin::Federated { assertion_missing } => assertion_missing,
    };
    json!({
        "role": user.role.map_or("not on the list", Role::code),
        "org": user.organisation.as_str(),
        "authenticated": user.authenticated,
        "org_participating": user.organisation_participating,
        "is_the_patient": user.is_the_patient,
        "declared_family_of_patient": user.declared_family,
        "can_break_seal": user.can_break_seal,
        "request_origin": if user.origin == Origin::Local { "local" } else { "federated" },
        "assertion_missing": missing,
    })
}

fn recorded_patient(patient: &Patient) -> Value {
    let days_since = match patient.life {
        Life::Living => None,
        Life::Deceased { days_since } => days_since,
    };
    let restricted = patient.pds_restricted.then_some("pds_restricted");
    let watched = patient
        .heightened_monitoring
        .then_some("heightened_monitoring");
    json!({
        "age": patient.age_years,
        "deceased": patient.life != Life::Living,
        "days_since_death": days_since,
        "flags": codes(restricted.into_iter().chain(watched)),
        "gillick_competent": patient.gillick_competent,
        "proxy_agreed": patient.proxy_agreed,
        "capacity": patient.capacity.map(Capacity::code),
    })
}

fn recorded_relationship(relationship: Relationship) -> Value {
    let days_from_now = match relationship {
        Relationship::Appointment { days_from_now } => days_from_now,
        _ => None,
    };
    json!({
        "type": relationship.code(),
        "verified": relationship.is_verified(),
        "days_from_now": days_from_now,
    })
}

fn recorded_choice(choice: &Choice) -> Value {
    json!({
        "connect_care": choice.connect_care.code(),
        "status": choice.status.code(),
        "blocked_orgs": codes(choice.blocked_organisations.iter().map(OrganisationCode::as_str)),
        "withheld_sources": codes(choice.withheld_sources.iter().map(OrganisationCode::as_str)),
        "gp_dissent": choice.gp_dissent,
    })
}

fn recorded_break_glass(glass: Option<&BreakGlass>) -> Value {
    match glass {
        None => json!({"requested": false}),
        Some(glass) => json!({
            "requested": true,
            "justification": glass.justification.map(Justification::code),
            "reason": glass.reason,
            "target": glass.opens_seal.then_some("seal"),
        }),
    }
}

fn recorded_settings(settings: &Settings) -> Value {
    json!({
        "permission": settings.permission.code(),
        "objection": {
            "pending_restricts": settings.pending_objection_restricts,
            "emergency": settings.objection_in_emergency.code(),
        },
        "appointment_days_past": settings.appointment_days_past,
        "appointment_days_ahead": settings.appointment_days_ahead,
        "days_after_death": settings.days_after_death,
    })
}

fn codes<'a>(codes: impl Iterator<Item = &'a str>) -> Value {
    codes.map(Value::from).collect()
}

/// The settings named, the model's own for the rest.
fn settings(node: &Node<'_>) -> Result<Settings, EvaluateError> {
    let objection = node.member("objection")?;
    let model = Settings::default();
    let days = |name, otherwise| -> Result<u32, EvaluateError> {
        let days = node.member(name)?.whole()?;
        Ok(days
            .and_then(|days| u32::try_from(days).ok())
            .unwrap_or(otherwise))
    };
    let settings = Settings {
        appointment_days_past: days("appointment_days_past", model.appointment_days_past)?,
        appointment_days_ahead: days("appointment_days_ahead", model.appointment_days_ahead)?,
        days_after_death: days("days_after_death", model.days_after_death)?,
        permission: node
            .member("permission")?
            .code(PermissionModel::from_code)?
            .unwrap_or(model.permission),
        pending_objection_restricts: objection
            .member("pending_restricts")?
            .truth_if_there()?
            .unwrap_or(model.pending_objection_restricts),
        objection_in_emergency: objection
            .member("emergency")?
            .code(EmergencyOverride::from_code)?
            .unwrap_or(model.objection_in_emergency),
        ..model
    };
    settings.check().map_err(|why| node.refused(why))?;
    Ok(settings)
}
