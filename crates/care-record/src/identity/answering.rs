//! Who answers for a person, once joins are followed.

use care_core::vocabulary::PersonId;

use crate::choices;
use crate::store::{CHOICE_MADE, PersonRow, Store, StoreError, choice_mark};

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
                let all: Vec<Vec<u8>> = own
                    .into_iter()
                    .chain(row.joined_choices.iter().cloned())
                    .collect();
                row.choice = if is_one_missing(&row, &all) {
                    // No choice can be read from this, so it counts as unknown (rule 8).
                    Some(Vec::new())
                } else {
                    choices::strictest(all)
                };
                return Ok(Some(Answering { person, row }));
            }
        }
    }
    Ok(None)
}

/// Somebody of these people made a choice that is not among those held: it was lost, or is not the one
/// that was kept.
fn is_one_missing(row: &PersonRow, held: &[Vec<u8>]) -> bool {
    let mut marks = row.flags.iter().filter(|(flag, _)| flag == CHOICE_MADE);
    marks.any(|(_, mark)| !held.iter().any(|choice| choice_mark(choice) == *mark))
}
