//! The words of one deployment that must not disagree: one TOML file, read once at the start.

use std::collections::HashMap;
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// The file the program carries: the demonstration's.
const SHIPPED: &str = include_str!("../../content/demonstration.toml");

/// What the public pages say of a deployment.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// The service's name.
    pub name: String,
    /// Where it serves.
    pub area: String,
    /// The year it began.
    pub started: u16,
    /// Who is responsible for the data.
    pub responsible: String,
    /// How to reach the team.
    pub contact: Contact,
    /// The national data opt-out.
    pub national: National,
    /// Whom to complain to after us.
    pub regulator: Regulator,
    /// What the deployment decided.
    pub policy: Policy,
    /// When the pages were looked at.
    pub review: Review,
    /// Translations that a person checked.
    #[serde(default)]
    pub signed_off: Vec<SignedOff>,
    /// Work that is planned, and what went wrong before: shown on the service status page.
    #[serde(default)]
    pub service: Vec<ServiceNotice>,
}

/// A translation of the leaflet that a person checked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedOff {
    /// The code of the language.
    pub language: String,
    /// Who checked it.
    pub by: String,
    /// When.
    pub on: String,
    /// Which text: `connect-care content languages` prints it. Another text needs another check.
    pub text: String,
}

/// Something people are told about the service itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceNotice {
    /// When it begins, or began: `2026-12-01 02:00`, London time.
    pub from: String,
    /// When it ends, or ended.
    pub until: String,
    /// What people notice.
    pub what: String,
}

/// How to reach the team.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contact {
    /// Its name.
    pub team: String,
    /// Phone.
    pub phone: String,
    /// When somebody answers.
    pub hours: String,
    /// Email.
    pub email: String,
    /// The number for text relay.
    pub relay: String,
    /// How somebody who uses British Sign Language reaches the team.
    pub bsl: String,
    /// Postal address, a part a line.
    pub address: Vec<String>,
    /// Where complaints go.
    pub complaints: String,
    /// Within how many working days a case is answered.
    pub reply_days: u16,
}

/// The national data opt-out.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct National {
    /// Phone.
    pub phone: String,
    /// When somebody answers.
    pub hours: String,
    /// The address of the online service.
    pub address_online: String,
    /// Where the paper form goes, a part a line.
    pub address: Vec<String>,
}

/// Whom to complain to after us.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Regulator {
    /// Its name.
    pub name: String,
    /// Its phone.
    pub phone: String,
}

/// What the deployment decided.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// "Who has looked" names members of staff.
    pub show_staff_names: bool,
    /// How long the access log is kept.
    pub log_kept: String,
}

/// When the pages were looked at.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Review {
    /// Last.
    pub last: String,
    /// Next.
    pub next: String,
    /// When accessibility was tested.
    pub tested: String,
}

impl Content {
    /// The content of this file, or the one the program carries.
    pub fn open(file: Option<&Path>) -> anyhow::Result<Self> {
        let Some(file) = file else {
            return Self::read(SHIPPED);
        };
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("the content file {} cannot be read", file.display()))?;
        Self::read(&text).with_context(|| format!("the content file {}", file.display()))
    }

    /// What the sentences of the leaflet may put in, by name. `site` is the address of the website.
    pub fn values(&self, site: &str) -> HashMap<&'static str, String> {
        HashMap::from([
            ("name", self.name.clone()),
            ("area", self.area.clone()),
            ("started", self.started.to_string()),
            ("site", site.trim_end_matches('/').to_owned()),
            ("phone", self.contact.phone.clone()),
            ("hours", self.contact.hours.clone()),
            ("relay", self.contact.relay.clone()),
            ("bsl", self.contact.bsl.clone()),
            ("reply-days", self.contact.reply_days.to_string()),
            ("email", self.contact.email.clone()),
            ("address", one_line(&self.contact.address)),
            ("national-phone", self.national.phone.clone()),
            ("national-hours", self.national.hours.clone()),
            ("national-online", self.national.address_online.clone()),
            ("national-address", one_line(&self.national.address)),
        ])
    }

    fn read(text: &str) -> anyhow::Result<Self> {
        toml::from_str(text).context(
            "the content of the public pages is not complete; see content/demonstration.toml",
        )
    }
}

/// An address in one line, its postcode never broken.
fn one_line(address: &[String]) -> String {
    let Some((postcode, lines)) = address.split_last() else {
        return String::new();
    };
    let postcode = postcode.replace(' ', "\u{a0}");
    let parts: Vec<&str> = lines
        .iter()
        .map(String::as_str)
        .chain([postcode.as_str()])
        .collect();
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_phone_number_of_the_content_is_the_programmes_in_the_directory() {
        let content = Content::open(None).expect("it reads");
        let programme = care_synthetic::organisations()
            .iter()
            .find(|one| one.kind == "programme")
            .expect("a programme");
        assert_eq!(content.contact.phone, programme.phone);
        assert_eq!(content.contact.relay, format!("18001 {}", programme.phone));
    }

    #[test]
    fn a_content_file_that_misses_something_is_refused() {
        let without = SHIPPED.replace("hours =", "house =");
        assert!(Content::read(&without).is_err());
    }
}
