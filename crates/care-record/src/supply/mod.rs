//! What a source reads back: exactly what it sent itself, of everybody, and nothing of any other source.
//!
//! Each page's entries are durable before it leaves: one for each person on it, so that the person sees
//! it, and one for things about nobody. Source: docs/adr/0018-a-source-reads-back-what-it-sent.md.

use care_core::vocabulary::SourceCode;

/// A source whose key was checked: one request's authority, as [`crate::Caller`] is a person's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SupplyCaller {
    /// The client's id in the configuration, for the audit.
    pub client: String,
    /// The organisation the configuration says it sends for.
    pub source: SourceCode,
    /// The reference of the request, for the log; empty where there is none.
    pub request: String,
}
