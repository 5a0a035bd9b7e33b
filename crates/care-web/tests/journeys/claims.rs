//! Every claim of the leaflet, tied to what the product does.
//!
//! A claim is one sentence of `content/leaflet/en.toml`; all languages say the same claims. Each has an
//! entry here that says what it rests on and a check that fails when the product does otherwise. The
//! table is printed to `leaflet-claims.txt` and reviewed as a diff: a claim without an entry, an entry
//! that does not hold, or a changed line stops the build.
//!
//! Write the file anew with `CONNECT_CARE_WRITE_MATRIX=1`, then read the diff.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use care_core::access::{self, CARE_ROLES};
use care_core::secondary_use;
use care_core::vocabulary::Role;
use serde_json::{Value, json};

use super::portal::{choose, open_as, words};
use super::rig::{Browser, Demo};

const LEAFLET: &str = include_str!("../../content/leaflet/en.toml");
const CONTENT: &str = include_str!("../../content/demonstration.toml");
const MAYA: &str = "9990000131";

/// What was seen of the running product, and what the files say.
struct Seen {
    content: toml::Table,
    claims: BTreeMap<String, String>,
    /// Public pages as words, by path.
    pages: BTreeMap<&'static str, String>,
    /// Forms of the record's pages: where they go.
    record_forms: Vec<String>,
    /// Answers to attempts of staff to write: what was tried, and the status.
    writes: Vec<(String, u16)>,
    /// The person's list after a GP looked.
    looked: String,
    /// What questioning a look answers.
    questioned: String,
    /// What the last page of the choice says, and of the choice back.
    chosen: String,
    chosen_back: String,
    /// Pages to say no, and to say yes again.
    steps: (usize, usize),
    /// Where the GP's open page led after the choice, in how many milliseconds.
    after_choice: (Option<String>, u128),
    /// The GP's summary before and after the choice was taken back.
    summaries: (String, String),
    /// Kinds of content and status by path.
    formats: Vec<(String, u16, String)>,
    /// What ordering paper copies answers.
    ordered: String,
    /// Whether the console has the page where phone and paper choices are worked on.
    console: u16,
}

type Check = fn(&Seen) -> Result<(), String>;

/// A claim, what it rests on, and the check.
const EVIDENCE: &[(&str, &str, Check)] = &[
    ("before", "history; /about tells the same problem", |seen| {
        seen.says("/about", "they could not see what the others had written")
    }),
    ("started", "content: started, area; /about", |seen| {
        seen.says("/about", &seen.text(&["started"]))?;
        seen.says("/about", &seen.text(&["area"]))
    }),
    (
        "shared",
        "access rules 7 and 9: involved and permitted opens, not involved does not",
        |_| {
            decided(care("gp", "registered_gp"), "allow", "ok")?;
            decided(care("gp", "none"), "deny", "no-legitimate-relationship")
        },
    ),
    (
        "staff",
        "access rules for these roles; the table on /who-can-see",
        |seen| {
            for role in [
                "gp",
                "hospital_doctor",
                "hospital_nurse",
                "district_nurse",
                "occupational_therapist",
                "social_worker",
            ] {
                decided(care(role, "caseload"), "allow", "ok")?;
                let title = Role::from_code(role).ok_or("no such role")?.title();
                seen.says("/who-can-see", title)?;
            }
            Ok(())
        },
    ),
    (
        "read-only",
        "no form of the record's pages writes; every write by staff is refused, on pages and in the API",
        |seen| {
            let allowed = ["close", "wrong-person", "search", "print", "logout", "role"];
            for action in &seen.record_forms {
                let ends = allowed.iter().any(|end| action.ends_with(end));
                ensure(ends, || format!("a record page has a form to {action}"))?;
            }
            for (what, status) in &seen.writes {
                ensure([400, 401, 403, 404, 405].contains(status), || {
                    format!("{what} answered {status}")
                })?;
            }
            ensure(seen.writes.len() >= 6, || {
                "too few attempts to write".to_owned()
            })
        },
    ),
    (
        "better",
        "an aim; the only purposes that open a record are care's: access rule 3",
        |_| {
            let mut facts = care("gp", "registered_gp");
            facts["purpose"] = json!("research");
            decided(facts, "deny", "purpose-not-permitted")
        },
    ),
    ("only-care", "access rule 7 for every care role", |_| {
        CARE_ROLES.iter().try_for_each(|role| {
            decided(
                care(role.code(), "none"),
                "deny",
                "no-legitimate-relationship",
            )
        })
    }),
    (
        "by-job",
        "access 8.2: roles differ in what they see; /who-can-see is made from it",
        |seen| {
            let sets: std::collections::BTreeSet<String> = CARE_ROLES
                .iter()
                .map(|role| format!("{:?}", access::categories_of(*role)))
                .collect();
            ensure(sets.len() >= 5, || {
                format!("only {} different rights", sets.len())
            })?;
            seen.says(
                "/who-can-see",
                "This table comes from the rules that the system itself follows today",
            )
        },
    ),
    (
        "ask",
        "access rule 9: not asked is asked; cannot say needs a reason, the right, and is reviewed",
        |_| {
            let mut facts = care("hospital_doctor", "inpatient");
            facts["permission"] = json!("not_asked");
            decided(facts.clone(), "deny", "ask-permission")?;
            facts["permission"] = json!("unable");
            decided(facts.clone(), "deny", "break-glass-required")?;
            facts["break_glass"] = json!({"requested": true, "justification": "best_interest", "reason": "unconscious"});
            decided(facts.clone(), "allow-with-break-glass", "ok")?;
            facts["user"]["role"] = json!("healthcare_assistant");
            decided(facts, "deny", "role-not-permitted-for-purpose")
        },
    ),
    (
        "recorded",
        "a GP's look stands in the person's list: who, when, what, why",
        |seen| {
            for part in [
                "Opened your record GP, Quaggy Lane Surgery",
                "gave permission",
            ] {
                ensure(seen.looked.contains(part), || {
                    format!("the list does not say {part:?}: {}", seen.looked)
                })?;
            }
            Ok(())
        },
    ),
    ("see-list", "/me/who-looked after logging in", |seen| {
        ensure(seen.looked.contains("Who has looked"), || {
            "no list".to_owned()
        })
    }),
    (
        "not-recognise",
        "the form beside a look gives a reference",
        |seen| {
            ensure(seen.questioned.contains("Your reference"), || {
                seen.questioned.clone()
            })
        },
    ),
    ("yes", "the choice can be made and is saved", |seen| {
        ensure(seen.chosen.contains("Your choice has been saved"), || {
            seen.chosen.clone()
        })
    }),
    (
        "no-effect",
        "access rule 8 for every care role, with permission and in an emergency; the person's own consent now opens it",
        |_| {
            for role in CARE_ROLES {
                let mut facts = care(role.code(), "caseload");
                facts["choice"] = json!({"connect_care": "objected", "status": "decided"});
                decided(facts.clone(), "deny", "patient-objected")?;
                facts["permission"] = json!("unable");
                facts["emergency"] = json!(true);
                facts["break_glass"] = json!({"requested": true, "justification": "best_interest", "reason": "unconscious"});
                decided(facts.clone(), "deny", "patient-objected")?;
            }
            let mut facts = care("gp", "registered_gp");
            facts["choice"] = json!({"connect_care": "objected", "status": "decided"});
            facts["break_glass"] = json!({"requested": true, "justification": "explicit_consent", "reason": "she asks me to"});
            decided(facts, "allow-with-break-glass", "ok")
        },
    ),
    (
        "at-once",
        "an open visit is closed at its next request",
        |seen| {
            let (to, millis) = &seen.after_choice;
            ensure(
                to.as_deref() == Some("/staff/find?notice=ended") && *millis < 5_000,
                || format!("{to:?} after {millis} ms"),
            )
        },
    ),
    (
        "care-goes-on",
        "nothing is deleted: after the choice is taken back the same summary is there",
        |seen| {
            let (before, after) = &seen.summaries;
            ensure(
                before.len() > 200 && allergies(before) == allergies(after),
                || "the record is not what it was".to_owned(),
            )
        },
    ),
    ("change-mind", "the way back has as many pages", |seen| {
        ensure(
            seen.steps.0 == seen.steps.1
                && seen
                    .chosen_back
                    .contains("Your record can be seen by staff"),
            || format!("{:?}", seen.steps),
        )
    }),
    ("how-online", "/choices leads to the flow", |seen| {
        seen.says("/choices", "Choose about Connect Care")?;
        seen.says("/choices/connect-care", "Start now")
    }),
    (
        "how-phone",
        "content: contact.phone on /contact and /choices; the console's page for phone choices",
        |seen| {
            seen.says("/contact", &seen.text(&["contact", "phone"]))?;
            seen.says("/choices", &seen.text(&["contact", "phone"]))?;
            ensure(seen.console == 200, || {
                format!("/ig/choices answered {}", seen.console)
            })
        },
    ),
    (
        "how-post",
        "/choices/form as page and PDF with the address of the content",
        |seen| {
            seen.says("/choices/form", "12 Example Road")?;
            seen.answers("/choices/form/form.pdf", "application/pdf")
        },
    ),
    (
        "review",
        "public record; the National data opt-out page says the same",
        |seen| seen.says("/choices/national-data-opt-out", "Dame Fiona Caldicott"),
    ),
    (
        "since",
        "public record: 25 May 2018; the same on the National data opt-out page",
        |seen| seen.says("/choices/national-data-opt-out", "25 May 2018"),
    ),
    (
        "use-planning",
        "secondary use: planning leaves people out who said no",
        |_| left_out("planning"),
    ),
    (
        "use-research",
        "secondary use: research leaves people out who said no",
        |_| left_out("research"),
    ),
    (
        "separate",
        "access: the national choice changes no decision about care",
        |_| {
            let mut facts = care("gp", "registered_gp");
            facts["choice"]["national_data_opt_out"] = json!("opted_out");
            decided(facts, "allow", "ok")
        },
    ),
    (
        "left-out",
        "secondary use: without a check nothing leaves; with it, those who said no are excluded",
        |_| {
            let mut facts = release("planning");
            facts["opt_out_check"]["status"] = json!("failed");
            let answer = released(&facts)?;
            ensure(answer["release"] == "blocked", || answer.to_string())?;
            left_out("planning")
        },
    ),
    (
        "national-online",
        "content: national.address_online; the page has the link",
        |seen| {
            seen.says(
                "/choices/national-data-opt-out",
                "Online: the national service",
            )
        },
    ),
    (
        "national-phone",
        "content: national.phone is 0300 303 5678; the page says it",
        |seen| {
            ensure(seen.text(&["national", "phone"]) == "0300 303 5678", || {
                seen.text(&["national", "phone"])
            })?;
            seen.says("/choices/national-data-opt-out", "0300 303 5678")
        },
    ),
    (
        "national-post",
        "content: national.address; the page says it",
        |seen| {
            seen.says(
                "/choices/national-data-opt-out",
                &seen.text(&["national", "address"]),
            )
        },
    ),
    (
        "legal-duty",
        "access rule 5: a named instrument sets an objection aside, for its scope",
        |_| {
            let mut facts = warrant("legal_requirement");
            decided(facts.clone(), "deny", "legal-instrument-required")?;
            facts["legal_instrument"] = json!("Serious Crime Act notice");
            decided(facts, "allow", "ok")
        },
    ),
    (
        "public-interest",
        "access rule 5: an approved test sets an objection aside",
        |_| {
            let mut facts = warrant("public_interest");
            decided(facts.clone(), "deny", "approval-required")?;
            facts["public_interest_test"] = json!("approved");
            decided(facts, "allow", "ok")
        },
    ),
    (
        "serious-harm",
        "access rule 5: safeguarding leads only, with a case",
        |_| {
            let mut facts = care("safeguarding_lead", "none");
            facts["purpose"] = json!("safeguarding_investigation");
            facts["choice"] = json!({"connect_care": "objected", "status": "decided"});
            decided(facts.clone(), "deny", "case-reference-required")?;
            facts["case_ref"] = json!("SG-1");
            decided(facts.clone(), "allow-with-break-glass", "ok")?;
            facts["user"]["role"] = json!("gp");
            decided(facts, "deny", "role-not-permitted-for-purpose")
        },
    ),
    (
        "guardian",
        "access rule 3: only the Caldicott Guardian has these purposes",
        |seen| {
            for role in Role::ALL
                .iter()
                .filter(|role| **role != Role::CaldicottGuardian)
            {
                for purpose in ["legal_requirement", "public_interest"] {
                    let mut facts = warrant(purpose);
                    facts["user"]["role"] = json!(role.code());
                    let answer = decision(facts)?;
                    ensure(answer["decision"] == "deny", || {
                        format!("{role:?} {purpose}")
                    })?;
                }
            }
            seen.says("/choices/exceptional-circumstances", "Caldicott Guardian")
        },
    ),
    (
        "exception-recorded",
        "access rule 5: each is marked for review; the numbers are public",
        |seen| {
            let mut facts = warrant("legal_requirement");
            facts["legal_instrument"] = json!("court order");
            let answer = decision(facts)?;
            let flags = answer["audit_flags"].to_string();
            ensure(
                flags.contains("review-required") && flags.contains("legal-disclosure"),
                || flags,
            )?;
            seen.says(
                "/choices/exceptional-circumstances",
                "Times that a choice or a protection did not apply",
            )
        },
    ),
    ("website", "the front page answers", |seen| {
        seen.says("/", "Connect Care: how we use your information")
    }),
    (
        "formats",
        "large print, Easy Read and other languages answer; paper copies can be ordered",
        |seen| {
            for path in [
                "/leaflet/large-print.pdf",
                "/leaflet/easy-read.pdf",
                "/leaflet/cy.pdf",
                "/leaflet/ar.pdf",
            ] {
                seen.answers(path, "application/pdf")?;
            }
            ensure(seen.ordered.contains("Your reference"), || {
                seen.ordered.clone()
            })
        },
    ),
    ("emergency", "/contact says 999", |seen| {
        seen.says("/contact", "In an emergency call 999")
    }),
];

fn ensure(holds: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why()) }
}

impl Seen {
    fn says(&self, path: &'static str, words: &str) -> Result<(), String> {
        let page = self.pages.get(path).ok_or(format!("{path} was not read"))?;
        ensure(page.contains(words), || {
            format!("{path} does not say {words:?}")
        })
    }

    fn answers(&self, path: &str, kind: &str) -> Result<(), String> {
        let found = self.formats.iter().find(|(at, ..)| at == path);
        let (_, status, held) = found.ok_or(format!("{path} was not asked for"))?;
        ensure(*status == 200 && held == kind, || {
            format!("{path} answered {status} {held}")
        })
    }

    /// A value of the content file; a list is joined as pages join it.
    fn text(&self, path: &[&str]) -> String {
        let mut value = &toml::Value::Table(self.content.clone());
        for name in path {
            value = &value[*name];
        }
        match value {
            toml::Value::Array(all) => all
                .iter()
                .map(|one| one.as_str().expect("text"))
                .collect::<Vec<_>>()
                .join(", "),
            toml::Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

/// The allergies of a summary page, as words.
fn allergies(summary: &str) -> Option<String> {
    let (_, rest) = summary.split_once("Allergies and reactions")?;
    Some(rest.split("Medicines").next()?.to_owned())
}

/// Facts of a user of this role with this relationship, who has permission.
fn care(role: &str, relationship: &str) -> Value {
    json!({
        "user": {"role": role, "org": "org-1", "authenticated": true, "org_participating": true},
        "patient": {"age": 50},
        "relationship": {"type": relationship, "verified": relationship != "none"},
        "purpose": "direct_care", "permission": "given", "choice": {"connect_care": "none"}
    })
}

/// Facts of a Caldicott Guardian with a case about somebody who objected.
fn warrant(purpose: &str) -> Value {
    let mut facts = care("caldicott_guardian", "none");
    facts["purpose"] = json!(purpose);
    facts["case_ref"] = json!("INQ-7");
    facts["scope"] = json!(["results"]);
    facts["choice"] = json!({"connect_care": "objected", "status": "decided"});
    facts
}

fn decision(facts: Value) -> Result<Value, String> {
    let answer = access::json::evaluate(&facts.to_string()).map_err(|why| why.to_string())?;
    serde_json::from_str(&answer).map_err(|why| why.to_string())
}

fn decided(facts: Value, decision_wanted: &str, reason: &str) -> Result<(), String> {
    let role = facts["user"]["role"].clone();
    let answer = decision(facts)?;
    ensure(
        answer["decision"] == decision_wanted && answer["reason"] == reason,
        || {
            format!(
                "{role}: {} {}, not {decision_wanted} {reason}",
                answer["decision"], answer["reason"]
            )
        },
    )
}

/// A release of two people, of whom the second said no nationally.
fn release(purpose: &str) -> Value {
    json!({
        "kind": "disclosure",
        "disclosure": {"purpose": purpose, "data_form": "confidential_patient_information",
            "legal_basis": "s251_reg5", "cag_standard_condition": true, "evidence_held": true,
            "origin": "england_publicly_funded_care", "sources": ["hospital"]},
        "patients": [{"nhs_number": "9990000018", "national_data_opt_out": false},
            {"nhs_number": "9990000107", "national_data_opt_out": true}],
        "opt_out_check": {"method": "cache", "result_age_days": 1, "status": "ok", "sent": 2, "returned": 1}
    })
}

fn released(facts: &Value) -> Result<Value, String> {
    let answer =
        secondary_use::json::evaluate(&facts.to_string()).map_err(|why| why.to_string())?;
    serde_json::from_str(&answer).map_err(|why| why.to_string())
}

fn left_out(purpose: &str) -> Result<(), String> {
    let answer = released(&release(purpose))?;
    let excluded =
        answer["excluded"] == json!(["9990000107"]) && answer["included"] == json!(["9990000018"]);
    ensure(answer["release"] == "released" && excluded, || {
        answer.to_string()
    })
}

/// Claims of the leaflet that have no entry, and entries whose claim the leaflet does not make.
fn without_partner(claims: &BTreeMap<String, String>) -> Vec<String> {
    let known = |claim: &str| EVIDENCE.iter().any(|(entry, ..)| *entry == claim);
    let claims_alone = claims
        .keys()
        .filter(|claim| !known(claim))
        .map(|claim| format!("no evidence for {claim}"));
    let entries_alone = EVIDENCE
        .iter()
        .filter(|(entry, ..)| !claims.contains_key(*entry))
        .map(|(entry, ..)| format!("no claim {entry}"));
    claims_alone.chain(entries_alone).collect()
}

fn claims() -> BTreeMap<String, String> {
    let leaflet: toml::Table = toml::from_str(LEAFLET).expect("the leaflet");
    let said = leaflet["say"].as_table().expect("claims");
    said.iter()
        .map(|(claim, text)| (claim.clone(), text.as_str().expect("text").to_owned()))
        .collect()
}

/// Every claim in the leaflet's order, with what it rests on.
fn matrix(claims: &BTreeMap<String, String>) -> String {
    let mut out = String::from(
        "# What the leaflet claims, and what each claim rests on in the product.\n# Written by the test `claims`; a changed line is a changed promise.\n",
    );
    for (claim, rests_on, _) in EVIDENCE {
        let said = claims.get(*claim).map(String::as_str).unwrap_or_default();
        let _ = write!(
            out,
            "\n{claim}\n  says      {said}\n  rests on  {rests_on}\n"
        );
    }
    out
}

fn forms_of(text: &str) -> impl Iterator<Item = String> {
    text.split("<form").skip(1).filter_map(|rest| {
        let (head, _) = rest.split_once('>')?;
        let posts = head.contains("method=\"post\"");
        let to = head.split_once("action=\"")?.1.split_once('"')?.0;
        posts.then(|| to.replace("&#x2f;", "/"))
    })
}

/// Every way by which staff might try to change something.
async fn attempts(
    demo: &Demo,
    staff: &mut Browser,
    record: &str,
    csrf: &str,
) -> Vec<(String, u16)> {
    let mut tried = Vec::new();
    for section in ["summary", "allergies", "medicines", "results", "documents"] {
        let answer = staff
            .post(
                &format!("{record}/{section}"),
                &[("csrf", csrf), ("text", "x")],
            )
            .await;
        tried.push((format!("POST {section}"), answer.status.as_u16()));
    }
    let token = demo.token(&["--as", "gp", "--person", MAYA, "--permission", "given"]);
    let http = reqwest::Client::new();
    for (method, path) in [
        ("PUT", "AllergyIntolerance/1"),
        ("DELETE", "AllergyIntolerance/1"),
        ("POST", "Observation"),
        ("PATCH", "Patient/1"),
    ] {
        let body = json!({"resourceType": path.split('/').next(), "id": "1"}).to_string();
        let request = http
            .request(
                method.parse().expect("a method"),
                format!("{}/fhir/R4/{path}", demo.base),
            )
            .bearer_auth(&token)
            .header("content-type", "application/fhir+json")
            .body(body);
        let answer = request.send().await.expect("an answer");
        tried.push((format!("{method} {path}"), answer.status().as_u16()));
    }
    tried
}

async fn look(demo: &Demo) -> Seen {
    let mut anybody = Browser::new(demo);
    let mut pages = BTreeMap::new();
    for path in [
        "/",
        "/about",
        "/who-can-see",
        "/choices",
        "/choices/connect-care",
        "/choices/form",
        "/choices/national-data-opt-out",
        "/choices/exceptional-circumstances",
        "/contact",
    ] {
        pages.insert(path, words(&anybody.get(path).await));
    }
    let mut formats = Vec::new();
    for path in [
        "/choices/form/form.pdf",
        "/leaflet/large-print.pdf",
        "/leaflet/easy-read.pdf",
        "/leaflet/cy.pdf",
        "/leaflet/ar.pdf",
    ] {
        let answer = reqwest::get(format!("{}{path}", demo.base))
            .await
            .expect("an answer");
        let kind = answer.headers()["content-type"]
            .to_str()
            .expect("text")
            .to_owned();
        formats.push((path.to_owned(), answer.status().as_u16(), kind));
    }
    let order = [
        ("what", "leaflet"),
        ("language", "en"),
        ("copies", "2"),
        ("name", "A. Reader"),
        ("address", "1 Example Road"),
    ];
    let ordered = words(&anybody.post("/leaflet/order/paper", &order).await);

    let mut staff = Browser::new(demo);
    let summary = open_as(&mut staff, "gp", MAYA).await.to.expect("opened");
    let before = staff.get(&summary).await;
    let record = summary.trim_end_matches("/summary").to_owned();
    let mut record_forms: Vec<String> = forms_of(&before.text).collect();
    for section in ["allergies", "medicines", "results", "documents", "problems"] {
        record_forms.extend(forms_of(
            &staff.get(&format!("{record}/{section}")).await.text,
        ));
    }
    let csrf = before.field("csrf");
    let writes = attempts(demo, &mut staff, &record, &csrf).await;

    let mut maya = Browser::new(demo);
    maya.sign_in("patient").await;
    let list = maya.get("/me/who-looked").await;
    let question = list
        .text
        .split("href=\"")
        .filter_map(|rest| rest.split('"').next())
        .find(|link| link.starts_with("/me/who-looked/"))
        .expect("a link")
        .to_owned();
    let csrf = maya.get(&question).await.field("csrf");
    let questioned = words(
        &maya
            .post(&question, &[("csrf", &csrf), ("said", "I was not there")])
            .await,
    );
    let (chosen, out) = choose(&mut maya, "not-share").await;
    let began = std::time::Instant::now();
    let ended = staff.get(&summary).await.to;
    let after_choice = (ended, began.elapsed().as_millis());
    let (chosen_back, back) = choose(&mut maya, "share").await;
    let again = open_as(&mut staff, "gp", MAYA)
        .await
        .to
        .expect("opened again");
    let after = words(&staff.get(&again).await);
    let mut officer = Browser::new(demo);
    officer.sign_in("privacy-officer").await;
    let console = officer.get("/ig/choices").await.status.as_u16();
    Seen {
        content: toml::from_str(CONTENT).expect("the content"),
        claims: claims(),
        pages,
        record_forms,
        writes,
        looked: words(&list),
        questioned,
        chosen: words(&chosen),
        chosen_back: words(&chosen_back),
        steps: (out, back),
        after_choice,
        summaries: (words(&before), after),
        formats,
        ordered,
        console,
    }
}

#[tokio::test]
async fn every_claim_of_the_leaflet_is_true_of_the_product() {
    let demo = Demo::with_people(14).await;
    let mut seen = look(&demo).await;
    assert_eq!(without_partner(&seen.claims), Vec::<String>::new());
    let failed: Vec<String> = EVIDENCE
        .iter()
        .filter_map(|(claim, _, check)| check(&seen).err().map(|why| format!("{claim}: {why}")))
        .collect();
    assert!(
        failed.is_empty(),
        "claims that are not true:\n{}",
        failed.join("\n")
    );

    // The table as it was reviewed.
    let file =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journeys/leaflet-claims.txt");
    let now = matrix(&seen.claims);
    if std::env::var_os("CONNECT_CARE_WRITE_MATRIX").is_some() {
        std::fs::write(&file, &now).expect("written");
    }
    let reviewed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        now == reviewed,
        "leaflet-claims.txt is not what the leaflet claims now; write it anew and read the diff"
    );

    // Negative controls: a product that did otherwise would be noticed.
    let fails = |seen: &Seen, claim: &str| {
        let (.., check) = EVIDENCE
            .iter()
            .find(|(entry, ..)| *entry == claim)
            .expect("an entry");
        assert!(
            check(seen).is_err(),
            "{claim} would hold whatever the product does"
        );
    };
    seen.content["national"]["phone"] = toml::Value::String("0300 000 0000".to_owned());
    fails(&seen, "national-phone");
    seen.record_forms
        .push("/staff/record/x/allergies/edit".to_owned());
    fails(&seen, "read-only");
    seen.looked = String::new();
    fails(&seen, "recorded");
    seen.after_choice = (None, 10);
    fails(&seen, "at-once");
    seen.formats.clear();
    fails(&seen, "formats");
    seen.claims
        .insert("cures".to_owned(), "It cures.".to_owned());
    assert_eq!(without_partner(&seen.claims), ["no evidence for cures"]);
}
