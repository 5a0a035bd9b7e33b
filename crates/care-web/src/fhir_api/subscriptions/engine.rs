//! Tells subscriptions what changed: looks every second, each subscription by itself and in order, and tries
//! again later and later where it cannot be told.
//!
//! Before each notification it is asked again whether the client is still registered and not suspended, and
//! what its scopes allow; what is told is read then, under the source's view.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use care_core::fhir::ResourceType;
use care_record::{Event, Filter, Subscription, SubscriptionError, SubscriptionStatus};

use super::notice::{self, Kind};
use super::sent::{Channel, Content, Sent};
use super::{is_on, problem};
use crate::problem::{ApiProblem, Problem};
use crate::serve::Stop;
use crate::signin::scopes::{Allowed, Context, Interaction};
use crate::state::Shared;

const EVERY: Duration = Duration::from_secs(1);
/// Subscriptions that are told at one time.
const AT_ONCE: usize = 16;

/// The subscriptions that are being told.
#[derive(Default)]
pub struct UnderWay(Mutex<HashSet<String>>);

impl UnderWay {
    fn begin(&self, key: &str) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.len() < AT_ONCE && all.insert(key.to_owned())
    }

    fn end(&self, key: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(key);
    }
}

/// Until the stop.
pub async fn run(state: Shared, mut stop: Stop) {
    loop {
        tokio::select! {
            () = stop.wait() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        let kept = state.channels.kept.clone();
        let all = match crate::blocking(move || kept.all()).await {
            Ok(Ok(all)) => all,
            // The store says itself what is wrong with it; the next round asks again.
            _ => continue,
        };
        let now = state.clock.now();
        for one in all {
            if !is_on(&one) || one.not_before > now {
                continue;
            }
            let key = format!("{}/{}", one.client, one.id);
            if state.channels.under_way.begin(&key) {
                let state = state.clone();
                tokio::spawn(async move {
                    if let Err(cause) = tell(&state, one).await {
                        tracing::warn!(cause = cause.to_string(), "a subscription was not told");
                    }
                    state.channels.under_way.end(&key);
                });
            }
        }
    }
}

/// What a client may be told of a type now: `None` nothing; otherwise the queries of which one must fit.
fn allowed(state: &Shared, one: &Subscription, kind: ResourceType) -> Option<Vec<Filter>> {
    let known = state
        .config
        .clients
        .iter()
        .find(|client| client.id == one.client)?;
    if known.organisation != one.source
        || state.record.staff().standing(&one.client) == care_record::Standing::Suspended
    {
        return None;
    }
    let scopes = state.signin.tokens.client_scopes(&one.client);
    match scopes.allows(Context::System, kind, Interaction::Read) {
        Allowed::No => None,
        Allowed::Yes => Some(Vec::new()),
        Allowed::Only(queries) => {
            let base = state.fhir_base();
            let parameters = state.record.search_parameters().all();
            let read =
                |query: &String| Filter::read(&format!("{kind}?{query}"), &base, &parameters).ok();
            Some(queries.iter().filter_map(read).collect())
        }
    }
}

/// Events as the client may read them now.
pub(super) async fn readable(
    state: &Shared,
    one: &Subscription,
    span: (u64, u64),
    content: Content,
) -> Result<Vec<Event>, ApiProblem> {
    let parameters = state.record.search_parameters().all();
    let kind = Filter::read(&one.criteria, &state.fhir_base(), &parameters)
        .map(|filter| filter.kind())
        .map_err(|_| problem(SubscriptionError::NotThere))?;
    let Some(filters) = allowed(state, one, kind) else {
        return Err(Problem::forbidden(
            "The client's scopes do not allow this",
            format!("They must hold r for {kind}."),
        )
        .into());
    };
    let (kept, one) = (state.channels.kept.clone(), one.clone());
    let with_bodies = content == Content::Full || !filters.is_empty();
    let events = crate::blocking(move || kept.events(&one, span, with_bodies)).await?;
    let mut events = events.map_err(problem)?;
    let now = state.clock.now();
    if !filters.is_empty() {
        events.retain(|event| {
            let body = event.body.as_deref();
            body.is_some_and(|body| filters.iter().any(|one| one.fits(body, now)))
        });
    }
    Ok(events)
}

/// One round of one subscription.
async fn tell(state: &Shared, mut one: Subscription) -> Result<(), SubscriptionError> {
    let (base, topic) = (state.fhir_base(), state.topic());
    let parameters = state.record.search_parameters().all();
    let read = Sent::read(one.body.as_bytes(), &topic, &base, &parameters).ok();
    let filter = Filter::read(&one.criteria, &base, &parameters).ok();
    let (Some(sent), Some(filter)) = (read, filter) else {
        return failed(state, &mut one, "it cannot be read any more").await;
    };
    let now = state.clock.now();
    if sent.ends.is_some_and(|ends| ends <= now) {
        let kept = state.channels.kept.clone();
        return blocking(move || kept.delete(&one.client, &one.id)).await;
    }
    if allowed(state, &one, filter.kind()).is_none() {
        let why = "the client is not registered any more, is suspended, or may not read this type";
        return failed(state, &mut one, why).await;
    }
    if one.status == SubscriptionStatus::Requested {
        let hello = notice::bundle(&base, &topic, &one, Kind::Handshake, &[], Content::Empty);
        let shaken = match &sent.channel {
            Channel::Hook(..) => state.channels.hooks.send(&sent, hello).await,
            // A websocket is shaken when it is bound.
            Channel::WebSocket => Ok(()),
        };
        match shaken {
            Ok(()) => one = told(state, one, 0).await?,
            Err(why) => return failed(state, &mut one, &why).await,
        }
    }
    let mut more = true;
    while more {
        let (kept, mut looking, filter) = (state.channels.kept.clone(), one, filter.clone());
        (one, more) = blocking(move || {
            let more = kept.look(&mut looking, &filter)?;
            Ok((looking, more))
        })
        .await?;
    }
    let key = format!("{}/{}", one.client, one.id);
    if sent.channel == Channel::WebSocket && !state.channels.sockets.listens(&key) {
        return Ok(());
    }
    while one.waits() {
        let span = (
            one.told + 1,
            one.queued.min(one.told + u64::from(sent.max_count)),
        );
        let Ok(events) = readable(state, &one, span, sent.content).await else {
            return failed(state, &mut one, "the events could not be read").await;
        };
        if !events.is_empty() {
            let body = notice::bundle(&base, &topic, &one, Kind::Event, &events, sent.content);
            if let Err(why) = send(state, &sent, &key, body).await {
                return failed(state, &mut one, &why).await;
            }
        }
        one = told(state, one, span.1).await?;
    }
    let silent = now.duration_since(one.told_at).as_secs();
    if sent
        .heartbeat_seconds
        .is_some_and(|every| silent >= i64::from(every))
    {
        let body = notice::bundle(&base, &topic, &one, Kind::Heartbeat, &[], Content::Empty);
        let number = one.told;
        match send(state, &sent, &key, body).await {
            Ok(()) => drop(told(state, one, number).await?),
            Err(why) => return failed(state, &mut one, &why).await,
        }
    }
    Ok(())
}

async fn send(state: &Shared, sent: &Sent, key: &str, body: String) -> Result<(), String> {
    match &sent.channel {
        Channel::Hook(..) => state.channels.hooks.send(sent, body).await,
        Channel::WebSocket => state.channels.sockets.send(key, body).await,
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SubscriptionError> + Send + 'static,
) -> Result<T, SubscriptionError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|cause| SubscriptionError::Store(Box::new(cause)))?
}

async fn told(
    state: &Shared,
    mut one: Subscription,
    number: u64,
) -> Result<Subscription, SubscriptionError> {
    let kept = state.channels.kept.clone();
    state
        .metrics
        .count("subscription_notifications_total", "outcome=\"told\"");
    blocking(move || {
        kept.told(&mut one, number)?;
        Ok(one)
    })
    .await
}

async fn failed(
    state: &Shared,
    one: &mut Subscription,
    why: &str,
) -> Result<(), SubscriptionError> {
    let (kept, mut failing, why) = (state.channels.kept.clone(), one.clone(), why.to_owned());
    state
        .metrics
        .count("subscription_notifications_total", "outcome=\"failed\"");
    blocking(move || kept.failed(&mut failing, &why)).await
}
