//! The rules for disclosures beyond care, in order; the first that fits gives the answer.
//! Source: the access model, 8.5.

use std::collections::BTreeSet;

use crate::vocabulary::NhsNumber;

use super::decision::{Decision, Obligation, Reason};
use super::facts::{
    CheckStatus, DataForm, Disclosure, LegalBasis, OptOutCheck, Origin, Person, PersonNumber,
    Purpose, Settings,
};

/// Decides whether data may leave for a use beyond care, and without whom.
///
/// `check` is what came back from the check for national data opt-outs, if one was made; only a
/// disclosure to which the opt-out applies looks at it.
pub fn decide(
    disclosure: &Disclosure,
    cohort: &[Person],
    check: Option<&OptOutCheck>,
    settings: Settings,
) -> Decision {
    match basis(disclosure) {
        Basis::Outside(reason) => outside(reason, cohort),
        Basis::Consenting => consenting(cohort),
        Basis::Blocked { reason, ask } => blocked(reason, cohort, ask),
        Basis::Exempt => {
            without_gp_items(outside(Reason::CagExemption, cohort), disclosure, cohort)
        }
        Basis::Apply { ask } => apply(disclosure, cohort, check, settings, ask),
    }
}

/// How a disclosure stands to the opt-out. `ask`: a document was claimed and is not held.
enum Basis {
    Outside(Reason),
    Consenting,
    Blocked { reason: Reason, ask: bool },
    Exempt,
    Apply { ask: bool },
}

fn basis(disclosure: &Disclosure) -> Basis {
    let held = disclosure.evidence_held;
    if is_status_use(disclosure.purpose) {
        return Basis::Blocked {
            reason: Reason::StatusUseNotPermitted,
            ask: false,
        };
    }
    if disclosure.purpose == Some(Purpose::IndividualCare) {
        return Basis::Outside(Reason::IndividualCare);
    }
    if matches!(
        disclosure.data_form,
        DataForm::Anonymised | DataForm::Aggregate
    ) {
        return Basis::Outside(Reason::Anonymised);
    }
    if is_exempt_payment(disclosure.purpose) {
        return Basis::Outside(Reason::PaymentExemption);
    }
    match disclosure.legal_basis {
        LegalBasis::ExplicitConsent => Basis::Consenting,
        LegalBasis::Regulation3 => Basis::Outside(Reason::CommunicableDisease),
        LegalBasis::OverridingPublicInterest => on_paper(
            disclosure.public_interest_test_positive,
            held,
            Reason::OverridingPublicInterest,
        ),
        LegalBasis::RequiredByLaw | LegalBasis::CourtOrder => {
            on_paper(disclosure.instrument_named, held, Reason::RequiredByLaw)
        }
        LegalBasis::ImpliedConsent | LegalBasis::None => Basis::Blocked {
            reason: Reason::NoValidBasis,
            ask: false,
        },
        LegalBasis::Section251Regulation2 | LegalBasis::Section251Regulation5 => {
            match disclosure.origin {
                Origin::PrivateIndependent | Origin::Wales => {
                    Basis::Outside(Reason::OutOfScopeOrigin)
                }
                _ if disclosure.exemption_claimed && held => Basis::Exempt,
                _ => Basis::Apply {
                    ask: disclosure.exemption_claimed,
                },
            }
        }
    }
}

/// A basis that needs its document: named, and held.
fn on_paper(named: bool, held: bool, reason: Reason) -> Basis {
    if named && held {
        Basis::Outside(reason)
    } else {
        Basis::Blocked {
            reason: Reason::NoValidBasis,
            ask: !held,
        }
    }
}

fn is_status_use(purpose: Option<Purpose>) -> bool {
    matches!(
        purpose,
        Some(Purpose::DisplayOptOutStatus | Purpose::ShareOptOutStatus)
    )
}

fn is_exempt_payment(purpose: Option<Purpose>) -> bool {
    matches!(
        purpose,
        Some(Purpose::InvoiceValidation | Purpose::PrescriptionCharges)
    )
}

/// All may leave but those who opted out, or could not be checked.
fn apply(
    disclosure: &Disclosure,
    cohort: &[Person],
    check: Option<&OptOutCheck>,
    settings: Settings,
    ask: bool,
) -> Decision {
    let usable = usable_numbers(cohort);
    let unverifiable = cohort.iter().any(|person| usable_number(person).is_none());
    let stop = |reason| {
        let mut decision = blocked(reason, cohort, ask);
        if unverifiable {
            decision.obligations.insert(Obligation::ReportUnverifiable);
        }
        decision
    };
    if usable.is_empty() && unverifiable {
        return stop(Reason::NoNhsNumber);
    }
    let check = match relied_on(check, cohort, &usable, settings) {
        Ok(check) => check,
        Err((reason, rejected)) => {
            let mut decision = stop(reason);
            decision.obligations.insert(Obligation::RecheckRequired);
            if rejected {
                decision
                    .obligations
                    .insert(Obligation::FixInvalidNhsNumbers);
            }
            return decision;
        }
    };
    let mut decision = split(cohort, |person| may_leave(person, check));
    decision.opt_out_applies = true;
    decision.reason = Reason::OptOutApplies;
    decision.obligations.insert(Obligation::ReleaseManifest);
    decision.obligations.insert(Obligation::WholeRecordRemoved);
    if unverifiable {
        decision.obligations.insert(Obligation::ReportUnverifiable);
    }
    if ask {
        decision.obligations.insert(Obligation::RequestEvidence);
    }
    without_gp_items(decision, disclosure, cohort)
}

/// The check, if it was answered, is young enough and fits what was sent; else why not, and
/// whether it was refused for invalid numbers.
fn relied_on<'a>(
    check: Option<&'a OptOutCheck>,
    cohort: &[Person],
    usable: &BTreeSet<NhsNumber>,
    settings: Settings,
) -> Result<&'a OptOutCheck, (Reason, bool)> {
    let check = check.ok_or((Reason::CheckMissing, false))?;
    match check.status {
        CheckStatus::NoResponse => return Err((Reason::CheckMissing, false)),
        CheckStatus::RejectedInvalidNumbers => return Err((Reason::CheckMissing, true)),
        CheckStatus::Ok => {}
    }
    if check
        .age_days
        .is_none_or(|days| days > settings.check_max_age_days.min(21))
    {
        return Err((Reason::CheckStale, false));
    }
    if !(lists_fit(check, usable) && counts_fit(check, cohort, usable)) {
        return Err((Reason::CheckInconsistent, false));
    }
    Ok(check)
}

/// Everybody was asked about, and nobody came back who was not.
fn lists_fit(check: &OptOutCheck, usable: &BTreeSet<NhsNumber>) -> bool {
    let Some(sent) = &check.sent else { return true };
    let returned_were_sent = check
        .returned
        .as_ref()
        .is_none_or(|back| back.is_subset(sent));
    usable.is_subset(sent) && returned_were_sent
}

/// The same by counting; and where exactly this cohort was sent, as many came back as the check
/// says have not opted out.
fn counts_fit(check: &OptOutCheck, cohort: &[Person], usable: &BTreeSet<NhsNumber>) -> bool {
    let Some(sent) = check.sent_count else {
        return true;
    };
    let cohort_size = usable.len() as u64;
    let Some(returned) = check.returned_count else {
        return sent >= cohort_size;
    };
    let staying: BTreeSet<_> = cohort
        .iter()
        .filter(|person| person.national_opt_out == Some(false))
        .filter_map(usable_number)
        .collect();
    let adds_up = sent != cohort_size || returned == staying.len() as u64;
    sent >= cohort_size && returned <= sent && adds_up
}

/// Whether the check says that a person has not opted out. A number that did not come back is an
/// opt-out, and so is silence.
fn may_leave(person: &Person, check: &OptOutCheck) -> bool {
    let Some(number) = usable_number(person) else {
        return false;
    };
    match &check.returned {
        Some(returned) => returned.contains(&number) && person.national_opt_out != Some(true),
        None => person.national_opt_out == Some(false),
    }
}

fn usable_number(person: &Person) -> Option<NhsNumber> {
    match person.number {
        PersonNumber::Usable(number) => Some(number),
        PersonNumber::Invalid | PersonNumber::Missing => None,
    }
}

fn usable_numbers(cohort: &[Person]) -> BTreeSet<NhsNumber> {
    cohort.iter().filter_map(usable_number).collect()
}

/// Everybody's data may leave; the opt-out does not reach it.
fn outside(reason: Reason, cohort: &[Person]) -> Decision {
    Decision {
        reason,
        ..split(cohort, |_| true)
    }
}

fn consenting(cohort: &[Person]) -> Decision {
    Decision {
        reason: Reason::ExplicitConsent,
        ..split(cohort, |person| person.consented)
    }
}

/// Nobody's data may leave.
fn blocked(reason: Reason, cohort: &[Person], ask: bool) -> Decision {
    let mut decision = split(cohort, |_| false);
    decision.released = false;
    decision.opt_out_applies = true;
    decision.reason = reason;
    if ask {
        decision.obligations.insert(Obligation::RequestEvidence);
    }
    decision
}

fn split(cohort: &[Person], keeps: impl Fn(&Person) -> bool) -> Decision {
    let (included, excluded) =
        (0..cohort.len()).partition(|place| cohort.get(*place).is_some_and(&keeps));
    Decision {
        released: true,
        opt_out_applies: false,
        reason: Reason::NoValidBasis,
        included,
        excluded,
        gp_items_removed_for: Vec::new(),
        obligations: BTreeSet::from([Obligation::RecordDecision]),
    }
}

/// A Type 1 opt-out keeps GP-sourced items at home; the rest may leave. The CAG can lift the
/// national opt-out, and not this one.
fn without_gp_items(
    mut decision: Decision,
    disclosure: &Disclosure,
    cohort: &[Person],
) -> Decision {
    if !disclosure.holds_gp_items {
        return decision;
    }
    let type_1 = |place: &usize| {
        cohort
            .get(*place)
            .is_some_and(|person| person.type_1_opt_out)
    };
    decision.gp_items_removed_for = decision.included.iter().copied().filter(type_1).collect();
    if !decision.gp_items_removed_for.is_empty() {
        decision.obligations.insert(Obligation::RemoveGpItems);
    }
    decision
}
