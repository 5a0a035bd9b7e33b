//! Websockets: a source asks for a token of one subscription, opens the socket, and binds it with the token.
//! What waits is sent then, and from then on what comes.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use super::notice::{self, Kind};
use super::sent::{Channel, Content};
use super::{fhir_json, held, is_on, sent_of, source};
use crate::problem::{ApiProblem, Problem};
use crate::signin::scopes::Interaction;
use crate::signin::{Bearer, digest_of, random_text};
use crate::state::Shared;

/// How long a token can be used, and how long a new socket may stay unbound.
const TOKEN_GOOD: SignedDuration = SignedDuration::from_secs(60);
const UNBOUND: Duration = Duration::from_secs(15);
const PING: Duration = Duration::from_secs(30);
const MOST_TOKENS: usize = 10_000;
const MOST_SOCKETS: usize = 1_000;

/// A message on its way to a socket, and where to say whether it left.
type Outgoing = (String, oneshot::Sender<bool>);

struct Token {
    client: String,
    subscription: String,
    until: Timestamp,
}

/// Sockets that are bound, by subscription; and tokens that can bind one.
#[derive(Default)]
pub struct Sockets {
    tokens: Mutex<HashMap<String, Token>>,
    bound: Mutex<HashMap<String, mpsc::Sender<Outgoing>>>,
}

impl Sockets {
    fn to(&self, key: &str) -> Option<mpsc::Sender<Outgoing>> {
        let bound = self.bound.lock().unwrap_or_else(PoisonError::into_inner);
        bound.get(key).filter(|one| !one.is_closed()).cloned()
    }

    /// Whether somebody listens for this subscription.
    pub fn listens(&self, key: &str) -> bool {
        self.to(key).is_some()
    }

    /// Sends a notification to whoever listens.
    pub async fn send(&self, key: &str, body: String) -> Result<(), String> {
        let gone = || "nobody listens on a websocket".to_owned();
        let to = self.to(key).ok_or_else(gone)?;
        let (done, left) = oneshot::channel();
        to.send((body, done)).await.map_err(|_| gone())?;
        match tokio::time::timeout(Duration::from_secs(10), left).await {
            Ok(Ok(true)) => Ok(()),
            _ => Err(gone()),
        }
    }

    fn take(&self, token: &str, now: Timestamp) -> Option<Token> {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens
            .remove(&digest_of(token))
            .filter(|one| one.until > now)
    }
}

/// `$get-ws-binding-token`.
pub(super) async fn binding(
    State(state): State<Shared>,
    Path(id): Path<String>,
    who: Bearer,
) -> Result<Response, ApiProblem> {
    let source = source(&who, Interaction::Read)?;
    let one = held(&state, &source.client, &id).await?;
    let sent = sent_of(&state, one.body.as_bytes())?;
    if sent.channel != Channel::WebSocket || !is_on(&one) {
        return Err(Problem::invalid(
            "This subscription has no websocket",
            "Its channel.type must be websocket, and its status not off.",
        )
        .into());
    }
    let now = state.clock.now();
    let until = now.saturating_add(TOKEN_GOOD).unwrap_or(now);
    let token = random_text()?;
    {
        let mut tokens = state
            .channels
            .sockets
            .tokens
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|_, one| one.until > now);
        if tokens.len() < MOST_TOKENS {
            let held = Token {
                client: source.client,
                subscription: one.id.clone(),
                until,
            };
            tokens.insert(digest_of(&token), held);
        }
    }
    let base = state.fhir_base();
    let address = format!("{}/$websocket", base.replacen("http", "ws", 1));
    let answer = json!({ "resourceType": "Parameters", "parameter": [
        { "name": "token", "valueString": token },
        { "name": "expiration", "valueDateTime": until.to_string() },
        { "name": "subscription", "valueString": format!("{base}/Subscription/{}", one.id) },
        { "name": "websocket-url", "valueUrl": address },
    ]});
    Ok(fhir_json(answer.to_string()))
}

/// `GET /fhir/R4/$websocket`.
pub(super) async fn open(State(state): State<Shared>, upgrade: WebSocketUpgrade) -> Response {
    upgrade
        .max_message_size(4096)
        .on_upgrade(move |socket| serve(state, socket))
}

async fn serve(state: Shared, mut socket: WebSocket) {
    let first = tokio::time::timeout(UNBOUND, socket.recv()).await;
    let Ok(Some(Ok(Message::Text(text)))) = first else {
        return;
    };
    let token = text.strip_prefix("bind-with-token ").map(str::trim);
    let bound = token.and_then(|token| state.channels.sockets.take(token, state.clock.now()));
    let Some(bound) = bound else {
        let words = "This token is unknown, was used, or is too old. Get one with $get-ws-binding-token, and send: bind-with-token TOKEN";
        let _ = socket.send(Message::Text(words.into())).await;
        return;
    };
    let key = format!("{}/{}", bound.client, bound.subscription);
    let Ok(one) = held(&state, &bound.client, &bound.subscription).await else {
        return;
    };
    let (base, topic) = (state.fhir_base(), state.topic());
    let hello = notice::bundle(&base, &topic, &one, Kind::Handshake, &[], Content::Empty);
    if socket.send(Message::Text(hello.into())).await.is_err() {
        return;
    }
    let (sender, mut waiting) = mpsc::channel::<Outgoing>(1);
    {
        let sockets = &state.channels.sockets;
        let mut all = sockets.bound.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, one| !one.is_closed());
        if all.len() >= MOST_SOCKETS {
            return;
        }
        all.insert(key, sender);
    }
    let mut ping = tokio::time::interval(PING);
    loop {
        tokio::select! {
            outgoing = waiting.recv() => {
                // Another socket took this subscription over.
                let Some((body, done)) = outgoing else { return };
                let left = socket.send(Message::Text(body.into())).await.is_ok();
                // Whoever waited may have given up.
                let _ = done.send(left);
                if !left { return; }
            }
            heard = socket.recv() => match heard {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                _ => return,
            },
            _ = ping.tick() => {
                if socket.send(Message::Ping(Vec::new().into())).await.is_err() { return; }
            }
        }
    }
}
