//! Who answers for whom. Joins are few, so all of them are kept in memory: a read then names exactly
//! the parts it needs, and touches no other.

use std::collections::HashMap;

/// The joins that hold.
#[derive(Debug, Default, Clone)]
pub(super) struct Joins {
    into: HashMap<i64, i64>,
    from: HashMap<i64, Vec<i64>>,
}

/// Joins are flat; a longer chain is followed this far.
const LONGEST_CHAIN: usize = 16;

impl Joins {
    /// Sets or undoes one join.
    pub fn set(&mut self, from: i64, into: Option<i64>) {
        let before = match into {
            Some(into) => self.into.insert(from, into),
            None => self.into.remove(&from),
        };
        if let Some(joined) = before.and_then(|before| self.from.get_mut(&before)) {
            joined.retain(|one| *one != from);
        }
        if let Some(into) = into {
            let joined = self.from.entry(into).or_default();
            joined.push(from);
            joined.sort_unstable();
        }
    }

    /// The person's own part, then the parts joined into it; a ring ends by itself.
    pub fn parts(&self, person: i64) -> Vec<i64> {
        let mut parts = vec![person];
        let mut next = 0;
        while let Some(part) = parts.get(next).copied() {
            next += 1;
            for joined in self.from.get(&part).into_iter().flatten() {
                if !parts.contains(joined) {
                    parts.push(*joined);
                }
            }
        }
        parts
    }

    /// Who this person was joined into.
    pub fn into(&self, person: i64) -> Option<i64> {
        self.into.get(&person).copied()
    }
}

/// Who answers in the end for a person, by a way to ask for one step.
pub(super) fn survivor(person: i64, into: impl Fn(i64) -> Option<i64>) -> i64 {
    let mut person = person;
    for _ in 0..LONGEST_CHAIN {
        match into(person) {
            Some(next) => person = next,
            None => break,
        }
    }
    person
}
