//! People and those who act for them: who may sign in with how much proof, whose record is picked, what
//! ends at once, what may be taken along, and what is told of an emergency.

use super::rig::{Browser, Demo, Page};

const ELIF: &str = "9990000050";
const MAYA: &str = "9990000131";

/// The pages of a person's own.
const OWN: [&str; 9] = [
    "/me",
    "/me/shared",
    "/me/who-looked",
    "/me/choices",
    "/me/choices/who",
    "/me/acting-for",
    "/me/download",
    "/me/requests",
    "/me/settings",
];

fn words(page: &Page) -> String {
    super::portal::words(page)
}

#[tokio::test]
async fn somebody_who_has_not_proved_who_they_are_sees_no_record_and_how_to_prove_it() {
    let demo = Demo::with_people(14).await;
    let mut maya = Browser::new(&demo);
    maya.sign_in("patient:P5").await;
    for path in OWN {
        let page = maya.get(path).await;
        assert_eq!(page.to.as_deref(), Some("/me/prove"), "{path}");
    }
    let prove = maya.get("/me/prove").await;
    let told = words(&prove);
    assert!(
        told.contains("We cannot show you a record until you have."),
        "{told}"
    );
    assert!(told.contains("020 7946 0180") && prove.text.contains("href=\"/contact\""));
    let csrf = prove.field("csrf");
    for (path, form) in [
        ("/me/choices/again", vec![]),
        ("/me/acting-for/code", vec![("code", "AAAA")]),
        ("/me/download", vec![("what", "looked"), ("format", "csv")]),
    ] {
        let form: Vec<_> = form.into_iter().chain([("csrf", csrf.as_str())]).collect();
        let page = maya.post(path, &form).await;
        assert_eq!(page.to.as_deref(), Some("/me/prove"), "{path}");
    }
    // With proof, the same person sees it.
    maya.sign_in("patient").await;
    assert_eq!(maya.get("/me").await.status, 200);
    // A parent without proof acts for nobody, though a grant holds.
    let mut mother = Browser::new(&demo);
    mother.sign_in("proxy:P5").await;
    assert_eq!(mother.get("/me").await.to.as_deref(), Some("/me/prove"));
}

#[tokio::test]
async fn whoever_acts_for_somebody_is_refused_at_the_next_request_after_it_was_ended() {
    let demo = Demo::with_people(14).await;
    let mut mother = Browser::new(&demo);
    mother.sign_in("proxy").await;
    for path in OWN {
        let page = mother.get(path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.text);
        let told = words(&page);
        assert!(
            told.contains("You are acting for Elif Kaya"),
            "{path}: {told}"
        );
    }
    let mut officer = Browser::new(&demo);
    officer.sign_in("privacy-officer").await;
    let csrf = officer.get("/ig/people").await.field("csrf");
    let form = [("csrf", csrf.as_str()), ("number", ELIF)];
    let found = officer.post("/ig/people/find", &form).await;
    assert!(words(&found).contains("Birth certificate, seen at the GP practice"));
    let grant = found.field("grant");
    let form = [
        ("csrf", csrf.as_str()),
        ("number", ELIF),
        ("grant", grant.as_str()),
        ("act", "end"),
    ];
    let ended = officer.post("/ig/people/change", &form).await;
    assert!(words(&ended).contains("It has ended."), "{}", ended.text);
    for path in OWN {
        let page = mother.get(path).await;
        assert_eq!(page.to.as_deref(), Some("/me/whose"), "{path}");
    }
    let whose = words(&mother.get("/me/whose").await);
    assert!(
        whose.contains("There is no record that you can look at now."),
        "{whose}"
    );
    assert!(!whose.contains("Elif"), "{whose}");
}

/// Every answer a form of M5 takes, sent.
async fn code_of(maya: &mut Browser, rights: &[(&str, &str)]) -> String {
    let csrf = maya.get("/me/acting-for/add").await.field("csrf");
    let form: Vec<_> = [("csrf", csrf.as_str()), ("name", "Selin Kaya")]
        .into_iter()
        .chain(rights.iter().copied())
        .collect();
    let made = maya.post("/me/acting-for/add", &form).await;
    let (_, rest) = made
        .text
        .split_once("<strong class=\"cc-nowrap\">")
        .unwrap_or_else(|| panic!("no code: {}", made.text));
    rest.split_once('<').expect("a code").0.to_owned()
}

#[tokio::test]
async fn a_person_adds_somebody_by_a_code_who_picks_a_record_first_and_removes_them() {
    let demo = Demo::with_people(14).await;
    let mut maya = Browser::new(&demo);
    maya.sign_in("patient").await;
    // Nobody may do nothing.
    let csrf = maya.get("/me/acting-for/add").await.field("csrf");
    let form = [("csrf", csrf.as_str()), ("name", "Selin Kaya")];
    let refused = maya.post("/me/acting-for/add", &form).await;
    assert!(words(&refused).contains("Choose at least one thing they may do"));
    let code = code_of(&mut maya, &[("look", "1")]).await;
    let mut selin = Browser::new(&demo);
    selin.sign_in("proxy").await;
    let csrf = selin.get("/me/acting-for/code").await.field("csrf");
    let form = [("csrf", csrf.as_str()), ("code", code.as_str())];
    let taken = selin.post("/me/acting-for/code", &form).await;
    assert_eq!(taken.to.as_deref(), Some("/me/whose"), "{}", taken.text);
    // Two people now: nothing is shown before one was picked.
    assert_eq!(selin.get("/me").await.to.as_deref(), Some("/me/whose"));
    let whose = selin.get("/me/whose").await;
    assert!(words(&whose).contains("Elif Kaya") && words(&whose).contains("Maya Patel"));
    let value = whose
        .text
        .split("value=\"")
        .filter_map(|rest| rest.split_once('"'))
        .find(|(_, rest)| {
            rest.split("</label>")
                .next()
                .unwrap_or_default()
                .contains("Maya Patel")
        })
        .expect("her line")
        .0
        .to_owned();
    let form = [("csrf", csrf.as_str()), ("whose", value.as_str())];
    assert_eq!(
        selin.post("/me/whose", &form).await.to.as_deref(),
        Some("/me")
    );
    let home = words(&selin.get("/me").await);
    assert!(home.contains("You are acting for Maya Patel"), "{home}");
    assert_eq!(selin.get("/me/who-looked").await.status, 200);
    // Only what she was given.
    assert_eq!(selin.get("/me/choices/who").await.status, 403);
    assert_eq!(selin.get("/me/download").await.status, 403);
    assert_eq!(selin.get("/me/acting-for/add").await.status, 403);
    // The code is used up.
    let again = selin
        .post("/me/acting-for/code", &[("csrf", &csrf), ("code", &code)])
        .await;
    assert!(words(&again).contains("This code is unknown, was used, or is too old"));
    // Maya sees her, and removes her.
    let listed = maya.get("/me/acting-for").await;
    assert!(words(&listed).contains("Selin Kaya") && words(&listed).contains("see who looked"));
    let link = listed
        .text
        .split("href=\"")
        .filter_map(|rest| rest.split('"').next())
        .find(|link| link.starts_with("/me/acting-for/remove/"))
        .expect("a link")
        .to_owned();
    let csrf = maya.get(&link).await.field("csrf");
    assert_eq!(
        maya.post(&link, &[("csrf", &csrf)]).await.to.as_deref(),
        Some("/me/acting-for")
    );
    let refused = selin.get("/me/who-looked").await;
    assert_eq!(refused.to.as_deref(), Some("/me/whose?ended=1"));
}

#[tokio::test]
async fn a_copy_is_had_on_screen_as_pdf_csv_and_fhir_and_on_paper_by_a_request() {
    let demo = Demo::with_people(14).await;
    let mut gp = Browser::new(&demo);
    gp.sign_in("gp").await;
    let record = gp
        .open(MAYA, "permission-today")
        .await
        .ok()
        .expect("opened");
    gp.get(&format!("{record}/allergies")).await;
    let mut maya = Browser::new(&demo);
    maya.sign_in("patient").await;
    let page = maya.get("/me/download").await;
    let csrf = page.field("csrf");
    let today = jiff::Zoned::now().date().to_string();
    let ask = |format: &'static str, what: &'static [&'static str]| {
        let mut form = vec![
            ("csrf", csrf.clone()),
            ("from", today.clone()),
            ("to", today.clone()),
            ("format", format.to_owned()),
        ];
        form.extend(what.iter().map(|one| ("what", (*one).to_owned())));
        form
    };
    let all: &[&str] = &["looked", "choices", "shared"];
    for (format, kind) in [
        ("page", "text/html"),
        ("csv", "text/csv"),
        ("pdf", "application/pdf"),
        ("large-print", "application/pdf"),
        ("fhir", "application/fhir+json"),
    ] {
        let form = ask(format, all);
        let form: Vec<_> = form
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let got = maya.post("/me/download", &form).await;
        assert_eq!(got.status, 200, "{format}: {}", got.text);
        let header = got.headers["content-type"]
            .to_str()
            .expect("text")
            .to_owned();
        assert!(header.starts_with(kind), "{format}: {header}");
        match format {
            "csv" => assert!(got.text.contains("\"Opened your record\",\"GP\"")),
            "fhir" => {
                let bundle: serde_json::Value = serde_json::from_str(&got.text).expect("JSON");
                let first = &bundle["entry"][0]["resource"];
                assert_eq!(first["resourceType"], "AuditEvent");
            }
            "pdf" | "large-print" => assert!(got.text.starts_with("%PDF")),
            _ => assert!(words(&got).contains("You gave permission.")),
        }
    }
    // The health information itself, where the deployment allows it.
    let form = ask("fhir", &["health"]);
    let form: Vec<_> = form
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let got = maya.post("/me/download", &form).await;
    assert!(
        got.text.contains("\"resourceType\":\"Patient\""),
        "{}",
        &got.text[..300]
    );
    // Paper is a request with a reference.
    let form = ask("paper", all);
    let form: Vec<_> = form
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let asked = words(&maya.post("/me/download", &form).await);
    assert!(
        asked.contains("Your reference") && asked.contains("We answer by"),
        "{asked}"
    );
    let requests = words(&maya.get("/me/requests").await);
    assert!(requests.contains("You asked for a copy"), "{requests}");
    // Nothing chosen is said.
    let form = ask("csv", &[]);
    let form: Vec<_> = form
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let refused = words(&maya.post("/me/download", &form).await);
    assert!(
        refused.contains("Choose what you want a copy of"),
        "{refused}"
    );
}

#[tokio::test]
async fn emergency_access_is_told_on_the_home_page_and_sent_where_asked() {
    let demo = Demo::with_people(14).await;
    let mut maya = Browser::new(&demo);
    maya.sign_in("patient").await;
    let csrf = maya.get("/me/settings").await.field("csrf");
    let form = [
        ("csrf", csrf.as_str()),
        ("format", "large-print"),
        ("contact", "email"),
        ("address", "maya@example.org"),
        ("notices", "1"),
    ];
    let saved = maya.post("/me/settings", &form).await;
    assert_eq!(
        saved.to.as_deref(),
        Some("/me/settings?saved=1"),
        "{}",
        saved.text
    );
    let mut crew = Browser::new(&demo);
    crew.sign_in("ambulance-clinician").await;
    let (address, page) = crew.find(MAYA).await;
    let form = [
        ("csrf", page.field("csrf")),
        ("ground", "risk-to-life".to_owned()),
        ("text", "unconscious".to_owned()),
    ];
    let form: Vec<_> = form
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let opened = crew
        .post(&address.replace("/confirm/", "/emergency/"), &form)
        .await;
    assert!(opened.to.is_some(), "{}", opened.text);
    let home = words(&maya.get("/me").await);
    assert!(home.contains("Somebody used emergency access"), "{home}");
    let looked = words(&maya.get("/me/who-looked").await);
    assert!(
        looked.contains("It was an emergency. They could not ask you."),
        "{looked}"
    );
    let folder = demo.data.path().join("notices");
    for _ in 0..100 {
        let sent = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        let files: Vec<_> = sent
            .filter(|one| one.path().extension().is_some_and(|it| it == "json"))
            .collect();
        if let [file] = files.as_slice() {
            let text = std::fs::read_to_string(file.path()).expect("a message");
            assert!(text.contains("maya@example.org"), "{text}");
            assert!(
                !text.contains("Maya Patel") && !text.contains(MAYA),
                "{text}"
            );
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    panic!("no message in {}", folder.display());
}
