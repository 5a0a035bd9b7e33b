//! An invented South East London: organisations, users, people, and the messages their systems
//! would send.
//!
//! For demonstrations, tests and benchmarks. Nothing here is about anybody: organisations carry codes
//! that name none, NHS numbers lie in the never-issued 999 range, streets and the postcode district
//! SE99 do not exist, and phone numbers are those Ofcom keeps for drama. The crate knows nothing of
//! how Connect Care reads what it sends, so that our parser is tested against somebody else's idea of
//! a message. Same seed, people and `now`: same bytes.

mod bulk;
mod calendar;
mod cast;
mod clinical;
mod clinicians;
mod conditions;
mod dice;
mod fhir;
mod investigations;
mod life;
mod medicines;
mod names;
mod nhs_number;
mod organisations;
mod outgoing;
mod parts;
mod pdf;
mod person;
mod register;
mod story;
mod users;
mod v2;

pub use bulk::{FullRecord, bulk_adt, bulk_oru, person_with_items};
pub use cast::{
    AMARA, BERNARD, CHLOE, CastMember, DILYS, ELIF, FATIMA, GEORGE, HENRY, INES, JACOB, KWAME,
    LUCY, MAYA, NIAMH, NIAMH_SUPERSEDED, cast, unavailable_source_for, watched,
};
pub use fhir::SENSITIVITY_SYSTEM;
pub use nhs_number::{MOST_PEOPLE, is_invented};
pub use organisations::{
    AMBULANCE, CARE_HOME, COMMUNITY, COUNCIL, Feed, InventedOrganisation, MENTAL_HEALTH, PHARMACY,
    PRACTICE, PROGRAMME, SECOND_PRACTICE, TRUST, organisation, organisations,
};
pub use outgoing::{Outgoing, Payload};
pub use register::RegisterEntry;
pub use story::{Messages, Story};
pub use users::{InventedUser, users};
