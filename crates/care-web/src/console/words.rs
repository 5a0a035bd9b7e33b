//! What kinds and states of cases are called on the console's pages.

use care_core::review::Kind;

/// A kind's title; a kind of another room is told by its code.
pub fn kind_title(code: &str) -> String {
    if let Some(kind) = Kind::from_code(code) {
        return kind.title().to_owned();
    }
    match code {
        "choice" => "Choice".to_owned(),
        "choice-confirmation" => "Choice to confirm by letter".to_owned(),
        "call-about-choice" => "Call about a choice".to_owned(),
        "disclosure" => "Disclosure".to_owned(),
        "extract" => "Extract".to_owned(),
        "paper-copies" => "Leaflet order".to_owned(),
        other => sentence(other),
    }
}

/// A state's title.
pub fn state_title(code: &str) -> String {
    match code {
        "open" => "Open".to_owned(),
        "closed" => "Closed".to_owned(),
        "closed-expected" => "Expected".to_owned(),
        "closed-reconciled" => "Expected: care was recorded".to_owned(),
        "closed-not-appropriate" => "Not appropriate".to_owned(),
        "asked-user" => "User asked".to_owned(),
        "asked-organisation" => "Organisation asked".to_owned(),
        other => sentence(other.strip_prefix("closed-").unwrap_or(other)),
    }
}

/// `asked-user` as `Asked user`.
fn sentence(code: &str) -> String {
    let plain = code.replace(['-', '_'], " ");
    let mut letters = plain.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => plain,
    }
}
