//! The decision while the rules are looked at: marks add up, the view narrows, and the first rule
//! that denies ends it.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::vocabulary::{Category, CategorySet, Purpose, Sensitivity, SensitivitySet};

use super::decision::{Decision, Flag, Reason, Step, Trace, Verdict, View};
use super::facts::{Facts, OrganisationCode};
use super::rules::Rule;
use super::settings::Settings;

/// What a rule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ruling {
    /// Look at the next rule.
    Pass,
    /// Yes, and no further rule is looked at.
    Settled,
    /// No, and no further rule is looked at.
    Deny(Reason),
}

/// A decision in the making.
pub(super) struct Draft {
    pub(super) categories: CategorySet,
    pub(super) sensitivities: SensitivitySet,
    pub(super) hide_gp_sourced: bool,
    pub(super) withheld_notice: bool,
    hidden_sources: Vec<OrganisationCode>,
    break_glass: bool,
    flags: BTreeSet<Flag>,
    used: Vec<(&'static str, Cow<'static, str>)>,
    added: Vec<Flag>,
    steps: Vec<Step>,
}

impl Draft {
    pub(super) fn new() -> Self {
        Self {
            categories: CategorySet::EMPTY,
            sensitivities: SensitivitySet::EMPTY.with(Sensitivity::Normal),
            hide_gp_sourced: false,
            withheld_notice: false,
            hidden_sources: Vec::new(),
            break_glass: false,
            flags: BTreeSet::new(),
            used: Vec::new(),
            added: Vec::new(),
            steps: Vec::with_capacity(12),
        }
    }

    /// Notes a fact the rule used.
    pub(super) fn used(&mut self, name: &'static str, value: impl Into<Cow<'static, str>>) {
        if self.used.iter().all(|(known, _)| *known != name) {
            self.used.push((name, value.into()));
        }
    }

    /// Notes a yes-or-no fact the rule used.
    pub(super) fn used_truth(&mut self, name: &'static str, value: bool) {
        self.used(name, if value { "yes" } else { "no" });
    }

    /// Marks the audit entry.
    pub(super) fn flag(&mut self, flag: Flag) {
        if self.flags.insert(flag) {
            self.added.push(flag);
        }
    }

    /// The answer, if it is yes, is break-glass: marked, and reviewed.
    pub(super) fn override_with(&mut self, flag: Flag) {
        self.break_glass = true;
        self.flag(flag);
        self.flag(Flag::ReviewRequired);
    }

    /// Holds back all that came from one source.
    pub(super) fn hide_source(&mut self, source: &OrganisationCode) {
        if !self.hidden_sources.contains(source) {
            self.hidden_sources.push(source.clone());
        }
        self.withheld_notice = true;
    }

    /// Notes that protected items are held back, where that leaves a sign (rule 11).
    pub(super) fn note_protected(&mut self, facts: &Facts) {
        let present = facts.sensitivity_present;
        self.withheld_notice |=
            present.contains(Sensitivity::RcgpSensitive) || present.contains(Sensitivity::Sealed);
    }

    /// Writes the step of a rule that has spoken.
    pub(super) fn close_step(&mut self, rule: &Rule, ruling: Ruling) {
        let mut outcome = match ruling {
            Ruling::Pass => "passed".to_owned(),
            Ruling::Settled => "settled".to_owned(),
            Ruling::Deny(reason) => format!("denied {}", reason.code()),
        };
        for flag in self.added.drain(..) {
            outcome.push_str(" +");
            outcome.push_str(flag.code());
        }
        self.steps.push(Step {
            number: rule.number,
            rule: rule.name,
            facts: std::mem::take(&mut self.used),
            outcome,
        });
    }

    /// The answer yes.
    pub(super) fn allow(mut self, facts: &Facts, settings: &Settings) -> Decision {
        if facts.patient.pds_restricted && !shows_own_record(facts) {
            self.categories = self.categories.without(Category::Location);
        }
        let view = View {
            categories: self.categories,
            sensitivities: self.sensitivities,
            hide_gp_sourced: self.hide_gp_sourced,
            hidden_sources: self
                .hidden_sources
                .iter()
                .filter_map(OrganisationCode::source)
                .collect(),
            registered_practice: facts.viewer_is_registered_practice(),
            only_source: None,
        };
        let gp = self.hide_gp_sourced.then(|| "gp".to_owned());
        let others = self
            .hidden_sources
            .iter()
            .map(|source| source.as_str().to_owned());
        Decision {
            hidden_sources: gp.into_iter().chain(others).collect(),
            withheld_notice: self.withheld_notice,
            trace: self.trace(settings, Reason::Ok),
            verdict: if self.break_glass {
                Verdict::BreakGlass(view)
            } else {
                Verdict::Allow(view)
            },
            audit_flags: self.flags,
        }
    }

    /// The answer no: nothing is shown, not even that something is held back.
    pub(super) fn deny(mut self, settings: &Settings, reason: Reason) -> Decision {
        self.flags.insert(Flag::DeniedAttempt);
        if self.flags.contains(&Flag::HeightenedMonitoring) {
            self.flags.insert(Flag::ReviewRequired);
        }
        Decision {
            hidden_sources: Vec::new(),
            withheld_notice: false,
            trace: self.trace(settings, reason),
            verdict: Verdict::Deny(reason),
            audit_flags: self.flags,
        }
    }

    fn trace(&mut self, settings: &Settings, reason: Reason) -> Trace {
        Trace {
            settings: settings.summary(),
            steps: std::mem::take(&mut self.steps),
            would_change: super::explain::would_change(reason),
        }
    }
}

/// A person may see their own protected address; nobody else may, whatever the purpose.
fn shows_own_record(facts: &Facts) -> bool {
    facts.purpose == Some(Purpose::SelfView)
}
