//! Who may set the national data opt-out, for whom and where. We take no such choice ourselves:
//! whoever asks is sent on to the national service. Source: the access model, 8.5 and 8.9.

use std::collections::BTreeSet;

use crate::codes::coded;

coded! {
    /// Who wants to set it.
    Setter {
        Oneself "self" "The person.",
        ParentalResponsibility "parental_responsibility" "Somebody with parental responsibility.",
        AttorneyProperty "lpa_property_finance" "An attorney for property and finance.",
        AttorneyWelfare "lpa_health_welfare" "An attorney for health and welfare.",
        CourtDeputy "court_deputy" "A deputy appointed by the court.",
        InformalCarer "informal_carer" "A carer without formal authority.",
    }
}

coded! {
    /// By which way.
    Channel {
        Online "online" "The website or the NHS App.",
        Telephone "telephone" "The telephone.",
        Paper "paper" "The paper form.",
        GpPractice "gp_practice" "The GP practice, which does not record it.",
    }
}

/// A wish to set the national choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChoiceRequest {
    /// Who wants to; `None` for somebody not on the list, who has no formal authority.
    pub setter: Option<Setter>,
    /// Age of the person in whole years; unknown counts as grown up.
    pub age_years: Option<u32>,
    /// The person has an NHS number.
    pub has_nhs_number: bool,
    /// The person lacks capacity for this choice.
    pub lacks_capacity: bool,
    /// The person lives in a secure setting, where only the paper form can be had.
    pub in_secure_setting: bool,
    /// By which way; `None` for one that is not on the list.
    pub channel: Option<Channel>,
}

coded! {
    /// Why a choice is accepted or not.
    ChoiceReason {
        Ok "ok" "Accepted.",
        Under13NeedsProxy "under-13-needs-proxy" "Somebody must set it for a child under 13.",
        PersonSetsOwnChoice "person-sets-own-choice" "The person is old enough and has capacity.",
        NoFormalAuthority "no-formal-authority" "A formal proxy is needed.",
        NoNhsNumber "no-nhs-number" "The choice is kept against the NHS number.",
        NotAChannel "not-a-channel" "It cannot be set this way.",
    }
}

coded! {
    /// What must be done. In alphabetical order of the code.
    ChoiceObligation {
        EvidenceOfAuthority "evidence-of-authority" "The proxy shows the authority.",
        RedirectToNationalService "redirect-to-national-service" "The national service takes the choice.",
    }
}

/// Whether the choice can be set so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChoiceAnswer {
    /// Why, or why not.
    pub reason: ChoiceReason,
    /// What must be done.
    pub obligations: BTreeSet<ChoiceObligation>,
}

impl ChoiceAnswer {
    /// Whether the choice can be set so.
    pub fn is_accepted(&self) -> bool {
        self.reason == ChoiceReason::Ok
    }
}

/// Says whether the national choice can be set by this person in this way.
pub fn accept_choice(request: &ChoiceRequest) -> ChoiceAnswer {
    let reason = obstacle(request).unwrap_or(ChoiceReason::Ok);
    let mut obligations = BTreeSet::from([ChoiceObligation::RedirectToNationalService]);
    if reason == ChoiceReason::Ok && request.setter != Some(Setter::Oneself) {
        obligations.insert(ChoiceObligation::EvidenceOfAuthority);
    }
    ChoiceAnswer {
        reason,
        obligations,
    }
}

/// The first thing in the way, in the order of the reasons.
fn obstacle(request: &ChoiceRequest) -> Option<ChoiceReason> {
    let under_13 = request.age_years.is_some_and(|age| age < 13);
    let oneself = request.setter == Some(Setter::Oneself);
    if oneself && under_13 {
        Some(ChoiceReason::Under13NeedsProxy)
    } else if !oneself && !under_13 && !request.lacks_capacity {
        Some(ChoiceReason::PersonSetsOwnChoice)
    } else if !has_authority(request) {
        Some(ChoiceReason::NoFormalAuthority)
    } else if !request.has_nhs_number {
        Some(ChoiceReason::NoNhsNumber)
    } else if !is_channel(request, oneself) {
        Some(ChoiceReason::NotAChannel)
    } else {
        None
    }
}

/// Parental responsibility ends at 18. Who lacks capacity needs a formal proxy.
fn has_authority(request: &ChoiceRequest) -> bool {
    match request.setter {
        None | Some(Setter::InformalCarer) => false,
        Some(Setter::Oneself) => !request.lacks_capacity,
        Some(Setter::ParentalResponsibility) => request.age_years.is_some_and(|age| age < 18),
        Some(Setter::AttorneyProperty | Setter::AttorneyWelfare | Setter::CourtDeputy) => true,
    }
}

/// There is no online way to choose for another.
fn is_channel(request: &ChoiceRequest, oneself: bool) -> bool {
    match request.channel {
        Some(Channel::Paper) => true,
        Some(Channel::Telephone) => !request.in_secure_setting,
        Some(Channel::Online) => !request.in_secure_setting && oneself,
        Some(Channel::GpPractice) | None => false,
    }
}
