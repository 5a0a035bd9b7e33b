use serde_json::json;

use super::*;

/// A letter to an invented person.
fn letter(large_print: bool) -> Value {
    json!({
        "title": "Your choice about Connect Care",
        "large_print": large_print,
        "foot": "Connect Care, reference CH-2026-0001",
        "sender": {
            "name": "Connect Care team",
            "address": ["Freepost", "12 Example Road", "London", "SE99 1AA"],
            "phone": "020 7946 0180",
            "hours": "Monday to Friday, 9am to 5pm",
            "relay": "18001 020 7946 0180",
            "bsl": "use a video relay service and ask for our phone number",
            "email": "connect-care@example.org",
        },
        "recipient": ["Maya Patel", "1 Sample Street", "London", "SE99 2BB"],
        "reference": "CH-2026-0001",
        "date": "23 November 2026",
        "greeting": "Dear Maya Patel",
        "body": [
            "You told us that you do not want to share your record in Connect Care. We have saved your choice.",
            {"heading": "What this means"},
            {"list": ["Staff cannot see your record in Connect Care.", "You still get care."]},
            {"facts": [["Your choice", "Do not share my record"], ["From", "23 November 2026 at 2:05pm"]]},
            "#strong[not markup] $x$ <label> @reference"
        ],
        "signed": ["A. Caseworker", "Connect Care team"],
    })
}

/// Keeps the document for looking at, where `CONNECT_CARE_DOCUMENTS` names a folder.
#[allow(
    clippy::disallowed_methods,
    reason = "a test is told where to put pictures"
)]
pub(crate) fn keep(name: &str, document: &[u8]) {
    if let Ok(folder) = std::env::var("CONNECT_CARE_DOCUMENTS") {
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(format!("{folder}/{name}.pdf"), document).expect("kept");
    }
}

fn holds(document: &[u8], part: &str) -> bool {
    document
        .windows(part.len())
        .any(|window| window == part.as_bytes())
}

#[test]
fn a_letter_is_a_tagged_pdf_that_says_it_is_accessible_and_in_which_language() {
    for large_print in [false, true] {
        let document = pdf("letter.typ", &letter(large_print)).expect("a letter");
        keep(&format!("letter-{large_print}"), &document);
        assert!(document.starts_with(b"%PDF-1."));
        assert!(holds(&document, "pdfuaid:part"), "no claim of PDF/UA");
        assert!(holds(&document, "Your choice about Connect Care"));
    }
}

#[test]
fn the_same_data_give_the_same_bytes_and_other_data_another_identity() {
    let one = pdf("letter.typ", &letter(false)).expect("a letter");
    assert_eq!(one, pdf("letter.typ", &letter(false)).expect("a letter"));
    assert_ne!(one, pdf("letter.typ", &letter(true)).expect("a letter"));
}

#[test]
fn every_font_is_there_and_covers_its_script() {
    for letter in ['a', 'ŵ', 'ł', 'ệ', 'ş', 'ﺱ', 'س', 'ক', 'த', '你', '“'] {
        assert!(fonts::has(letter), "{letter}");
    }
    assert_eq!(fonts::book().families().count(), 5);
}

#[test]
fn a_character_without_a_font_is_marked_and_does_not_stop_a_letter() {
    let mut data = letter(false);
    data["greeting"] = json!("Dear 𓀀 😀");
    pdf("letter.typ", &data).expect("a letter");
}

#[test]
fn an_error_names_the_line_and_holds_nothing_of_the_data() {
    let mut data = letter(false);
    data["sender"] = json!("Maya Patel");
    let why = pdf("letter.typ", &data)
        .expect_err("not a letter")
        .to_string();
    assert!(why.contains("letter.typ was not made, line "), "{why}");
    assert!(!why.contains("Maya"), "{why}");
    let mut data = letter(false);
    data.as_object_mut().expect("an object").remove("title");
    let why = pdf("letter.typ", &data)
        .expect_err("not a letter")
        .to_string();
    assert!(why.contains("title"), "{why}");
    let why = pdf("../secret.typ", &data)
        .expect_err("no template")
        .to_string();
    assert!(why.contains("no template"), "{why}");
}

#[test]
fn what_a_message_quotes_is_kept_only_if_a_template_says_it() {
    let said = without_data("no key \"title\" in `Maya Patel` here");
    assert_eq!(said, "no key \"title\" in (hidden) here");
}
