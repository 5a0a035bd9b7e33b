//! What each of the cast plays: the messages that tell it.

mod amara;
mod others;

use crate::cast;
use crate::outgoing::Outgoing;
use crate::person::Person;
use crate::story::Telling;

/// Everything that systems sent about one of the cast.
pub(crate) fn messages(telling: &Telling, person: &Person) -> Vec<Outgoing> {
    match person.nhs_number.as_str() {
        cast::AMARA => amara::messages(telling, person),
        _ => others::messages(telling, person),
    }
}
