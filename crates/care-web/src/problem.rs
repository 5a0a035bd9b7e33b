//! The only place that turns an error into a page or an OperationOutcome.
//!
//! What leaves says what happened and what to do next, with a reference. It never holds patient
//! data, nor anything that gives away a hidden fact. The cause is logged once, here, under the same
//! reference.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::components::{Head, page as page_of, shown};
use crate::telemetry::{self, PageContext};

/// Something a person or a system must be told.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    /// FHIR issue type: `not-found`, `invalid` …
    code: &'static str,
    title: String,
    text: String,
    /// Where in what was asked: `http.` and the parameter.
    location: Option<String>,
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
    retry_seconds: Option<u32>,
}

impl Problem {
    /// A problem with its status, FHIR issue type, what happened, and why and how to mend it.
    pub fn new(
        status: StatusCode,
        code: &'static str,
        title: impl Into<String>,
        text: impl Into<String>,
    ) -> Self {
        Self {
            status,
            code,
            title: title.into(),
            text: text.into(),
            location: None,
            cause: None,
            retry_seconds: None,
        }
    }

    /// There is nothing at this address, or nothing the caller may know of: the two read the same.
    pub fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "Page not found",
            "Not available through Connect Care. If you typed the address, check it is correct.",
        )
    }

    /// We cannot do it now; trying again may help.
    pub fn unavailable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self {
            cause: Some(cause.into()),
            retry_seconds: Some(5),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "transient",
                "Sorry, there is a problem",
                "Nothing was lost. Try again in a moment.",
            )
        }
    }

    /// Too much was tried; it may be tried again after so many minutes.
    pub fn too_many(text: impl Into<String>, minutes: u32) -> Self {
        Self {
            retry_seconds: Some(minutes.saturating_mul(60)),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "throttled",
                "Too many tries",
                text,
            )
        }
    }

    /// The request cannot be used as it is.
    pub fn invalid(title: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", title, text)
    }

    /// The caller is not known.
    pub fn login(title: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "login", title, text)
    }

    /// The caller is known and may not.
    pub fn forbidden(title: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", title, text)
    }

    /// The same with the inner cause, which is logged and never shown.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// The same, with when it may be tried again.
    #[must_use]
    pub fn again_in(mut self, seconds: u32) -> Self {
        self.retry_seconds = Some(seconds);
        self
    }

    /// The same about one parameter of the request, by its name and never its value.
    #[must_use]
    pub fn at_parameter(mut self, name: &str) -> Self {
        self.location = Some(format!("http.{name}"));
        self
    }

    /// As a page.
    pub fn page(self) -> Response {
        let reference = self.log();
        let ours = self.status.is_server_error();
        let mut response = drawn(&self.title, &self.text, &reference, ours);
        *response.status_mut() = self.status;
        self.finish(response)
    }

    /// As an OperationOutcome.
    pub fn outcome(self) -> Response {
        let reference = self.log();
        let severity = if self.status.is_server_error() {
            "fatal"
        } else {
            "error"
        };
        let mut issue = serde_json::json!({
            "severity": severity,
            "code": self.code,
            "details": { "text": self.title },
            "diagnostics": format!("{} Reference {reference}.", self.text),
        });
        if let Some(location) = &self.location {
            issue["location"] = serde_json::json!([location]);
        }
        let body = serde_json::json!({ "resourceType": "OperationOutcome", "issue": [issue] });
        let kind = [(header::CONTENT_TYPE, "application/fhir+json")];
        self.finish((self.status, kind, body.to_string()).into_response())
    }

    fn finish(&self, mut response: Response) -> Response {
        if let Some(seconds) = self.retry_seconds {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }

    /// Logs the cause once, and gives the reference the reader may quote.
    fn log(&self) -> String {
        let reference = telemetry::reference();
        if let Some(cause) = &self.cause {
            let mut chain = cause.to_string();
            let mut next = cause.source();
            while let Some(source) = next {
                chain.push_str(": ");
                chain.push_str(&source.to_string());
                next = source.source();
            }
            tracing::error!(
                reference,
                status = self.status.as_u16(),
                cause = chain,
                "problem"
            );
        }
        reference
    }
}

/// Lets a page handler use `?`.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.page()
    }
}

/// Lets an API handler use `?`.
#[derive(Debug)]
pub struct ApiProblem(pub Problem);

impl From<Problem> for ApiProblem {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for ApiProblem {
    fn into_response(self) -> Response {
        self.0.outcome()
    }
}

/// A problem page: for callers outside handlers.
pub fn page(status: StatusCode, title: &str, text: &str) -> Response {
    Problem::new(status, "processing", title, text).page()
}

/// The page, and its status where it could not be drawn: then the words stand alone.
fn drawn(title: &str, text: &str, reference: &str, ours: bool) -> Response {
    let context = PageContext::current();
    let (onward, onward_words) = if context.for_patients {
        ("/me", "Your Connect Care record")
    } else {
        ("/staff/find", "Find a person")
    };
    let head = Head::new(title, "problem").with_error(true);
    let shown = shown! {
        title, text, reference, ours, onward, onward_words,
        help_phone => context.help_phone,
    };
    page_of("problem.html", &head, None, shown).unwrap_or_else(|_| {
        let words = format!("{title}. {text} Reference {reference}.");
        ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], words).into_response()
    })
}
