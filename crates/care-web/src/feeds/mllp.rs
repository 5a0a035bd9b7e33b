//! The HL7 v2 listener. One task a connection, one message at a time on each: order is kept where
//! the sender keeps it. An answer is written only after the intake has made the message durable.
//!
//! Slow and hostile peers are bounded: by size, by time within and between messages, and by
//! connections in all and from one address.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use care_core::hl7v2::{AckCode, ErrorCode, Header, Issue, ack};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout_at};

use super::frame::{Deframer, Frame, framed};
use crate::config::{Mllp, OnStoreFault};
use crate::serve::Stop;
use crate::state::Shared;
use crate::telemetry::Metrics;

/// What becomes of a message.
pub enum Reply {
    /// This is the answer; it may be sent now.
    Answer {
        /// The acknowledgement.
        bytes: Vec<u8>,
        /// Its code, for the figures: `AA`, `AE` …
        code: &'static str,
    },
    /// Nothing could be written; the sender must keep the message.
    Fault,
}

/// Takes a message and who sent it. Blocks until the message is durable.
pub type Receive = Arc<dyn Fn(Vec<u8>) -> Reply + Send + Sync>;

/// Serves until the stop; then lets each connection finish the message it is in.
pub async fn serve(listener: TcpListener, state: Shared, stop: Stop) {
    let Some(settings) = state.config.mllp.clone() else {
        return;
    };
    let receive = super::receive::v2(&state);
    let clock = state.clock.clone();
    let now = Arc::new(move || clock.now());
    let place = Arc::new(Listening {
        settings,
        receive,
        now,
        state: Some(state),
        peers: Mutex::default(),
    });
    accept(listener, place, stop).await;
}

struct Listening {
    settings: Mllp,
    receive: Receive,
    now: Arc<dyn Fn() -> jiff::Timestamp + Send + Sync>,
    state: Option<Shared>,
    peers: Mutex<HashMap<IpAddr, usize>>,
}

impl Listening {
    fn metrics(&self, tell: impl FnOnce(&Metrics)) {
        if let Some(state) = &self.state {
            tell(&state.metrics);
        }
    }
}

/// One connection's place among those allowed; given back when it ends.
struct Seat {
    place: Arc<Listening>,
    peer: IpAddr,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut peers = self
            .place
            .peers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = peers.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                peers.remove(&self.peer);
            }
        }
        self.place
            .metrics(|metrics| metrics.level("mllp_connections", -1));
    }
}

fn seat(place: &Arc<Listening>, peer: IpAddr) -> Option<Seat> {
    let mut peers = place.peers.lock().unwrap_or_else(PoisonError::into_inner);
    let all: usize = peers.values().sum();
    let mine = peers.get(&peer).copied().unwrap_or(0);
    if all >= place.settings.max_connections || mine >= place.settings.max_connections_per_peer {
        return None;
    }
    peers.insert(peer, mine + 1);
    place.metrics(|metrics| metrics.level("mllp_connections", 1));
    Some(Seat {
        place: place.clone(),
        peer,
    })
}

async fn accept(listener: TcpListener, place: Arc<Listening>, mut stop: Stop) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.wait() => break,
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let Ok((stream, peer)) = accepted else {
            // Out of file handles, or the peer left at once: wait a moment rather than spin.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let Some(seat) = seat(&place, peer.ip()) else {
            place.metrics(|metrics| metrics.count("mllp_refused_connections_total", ""));
            tracing::warn!(
                "a connection over the limit was closed; raise mllp.max_connections if it is wanted"
            );
            continue;
        };
        connections.spawn(connection(stream, peer, seat, stop.clone()));
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn connection(mut stream: TcpStream, _peer: SocketAddr, seat: Seat, mut stop: Stop) {
    // Answers are small and waited for.
    let _ = stream.set_nodelay(true);
    let settings = &seat.place.settings;
    let mut deframer = Deframer::new(settings.max_message_bytes);
    let mut buffer = vec![0u8; 64 << 10];
    let mut until = deadline(settings.idle_seconds);
    let mut began_inside = false;
    loop {
        let read = tokio::select! {
            () = stop.wait(), if !deframer.inside() => return,
            read = timeout_at(until, stream.read(&mut buffer)) => read,
        };
        let count = match read {
            Ok(Ok(0)) => return,
            Ok(Ok(count)) => count,
            Ok(Err(_)) => return,
            Err(_) => {
                let what = if deframer.inside() {
                    "a message was not finished in time"
                } else {
                    "a connection was silent"
                };
                tracing::info!("{what}; it was closed");
                return;
            }
        };
        let frames = deframer.take(&buffer[..count]);
        let any = !frames.is_empty();
        for frame in frames {
            if !answer(&mut stream, &seat.place, frame).await {
                return;
            }
        }
        let junk = deframer.take_junk();
        if junk > 0 {
            seat.place
                .metrics(|metrics| metrics.count("mllp_bytes_between_frames_total", ""));
            tracing::warn!(
                bytes = junk,
                "bytes between frames were skipped; the sender must frame each message with 0x0B and 0x1C 0x0D"
            );
            if junk > 64 << 10 {
                return;
            }
        }
        // A message has one deadline from its first byte, so that dripping bytes does not extend it.
        if deframer.inside() && (any || !began_inside) {
            until = deadline(settings.message_seconds);
        } else if !deframer.inside() {
            until = deadline(settings.idle_seconds);
        }
        began_inside = deframer.inside();
    }
}

fn deadline(seconds: u64) -> Instant {
    Instant::now() + Duration::from_secs(seconds)
}

/// Answers one frame; false when the connection is to be closed.
async fn answer(stream: &mut TcpStream, place: &Arc<Listening>, frame: Frame) -> bool {
    let reply = match frame {
        Frame::TooLong { begin, bytes } => too_long(place, &begin, bytes),
        Frame::Message(message) => {
            let (receive, head) = (place.receive.clone(), head_of(&message));
            let received = tokio::task::spawn_blocking(move || receive(message)).await;
            match received {
                Ok(Reply::Fault) | Err(_)
                    if place.settings.on_store_fault == OnStoreFault::Close =>
                {
                    return false;
                }
                Ok(Reply::Fault) | Err(_) => not_kept(place, &head),
                Ok(reply) => reply,
            }
        }
    };
    let Reply::Answer { bytes, code } = reply else {
        return false;
    };
    place.metrics(|metrics| metrics.count("mllp_messages_total", format!("code=\"{code}\"")));
    let write =
        tokio::time::timeout(Duration::from_secs(30), stream.write_all(&framed(&bytes))).await;
    matches!(write, Ok(Ok(())))
}

/// The first bytes of a message: enough for the header of an answer.
fn head_of(message: &[u8]) -> Vec<u8> {
    message[..message.len().min(4096)].to_vec()
}

fn too_long(place: &Listening, begin: &[u8], bytes: u64) -> Reply {
    let limit = place.settings.max_message_bytes;
    let text = format!(
        "the message has {bytes} bytes and the most taken here is {limit}; send large documents in parts, or ask for a higher limit"
    );
    tracing::warn!(bytes, limit, "a message over the limit was refused");
    reject(place, begin, text)
}

fn not_kept(place: &Listening, head: &[u8]) -> Reply {
    reject(
        place,
        head,
        "the message could not be kept now; nothing is wrong with it: send it again".to_owned(),
    )
}

fn reject(place: &Listening, head: &[u8], text: String) -> Reply {
    let header = Header::salvage(head);
    let issue = Issue::error("MSH", ErrorCode::Internal, text);
    let control_id = crate::telemetry::reference();
    let bytes = ack(
        &header,
        AckCode::Reject,
        &[issue],
        &control_id,
        (place.now)(),
    );
    Reply::Answer {
        bytes,
        code: AckCode::Reject.code(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    struct Rig {
        address: SocketAddr,
        pull: tokio::sync::watch::Sender<bool>,
        done: tokio::task::JoinHandle<()>,
    }

    async fn rig(change: impl FnOnce(&mut Mllp), receive: Receive) -> Rig {
        let text = "listen = \"127.0.0.1:0\"\nmax_message_bytes = 100000\nidle_seconds = 2\nmessage_seconds = 1";
        let mut settings: Mllp = toml::from_str(text).expect("settings");
        change(&mut settings);
        let listener = TcpListener::bind(settings.listen).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let now = Arc::new(|| jiff::Timestamp::UNIX_EPOCH);
        let place = Arc::new(Listening {
            settings,
            receive,
            now,
            state: None,
            peers: Mutex::default(),
        });
        let (pull, stop) = Stop::new();
        let done = tokio::spawn(accept(listener, place, stop));
        Rig {
            address,
            pull,
            done,
        }
    }

    fn echo() -> Receive {
        Arc::new(|message| Reply::Answer {
            bytes: message,
            code: "AA",
        })
    }

    async fn ask(stream: &mut TcpStream, bytes: &[u8]) -> String {
        stream.write_all(bytes).await.expect("written");
        let mut answer = vec![0; 4096];
        let read = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut answer));
        let count = read.await.expect("in time").expect("read");
        String::from_utf8_lossy(&answer[..count]).into_owned()
    }

    const MESSAGE: &[u8] = b"\x0bMSH|^~\\&|A|B|C|D|20261001||ADT^A01|17|P|2.4\r\x1c\r";

    #[tokio::test]
    async fn a_message_over_the_limit_gets_ar_with_the_limit_and_the_next_one_is_taken() {
        let rig = rig(|_| {}, echo()).await;
        let mut stream = TcpStream::connect(rig.address).await.expect("connected");
        let mut long = MESSAGE[..MESSAGE.len() - 2].to_vec();
        long.extend_from_slice(&vec![b'x'; 500_000]);
        long.extend_from_slice(b"\x1c\r");
        let answer = ask(&mut stream, &long).await;
        assert!(
            answer.contains("MSA|AR|17") && answer.contains("100000"),
            "{answer}"
        );
        assert!(ask(&mut stream, MESSAGE).await.contains("ADT^A01|17"));
    }

    #[tokio::test]
    async fn a_store_fault_is_never_a_positive_acknowledgement() {
        let fault = || -> Receive { Arc::new(|_| Reply::Fault) };
        let answering = rig(|_| {}, fault()).await;
        let mut stream = TcpStream::connect(answering.address)
            .await
            .expect("connected");
        let answer = ask(&mut stream, MESSAGE).await;
        assert!(
            answer.contains("MSA|AR|17") && !answer.contains("MSA|AA"),
            "{answer}"
        );
        let closing = rig(|mllp| mllp.on_store_fault = OnStoreFault::Close, fault()).await;
        let mut stream = TcpStream::connect(closing.address)
            .await
            .expect("connected");
        assert_eq!(ask(&mut stream, MESSAGE).await, "");
    }

    #[tokio::test]
    async fn a_peer_that_drips_or_falls_silent_is_closed() {
        let rig = rig(|_| {}, echo()).await;
        let mut dripping = TcpStream::connect(rig.address).await.expect("connected");
        let mut silent = TcpStream::connect(rig.address).await.expect("connected");
        let began = tokio::time::Instant::now();
        let mut closed = false;
        for byte in std::iter::once(&0x0b).chain(std::iter::repeat_n(&b'M', 60)) {
            if dripping.write_all(&[*byte]).await.is_err() {
                closed = true;
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(
            closed && began.elapsed() < Duration::from_millis(2500),
            "a message has one deadline"
        );
        let mut nothing = [0u8; 1];
        let read = tokio::time::timeout(Duration::from_secs(5), silent.read(&mut nothing)).await;
        assert!(matches!(read, Ok(Ok(0))), "silence ends the connection");
    }

    #[tokio::test]
    async fn connections_over_the_limit_of_one_peer_are_closed_and_a_freed_place_is_given_again() {
        let rig = rig(|mllp| mllp.max_connections_per_peer = 2, echo()).await;
        let mut held = Vec::new();
        for _ in 0..2 {
            let mut stream = TcpStream::connect(rig.address).await.expect("connected");
            assert!(ask(&mut stream, MESSAGE).await.contains("ADT^A01"));
            held.push(stream);
        }
        let mut third = TcpStream::connect(rig.address).await.expect("connected");
        let mut nothing = [0u8; 1];
        assert!(
            matches!(third.read(&mut nothing).await, Ok(0) | Err(_)),
            "closed at once"
        );
        held.clear();
        tokio::time::sleep(Duration::from_millis(100)).await;
        let mut fourth = TcpStream::connect(rig.address).await.expect("connected");
        assert!(ask(&mut fourth, MESSAGE).await.contains("ADT^A01"));
    }

    #[tokio::test]
    async fn a_stop_lets_the_message_under_way_be_answered() {
        let slow: Receive = Arc::new(|message| {
            std::thread::sleep(Duration::from_millis(300));
            Reply::Answer {
                bytes: message,
                code: "AA",
            }
        });
        let rig = rig(|_| {}, slow).await;
        let mut stream = TcpStream::connect(rig.address).await.expect("connected");
        stream.write_all(MESSAGE).await.expect("written");
        tokio::time::sleep(Duration::from_millis(100)).await;
        rig.pull.send_replace(true);
        assert!(ask(&mut stream, b"").await.contains("ADT^A01"));
        assert!(
            tokio::time::timeout(Duration::from_secs(2), rig.done)
                .await
                .is_ok()
        );
    }
}
