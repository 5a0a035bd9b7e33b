//! The service by its own sockets: online, by phone, on paper, and the answer by MESH; and that it has no
//! road to the record.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use care_record::SystemClock;
use reqwest::StatusCode;

use super::config::{ExchangeConfig, Operator, ServiceConfig};
use super::register::Registered;
use super::*;
use crate::mesh::{Client, MailboxSettings, Outgoing};

const JACOB: &str = "9990000107";

pub struct Rig {
    pub base: String,
    folder: tempfile::TempDir,
    stop: Option<tokio::sync::watch::Sender<bool>>,
}

impl Drop for Rig {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop.send_replace(true);
        }
    }
}

fn someone(number: &str, given: &str, family: &str, birth_date: &str, mobile: &str) -> Registered {
    Registered {
        nhs_number: number.into(),
        family: family.into(),
        given: given.into(),
        birth_date: birth_date.into(),
        postcode: "SE99 3SR".into(),
        address: vec!["7 Staithe Row".into(), "Deepwater".into()],
        mobile: mobile.into(),
        email: String::new(),
    }
}

fn mailbox(folder: &Path, endpoint: &str, mailbox: &str) -> MailboxSettings {
    MailboxSettings {
        endpoint: endpoint.to_owned(),
        mailbox: mailbox.to_owned(),
        password_file: Some(folder.join("password")),
        password_variable: None,
        shared_key_file: Some(folder.join("shared-key")),
        shared_key_variable: None,
        client_certificate_file: None,
        authority_file: None,
        poll_seconds: 1,
        chunk_bytes: 1000,
        max_message_bytes: 1 << 20,
    }
}

impl Rig {
    /// With an exchange of its own.
    async fn start() -> Self {
        Self::start_at(None).await
    }

    /// The service, answering as X26ABC2 at the sandbox of this endpoint, or at its own exchange.
    pub async fn start_at(sandbox: Option<&str>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let port = {
            let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
            free.local_addr().expect("an address").port()
        };
        let base = format!("http://localhost:{port}");
        std::fs::write(folder.path().join("password"), "password").expect("written");
        std::fs::write(folder.path().join("shared-key"), "TestKey").expect("written");
        let mailboxes =
            ["X26CARE1", "X26OPT01"].map(|id| (id.to_owned(), folder.path().join("password")));
        let operator = |id: &str, name: &str| Operator {
            id: id.into(),
            name: name.into(),
            passphrase: String::new(),
        };
        let config = ServiceConfig {
            listen: format!("127.0.0.1:{port}").parse().expect("an address"),
            base_url: base.clone(),
            data: folder.path().join("service"),
            name: "National data opt-out".into(),
            phone: "020 7946 0188".into(),
            hours: "Monday to Friday".into(),
            address: vec!["Opt-out service".into(), "London".into()],
            address_header: None,
            about: None,
            mesh: Some(match sandbox {
                Some(endpoint) => mailbox(folder.path(), endpoint, "X26ABC2"),
                None => {
                    let own = format!("http://127.0.0.1:{port}");
                    mailbox(folder.path(), &own, "X26OPT01")
                }
            }),
            workflow: "SPINE_NTT_UPHOLDING".into(),
            askers: vec!["X26CARE1".into(), "X26ABC1".into()],
            exchange: sandbox.is_none().then(|| ExchangeConfig {
                mailboxes: BTreeMap::from(mailboxes),
                shared_key_file: Some(folder.path().join("shared-key")),
                shared_key_variable: None,
            }),
            operators: vec![operator("op1", "Olive"), operator("op2", "Pat")],
            demo: true,
        };
        let bound = bind(config, Arc::new(SystemClock)).await.expect("it binds");
        bound
            .register(&[
                someone(JACOB, "Jacob", "Stern", "1986-05-12", "07700 900107"),
                someone("9990000050", "Elif", "Kaya", "2017-03-04", "07700 900050"),
                someone("9990000018", "Amara", "Osei", "1945-07-14", ""),
            ])
            .expect("registered");
        let (pull, stop) = Stop::new();
        tokio::spawn(bound.serve(stop));
        Self {
            base,
            folder,
            stop: Some(pull),
        }
    }

    fn browser(&self) -> Browser {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client");
        Browser {
            http,
            base: self.base.clone(),
            cookies: BTreeMap::new(),
        }
    }
}

impl Rig {
    /// An operator sets Jacob Stern's choice by phone: no.
    pub async fn jacob_says_no_by_phone(&self) {
        let mut olive = self.browser();
        olive.operator("op1").await;
        let (address, page) = olive.case("telephone", "Jacob", "Stern", BORN, JACOB).await;
        let mut form = MATCHED.to_vec();
        form.extend([
            ("setter", "self"),
            ("choice", "out"),
            ("explained", "yes"),
            ("act", "set"),
        ]);
        let done = olive.decide(&address, &page, &form).await;
        assert!(done.text.contains("The choice is set"), "{}", done.text);
    }
}

/// Keeps cookies, follows nothing by itself.
struct Browser {
    http: reqwest::Client,
    base: String,
    cookies: BTreeMap<String, String>,
}

struct Page {
    status: StatusCode,
    to: String,
    text: String,
    bytes: Vec<u8>,
}

impl Page {
    fn field(&self, name: &str) -> String {
        let at = format!("name=\"{name}\" value=\"");
        let (_, rest) = self
            .text
            .split_once(&at)
            .unwrap_or_else(|| panic!("no {name} in {}", self.text));
        rest.split_once('"').expect("closed").0.to_owned()
    }
}

impl Browser {
    async fn read(&mut self, request: reqwest::RequestBuilder) -> Page {
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let answer = request
            .header("cookie", cookies.join("; "))
            .send()
            .await
            .expect("an answer");
        for set in answer.headers().get_all("set-cookie") {
            let text = set.to_str().expect("text");
            let (name, rest) = text.split_once('=').expect("a cookie");
            let value = rest.split(';').next().unwrap_or_default();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        let status = answer.status();
        let to = answer
            .headers()
            .get("location")
            .map(|to| to.to_str().expect("text").to_owned());
        let bytes = answer.bytes().await.expect("a body").to_vec();
        Page {
            status,
            to: to.unwrap_or_default(),
            text: String::from_utf8_lossy(&bytes).into_owned(),
            bytes,
        }
    }

    async fn get(&mut self, path: &str) -> Page {
        let request = self.http.get(format!("{}{path}", self.base));
        self.read(request).await
    }

    async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Page {
        let request = self.http.post(format!("{}{path}", self.base)).form(form);
        self.read(request).await
    }

    /// Says who; gives the answer.
    async fn claim(
        &mut self,
        given: &str,
        family: &str,
        born: (&str, &str, &str),
        number: &str,
        postcode: &str,
    ) -> Page {
        let csrf = self.get("/who").await.field("csrf");
        let form = [
            ("csrf", csrf.as_str()),
            ("given", given),
            ("family", family),
            ("birth-day", born.2),
            ("birth-month", born.1),
            ("birth-year", born.0),
            ("nhs-number", number),
            ("postcode", postcode),
        ];
        self.post("/who", &form).await
    }

    async fn sent_code(&mut self) -> String {
        let page = self.get("/messages").await;
        let (before, _) = page
            .text
            .split_once(" is your code")
            .expect("a code was sent");
        before[before.len() - 6..].to_owned()
    }

    async fn operator(&mut self, id: &str) {
        let page = self.post("/operator/login", &[("operator", id)]).await;
        assert_eq!(page.to, "/operator", "{}", page.text);
    }

    /// Opens a case by phone or paper; gives its address and page.
    async fn case(
        &mut self,
        channel: &str,
        given: &str,
        family: &str,
        born: (&str, &str, &str),
        number: &str,
    ) -> (String, Page) {
        let path = format!("/operator/new/{channel}");
        let csrf = self.get(&path).await.field("csrf");
        let form = [
            ("csrf", csrf.as_str()),
            ("given", given),
            ("family", family),
            ("birth-day", born.2),
            ("birth-month", born.1),
            ("birth-year", born.0),
            ("nhs-number", number),
        ];
        let found = self.post(&path, &form).await;
        assert!(found.to.starts_with("/operator/case/"), "{}", found.text);
        let page = self.get(&found.to).await;
        (found.to, page)
    }

    async fn decide(&mut self, address: &str, page: &Page, more: &[(&str, &str)]) -> Page {
        let (csrf, version) = (page.field("csrf"), page.field("version"));
        let mut form = vec![("csrf", csrf.as_str()), ("version", version.as_str())];
        form.extend_from_slice(more);
        let done = self.post(address, &form).await;
        if done.status == StatusCode::SEE_OTHER {
            self.get(&done.to).await
        } else {
            done
        }
    }
}

const BORN: (&str, &str, &str) = ("1986", "5", "12");
const MATCHED: [(&str, &str); 3] = [
    ("fact-name", "yes"),
    ("fact-birth", "yes"),
    ("fact-address", "yes"),
];

/// Asks by MESH who of these may stay; gives what comes back once both messages are there.
async fn ask(rig: &Rig, name: &str, list: &str) -> Vec<String> {
    let client = Client::open(
        &mailbox(rig.folder.path(), &rig.base, "X26CARE1"),
        Arc::new(SystemClock),
    )
    .expect("opens");
    let outgoing = Outgoing {
        to: "X26OPT01",
        workflow: "SPINE_NTT_UPHOLDING",
        local_id: name,
        subject: name,
        file_name: "list.dat",
        content_type: "text/plain",
        body: list.as_bytes(),
    };
    client.send(&outgoing).await.expect("sent");
    for _ in 0..100 {
        let inbox = client.inbox().await.expect("a list");
        if inbox.len() == 2 {
            let mut bodies = Vec::new();
            for message in inbox {
                let mail = client.download(&message).await.expect("whole");
                assert_eq!(
                    (mail.local_id.as_str(), mail.from.as_str()),
                    (name, "X26OPT01")
                );
                bodies.push(String::from_utf8(mail.body).expect("text"));
                client.acknowledge(&message).await.expect("acknowledged");
            }
            return bodies;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("no answer in ten seconds");
}

#[tokio::test(flavor = "multi_thread")]
async fn online_somebody_sets_a_choice_changes_it_and_sees_both_and_the_check_answers_so() {
    let rig = Rig::start().await;
    let list = "9990000018,\n9990000107,\n";
    let mut browser = rig.browser();
    let to = browser
        .claim("jacob", "STERN", BORN, "", "se993sr")
        .await
        .to;
    assert_eq!(to, "/code");
    let csrf = browser.get("/code").await.field("csrf");
    let wrong = browser
        .post("/code", &[("csrf", &csrf), ("code", "000000")])
        .await;
    assert!(
        wrong.text.contains("The code is not right"),
        "{}",
        wrong.text
    );
    let code = browser.sent_code().await;
    assert_eq!(
        browser
            .post("/code", &[("csrf", &csrf), ("code", &code)])
            .await
            .to,
        "/choice"
    );
    let page = browser.get("/choice").await;
    assert!(page.text.contains("You have not made a choice"));
    let none = browser.post("/choice", &[("csrf", &csrf)]).await;
    assert!(none.text.contains("Say what you want to choose"));
    for (choice, words, answer) in [
        ("out", "may not be used for research", "9990000018,\n"),
        ("in", "may be used for research", list),
    ] {
        assert_eq!(
            browser
                .post("/choice", &[("csrf", &csrf), ("choice", choice)])
                .await
                .to,
            "/check"
        );
        assert_eq!(browser.get("/check").await.status, 200);
        assert_eq!(browser.post("/check", &[("csrf", &csrf)]).await.to, "/done");
        let done = browser.get("/done").await;
        assert!(done.text.contains(words), "{}", done.text);
        let letter = browser.get("/letter").await;
        assert!(letter.bytes.starts_with(b"%PDF"), "a letter");
        let answers = ask(&rig, &format!("X26CARE1-031126-{choice}"), list).await;
        assert!(
            answers[0].contains("pending"),
            "first the report of the job"
        );
        assert_eq!(answers[1], answer);
        // The same browser goes the way again for the next choice.
        if choice == "out" {
            browser.get("/leave").await;
            browser.cookies.clear();
            browser.claim("Jacob", "Stern", BORN, JACOB, "").await;
            let again = browser.get("/code").await.field("csrf");
            let code = browser.sent_code().await;
            browser
                .post("/code", &[("csrf", &again), ("code", &code)])
                .await;
            assert_eq!(
                browser
                    .post("/choice", &[("csrf", &csrf), ("choice", "in")])
                    .await
                    .status,
                403
            );
            browser
                .post("/choice", &[("csrf", &again), ("choice", "in")])
                .await;
            browser.post("/check", &[("csrf", &again)]).await;
            let history = browser.get("/history").await;
            assert_eq!(
                history.text.matches("Online").count(),
                2,
                "{}",
                history.text
            );
            let answers = ask(&rig, "X26CARE1-031126-9", list).await;
            assert_eq!(answers[1], list);
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whether_somebody_is_on_the_register_cannot_be_told() {
    let rig = Rig::start().await;
    let mut seen = Vec::new();
    for (given, family, number, postcode) in [
        ("Jacob", "Stern", JACOB, ""),
        ("Jacob", "Sterne", JACOB, ""),
        ("Nobody", "Atall", "", "SE99 9ZZ"),
        ("Amara", "Osei", "9990000018", ""),
    ] {
        let mut browser = rig.browser();
        let began = crate::telemetry::stopwatch();
        let page = browser.claim(given, family, BORN, number, postcode).await;
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(600), "{took:?}");
        let code = browser.get("/code").await;
        let csrf = code.field("csrf");
        let wrong = browser
            .post("/code", &[("csrf", &csrf), ("code", "123456")])
            .await;
        let same = |text: &str| text.replace(&csrf, "CSRF");
        let nonce = |text: String| {
            text.lines()
                .filter(|line| !line.contains("nonce"))
                .collect::<Vec<_>>()
                .join("\n")
        };
        seen.push((
            page.status,
            page.to,
            nonce(same(&code.text)),
            wrong.status,
            nonce(same(&wrong.text)),
        ));
    }
    assert!(
        seen.windows(2).all(|two| two[0] == two[1]),
        "the answers differ"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_throttled_children_are_sent_elsewhere_and_a_used_up_code_is_dead() {
    let rig = Rig::start().await;
    let mut browser = rig.browser();
    let child = browser
        .claim("Elif", "Kaya", ("2017", "3", "4"), "9990000050", "")
        .await;
    assert!(
        child.text.contains("Online is for people of 13 or over"),
        "{}",
        child.text
    );
    browser.claim("Jacob", "Stern", BORN, JACOB, "").await;
    let csrf = browser.get("/code").await.field("csrf");
    let code = browser.sent_code().await;
    for _ in 0..5 {
        browser
            .post("/code", &[("csrf", &csrf), ("code", "000000")])
            .await;
    }
    let right = browser
        .post("/code", &[("csrf", &csrf), ("code", &code)])
        .await;
    assert!(
        right.text.contains("can no longer be used"),
        "{}",
        right.text
    );
    for place in 0..5 {
        let page = rig.browser().claim("Jacob", "Stern", BORN, JACOB, "").await;
        let throttled = page.status == StatusCode::TOO_MANY_REQUESTS;
        assert_eq!(throttled, place == 4, "{place}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn by_phone_an_operator_sets_it_and_for_another_person_a_second_one_checks() {
    let rig = Rig::start().await;
    let mut olive = rig.browser();
    assert_eq!(olive.get("/operator").await.to, "/operator/login");
    olive.operator("op1").await;
    let (address, page) = olive.case("telephone", "Jacob", "Stern", BORN, JACOB).await;
    let empty = olive.decide(&address, &page, &[("act", "set")]).await;
    assert!(empty.text.contains("Say who is asking"), "{}", empty.text);
    let mut form = MATCHED.to_vec();
    form.extend([
        ("setter", "self"),
        ("choice", "out"),
        ("explained", "yes"),
        ("act", "set"),
    ]);
    let done = olive.decide(&address, &page, &form).await;
    assert!(
        done.text.contains("The choice is set") && done.text.contains("may not"),
        "{}",
        done.text
    );
    assert_eq!(
        ask(&rig, "X26CARE1-031126-0001", "9990000018,\n9990000107,\n").await[1],
        "9990000018,\n"
    );
    let letters = olive.get("/operator/letters").await;
    assert!(letters.text.contains("Jacob Stern"));
    assert!(
        olive
            .get("/operator/letters/1")
            .await
            .bytes
            .starts_with(b"%PDF")
    );

    let (address, page) = olive
        .case("paper", "Elif", "Kaya", ("2017", "3", "4"), "9990000050")
        .await;
    let mut form = MATCHED.to_vec();
    form.extend([
        ("received", "2026-11-03"),
        ("setter", "parental_responsibility"),
        ("setter-name", "Defne Kaya"),
        ("evidence", "Birth certificate, 4 March 2017"),
        ("choice", "out"),
        ("explained", "yes"),
        ("act", "set"),
    ]);
    let waits = olive.decide(&address, &page, &form).await;
    assert!(
        waits.text.contains("somebody else must check it"),
        "{}",
        waits.text
    );
    let csrf = olive.get("/operator").await.field("csrf");
    let own = olive
        .post(
            &address,
            &[("csrf", &csrf), ("version", "2"), ("act", "agree")],
        )
        .await;
    assert_eq!(own.status, StatusCode::FORBIDDEN);
    let mut pat = rig.browser();
    pat.operator("op2").await;
    let page = pat.get(&address).await;
    let done = pat.decide(&address, &page, &[("act", "agree")]).await;
    assert!(done.text.contains("The choice is set"), "{}", done.text);

    let (address, page) = olive
        .case("paper", "Amara", "Osei", ("1945", "7", "14"), "9990000018")
        .await;
    let mut form = MATCHED.to_vec();
    form.extend([
        ("received", "2026-11-03"),
        ("setter", "informal_carer"),
        ("setter-name", "Kofi Osei"),
        ("capacity", "yes"),
        ("choice", "out"),
        ("explained", "yes"),
        ("act", "set"),
    ]);
    let refused = olive.decide(&address, &page, &form).await;
    assert!(
        refused.text.contains("formal authority"),
        "{}",
        refused.text
    );
    let answers = ask(
        &rig,
        "X26CARE1-031126-0002",
        "9990000018,\n9990000050,\n9990000107,\n",
    )
    .await;
    assert_eq!(
        answers[1], "9990000018,\n",
        "the child's choice counts, the refused one does not"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_invalid_number_sends_the_whole_list_back_and_a_stranger_gets_no_answer() {
    let rig = Rig::start().await;
    let answers = ask(&rig, "X26CARE1-031126-0001", "9990000018,\n9990000108,\n").await;
    assert_eq!(
        answers[1].trim(),
        care_core::secondary_use::check::INVALID_NUMBERS
    );
    let everybody = ask(&rig, "X26CARE1-031126-0002", "9990000018,\n").await;
    assert_eq!(everybody[1], "9990000018,\n");
}

#[test]
fn the_log_is_chained_and_a_changed_line_is_seen() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("db");
    let store = Store::open(&file).expect("opens");
    let now = "2026-11-03T09:00:00Z".parse().expect("a time");
    for number in 0..5 {
        store
            .change(now, "op1", &format!("act {number}"), |_| Ok(()))
            .expect("written");
    }
    assert_eq!(store.verify().expect("read"), (true, 5));
    let other = rusqlite::Connection::open(&file).expect("opens");
    other
        .execute("UPDATE act SET who = 'op2' WHERE number = 3", [])
        .expect("changed");
    assert_eq!(store.verify().expect("read"), (false, 2));
}

/// What the service and the exchange may name of the rest: how pages are drawn, how a secret is read,
/// the protocol, and the time. Nothing that holds a record or leads to one.
#[test]
fn the_service_has_no_road_to_the_record() {
    const OF_OURS: [&str; 9] = [
        "components",
        "config",
        "documents",
        "mesh",
        "opt_out_service",
        "problem",
        "serve",
        "telemetry",
        "mesh_settings",
    ];
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut looked = 0;
    for folder in ["opt_out_service", "mesh"] {
        for file in std::fs::read_dir(sources.join(folder))
            .expect("a folder")
            .flatten()
        {
            let path: PathBuf = file.path();
            if path.file_name().is_some_and(|name| name == "tests.rs") {
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("text");
            let code: String = text
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .collect();
            for rest in code.split("crate::").skip(1) {
                let name: String = rest
                    .chars()
                    .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                    .collect();
                assert!(
                    OF_OURS.contains(&name.as_str()),
                    "{} names crate::{name}",
                    path.display()
                );
            }
            for rest in code.split("care_record::").skip(1) {
                let name: String = rest.chars().take_while(|c| c.is_alphanumeric()).collect();
                assert!(
                    name == "Clock",
                    "{} names care_record::{name}",
                    path.display()
                );
            }
            for word in ["AppState", "crate::state", "crate::app", "Record::open"] {
                assert!(!code.contains(word), "{} names {word}", path.display());
            }
            looked += 1;
        }
    }
    assert!(looked > 12, "the sources were found");
}
