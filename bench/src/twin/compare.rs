//! The same request to both worlds, and whether anything tells the answers apart.
//!
//! Only what is about the answer itself is put aside: the request's id, the date, page tokens (they are
//! sealed with a number used once), the servers' own addresses and times after the worlds were parted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use care_core::fhir::Json;
use jiff::Timestamp;

use super::grammar::Request;

/// A served world and the token it is asked with.
pub struct Side {
    pub base: String,
    pub token: String,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

/// Both worlds.
pub struct Worlds {
    pub http: reqwest::Client,
    pub with: Side,
    pub without: Side,
    /// Times from then on are about the answers.
    pub parted_at: Timestamp,
    /// Writes so far: each has its number as its name.
    pub written: AtomicU64,
}

/// Both answers to a request.
pub struct Both {
    pub with: Answer,
    pub without: Answer,
    pub next: Option<(String, String)>,
    pub took: (Duration, Duration),
}

impl Both {
    pub fn differ(&self) -> bool {
        self.with != self.without
    }
}

impl Worlds {
    pub async fn ask(&self, request: &Request) -> Both {
        let address = |side: &Side| {
            let slash = if request.path.is_empty() { "" } else { "/" };
            let mut address = format!("{}/fhir/R4{slash}{}", side.base, request.path);
            if !request.is_form && !request.parameters.is_empty() {
                address = format!("{address}?{}", request.query());
            }
            address
        };
        self.both(request, address(&self.with), address(&self.without))
            .await
    }

    /// The page after an answer.
    pub async fn follow(&self, request: &Request, next: &(String, String)) -> Both {
        let mut bare = Request::get(request.template, "");
        bare.headers.clone_from(&request.headers);
        self.both(&bare, next.0.clone(), next.1.clone()).await
    }

    async fn both(&self, request: &Request, with: String, without: String) -> Both {
        // A write has the same name in both worlds, so that both give the same ids to what it makes.
        let is_write = request.method != "GET" && !request.is_form;
        let name = is_write.then(|| {
            let number = self.written.fetch_add(1, Ordering::Relaxed);
            format!("twin-{number}")
        });
        let name = name.as_deref();
        let (first, second) = tokio::join!(
            self.one(&self.with, request, with, name),
            self.one(&self.without, request, without, name)
        );
        let ((with, took_with), (without, took_without)) = (first, second);
        let next = next_of(&with.body).zip(next_of(&without.body));
        Both {
            with: self.normal(with, &self.with),
            without: self.normal(without, &self.without),
            next,
            took: (took_with, took_without),
        }
    }

    /// The same worlds, asked with other tokens.
    pub fn as_others(&self, (with, without): (String, String)) -> Self {
        let side = |side: &Side, token| Side {
            base: side.base.clone(),
            token,
        };
        Self {
            http: self.http.clone(),
            with: side(&self.with, with),
            without: side(&self.without, without),
            parted_at: self.parted_at,
            written: AtomicU64::new(0),
        }
    }

    /// Writes another body in each world; gives both statuses.
    pub async fn put_apart(&self, address: String, (here, there): (Json, Json)) -> (u16, u16) {
        let put = |body: Json| {
            let mut request = Request::get("move", "");
            request.method = "PUT";
            request
                .headers
                .push(("content-type", "application/fhir+json".into()));
            request.body = Some(body.to_string());
            request
        };
        let at = |side: &Side| format!("{}/fhir/R4/{address}", side.base);
        let name = format!("twin-move-{address}");
        let (here, there) = (put(here), put(there));
        let (with, without) = tokio::join!(
            self.one(&self.with, &here, at(&self.with), Some(&name)),
            self.one(&self.without, &there, at(&self.without), Some(&name))
        );
        (with.0.status, without.0.status)
    }

    /// Makes a subscription in each world; gives their ids.
    pub async fn subscribe(
        &self,
        subscription: &serde_json::Value,
    ) -> (Option<String>, Option<String>) {
        let mut request = Request::get("subscribe", "Subscription");
        request.method = "POST";
        request
            .headers
            .push(("content-type", "application/fhir+json".into()));
        let made = async |side: &Side| {
            let mut request = request.clone();
            let base = format!("{}/fhir/R4", side.base);
            request.body = Some(subscription.to_string().replace("BASE", &base));
            let address = format!("{}/fhir/R4/Subscription", side.base);
            let (answer, _) = self.one(side, &request, address, Some("twin-told")).await;
            let made: serde_json::Value = serde_json::from_str(&answer.body).unwrap_or_default();
            let id = made["id"].as_str().map(str::to_owned);
            if id.is_none() {
                println!("no subscription: {} {}", answer.status, answer.body);
            }
            id
        };
        tokio::join!(made(&self.with), made(&self.without))
    }

    /// Asks about a thing that is called otherwise in each world, `ID` in the path.
    pub async fn ask_of(&self, request: &Request, (with, without): (&str, &str)) -> Both {
        let at = |side: &Side, id: &str| {
            format!("{}/fhir/R4/{}", side.base, request.path.replace("ID", id))
        };
        let mut both = self
            .both(request, at(&self.with, with), at(&self.without, without))
            .await;
        both.with.body = both.with.body.replace(with, "ID");
        both.without.body = both.without.body.replace(without, "ID");
        both
    }

    /// A bulk export in both worlds: the kick-off, and where both are taken, what is made in the end, with
    /// its files as one text.
    pub async fn export(&self, request: &Request) -> Both {
        let address = |side: &Side| format!("{}/fhir/R4/{}", side.base, request.url());
        let begun = Instant::now();
        let (with, without) = tokio::join!(
            self.exported(&self.with, request, address(&self.with)),
            self.exported(&self.without, request, address(&self.without))
        );
        let took = begun.elapsed();
        Both {
            with: self.normal(with, &self.with),
            without: self.normal(without, &self.without),
            next: None,
            took: (took, took),
        }
    }

    async fn exported(&self, side: &Side, request: &Request, address: String) -> Answer {
        let (mut begun, _) = self.one(side, request, address, None).await;
        let place = begun.headers.remove("content-location");
        let Some(place) = place.filter(|_| begun.status == 202) else {
            return begun;
        };
        let watch = Request::get("$export", "");
        for _ in 0..1200 {
            let (mut made, _) = self.one(side, &watch, place.clone(), None).await;
            if made.status == 202 {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
            // How far it was, and until when it is kept, are about the moment.
            made.headers.remove("expires");
            let Ok(mut manifest) = serde_json::from_str::<serde_json::Value>(&made.body) else {
                return made;
            };
            let mut files = String::new();
            for list in ["output", "deleted", "error"] {
                let outputs = manifest[list].as_array_mut();
                for output in outputs.into_iter().flatten() {
                    let address = output["url"].take();
                    let address = address.as_str().unwrap_or_default().to_owned();
                    let (file, _) = self.one(side, &watch, address, None).await;
                    files.push_str(&format!("\n{list} {} {}\n", output["type"], file.status));
                    files.push_str(&file.body);
                }
            }
            made.body = format!("{manifest}{files}");
            // The next may begin.
            let mut end = Request::get("$export", "");
            end.method = "DELETE";
            self.one(side, &end, place, None).await;
            return made;
        }
        panic!("an export did not end in a minute");
    }

    async fn one(
        &self,
        side: &Side,
        request: &Request,
        address: String,
        name: Option<&str>,
    ) -> (Answer, Duration) {
        let method = request.method.parse().expect("a method");
        let mut asked = self.http.request(method, address).bearer_auth(&side.token);
        if let Some(name) = name {
            asked = asked.header("x-request-id", name);
        }
        for (name, value) in &request.headers {
            asked = asked.header(*name, value);
        }
        if request.is_form {
            asked = asked
                .header("content-type", "application/x-www-form-urlencoded")
                .body(request.query());
        } else if let Some(body) = &request.body {
            asked = asked.body(body.clone());
        }
        let begun = Instant::now();
        let answer = asked.send().await.expect("an answer");
        let status = answer.status().as_u16();
        let headers = answer
            .headers()
            .iter()
            .filter(|(name, _)| {
                !matches!(
                    name.as_str(),
                    "date" | "content-length" | "transfer-encoding"
                )
            })
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.to_string(), value)
            })
            .collect();
        let bytes = answer.bytes().await.expect("a body");
        let body = String::from_utf8_lossy(&bytes).into_owned();
        (
            Answer {
                status,
                headers,
                body,
            },
            begun.elapsed(),
        )
    }

    fn normal(&self, mut answer: Answer, side: &Side) -> Answer {
        // The request's own reference is told in words too.
        if let Some(reference) = answer.headers.remove("x-request-id") {
            answer.body = answer.body.replace(&reference, "REFERENCE");
        }
        if let Some(policy) = answer.headers.get_mut("content-security-policy") {
            *policy = without_nonce(policy);
        }
        answer.body = self.text(&answer.body, side);
        for (name, value) in &mut answer.headers {
            *value = match name.as_str() {
                "last-modified" => self.date(value),
                _ => self.text(value, side),
            };
        }
        answer
    }

    fn text(&self, text: &str, side: &Side) -> String {
        let text = without_uuids(&text.replace(&side.base, "BASE"));
        self.times(&without_tokens(&text))
    }

    fn date(&self, text: &str) -> String {
        let at = jiff::fmt::rfc2822::parse(text).map(|zoned| zoned.timestamp());
        match at {
            Ok(at) if at.as_second() >= self.parted_at.as_second() => "NOW".to_owned(),
            _ => text.to_owned(),
        }
    }

    /// Times of the day on which the worlds were parted, and not before that, become one word.
    fn times(&self, text: &str) -> String {
        let day = self.parted_at.to_string()[..11].to_owned();
        let Some(first) = text.find(&day) else {
            return text.to_owned();
        };
        let mut out = String::with_capacity(text.len());
        let (mut done, mut at) = (0, first);
        loop {
            out.push_str(&text[done..at]);
            let rest = &text[at..];
            let is_of_time = |letter: char| {
                letter.is_ascii_digit() || matches!(letter, '-' | ':' | '.' | 'T' | 'Z' | '+')
            };
            let end = rest
                .find(|letter| !is_of_time(letter))
                .unwrap_or(rest.len());
            let word = &rest[..end];
            let is_later = word
                .parse::<Timestamp>()
                .is_ok_and(|time| time >= self.parted_at);
            out.push_str(if is_later { "NOW" } else { word });
            done = at + end;
            match text[done..].find(&day) {
                Some(next) => at = done + next,
                None => break,
            }
        }
        out.push_str(&text[done..]);
        out
    }
}

/// A document that is put together for the answer has a new UUID; nothing of the data does.
fn without_uuids(text: &str) -> String {
    const PLACE: &str = "urn:uuid:";
    let Some(first) = text.find(PLACE).map(|at| at + PLACE.len()) else {
        return text.to_owned();
    };
    match text.get(first..first + 36) {
        Some(own) => without_uuids(&text.replace(own, "UUID").replace("urn:uuid:UUID", "UUID")),
        None => text.to_owned(),
    }
}

fn without_nonce(policy: &str) -> String {
    match policy.split_once("'nonce-") {
        Some((before, rest)) => {
            let after = rest.split_once('\'').map_or("", |(_, after)| after);
            format!("{before}'nonce'{after}")
        }
        None => policy.to_owned(),
    }
}

const TOKEN: &str = "_page=";

fn without_tokens(text: &str) -> String {
    let mut parts = text.split(TOKEN);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_of_token =
            |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
        out.push_str(TOKEN);
        out.push_str(part.trim_start_matches(is_of_token));
    }
    out
}

/// The address of the next page.
fn next_of(body: &str) -> Option<String> {
    let at = body.find("\"relation\":\"next\"")?;
    let rest = &body[at..];
    let from = rest.find("\"url\":\"")? + 7;
    let to = rest[from..].find('"')?;
    Some(rest[from..from + to].to_owned())
}

/// The first place where two answers part, with what stands around it.
pub fn told(with: &Answer, without: &Answer) -> String {
    if with.status != without.status {
        return format!(
            "status {} against {}\n    {}\n    {}",
            with.status,
            without.status,
            cut(&with.body, 0),
            cut(&without.body, 0)
        );
    }
    if with.headers != without.headers {
        let other = |one: &(&String, &String)| without.headers.get(one.0) != Some(one.1);
        let more: Vec<_> = with.headers.iter().filter(other).collect();
        let other = |one: &(&String, &String)| with.headers.get(one.0) != Some(one.1);
        let less: Vec<_> = without.headers.iter().filter(other).collect();
        return format!("headers {more:?}\n    against {less:?}");
    }
    let at = with
        .body
        .bytes()
        .zip(without.body.bytes())
        .position(|(one, other)| one != other)
        .unwrap_or(with.body.len().min(without.body.len()));
    format!(
        "bodies of {} and {} bytes, from byte {at}\n    {}\n    {}",
        with.body.len(),
        without.body.len(),
        cut(&with.body, at),
        cut(&without.body, at)
    )
}

fn cut(text: &str, at: usize) -> String {
    let bytes = &text.as_bytes()[at.saturating_sub(120)..text.len().min(at + 280)];
    String::from_utf8_lossy(bytes).into_owned()
}
