//! Checks from question to answer, and every reply that must be refused.

use std::sync::Arc;

use care_core::secondary_use::CheckStatus;
use care_core::secondary_use::check::{INVALID_NUMBERS, LineEnd, Numbers, ReplyFault, write_list};
use care_core::vocabulary::NhsNumber;
use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::{FixedClock, Options, Record, WorklistKind};

const SERVICE: &str = "X26OPT01";
const WORKFLOW: &str = "SPINE_NTT_UPHOLDING";

struct Rig {
    record: Record,
    checks: OptOutChecks,
    clock: Arc<FixedClock>,
    messages: std::cell::Cell<u32>,
    folder: tempfile::TempDir,
}

fn start() -> Timestamp {
    "2026-11-03T09:00:00Z".parse().expect("a time")
}

fn options(folder: &std::path::Path, clock: Arc<FixedClock>) -> Options {
    Options {
        clock,
        opt_out: OptOutSettings {
            mailbox: "X26CARE1".to_owned(),
            service_mailbox: SERVICE.to_owned(),
            list_limit: 4,
            ..OptOutSettings::default()
        },
        reserve_bytes: 0,
        ..Options::new(folder)
    }
}

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(FixedClock::at(start()));
        let record = Record::open(options(folder.path(), clock.clone())).expect("opens");
        Self {
            checks: record.opt_out_check(),
            record,
            clock,
            messages: std::cell::Cell::new(0),
            folder,
        }
    }

    fn later(&self, hours: i64) {
        self.clock
            .set(self.clock.now() + SignedDuration::from_hours(hours));
    }

    /// A check of these, sent; with its lists.
    fn asked(&self, numbers: &Numbers) -> (String, Vec<ListToSend>) {
        let id = self
            .checks
            .request(numbers, "release R1", "u1")
            .expect("asked");
        let mut lists = Vec::new();
        while let Some(list) = self.checks.next_to_send().expect("a list") {
            self.checks
                .sent(&list, &format!("OUT{}", list.name))
                .expect("noted");
            lists.push(list);
        }
        (id, lists)
    }

    fn mail(&self, local_id: &str, body: &[u8]) -> Mail {
        self.messages.set(self.messages.get() + 1);
        Mail {
            message: format!("IN{}", self.messages.get()),
            kind: MailKind::Data,
            from: SERVICE.to_owned(),
            workflow: WORKFLOW.to_owned(),
            local_id: local_id.to_owned(),
            body: body.to_vec(),
        }
    }

    fn attention(&self) -> usize {
        let rows = self
            .record
            .worklists()
            .list(Some(WorklistKind::OptOutReply), None, 100);
        rows.expect("rows").len()
    }
}

fn invented(count: usize) -> Numbers {
    let with_last =
        |nine: u64| (0..10).find_map(|last| NhsNumber::parse(&format!("{nine}{last}")).ok());
    Numbers::new((999_000_000..).filter_map(with_last).take(count).collect())
}

fn lines(numbers: &[NhsNumber]) -> Vec<u8> {
    write_list(numbers, LineEnd::Lf)
}

#[test]
fn a_check_in_three_lists_is_complete_when_the_last_is_answered_and_says_who_may_stay() {
    let rig = Rig::new();
    let cohort = invented(10);
    let (id, lists) = rig.asked(&cohort);
    let names: Vec<&str> = lists.iter().map(|list| list.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "X26CARE1-031126-0001",
            "X26CARE1-031126-0002",
            "X26CARE1-031126-0003"
        ]
    );
    assert_eq!(
        rig.checks.facts(&id).expect("facts").status,
        CheckStatus::NoResponse
    );
    rig.later(1);
    let out = cohort.as_slice()[5];
    for list in &lists {
        let sent = care_core::secondary_use::check::read_list(&list.body).numbers;
        let job = rig.mail(&list.name, br#"{"status":"pending"}"#);
        assert_eq!(
            rig.checks.receive(&job).expect("kept"),
            Received::JobCreated
        );
        let before = rig.checks.result(&id).expect("a row");
        assert_eq!(before, None, "a report of the job is no result");
        let stay: Vec<NhsNumber> = sent
            .as_slice()
            .iter()
            .copied()
            .filter(|one| *one != out)
            .collect();
        let reply = rig.mail(&list.name, &lines(&stay));
        let complete = list.place == 2;
        let received = rig.checks.receive(&reply).expect("kept");
        assert_eq!(
            received,
            Received::Answered {
                check: id.clone(),
                complete
            }
        );
        assert_eq!(rig.checks.receive(&reply).expect("kept"), Received::Again);
    }
    let result = rig.checks.result(&id).expect("a row").expect("a result");
    assert_eq!((result.sent.count(), result.returned.count()), (10, 9));
    assert_eq!(result.opted_out(out), Some(true));
    assert_eq!(result.opted_out(cohort.as_slice()[0]), Some(false));
    assert_eq!(result.opted_out(invented(11).as_slice()[10]), None);
    assert_eq!(result.age_days(rig.clock.now()), 1, "a begun day counts");
    assert_eq!(rig.attention(), 0);
}

#[test]
fn the_result_may_be_used_again_for_seven_days_and_its_numbers_end_at_twenty_one() {
    let rig = Rig::new();
    let cohort = invented(3);
    let (id, lists) = rig.asked(&cohort);
    let stay = &cohort.as_slice()[..2];
    rig.checks
        .receive(&rig.mail(&lists[0].name, &lines(stay)))
        .expect("kept");
    let part = Numbers::new(cohort.as_slice()[1..].to_vec());
    rig.later(6 * 24);
    let cached = rig
        .checks
        .cached(&part)
        .expect("looked")
        .expect("young enough");
    assert_eq!(
        (cached.method, cached.sent.count(), cached.returned.count()),
        (CheckMethod::Cache, 2, 1)
    );
    assert_eq!(cached.age_days(rig.clock.now()), 6);
    assert!(
        rig.checks.cached(&invented(4)).expect("looked").is_none(),
        "one was not asked about"
    );
    rig.later(25);
    assert!(
        rig.checks.cached(&part).expect("looked").is_none(),
        "eight days"
    );
    assert!(rig.checks.result(&id).expect("a row").is_some());
    rig.later(14 * 24);
    assert_eq!(
        rig.checks.result(&id).expect("a row"),
        None,
        "the numbers have ended"
    );
    assert_eq!(
        rig.checks.facts(&id).expect("facts").status,
        CheckStatus::NoResponse
    );
    assert_eq!(
        rig.checks.check(&id).expect("the row stays").returned(),
        Some(2)
    );
}

/// Each reply that must be refused: what is wrong, the mail, the reason.
#[test]
fn every_bad_reply_is_refused_with_its_reason_kept_aside_and_on_the_worklist() {
    type Spoil = fn(&mut Mail, &Numbers);
    let cases: Vec<(&str, Spoil)> = vec![
        ("forged-sender", |mail, _| mail.from = "X26EVIL1".into()),
        ("wrong-workflow", |mail, _| mail.workflow = "OTHER".into()),
        ("unknown-request", |mail, _| {
            mail.local_id = "X26CARE1-031126-0099".into()
        }),
        ("unknown-request", |mail, _| mail.local_id.clear()),
        ("empty", |mail, _| mail.body.clear()),
        ("not-a-list", |mail, _| mail.body = b"<html>\n".to_vec()),
        ("truncated", |mail, _| mail.body.truncate(20)),
        ("duplicated", |mail, sent| {
            mail.body = lines(&[sent.as_slice()[0]; 2])
        }),
        ("larger-than-request", |mail, _| {
            mail.body = lines(invented(4).as_slice())
        }),
        ("unknown-numbers", |mail, _| {
            mail.body = lines(&invented(5).as_slice()[4..])
        }),
    ];
    for (reason, spoil) in cases {
        let rig = Rig::new();
        let cohort = invented(3);
        let (id, lists) = rig.asked(&cohort);
        let mut mail = rig.mail(&lists[0].name, &lines(cohort.as_slice()));
        spoil(&mut mail, &cohort);
        let received = rig.checks.receive(&mail).expect("kept");
        let Received::Refused(fault) = received else {
            panic!("{reason}: {received:?}");
        };
        assert_eq!(fault.code(), reason);
        assert_eq!(rig.checks.result(&id).expect("a row"), None, "{reason}");
        assert_eq!(rig.attention(), 1, "{reason}");
        assert_eq!(rig.checks.receive(&mail).expect("kept"), Received::Again);
        let good = rig.mail(&lists[0].name, &lines(cohort.as_slice()));
        assert!(
            matches!(
                rig.checks.receive(&good).expect("kept"),
                Received::Answered { .. }
            ),
            "{reason}: the true reply still counts"
        );
    }
}

#[test]
fn a_late_reply_is_refused() {
    let rig = Rig::new();
    let (id, lists) = rig.asked(&invented(3));
    rig.later(8 * 24);
    let late = rig.mail(&lists[0].name, &lines(invented(3).as_slice()));
    assert_eq!(
        rig.checks.receive(&late).expect("kept"),
        Received::Refused(ReplyFault::Late)
    );
    rig.later(20 * 24);
    let later = rig.mail(&lists[0].name, &lines(invented(3).as_slice()));
    assert_eq!(
        rig.checks.receive(&later).expect("kept"),
        Received::Refused(ReplyFault::Late)
    );
    assert_eq!(rig.checks.result(&id).expect("a row"), None);
}

#[test]
fn a_partial_answer_is_no_answer() {
    let rig = Rig::new();
    let cohort = invented(8);
    let (id, lists) = rig.asked(&cohort);
    rig.checks
        .receive(&rig.mail(&lists[0].name, &lists[0].body))
        .expect("kept");
    assert_eq!(
        rig.checks.check(&id).expect("a row").state(),
        CheckState::UnderWay
    );
    assert_eq!(rig.checks.result(&id).expect("a row"), None);
    let facts = rig.checks.facts(&id).expect("facts");
    assert_eq!(
        (facts.status, facts.sent_count),
        (CheckStatus::NoResponse, Some(8))
    );
}

#[test]
fn two_different_results_for_one_list_spoil_the_check_and_the_same_twice_does_not() {
    let rig = Rig::new();
    let cohort = invented(3);
    let (id, lists) = rig.asked(&cohort);
    let first = rig.mail(&lists[0].name, &lines(cohort.as_slice()));
    rig.checks.receive(&first).expect("kept");
    let same = rig.mail(&lists[0].name, &lines(cohort.as_slice()));
    assert_eq!(rig.checks.receive(&same).expect("kept"), Received::Repeated);
    assert!(rig.checks.result(&id).expect("a row").is_some());
    let other = rig.mail(&lists[0].name, &lines(&cohort.as_slice()[..2]));
    let received = rig.checks.receive(&other).expect("kept");
    assert_eq!(received, Received::Refused(ReplyFault::AnsweredTwice));
    assert_eq!(rig.checks.result(&id).expect("a row"), None);
    assert_eq!(
        rig.checks.check(&id).expect("a row").state(),
        CheckState::Spoiled
    );
}

#[test]
fn a_refused_list_a_failed_job_and_a_report_each_end_the_check_unanswered() {
    for (what, status) in [
        ("invalid", CheckStatus::RejectedInvalidNumbers),
        ("job", CheckStatus::NoResponse),
        ("report", CheckStatus::NoResponse),
    ] {
        let rig = Rig::new();
        let (id, lists) = rig.asked(&invented(3));
        let mut mail = rig.mail(&lists[0].name, INVALID_NUMBERS.as_bytes());
        match what {
            "job" => mail.body = br#"{"status":"error"}"#.to_vec(),
            "report" => {
                mail.kind = MailKind::Report {
                    about: format!("OUT{}", lists[0].name),
                    code: "14".into(),
                };
                mail.body.clear();
                mail.from.clear();
            }
            _ => {}
        }
        assert_eq!(
            rig.checks.receive(&mail).expect("kept"),
            Received::Failed,
            "{what}"
        );
        assert_eq!(
            rig.checks.facts(&id).expect("facts").status,
            status,
            "{what}"
        );
        assert_eq!(rig.attention(), 1, "{what}");
    }
}

#[test]
fn a_list_whose_sending_was_cut_short_is_sent_again_and_a_reply_to_either_name_answers_it() {
    let rig = Rig::new();
    let cohort = invented(3);
    let id = rig
        .checks
        .request(&cohort, "release R1", "u1")
        .expect("asked");
    let first = rig.checks.next_to_send().expect("a list").expect("one");
    let clock = rig.clock.clone();
    rig.record.close();
    drop(rig.checks);
    drop(rig.record);
    let record = Record::open(options(rig.folder.path(), clock)).expect("opens again");
    let checks = record.opt_out_check();
    let second = checks.next_to_send().expect("a list").expect("again");
    assert_ne!(first.name, second.name);
    assert_eq!(first.body, second.body);
    checks.sent(&second, "OUT2").expect("noted");
    assert!(checks.next_to_send().expect("none").is_none());
    let reply = Mail {
        message: "IN1".into(),
        kind: MailKind::Data,
        from: SERVICE.to_lowercase(),
        workflow: WORKFLOW.into(),
        local_id: first.name,
        body: lines(cohort.as_slice()),
    };
    assert!(matches!(
        checks.receive(&reply).expect("kept"),
        Received::Answered { .. }
    ));
    assert!(checks.result(&id).expect("a row").is_some());
}

#[test]
fn silence_of_a_day_a_message_of_three_days_and_a_list_unanswered_for_a_day_raise_alarms() {
    let rig = Rig::new();
    let kinds = || {
        let alarms = rig.checks.health().expect("health").alarms;
        alarms.iter().map(|alarm| alarm.kind).collect::<Vec<_>>()
    };
    rig.checks.contact(&[("M1".into(), None)]).expect("noted");
    assert_eq!(kinds(), []);
    rig.later(23);
    assert_eq!(kinds(), []);
    rig.later(1);
    assert_eq!(kinds(), [AlarmKind::Silence]);
    rig.checks.contact(&[("M1".into(), None)]).expect("noted");
    assert_eq!(kinds(), []);
    rig.later(47);
    rig.checks.contact(&[("M1".into(), None)]).expect("noted");
    assert_eq!(kinds(), [], "71 hours");
    rig.later(1);
    assert_eq!(kinds(), [AlarmKind::MessageAge]);
    rig.checks.contact(&[]).expect("noted");
    assert_eq!(kinds(), []);
    rig.asked(&invented(3));
    rig.later(24);
    rig.checks
        .contact(&[("M2".into(), Some(start()))])
        .expect("noted");
    assert_eq!(
        kinds(),
        [AlarmKind::NoReply, AlarmKind::MessageAge],
        "the exchange said since when"
    );
}

#[test]
fn nothing_of_a_check_stands_in_a_record_or_in_the_log() {
    let rig = Rig::new();
    let cohort = invented(3);
    let (_, lists) = rig.asked(&cohort);
    rig.checks
        .receive(&rig.mail(&lists[0].name, &lines(&cohort.as_slice()[1..])))
        .expect("kept");
    rig.checks
        .receive(&rig.mail("nobody", &lines(cohort.as_slice())))
        .expect("kept");
    let entries = rig.record.inner().store.entries(0, 100).expect("entries");
    assert!(entries.len() >= 5);
    for (_, bytes) in entries {
        let entry: Entry = serde_json::from_slice(&bytes).expect("an entry");
        assert_eq!(entry.person, None);
        let text = String::from_utf8(bytes).expect("text");
        for number in cohort.as_slice() {
            assert!(!text.contains(&number.digits()), "{text}");
        }
    }
    let health = rig.record.operations().health().expect("health");
    assert_eq!((health.people, health.items), (0, 0));
}

#[test]
fn without_a_mailbox_or_a_number_nothing_is_asked() {
    let rig = Rig::new();
    let none = rig.checks.request(&Numbers::default(), "r", "u");
    assert!(matches!(none, Err(OptOutCheckError::NoNumbers)));
    let folder = tempfile::tempdir().expect("a folder");
    let record = Record::open(Options::new(folder.path())).expect("opens");
    let unconfigured = record.opt_out_check().request(&invented(1), "r", "u");
    assert!(matches!(unconfigured, Err(OptOutCheckError::NotConfigured)));
}
