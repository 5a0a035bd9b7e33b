//! Who answers for a person, once joins are followed.

use care_core::vocabulary::PersonId;

use crate::choices;
use crate::store::{PersonRow, Store, StoreError};

/// The person who answers, with everything known of all who were joined into them.
pub(crate) struct Answering {
    /// Who answers.
    pub person: PersonId,
    /// Identifiers, flags, involvements and details of all of them; `choice` is the strictest of
    /// theirs, because a join never lets anybody see more than either person allowed.
    pub row: PersonRow,
}

/// Joins are followed this far; the store refuses loops.
const LONGEST_JOIN: usize = 16;

/// Follows the joins of a person; `None` where there is nobody.
pub(crate) fn answering(
    store: &dyn Store,
    person: PersonId,
) -> Result<Option<Answering>, StoreError> {
    let mut person = person;
    for _ in 0..LONGEST_JOIN {
        let Some(mut row) = store.person(person)? else {
            return Ok(None);
        };
        match row.joined_into {
            Some(into) => person = into,
            None => {
                let own = row.choice.take();
                let all = own.into_iter().chain(row.joined_choices.iter().cloned());
                row.choice = choices::strictest(all.collect());
                return Ok(Some(Answering { person, row }));
            }
        }
    }
    Ok(None)
}
