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
