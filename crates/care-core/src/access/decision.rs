//! The answer of the rules. Its makers are private to `access`, so no answer exists without its
//! trace and nobody reads a record without a [`View`].

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use crate::codes::coded;
use crate::secondary_use::CohortMember;
use crate::vocabulary::{Category, CategorySet, Sensitivity, SensitivitySet, SourceCode};

/// Names the rules a decision was made by. Changes with every change of a right.
pub const POLICY_VERSION: &str = "access-1";

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    pub(super) verdict: Verdict,
    pub(super) audit_flags: BTreeSet<Flag>,
    pub(super) hidden_sources: Vec<String>,
    pub(super) withheld_notice: bool,
    pub(super) trace: Trace,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Allow(View),
    BreakGlass(View),
    Deny(Reason),
}

coded! {
    /// Yes, yes with somebody reviewing it, or no.
    Outcome {
        Allow "allow" "Yes.",
        BreakGlass "allow-with-break-glass" "Yes, by overriding; somebody reviews it.",
        Deny "deny" "No.",
    }
}

impl Decision {
    /// Yes, yes with review, or no.
    pub fn outcome(&self) -> Outcome {
        match self.verdict {
            Verdict::Allow(_) => Outcome::Allow,
            Verdict::BreakGlass(_) => Outcome::BreakGlass,
            Verdict::Deny(_) => Outcome::Deny,
        }
    }

    /// Why not; `Reason::Ok` when the answer is yes.
    pub fn reason(&self) -> Reason {
        match self.verdict {
            Verdict::Deny(reason) => reason,
            Verdict::Allow(_) | Verdict::BreakGlass(_) => Reason::Ok,
        }
    }

    /// What may be read; `None` when the answer is no.
    pub fn view(&self) -> Option<&View> {
        match &self.verdict {
            Verdict::Allow(view) | Verdict::BreakGlass(view) => Some(view),
            Verdict::Deny(_) => None,
        }
    }

    /// The categories to show: those of the view, or none.
    pub fn visible_categories(&self) -> CategorySet {
        self.view().map_or(CategorySet::EMPTY, View::categories)
    }

    /// What the audit entry must be marked with, in alphabetical order.
    pub fn audit_flags(&self) -> impl Iterator<Item = Flag> {
        self.audit_flags.iter().copied()
    }

    /// Whether the audit entry carries this mark.
    pub fn has_flag(&self, flag: Flag) -> bool {
        self.audit_flags.contains(&flag)
    }

    /// Whether the privacy officer is told.
    pub fn needs_review(&self) -> bool {
        self.has_flag(Flag::ReviewRequired)
    }

    /// `gp`, or the code of each source the person or their practice holds back.
    pub fn hidden_sources(&self) -> &[String] {
        &self.hidden_sources
    }

    /// Whether the page says that something is held back.
    pub fn withheld_notice(&self) -> bool {
        self.withheld_notice
    }

    /// The rules looked at.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }
}

/// What a reader may see of one person: part of every query that reads for them.
///
/// A protected address is the category `location`: where it must not be seen, it is not in
/// [`View::categories`].
///
/// ```compile_fail
/// use care_core::access::View;
/// use care_core::vocabulary::{CategorySet, SensitivitySet};
///
/// let mine = View { categories: CategorySet::whole_record(), ..unreachable!() };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    pub(super) categories: CategorySet,
    pub(super) sensitivities: SensitivitySet,
    pub(super) hide_gp_sourced: bool,
    pub(super) hidden_sources: Vec<SourceCode>,
    pub(super) registered_practice: bool,
    pub(super) only_source: Option<SourceCode>,
}

impl View {
    /// Items of other categories are not read.
    pub fn categories(&self) -> CategorySet {
        self.categories
    }

    /// Items of other protection levels are not read.
    pub fn sensitivities(&self) -> SensitivitySet {
        self.sensitivities
    }

    /// Items whose source is a GP practice are not read.
    pub fn hide_gp_sourced(&self) -> bool {
        self.hide_gp_sourced
    }

    /// Items of these sources are not read. The viewer's own organisation is never among them.
    pub fn hidden_sources(&self) -> &[SourceCode] {
        &self.hidden_sources
    }

    /// Whether the viewer works at the practice the person is registered with.
    pub fn is_registered_practice(&self) -> bool {
        self.registered_practice
    }

    /// Only items of this source are read; none: of every source that is not hidden.
    pub fn only_source(&self) -> Option<&SourceCode> {
        self.only_source.as_ref()
    }
}

/// What the release room may read of one person who may be in a release: the categories that were
/// approved, nothing sensitive or sealed, nothing from the sources the person holds back, and no GP
/// items where a Type 1 opt-out says so.
///
/// The member is the proof that the secondary-use rules let this person's data leave; nothing else
/// makes one, so nothing else reads a record without a [`Decision`].
pub fn release_view(
    member: &CohortMember,
    categories: CategorySet,
    hide_gp_sourced: bool,
    hidden_sources: Vec<SourceCode>,
) -> View {
    View {
        categories: categories.without(Category::AccessLog),
        sensitivities: SensitivitySet::EMPTY.with(Sensitivity::Normal),
        hide_gp_sourced: hide_gp_sourced || member.without_gp_items(),
        hidden_sources,
        registered_practice: false,
        only_source: None,
    }
}

/// A system that is configured to send for an organisation: what a [`supplier_view`] is made from.
///
/// ```compile_fail
/// use care_core::access::Supplier;
/// use care_core::vocabulary::SourceCode;
///
/// let mine = Supplier { client: "me".to_owned(), source: unreachable!() };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Supplier {
    client: String,
    source: SourceCode,
}

impl Supplier {
    /// A client of the configuration, which proved with its key that it is the one, and the organisation
    /// the configuration says it sends for. Only what checked the key may call this.
    ///
    /// Errors: `None` for a client without an id.
    pub fn configured(client: &str, organisation: &SourceCode) -> Option<Self> {
        let client = client.trim();
        (!client.is_empty()).then(|| Self {
            client: client.to_owned(),
            source: organisation.clone(),
        })
    }

    /// The client's id, for the audit.
    pub fn client(&self) -> &str {
        &self.client
    }

    /// Whose data it sends.
    pub fn source(&self) -> &SourceCode {
        &self.source
    }
}

/// What a source may read: exactly what it sent itself, of everybody, whatever its labels, and nothing
/// of any other source. It learns nothing that it did not say.
///
/// The third and last way to a [`View`], beside a [`Decision`] and [`release_view`].
/// Source: docs/adr/0018-a-source-reads-back-what-it-sent.md.
pub fn supplier_view(supplier: &Supplier) -> View {
    View {
        categories: CategorySet::whole_record(),
        sensitivities: Sensitivity::ALL.iter().copied().collect(),
        hide_gp_sourced: false,
        hidden_sources: Vec::new(),
        registered_practice: false,
        only_source: Some(supplier.source.clone()),
    }
}

coded! {
    /// Why an answer is no. The codes are those of the access model, 8.3.
    Reason {
        Ok "ok" "It is not no.",
        NotAuthenticated "not-authenticated" "Rule 1.",
        OrgNotParticipating "org-not-participating" "Rule 1.",
        IncompleteAssertion "incomplete-assertion" "Rule 1.",
        OwnRecord "own-record" "Rule 2.",
        PurposeNotPermitted "purpose-not-permitted" "Rule 3.",
        RoleNotPermitted "role-not-permitted-for-purpose" "Rules 3 and 9.",
        ProxyNotAuthorised "proxy-not-authorised" "Rule 4.",
        CaseReferenceRequired "case-reference-required" "Rule 5.",
        LegalInstrumentRequired "legal-instrument-required" "Rule 5.",
        ApprovalRequired "approval-required" "Rule 5.",
        DeceasedNoBasis "deceased-no-basis" "Rule 6.",
        NoLegitimateRelationship "no-legitimate-relationship" "Rule 7.",
        FamilySelfClaim "family-self-claim" "Rule 7.",
        BreakGlassRequired "break-glass-required" "Rules 7, 9 and 12.",
        RelationshipExpired "relationship-expired" "Rule 7.",
        OrgBlockedByPatient "org-blocked-by-patient" "Rule 8.",
        ChoiceUnknown "choice-unknown" "Rule 8.",
        PatientObjected "patient-objected" "Rule 8.",
        ObjectionPending "objection-pending" "Rule 8.",
        PermissionRefused "permission-refused" "Rule 9.",
        AskPermission "ask-permission" "Rule 9.",
    }
}

coded! {
    /// A mark on the audit entry. In alphabetical order of the code.
    Flag {
        BestInterest "best-interest" "Opened in the person's best interest.",
        BreakGlassEmergency "break-glass-emergency" "Opened in an emergency without a relationship.",
        ChoiceUnknown "choice-unknown" "The choice could not be found out.",
        Deceased "deceased" "The person has died.",
        DeniedAttempt "denied-attempt" "The answer was no.",
        Federated "federated" "The request came from a partner.",
        HeightenedMonitoring "heightened-monitoring" "The record is watched.",
        LegalDisclosure "legal-disclosure" "Disclosed under a legal instrument.",
        ObjectionNotUpheld "objection-not-upheld" "An objection was weighed and not upheld.",
        ObjectionOverriddenConsent "objection-overridden-consent" "The person who objected consents now, for this episode only.",
        ObjectionOverriddenEmergency "objection-overridden-emergency" "The objection excepts emergencies.",
        OwnRecordAttempt "own-record-attempt" "The user's own record.",
        PatientAbsent "patient-absent" "The person was not there to ask.",
        PossibleFamilyAccess "possible-family-access" "The user is family.",
        PublicInterestDisclosure "public-interest-disclosure" "Disclosed in the public interest.",
        RestrictedDemographics "restricted-demographics" "The address is protected.",
        ReviewRequired "review-required" "The privacy officer looks at it.",
        SafeguardingOverride "safeguarding-override" "Opened for a safeguarding case.",
        SealBreakRefused "seal-break-refused" "A seal was to be opened and was not.",
        SealBroken "seal-broken" "A seal was opened.",
        SelfClaimedRelationship "self-claimed-relationship" "Only the user says there is a relationship.",
        Supervised "supervised" "The user learns under supervision.",
    }
}

/// The rules looked at, in order, with the facts each used, the policy version and the settings.
/// Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    pub(super) settings: String,
    pub(super) steps: Vec<Step>,
    pub(super) would_change: &'static [&'static str],
}

impl Trace {
    /// The rules looked at, in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Which rules.
    pub fn policy_version(&self) -> &'static str {
        POLICY_VERSION
    }

    /// The settings a decision may depend on.
    pub fn settings(&self) -> &str {
        &self.settings
    }

    /// What would have made the answer another one; for engineers and reviewers, not for the
    /// person at the screen.
    pub fn would_change(&self) -> &'static [&'static str] {
        self.would_change
    }

    /// One line a step, then the settings and version, then what would have changed the answer.
    pub fn lines(&self) -> Vec<String> {
        let version = format!("policy {POLICY_VERSION}; settings {}", self.settings);
        let changes = self
            .would_change
            .iter()
            .map(|it| format!("would have changed it: {it}"));
        let steps = self.steps.iter().map(Step::to_string);
        steps.chain([version]).chain(changes).collect()
    }
}

/// One rule looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub(super) number: u8,
    pub(super) rule: &'static str,
    pub(super) facts: Vec<(&'static str, Cow<'static, str>)>,
    pub(super) outcome: String,
}

impl Step {
    /// The rule's number in the access model, 1 to 12.
    pub fn number(&self) -> u8 {
        self.number
    }

    /// The rule's name.
    pub fn rule(&self) -> &'static str {
        self.rule
    }

    /// The facts it used, by name.
    pub fn facts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.facts
            .iter()
            .map(|(name, value)| (*name, value.as_ref()))
    }

    /// What it said: `passed`, `settled`, or `denied` with the code; and the marks it added.
    pub fn outcome(&self) -> &str {
        &self.outcome
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}. {}:", self.number, self.rule)?;
        for (name, value) in self.facts() {
            write!(f, " {name}={value}")?;
        }
        write!(f, " -> {}", self.outcome)
    }
}
