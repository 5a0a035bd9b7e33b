//! HL7 v2 as senders really write it: what is read, what is refused and in which words, and what the
//! answer looks like in each version.

use care_core::hl7v2::{
    AckCode, Charset, ErrorCode, Header, Issue, MAX_MESSAGE_BYTES, Message, ParseError, Severity,
    ack, parse, split_messages,
};
use jiff::Timestamp;
use proptest::prelude::*;

const HEADER: &str = "MSH|^~\\&|PAS|X9T01|CC|CC|20260101||ADT^A01^ADT_A01|17|P|2.4";

fn message(ends: &str) -> Vec<u8> {
    [
        HEADER,
        "EVN|A01|20260101",
        "PID|1||9990000018^^^NHS^NH||Osei^Amara",
        "ZZZ|own",
    ]
    .join(ends)
    .into_bytes()
}

fn read(bytes: &[u8]) -> (Message<'_>, Vec<Issue>) {
    parse(bytes).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(bytes)))
}

/// What every message of the first table must still say.
fn check(what: &str, bytes: &[u8]) {
    let (message, issues) = read(bytes);
    let names: Vec<&str> = message.segments().map(|segment| segment.name()).collect();
    assert_eq!(names, ["MSH", "EVN", "PID", "ZZZ"], "{what}");
    let family = message.field("PID", 5).component(1).value();
    assert_eq!(family.as_deref(), Some("Osei"), "{what}");
    assert_eq!(
        (message.code(), message.trigger()),
        ("ADT", "A01"),
        "{what}"
    );
    assert!(issues.is_empty(), "{what}: {issues:?}");
}

#[test]
fn segment_ends_and_what_stands_around_a_message_change_nothing() {
    for (what, ends) in [
        ("CR", "\r"),
        ("LF", "\n"),
        ("CRLF", "\r\n"),
        ("blank lines", "\r\n\r\n"),
    ] {
        check(what, &message(ends));
    }
    let plain = message("\r");
    let around: [(&str, &[u8], &[u8]); 7] = [
        ("a byte order mark", b"\xef\xbb\xbf", b""),
        ("frame bytes", b"\x0b", b"\x1c\r"),
        ("frame bytes and a mark", b"\x0b\xef\xbb\xbf", b"\r\x1c\r"),
        ("blank lines", b"\r\n \t\r\n", b"\r\n\r\n"),
        ("a batch", b"BHS|^~\\&|PAS\r", b"\rBTS|1"),
        (
            "a file of a batch",
            b"FHS|^~\\&|PAS\rBHS|^~\\&|PAS\r\n",
            b"\rBTS|1\rFTS|1\r",
        ),
        ("a file without a batch", b"FHS|^~\\&\n", b"\nFTS|1\n"),
    ];
    for (what, before, after) in around {
        check(what, &[before, &plain, after].concat());
    }
    let mixed = String::from_utf8(message("\r")).unwrap();
    check(
        "mixed ends",
        mixed
            .replacen('\r', "\r\n", 1)
            .replacen("\rZZZ", "\nZZZ", 1)
            .as_bytes(),
    );
}

#[test]
fn a_line_without_a_segment_name_belongs_to_the_line_before_and_is_told() {
    let text = format!("{HEADER}\rOBX|1|TX|a||first line\nsecond line\rPV1|1");
    let (message, issues) = read(text.as_bytes());
    assert_eq!(message.field("OBX", 5).text(), "first line\nsecond line");
    assert_eq!(message.segments().count(), 3);
    assert_eq!(issues.len(), 1);
    assert!(issues[0].text.contains("\\.br\\"), "says how to mend it");
}

#[test]
fn any_five_different_signs_can_separate() {
    for signs in ["|^~\\&", "|^~\\&#", "#*!?%", "$:+/=", "|~^\\&", "^|~\\&"] {
        let sign: Vec<char> = signs.chars().collect();
        let (field, component, repetition, escape, sub) =
            (sign[0], sign[1], sign[2], sign[3], sign[4]);
        let text = format!(
            "MSH{signs}{field}PAS{field}X9T01{field}{field}{field}{field}{field}ADT{component}A08{field}1{field}P{field}2.4\r\
             PID{field}1{field}{field}a{component}b{sub}c{repetition}d{field}{escape}F{escape}{escape}S{escape}{escape}T{escape}{escape}R{escape}{escape}E{escape}"
        );
        let (message, issues) = read(text.as_bytes());
        assert!(issues.is_empty(), "{signs}: {issues:?}");
        assert_eq!(message.trigger(), "A08", "{signs}");
        let third = message.field("PID", 3);
        assert_eq!(third.component(2).subcomponent(2).raw(), "c", "{signs}");
        let repeated: Vec<&str> = third.repetitions().map(|one| one.raw()).collect();
        assert_eq!(repeated.last(), Some(&"d"), "{signs}");
        let escaped = format!("{field}{component}{sub}{repetition}{escape}");
        assert_eq!(message.field("PID", 4).text(), escaped, "{signs}");
    }
    for signs in ["||^~&", "|^^~&", "|abcd", "|", "     "] {
        let text = format!("MSH{signs}|PAS|X9T01|||||ADT^A08|1|P|2.4\r");
        assert_eq!(
            parse(text.as_bytes()).unwrap_err(),
            ParseError::Separators,
            "{signs}"
        );
    }
}

/// MSH-18, the bytes of a family name, the name as read, and whether something must be told.
#[test]
fn the_character_set_is_the_declared_one_and_a_wrong_declaration_loses_nothing() {
    let cases: [(&str, &[u8], &str, bool); 11] = [
        (
            "UNICODE UTF-8",
            "Ní Bhriain".as_bytes(),
            "Ní Bhriain",
            false,
        ),
        ("UNICODE", "Żak".as_bytes(), "Żak", false),
        ("utf-8", "Żak".as_bytes(), "Żak", false),
        ("8859/1", b"N\xed Bhriain", "Ní Bhriain", false),
        ("8859/1~UNICODE UTF-8", b"N\xed", "Ní", false),
        ("", "Ní".as_bytes(), "Ní", false),
        ("", b"N\xed", "Ní", true),
        ("", b"O\x92Brien", "O\u{2019}Brien", true),
        ("ASCII", "Ní".as_bytes(), "Ní", true),
        ("UNICODE UTF-8", b"N\xed", "Ní", true),
        ("KLINGON", "Ní".as_bytes(), "Ní", true),
    ];
    for (declared, bytes, name, is_told) in cases {
        let what = format!("{declared:?} {name}");
        let start = format!("{HEADER}||||||{declared}\rPID|1||||");
        let all = [start.as_bytes(), bytes, b"\r"].concat();
        let (message, issues) = read(&all);
        assert_eq!(message.field("PID", 5).text(), name, "{what}");
        assert_eq!(!issues.is_empty(), is_told, "{what}: {issues:?}");
        for issue in &issues {
            assert_eq!(issue.location.to_string(), "MSH-18", "{what}");
            assert_eq!(issue.severity, Severity::Warning, "{what}");
            assert!(!issue.text.contains(name), "{what}: no value in an issue");
        }
    }
    for (code, charset) in [
        ("", Charset::Undeclared),
        ("\"\"", Charset::Undeclared),
        (" unicode utf-8 ", Charset::Utf8),
        ("ISO-8859-1", Charset::Latin1),
        ("ASCII", Charset::Ascii),
        ("ISO IR87", Charset::Unknown),
    ] {
        let line = format!("{HEADER}||||||{code}");
        assert_eq!(
            Charset::declared(line.as_bytes(), b'|'),
            charset,
            "{code:?}"
        );
    }
}

#[test]
fn escapes_are_put_back_and_an_unknown_one_stays_as_it_was_sent() {
    for (sent, meant) in [
        ("a\\F\\b", "a|b"),
        ("100\\S\\9", "100^9"),
        ("A \\T\\ E", "A & E"),
        ("\\E\\\\E\\", "\\\\"),
        ("one\\.br\\two", "one\ntwo"),
        ("\\H\\bold\\N\\", "bold"),
        ("\\X0A\\", "\n"),
        ("\\XC3AD\\", "í"),
        ("\\Q\\", "\\Q\\"),
        ("C:\\drive", "C:\\drive"),
        ("\\X0\\", "\\X0\\"),
        ("end\\", "end\\"),
    ] {
        let text = format!("{HEADER}\rNTE|1||{sent}\r");
        assert_eq!(
            read(text.as_bytes()).0.field("NTE", 3).text(),
            meant,
            "{sent}"
        );
    }
}

#[test]
fn nothing_sent_and_the_null_value_are_two_things() {
    let text = format!("{HEADER}\rPID|1||||\"\"|| |x");
    let (message, _) = read(text.as_bytes());
    // field, empty, null, valued
    for (number, wanted) in [
        (4, (true, false, false)),
        (5, (false, true, false)),
        (7, (true, false, false)),
        (8, (false, false, true)),
        (40, (true, false, false)),
        (0, (true, false, false)),
    ] {
        let field = message.field("PID", number);
        let got = (field.is_empty(), field.is_null(), field.is_valued());
        assert_eq!(got, wanted, "PID-{number}");
    }
    assert_eq!(message.field("PID", 5).value(), None);
    assert_eq!(message.field("NK1", 1).value(), None);
    assert_eq!(message.field("MSH", 1).raw(), "|");
    assert_eq!(message.field("MSH", 2).raw(), "^~\\&");
}

#[test]
fn what_is_no_message_is_refused_with_what_why_and_how_to_mend() {
    let short = |fields: &str| format!("MSH|^~\\&|PAS|X9T01|CC|CC|20260101||{fields}").into_bytes();
    let cases: Vec<(&str, Vec<u8>, ParseError, ErrorCode)> = vec![
        (
            "empty",
            vec![],
            ParseError::Empty,
            ErrorCode::SegmentSequence,
        ),
        (
            "blanks in a frame",
            b"\x0b \r\n\x1c\r".to_vec(),
            ParseError::Empty,
            ErrorCode::SegmentSequence,
        ),
        (
            "zero bytes",
            b"MSH|^~\\&|\0".to_vec(),
            ParseError::Binary,
            ErrorCode::SegmentSequence,
        ),
        (
            "no header",
            b"PID|1".to_vec(),
            ParseError::NoHeader,
            ErrorCode::SegmentSequence,
        ),
        (
            "FHIR",
            b"{\"resourceType\":\"Patient\"}".to_vec(),
            ParseError::NoHeader,
            ErrorCode::SegmentSequence,
        ),
        (
            "a batch of none",
            b"BHS|^~\\&".to_vec(),
            ParseError::NoHeader,
            ErrorCode::SegmentSequence,
        ),
        (
            "two messages",
            [message("\r"), b"\r".to_vec(), message("\r")].concat(),
            ParseError::SeveralMessages,
            ErrorCode::SegmentSequence,
        ),
        (
            "MSH alone",
            b"MSH".to_vec(),
            ParseError::Separators,
            ErrorCode::RequiredFieldMissing,
        ),
        (
            "no type",
            short("|17|P|2.4"),
            ParseError::HeaderTooShort { field: "MSH-9" },
            ErrorCode::RequiredFieldMissing,
        ),
        (
            "no control id",
            short("ADT^A01||P|2.4"),
            ParseError::HeaderTooShort { field: "MSH-10" },
            ErrorCode::RequiredFieldMissing,
        ),
        (
            "a null control id",
            short("ADT^A01|\"\"|P|2.4"),
            ParseError::HeaderTooShort { field: "MSH-10" },
            ErrorCode::RequiredFieldMissing,
        ),
        (
            "no version",
            short("ADT^A01|17|P"),
            ParseError::HeaderTooShort { field: "MSH-12" },
            ErrorCode::RequiredFieldMissing,
        ),
        (
            "version 3",
            short("ADT^A01|17|P|3.0"),
            ParseError::Version,
            ErrorCode::UnsupportedVersion,
        ),
        (
            "too long",
            vec![b'M'; MAX_MESSAGE_BYTES + 1],
            ParseError::TooLarge {
                limit: MAX_MESSAGE_BYTES,
            },
            ErrorCode::Internal,
        ),
        (
            "too many fields",
            short(&"|".repeat(1_000_001)),
            ParseError::TooLarge {
                limit: MAX_MESSAGE_BYTES,
            },
            ErrorCode::Internal,
        ),
    ];
    for (what, bytes, wanted, code) in cases {
        let error = parse(&bytes).expect_err(what);
        assert_eq!(error, wanted, "{what}");
        let issue = error.issue();
        assert_eq!(
            (issue.code, issue.severity),
            (code, Severity::Error),
            "{what}"
        );
        assert!(issue.location.to_string().starts_with("MSH"), "{what}");
        assert!(
            issue.text.contains("; "),
            "{what}: how to mend it: {}",
            issue.text
        );
    }
    for version in [
        "2.1",
        "2.2",
        "2.3",
        "2.3.1",
        "2.4",
        "2.5",
        "2.5.1",
        "2.6",
        "2.7",
        "2.8",
        "2.8.2",
        "2.4^GBR^1.0",
    ] {
        assert!(
            parse(&short(&format!("ADT^A01|17|P|{version}"))).is_ok(),
            "{version}"
        );
    }
}

fn answer(version: &str, code: AckCode, issues: &[Issue]) -> String {
    let text = format!(
        "MSH|^~\\&|PAS|X9T01|CC|CCF|20260101||ADT^A01^ADT_A01|17|T|{version}||||||8859/1\r"
    );
    let now: Timestamp = "2026-01-02T03:04:05Z".parse().expect("a moment");
    let bytes = ack(&Header::salvage(text.as_bytes()), code, issues, "A17", now);
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

#[test]
fn an_answer_swaps_sender_and_receiver_and_has_the_shape_of_the_senders_version() {
    let issue = Issue::error("PID-7", ErrorCode::DataType, "no date; send YYYYMMDD");
    let wanted = [
        ("2.1", "ACK", "ERR|PID^1^7^102&Data type error&HL70357\r"),
        (
            "2.2",
            "ACK^A01",
            "ERR|PID^1^7^102&Data type error&HL70357\r",
        ),
        (
            "2.3",
            "ACK^A01",
            "ERR|PID^1^7^102&Data type error&HL70357\r",
        ),
        (
            "2.3.1",
            "ACK^A01^ACK",
            "ERR|PID^1^7^102&Data type error&HL70357\r",
        ),
        (
            "2.4",
            "ACK^A01^ACK",
            "ERR|PID^1^7^102&Data type error&HL70357\r",
        ),
        (
            "2.5",
            "ACK^A01^ACK",
            "ERR||PID^1^7|102^Data type error^HL70357|E|||PID-7 Data type error|no date; send YYYYMMDD\r",
        ),
        (
            "2.8.2",
            "ACK^A01^ACK",
            "ERR||PID^1^7|102^Data type error^HL70357|E|||PID-7 Data type error|no date; send YYYYMMDD\r",
        ),
    ];
    for (version, kind, error) in wanted {
        let expected = format!(
            "MSH|^~\\&|CC|CCF|PAS|X9T01|20260102030405+0000||{kind}|A17|T|{version}||||||8859/1\r\
             MSA|AE|17|PID-7: no date; send YYYYMMDD\r{error}"
        );
        assert_eq!(
            answer(version, AckCode::Error, std::slice::from_ref(&issue)),
            expected
        );
    }
    assert!(answer("2.4", AckCode::Accept, &[]).ends_with("\rMSA|AA|17\r"));
}

#[test]
fn an_answer_escapes_what_would_break_it_and_lists_no_more_than_twenty_issues() {
    let issue = Issue::error(
        "OBX[3]-5.2",
        ErrorCode::DataType,
        "send | as \\F\\ and í as UTF-8",
    );
    let text = answer("2.5.1", AckCode::Reject, &vec![issue; 50]);
    assert_eq!(text.matches("\rERR|").count(), 20);
    assert!(text.contains("ERR||OBX^3^5^1^2|"), "{text}");
    assert!(
        text.contains("send \\F\\ as \\E\\F\\E\\ and í as"),
        "{text}"
    );
    let bytes: Vec<u8> = text.chars().map(|letter| letter as u8).collect();
    assert!(parse(&bytes).is_ok(), "our own answer is a message");
}

#[test]
fn an_answer_can_be_given_to_what_cannot_be_read() {
    let cases: [(&[u8], &str, &str); 5] = [
        (b"", "", ""),
        (b"PID|1", "", ""),
        (b"\0\0MSH|^~\\&|A|B|C|D|x||ADT^A01|9|P|9.9", "A", "9"),
        (b"MSH|^^^^|A|B|C|D|x||ADT^A01|9|P|2.4", "", ""),
        (b"MSH|^~\\&|A", "A", ""),
    ];
    for (bytes, application, control_id) in cases {
        let header = Header::salvage(bytes);
        let got = (
            header.sending_application.as_str(),
            header.control_id.as_str(),
        );
        assert_eq!(
            got,
            (application, control_id),
            "{}",
            String::from_utf8_lossy(bytes)
        );
        let out = ack(&header, AckCode::Reject, &[], "A", Timestamp::UNIX_EPOCH);
        assert!(String::from_utf8_lossy(&out).contains("\rMSA|AR|"));
    }
}

#[test]
fn a_file_is_cut_at_each_header_and_its_wrapper_is_left_out() {
    let one = message("\r");
    let cases: Vec<(&str, Vec<u8>, usize)> = vec![
        ("one", one.clone(), 1),
        ("two, LF between", [one.as_slice(), b"\n", &one].concat(), 2),
        (
            "two frames",
            [b"\x0b".as_slice(), &one, b"\x1c\r\x0b", &one, b"\x1c\r"].concat(),
            2,
        ),
        (
            "a batch",
            [
                b"FHS|^~\\&\rBHS|^~\\&\r".as_slice(),
                &one,
                b"\r",
                &one,
                b"\rBTS|2\rFTS|1\r",
            ]
            .concat(),
            2,
        ),
        (
            "a mark first",
            [b"\xef\xbb\xbf".as_slice(), &one].concat(),
            1,
        ),
        (
            "MSH in a text",
            [one.as_slice(), b"\rNTE|1||see MSH|x"].concat(),
            1,
        ),
    ];
    for (what, bytes, count) in cases {
        let pieces = split_messages(&bytes);
        assert_eq!(pieces.len(), count, "{what}");
        for piece in pieces {
            assert!(
                parse(piece).is_ok(),
                "{what}: {}",
                String::from_utf8_lossy(piece)
            );
        }
    }
    assert_eq!(split_messages(b"no message"), [b"no message".as_slice()]);
}

/// A field's text without anything that separates.
fn plain() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9 ,.'íŻ^&~-]{0,12}"
}

fn segment() -> impl Strategy<Value = String> {
    ("[A-Z][A-Z0-9]{2}", proptest::collection::vec(plain(), 0..8))
        .prop_filter("one header, no wrapper", |(name, _)| {
            !["MSH", "FHS", "BHS", "BTS", "FTS"].contains(&name.as_str())
        })
        .prop_map(|(name, fields)| format!("{name}|{}x", fields.join("|")))
}

proptest! {
    #[test]
    fn what_is_printed_reads_the_same(segments in proptest::collection::vec(segment(), 0..12), ends in "\r|\n|\r\n") {
        let text = std::iter::once(HEADER.to_owned()).chain(segments.clone()).collect::<Vec<_>>().join(&ends);
        let (first, issues) = read(text.as_bytes());
        prop_assert!(issues.is_empty());
        let printed = first.print();
        let (second, _) = read(printed.as_bytes());
        prop_assert_eq!(second.print(), printed.clone());
        let raw: Vec<&str> = second.segments().skip(1).map(|segment| segment.raw()).collect();
        prop_assert_eq!(raw, segments);
    }

    #[test]
    fn no_bytes_make_it_fall(bytes in proptest::collection::vec(any::<u8>(), 0..400), spoilt in any::<bool>()) {
        let bytes = if spoilt { [HEADER.as_bytes(), b"\r", &bytes].concat() } else { bytes };
        walk(&bytes);
    }

    #[test]
    fn no_cut_and_no_changed_byte_makes_it_fall(cut in 0..120usize, at in 0..120usize, byte in any::<u8>()) {
        let mut bytes = message("\r");
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        bytes.truncate(cut);
        walk(&bytes);
    }
}

/// Everything a reader could ask of these bytes.
fn walk(bytes: &[u8]) {
    let header = Header::salvage(bytes);
    let issue = match parse(bytes) {
        Err(error) => error.issue(),
        Ok((message, issues)) => {
            for segment in message.segments() {
                for number in 0..=segment.field_count() + 1 {
                    let field = segment.field(number);
                    let _ = (
                        field.text(),
                        field.value(),
                        field.component(2).subcomponent(9).value(),
                    );
                    assert!(field.repetitions().count() <= field.raw().len() + 1);
                }
            }
            let _ = Header::of(&message);
            issues
                .into_iter()
                .next()
                .unwrap_or_else(|| Issue::warning("?", ErrorCode::Internal, ""))
        }
    };
    let out = ack(
        &header,
        AckCode::Error,
        &[issue],
        "1",
        Timestamp::UNIX_EPOCH,
    );
    assert!(out.starts_with(b"MSH"));
    let pieces = split_messages(bytes);
    assert!(pieces.iter().map(|piece| piece.len()).sum::<usize>() <= bytes.len());
}
