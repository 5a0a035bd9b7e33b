//! Forms that wait while their sender logs in again or confirms who they are (state S18): nothing typed
//! is lost. Kept in memory for ten minutes, for the same user only.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::extract::{Path, State};
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::session::{Session, digest_of, random_text};
use super::step_up;
use crate::components::{Frame, Head, page, see_other, shown};
use crate::problem::Problem;
use crate::state::{AppState, Shared};

const MINUTES: i64 = 10;
/// Each is at most as long as a form may be.
const AT_MOST: usize = 500;

/// A form that waits.
#[derive(Clone)]
pub(super) struct KeptForm {
    pub user: String,
    /// Where it was sent.
    pub path: String,
    /// Its fields, without the session's secret.
    pub fields: Vec<(String, String)>,
    pub kept_at: Timestamp,
    pub until: Timestamp,
}

/// The hidden field that says which kept form is sent.
const KEPT: &str = "kept";

/// The forms that wait, by a digest of the address they wait under.
#[derive(Default)]
pub(super) struct KeptForms(Mutex<HashMap<String, KeptForm>>);

impl KeptForms {
    fn put(&self, key: String, form: KeptForm, now: Timestamp) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, one| one.until > now);
        if all.len() < AT_MOST {
            all.insert(key, form);
        }
    }

    fn forget(&self, key: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(key);
    }

    fn get(&self, key: &str, now: Timestamp) -> Option<KeptForm> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(key).filter(|one| one.until > now).cloned()
    }
}

impl AppState {
    /// Keeps a form of this user and gives the id it waits under.
    pub(super) fn keep_form(&self, user: &str, path: &str, body: &[u8]) -> Result<String, Problem> {
        let id = random_text()?;
        let now = self.clock.now();
        let fields = form_urlencoded::parse(body)
            .filter(|(name, _)| name != "csrf" && name != KEPT)
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        let form = KeptForm {
            user: user.to_owned(),
            path: path.to_owned(),
            fields,
            kept_at: now,
            until: now
                .saturating_add(SignedDuration::from_mins(MINUTES))
                .unwrap_or(now),
        };
        self.signin.kept_forms.put(digest_of(&id), form, now);
        Ok(id)
    }

    /// This is a form that was kept, and its sender confirmed who they are since: taken once.
    pub(super) fn was_confirmed(&self, session: &Session, path: &str, body: &[u8]) -> bool {
        let id = form_urlencoded::parse(body).find(|(name, _)| name == KEPT);
        let Some((_, id)) = id else { return false };
        let form = self.kept_form(&session.user.id, &id);
        let confirmed =
            form.is_some_and(|form| form.path == path && session.confirmed >= form.kept_at);
        if confirmed {
            self.signin.kept_forms.forget(&digest_of(&id));
        }
        confirmed
    }

    pub(super) fn kept_form(&self, user: &str, id: &str) -> Option<KeptForm> {
        self.signin
            .kept_forms
            .get(&digest_of(id), self.clock.now())
            .filter(|form| form.user == user)
    }
}

#[derive(Serialize)]
struct Field {
    name: String,
    value: String,
}

/// `GET /staff/kept/{id}`: the answers are there; send them now.
pub async fn show(
    State(state): State<Shared>,
    session: Session,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let Some(form) = state.kept_form(&session.user.id, &id) else {
        return Ok(see_other("/staff/find?notice=ended"));
    };
    let fields: Vec<Field> = form
        .fields
        .into_iter()
        .map(|(name, value)| Field { name, value })
        .collect();
    let shown = shown! {
        id,
        fields,
        path => form.path,
        what => step_up::what(&form.path).unwrap_or("go on where you were"),
    };
    let head = Head::new("Your answers were kept", "login");
    page("kept.html", &head, Some(&Frame::of(&session)), shown)
}
