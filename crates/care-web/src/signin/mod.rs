//! Who is calling, and on whose authority. OpenID Connect for people, signed assertions for systems.
//!
//! Never decides what somebody may see: that is `access`, behind `Disclosure`.

pub mod keys;
mod session;

pub use session::{Session, SignIn};
