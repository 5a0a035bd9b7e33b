use super::*;
use crate::clock::FixedClock;
use crate::{Options, Record};

fn record() -> (tempfile::TempDir, Record) {
    let place = tempfile::tempdir().expect("a directory");
    let record = open(place.path());
    (place, record)
}

fn open(place: &std::path::Path) -> Record {
    let mut options = Options::new(place);
    options.reserve_bytes = 0;
    options.clock = Arc::new(FixedClock::at(
        "2026-10-01T09:00:00Z".parse().expect("a time"),
    ));
    options.group_roles = vec![(
        "CC District Nurses".to_owned(),
        StaffRole::parse("district_nurse@X9C01").expect("a role"),
    )];
    Record::open(options).expect("opens")
}

fn nurse() -> UserDetails {
    UserDetails {
        user_name: "M.Oduya".into(),
        name: "Maureen Oduya".into(),
        active: true,
        roles: vec![StaffRole::parse("district_nurse@X9C01").expect("a role")],
        ..UserDetails::default()
    }
}

fn by() -> By {
    By::system("scim:test")
}

#[test]
fn what_was_put_in_is_there_after_a_restart_and_taken_away_at_once() {
    let (place, record) = record();
    let staff = record.staff();
    let user = staff.create_user(nurse(), &by()).expect("created");
    assert!(
        matches!(staff.standing("m.oduya"), Standing::Active { roles, .. } if roles.len() == 1)
    );
    record.close();
    drop((staff, record));
    let record = open(place.path());
    let staff = record.staff();
    assert_eq!(staff.user(&user.id).as_deref(), Some(&user));
    let off = UserDetails {
        active: false,
        ..nurse()
    };
    staff
        .replace_user(&user.id, off, Some(1), &by())
        .expect("changed");
    assert_eq!(staff.standing("M.Oduya"), Standing::Inactive);
    assert!(matches!(
        staff.replace_user(&user.id, nurse(), Some(1), &by()),
        Err(StaffError::Changed)
    ));
    staff.delete_user(&user.id, None, &by()).expect("gone");
    assert!(staff.user(&user.id).is_none());
    assert_eq!(
        staff.standing("M.Oduya"),
        Standing::Inactive,
        "who left is not unknown"
    );
}

#[test]
fn a_suspension_outlives_what_the_provisioning_system_says() {
    let (_place, record) = record();
    let staff = record.staff();
    let officer = By {
        id: "ig-officer".into(),
        ..By::default()
    };
    staff
        .suspend("M.Oduya", "under investigation", &officer)
        .expect("suspended");
    assert_eq!(staff.standing("m.oduya"), Standing::Suspended);
    let user = staff.create_user(nurse(), &by()).expect("created");
    assert_eq!(staff.standing("m.oduya"), Standing::Suspended);
    staff
        .replace_user(
            &user.id,
            UserDetails {
                name: "M".into(),
                ..nurse()
            },
            None,
            &by(),
        )
        .expect("changed");
    assert_eq!(staff.standing("m.oduya"), Standing::Suspended);
    assert!(matches!(
        staff.suspend("x", " ", &officer),
        Err(StaffError::Unclear(_))
    ));
    staff.lift("m.oduya", "cleared", &officer).expect("lifted");
    assert!(matches!(staff.standing("m.oduya"), Standing::Active { .. }));
}

#[test]
fn a_group_gives_its_role_to_its_members_only_while_they_are_members() {
    let (_place, record) = record();
    let staff = record.staff();
    let user = staff
        .create_user(
            UserDetails {
                roles: Vec::new(),
                ..nurse()
            },
            &by(),
        )
        .expect("created");
    let roles = || match staff.standing("m.oduya") {
        Standing::Active { roles, .. } => roles.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!(roles(), 0);
    let details = GroupDetails {
        name: "cc district nurses".into(),
        members: BTreeSet::from([user.id.clone()]),
        ..GroupDetails::default()
    };
    let group = staff.create_group(details.clone(), &by()).expect("made");
    let by_name = GroupDetails {
        name: "gp@X9P01".into(),
        ..details.clone()
    };
    staff.create_group(by_name, &by()).expect("made");
    let odd = GroupDetails {
        name: "Tea club".into(),
        ..details.clone()
    };
    staff.create_group(odd, &by()).expect("made");
    assert_eq!(roles(), 2);
    let empty = GroupDetails {
        members: BTreeSet::new(),
        ..details.clone()
    };
    staff
        .replace_group(&group.id, empty, Some(1), &by())
        .expect("changed");
    assert_eq!(roles(), 1);
    let stranger = GroupDetails {
        members: BTreeSet::from(["nobody".to_owned()]),
        ..details
    };
    assert!(matches!(
        staff.replace_group(&group.id, stranger, None, &by()),
        Err(StaffError::Unclear(_))
    ));
}

#[test]
fn a_file_is_taken_whole_or_not_at_all_and_a_dry_run_changes_nothing() {
    let (_place, record) = record();
    let staff = record.staff();
    let row = |user: &str, role: &str, at: &str| ImportRow {
        user_id: user.into(),
        name: format!("Name of {user}"),
        role: role.into(),
        organisation: at.into(),
        active: true,
        ..ImportRow::default()
    };
    let rows = [
        row("a", "gp", "X9P01"),
        row("a", "safeguarding_lead", "X9P01"),
        row("b", "pharmacist", "X9R01"),
    ];
    let dry = staff.import(&rows, true, true, &by()).expect("told");
    assert_eq!((dry.created.len(), staff.users().len()), (2, 0));
    assert_eq!(
        staff
            .import(&rows, true, false, &by())
            .expect("done")
            .created
            .len(),
        2
    );
    assert_eq!(
        staff
            .import(&rows, true, false, &by())
            .expect("done")
            .unchanged,
        2
    );
    let bad = [
        row("c", "gp", "X9P01"),
        row("d", "wizard", "X9P01"),
        row("e", "patient", "X9P01"),
        row("", "gp", "X9P01"),
    ];
    let refused = staff.import(&bad, true, false, &by()).expect("told");
    assert_eq!(
        refused
            .problems
            .iter()
            .map(|one| one.row)
            .collect::<Vec<_>>(),
        [2, 3, 4]
    );
    assert_eq!(
        staff.users().len(),
        2,
        "nothing of a file with a problem is taken"
    );
    let left = staff.import(&rows[..2], true, false, &by()).expect("done");
    assert_eq!(left.switched_off, ["b"]);
    assert_eq!(staff.standing("b"), Standing::Inactive);
    assert!(
        !staff
            .import(&[], true, false, &by())
            .expect("told")
            .problems
            .is_empty()
    );
}
