//! A decision with its trace, for somebody who asks why. Nothing of the record is shown, and the
//! asking is an act with its entry.

use care_core::access::{Outcome as Decided, explain_to_staff};
use care_core::audit::Act;
use care_core::vocabulary::NhsNumber;

use super::asking::{Stated, Why};
use super::{Answer, Disclosed, Disclosure, DisclosureError, decided_entry};
use crate::caller::Caller;

/// A decision, told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// Whether something may be seen.
    pub allowed: bool,
    /// The code of the reason, `ok` where allowed.
    pub reason: String,
    /// Audit flags.
    pub flags: Vec<String>,
    /// Category codes that may be seen.
    pub categories: Vec<String>,
    /// The rules looked at in order, with the facts each used.
    pub trace: Vec<String>,
    /// The same in words, for staff.
    pub words: String,
}

impl Disclosure {
    /// What the rules would say to this caller about this person now, and why.
    pub fn explain(
        &self,
        caller: &Caller,
        stated: &Stated,
        number: NhsNumber,
    ) -> Answer<Disclosed<Explained>> {
        let person = self.holder(number)?.ok_or(DisclosureError::NotThere)?;
        let asked = Why::Stated(stated.clone()).asked(caller.user.role);
        let gathered = self.gather(caller, person, &asked)?;
        let mut entry = decided_entry(self.now(), Act::Admin, caller, &gathered);
        entry.page = "access explain".to_owned();
        let explained = Explained {
            allowed: gathered.decision.outcome() != Decided::Deny,
            reason: entry.reason.clone(),
            flags: entry.flags.clone(),
            categories: entry.categories.clone(),
            trace: gathered.decision.trace().lines(),
            words: explain_to_staff(&gathered.decision),
        };
        self.disclose(Vec::new(), entry, explained)
    }
}
