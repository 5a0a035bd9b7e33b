//! The national data opt-out, as a service of its own: people set and change their choice online, by
//! phone and on paper, and whoever plans to use data asks it by MESH who may stay.
//!
//! It has its own store, its own keys and its own sign-in, and no road to the record: nothing here is
//! handed anything of it, and a test reads the sources to see that it stays so. In England a deployment
//! points to the national service instead and does not start this one.
//! Decision: docs/adr/0014-the-opt-out-service-has-no-road-to-the-record.md.

mod answer;
mod case;
pub mod config;
mod frame;
mod letters;
mod online;
mod operator;
mod people;
pub mod register;
mod sessions;
mod store;
#[cfg(test)]
pub(crate) mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use care_record::Clock;
use tokio::net::TcpListener;

use self::config::ServiceConfig;
use self::sessions::Keys;
pub use self::sessions::passphrase_kept;
use self::store::Store;
use crate::components::asset;
use crate::mesh::exchange::{self, Exchange};
use crate::serve::{Stop, protect};
use crate::telemetry::PageContext;

const STORE: &str = "opt-out-service.db";
const MOST_FORM_BYTES: usize = 64 << 10;

/// Everything the service has. Nothing of the record is in it.
pub struct Service {
    config: ServiceConfig,
    store: Store,
    keys: Keys,
    clock: Arc<dyn Clock>,
}

type Shared = Arc<Service>;

/// A service that is bound and not yet served.
pub struct Bound {
    listener: TcpListener,
    service: Shared,
    exchange: Option<Arc<Exchange>>,
}

impl Service {
    /// Opens the store and the keys of this configuration.
    fn open(config: ServiceConfig, clock: Arc<dyn Clock>) -> anyhow::Result<Shared> {
        std::fs::create_dir_all(&config.data)
            .with_context(|| format!("the directory {} cannot be made", config.data.display()))?;
        let store = Store::open(&config.data.join(STORE))?;
        let keys = Keys::read_or_make(&config.data.join("service.key"))?;
        Ok(Arc::new(Self {
            config,
            store,
            keys,
            clock,
        }))
    }
}

/// Puts people on the register of this configuration; gives how many could be taken.
pub fn register_people(
    config: &ServiceConfig,
    people: &[register::Registered],
) -> anyhow::Result<usize> {
    std::fs::create_dir_all(&config.data)?;
    Ok(Store::open(&config.data.join(STORE))?.register(people)?)
}

/// Whether the log of this configuration is unbroken, and how many acts it holds.
pub fn verify(config: &ServiceConfig) -> anyhow::Result<(bool, u64)> {
    Ok(Store::open(&config.data.join(STORE))?.verify()?)
}

/// Opens the service and binds its socket.
pub async fn bind(config: ServiceConfig, clock: Arc<dyn Clock>) -> anyhow::Result<Bound> {
    let listener = TcpListener::bind(config.listen).await.with_context(|| {
        format!(
            "cannot listen on {}; another program may use the port: choose another",
            config.listen
        )
    })?;
    let exchange = match &config.exchange {
        None => None,
        Some(settings) => {
            std::fs::create_dir_all(&config.data)?;
            let file = config.data.join("exchange.db");
            let opened = Exchange::open(
                &file,
                settings.mailboxes()?,
                settings.shared_key()?,
                clock.clone(),
            )?;
            Some(Arc::new(opened))
        }
    };
    Ok(Bound {
        service: Service::open(config, clock)?,
        listener,
        exchange,
    })
}

impl Bound {
    /// Where it listens.
    pub fn address(&self) -> anyhow::Result<SocketAddr> {
        Ok(self.listener.local_addr()?)
    }

    /// Puts people on the register, replacing what it says of each.
    pub fn register(&self, people: &[register::Registered]) -> anyhow::Result<()> {
        self.service.store.register(people)?;
        Ok(())
    }

    /// Serves until the stop.
    pub async fn serve(self, stop: Stop) -> anyhow::Result<()> {
        let answering =
            self.service.config.mesh.clone().map(|mailbox| {
                tokio::spawn(answer::run(mailbox, self.service.clone(), stop.clone()))
            });
        let mut app = router(self.service);
        if let Some(exchange) = self.exchange {
            app = app.merge(exchange::router(exchange));
        }
        let mut told = stop.clone();
        let service = app.into_make_service_with_connect_info::<SocketAddr>();
        let http = axum::serve(self.listener, service)
            .with_graceful_shutdown(async move { told.wait().await });
        let mut ended = stop;
        let drain = async move {
            ended.wait().await;
            tokio::time::sleep(Duration::from_secs(10)).await;
        };
        tokio::select! {
            done = http => done.context("the opt-out service ended")?,
            () = drain => {}
        }
        if let Some(answering) = answering {
            answering.abort();
        }
        Ok(())
    }
}

/// Every address of the service, the exchange's aside.
fn router(service: Shared) -> Router {
    Router::new()
        .merge(online::router())
        .merge(operator::router())
        .route("/assets/{name}", get(asset))
        .route("/health/live", get(|| async { "alive" }))
        .fallback(|| async { frame::Trouble::not_found().into_response() })
        .layer(DefaultBodyLimit::max(MOST_FORM_BYTES))
        .layer(middleware::from_fn_with_state(service.clone(), around))
        .with_state(service)
}

/// Around every request: its context and the headers that keep a browser from leaking a page. No
/// address is logged: none holds anything, and there is no need to know who asked.
async fn around(State(service): State<Shared>, request: Request, next: Next) -> Response {
    let context = PageContext::fresh().at(request.uri().path(), &service.config.phone);
    let mut response = context.clone().run(next.run(request)).await;
    protect(
        service.config.base_url.starts_with("https://"),
        &context,
        &mut response,
    );
    response
}
