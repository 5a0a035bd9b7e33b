//! Choices as people make them: by phone through a caseworker, online, for somebody else; what closes,
//! how fast, and what the letter says.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::rig::{Browser, Demo, Page};

const BERNARD: &str = "9990000026";
const ELIF: &str = "9990000050";
const MAYA: &str = "9990000131";

/// Where Chromium stands on the machines we know.
const CHROMIUM: [&str; 3] = [
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome",
];

/// A caseworker at one case.
struct Desk {
    browser: Browser,
    csrf: String,
    case: String,
}

impl Desk {
    /// Opens a case of something that came by phone today.
    async fn open(demo: &Demo, user: &str, channel: &str) -> Self {
        let mut browser = Browser::new(demo);
        browser.sign_in(user).await;
        let new = browser.get("/ig/choices/new").await;
        assert_eq!(new.status, 200, "{}", new.text);
        let (csrf, received) = (new.field("csrf"), today(&new));
        let form = [
            ("csrf", csrf.as_str()),
            ("channel", channel),
            ("received", &received),
        ];
        let opened = browser.post("/ig/choices/new", &form).await;
        let case = opened
            .to
            .unwrap_or_else(|| panic!("no case: {}", opened.text));
        Self {
            browser,
            csrf,
            case,
        }
    }

    /// The same case for another user.
    async fn taken_up(&self, demo: &Demo, user: &str) -> Self {
        let mut browser = Browser::new(demo);
        browser.sign_in(user).await;
        let csrf = browser.get(&self.case).await.field("csrf");
        Self {
            browser,
            csrf,
            case: self.case.clone(),
        }
    }

    async fn send(&mut self, page: &str, form: &[(&str, &str)]) -> Page {
        let mut form = form.to_vec();
        form.push(("csrf", &self.csrf));
        let address = format!("{}{page}", self.case);
        self.browser.post(&address, &form).await
    }

    /// Sends a form that must be taken.
    async fn done(&mut self, page: &str, form: &[(&str, &str)]) {
        let answer = self.send(page, form).await;
        assert_eq!(answer.status, 303, "{page}: {}", answer.text);
    }

    async fn page(&mut self, page: &str) -> Page {
        let address = format!("{}{page}", self.case);
        self.browser.get(&address).await
    }

    /// Finds the person by number and takes them.
    async fn about(&mut self, number: &str) {
        let found = self.send("/step/person", &[("nhs-number", number)]).await;
        assert!(found.text.contains("1 found"), "{}", found.text);
        let person = found.field("person");
        self.done("/person", &[("person", &person)]).await;
    }

    /// Steps 3 to 6, for a choice of one's own.
    async fn answered(&mut self, what: &str) {
        self.identified().await;
        self.done("/step/acting", &[("set-by", "self")]).await;
        self.done("/step/choice", &[("what", what)]).await;
        self.explained().await;
    }

    async fn identified(&mut self) {
        let facts = [
            ("method", "script"),
            ("matched", "name"),
            ("matched", "born"),
            ("matched", "address"),
            ("result", "passed"),
        ];
        self.done("/step/identity", &facts).await;
    }

    async fn explained(&mut self) {
        let form = [
            ("effects", "yes"),
            ("options", "yes"),
            ("confirm", "letter"),
            ("format", "large-print"),
        ];
        self.done("/step/explained", &form).await;
    }

    /// The bytes of a letter.
    async fn letter(&self, demo: &Demo, which: &str) -> Vec<u8> {
        let cookies: Vec<String> = self
            .browser
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let answer = reqwest::Client::new()
            .get(format!("{}{}/letter/{which}", demo.base, self.case))
            .header("cookie", cookies.join("; "))
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "application/pdf");
        answer.bytes().await.expect("bytes").to_vec()
    }
}

/// The day the form offers.
fn today(page: &Page) -> String {
    page.text
        .split_once("type=\"date\" value=\"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .expect("a day")
        .0
        .to_owned()
}

/// The words of a PDF, where a program that reads them is installed.
fn words_of(pdf: &[u8]) -> Option<String> {
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("letter.pdf");
    std::fs::write(&file, pdf).expect("written");
    let text = place.path().join("letter.txt");
    let with_poppler = Command::new("pdftotext").arg(&file).arg(&text).output();
    if !with_poppler.is_ok_and(|out| out.status.success()) {
        let made = Command::new("gs")
            .args(["-q", "-dNOPAUSE", "-dBATCH", "-dSAFER", "-sDEVICE=txtwrite"])
            .arg(format!("-sOutputFile={}", text.display()))
            .arg(&file)
            .output()
            .ok()?;
        assert!(made.status.success());
    }
    let words = std::fs::read_to_string(&text).ok()?;
    Some(words.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[tokio::test]
async fn bernard_opts_back_in_by_phone_through_a_caseworker_and_the_letter_says_so() {
    let demo = Demo::with_people(14).await;
    let mut gp = Browser::new(&demo);
    gp.sign_in("gp").await;
    assert!(gp.open(BERNARD, "permission-today").await.is_err());
    let mut desk = Desk::open(&demo, "ig-officer", "telephone").await;
    // Nothing can be confirmed before every step is answered.
    let early = desk.send("/confirm", &[]).await;
    assert_eq!(early.status, 400);
    desk.about(BERNARD).await;
    let few = [
        ("method", "script"),
        ("matched", "name"),
        ("result", "passed"),
    ];
    let refused = desk.send("/step/identity", &few).await;
    assert!(
        refused.text.contains("three facts that match"),
        "{}",
        refused.text
    );
    desk.answered("share").await;
    // Another caseworker can go on with it.
    let mut colleague = desk.taken_up(&demo, "privacy-officer").await;
    let taken = colleague.page("").await;
    assert!(taken.text.contains("Bernard Whitlock") && taken.text.contains("Ready to confirm"));
    let check = colleague.page("/confirm").await;
    assert!(
        check.text.contains("Who will see what") && check.text.contains("Hospital doctor"),
        "{}",
        check.text
    );
    colleague.done("/confirm", &[]).await;
    let case = colleague.page("").await;
    assert!(
        case.text.contains("Reference to read out") && case.text.contains("It holds since"),
        "{}",
        case.text
    );
    // It holds: the GP opens the record.
    let opened = gp.open(BERNARD, "permission-today").await;
    assert!(opened.is_ok(), "still refused");
    // It stays open until the letter is sent.
    let early = colleague.send("/close", &[("how", "done")]).await;
    assert_eq!(early.status, 400, "{}", early.text);
    for form in ["back", "back?form=large-print"] {
        let letter = colleague.letter(&demo, form).await;
        let Some(words) = words_of(&letter) else {
            eprintln!("skipped: no pdftotext and no gs to read the letter with");
            continue;
        };
        for part in [
            "Bernard Whitlock",
            "Your record is shared again in Connect Care",
            "Share my record with",
            "020 7946 0180",
            "18001 020 7946 0180",
            "British Sign Language",
        ] {
            assert!(words.contains(part), "{form}: no {part} in {words}");
        }
    }
    colleague
        .done("/sent", &[("letter", "back"), ("format", "large-print")])
        .await;
    colleague.done("/close", &[("how", "done")]).await;
    let closed = colleague.page("").await;
    assert!(
        closed
            .text
            .contains("Letter sent: Choice changed back, large-print.")
    );
    // He can ask for it again.
    colleague
        .done("/reopen", &[("note", "He called again")])
        .await;
}

#[tokio::test]
async fn a_choice_online_closes_pages_and_the_api_within_a_second_and_gives_a_letter() {
    let demo = Demo::with_people(14).await;
    let mut staff = Browser::new(&demo);
    staff.sign_in("gp").await;
    let record = staff
        .open(MAYA, "permission-today")
        .await
        .unwrap_or_else(|page| panic!("{}", page.text));
    let summary = format!("{record}/summary");
    assert_eq!(staff.get(&summary).await.status, 200);
    let token = demo.token(&["--as", "gp", "--person", MAYA, "--permission", "given"]);
    assert!(super::rig::everything(&demo, &token, MAYA).await.is_ok());
    let mut maya = Browser::new(&demo);
    maya.sign_in("patient").await;
    let csrf = maya.get("/me/choices/who").await.field("csrf");
    for (step, form) in [
        ("who", vec![("answer", "me")]),
        ("what", vec![("answer", "not-share")]),
        ("talk", vec![("answer", "no")]),
        (
            "confirm",
            vec![("confirm", "letter"), ("format", "standard")],
        ),
    ] {
        let form: Vec<_> = form.into_iter().chain([("csrf", csrf.as_str())]).collect();
        let page = maya.post(&format!("/me/choices/{step}"), &form).await;
        assert_eq!(page.status, 303, "{step}");
    }
    let check = maya.get("/me/choices/check").await;
    for part in [
        "Who will see what",
        "Quaggy Lane Surgery",
        "Nothing",
        "You still get care.",
    ] {
        assert!(check.text.contains(part), "{part}: {}", check.text);
    }
    maya.post("/me/choices/check", &[("csrf", &csrf)]).await;
    let saved = Instant::now();
    let ended = staff.get(&summary).await;
    assert_eq!(ended.to.as_deref(), Some("/staff/find?notice=ended"));
    assert_eq!(
        super::rig::everything(&demo, &token, MAYA).await.err(),
        Some(403)
    );
    assert!(
        saved.elapsed() < Duration::from_secs(1),
        "{:?}",
        saved.elapsed()
    );
    let letter = maya.get("/me/choices/letter/standard").await;
    assert_eq!(letter.headers["content-type"], "application/pdf");
    // Her own token reads the choice as a Consent.
    let own = demo.token(&[
        "--as",
        "patient",
        "--person",
        MAYA,
        "--purpose",
        "self_view",
    ]);
    let mine = super::rig::everything(&demo, &own, MAYA)
        .await
        .expect("hers");
    let consent = mine
        .iter()
        .find(|one| {
            one["resourceType"] == "Consent"
                && one["category"].to_string().contains("connect-care-choice")
        })
        .expect("her choice");
    assert_eq!(consent["provision"]["type"], "deny");
    // The case to confirm it by letter waits, overdue last.
    let mut officer = Browser::new(&demo);
    officer.sign_in("ig-officer").await;
    let list = officer.get("/ig/choices?channel=online").await;
    assert!(
        list.text.contains("PATEL, Maya") && list.text.contains("Letter to send"),
        "{}",
        list.text
    );
}

#[tokio::test]
async fn parts_kept_private_are_named_shown_before_and_hold_for_them_alone() {
    let demo = Demo::with_people(14).await;
    let mut maya = Browser::new(&demo);
    maya.sign_in("patient").await;
    let csrf = maya.get("/me/choices/who").await.field("csrf");
    type Step<'s> = (&'s str, Vec<(&'s str, &'s str)>, &'s str);
    let steps: [Step<'_>; 3] = [
        ("who", vec![("answer", "me")], "/me/choices/what"),
        ("what", vec![("answer", "private")], "/me/choices/private"),
        ("private", vec![("blocked", "X9T01")], "/me/choices/talk"),
    ];
    for (step, form, to) in steps {
        let form: Vec<_> = form.into_iter().chain([("csrf", csrf.as_str())]).collect();
        let page = maya.post(&format!("/me/choices/{step}"), &form).await;
        assert_eq!(page.to.as_deref(), Some(to), "{step}");
    }
    let nothing = maya.post("/me/choices/private", &[("csrf", &csrf)]).await;
    assert!(nothing.text.contains("Choose at least one thing"));
    for (step, form) in [
        ("private", vec![("blocked", "X9T01")]),
        ("talk", vec![("answer", "no")]),
        ("confirm", vec![("confirm", "text"), ("format", "standard")]),
        ("check", vec![]),
    ] {
        let form: Vec<_> = form.into_iter().chain([("csrf", csrf.as_str())]).collect();
        maya.post(&format!("/me/choices/{step}"), &form).await;
    }
    let mine = maya.get("/me/choices").await;
    assert!(
        mine.text.contains("Some of your record is kept private."),
        "{}",
        mine.text
    );
    let mut gp = Browser::new(&demo);
    gp.sign_in("gp").await;
    assert!(gp.open(MAYA, "permission-today").await.is_ok());
}

#[tokio::test]
async fn a_choice_for_somebody_else_needs_evidence_and_a_second_person() {
    let demo = Demo::with_people(14).await;
    let mut desk = Desk::open(&demo, "ig-officer", "paper").await;
    desk.about(ELIF).await;
    desk.identified().await;
    let bare = desk
        .send(
            "/step/acting",
            &[
                ("set-by", "parental_responsibility"),
                ("name", "Selin Kaya"),
            ],
        )
        .await;
    assert!(
        bare.text.contains("Say what evidence was seen"),
        "{}",
        bare.text
    );
    let seen = [
        ("set-by", "parental_responsibility"),
        ("name", "Selin Kaya"),
        ("address", "3 Sample Row\nLondon\nSE99 3CC"),
        ("evidence", "Birth certificate, seen today"),
    ];
    desk.done("/step/acting", &seen).await;
    desk.done("/step/choice", &[("what", "not-share")]).await;
    desk.explained().await;
    assert!(desk.page("").await.text.contains("Second check needed"));
    // Neither without the check, nor checked by the one who did the work.
    assert_eq!(desk.send("/confirm", &[]).await.status, 400);
    let own = desk.send("/second", &[("agreed", "yes")]).await;
    assert_eq!(own.status, 403, "{}", own.text);
    let mut second = desk.taken_up(&demo, "privacy-officer").await;
    second.done("/second", &[("agreed", "yes")]).await;
    // What was agreed to is changed: it must be checked again.
    desk.done("/step/choice", &[("what", "share")]).await;
    assert_eq!(desk.send("/confirm", &[]).await.status, 400);
    desk.done("/step/choice", &[("what", "not-share")]).await;
    second.done("/second", &[("agreed", "yes")]).await;
    desk.done("/confirm", &[]).await;
    let mut gp = Browser::new(&demo);
    gp.sign_in("gp").await;
    assert!(gp.open(ELIF, "permission-today").await.is_err());
    let letter = desk.letter(&demo, "made").await;
    if let Some(words) = words_of(&letter) {
        for part in [
            "Dear Selin Kaya",
            "3 Sample Row",
            "Elif Kaya",
            "parental responsibility",
        ] {
            assert!(words.contains(part), "no {part} in {words}");
        }
    }
}

#[tokio::test]
async fn papers_are_taken_by_what_they_are_and_given_out_as_files() {
    let demo = Demo::with_people(14).await;
    let mut desk = Desk::open(&demo, "ig-officer", "paper").await;
    let cookies: Vec<String> = desk
        .browser
        .cookies
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let send = async |csrf: &str, bytes: &[u8], origin: &str| {
        let boundary = "----form";
        let mut body = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\n{csrf}\r\n\
             --{boundary}\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nForm <b>\r\n\
             --{boundary}\r\nContent-Disposition: form-data; name=\"paper\"; filename=\"../x.html\"\r\n\
             Content-Type: text/html\r\n\r\n"
        )
        .into_bytes();
        body.extend_from_slice(bytes);
        body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client")
            .post(format!("{}{}/paper", demo.base, desk.case))
            .header("cookie", cookies.join("; "))
            .header("origin", origin)
            .header(
                "content-type",
                format!("multipart/form-data; boundary={boundary}"),
            )
            .body(body)
            .send()
            .await
            .expect("an answer")
            .status()
            .as_u16()
    };
    let pdf = b"%PDF-1.7 scanned".as_slice();
    assert_eq!(send(&desk.csrf, b"<html><script>", &demo.base).await, 400);
    assert_eq!(
        send(&desk.csrf, &vec![b'%'; 6 << 20], &demo.base).await,
        413
    );
    assert_eq!(send("wrong", pdf, &demo.base).await, 403);
    assert_eq!(send(&desk.csrf, pdf, "https://evil.example").await, 403);
    assert_eq!(send(&desk.csrf, pdf, &demo.base).await, 303);
    let case = desk.page("").await;
    assert!(
        case.text.contains("Form &lt;b&gt; (PDF, 1 KB)"),
        "{}",
        case.text
    );
    let paper = desk.page("/paper/1").await;
    assert_eq!(paper.text, "%PDF-1.7 scanned");
    let header = |name: &str| paper.headers[name].to_str().expect("text").to_owned();
    assert_eq!(header("content-type"), "application/pdf");
    assert!(header("content-disposition").starts_with("attachment; filename=\"CC-"));
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(desk.page("/paper/2").await.status, 404);
    // Staff who give care have no way in.
    let mut gp = Browser::new(&demo);
    gp.sign_in("gp").await;
    assert_eq!(gp.get(&desk.case).await.status, 403);
    assert_eq!(gp.get("/ig/choices").await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn choices_by_phone_and_online_pass_the_page_checks_in_a_browser() {
    let Some(chromium) = CHROMIUM.iter().find(|path| Path::new(path).exists()) else {
        eprintln!("skipped: no Chromium on this machine; `make test` installs it");
        return;
    };
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let demo = Demo::with_people(14).await;
    let out = Command::new("node")
        .arg(crate_folder.join("tests/journeys/browser/choices.cjs"))
        .args([&demo.base, *chromium])
        .args(std::env::var("CARE_WEB_PICTURES"))
        .env("NODE_PATH", crate_folder.join("../../node_modules"))
        .output()
        .expect("node runs");
    let told = String::from_utf8_lossy(&out.stdout);
    let of = |mark: &str| told.lines().filter(|line| line.contains(mark)).count();
    let failed: Vec<&str> = told
        .lines()
        .filter(|line| line.contains("\"ok\":false"))
        .collect();
    assert!(
        out.status.success() && failed.is_empty() && of("\"ok\":true") > 100,
        "{} checks passed, {} failed:\n{}\n{}",
        of("\"ok\":true"),
        failed.len(),
        failed.join("\n"),
        String::from_utf8_lossy(&out.stderr)
    );
}
