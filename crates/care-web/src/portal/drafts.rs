//! Answers given and not yet confirmed: kept in memory for the session, so that nothing is lost on
//! going back and no answer stands in an address. A restart forgets them; nothing was promised yet.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use care_record::Choice;
use jiff::Timestamp;
use serde::Serialize;

/// Most sessions with an unfinished choice.
const AT_MOST: usize = 10_000;

/// The answers of one session.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Draft {
    pub who: String,
    /// Whether the young person agrees: asked from 13.
    pub young: String,
    pub what: String,
    /// What is kept private: `emergency` where staff may look in one; codes of organisations that may
    /// not look, and of sources that are not shown elsewhere.
    pub emergency: bool,
    pub blocked: Vec<String>,
    pub withheld: Vec<String>,
    pub talk: String,
    pub confirm: String,
    pub format: String,
    pub language: String,
    /// What was saved at the end.
    #[serde(skip)]
    pub saved: Option<Saved>,
}

impl Draft {
    /// Whether anything was chosen to be kept private.
    pub fn keeps_something(&self) -> bool {
        self.emergency || !self.blocked.is_empty() || !self.withheld.is_empty()
    }
}

/// A choice that was saved.
#[derive(Debug, Clone)]
pub struct Saved {
    pub reference: String,
    pub at: Timestamp,
    /// As it is kept.
    pub choice: Choice,
    /// It holds as it was made; not where another record of the person says otherwise.
    pub holds: bool,
}

/// Every session's answers.
#[derive(Default)]
pub struct Drafts(Mutex<HashMap<String, Draft>>);

impl Drafts {
    /// The answers of this session so far.
    pub fn get(&self, session: &str) -> Draft {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(session).cloned().unwrap_or_default()
    }

    /// Keeps them. When very many are unfinished, the others are forgotten rather than memory filled.
    pub fn put(&self, session: &str, draft: Draft) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= AT_MOST {
            all.clear();
        }
        all.insert(session.to_owned(), draft);
    }
}
