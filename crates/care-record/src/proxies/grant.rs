//! One grant: what is told of it, and the form in which it is kept.

use care_core::vocabulary::PersonId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Holder, ProxyError};
use crate::caller::User;

/// On what ground somebody acts for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProxyRelationship {
    /// Parental responsibility for a child.
    Parent,
    /// Lasting power of attorney for health and welfare.
    Attorney,
    /// Deputy appointed by the Court of Protection.
    Deputy,
    /// The person chose them.
    Chosen,
}

impl ProxyRelationship {
    /// Every ground.
    pub const ALL: &'static [Self] = &[Self::Parent, Self::Attorney, Self::Deputy, Self::Chosen];

    /// The code in forms and in the log.
    pub fn code(self) -> &'static str {
        match self {
            Self::Parent => "parent",
            Self::Attorney => "attorney",
            Self::Deputy => "deputy",
            Self::Chosen => "chosen",
        }
    }

    /// In plain words: "Parent", "Somebody you chose".
    pub fn words(self) -> &'static str {
        match self {
            Self::Parent => "Parent",
            Self::Attorney => "Attorney for health and welfare",
            Self::Deputy => "Deputy named by a court",
            Self::Chosen => "Somebody the person chose",
        }
    }

    /// Reads a code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|one| one.code() == code)
    }

    /// As a choice says who set it (access model, 8.9): `parental_responsibility` …
    pub fn set_by(self) -> &'static str {
        match self {
            Self::Parent => "parental_responsibility",
            Self::Attorney => "lpa_health_welfare",
            Self::Deputy => "court_deputy",
            Self::Chosen => "informal_carer",
        }
    }
}

/// What a holder may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxyRights {
    /// See who looked, and what is shared.
    pub see_who_looked: bool,
    /// Change the person's choices.
    pub change_choices: bool,
    /// Get a copy.
    pub get_a_copy: bool,
}

impl ProxyRights {
    /// All of them.
    pub const ALL: Self = Self {
        see_who_looked: true,
        change_choices: true,
        get_a_copy: true,
    };

    /// In plain words, in the order of page M5.
    pub fn words(self) -> Vec<&'static str> {
        [
            (self.see_who_looked, "see who looked"),
            (self.change_choices, "change choices"),
            (self.get_a_copy, "get a copy"),
        ]
        .into_iter()
        .filter_map(|(has, words)| has.then_some(words))
        .collect()
    }
}

/// A grant to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewGrant {
    /// Who gets it.
    pub holder: Holder,
    /// Their name, for the person's page.
    pub who: String,
    /// On what ground.
    pub relationship: ProxyRelationship,
    /// What they may do.
    pub rights: ProxyRights,
    /// Until when; `None`: until it is ended.
    pub until: Option<Timestamp>,
    /// The proof held, in words: "Birth certificate seen at the practice".
    pub evidence: String,
}

impl NewGrant {
    pub(super) fn by_provider(user: &User) -> Self {
        Self {
            holder: Holder::user(&user.id),
            who: user.name.clone(),
            relationship: ProxyRelationship::Parent,
            rights: ProxyRights::ALL,
            until: None,
            evidence: "The identity service vouches for it".to_owned(),
        }
    }

    /// Refuses what would let nobody do anything, or what stands on no proof.
    pub(super) fn check(&self) -> Result<(), ProxyError> {
        if self.who.trim().is_empty() {
            return Err(ProxyError::Unclear("Enter the name of the person"));
        }
        if self.rights.words().is_empty() {
            return Err(ProxyError::Unclear("Choose at least one thing they may do"));
        }
        if self.evidence.trim().is_empty() {
            return Err(ProxyError::Unclear("Say what proof was seen"));
        }
        Ok(())
    }
}

/// Somebody who acts, or acted, for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActingFor {
    /// The grant's id.
    pub grant: String,
    /// For whom, by our opaque key.
    pub person: PersonId,
    /// Who acts.
    pub who: String,
    /// On what ground.
    pub relationship: ProxyRelationship,
    /// What they may do.
    pub rights: ProxyRights,
    /// Since when.
    pub since: Timestamp,
    /// Until when, where it ends by itself.
    pub until: Option<Timestamp>,
    /// The proof held.
    pub evidence: String,
    /// When a parent's access was last reviewed.
    pub reviewed_at: Option<Timestamp>,
    /// When it was ended, and by whose user id.
    pub ended: Option<(Timestamp, String)>,
}

impl ActingFor {
    /// Whether it holds at this moment, as far as the grant itself says.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.ended.is_none() && self.until.is_none_or(|until| now < until)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    Live,
    Revoked { at: Timestamp, by: String },
}

/// The kept form. A form this program does not know is an error, which refuses.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    version: u8,
    pub grant: String,
    pub holder: String,
    pub who: String,
    pub relationship: ProxyRelationship,
    pub rights: ProxyRights,
    pub since: Timestamp,
    pub until: Option<Timestamp>,
    pub evidence: String,
    granted_by: String,
    pub reviewed_at: Option<Timestamp>,
    pub state: State,
}

impl Kept {
    pub fn new(grant: &NewGrant, by: &str, now: Timestamp) -> Self {
        let holder = grant.holder.to_string();
        // Opaque, and the same for one holder and moment: it names a line of the page, no secret.
        let mut id = super::holder::digest(&format!("{holder}|{now}"));
        id.truncate(12);
        Self {
            version: 1,
            grant: id,
            holder,
            who: grant.who.trim().to_owned(),
            relationship: grant.relationship,
            rights: grant.rights,
            since: now,
            until: grant.until,
            evidence: grant.evidence.trim().to_owned(),
            granted_by: by.to_owned(),
            reviewed_at: None,
            state: State::Live,
        }
    }

    pub fn holds(&self, now: Timestamp) -> bool {
        self.version == 1 && self.state == State::Live && self.until.is_none_or(|until| now < until)
    }

    pub fn told(self, person: PersonId) -> ActingFor {
        ActingFor {
            grant: self.grant,
            person,
            who: self.who,
            relationship: self.relationship,
            rights: self.rights,
            since: self.since,
            until: self.until,
            evidence: self.evidence,
            reviewed_at: self.reviewed_at,
            ended: match self.state {
                State::Live => None,
                State::Revoked { at, by } => Some((at, by)),
            },
        }
    }
}
