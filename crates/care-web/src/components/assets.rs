//! Styles, script and icons: compiled in, named by their content, kept by browsers for a year.

use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// One file with its compressed forms.
pub struct Asset {
    name: &'static str,
    media_type: &'static str,
    plain: &'static [u8],
    brotli: &'static [u8],
    gzip: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// The names templates use, and the file names they stand for.
pub(super) fn named() -> [(&'static str, &'static str); 5] {
    [
        ("nhsuk_css", NHSUK_CSS.name),
        ("nhsuk_js", NHSUK_JS.name),
        ("cc_css", CC_CSS.name),
        ("cc_js", CC_JS.name),
        ("icon", ICON.name),
    ]
}

/// `GET /assets/{name}`.
pub async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let all = [&NHSUK_CSS, &NHSUK_JS, &CC_CSS, &CC_JS, &ICON];
    let Some(asset) = all.into_iter().find(|asset| asset.name == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let accepts = headers
        .get(header::ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let taken = |coding: &str| {
        accepts
            .split(',')
            .any(|part| part.trim().split(';').next() == Some(coding))
    };
    let (coding, body) = if taken("br") {
        (Some("br"), asset.brotli)
    } else if taken("gzip") {
        (Some("gzip"), asset.gzip)
    } else {
        (None, asset.plain)
    };
    let fixed = [
        (header::CONTENT_TYPE, asset.media_type),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::VARY, "Accept-Encoding"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    match coding {
        Some(coding) => (fixed, [(header::CONTENT_ENCODING, coding)], body).into_response(),
        None => (fixed, body).into_response(),
    }
}
