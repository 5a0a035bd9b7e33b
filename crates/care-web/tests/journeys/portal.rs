//! The patient portal and the public site by their real sockets: what is promised there is true.

use super::rig::{Browser, Demo, Page};

const MAYA: &str = "9990000131";

/// Every public page.
pub(crate) const PUBLIC: [&str; 26] = [
    "/",
    "/about",
    "/what-is-shared",
    "/who-can-see",
    "/organisations",
    "/choices",
    "/choices/connect-care",
    "/choices/national-data-opt-out",
    "/choices/exceptional-circumstances",
    "/choices/form",
    "/leaflet",
    "/leaflet/large-print",
    "/leaflet/easy-read",
    "/leaflet/languages",
    "/leaflet/cy",
    "/leaflet/ar",
    "/leaflet/zh",
    "/leaflet/order/braille",
    "/choices/form/easy-read",
    "/transparency",
    "/privacy",
    "/cookies",
    "/accessibility",
    "/contact",
    "/service-status",
    "/me/login",
];

/// The text of a page without its tags.
pub(crate) fn words(page: &Page) -> String {
    let mut out = String::new();
    let mut inside = false;
    for letter in page.text.chars() {
        match letter {
            '<' => inside = true,
            '>' => {
                inside = false;
                out.push(' ');
            }
            other if !inside => out.push(other),
            _ => {}
        }
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Opens a person's record as a member of staff; gives the summary's address, or where the attempt ended.
pub(crate) async fn open_as(browser: &mut Browser, user: &str, number: &str) -> Page {
    browser.sign_in(user).await;
    let form = browser.get("/staff/find").await;
    let csrf = form.field("csrf");
    let found = browser
        .post(
            "/staff/find",
            &[("csrf", &csrf), ("by", "number"), ("nhs-number", number)],
        )
        .await;
    let confirm = found.to.expect("to a person");
    let page = browser.get(&confirm).await;
    let csrf = page.field("csrf");
    browser
        .post(&confirm, &[("csrf", &csrf), ("reason", "permission-today")])
        .await
}

/// Answers every question of the choice, and confirms; gives the last page.
pub(crate) async fn choose(browser: &mut Browser, what: &str) -> (Page, usize) {
    let mut page = browser.get("/me/choices/who").await;
    let csrf = page.field("csrf");
    let mut pages = 0;
    browser.post("/me/choices/again", &[("csrf", &csrf)]).await;
    for (path, form) in [
        ("/me/choices/who", vec![("answer", "me")]),
        ("/me/choices/what", vec![("answer", what)]),
        ("/me/choices/talk", vec![("answer", "no")]),
        (
            "/me/choices/confirm",
            vec![("confirm", "letter"), ("format", "large-print")],
        ),
        ("/me/choices/check", vec![]),
    ] {
        let shown = browser.get(path).await;
        assert_eq!(shown.status, 200, "{path}: {}", shown.text);
        pages += 1;
        let form: Vec<_> = form.into_iter().chain([("csrf", csrf.as_str())]).collect();
        page = browser.post(path, &form).await;
        assert_eq!(page.status, 303, "{path}: {}", page.text);
    }
    let done = browser.get(&page.to.expect("to the end")).await;
    (done, pages)
}

#[tokio::test]
async fn every_public_page_is_there_without_logging_in_and_its_links_lead_somewhere() {
    let demo = Demo::start().await;
    let mut browser = Browser::new(&demo);
    let mut links = std::collections::BTreeSet::new();
    for path in PUBLIC {
        let page = browser.get(path).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(page.set_cookies.is_empty(), "{path} sets a cookie");
        assert!(page.text.contains("020 7946 0180"), "no phone on {path}");
        assert_eq!(page.text.matches("<h1").count(), 1, "{path}");
        let own = page.text.split("href=\"/").skip(1);
        links.extend(own.filter_map(|rest| {
            let path = rest.split(['"', '#', '?']).next()?;
            Some(format!("/{path}"))
        }));
    }
    assert!(links.len() > 20);
    for link in links {
        let page = browser.get(&link).await;
        assert!(
            page.status == 200 || page.status == 303,
            "{link}: {}",
            page.status
        );
    }
    // The footer of the staff pages leads to the same statements.
    browser.sign_in("gp").await;
    let staff = browser.get("/staff/find").await;
    for link in ["href=\"/accessibility\"", "href=\"/privacy\""] {
        assert!(staff.text.contains(link), "{link}");
    }
}

#[tokio::test]
async fn the_cookies_page_and_what_is_shared_are_true() {
    let demo = Demo::start().await;
    let mut browser = Browser::new(&demo);
    // The cookies page lists the cookie that logging in sets.
    let cookies = words(&browser.get("/cookies").await);
    let arrived = browser.sign_in("patient").await;
    for set in &arrived.set_cookies {
        let name = set.split('=').next().expect("a name");
        assert!(cookies.contains(name), "{name} is not on /cookies");
    }
    // What is shared comes from the directory.
    let shared = words(&browser.get("/what-is-shared").await);
    for one in care_synthetic::organisations() {
        assert!(
            one.feed.is_none() || shared.contains(one.name),
            "{} is missing",
            one.name
        );
    }
}

#[tokio::test]
async fn a_look_by_staff_is_told_to_the_person_within_five_seconds_and_can_be_questioned() {
    let demo = Demo::with_people(14).await;
    let mut staff = Browser::new(&demo);
    let mut maya = Browser::new(&demo);
    let arrived = maya.sign_in("patient").await;
    assert_eq!(arrived.to.as_deref(), Some("/me"));
    let home = maya.get("/me").await;
    assert!(words(&home).contains("Your record is shared with staff who care for you."));
    let before = std::time::Instant::now();
    let opened = open_as(&mut staff, "gp", MAYA).await;
    let summary = opened
        .to
        .unwrap_or_else(|| panic!("not opened: {}", opened.text));
    assert_eq!(staff.get(&summary).await.status, 200);
    let looked = maya.get("/me/who-looked").await;
    let told = words(&looked);
    assert!(before.elapsed().as_secs() < 5);
    assert!(
        told.contains("Opened your record GP, Quaggy Lane Surgery")
            && told.contains("You are a patient of this GP practice. You gave permission."),
        "{told}"
    );
    // No name of staff, no NHS number in the page, and own views only on asking.
    assert!(!looked.text.contains(MAYA) && !told.contains("You looked at these pages"));
    let with_own = words(&maya.get("/me/who-looked?own=1").await);
    assert!(with_own.contains("You looked at these pages"), "{with_own}");
    let none = words(&maya.get("/me/who-looked?organisation=X9T01").await);
    assert!(!none.contains("Opened your record GP"), "{none}");
    // "I do not recognise this" gives a reference.
    let link = looked
        .text
        .split("href=\"")
        .filter_map(|rest| rest.split('"').next())
        .find(|link| link.starts_with("/me/who-looked/"))
        .expect("a link")
        .to_owned();
    let csrf = maya.get(&link).await.field("csrf");
    let case = maya
        .post(&link, &[("csrf", &csrf), ("said", "I was not there")])
        .await;
    assert!(words(&case).contains("Your reference"), "{}", case.text);
    // Somebody else's entry is nothing of hers.
    let other = maya
        .post("/me/who-looked/1", &[("csrf", &csrf), ("said", "")])
        .await;
    assert_eq!(other.status, 404);
    // Staff may not use the portal, and who is not logged in is asked to.
    assert_eq!(staff.get("/me").await.status, 403);
    let mut nobody = Browser::new(&demo);
    let sent = nobody.get("/me/who-looked").await;
    assert_eq!(sent.to.as_deref(), Some("/me/login?next=/me/who-looked"));
}

#[tokio::test]
async fn a_choice_made_online_ends_an_open_visit_at_its_next_request_and_can_be_changed_back() {
    let demo = Demo::with_people(14).await;
    let mut staff = Browser::new(&demo);
    let opened = open_as(&mut staff, "gp", MAYA).await;
    let summary = opened.to.expect("opened");
    assert_eq!(staff.get(&summary).await.status, 200);
    let mut maya = Browser::new(&demo);
    maya.sign_in("patient").await;
    // An answer that is missing is asked for again.
    let csrf = maya.get("/me/choices/who").await.field("csrf");
    let empty = maya.post("/me/choices/who", &[("csrf", &csrf)]).await;
    assert!(empty.text.contains("Error: ") && empty.text.contains("Say who this choice is for"));
    let (done, out_pages) = choose(&mut maya, "not-share").await;
    let told = words(&done);
    assert!(
        told.contains("Your choice has been saved")
            && told.contains("Your record stopped being visible at"),
        "{told}"
    );
    // The open visit ends, and no other begins.
    let ended = staff.get(&summary).await;
    assert_eq!(ended.to.as_deref(), Some("/staff/find?notice=ended"));
    let again = open_as(&mut Browser::new(&demo), "gp", MAYA).await;
    assert!(again.to.is_none(), "opened though she said no");
    let mine = words(&maya.get("/me/choices").await);
    assert!(
        mine.contains("Your record is not shared.") && mine.contains("Do not share You Online"),
        "{mine}"
    );
    let looked = words(&maya.get("/me/who-looked").await);
    assert!(
        looked.contains("They could not open it. You chose not to share it."),
        "{looked}"
    );
    // Back again takes as many pages.
    let (done, back_pages) = choose(&mut maya, "share").await;
    assert!(
        words(&done).contains("Your record can be seen by staff"),
        "{}",
        done.text
    );
    assert_eq!(out_pages, back_pages);
    let opened = open_as(&mut Browser::new(&demo), "gp", MAYA).await;
    assert!(opened.to.is_some_and(|to| to.ends_with("/summary")));
}

/// Where Chromium stands on the machines we know.
const CHROMIUM: [&str; 3] = [
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_public_site_and_the_portal_pass_the_page_checks_in_a_browser() {
    let Some(chromium) = CHROMIUM
        .iter()
        .find(|path| std::path::Path::new(path).exists())
    else {
        eprintln!("skipped: no Chromium on this machine; `make test` installs it");
        return;
    };
    let crate_folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let demo = Demo::with_people(14).await;
    let mut staff = Browser::new(&demo);
    let opened = open_as(&mut staff, "gp", MAYA).await;
    staff.get(&opened.to.expect("opened")).await;
    let out = std::process::Command::new("node")
        .arg(crate_folder.join("tests/journeys/browser/public.cjs"))
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
        out.status.success() && failed.is_empty() && of("\"ok\":true") > 150,
        "{} checks passed, {} failed:\n{}\n{}",
        of("\"ok\":true"),
        failed.len(),
        failed.join("\n"),
        String::from_utf8_lossy(&out.stderr)
    );
}

#[tokio::test]
async fn a_choice_that_needs_a_talk_saves_nothing_and_gives_a_reference() {
    let demo = Demo::with_people(14).await;
    for (user, who, what) in [("patient", "me", "share"), ("patient", "act-for", "")] {
        let mut browser = Browser::new(&demo);
        browser.sign_in(user).await;
        let csrf = browser.get("/me/choices/who").await.field("csrf");
        let mut to = browser
            .post("/me/choices/who", &[("csrf", &csrf), ("answer", who)])
            .await;
        if !what.is_empty() {
            to = browser
                .post("/me/choices/what", &[("csrf", &csrf), ("answer", what)])
                .await;
            assert_eq!(to.to.as_deref(), Some("/me/choices/talk"));
            to = browser
                .post("/me/choices/talk", &[("csrf", &csrf), ("answer", "yes")])
                .await;
        }
        assert_eq!(to.to.as_deref(), Some("/me/choices/call"), "{who} {what}");
        // The confirmation cannot be reached by its address.
        let saved = browser.post("/me/choices/check", &[("csrf", &csrf)]).await;
        assert_eq!(saved.to.as_deref(), Some("/me/choices/call"));
        let call = browser.post("/me/choices/call", &[("csrf", &csrf)]).await;
        let told = words(&call);
        assert!(told.contains("Your choice is not saved yet") && told.contains("Your reference"));
        let mine = words(&browser.get("/me/choices").await);
        assert!(mine.contains("You have not made a choice"), "{mine}");
    }
    // A mother sees that she acts for her child.
    let mut proxy = Browser::new(&demo);
    proxy.sign_in("proxy").await;
    let home = words(&proxy.get("/me").await);
    assert!(home.contains("You are acting for Elif Kaya"), "{home}");
}
