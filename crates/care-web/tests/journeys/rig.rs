//! The product as its own process on free ports, and a browser without a screen.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;

/// A running demonstration without invented people, unless told otherwise.
pub struct Demo {
    child: Child,
    pub base: String,
    pub mllp: String,
    pub data: tempfile::TempDir,
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// The executable.
pub fn binary() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_connect-care"))
}

/// Runs a command of the executable to its end.
pub fn run(arguments: &[&str]) -> Output {
    Command::new(binary())
        .args(arguments)
        .output()
        .expect("it runs")
}

impl Demo {
    /// Starts one and waits until it is ready.
    pub async fn start() -> Self {
        Self::with_people(0).await
    }

    /// Starts one with so many people; returns when their messages were sent.
    pub async fn with_people(people: u32) -> Self {
        let data = tempfile::tempdir().expect("a directory");
        let (port, mllp) = (free_port(), free_port());
        let log = std::fs::File::create(data.path().join("log")).expect("a log");
        let child = Command::new(binary())
            .args([
                "demo",
                "--people",
                &people.to_string(),
                "--port",
                &port.to_string(),
            ])
            .args(["--mllp-port", &mllp.to_string(), "--data"])
            .arg(data.path())
            .stdout(log.try_clone().expect("a log"))
            .stderr(Stdio::from(log))
            .spawn()
            .expect("it starts");
        let demo = Self {
            child,
            base: format!("http://localhost:{port}"),
            mllp: format!("127.0.0.1:{mllp}"),
            data,
        };
        for _ in 0..1200 {
            if demo.log().contains("Ctrl-C stops it.") {
                return demo;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("not ready in two minutes: {}", demo.log());
    }

    /// Kills it without a word and starts it again on the same data and ports.
    pub async fn restart(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
        let port = self.base.rsplit(':').next().expect("a port").to_owned();
        let mllp = self.mllp.rsplit(':').next().expect("a port").to_owned();
        let log = std::fs::File::create(self.data.path().join("log")).expect("a log");
        self.child = Command::new(binary())
            .args(["demo", "--people", "0", "--port", &port])
            .args(["--mllp-port", &mllp, "--data"])
            .arg(self.data.path())
            .stdout(log.try_clone().expect("a log"))
            .stderr(Stdio::from(log))
            .spawn()
            .expect("it starts");
        for _ in 0..1200 {
            if self.log().contains("Ctrl-C stops it.") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("not ready in two minutes: {}", self.log());
    }

    /// What it wrote.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.data.path().join("log")).unwrap_or_default()
    }

    /// Runs `connect-care … --data` of this demonstration.
    pub fn command(&self, arguments: &[&str]) -> Output {
        Command::new(binary())
            .args(arguments)
            .arg("--data")
            .arg(self.data.path())
            .output()
            .expect("it runs")
    }

    /// A token of the FHIR API.
    pub fn token(&self, arguments: &[&str]) -> String {
        let out = self.command(&[&["token"], arguments].concat());
        assert!(
            out.status.success(),
            "{}",
            String::from_utf8_lossy(&out.stderr)
        );
        String::from_utf8(out.stdout)
            .expect("text")
            .trim()
            .to_owned()
    }

    /// Asks it to stop, and waits; gives the exit code.
    pub async fn stop(mut self) -> Option<i32> {
        self.halt().await
    }

    /// Stops it and keeps its data; gives the exit code.
    pub async fn halt(&mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .expect("kill runs");
        for _ in 0..150 {
            if let Some(status) = self.child.try_wait().expect("its state") {
                return status.code();
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("it did not stop in fifteen seconds");
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // Already ended is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The resources a token may read about its person, or the status of the refusal.
pub async fn everything(demo: &Demo, token: &str, number: &str) -> Result<Vec<Value>, u16> {
    let http = reqwest::Client::new();
    let find = http.post(format!("{}/fhir/R4/Patient/_search", demo.base));
    let found = find
        .bearer_auth(token)
        .form(&[("identifier", number)])
        .send()
        .await
        .expect("an answer");
    if found.status() != StatusCode::OK {
        return Err(found.status().as_u16());
    }
    let found: Value = found.json().await.expect("JSON");
    let Some(id) = found["entry"][0]["resource"]["id"].as_str() else {
        return Err(404);
    };
    let address = format!("{}/fhir/R4/Patient/{id}/$everything?_count=1000", demo.base);
    let mut next = Some(address);
    let mut all = Vec::new();
    while let Some(address) = next {
        let answer = http.get(address).bearer_auth(token).send().await;
        let page: Value = answer.expect("an answer").json().await.expect("JSON");
        let entries = page["entry"].as_array().cloned().unwrap_or_default();
        all.extend(
            entries
                .into_iter()
                .map(|mut entry| entry["resource"].take()),
        );
        let links = page["link"].as_array().cloned().unwrap_or_default();
        next = links
            .iter()
            .find(|link| link["relation"] == "next")
            .and_then(|link| link["url"].as_str().map(str::to_owned));
    }
    Ok(all)
}

/// A browser: keeps cookies, follows nothing by itself.
pub struct Browser {
    http: reqwest::Client,
    base: String,
    pub cookies: BTreeMap<String, String>,
}

/// What came back.
pub struct Page {
    pub status: StatusCode,
    pub to: Option<String>,
    pub set_cookies: Vec<String>,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Page {
    /// The value of a hidden field.
    pub fn field(&self, name: &str) -> String {
        let at = format!("name=\"{name}\" value=\"");
        let rest = self
            .text
            .split_once(&at)
            .unwrap_or_else(|| panic!("no field {name} in {}", self.text))
            .1;
        let value = rest.split_once('"').expect("a closed value").0;
        value
            .replace("&amp;", "&")
            .replace("&#39;", "'")
            .replace("&quot;", "\"")
            .replace("&#x2f;", "/")
    }
}

impl Browser {
    /// One that knows nothing.
    pub fn new(demo: &Demo) -> Self {
        Self::at(&demo.base)
    }

    /// One that knows nothing, for a service at this address.
    pub fn at(base: &str) -> Self {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client");
        Self {
            http,
            base: base.to_owned(),
            cookies: BTreeMap::new(),
        }
    }

    fn address(&self, path: &str) -> String {
        if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}{path}", self.base)
        }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        self.http
            .request(method, self.address(path))
            .header(COOKIE, cookies.join("; "))
    }

    async fn read(&mut self, answer: Response) -> Page {
        let headers = answer.headers().clone();
        let set_cookies: Vec<String> = headers
            .get_all(SET_COOKIE)
            .iter()
            .map(|value| value.to_str().expect("text").to_owned())
            .collect();
        for set in &set_cookies {
            let (name, rest) = set.split_once('=').expect("a cookie");
            let value = rest.split(';').next().unwrap_or_default();
            if set.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        Page {
            status: answer.status(),
            to: headers
                .get(LOCATION)
                .map(|value| value.to_str().expect("text").to_owned()),
            set_cookies,
            headers,
            text: answer.text().await.expect("a body"),
        }
    }

    /// GET.
    pub async fn get(&mut self, path: &str) -> Page {
        let answer = self
            .request(Method::GET, path)
            .send()
            .await
            .expect("an answer");
        self.read(answer).await
    }

    /// POST of a form.
    pub async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Page {
        self.post_with(path, form, &[]).await
    }

    /// POST of a form with more headers.
    pub async fn post_with(
        &mut self,
        path: &str,
        form: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Page {
        let mut request = self.request(Method::POST, path).form(form);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.expect("an answer");
        self.read(answer).await
    }

    /// From the log-in page to the address the identity provider sends the browser back to.
    #[allow(
        clippy::wrong_self_convention,
        reason = "it walks to the address; it converts nothing"
    )]
    pub async fn to_callback(&mut self, user: &str) -> String {
        let start = self.get("/staff/login/start").await;
        let list = self.get(&start.to.expect("to the provider")).await;
        assert_eq!(list.status, 200, "{}", list.text);
        let names = [
            "response_type",
            "client_id",
            "redirect_uri",
            "scope",
            "state",
            "nonce",
            "code_challenge",
            "code_challenge_method",
        ];
        let values: Vec<(&str, String)> =
            names.iter().map(|name| (*name, list.field(name))).collect();
        let mut form: Vec<(&str, &str)> = values
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        form.push(("user", user));
        let chosen = self.post("/demo-identity/authorize", &form).await;
        chosen
            .to
            .unwrap_or_else(|| panic!("no way back: {}", chosen.text))
    }

    /// Finds a person by number; gives the page on which the reason is said.
    pub async fn find(&mut self, number: &str) -> (String, Page) {
        let csrf = self.get("/staff/find").await.field("csrf");
        let found = self
            .post("/staff/find", &[("csrf", &csrf), ("nhs-number", number)])
            .await;
        let to = found
            .to
            .unwrap_or_else(|| panic!("not found: {}", found.text));
        let page = self.get(&to).await;
        (to, page)
    }

    /// Finds a person, says why, and gives the address of the open record, or the page that refuses.
    pub async fn open(&mut self, number: &str, reason: &str) -> Result<String, Page> {
        let (address, page) = self.find(number).await;
        let csrf = page.field("csrf");
        let opened = self
            .post(&address, &[("csrf", &csrf), ("reason", reason)])
            .await;
        match &opened.to {
            Some(to) if to.contains("/staff/record/") => {
                let end = to.rfind('/').expect("a path");
                Ok(to[..end].to_owned())
            }
            _ => Err(opened),
        }
    }

    /// Signs in.
    pub async fn sign_in(&mut self, user: &str) -> Page {
        let callback = self.to_callback(user).await;
        let page = self.get(&callback).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
        page
    }
}
