//! LookFigures about looks for the reports: counted from the log, naming nobody.

use std::collections::BTreeMap;

use care_core::audit::{Act, Entry, Outcome};
use jiff::Timestamp;

use super::{Answer, Reviews};
use crate::caller::Caller;
use crate::store::Commit;

/// Entries read at a time, and at most for one report.
const AT_ONCE: u32 = 2_000;
const AT_MOST: usize = 400_000;

/// What was counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LookFigures {
    /// Records opened, by organisation code and role code.
    pub opened: BTreeMap<(String, String), u64>,
    /// Of these, in an emergency.
    pub emergencies: BTreeMap<(String, String), u64>,
    /// Choices recorded, by channel.
    pub choices: BTreeMap<String, u64>,
    /// There were more entries than are counted: the figures begin here.
    pub counted_from: Option<Timestamp>,
}

impl LookFigures {
    /// Emergencies for each thousand records opened; `None` where nothing was opened.
    pub fn emergencies_per_thousand(&self) -> Option<f64> {
        let opened: u64 = self.opened.values().sum();
        let emergencies: u64 = self.emergencies.values().sum();
        (opened > 0).then(|| 1000.0 * emergencies as f64 / opened as f64)
    }

    fn take(&mut self, entry: &Entry) {
        if entry.outcome != Outcome::Success {
            return;
        }
        match entry.act {
            Act::OpenVisit => {
                let key = (entry.organisation.clone(), entry.role.clone());
                let has = |flag: &str| entry.flags.iter().any(|one| one == flag);
                if has("break-glass-emergency") || has("objection-overridden-emergency") {
                    *self.emergencies.entry(key.clone()).or_default() += 1;
                }
                *self.opened.entry(key).or_default() += 1;
            }
            Act::Choice => {
                let channel = entry
                    .detail
                    .split_once(" through ")
                    .and_then(|(_, rest)| rest.split([' ', ';', ',']).next());
                let channel = channel.unwrap_or("not said").to_owned();
                *self.choices.entry(channel).or_default() += 1;
            }
            _ => {}
        }
    }
}

impl Reviews {
    /// Counts from one moment until another. The counting is an entry.
    pub fn figures(
        &self,
        caller: &Caller,
        from: Timestamp,
        until: Timestamp,
    ) -> Answer<LookFigures> {
        let mut told = Entry::new(self.now(), Act::Worklist, Outcome::Success, &caller.user.id);
        told.who_name.clone_from(&caller.user.name);
        told.role = caller.user.role.code().to_owned();
        told.page = "reports".to_owned();
        self.inner.store.commit(Commit {
            changes: Vec::new(),
            entry: told,
            more_entries: Vec::new(),
        })?;
        let mut figures = LookFigures::default();
        let (mut before, mut read) = (None, 0);
        loop {
            let page = self
                .inner
                .store
                .entries_about(None, None, before, AT_ONCE)?;
            let Some((last, _)) = page.last() else {
                return Ok(figures);
            };
            before = Some(*last);
            read += page.len();
            for (_, bytes) in &page {
                let entry: Entry = serde_json::from_slice(bytes)?;
                if entry.at < from {
                    return Ok(figures);
                }
                if entry.at < until {
                    figures.take(&entry);
                }
                if read >= AT_MOST {
                    figures.counted_from = Some(entry.at);
                }
            }
            if figures.counted_from.is_some() {
                return Ok(figures);
            }
        }
    }
}
