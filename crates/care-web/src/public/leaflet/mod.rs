//! The leaflet: the same claims in every language, each claim one sentence of a language file, with
//! phone numbers, addresses and dates from the deployment's content file. Web page and PDF are made
//! from the same value, so they cannot say different things.
//!
//! A language file can say a claim in other words; it cannot leave one out or make a new one. What
//! each claim rests on in the product is in `tests/journeys/claims.rs`.

pub(super) mod pages;
pub(super) mod sentence;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::{Context, bail};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::content::{Content, SignedOff};
use crate::documents::{self, DocumentError};
use sentence::Part;

pub use pages::router;

include!(concat!(env!("OUT_DIR"), "/leaflets.rs"));

/// The language everything was first written in.
pub const FIRST: &str = "en";
/// The Easy Read leaflet's "language".
pub const EASY: &str = "en-easy";

/// Sections in order, each with its claims in order. An `*` before a claim makes it an item of a list.
/// The second name of an entry is the picture of Easy Read.
const SECTIONS: &[(&str, &[(&str, &str)])] = &[
    (
        "what",
        &[
            ("before", "notes"),
            ("started", "calendar"),
            ("shared", "computer"),
            ("staff", "people"),
            ("read-only", "eye"),
            ("better", "tick"),
        ],
    ),
    (
        "who",
        &[
            ("only-care", "people"),
            ("by-job", "badge"),
            ("ask", "talk"),
            ("recorded", "notes"),
            ("see-list", "eye"),
            ("not-recognise", "question"),
        ],
    ),
    (
        "choice",
        &[
            ("yes", "choice"),
            ("no-effect", "lock"),
            ("at-once", "clock"),
            ("care-goes-on", "heart"),
            ("change-mind", "choice"),
            ("*how-online", "computer"),
            ("*how-phone", "phone"),
            ("*how-post", "letter"),
        ],
    ),
    (
        "national",
        &[
            ("review", "notes"),
            ("since", "calendar"),
            ("*use-planning", "building"),
            ("*use-research", "research"),
            ("separate", "choice"),
            ("left-out", "tick"),
            ("*national-online", "computer"),
            ("*national-phone", "phone"),
            ("*national-post", "letter"),
        ],
    ),
    (
        "exceptional",
        &[
            ("*legal-duty", "law"),
            ("*public-interest", "shield"),
            ("*serious-harm", "warning"),
            ("guardian", "badge"),
            ("exception-recorded", "notes"),
        ],
    ),
    (
        "more",
        &[
            ("website", "computer"),
            ("formats", "letter"),
            ("emergency", "warning"),
        ],
    ),
];

/// A language file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct LanguageFile {
    /// The code: `cy`.
    language: String,
    /// Its name in the language itself.
    name: String,
    /// Its name in English.
    english: String,
    words: Words,
    /// Headings by section.
    heading: BTreeMap<String, String>,
    /// Sentences by claim.
    say: BTreeMap<String, String>,
    /// What values of the content file are called in this language.
    #[serde(default)]
    same: BTreeMap<String, String>,
}

/// The fixed words of a leaflet.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    title: String,
    contents: String,
    reviewed: String,
    phone: String,
    relay: String,
    bsl: String,
    email: String,
    post: String,
    /// What the link to the PDF says.
    pdf: String,
    /// What the link to the large print PDF says.
    large: String,
    /// "Machine-assisted, to be checked by a person"; empty in the first language.
    machine: String,
}

/// One leaflet, ready to be drawn or printed.
#[derive(Debug, Clone, Serialize)]
pub struct Leaflet {
    /// Its code.
    pub code: String,
    /// The code of the language it is in: Easy Read is in English.
    pub language: String,
    /// `ltr` or `rtl`.
    pub direction: &'static str,
    /// Its name in the language itself.
    pub name: String,
    /// Its name in English.
    pub english: String,
    /// The title.
    pub title: String,
    words: Words,
    /// Said at the top until a person signed the translation off.
    pub machine: Option<String>,
    /// Who signed it off, and when.
    pub signed: Option<SignedOff>,
    /// With pictures.
    pub easy: bool,
    /// The day of the last review, in this language.
    pub reviewed: String,
    sections: Vec<Section>,
    contact: Vec<(String, Vec<Part>)>,
    /// First 16 digits of the SHA-256 of its language file: what a sign-off names.
    pub text: String,
}

#[derive(Debug, Clone, Serialize)]
struct Section {
    id: &'static str,
    heading: String,
    claims: Vec<Claim>,
}

#[derive(Debug, Clone, Serialize)]
struct Claim {
    claim: &'static str,
    item: bool,
    picture: &'static str,
    parts: Vec<Part>,
}

/// The leaflets of a deployment.
#[derive(Debug, Default)]
pub struct Leaflets {
    all: Vec<Leaflet>,
    printed: Mutex<Printed>,
}

/// PDFs that were made, by language and whether the print is large.
type Printed = HashMap<(String, bool), Arc<Vec<u8>>>;

impl Leaflets {
    /// The leaflets the program carries, each replaced by the file of the same name in `folder` where
    /// there is one, and those that `folder` adds. `site` is the address of the website.
    pub fn open(content: &Content, folder: Option<&Path>, site: &str) -> anyhow::Result<Self> {
        let mut texts: BTreeMap<String, String> = LANGUAGES
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect();
        if let Some(folder) = folder.filter(|folder| folder.is_dir()) {
            own_files(folder, &mut texts)?;
        }
        let values = content.values(site);
        let mut all = Vec::new();
        for (name, text) in &texts {
            let leaflet = Leaflet::read(text, content, &values)
                .with_context(|| format!("the leaflet {name}"))?;
            all.push(leaflet);
        }
        all.sort_by(|a, b| a.english.cmp(&b.english));
        for signed in &content.signed_off {
            let Some(leaflet) = all.iter().find(|one| one.code == signed.language) else {
                bail!(
                    "signed_off names the language {}, of which there is no leaflet",
                    signed.language
                );
            };
            if leaflet.text != signed.text {
                bail!(
                    "the leaflet {} was changed after {} signed it off (its text is now {}): have it \
                     checked again, or take the sign-off out of the content file",
                    signed.language,
                    signed.by,
                    leaflet.text
                );
            }
        }
        Ok(Self {
            all,
            printed: Mutex::default(),
        })
    }

    /// Every leaflet, by its English name.
    pub fn all(&self) -> &[Leaflet] {
        &self.all
    }

    /// The leaflet of this code.
    pub fn get(&self, code: &str) -> Option<&Leaflet> {
        self.all.iter().find(|one| one.code == code)
    }

    /// The leaflet as PDF; made once.
    pub fn pdf(&self, leaflet: &Leaflet, large: bool) -> Result<Arc<Vec<u8>>, DocumentError> {
        let key = (leaflet.code.clone(), large);
        if let Some(made) = self
            .printed
            .lock()
            .ok()
            .and_then(|made| made.get(&key).cloned())
        {
            return Ok(made);
        }
        let made = Arc::new(leaflet.pdf(large)?);
        if let Ok(mut printed) = self.printed.lock() {
            printed.insert(key, made.clone());
        }
        Ok(made)
    }
}

/// Reads the `.toml` files of a deployment's folder over those the program carries.
fn own_files(folder: &Path, texts: &mut BTreeMap<String, String>) -> anyhow::Result<()> {
    let listed = std::fs::read_dir(folder)
        .with_context(|| format!("the folder {} cannot be read", folder.display()))?;
    for entry in listed {
        let path = entry.context("a file of the folder cannot be read")?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name.ends_with(".toml") {
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("{} cannot be read", path.display()))?;
            texts.insert(name, text);
        }
    }
    Ok(())
}

impl Leaflet {
    fn read(text: &str, content: &Content, values: &HashMap<&str, String>) -> anyhow::Result<Self> {
        let file: LanguageFile =
            toml::from_str(text).context("the file is not as content/leaflet/en.toml is")?;
        file.complete()?;
        let easy = file.language == EASY;
        let language = if easy { FIRST } else { file.language.as_str() };
        let values: HashMap<&str, String> = values
            .iter()
            .map(|(name, value)| (*name, file.same.get(value).unwrap_or(value).clone()))
            .collect();
        let sections = SECTIONS
            .iter()
            .map(|(id, claims)| file.section(id, claims, &values))
            .collect::<anyhow::Result<Vec<Section>>>()?;
        let digest = Sha256::digest(text.replace('\r', "").as_bytes());
        let signed = content
            .signed_off
            .iter()
            .find(|one| one.language == file.language);
        let is_first = language == FIRST;
        Ok(Self {
            code: file.language.clone(),
            language: language.to_owned(),
            direction: direction(language),
            title: file.words.title.clone(),
            machine: (!is_first && signed.is_none()).then(|| file.words.machine.clone()),
            signed: signed.cloned(),
            easy,
            reviewed: if is_first {
                content.review.last.clone()
            } else {
                in_figures(&content.review.last)
            },
            contact: file.contact(content, &values),
            name: file.name,
            english: file.english,
            words: file.words,
            sections,
            text: digest[..8]
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
        })
    }

    fn pdf(&self, large: bool) -> Result<Vec<u8>, DocumentError> {
        let data = serde_json::json!({
            "title": self.title,
            "language": self.language,
            "large_print": large,
            "foot": format!("Connect Care. {} {}", self.words.reviewed, self.reviewed),
            "leaflet": self,
        });
        documents::pdf("leaflet.typ", &data)
    }
}

impl LanguageFile {
    /// Every heading and claim is there, and nothing beside them: no claim without evidence.
    fn complete(&self) -> anyhow::Result<()> {
        let claims: Vec<&str> = SECTIONS
            .iter()
            .flat_map(|(_, claims)| claims.iter())
            .map(|(claim, _)| bare(claim))
            .collect();
        for claim in &claims {
            if !self.say.contains_key(*claim) {
                bail!("[say] misses the claim {claim:?}; content/leaflet/en.toml has it");
            }
        }
        if let Some(more) = self
            .say
            .keys()
            .find(|claim| !claims.contains(&claim.as_str()))
        {
            bail!(
                "[say] makes the claim {more:?}, which no test ties to the product: take it out, or add it to \
                 the leaflet's sections with its evidence"
            );
        }
        if let Some((id, _)) = SECTIONS
            .iter()
            .find(|(id, _)| !self.heading.contains_key(*id))
        {
            bail!("[heading] misses {id:?}");
        }
        if self.language.split('-').next() != Some(FIRST) && self.words.machine.is_empty() {
            bail!("words.machine must say in this language that the translation is to be checked");
        }
        Ok(())
    }

    fn section(
        &self,
        id: &'static str,
        claims: &'static [(&str, &str)],
        values: &HashMap<&str, String>,
    ) -> anyhow::Result<Section> {
        let claims = claims.iter().map(|(claim, picture)| {
            let name = bare(claim);
            let text = self.say.get(name).map(String::as_str).unwrap_or_default();
            let labelled = name.starts_with("how-") || name.starts_with("national-");
            Ok(Claim {
                claim: name,
                item: claim.starts_with('*'),
                picture,
                parts: sentence::fill(text, values, labelled)
                    .with_context(|| format!("the claim {name:?}"))?,
            })
        });
        Ok(Section {
            id,
            heading: self.heading.get(id).cloned().unwrap_or_default(),
            claims: claims.collect::<anyhow::Result<Vec<Claim>>>()?,
        })
    }

    /// How to reach the team: a label and a value a line.
    fn contact(
        &self,
        content: &Content,
        values: &HashMap<&str, String>,
    ) -> Vec<(String, Vec<Part>)> {
        let bsl = self
            .same
            .get(&content.contact.bsl)
            .unwrap_or(&content.contact.bsl);
        let value = |name: &str| values.get(name).cloned().unwrap_or_default();
        vec![
            (
                self.words.phone.clone(),
                vec![
                    Part::number(value("phone")),
                    Part::text(format!(" ({})", value("hours"))),
                ],
            ),
            (self.words.relay.clone(), vec![Part::number(value("relay"))]),
            (self.words.bsl.clone(), vec![Part::text(bsl.clone())]),
            (self.words.email.clone(), vec![Part::number(value("email"))]),
            (self.words.post.clone(), vec![Part::latin(value("address"))]),
        ]
    }
}

fn bare(claim: &'static str) -> &'static str {
    claim.trim_start_matches('*')
}

/// Scripts that run from right to left, of the languages somebody might add.
fn direction(language: &str) -> &'static str {
    match language.split('-').next() {
        Some("ar" | "fa" | "he" | "ku" | "ps" | "ur") => "rtl",
        _ => "ltr",
    }
}

/// "23 November 2026" as 23/11/2026; anything else as it is.
fn in_figures(day: &str) -> String {
    Date::strptime("%d %B %Y", day)
        .map(|day| day.strftime("%d/%m/%Y").to_string())
        .unwrap_or_else(|_| day.to_owned())
}

#[cfg(test)]
mod tests;
