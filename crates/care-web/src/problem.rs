//! The only place that turns an error into a page or an OperationOutcome.
//!
//! What leaves says what happened and what to do next, with a reference. It never holds patient
//! data, nor anything that gives away a hidden fact. The cause is logged once, here, under the same
//! reference.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::telemetry;

/// Something a person or a system must be told.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    /// FHIR issue type: `not-found`, `invalid` …
    code: &'static str,
    title: String,
    text: String,
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

    /// As a page.
    pub fn page(self) -> Response {
        let reference = self.log();
        let body = page_html(&self.title, &self.text, &reference);
        let html = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
        self.finish((self.status, html, body).into_response())
    }

    /// As an OperationOutcome.
    pub fn outcome(self) -> Response {
        let reference = self.log();
        let severity = if self.status.is_server_error() {
            "fatal"
        } else {
            "error"
        };
        let body = serde_json::json!({
            "resourceType": "OperationOutcome",
            "issue": [{
                "severity": severity,
                "code": self.code,
                "details": { "text": self.title },
                "diagnostics": format!("{} Reference {reference}.", self.text),
            }],
        });
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

fn page_html(title: &str, text: &str, reference: &str) -> String {
    let (title, text) = (escape(title), escape(text));
    format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"format-detection\" content=\"telephone=no\">\
         <title>Error: {title} – Connect Care</title></head><body><main id=\"maincontent\">\
         <h1>{title}</h1><p>{text}</p><p>Reference {reference}.</p>\
         <p><a href=\"/staff/find\">Find a person</a></p></main></body></html>"
    )
}

/// Text made safe for HTML.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
