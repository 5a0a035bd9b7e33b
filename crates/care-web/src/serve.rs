//! The sockets: HTTP with every face behind it, and the MLLP listener; until told to stop.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;

use crate::problem::{ApiProblem, Problem};
use crate::state::Shared;
use crate::telemetry::PageContext;
use crate::{console, feeds, fhir_api, health, portal, public, signin, telemetry, viewer};

/// The longest any request may take.
const REQUEST_SECONDS: u64 = 60;

/// Says when to stop. Cheap to clone.
#[derive(Clone)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// A stop and what pulls it.
    pub fn new() -> (watch::Sender<bool>, Self) {
        let (pull, stop) = watch::channel(false);
        (pull, Self(stop))
    }

    /// Returns when it was pulled.
    pub async fn wait(&mut self) {
        // The other end gone means the same as pulled.
        let _ = self.0.wait_for(|stopped| *stopped).await;
    }

    /// Pulled by Ctrl-C or SIGTERM.
    pub fn on_signal() -> anyhow::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let (pull, stop) = Self::new();
        let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
        tokio::spawn(async move {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            pull.send_replace(true);
        });
        Ok(stop)
    }
}

/// Sockets that are bound and not yet served.
pub struct Sockets {
    http: TcpListener,
    mllp: Option<TcpListener>,
}

impl Sockets {
    /// Binds what the configuration names.
    pub async fn bind(state: &Shared) -> anyhow::Result<Self> {
        let http = listen(state.config.server.listen).await?;
        let mllp = match &state.config.mllp {
            Some(mllp) => Some(listen(mllp.listen).await?),
            None => None,
        };
        Ok(Self { http, mllp })
    }
}

async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}; another program may use the port, or this user may not: choose another")
    })
}

/// Serves until the stop, then lets what is under way end within the configured time.
pub async fn run(state: Shared, sockets: Sockets, stop: Stop) -> anyhow::Result<()> {
    let drain = Duration::from_secs(state.config.server.drain_seconds);
    let mut told = stop.clone();
    let mllp = sockets
        .mllp
        .map(|listener| tokio::spawn(feeds::mllp::serve(listener, state.clone(), stop.clone())));
    tokio::spawn(crate::admin::serve(state.clone(), stop.clone()));
    tokio::spawn(fhir_api::operations::keep_exports(
        state.clone(),
        stop.clone(),
    ));
    let witnesses = tokio::spawn(crate::witness::keep(state.clone(), stop.clone()));
    let mesh = state
        .config
        .mesh
        .clone()
        .map(|mesh| tokio::spawn(feeds::mesh::run(mesh, state.clone(), stop.clone())));
    let notices = tokio::spawn(portal::send_notices(state.clone(), stop.clone()));
    let telling = tokio::spawn(fhir_api::tell_subscriptions(state.clone(), stop.clone()));
    let watch = tokio::spawn(public::status::watch(state.clone(), stop.clone()));
    let mut http_stop = stop.clone();
    let app = router(state.clone()).into_make_service_with_connect_info::<SocketAddr>();
    let http = axum::serve(sockets.http, app)
        .with_graceful_shutdown(async move { http_stop.wait().await });
    let http = tokio::spawn(async move { http.await });
    told.wait().await;
    tracing::info!("stopping: what is under way is finished first");
    let ended = async {
        // A listener that failed has said so in the log; here only its end counts.
        let _ = http.await;
        let _ = notices.await;
        let _ = witnesses.await;
        if let Some(mllp) = mllp {
            let _ = mllp.await;
        }
        if let Some(mesh) = mesh {
            let _ = mesh.await;
        }
        let _ = watch.await;
        let _ = telling.await;
    };
    if tokio::time::timeout(drain, ended).await.is_err() {
        tracing::warn!(
            "stopped with work under way: senders will repeat what was not acknowledged"
        );
    }
    let record = state.record.clone();
    tokio::task::spawn_blocking(move || record.close())
        .await
        .context("closing the record")
}

/// Every address.
pub fn router(state: Shared) -> Router {
    let demo = state.config.demo;
    Router::new()
        .merge(signin::router(demo))
        .merge(crate::scim::router())
        .merge(health::router())
        .merge(viewer::router())
        .merge(public::router())
        .merge(portal::router())
        .merge(console::router())
        .merge(fhir_api::router())
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(state.clone(), signin::guard))
        .layer(middleware::from_fn_with_state(
            state.clone(),
            crate::cors::cors,
        ))
        .layer(DefaultBodyLimit::disable())
        .layer(RequestBodyLimitLayer::new(state.config.fhir.max_body_bytes))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            Duration::from_secs(REQUEST_SECONDS),
        ))
        .layer(CatchPanicLayer::custom(|_| {
            Problem::unavailable("a handler panicked").page()
        }))
        .layer(middleware::from_fn(fhir_api::answer::shaped))
        .layer(middleware::from_fn_with_state(state.clone(), around))
        .with_state(state)
}

async fn unknown(request: Request) -> Response {
    if is_api(request.uri().path()) {
        ApiProblem(Problem::not_found()).0.outcome()
    } else {
        Problem::not_found().page()
    }
}

async fn wrong_method(request: Request) -> Response {
    let problem = Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "not-supported",
        "This cannot be done at this address",
        "Use one of the methods the documentation names for it.",
    );
    if is_api(request.uri().path()) {
        problem.outcome()
    } else {
        problem.page()
    }
}

fn is_api(path: &str) -> bool {
    ["/fhir", "/oauth", "/scim"]
        .iter()
        .any(|begin| path.starts_with(begin))
}

/// Around every request: its context, its headers, its line in the log, its figures.
async fn around(State(state): State<Shared>, request: Request, next: Next) -> Response {
    let began = telemetry::stopwatch();
    let help_phone = &state.config.server.help_phone;
    let context = PageContext::fresh().at(request.uri().path(), help_phone);
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("none", MatchedPath::as_str)
        .to_owned();
    let method = known_method(request.method());
    let mut response = context.clone().run(next.run(request)).await;
    protect(state.config.secure(), &context, &mut response);
    let (status, took) = (response.status().as_u16(), began.elapsed());
    state.metrics.request(&route, method, status, took);
    tracing::info!(
        request = context.request_id,
        route,
        method,
        status,
        micros = took.as_micros() as u64,
        "answered"
    );
    response
}

/// A method by name; an invented one is not written to the log.
fn known_method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::PATCH => "PATCH",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// What a page may load and where its forms may lead: to our own addresses, and on to `form_to` where an
/// app is to be answered.
pub fn policy(nonce: &str, form_to: &str) -> String {
    format!(
        "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self' 'nonce-{nonce}'; \
         font-src 'self'; form-action 'self' {form_to}; frame-ancestors 'none'; base-uri 'none'"
    )
    .replace(" ;", ";")
}

/// Sets what keeps a browser from running, framing, keeping or leaking a page (screens 4).
pub fn protect(secure: bool, context: &PageContext, response: &mut Response) {
    let policy = policy(&context.nonce, "");
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.entry(name).or_insert(value);
        }
    };
    set(header::CONTENT_SECURITY_POLICY, &policy);
    set(header::CACHE_CONTROL, "no-store");
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::X_FRAME_OPTIONS, "DENY");
    // Not `no-referrer`: that would also blank the Origin of our own forms, which the guard reads.
    set(header::REFERRER_POLICY, "same-origin");
    set(
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    );
    set(
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    );
    set(
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=()",
    );
    set(HeaderName::from_static("x-request-id"), &context.request_id);
    if secure {
        set(
            header::STRICT_TRANSPORT_SECURITY,
            "max-age=63072000; includeSubDomains",
        );
    }
}
