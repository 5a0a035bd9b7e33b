//! The twelve rules, in the order in which they are looked at. Source: the access model, 8.3.
//!
//! One file a rule. A rule reads facts and settings, marks and narrows the draft, and says whether
//! to look further. No rule calls another.

mod choice;
mod filter;
mod mandates;
mod own_record;
mod permission;
mod purpose;
pub use purpose::may_review_log;
mod relationship;
mod restricted;
mod sensitivity;
mod views_without_care;
mod watched;
mod who_asks;

use super::draft::{Draft, Ruling};
use super::facts::Facts;
use super::settings::Settings;

/// One rule: its number and name in the model, and how it is looked at.
pub(super) struct Rule {
    pub(super) number: u8,
    pub(super) name: &'static str,
    pub(super) look: fn(&Facts, &Settings, &mut Draft) -> Ruling,
}

/// The rules in order.
pub(super) const RULES: [Rule; 12] = [
    Rule {
        number: 1,
        name: "who asks",
        look: who_asks::look,
    },
    Rule {
        number: 2,
        name: "own record",
        look: own_record::look,
    },
    Rule {
        number: 3,
        name: "purpose and role",
        look: purpose::look,
    },
    Rule {
        number: 4,
        name: "views without care",
        look: views_without_care::look,
    },
    Rule {
        number: 5,
        name: "mandates",
        look: mandates::look,
    },
    Rule {
        number: 6,
        name: "watched and deceased",
        look: watched::look,
    },
    Rule {
        number: 7,
        name: "relationship",
        look: relationship::look,
    },
    Rule {
        number: 8,
        name: "choice",
        look: choice::look,
    },
    Rule {
        number: 9,
        name: "permission",
        look: permission::look,
    },
    Rule {
        number: 10,
        name: "role and sources",
        look: filter::look,
    },
    Rule {
        number: 11,
        name: "protected items",
        look: sensitivity::look,
    },
    Rule {
        number: 12,
        name: "restricted person",
        look: restricted::look,
    },
];
