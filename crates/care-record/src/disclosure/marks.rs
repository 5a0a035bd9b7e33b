//! Marks of a person that no delivery carries: a watched record, a source that does not answer for
//! this person. Each is an act with its entry.

use care_core::audit::{Act, Entry, Outcome};
use care_core::vocabulary::{NhsNumber, SourceCode};
use jiff::Timestamp;

use super::gather::WATCHED;
use super::{Answer, Disclosed, Disclosure, DisclosureError};
use crate::store::Change;

/// The flag that says since when a source does not answer for this person.
pub(super) fn unavailable_flag(source: &SourceCode) -> String {
    format!("unavailable:{source}")
}

impl Disclosure {
    /// Marks a record as watched, on the word of `by`.
    pub fn watch(&self, number: NhsNumber, by: &str) -> Answer<Disclosed<()>> {
        self.mark(
            number,
            by,
            WATCHED.to_owned(),
            Some("yes".to_owned()),
            "the record is watched",
        )
    }

    /// Says that a source has not answered for this person since a moment, or (`None`) that it
    /// answers again. Every section it supplies says so until then (N3).
    pub fn source_unavailable(
        &self,
        number: NhsNumber,
        source: &SourceCode,
        since: Option<Timestamp>,
        by: &str,
    ) -> Answer<Disclosed<()>> {
        let said = match since {
            Some(_) => format!("{source} does not answer for this person"),
            None => format!("{source} answers for this person again"),
        };
        self.mark(
            number,
            by,
            unavailable_flag(source),
            since.map(|at| at.to_string()),
            &said,
        )
    }

    fn mark(
        &self,
        number: NhsNumber,
        by: &str,
        flag: String,
        value: Option<String>,
        said: &str,
    ) -> Answer<Disclosed<()>> {
        let person = self.holder(number)?.ok_or(DisclosureError::NotThere)?;
        let mut entry = Entry::new(self.now(), Act::Admin, Outcome::Success, by);
        entry.person = Some(person);
        entry.detail = said.to_owned();
        self.disclose(
            vec![Change::PersonFlag {
                person,
                flag,
                value,
            }],
            entry,
            (),
        )
    }
}
