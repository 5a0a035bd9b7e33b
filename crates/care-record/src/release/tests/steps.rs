//! From request to destruction, step by step, and everything that must be refused.

use std::cell::Cell;

use super::super::run::Moment;
use super::*;

fn nobody() -> BTreeSet<NhsNumber> {
    BTreeSet::new()
}

fn thirty() -> Rig {
    let rig = Rig::new();
    rig.people(&(0..30).map(Somebody::of).collect::<Vec<_>>());
    rig
}

fn text_of(directory: &Path, name: &str) -> String {
    std::fs::read_to_string(directory.join(name)).expect("a file")
}

#[test]
fn a_planning_release_goes_from_request_to_sealed_files_that_verify() {
    let mut rig = Rig::new();
    let mut people: Vec<Somebody> = (0..30).map(Somebody::of).collect();
    people[3].type_1 = true;
    people[4].numbered = false;
    rig.people(&people);
    rig.object(5);
    let opted_out = BTreeSet::from([number(7)]);
    let extract = rig.released(planning(), &opted_out);
    assert_eq!(extract.step, Step::Sealed);
    let counts = extract.sealed.as_ref().expect("sealed").counts;
    assert_eq!(
        (
            counts.asked_for,
            counts.released,
            counts.opted_out,
            counts.not_checkable,
            counts.objected,
            counts.without_gp_items
        ),
        (30, 27, 1, 1, 1, 1)
    );
    let directory = rig.directory(&extract);
    assert_eq!(rig.verify(&directory), []);
    let conditions = text_of(&directory, "Condition.ndjson");
    // Of 27 people one keeps the practice's items at home; nothing that is sealed leaves.
    assert_eq!(conditions.lines().count(), 26);
    assert!(!conditions.contains("52448006"));
    assert_eq!(text_of(&directory, "Patient.ndjson").lines().count(), 27);
    assert_eq!(text_of(&directory, "conditions.csv").lines().count(), 27);
    assert!(!directory.join("DocumentReference.ndjson").exists());
    let by_age = text_of(&directory, "by_age.csv");
    assert!(by_age.starts_with("age_band,gender,people\r\n"), "{by_age}");
    assert!(
        by_age
            .lines()
            .skip(1)
            .all(|line| line.ends_with(",*") || line.ends_with('0') || line.ends_with('5')),
        "{by_age}"
    );
    let left = text_of(&directory, "left_out.txt");
    assert_eq!(
        left.lines().count(),
        32,
        "three, among some that are nobody's"
    );
    let modes: Vec<_> = std::fs::read_dir(&directory)
        .expect("listed")
        .flatten()
        .collect();
    assert!(
        modes
            .iter()
            .all(|file| !file.file_name().to_string_lossy().starts_with('.')),
        "no spool stays"
    );
}

#[test]
fn two_different_people_approve_and_neither_is_the_one_who_asked() {
    let mut rig = thirty();
    let extract = rig.checked(planning(), &nobody());
    let (number, digest) = (extract.number, extract.digest.clone());
    let no = |who: &Caller, version| rig.releases.approve(who, number, version, &digest, "");
    assert!(matches!(
        no(&analyst(), extract.version),
        Err(ReleaseError::NotForRole)
    ));
    let own = rig.releases.request(&officer(), planning()).expect("asked");
    let own = rig
        .releases
        .check(&officer(), own.number, own.version)
        .expect("checked");
    assert!(matches!(
        rig.releases
            .approve(&officer(), own.number, own.version, &own.digest, ""),
        Err(ReleaseError::NotThisPerson(_))
    ));
    let first = no(&officer(), extract.version).expect("first");
    assert_eq!(first.step, Step::AwaitingSecondApproval);
    assert!(matches!(
        no(&officer(), first.version),
        Err(ReleaseError::NotThisPerson(_))
    ));
    assert!(matches!(
        no(&guardian(), extract.version),
        Err(ReleaseError::Stale)
    ));
    assert!(matches!(
        rig.releases.run(&officer(), number, first.version),
        Err(ReleaseError::OtherStep(_))
    ));
    let second = no(
        &caller("privacy-officer", Role::PrivacyOfficer),
        first.version,
    )
    .expect("second");
    assert_eq!(second.step, Step::Approved);
    // Another analyst sees nothing of it.
    let other = caller("other", Role::Analyst);
    assert!(matches!(
        rig.releases.get(&other, number),
        Err(ReleaseError::NotThere)
    ));
}

#[test]
fn a_changed_specification_has_no_approvals() {
    let mut rig = thirty();
    let checked = rig.checked(planning(), &nobody());
    let approved = rig.approved(&checked);
    let mut wider = planning();
    wider.categories.push("documents".to_owned());
    let amended = rig
        .releases
        .amend(&analyst(), approved.number, approved.version, wider)
        .expect("amended");
    assert_eq!(
        (amended.step, amended.approvals.len()),
        (Step::Requested, 0)
    );
    assert!(matches!(
        rig.releases
            .run(&officer(), amended.number, amended.version),
        Err(ReleaseError::OtherStep(_))
    ));
    let again = rig
        .releases
        .check(&analyst(), amended.number, amended.version)
        .expect("checked");
    assert_eq!(again.step, Step::AwaitingApproval);
    let stale = rig.releases.approve(
        &officer(),
        again.number,
        again.version,
        &approved.digest,
        "",
    );
    assert!(
        matches!(stale, Err(ReleaseError::Changed)),
        "an approval is of what was read"
    );
}

#[test]
fn a_check_that_expired_between_approval_and_run_stops_the_run() {
    let mut rig = thirty();
    let checked = rig.checked(planning(), &nobody());
    let approved = rig.approved(&checked);
    rig.later(24 * 8);
    let run = rig
        .releases
        .run(&officer(), approved.number, approved.version);
    assert!(matches!(&run, Err(ReleaseError::Blocked(_))), "{run:?}");
    let (held, _) = rig.releases.get(&officer(), approved.number).expect("held");
    assert_eq!(held.step, Step::Blocked);
    // A new check, with somebody opted out since; the approvals were of the specification and stay.
    let checking = rig
        .releases
        .check(&officer(), held.number, held.version)
        .expect("asked again");
    assert_eq!(checking.step, Step::Checking);
    rig.answer(&BTreeSet::from([number(2)]));
    let fresh = rig
        .releases
        .check(&officer(), held.number, checking.version)
        .expect("checked");
    assert_eq!(fresh.step, Step::Approved);
    let sealed = rig
        .releases
        .run(&officer(), fresh.number, fresh.version)
        .expect("ran");
    assert_eq!(sealed.sealed.as_ref().expect("sealed").counts.opted_out, 1);
}

#[test]
fn few_people_one_person_and_a_question_that_differs_by_one_are_refused() {
    let mut rig = thirty();
    let stopped = |extract: &Extract| {
        let findings = extract.findings.as_ref().expect("findings");
        assert_eq!(extract.step, Step::Blocked, "{findings:?}");
        findings.stopped.join(" ")
    };
    let named = |numbers: std::ops::Range<u64>| Specification {
        cohort: Cohort {
            named: numbers.map(|nth| number(nth).digits()).collect(),
            ..Cohort::default()
        },
        ..planning()
    };
    let one = rig.checked(named(3..4), &nobody());
    assert!(stopped(&one).contains("one person"));
    let three = rig.checked(named(3..6), &nobody());
    assert!(stopped(&three).contains("fewer than 5"));
    rig.released(planning(), &nobody());
    let but_one = rig.checked(named(0..29), &nobody());
    assert!(stopped(&but_one).contains("one to seven"));
    let twenty = rig.checked(named(0..20), &nobody());
    assert_eq!(twenty.step, Step::AwaitingApproval, "{:?}", twenty.findings);
    let again = rig.checked(planning(), &nobody());
    assert_eq!(
        again.step,
        Step::AwaitingApproval,
        "the same people are no difference"
    );
}

#[test]
fn unsound_requests_say_what_to_mend() {
    let rig = thirty();
    let fields = |specification: Specification| match rig
        .releases
        .request(&analyst(), specification)
    {
        Err(ReleaseError::Unsound(all)) => all.into_iter().map(|it| it.field).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        fields(Specification {
            title: " ".into(),
            ..planning()
        }),
        ["title"]
    );
    assert_eq!(
        fields(Specification {
            smallest_group: 4,
            ..planning()
        }),
        ["smallest_group"]
    );
    assert_eq!(
        fields(Specification {
            dates: DateRule::Exact,
            words: true,
            ..planning()
        }),
        ["dates", "words"]
    );
    assert_eq!(
        fields(Specification {
            data_form: "aggregate_suppressed".into(),
            ..planning()
        }),
        ["forms"]
    );
    assert_eq!(
        fields(Specification {
            exceptional: Exceptional::default(),
            ..by_law()
        })
        .len(),
        6
    );
    let mut broken = planning();
    broken.forms = vec![Form::Table(TableWanted {
        name: "people".into(),
        view: "{".into(),
        declared: vec![],
        parquet: true,
        csv: true,
    })];
    assert_eq!(fields(broken), ["forms", "forms"]);
    let doctor = caller("hospital-doctor", Role::HospitalDoctor);
    assert!(matches!(
        rig.releases.request(&doctor, planning()),
        Err(ReleaseError::NotForRole)
    ));
}

#[test]
fn a_merge_or_an_objection_during_the_run_leaves_nobody_in_by_mistake() {
    let mut rig = thirty();
    let opted_out = BTreeSet::from([number(7)]);
    let checked = rig.checked(planning(), &opted_out);
    let approved = rig.approved(&checked);
    // The record of the one who opted out is joined into another's while the files are written.
    let first = Cell::new(true);
    let sealed = rig
        .releases
        .run_until(&officer(), approved.number, approved.version, &|moment| {
            if moment == Moment::Begun && first.replace(false) {
                rig.join(7, 8);
                rig.object(9);
            }
            Ok(())
        })
        .expect("ran");
    let counts = sealed.sealed.as_ref().expect("sealed").counts;
    assert_eq!(
        (
            counts.asked_for,
            counts.released,
            counts.opted_out,
            counts.objected
        ),
        (29, 27, 1, 1)
    );
    let pseudonym = rig.record.inner().release_secret.project("diabetes-2026");
    let directory = rig.directory(&sealed);
    let people = text_of(&directory, "people.csv");
    for nth in [7, 8, 9] {
        let subject = care_core::release::Subject::Number(number(nth));
        assert!(!people.contains(&pseudonym.pseudonym(subject)), "{nth}");
    }
}

#[test]
fn a_run_killed_at_any_step_releases_nothing_and_the_next_run_makes_it_whole() {
    for killed_at in [
        Moment::Begun,
        Moment::Written,
        Moment::Certified,
        Moment::Named,
        Moment::Remembered,
    ] {
        let mut rig = thirty();
        let checked = rig.checked(planning(), &nobody());
        let approved = rig.approved(&checked);
        let killed =
            rig.releases
                .run_until(&officer(), approved.number, approved.version, &|moment| {
                    if moment == killed_at {
                        Err(ReleaseError::Files("killed".into()))
                    } else {
                        Ok(())
                    }
                });
        assert!(killed.is_err());
        rig.reopen();
        let (held, _) = rig.releases.get(&analyst(), approved.number).expect("held");
        assert_eq!(held.step, Step::Running, "{killed_at:?}");
        assert!(
            rig.releases
                .fetch(&analyst(), held.number, "people.csv")
                .is_err(),
            "nothing to fetch"
        );
        assert!(rig.releases.register().expect("a register").is_empty());
        let sealed = rig
            .releases
            .run(&officer(), held.number, held.version)
            .expect("ran again");
        assert_eq!(rig.verify(&rig.directory(&sealed)), [], "{killed_at:?}");
        let twice = rig.releases.run(&officer(), sealed.number, sealed.version);
        assert!(matches!(twice, Err(ReleaseError::OtherStep(_))));
    }
}

#[test]
fn the_requester_fetches_what_was_sealed_and_its_destruction_is_reminded_of() {
    let mut rig = thirty();
    let sealed = rig.released(planning(), &nobody());
    assert!(
        rig.releases
            .fetch(&officer(), sealed.number, "people.csv")
            .is_err()
    );
    assert!(
        rig.releases
            .fetch(&analyst(), sealed.number, "../lock")
            .is_err()
    );
    let path = rig
        .releases
        .fetch(&analyst(), sealed.number, "people.csv")
        .expect("fetched");
    std::fs::write(&path, "person,token\r\n").expect("changed");
    assert!(
        rig.releases
            .fetch(&analyst(), sealed.number, "people.csv")
            .is_err(),
        "changed on the disk"
    );
    assert!(rig.releases.to_destroy(30).expect("read").is_empty());
    rig.clock
        .set("2027-10-20T09:00:00Z".parse().expect("a time"));
    assert_eq!(rig.releases.to_destroy(30).expect("read").len(), 1);
    let gone = rig
        .releases
        .destroy(&officer(), sealed.number, sealed.version, "by its day")
        .expect("destroyed");
    assert_eq!(gone.step, Step::Destroyed);
    assert!(!path.exists());
    assert_eq!(
        rig.releases.register().expect("a register").len(),
        1,
        "the register keeps it"
    );
    assert!(rig.releases.to_destroy(30).expect("read").is_empty());
}

#[test]
fn what_a_law_requires_includes_its_scope_and_no_more_and_people_see_it_in_their_log() {
    let mut rig = thirty();
    let jacob = 7;
    let extract = rig.checked(by_law(), &BTreeSet::from([number(jacob)]));
    assert_eq!(
        extract.step,
        Step::AwaitingApproval,
        "{:?}",
        extract.findings
    );
    let first = rig
        .releases
        .approve(
            &officer(),
            extract.number,
            extract.version,
            &extract.digest,
            "",
        )
        .expect("first");
    let other = caller("privacy-officer", Role::PrivacyOfficer);
    let without = rig
        .releases
        .approve(&other, first.number, first.version, &first.digest, "");
    assert!(
        matches!(without, Err(ReleaseError::NotThisPerson(_))),
        "one of them is the guardian"
    );
    let second = rig
        .releases
        .approve(&guardian(), first.number, first.version, &first.digest, "")
        .expect("second");
    let sealed = rig
        .releases
        .run(&officer(), second.number, second.version)
        .expect("ran");
    let directory = rig.directory(&sealed);
    assert_eq!(rig.verify(&directory), []);
    let patients = text_of(&directory, "Patient.ndjson");
    assert!(
        patients.contains(&number(jacob).digits()),
        "the opt-out does not reach it"
    );
    assert!(directory.join("Condition.ndjson").exists());
    assert!(
        !directory.join("Observation.ndjson").exists(),
        "results are not in its scope"
    );
    let entries = rig
        .record
        .inner()
        .store
        .entries_about(Some(person(jacob)), None, None, 10)
        .expect("read");
    let told: Vec<String> = entries
        .iter()
        .map(|(_, bytes)| String::from_utf8_lossy(bytes).into_owned())
        .collect();
    assert!(
        told.iter()
            .any(|entry| entry.contains("\"act\":\"disclose\"")
                && entry.contains("A law required it.")),
        "{told:?}"
    );
}

#[test]
fn the_verifier_says_what_is_wrong_with_a_release() {
    let mut rig = thirty();
    let sealed = rig.released(planning(), &BTreeSet::from([number(7)]));
    let original = rig.directory(&sealed);
    let secret = rig.record.inner().release_secret.clone();
    let subject = care_core::release::Subject::Number(number(7));
    let pseudonym = secret.project("diabetes-2026").pseudonym(subject);
    let token = secret.tokens(&sealed.reference).token(subject);
    let changed = |change: &dyn Fn(&Path)| {
        let copy = tempfile::tempdir().expect("a folder");
        for (name, bytes) in texts(&original) {
            std::fs::write(copy.path().join(name), bytes).expect("copied");
        }
        change(copy.path());
        let said: Vec<String> = rig
            .verify(copy.path())
            .iter()
            .map(ToString::to_string)
            .collect();
        assert!(!said.is_empty());
        assert!(!said.join(" ").contains(&pseudonym), "nobody is named");
        said.join("\n")
    };
    let append = |directory: &Path, name: &str, text: &str| {
        let path = directory.join(name);
        let held = std::fs::read_to_string(&path).expect("read");
        std::fs::write(path, format!("{held}{text}")).expect("written");
    };
    let row = format!(
        "{{\"resourceType\":\"Condition\",\"subject\":{{\"reference\":\"Patient/{pseudonym}\"}}}}\n"
    );
    let put_back = changed(&|directory| append(directory, "Condition.ndjson", &row));
    assert!(
        put_back.contains("Condition.ndjson: 1 of the people"),
        "{put_back}"
    );
    assert!(
        put_back.contains("Condition.ndjson: this file was changed"),
        "{put_back}"
    );
    let with_token =
        changed(&|directory| append(directory, "people.csv", &format!("{pseudonym},{token}\r\n")));
    assert!(
        with_token.contains("1 of the people listed as released were left out"),
        "{with_token}"
    );
    assert!(
        changed(&|directory| std::fs::remove_file(directory.join("patients.csv")).expect("gone"))
            .contains("patients.csv: this file is on the certificate")
    );
    assert!(
        changed(&|directory| std::fs::write(directory.join("more.csv"), "x").expect("written"))
            .contains("more.csv: this file is in the release")
    );
    let forged = changed(&|directory| {
        let path = directory.join("certificate.txt");
        let note = std::fs::read_to_string(&path)
            .expect("read")
            .replace("\"opt_out_applied\": true", "\"opt_out_applied\": false");
        std::fs::write(path, note).expect("written");
    });
    assert!(forged.contains("not signed by this key"), "{forged}");
    // Signed with the right key, and against the policy.
    let resigned = |change: &dyn Fn(&mut care_core::release::Certificate)| {
        changed(&|directory| {
            let path = directory.join("certificate.txt");
            let mut certificate = rig
                .key()
                .open(&std::fs::read_to_string(&path).expect("read"))
                .expect("opens");
            change(&mut certificate);
            std::fs::write(
                path,
                certificate.sign(secret::SIGNER, &secret.signing_seed()),
            )
            .expect("written");
        })
    };
    let stale = resigned(&|certificate| {
        if let Some(check) = &mut certificate.check {
            check.checked_at -= SignedDuration::from_hours(24 * 9);
        }
    });
    assert!(
        stale.contains("the opt-out check was 9 days old"),
        "{stale}"
    );
    assert!(resigned(&|certificate| certificate.check = None).contains("names no check"));
    assert!(
        resigned(&|certificate| certificate.opt_out_applied = false).contains("gives no reason")
    );
    assert!(
        resigned(&|certificate| certificate.approvals.truncate(1)).contains("two different people")
    );
    assert!(verify(rig.folder.path(), &rig.key()).is_err(), "no release");
}
