//! For operators and their tools: is it alive, can it serve a record page, which version, figures.
//! None shows patient data.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use care_record::{AlarmKind, MeshHealth};
use jiff::Timestamp;
use serde_json::json;

use crate::state::Shared;
use crate::telemetry;

/// The addresses of this face.
pub fn router() -> Router<Shared> {
    Router::new()
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/version", get(version))
}

async fn live() -> Json<serde_json::Value> {
    Json(json!({ "status": "alive" }))
}

/// 200 only when a record page could be served: the store is read as a page reads it, and the entry
/// of a view could be written.
async fn ready(State(state): State<Shared>) -> Response {
    let began = telemetry::stopwatch();
    let operations = state.record.operations();
    let health = crate::blocking(move || operations.health())
        .await
        .ok()
        .and_then(Result::ok);
    let readable = health.is_some();
    let auditable = health
        .as_ref()
        .is_some_and(|health| health.writable || health.on_reserve);
    let checks = state.record.opt_out_check();
    let mesh = crate::blocking(move || checks.health())
        .await
        .ok()
        .and_then(Result::ok);
    let signin = state.config.client_secret().is_ok();
    let now = state.clock.now();
    let witnessed = health
        .as_ref()
        .is_some_and(|health| crate::witness::is_well(&health.ledger, now));
    let roomy = health.as_ref().is_some_and(|health| !health.disk_low);
    let ready = readable && auditable && signin;
    let check =
        |name: &str, ok: bool| json!({ "name": name, "status": if ok { "ok" } else { "failed" } });
    let body = json!({
        "status": if ready { "ready" } else { "not ready" },
        "checks": [
            check("record can be read", readable),
            check("audit can be written", auditable),
            check("deliveries can be kept", health.as_ref().is_some_and(|health| health.writable)),
            check("sign-in is configured", signin),
            json!({ "name": "disk has room", "status": if roomy { "ok" } else { "low" } }),
            // An alarm and no reason to stop: a record that nobody can read helps nobody.
            json!({ "name": "audit log is witnessed", "status": if witnessed { "ok" } else { "late" } }),
            // Said, and no reason to send readers away: a record page needs no mail.
            check("MESH mailbox raises no alarm", mesh.is_some_and(|mesh| mesh.alarms.is_empty())),
        ],
        "at": state.clock.now().to_string(),
        "took_microseconds": began.elapsed().as_micros() as u64,
    });
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(body)).into_response()
}

async fn metrics(State(state): State<Shared>) -> Response {
    let operations = state.record.operations();
    let health = crate::blocking(move || operations.health())
        .await
        .ok()
        .and_then(Result::ok);
    let mut text = state.metrics.text();
    let checks = state.record.opt_out_check();
    let mesh = crate::blocking(move || checks.health()).await;
    if let Some(mesh) = mesh
        .ok()
        .and_then(Result::ok)
        .filter(|mesh| mesh.configured)
    {
        text.push_str(&mesh_figures(&mesh, state.clock.now()));
    }
    if let Some(health) = health {
        for (name, value) in [
            ("store_items", health.items),
            ("store_people", health.people),
            ("store_database_bytes", health.database_bytes),
            ("store_log_bytes", health.log_bytes),
            ("store_disk_full", u64::from(health.disk_full)),
            ("store_disk_low", u64::from(health.disk_low)),
            ("store_disk_free_bytes", health.free_bytes.unwrap_or(0)),
            ("store_on_reserve", u64::from(health.on_reserve)),
            ("store_index_work", health.indexing.len() as u64),
            (
                "store_index_done",
                health.indexing.iter().map(|work| work.done).sum(),
            ),
            (
                "store_index_total",
                health.indexing.iter().map(|work| work.total).sum(),
            ),
        ] {
            text.push_str(&format!(
                "# TYPE connect_care_{name} gauge\nconnect_care_{name} {value}\n"
            ));
        }
        text.push_str(&state.record.operations().timings());
        text.push_str(&crate::witness::figures(&health.ledger, state.clock.now()));
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

/// How the mailbox of the opt-out check does: 1 for each alarm that is raised.
fn mesh_figures(mesh: &MeshHealth, now: Timestamp) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    let seconds = |at: Option<Timestamp>| at.map_or(-1, |at| now.duration_since(at).as_secs());
    for (name, value) in [
        ("mesh_last_contact_seconds", seconds(mesh.contact)),
        ("mesh_oldest_message_seconds", seconds(mesh.oldest)),
        ("mesh_inbox_messages", mesh.in_inbox as i64),
        ("mesh_lists_waiting", mesh.lists_waiting as i64),
        ("mesh_lists_unanswered", mesh.lists_unanswered as i64),
    ] {
        let _ = writeln!(
            text,
            "# TYPE connect_care_{name} gauge\nconnect_care_{name} {value}"
        );
    }
    text.push_str("# TYPE connect_care_mesh_alarm gauge\n");
    for kind in AlarmKind::ALL {
        let raised = mesh.alarms.iter().any(|alarm| alarm.kind == *kind);
        let _ = writeln!(
            text,
            "connect_care_mesh_alarm{{kind=\"{}\"}} {}",
            kind.code(),
            u8::from(raised)
        );
    }
    text
}

async fn version() -> Json<serde_json::Value> {
    Json(json!({ "name": "connect-care", "version": env!("CARGO_PKG_VERSION"), "fhir": "4.0.1" }))
}
