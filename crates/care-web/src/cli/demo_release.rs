//! The first release of a demonstration: counts for the planning pages, asked for by the analyst and
//! approved by two others, through the same room as any other.

use care_core::release::{Cohort, DateRule, Exceptional, Specification};
use care_core::vocabulary::{Category, OdsCode, Role};
use care_record::{Caller, Record, ReleaseError, User};
use jiff::ToSpan as _;

use crate::console::extracts::planning_counts;

fn somebody(id: &str) -> Option<Caller> {
    let user = care_synthetic::users().iter().find(|user| user.id == id)?;
    Some(Caller {
        session: format!("demo {id}"),
        user: User {
            id: user.id.to_owned(),
            name: user.name.to_owned(),
            role: Role::from_code(user.role)?,
            organisation: OdsCode::parse(user.organisation).ok()?,
            can_break_seal: false,
            own_number: None,
            family_numbers: Vec::new(),
        },
        request: String::new(),
    })
}

/// Makes the release, unless there was one before.
pub fn make(record: &Record, today: jiff::civil::Date) -> Result<(), ReleaseError> {
    let releases = record.releases();
    if !releases.register()?.is_empty() {
        return Ok(());
    }
    let (Some(analyst), Some(officer), Some(guardian)) = (
        somebody("analyst"),
        somebody("ig-officer"),
        somebody("caldicott-guardian"),
    ) else {
        return Ok(());
    };
    let kinds = [
        Category::Demographics,
        Category::Problems,
        Category::Encounters,
        Category::GpConsultations,
        Category::MentalHealth,
        Category::SocialCare,
    ];
    let asked = releases.request(
        &analyst,
        Specification {
            title: "Planning counts for South East London".to_owned(),
            purpose_words: "To see how many people live where, of what age, with which long-term conditions, and which services they use.".to_owned(),
            purpose: "planning".to_owned(),
            legal_basis: "s251_reg5".to_owned(),
            data_form: "aggregate_suppressed".to_owned(),
            origin: "england_publicly_funded_care".to_owned(),
            evidence: "Standing order of the programme board for planning counts".to_owned(),
            evidence_held: true,
            exemption_claimed: false,
            project: "planning-counts".to_owned(),
            destination: "Planners of the programme".to_owned(),
            destroy_by: today.checked_add(1.year()).unwrap_or(today),
            cohort: Cohort::default(),
            categories: kinds.map(|it| it.code().to_owned()).into(),
            forms: planning_counts(),
            dates: DateRule::Year,
            smallest_group: 5,
            words: false,
            exceptional: Exceptional::default(),
            for_planning: true,
        },
    )?;
    let checked = releases.check(&analyst, asked.number, asked.version)?;
    if checked.step != care_record::Step::AwaitingApproval {
        // Too few people, for example: the planning pages then say that there are no counts yet.
        return Ok(());
    }
    let first = releases.approve(
        &officer,
        checked.number,
        checked.version,
        &checked.digest,
        "Counts only.",
    )?;
    let second = releases.approve(&guardian, first.number, first.version, &first.digest, "")?;
    releases.run(&officer, second.number, second.version)?;
    Ok(())
}
