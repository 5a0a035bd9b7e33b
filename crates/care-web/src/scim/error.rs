//! What a SCIM request is refused with (RFC 7644, 3.12).

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use care_record::StaffError;
use serde_json::json;

/// The kinds of a bad request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Filter,
    Mutability,
    NoTarget,
    Path,
    Syntax,
    TooMany,
    Uniqueness,
    Value,
}

impl Kind {
    fn code(self) -> &'static str {
        match self {
            Self::Filter => "invalidFilter",
            Self::Mutability => "mutability",
            Self::NoTarget => "noTarget",
            Self::Path => "invalidPath",
            Self::Syntax => "invalidSyntax",
            Self::TooMany => "tooMany",
            Self::Uniqueness => "uniqueness",
            Self::Value => "invalidValue",
        }
    }
}

/// A refusal.
#[derive(Debug)]
pub struct ScimError {
    pub status: StatusCode,
    pub kind: Option<Kind>,
    pub detail: String,
}

impl ScimError {
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            kind: None,
            detail: detail.into(),
        }
    }

    pub fn invalid(kind: Kind, detail: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            kind: Some(kind),
            detail: detail.into(),
        }
    }
}

impl From<StaffError> for ScimError {
    fn from(why: StaffError) -> Self {
        let words = why.to_string();
        match why {
            StaffError::NotThere => Self::new(StatusCode::NOT_FOUND, words),
            StaffError::Changed => Self::new(StatusCode::PRECONDITION_FAILED, words),
            StaffError::Taken => Self {
                status: StatusCode::CONFLICT,
                kind: Some(Kind::Uniqueness),
                detail: words,
            },
            StaffError::Unclear(_) => Self::invalid(Kind::Value, words),
            StaffError::Store(cause) => {
                tracing::error!(%cause, "the staff directory was not changed");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, words)
            }
        }
    }
}

impl IntoResponse for ScimError {
    fn into_response(self) -> Response {
        let mut body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": self.status.as_u16().to_string(),
            "detail": self.detail,
        });
        if let Some(kind) = self.kind {
            body["scimType"] = kind.code().into();
        }
        let mut response = (
            self.status,
            [(header::CONTENT_TYPE, "application/scim+json")],
            body.to_string(),
        )
            .into_response();
        let more = match self.status {
            StatusCode::UNAUTHORIZED => Some((header::WWW_AUTHENTICATE, "Bearer realm=\"scim\"")),
            StatusCode::SERVICE_UNAVAILABLE => Some((header::RETRY_AFTER, "5")),
            _ => None,
        };
        if let Some((name, value)) = more {
            response
                .headers_mut()
                .insert(name, axum::http::HeaderValue::from_static(value));
        }
        response
    }
}
