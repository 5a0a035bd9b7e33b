//! The check for national data opt-outs: lists out, replies in.

use std::sync::LazyLock;

use care_core::secondary_use::check::*;
use care_core::vocabulary::NhsNumber;
use proptest::prelude::*;

/// Invented numbers of the 999 range.
static INVENTED: LazyLock<Vec<NhsNumber>> = LazyLock::new(|| {
    let with_last =
        |nine: u64| (0..10).find_map(|last| NhsNumber::parse(&format!("{nine}{last}")).ok());
    (999_000_000..999_000_300).filter_map(with_last).collect()
});

fn number(n: u64) -> NhsNumber {
    INVENTED[n as usize]
}

fn numbers(places: impl IntoIterator<Item = u64>) -> Numbers {
    Numbers::new(places.into_iter().map(number).collect())
}

fn body(places: impl IntoIterator<Item = u64>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for place in places {
        bytes.extend(write_list(&[number(place)], LineEnd::Lf));
    }
    bytes
}

#[test]
fn a_list_is_ten_digits_a_comma_and_a_line_feed() {
    let jacob = NhsNumber::parse("999 000 0107").expect("a number");
    assert_eq!(write_list(&[jacob], LineEnd::Lf), b"9990000107,\n");
    assert_eq!(write_list(&[jacob], LineEnd::CrLf), b"9990000107,\r\n");
    let low = NhsNumber::parse("0123456789").map(|it| write_list(&[it], LineEnd::Lf));
    if let Ok(low) = low {
        assert!(low.starts_with(b"0"), "leading zeros are kept");
    }
}

#[test]
fn what_cannot_be_asked_about_is_left_out_and_reported_by_line() {
    let text = b"9990000107,\r\n\n9990000107\n999000010,\n9990000108,\nJacob,\n9990000018,\n";
    let read = read_list(text);
    assert_eq!(read.numbers.count(), 2);
    assert_eq!(read.duplicates, 1);
    let places: Vec<usize> = read.refused.iter().map(|(place, _)| *place).collect();
    assert_eq!(places, [4, 5, 6]);
    assert!(!format!("{read:?}").contains("9990000107"), "logs travel");
}

#[test]
fn the_published_dummy_list_would_be_refused_whole_without_our_look_at_it() {
    let Some(folder) = crate::samples::folder() else {
        return;
    };
    let bytes = std::fs::read(folder.join("ndop/published-dummy-list.dat")).expect("the list");
    let read = read_list(&bytes);
    assert_eq!((read.numbers.count(), read.refused.len()), (4, 20));
    let again = write_list(read.numbers.as_slice(), LineEnd::Lf);
    assert_eq!(read_list(&again).numbers, read.numbers);
}

#[test]
fn a_list_has_a_name_that_gets_a_reply() {
    let name = list_name("X26HC001", 3, 11, 2026, 7);
    assert_eq!(name.as_deref(), Some("X26HC001-031126-0007"));
    for (mailbox, sequence) in [
        ("", 1),
        ("X26:HC", 1),
        ("X26HC001", 0),
        ("X26HC001", 10_000),
    ] {
        assert_eq!(list_name(mailbox, 3, 11, 2026, sequence), None, "{mailbox}");
    }
}

/// What each body means for a list of the numbers 0 to 9.
#[test]
fn replies_are_told_apart_and_bad_ones_refused() {
    let cases: Vec<(&str, Vec<u8>, Result<Reply, ReplyFault>)> = vec![
        ("all stayed", body(0..10), Ok(Reply::Result(numbers(0..10)))),
        ("two left", body((0..10).filter(|n| n % 5 != 0)), Ok(Reply::Result(numbers((0..10).filter(|n| n % 5 != 0))))),
        ("in another order", body((0..10).rev()), Ok(Reply::Result(numbers(0..10)))),
        ("with CRLF", String::from_utf8(body(0..3)).unwrap().replace('\n', "\r\n").into_bytes(), Ok(Reply::Result(numbers(0..3)))),
        ("everybody opted out", b"\n".to_vec(), Ok(Reply::Result(Numbers::default()))),
        ("the job was created", br#"{"status": "pending", "stages": ["validate_non_empty_file", "validate_is_unique_upload", "validate_in_order"]}"#.to_vec(), Ok(Reply::JobCreated)),
        ("the job failed", br#"{"status": "failed", "stage": "validate_is_unique_upload"}"#.to_vec(), Ok(Reply::JobFailed)),
        ("an invalid number was in it", INVALID_NUMBERS.as_bytes().to_vec(), Ok(Reply::InvalidNumbers)),
        ("the same with a line feed", format!("{INVALID_NUMBERS}\n").into_bytes(), Ok(Reply::InvalidNumbers)),
        ("empty", Vec::new(), Err(ReplyFault::Empty)),
        ("spaces", b"  ".to_vec(), Err(ReplyFault::Empty)),
        ("half a job report", br#"{"status": "pen"#.to_vec(), Err(ReplyFault::Truncated)),
        ("a report without a status", br#"{"stages": []}"#.to_vec(), Err(ReplyFault::NotAList)),
        ("cut within a number", body(0..3)[..30].to_vec(), Err(ReplyFault::Truncated)),
        ("cut before the comma", body(0..3)[..34].to_vec(), Err(ReplyFault::Truncated)),
        ("cut before the line feed", body(0..3)[..35].to_vec(), Err(ReplyFault::Truncated)),
        ("a page of HTML", b"<html>gateway</html>".to_vec(), Err(ReplyFault::NotAList)),
        ("a number with a wrong check digit", [body(0..3), b"9990000108,\n".to_vec()].concat(), Err(ReplyFault::NotAList)),
        ("a number twice", body([0, 1, 1, 2]), Err(ReplyFault::Duplicated)),
        ("larger than the request", body(0..11), Err(ReplyFault::LargerThanRequest)),
        ("a number that was not sent", body([0, 1, 12]), Err(ReplyFault::UnknownNumbers)),
    ];
    let sent = numbers(0..10);
    for (what, bytes, expected) in cases {
        assert_eq!(read_reply(&bytes, &sent), expected, "{what}");
    }
}

#[test]
fn every_refusal_says_what_to_do() {
    for fault in ReplyFault::ALL {
        assert!(fault.advice().ends_with('.'), "{}", fault.code());
    }
}

proptest! {
    #[test]
    fn who_is_missing_is_exactly_who_was_sent_and_not_returned(
        sent in prop::collection::btree_set(0u64..200, 0..60),
        out in prop::collection::btree_set(0u64..200, 0..60),
        limit in 1usize..20,
    ) {
        let asked = numbers(sent.iter().copied());
        let mut missing = Numbers::default();
        let mut stayed = Numbers::default();
        for list in asked.lists(limit) {
            prop_assert!(list.len() <= limit);
            let list = Numbers::new(list.to_vec());
            let reply: Vec<NhsNumber> = list.as_slice().iter().copied()
                .filter(|one| !out.iter().any(|n| number(*n) == *one)).collect();
            let mut bytes = write_list(&reply, LineEnd::Lf);
            if bytes.is_empty() { bytes.push(b'\n'); }
            let Ok(Reply::Result(returned)) = read_reply(&bytes, &list) else {
                return Err(TestCaseError::fail("a good reply was refused"));
            };
            missing = missing.and(&list.without(&returned));
            stayed = stayed.and(&returned);
        }
        prop_assert_eq!(&missing, &numbers(sent.intersection(&out).copied()));
        prop_assert_eq!(missing.count() + stayed.count(), asked.count());
        prop_assert_eq!(asked.without(&stayed), missing);
    }

    #[test]
    fn no_reply_can_make_it_panic_or_bring_in_somebody_new(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let sent = numbers(0..10);
        if let Ok(Reply::Result(returned)) = read_reply(&bytes, &sent) {
            prop_assert!(returned.is_within(&sent));
        }
    }
}
