//! Somebody who knows nothing of Connect Care finds the answers from the pages alone, by following links
//! from the front page.

use super::portal::words;
use super::rig::{Browser, Demo};

/// A question, the links followed from the front page, and what the page then says.
struct Question {
    asked: &'static str,
    links: &'static [&'static str],
    says: &'static [&'static str],
}

const QUESTIONS: &[Question] = &[
    Question {
        asked: "What is Connect Care?",
        links: &["What is Connect Care?"],
        says: &[
            "It is a local computer system",
            "started in 2015",
            "They can only read",
            "It collects nothing new",
        ],
    },
    Question {
        asked: "Who sees my information?",
        links: &["Who can see"],
        says: &[
            "Only staff who are involved in your care may open your record",
            "They must ask you first",
            "Every look is written down: who, when, what and why",
            "District nurse",
        ],
    },
    Question {
        asked: "Who sees what?",
        links: &["Who can see", "how Connect Care is used"],
        says: &[
            "Jobs and kinds of information",
            "your allergies",
            "Social worker",
        ],
    },
    Question {
        asked: "Who takes part, and what do they share?",
        links: &["What is shared"],
        says: &["Who shares what", "What is never shared"],
    },
    Question {
        asked: "How do I say no to Connect Care online?",
        links: &[
            "Do I have a choice?",
            "Choose about Connect Care",
            "Start now",
        ],
        says: &["Log in"],
    },
    Question {
        asked: "How do I say no to Connect Care by phone?",
        links: &["Do I have a choice?"],
        says: &["1. Connect Care", "by phone (020 7946 0180)"],
    },
    Question {
        asked: "How do I say no to Connect Care by post?",
        links: &["Do I have a choice?", "paper form"],
        says: &[
            "sign it, and send it to Connect Care team, Freepost, 12 Example Road, London, SE99",
            "Do not share my record",
        ],
    },
    Question {
        asked: "How do I say no to research and planning online?",
        links: &["National data opt-out"],
        says: &["Online: the national service"],
    },
    Question {
        asked: "How do I say no to research and planning by phone?",
        links: &["National data opt-out"],
        says: &["Phone: 0300 303 5678"],
    },
    Question {
        asked: "How do I say no to research and planning by post?",
        links: &["National data opt-out"],
        says: &["Post: ask for a form by phone, fill it in, and send it to"],
    },
    Question {
        asked: "Does saying no change my care?",
        links: &["Do I have a choice?", "Choose about Connect Care"],
        says: &["You still get care", "even in an emergency"],
    },
    Question {
        asked: "When does my choice not apply?",
        links: &["Do I have a choice?", "When a choice does not apply"],
        says: &[
            "A legal duty",
            "fraud investigation",
            "An overriding public interest",
            "Caldicott Guardian",
            "Last year",
        ],
    },
    Question {
        asked: "Can I read it in my language, or in large print?",
        links: &["Get the leaflet", "Other languages"],
        says: &["Cymraeg", "العربية", "Large print"],
    },
];

/// Where the link with these words leads; a link inside the page's own words before one of its frame.
fn link(text: &str, wanted: &str) -> Option<String> {
    let (frame, main) = text.split_once("<main").unwrap_or((text, ""));
    [main, frame].into_iter().find_map(|part| {
        part.split("<a ").skip(1).find_map(|rest| {
            let (head, rest) = rest.split_once('>')?;
            let (inside, _) = rest.split_once("</a>")?;
            let said: String = inside
                .split('<')
                .map(|piece| piece.rsplit('>').next().unwrap_or(piece))
                .collect();
            let to = head.split_once("href=\"")?.1.split_once('"')?.0;
            (said.trim().to_lowercase() == wanted.to_lowercase()).then(|| to.replace("&#x2f;", "/"))
        })
    })
}

/// Without the blanks that stand where tags stood.
fn as_read(words: &str) -> String {
    words
        .replace("( ", "(")
        .replace(" )", ")")
        .replace(" ,", ",")
        .replace(" .", ".")
        .replace('\u{a0}', " ")
}

#[tokio::test]
async fn a_newcomer_finds_every_answer_from_the_pages_alone() {
    let demo = Demo::start().await;
    let mut browser = Browser::new(&demo);
    for question in QUESTIONS {
        let mut page = browser.get("/").await;
        for wanted in question.links {
            let to = link(&page.text, wanted)
                .unwrap_or_else(|| panic!("{}: no link {wanted:?}", question.asked));
            page = browser.get(&to).await;
            if let Some(further) = page.to.clone() {
                page = browser.get(&further).await;
            }
            assert_eq!(page.status, 200, "{}: {to}", question.asked);
        }
        let said = as_read(&words(&page));
        for answer in question.says {
            assert!(
                said.contains(answer),
                "{}: the page does not say {answer:?}: {said}",
                question.asked
            );
        }
    }
}

#[tokio::test]
async fn every_format_and_language_of_the_leaflet_and_the_form_is_a_tagged_pdf() {
    let demo = Demo::start().await;
    let http = reqwest::Client::new();
    let mut addresses = vec![
        "/leaflet/pdf".to_owned(),
        "/choices/form/form.pdf".to_owned(),
        "/choices/form/large-print.pdf".to_owned(),
        "/choices/form/easy-read.pdf".to_owned(),
    ];
    for code in [
        "en",
        "cy",
        "ar",
        "bn",
        "es",
        "fr",
        "pl",
        "pt",
        "ta",
        "tr",
        "vi",
        "zh",
        "easy-read",
    ] {
        addresses.push(format!("/leaflet/{code}.pdf"));
        addresses.push(format!("/leaflet/{code}-large-print.pdf"));
    }
    for address in addresses {
        let answer = http
            .get(format!("{}{address}", demo.base))
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), 200, "{address}");
        assert_eq!(
            answer.headers()["content-type"],
            "application/pdf",
            "{address}"
        );
        let body = answer.bytes().await.expect("a body");
        let holds = |part: &[u8]| body.windows(part.len()).any(|window| window == part);
        assert!(
            body.starts_with(b"%PDF-") && holds(b"pdfuaid:part"),
            "{address}"
        );
    }
    // Bad input is told, and nothing breaks.
    for address in [
        "/leaflet/xx",
        "/leaflet/xx.pdf",
        "/leaflet/..%2f..%2fetc.pdf",
        "/leaflet/order/gold",
        "/choices/form/x.pdf",
    ] {
        let answer = http
            .get(format!("{}{address}", demo.base))
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), 404, "{address}");
    }
}
