//! Signing keys: read for production, made for the demonstration.

/// The directory of the demonstration's keys, within its data. A production start refuses any key
/// from a directory of this name.
pub const DEMO_DIRECTORY: &str = "demo-keys";
