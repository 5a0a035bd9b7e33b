//! Reviews over a record: what supports a look, who may judge it, and what is escalated.

use std::sync::Arc;

use care_core::vocabulary::{Involvement, InvolvementKind, Role, SourceCode};

use super::*;
use crate::store::Change;
use crate::{Clock as _, FixedClock, Options, Record, User};

struct World {
    record: Record,
    clock: Arc<FixedClock>,
    _directory: tempfile::TempDir,
}

fn caller(id: &str, role: Role) -> Caller {
    Caller {
        user: User {
            id: id.to_owned(),
            name: "Priya Officer".to_owned(),
            role,
            organisation: OdsCode::parse("X9G01").expect("a code"),
            can_break_seal: false,
            own_number: None,
            family_numbers: Vec::new(),
        },
        session: "s".to_owned(),
        request: String::new(),
    }
}

fn officer() -> Caller {
    caller("officer", Role::PrivacyOfficer)
}

fn start() -> Timestamp {
    "2026-11-23T10:00:00Z".parse().expect("a moment")
}

const PERSON: PersonId = PersonId(7);

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let clock = Arc::new(FixedClock::at(start()));
        let record = Record::open(Options {
            clock: clock.clone(),
            reserve_bytes: 0,
            watch: false,
            ..Options::new(directory.path())
        })
        .expect("opens");
        let world = Self {
            record,
            clock,
            _directory: directory,
        };
        world.commit(vec![Change::NewPerson { person: PERSON }]);
        world
    }

    fn commit(&self, changes: Vec<Change>) {
        let entry = Entry::new(self.clock.now(), Act::Receive, Outcome::Success, "feed");
        let commit = Commit {
            changes,
            entry,
            more_entries: Vec::new(),
        };
        self.record.inner().store.commit(commit).expect("kept");
    }

    /// A case of a kind about a look of `who` at the person.
    fn case(&self, kind: Kind, who: &str) -> Case {
        let mut look = Entry::new(self.clock.now(), Act::OpenVisit, Outcome::Success, who);
        look.organisation = "X9T01".to_owned();
        look.person = Some(PERSON);
        look.visit = format!("visit-{who}");
        let new = NewCase {
            kind: kind.code().to_owned(),
            person: Some(PERSON),
            about: who.to_owned(),
            detail: crate::disclosure::review::detail(&look, &[kind.code()], "why"),
            ..NewCase::default()
        };
        let system = caller("system", Role::SystemAdmin);
        self.record.casework().open(&system, new).expect("opened")
    }

    fn admitted(&self, starts: Timestamp) {
        self.commit(vec![Change::Involvement {
            event_at: starts,
            person: PERSON,
            source: SourceCode::parse("X9T01").expect("a code"),
            involvement: Involvement {
                kind: InvolvementKind::Inpatient,
                organisation: OdsCode::parse("X9T01").expect("a code"),
                source_key: "stay".to_owned(),
                starts: Some(starts),
                ends: None,
                cancelled: false,
            },
        }]);
    }

    fn reconcile(&self) -> usize {
        let inner = self.record.inner();
        reconcile::round(&*inner.store, self.clock.now(), &inner.review).expect("a round")
    }

    fn later(&self, hours: i64) {
        let then = self.clock.now() + SignedDuration::from_hours(hours);
        self.clock.set(then);
    }

    fn held(&self, case: &Case) -> Case {
        self.record.casework().held(case.number).expect("held")
    }
}

#[test]
fn nobody_reviews_a_look_of_their_own() {
    let world = World::new();
    let own = world.case(Kind::EmergencyAccess, "officer");
    let reviews = world.record.reviews();
    let opened = reviews.open(&officer(), own.number);
    assert!(matches!(opened, Err(ReviewsError::OwnAccess)));
    let closed = reviews.act(&officer(), own.number, 1, Action::Expected, "fine");
    assert!(matches!(closed, Err(ReviewsError::OwnAccess)));
    let other = caller("second", Role::PrivacyOfficer);
    let closed = reviews
        .act(&other, own.number, 1, Action::Expected, "")
        .expect("another may");
    assert_eq!(closed.state, "closed-expected");
}

#[test]
fn what_is_not_appropriate_needs_a_note_and_begins_an_incident_in_the_same_commit() {
    let world = World::new();
    let case = world.case(Kind::SameSurname, "nurse");
    let reviews = world.record.reviews();
    let action = Action::NotAppropriate { tell: true };
    let bare = reviews.act(&officer(), case.number, 1, action, "  ");
    assert!(matches!(bare, Err(ReviewsError::NoteNeeded)));
    let done = reviews
        .act(&officer(), case.number, 1, action, "her sister")
        .expect("done");
    assert_eq!(done.state, "closed-not-appropriate");
    let incidents = world
        .record
        .casework()
        .matching(&CaseFilter::open_of(&["incident"], 9))
        .expect("cases");
    assert_eq!(incidents[0].reference, done.text("incident"));
    assert_eq!(incidents[0].detail["tell the person"], true);
}

#[test]
fn several_of_one_kind_close_at_once_but_never_emergencies_nor_ones_own() {
    let world = World::new();
    let reviews = world.record.reviews();
    let one = world.case(Kind::SameSurname, "nurse");
    let own = world.case(Kind::SameSurname, "officer");
    let other = world.case(Kind::Colleague, "nurse");
    let numbers = [one.number, own.number, other.number];
    let bulk = reviews
        .close_as_expected(&officer(), Kind::SameSurname, &numbers, "not related")
        .expect("closed");
    assert_eq!((bulk.closed, bulk.left), (1, 2));
    let never = reviews.close_as_expected(&officer(), Kind::EmergencyAccess, &[], "x");
    assert!(matches!(never, Err(ReviewsError::OneByOne)));
    let bare = reviews.close_as_expected(&officer(), Kind::SameSurname, &numbers, "");
    assert!(matches!(bare, Err(ReviewsError::NoteNeeded)));
}

#[test]
fn a_user_is_asked_and_answers_for_themselves_only() {
    let world = World::new();
    let reviews = world.record.reviews();
    let case = world.case(Kind::Night, "nurse");
    reviews
        .act(&officer(), case.number, 1, Action::AskUser, "Why at 03:00?")
        .expect("asked");
    let nurse = caller("nurse", Role::HospitalNurse);
    let asked = reviews.questions(&nurse).expect("told");
    assert_eq!(asked[0].1, "Why at 03:00?");
    let other = caller("other", Role::HospitalNurse);
    assert!(reviews.questions(&other).expect("told").is_empty());
    assert!(reviews.answer(&other, case.number, "it was me").is_err());
    let answered = reviews
        .answer(&nurse, case.number, "I was called in.")
        .expect("answered");
    assert_eq!(answered.state, "answered");
}

#[test]
fn care_recorded_later_supports_an_override_and_its_absence_escalates_twice() {
    let world = World::new();
    let case = world.case(Kind::EmergencyAccess, "medic");
    assert_eq!(world.reconcile(), 0, "nothing yet, and early");
    world.later(49);
    assert_eq!(world.reconcile(), 1);
    assert_eq!(world.held(&case).detail["escalated"], 1);
    assert_eq!(world.reconcile(), 0, "said once");
    world.later(120);
    assert_eq!(world.reconcile(), 1);
    assert_eq!(world.held(&case).detail["escalated"], 2);
    world.admitted(start() + SignedDuration::from_hours(2));
    assert_eq!(world.reconcile(), 1);
    let held = world.held(&case);
    assert_eq!(held.state, reconcile::RECONCILED);
    assert_eq!(held.text("reconciled"), "supported by inpatient of X9T01");
    assert_eq!(world.reconcile(), 0);
    let page = world
        .record
        .reviews()
        .open(&officer(), case.number)
        .expect("read");
    assert!(page.evidence[0].of_user && !page.evidence[0].at_the_time);
}
