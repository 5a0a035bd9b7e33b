//! What the disclosure rules are told. Source: the access model, 8.9.

use std::collections::BTreeSet;
use std::fmt;

use crate::codes::coded;
use crate::vocabulary::NhsNumber;

coded! {
    /// What the data would be used for.
    Purpose {
        Research "research" "Research.",
        Planning "planning" "Planning of services.",
        NationalClinicalAudit "national_clinical_audit" "A national clinical audit.",
        PublicHealth "public_health" "Public health.",
        IndividualCare "individual_care" "The care of each person.",
        InvoiceValidation "invoice_validation_noncontracted" "Validation of invoices for care without a contract.",
        PrescriptionCharges "nhsbsa_reg18a" "NHS BSA's checks of prescription charges (regulation 18A).",
        FraudInvestigation "fraud_investigation" "Investigation of fraud.",
        Regulation "regulation" "Regulation of services or professions.",
        Inquest "inquest" "An inquest.",
        Litigation "litigation" "Litigation.",
        NationalCollection "national_collection" "A national collection of data.",
        PublicInterest "public_interest" "The public interest.",
        Marketing "marketing" "Marketing.",
        DisplayOptOutStatus "display_opt_out_status" "To show somebody's opt-out in a record.",
        ShareOptOutStatus "share_opt_out_status" "To tell others of somebody's opt-out.",
    }
}

coded! {
    /// What the data would look like.
    DataForm {
        Confidential "confidential_patient_information" "People can be told from it.",
        Pseudonymised "pseudonymised_reidentifiable" "People can be told from it by those with the key.",
        Anonymised "anonymised_ico" "Anonymous by the ICO's code.",
        Aggregate "aggregate_suppressed" "Counts, with small numbers suppressed.",
    }
}

coded! {
    /// What law the disclosure rests on.
    LegalBasis {
        Section251Regulation2 "s251_reg2" "Section 251 support, regulation 2.",
        Section251Regulation5 "s251_reg5" "Section 251 support, regulation 5.",
        Regulation3 "reg3_copi" "Regulation 3: communicable disease and other risks to public health.",
        ExplicitConsent "explicit_consent" "Each person consents to this use.",
        ImpliedConsent "implied_consent" "Implied consent.",
        RequiredByLaw "required_by_law" "A law requires it.",
        CourtOrder "court_order" "A court orders it.",
        OverridingPublicInterest "overriding_public_interest" "The public interest overrides.",
        None "none" "Nothing.",
    }
}

coded! {
    /// Where the data comes from.
    Origin {
        PublicCare "england_publicly_funded_care" "Publicly funded care in England.",
        AdultSocialCare "england_adult_social_care" "Adult social care in England.",
        PrivateInNhs "private_care_nhs_setting" "Private care in an NHS setting.",
        PrivateIndependent "private_care_independent_setting" "Private care in an independent setting.",
        Wales "wales" "Care in Wales.",
    }
}

/// A disclosure that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disclosure {
    /// What for; `None` for a purpose that is not on the list, which stands on its legal basis alone.
    pub purpose: Option<Purpose>,
    /// In what form.
    pub data_form: DataForm,
    /// On what legal basis.
    pub legal_basis: LegalBasis,
    /// The Confidentiality Advisory Group is said to have lifted its standard condition, that
    /// opt-outs are respected.
    pub exemption_claimed: bool,
    /// The document that the basis or exemption rests on is held.
    pub evidence_held: bool,
    /// A law or order is named.
    pub instrument_named: bool,
    /// A positive public interest test is recorded.
    pub public_interest_test_positive: bool,
    /// Where the data comes from.
    pub origin: Origin,
    /// Items of GP practices can be among the data.
    pub holds_gp_items: bool,
}

/// One person of the cohort.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The NHS number.
    pub number: PersonNumber,
    /// What the check says of the national data opt-out; `None` when it says nothing.
    pub national_opt_out: Option<bool>,
    /// The practice holds a Type 1 opt-out.
    pub type_1_opt_out: bool,
    /// Consented to this use.
    pub consented: bool,
}

/// The NHS number of one person of the cohort.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PersonNumber {
    /// It can be checked.
    Usable(NhsNumber),
    /// It was given and is wrong.
    Invalid,
    /// None was given.
    Missing,
}

/// What came back from the check for national data opt-outs.
#[derive(Clone, PartialEq, Eq)]
pub struct OptOutCheck {
    /// Whether it was answered.
    pub status: CheckStatus,
    /// Age of the result in whole days, where known.
    pub age_days: Option<u32>,
    /// How many numbers were sent, where known.
    pub sent_count: Option<u64>,
    /// How many came back, where known.
    pub returned_count: Option<u64>,
    /// The numbers sent, where the list is at hand.
    pub sent: Option<BTreeSet<NhsNumber>>,
    /// The numbers that came back: those without an opt-out.
    pub returned: Option<BTreeSet<NhsNumber>>,
}

impl fmt::Debug for OptOutCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OptOutCheck")
            .field("status", &self.status)
            .field("age_days", &self.age_days)
            .finish_non_exhaustive()
    }
}

coded! {
    /// Whether the check was answered.
    CheckStatus {
        Ok "ok" "Answered.",
        NoResponse "no_response" "Not answered.",
        RejectedInvalidNumbers "rejected_invalid_numbers" "Refused whole, for invalid numbers in it.",
    }
}

/// What a deployment may set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The oldest check result that may be relied on, in days: 7, and never more than 21.
    pub check_max_age_days: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            check_max_age_days: 7,
        }
    }
}

/// Why settings are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "an opt-out check of {days} days would be relied on; the policy allows 21 at most; set the \
     opt-out check age to 21 days or fewer"
)]
pub struct UnsafeSettings {
    /// The days set.
    pub days: u32,
}

impl Settings {
    /// Refuses a check age that the policy does not allow.
    pub fn check(self) -> Result<(), UnsafeSettings> {
        if self.check_max_age_days > 21 {
            return Err(UnsafeSettings {
                days: self.check_max_age_days,
            });
        }
        Ok(())
    }
}
