//! The part of the configuration about the pages of patients and of those who act for them.

use std::path::PathBuf;

use care_record::ProxyPolicy;
use serde::{Deserialize, Serialize};

use super::Fault;

/// What a deployment decides about the portal.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Portal {
    /// People may take a copy of the health information itself, as FHIR.
    pub clinical_copy: bool,
    /// What came in so many days or less is left out of that copy, so that nobody reads a result before
    /// somebody could talk to them about it (hazard H35).
    pub clinical_delay_days: u32,
    /// Parents and young people.
    pub parents: Parents,
    /// How messages to people are sent; left out, they stand on the person's page only.
    pub notices: Notices,
}

impl Default for Portal {
    fn default() -> Self {
        Self {
            clinical_copy: false,
            clinical_delay_days: 14,
            parents: Parents::default(),
            notices: Notices::default(),
        }
    }
}

/// What a deployment decides about parents and young people.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Parents {
    /// From this age a parent's access needs a review.
    pub review_from_years: u32,
    /// How many days a review is in force.
    pub review_days: u32,
    /// From this age young people count as able to decide for themselves; left out, only those whom
    /// somebody judged able.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub competent_from_years: Option<u32>,
}

impl Default for Parents {
    fn default() -> Self {
        let policy = ProxyPolicy::default();
        Self {
            review_from_years: policy.review_from_years,
            review_days: policy.review_days,
            competent_from_years: policy.competent_from_years,
        }
    }
}

/// How messages to people are sent: at most one way.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Notices {
    /// A program with its arguments; it gets one message as JSON on its standard input, and says with
    /// exit code 0 that it was taken.
    pub command: Vec<String>,
    /// A directory in which each message becomes a file of JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
    /// An address that takes each message as JSON by POST, and answers with a status of 200 to 299.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
}

impl Notices {
    /// Some way is configured.
    pub fn any(&self) -> bool {
        !self.command.is_empty() || self.folder.is_some() || self.webhook.is_some()
    }
}

impl Portal {
    /// The same as the record takes it.
    pub fn proxy_policy(&self) -> ProxyPolicy {
        ProxyPolicy {
            review_from_years: self.parents.review_from_years,
            review_days: self.parents.review_days,
            competent_from_years: self.parents.competent_from_years,
        }
    }

    pub(super) fn faults(&self, faults: &mut Vec<Fault>) {
        let mut fault = |key: &str, what: &str, why: &str, mend: &str| {
            faults.push(Fault {
                key: key.into(),
                what: what.into(),
                why: why.into(),
                mend: mend.into(),
            });
        };
        let parents = &self.parents;
        if !(1..=13).contains(&parents.review_from_years) {
            fault(
                "portal.parents.review_from_years",
                "is not between 1 and 13",
                "a young person's parent would look for years without anybody asking",
                "11 is the default",
            );
        }
        if !(1..=730).contains(&parents.review_days) {
            fault(
                "portal.parents.review_days",
                "is not between 1 and 730",
                "a review would never lapse, or lapse at once",
                "365 is the default",
            );
        }
        if parents
            .competent_from_years
            .is_some_and(|age| !(11..=15).contains(&age))
        {
            fault(
                "portal.parents.competent_from_years",
                "is not between 11 and 15",
                "small children do not decide alone, and from 16 everybody does",
                "leave it out, or give 13",
            );
        }
        let ways = [
            !self.notices.command.is_empty(),
            self.notices.folder.is_some(),
            self.notices.webhook.is_some(),
        ];
        if ways.iter().filter(|way| **way).count() > 1 {
            fault(
                "portal.notices",
                "names several ways",
                "people would get each message several times",
                "keep one of command, folder and webhook",
            );
        }
        let local = |address: &String| {
            address.starts_with("http://127.0.0.1") || address.starts_with("http://localhost")
        };
        if self
            .notices
            .webhook
            .as_ref()
            .is_some_and(|address| !address.starts_with("https://") && !local(address))
        {
            fault(
                "portal.notices.webhook",
                "does not begin with https://",
                "email addresses and phone numbers would cross the network unprotected",
                "give an https address, or one on this machine",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsafe_settings_of_the_portal_are_named() {
        let faults = |text: &str| {
            let portal: Portal = toml::from_str(text).expect("it reads");
            let mut faults = Vec::new();
            portal.faults(&mut faults);
            faults.iter().map(|one| one.key.clone()).collect::<Vec<_>>()
        };
        assert!(faults("").is_empty());
        for (text, key) in [
            (
                "[parents]\nreview_from_years = 15",
                "portal.parents.review_from_years",
            ),
            ("[parents]\nreview_days = 0", "portal.parents.review_days"),
            (
                "[parents]\ncompetent_from_years = 9",
                "portal.parents.competent_from_years",
            ),
            (
                "[notices]\nfolder = \"a\"\nwebhook = \"https://example.org\"",
                "portal.notices",
            ),
            (
                "[notices]\nwebhook = \"http://example.org\"",
                "portal.notices.webhook",
            ),
        ] {
            assert_eq!(faults(text), [key], "{text}");
        }
    }
}
