//! Witnesses of the audit log: carries each checkpoint to those the configuration names, and brings
//! back their signatures.
//!
//! What is carried holds a size and a hash, nothing of anybody. A witness that does not answer is an
//! alarm (`/metrics`, `/health/ready`) and never stops the record. Source: C2SP tlog-witness.

use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::http::{StatusCode, header};
use care_core::audit::{CosignVerifier, Submission};
use care_record::ledger::{LedgerStatus, Publication};
use serde::{Deserialize, Serialize};

use crate::config::Fault;
use crate::serve::Stop;
use crate::state::Shared;

/// How often a witness is looked after. Checkpoints are made every half minute, so each is signed
/// within a minute of its oldest entry.
const ROUND: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(20);
/// Seconds after which a witness that lags is an alarm.
pub const LATE_SECONDS: i64 = 120;

/// Where the audit log is published, and who signs it too.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Audit {
    /// A directory for the whole log as tiles, entries included: names of staff and keys of people
    /// stand in it, so it stays with the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publish: Option<PathBuf>,
    /// The ids of reviewers who may show a past page of a record again; nobody unless named.
    pub replay: Vec<String>,
    /// Witnesses elsewhere.
    pub witnesses: Vec<WitnessEntry>,
}

/// One witness.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessEntry {
    /// Its address, before `/add-checkpoint`.
    pub url: String,
    /// Its verifier key: `name+id+key`.
    pub key: String,
}

impl Audit {
    /// For the record. A key that cannot be read was a fault of the configuration.
    pub fn publication(&self) -> Publication {
        let keys = self
            .witnesses
            .iter()
            .filter_map(|one| CosignVerifier::parse(&one.key).ok());
        Publication {
            whole: self.publish.clone(),
            witnesses: keys.collect(),
        }
    }

    /// What is wrong with it.
    pub fn faults(&self, data: &Path, witness: &Path, faults: &mut Vec<Fault>) {
        let mut fault = |key: &str, what: &str, why: &str, mend: &str| {
            faults.push(Fault {
                key: key.into(),
                what: what.into(),
                why: why.into(),
                mend: mend.into(),
            });
        };
        if let Some(publish) = &self.publish
            && (publish == witness || publish.starts_with(data) || publish.starts_with(witness))
        {
            fault(
                "audit.publish",
                "is the record's or the witness's directory",
                "entries name staff, so they do not belong with a witness, and files of ours would mix",
                "give a directory of its own",
            );
        }
        for one in &self.witnesses {
            if CosignVerifier::parse(&one.key).is_err() {
                fault(
                    "audit.witnesses.key",
                    "is no verifier key of a witness",
                    "its signatures could not be checked",
                    "copy the line that `connect-care audit witness` prints, name+id+key",
                );
            }
            let local = ["http://localhost", "http://127.0.0.1"];
            let near = local.iter().any(|start| one.url.starts_with(start));
            if !near && !one.url.starts_with("https://") {
                fault(
                    "audit.witnesses.url",
                    "does not begin with https://",
                    "somebody on the way could keep checkpoints from the witness",
                    "give its https address",
                );
            }
        }
    }
}

/// Looks after every configured witness until the stop.
pub async fn keep(state: Shared, mut stop: Stop) {
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PATIENCE)
        .build();
    let client = match client {
        Ok(client) => client,
        Err(error) => {
            tracing::error!(%error, "witnesses cannot be reached: the HTTPS client did not start");
            return;
        }
    };
    let witnesses = state.config.audit.witnesses.iter();
    let witnesses: Vec<(String, CosignVerifier)> = witnesses
        .filter_map(|one| Some((one.url.clone(), CosignVerifier::parse(&one.key).ok()?)))
        .collect();
    if witnesses.is_empty() {
        return;
    }
    loop {
        for (url, key) in &witnesses {
            if let Err(why) = visit(&state, &client, url, key).await {
                state.record.ledger().not_cosigned(key, &why);
            }
        }
        tokio::select! {
            () = stop.wait() => return,
            () = tokio::time::sleep(ROUND) => {}
        }
    }
}

/// Hands a witness what it lacks. A witness that stands elsewhere than we thought says where.
async fn visit(
    state: &Shared,
    client: &reqwest::Client,
    url: &str,
    key: &CosignVerifier,
) -> Result<(), String> {
    let mut signed_last = None;
    for _ in 0..2 {
        let Some(submission) = ask(state, key, signed_last).await? else {
            return Ok(());
        };
        let address = format!("{}/add-checkpoint", url.trim_end_matches('/'));
        let sent = client.post(address).body(submission.to_text()).send().await;
        let answer = sent.map_err(|error| format!("did not answer: {}", error.without_url()))?;
        let status = answer.status();
        let said_size = answer
            .headers()
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"text/x.tlog.size"));
        let text = answer
            .text()
            .await
            .map_err(|error| error.without_url().to_string())?;
        match status {
            StatusCode::OK => return keep_signature(state, key, submission, text).await,
            StatusCode::CONFLICT if said_size && signed_last.is_none() => {
                let size = text.trim().parse::<u64>();
                signed_last = Some(size.map_err(|_| "gave a size that is none".to_owned())?);
            }
            StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY => {
                return Err("says that this log was rewritten: it saw another past; \
                            run `connect-care audit verify` with the witness's copy"
                    .to_owned());
            }
            StatusCode::NOT_FOUND => {
                return Err("does not know this log; give it the log's verifier key".to_owned());
            }
            other => return Err(format!("answered {other}")),
        }
    }
    Err("did not say the same size twice; it is tried again".to_owned())
}

async fn ask(
    state: &Shared,
    key: &CosignVerifier,
    signed_last: Option<u64>,
) -> Result<Option<Submission>, String> {
    let (ledger, key) = (state.record.ledger(), key.clone());
    let asked = crate::blocking(move || ledger.submission(&key, signed_last)).await;
    let asked = asked.map_err(|_| "the record did not answer".to_owned())?;
    asked.map_err(|error| error.to_string())
}

async fn keep_signature(
    state: &Shared,
    key: &CosignVerifier,
    submission: Submission,
    answer: String,
) -> Result<(), String> {
    let (ledger, key) = (state.record.ledger(), key.clone());
    let kept = crate::blocking(move || ledger.cosigned(&key, &submission, &answer)).await;
    let kept = kept.map_err(|_| "the record did not answer".to_owned())?;
    kept.map_err(|error| error.to_string())
}

/// Whether the log is witnessed as it should be.
pub fn is_well(ledger: &LedgerStatus, now: jiff::Timestamp) -> bool {
    let late = |since: jiff::Timestamp| now.as_second() - since.as_second() > LATE_SECONDS;
    ledger.witness_alarm.is_none()
        && ledger.tiles_alarm.is_none()
        && ledger
            .witnesses
            .iter()
            .all(|one| one.alarm.is_none() && !one.behind_since.is_some_and(late))
}

/// Figures of the log for `/metrics`.
pub fn figures(ledger: &LedgerStatus, now: jiff::Timestamp) -> String {
    let mut text = String::new();
    let mut gauge = |name: &str, lines: &[(String, i64)]| {
        text.push_str(&format!("# TYPE connect_care_audit_{name} gauge\n"));
        for (label, value) in lines {
            text.push_str(&format!("connect_care_audit_{name}{label} {value}\n"));
        }
    };
    let whole = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let plain = |value: u64| vec![(String::new(), whole(value))];
    gauge("entries", &plain(ledger.entries));
    gauge("signed_entries", &plain(ledger.signed));
    if let Some(witnessed) = ledger.witnessed {
        gauge("witnessed_entries", &plain(witnessed));
    }
    gauge("alarm", &plain(u64::from(!is_well(ledger, now))));
    if ledger.witnesses.is_empty() {
        return text;
    }
    let each = |value: &dyn Fn(&care_record::ledger::WitnessStatus) -> i64| {
        let line = |one| (label(one), value(one));
        ledger.witnesses.iter().map(line).collect::<Vec<_>>()
    };
    gauge("cosigned_entries", &each(&|one| whole(one.cosigned)));
    let behind = |one: &care_record::ledger::WitnessStatus| {
        one.behind_since
            .map_or(0, |since| now.as_second() - since.as_second())
    };
    gauge("witness_behind_seconds", &each(&behind));
    gauge(
        "witness_alarm",
        &each(&|one| i64::from(one.alarm.is_some())),
    );
    text
}

fn label(one: &care_record::ledger::WitnessStatus) -> String {
    let name: String = one
        .name
        .chars()
        .filter(|c| *c != '"' && *c != '\\')
        .collect();
    format!("{{witness=\"{name}\"}}")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use care_core::audit::{LogSigner, LogVerifier};
    use care_record::SystemClock;
    use care_record::ledger::{WitnessBook, verify};
    use tokio::net::TcpListener;

    use super::*;
    use crate::cli::demo_config;

    /// A record with one witness elsewhere, which is served.
    struct Scene {
        _kept: tempfile::TempDir,
        state: Shared,
        url: String,
        key: CosignVerifier,
        copy: PathBuf,
        stop: tokio::sync::watch::Sender<bool>,
    }

    async fn scene() -> Scene {
        let kept = tempfile::tempdir().expect("a directory");
        let mut config = demo_config::of(kept.path(), 1, 2).expect("a configuration");
        demo_config::keys(kept.path()).expect("keys");
        let open = |config: &crate::config::Config| {
            crate::app::open_at(config.clone(), None, Arc::new(SystemClock)).expect("opens")
        };
        // The witness needs the log's key, and the log the witness's: the log is made first.
        let first = open(&config);
        let log = LogVerifier::parse(&first.record.ledger().verifier_key()).expect("a key");
        first.record.close();
        drop(first);
        let at_witness = kept.path().join("elsewhere");
        let book = WitnessBook::open(&at_witness, "witness.example", &[log]).expect("a book");
        let copy = book.places().next().expect("a log").1.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let key = book.key();
        config.audit.witnesses.push(WitnessEntry {
            url: url.clone(),
            key: key.clone(),
        });
        let (stop, stopped) = Stop::new();
        tokio::spawn(crate::cli::witness::serve(listener, book, stopped));
        Scene {
            state: open(&config),
            _kept: kept,
            url,
            key: CosignVerifier::parse(&key).expect("a key"),
            copy,
            stop,
        }
    }

    async fn act_and_sign(scene: &Scene) -> u64 {
        let record = scene.state.record.clone();
        crate::blocking(move || {
            demo_config::fill_directory(&record).expect("an act");
            record.ledger().checkpoint().expect("signed")
        })
        .await
        .expect("done")
    }

    #[tokio::test]
    async fn a_witness_signs_what_grows_and_refuses_a_fork_and_its_copy_is_read_by_the_verifier() {
        let scene = scene().await;
        let client = reqwest::Client::new();
        let ledger = scene.state.record.ledger();
        let signed = act_and_sign(&scene).await;
        let before = ledger.status().expect("answers");
        assert!(figures(&before, scene.state.clock.now()).contains("witness_behind_seconds"));
        visit(&scene.state, &client, &scene.url, &scene.key)
            .await
            .expect("signed");
        let after = ledger.status().expect("answers");
        assert_eq!(after.witnesses[0].cosigned, signed);
        assert!(is_well(&after, scene.state.clock.now()));

        // A log that was rewritten, signed with the log's own key, which somebody stole.
        let data = &scene.state.config.record.data;
        let text = std::fs::read_to_string(data.join("ledger-key")).expect("the key");
        let mut lines = text.lines();
        let name = lines.next().expect("a name");
        let seed = base64::Engine::decode(
            &base64::engine::general_purpose::STANDARD,
            lines.next().expect("a seed"),
        );
        let thief = LogSigner::new(name, &seed.expect("bytes").try_into().expect("32 bytes"));
        for (size, status) in [(signed, 409), (signed + 5, 422)] {
            let forged = Submission {
                old: signed,
                proof: vec![[1; 32]; usize::from(size > signed)],
                note: thief.sign(size, &[9; 32]),
            };
            let sent = client
                .post(format!("{}/add-checkpoint", scene.url))
                .body(forged.to_text());
            assert_eq!(sent.send().await.expect("an answer").status(), status);
        }
        for (body, status) in [
            ("nonsense", 400),
            ("old 0\n\nsomebody/else\n1\nAA==\n\n\u{2014} x y\n", 404),
        ] {
            let sent = client
                .post(format!("{}/add-checkpoint", scene.url))
                .body(body);
            assert_eq!(sent.send().await.expect("an answer").status(), status);
        }
        // One that stands elsewhere than we thought says where.
        let stale = ask(&scene.state, &scene.key, Some(0))
            .await
            .expect("asked")
            .expect("something");
        let sent = client
            .post(format!("{}/add-checkpoint", scene.url))
            .body(stale.to_text());
        let answer = sent.send().await.expect("an answer");
        assert_eq!(answer.status(), 409);
        assert_eq!(answer.text().await.expect("a size"), format!("{signed}\n"));

        let report = verify(data, Some(&scene.copy)).expect("verifies");
        assert_eq!(report.findings, []);
        assert!(report.checkpoints_checked >= 1);
        // A witness that does not answer is an alarm, and the record goes on.
        scene.stop.send_replace(true);
        let gone = visit(&scene.state, &client, "http://127.0.0.1:1", &scene.key).await;
        if let Err(why) = gone {
            ledger.not_cosigned(&scene.key, &why);
            assert!(!is_well(
                &ledger.status().expect("answers"),
                scene.state.clock.now()
            ));
        }
    }
}
