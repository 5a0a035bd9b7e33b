//! `audit witness`: signs the checkpoints of other logs, as long as each only grows.
//!
//! Keeps what it signed in its own directory, in the form `audit verify --witness` reads, and signs
//! nothing that it did not keep first. Source: C2SP tlog-witness.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use care_core::audit::{LogVerifier, Submission, WitnessRefusal};
use care_record::ledger::WitnessBook;
use care_record::{Clock as _, SystemClock};
use clap::Args;
use tokio::net::TcpListener;

use super::{TEMPLATE, Usage, print, runtime};
use crate::serve::Stop;

/// A checkpoint with its proof is about 3 kB.
const LONGEST_BODY: usize = 64 << 10;

/// Which logs, under which key.
#[derive(Args)]
#[command(help_template = TEMPLATE)]
pub struct WitnessArgs {
    /// Where to listen; put TLS before it where others reach it over a network
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8766")]
    listen: SocketAddr,
    /// The directory of what was signed, and of the key, which is made the first time
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The name of this witness; it stands in every signature and stays the same for ever
    #[arg(long, value_name = "NAME", default_value = "connect-care-witness")]
    name: String,
    /// A log to witness: its verifier key (name+id+key), or the file that holds it; may be repeated
    #[arg(long = "log", value_name = "KEY", required = true)]
    logs: Vec<String>,
}

/// Serves until told to stop.
pub fn run(args: &WitnessArgs) -> anyhow::Result<ExitCode> {
    let logs = args
        .logs
        .iter()
        .map(|text| log(text))
        .collect::<Result<Vec<_>, _>>()?;
    let book = WitnessBook::open(&args.data, &args.name, &logs)?;
    runtime()?.block_on(async {
        let stop = Stop::on_signal()?;
        let listener = TcpListener::bind(args.listen)
            .await
            .with_context(|| format!("cannot listen on {}; choose another", args.listen))?;
        print(&format!("key {}", book.key()));
        for (origin, place) in book.places() {
            print(&format!("log {origin} is kept in {}", place.display()));
        }
        print(&format!("listening on http://{}", listener.local_addr()?));
        serve(listener, book, stop).await
    })?;
    Ok(ExitCode::SUCCESS)
}

fn log(text: &str) -> anyhow::Result<LogVerifier> {
    let held = std::fs::read_to_string(text).unwrap_or_else(|_| text.to_owned());
    LogVerifier::parse(&held).map_err(|_| {
        Usage(format!(
            "{text} is no verifier key of a log and no file that holds one; \
             it is in ledger-key.public of the record's data directory"
        ))
        .into()
    })
}

pub(crate) async fn serve(
    listener: TcpListener,
    book: WitnessBook,
    mut stop: Stop,
) -> anyhow::Result<()> {
    let router = Router::new()
        .route("/add-checkpoint", post(add))
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .with_state(Arc::new(Mutex::new(book)));
    axum::serve(listener, router)
        .with_graceful_shutdown(async move { stop.wait().await })
        .await
        .context("the listener failed")
}

/// `POST /add-checkpoint`.
async fn add(State(book): State<Arc<Mutex<WitnessBook>>>, body: String) -> Response {
    let Ok(submission) = Submission::parse(&body) else {
        return (
            StatusCode::BAD_REQUEST,
            "this is no checkpoint with its proof\n",
        )
            .into_response();
    };
    let signed = crate::blocking(move || {
        // One at a time: what is checked and what is kept belong together.
        let mut book = book.lock().unwrap_or_else(PoisonError::into_inner);
        book.sign(&submission, SystemClock.now())
    });
    match signed.await {
        Ok(Ok(line)) => line.into_response(),
        Ok(Err(Ok(refusal))) => refused(refusal),
        Ok(Err(Err(error))) => {
            eprintln!("connect-care: a checkpoint was not kept, so it was not signed: {error}");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

fn refused(refusal: WitnessRefusal) -> Response {
    let words = format!("{refusal}\n");
    match refusal {
        WitnessRefusal::Smaller => (StatusCode::BAD_REQUEST, words).into_response(),
        WitnessRefusal::UnknownLog => (StatusCode::NOT_FOUND, words).into_response(),
        WitnessRefusal::NotSigned => (StatusCode::FORBIDDEN, words).into_response(),
        WitnessRefusal::Fork { .. } => (StatusCode::CONFLICT, words).into_response(),
        WitnessRefusal::Inconsistent => (StatusCode::UNPROCESSABLE_ENTITY, words).into_response(),
        WitnessRefusal::Stale { size } => {
            let kind = [(header::CONTENT_TYPE, "text/x.tlog.size")];
            (StatusCode::CONFLICT, kind, format!("{size}\n")).into_response()
        }
    }
}
