//! Who may act for whom, by age and agreement, and what ends it.

use std::sync::Arc;

use care_core::vocabulary::{NhsNumber, OdsCode, Organisation, OrganisationKind, PersonId, Role};
use jiff::{Timestamp, ToSpan};

use crate::{
    Caller, Directory, DisclosureError, FixedClock, Holder, NewGrant, Options, Place, ProxyError,
    ProxyRelationship, ProxyRights, ProxyStop, Record, Senders, Source, User, V2Delivery,
};

const CHILD: &str = "9990000050";

struct World {
    record: Record,
    clock: Arc<FixedClock>,
    _directory: tempfile::TempDir,
}

fn start() -> Timestamp {
    "2026-11-23T10:00:00Z".parse().expect("a time")
}

fn ods(code: &str) -> OdsCode {
    OdsCode::parse(code).expect("a code")
}

impl World {
    /// A child born on this day, known to one hospital.
    fn with_child_born(born: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let clock = Arc::new(FixedClock::at(start()));
        let organisation = |code, kind| Organisation {
            ods: ods(code),
            kind,
            name: format!("{code} full name"),
            short_name: code.to_owned(),
            phone: String::new(),
        };
        let hospital = Source {
            organisation: organisation("X9T01", OrganisationKind::Trust),
            feeds: vec!["feed-hospital".to_owned()],
            agreed_interval_minutes: 60,
            shares: Vec::new(),
            leaves_out: Vec::new(),
            supplies: Source::usually_supplies(OrganisationKind::Trust),
            numbers_are_traced: true,
            connected: true,
        };
        let programme = organisation("X9G01", OrganisationKind::Programme);
        let record = Record::open(Options {
            clock: clock.clone(),
            registry: Directory::new(vec![programme], vec![hospital]),
            reserve_bytes: 0,
            ..Options::new(directory.path())
        })
        .expect("the record opens");
        let text = format!(
            "MSH|^~\\&|PAS|X9T01|CC|CC|20261123095900||ADT^A28|A1|P|2.4\rEVN||20261123095900\r\
             PID|1||{CHILD}^^^NHS^NH||KAYA^ELIF||{born}|F\r"
        );
        let answer = record.intake().receive_v2(&V2Delivery {
            feed: "feed-hospital",
            peer: None,
            bytes: text.as_bytes(),
            senders: &Senders::default(),
        });
        let ack = String::from_utf8_lossy(&answer.acknowledgement).into_owned();
        assert!(ack.contains("MSA|AA"), "{ack}");
        Self {
            record,
            clock,
            _directory: directory,
        }
    }

    fn child(&self) -> PersonId {
        let door = self.record.disclosure();
        let number = NhsNumber::parse(CHILD).expect("a number");
        door.holder(number).expect("an answer").expect("the child")
    }

    fn grant(&self, relationship: ProxyRelationship, rights: ProxyRights) -> String {
        let grant = NewGrant {
            holder: Holder::user("mother"),
            who: "Selin Kaya".to_owned(),
            relationship,
            rights,
            until: None,
            evidence: "Birth certificate seen".to_owned(),
        };
        self.record
            .proxies()
            .grant(self.child(), &grant, "ig-officer")
            .expect("granted")
    }

    /// Whether the page is shown to the mother now.
    fn sees(&self, page: &str) -> bool {
        let proxies = self.record.proxies();
        let mother = user("mother", Role::Patient);
        let place = proxies.place(&mother).expect("a place");
        let Place::For(_) = &place else { return false };
        let stood = proxies.stand_in(&mother, &place).expect("stands in");
        match self.record.disclosure().own(&stood, page) {
            Ok(_) => true,
            Err(DisclosureError::Refused(_) | DisclosureError::NotThere) => false,
            Err(other) => panic!("{other}"),
        }
    }
}

/// Somebody with a record of their own elsewhere, who has picked the child's.
fn user(id: &str, role: Role) -> Caller {
    Caller {
        user: User {
            id: id.to_owned(),
            name: "Selin Kaya".to_owned(),
            role,
            organisation: ods("X9G01"),
            can_break_seal: false,
            own_number: None,
            family_numbers: Vec::new(),
        },
        session: "session-1".to_owned(),
        request: String::new(),
    }
}

fn picked(world: &World) {
    world
        .record
        .proxies()
        .pick(&user("mother", Role::Patient), Some(world.child()))
        .expect("picked");
}

#[test]
fn a_grant_opens_and_its_end_closes_at_the_next_request() {
    let world = World::with_child_born("20170301");
    let proxies = world.record.proxies();
    assert!(!world.sees("home"), "nobody granted anything");
    let grant = world.grant(ProxyRelationship::Parent, ProxyRights::ALL);
    picked(&world);
    assert!(world.sees("home") && world.sees("who-looked") && world.sees("choose"));
    let all = proxies.of(world.child()).expect("told");
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].evidence, "Birth certificate seen");
    proxies
        .revoke(world.child(), &grant, "ig-officer")
        .expect("ended");
    assert!(!world.sees("home"));
    let mother = user("mother", Role::Patient);
    assert_eq!(
        proxies.place(&mother).expect("a place"),
        Place::Pick { ended: true }
    );
    assert!(matches!(
        proxies.pick(&mother, Some(world.child())),
        Err(ProxyError::NoGrant)
    ));
    // A caller made before the end gets nothing either: the rules look themselves.
    let mut kept = mother.clone();
    kept.user.role = Role::Proxy;
    kept.user.family_numbers = vec![NhsNumber::parse(CHILD).expect("a number")];
    let refused = world.record.disclosure().own(&kept, "home");
    assert!(matches!(refused, Err(DisclosureError::Refused(_))));
    assert!(proxies.of(world.child()).expect("told")[0].ended.is_some());
}

#[test]
fn what_the_identity_provider_says_counts_until_it_was_ended_here() {
    let world = World::with_child_born("20170301");
    let mut mother = user("mother", Role::Proxy);
    mother.user.family_numbers = vec![NhsNumber::parse(CHILD).expect("a number")];
    let (door, proxies) = (world.record.disclosure(), world.record.proxies());
    assert!(door.own(&mother, "home").is_ok());
    assert_eq!(proxies.acting_for(&mother.user).expect("told").len(), 1);
    proxies
        .revoke_named(world.child(), &mother.user, "ig-officer")
        .expect("ended");
    assert!(matches!(
        door.own(&mother, "home"),
        Err(DisclosureError::Refused(_))
    ));
    assert!(proxies.acting_for(&mother.user).expect("told").is_empty());
}

#[test]
fn a_parents_access_follows_age_review_and_competence() {
    // Born, granted, reviewed, judged able to decide: whether the parent sees the record.
    let rows = [
        ("under 11", "20151124", false, false, true),
        ("11 today, not reviewed", "20151123", false, false, false),
        ("11 today, reviewed", "20151123", true, false, true),
        ("13, reviewed", "20131001", true, false, true),
        (
            "13, reviewed, judged able to decide",
            "20131001",
            true,
            true,
            false,
        ),
        ("15, reviewed", "20101124", true, false, true),
        ("16 today, reviewed", "20101123", true, false, false),
    ];
    for (name, born, reviewed, competent, sees) in rows {
        let world = World::with_child_born(born);
        let grant = world.grant(ProxyRelationship::Parent, ProxyRights::ALL);
        picked(&world);
        let proxies = world.record.proxies();
        if reviewed {
            proxies
                .reviewed(world.child(), &grant, "ig-officer")
                .expect("reviewed");
        }
        if competent {
            proxies
                .set_competent(world.child(), true, "gp")
                .expect("judged");
        }
        assert_eq!(world.sees("home"), sees, "{name}");
        if !sees {
            let people = world
                .record
                .disclosure()
                .own_people(&user("mother", Role::Patient))
                .expect("told");
            let expected = if name.contains("not reviewed") {
                ProxyStop::ReviewDue
            } else {
                ProxyStop::DecidesAlone
            };
            assert_eq!(people[0].stopped, Some(expected), "{name}");
        }
    }
}

#[test]
fn a_review_lapses_after_a_year() {
    let world = World::with_child_born("20141001");
    let grant = world.grant(ProxyRelationship::Parent, ProxyRights::ALL);
    picked(&world);
    let proxies = world.record.proxies();
    proxies
        .reviewed(world.child(), &grant, "ig-officer")
        .expect("reviewed");
    picked(&world);
    assert!(world.sees("home"));
    world.clock.set(start() + (366 * 24).hours());
    picked(&world);
    assert!(!world.sees("home"));
}

#[test]
fn a_grown_up_is_looked_after_by_whom_they_chose_and_only_as_far_as_they_said() {
    let world = World::with_child_born("19800101");
    let only_looks = ProxyRights {
        see_who_looked: true,
        change_choices: false,
        get_a_copy: false,
    };
    world.grant(ProxyRelationship::Chosen, only_looks);
    picked(&world);
    assert!(world.sees("who-looked"));
    assert!(!world.sees("choose") && !world.sees("download"));
    let last = {
        let store = &world.record.inner().store;
        let bytes = store.entries(0, 1_000).expect("the log");
        let (_, last) = bytes.last().expect("an entry").clone();
        serde_json::from_slice::<care_core::audit::Entry>(&last).expect("an entry")
    };
    assert_eq!(last.reason, "proxy-right-missing");
    // A parent of a grown-up has no say.
    let other = World::with_child_born("19800101");
    other.grant(ProxyRelationship::Parent, ProxyRights::ALL);
    picked(&other);
    assert!(!other.sees("home"));
}

#[test]
fn a_grant_with_an_end_ends_by_itself() {
    let world = World::with_child_born("20170301");
    let grant = NewGrant {
        holder: Holder::user("mother"),
        who: "Selin Kaya".to_owned(),
        relationship: ProxyRelationship::Parent,
        rights: ProxyRights::ALL,
        until: Some(start() + 10.hours()),
        evidence: "Court order seen".to_owned(),
    };
    let proxies = world.record.proxies();
    proxies
        .grant(world.child(), &grant, "ig-officer")
        .expect("granted");
    picked(&world);
    assert!(world.sees("home"));
    world.clock.set(start() + 10.hours());
    assert!(!world.sees("home"));
}

#[test]
fn a_code_is_taken_up_once_and_not_after_a_fortnight() {
    let world = World::with_child_born("19800101");
    let proxies = world.record.proxies();
    let grant = NewGrant {
        holder: Holder::user("nobody yet"),
        who: "Somebody".to_owned(),
        relationship: ProxyRelationship::Chosen,
        rights: ProxyRights::ALL,
        until: None,
        evidence: "The person added them here".to_owned(),
    };
    let invite = || {
        proxies
            .invite(world.child(), &grant, "patient")
            .expect("a code")
    };
    let mother = user("mother", Role::Patient);
    let code = invite();
    let typed = code.to_lowercase().replace('-', " ");
    proxies.accept(&typed, &mother.user).expect("taken up");
    picked(&world);
    assert!(world.sees("home"));
    let second = user("another", Role::Patient);
    assert!(matches!(
        proxies.accept(&code, &second.user),
        Err(ProxyError::NoInvitation)
    ));
    assert!(matches!(
        proxies.accept("AAAA-BBBB", &second.user),
        Err(ProxyError::NoInvitation)
    ));
    let late = invite();
    world.clock.set(start() + (15 * 24).hours());
    assert!(matches!(
        proxies.accept(&late, &second.user),
        Err(ProxyError::NoInvitation)
    ));
}

#[test]
fn a_grant_without_proof_or_rights_is_refused() {
    let world = World::with_child_born("20170301");
    let whole = NewGrant {
        holder: Holder::user("mother"),
        who: "Selin Kaya".to_owned(),
        relationship: ProxyRelationship::Parent,
        rights: ProxyRights::ALL,
        until: None,
        evidence: "Birth certificate seen".to_owned(),
    };
    let none = ProxyRights {
        see_who_looked: false,
        change_choices: false,
        get_a_copy: false,
    };
    for wrong in [
        NewGrant {
            who: " ".into(),
            ..whole.clone()
        },
        NewGrant {
            evidence: String::new(),
            ..whole.clone()
        },
        NewGrant {
            rights: none,
            ..whole.clone()
        },
    ] {
        let refused = world.record.proxies().grant(world.child(), &wrong, "x");
        assert!(matches!(refused, Err(ProxyError::Unclear(_))), "{wrong:?}");
    }
}
