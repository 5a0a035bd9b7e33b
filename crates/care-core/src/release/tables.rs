//! Tables of counts: small numbers suppressed, the rest rounded, and nothing that together with an
//! earlier table would tell a few people apart.
//!
//! A count of 1 to 7 is not shown; others are rounded to 5; nought is nought. Totals are not shown:
//! whoever adds cells up gets the sum of shown cells. Two sets of people whose counts were ever shown
//! (cells, and sums of a table's cells) may differ by nobody or by more than 7, never by 1 to 7: else
//! the later one is withheld. People are compared by keyed tags; see `ReleaseSecret::membership`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{GREATEST_SUPPRESSED, ROUNDED_TO};

/// People of a set, by tag, sorted, each once.
pub type Tags = Vec<u64>;

/// Counts of people by what is told of them.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// The names of what people are counted by.
    pub dimensions: Vec<String>,
    /// Who is in each cell.
    pub cells: BTreeMap<Vec<String>, Tags>,
}

/// What may be shown of a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Nobody.
    Nought,
    /// 1 to 7.
    Suppressed,
    /// Too close to something shown before.
    Withheld,
    /// Rounded to 5.
    Rounded(u64),
}

impl Shown {
    /// As it stands in a table.
    pub fn text(self) -> String {
        match self {
            Self::Nought => "0".to_owned(),
            Self::Suppressed | Self::Withheld => "*".to_owned(),
            Self::Rounded(count) => count.to_string(),
        }
    }

    /// The number, where one is shown.
    pub fn number(self) -> Option<u64> {
        match self {
            Self::Nought => Some(0),
            Self::Suppressed | Self::Withheld => None,
            Self::Rounded(count) => Some(count),
        }
    }
}

/// A count as it may be shown.
pub fn shown(count: u64) -> Shown {
    match count {
        0 => Shown::Nought,
        1..=GREATEST_SUPPRESSED => Shown::Suppressed,
        count => Shown::Rounded((count + ROUNDED_TO / 2) / ROUNDED_TO * ROUNDED_TO),
    }
}

/// The sets of people whose counts a table told, or let be added up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Family {
    /// The sets.
    pub sets: Vec<Tags>,
}

/// A table as it may leave.
#[derive(Debug, Clone)]
pub struct Protected {
    /// Every cell, in order.
    pub cells: Vec<(Vec<String>, Shown)>,
    /// What later tables are compared with.
    pub family: Family,
}

impl Protected {
    /// How many cells are not shown.
    pub fn not_shown(&self) -> usize {
        self.cells
            .iter()
            .filter(|(_, shown)| shown.number().is_none())
            .count()
    }
}

impl Table {
    /// Puts a person into a cell.
    pub fn add(&mut self, cell: Vec<String>, tag: u64) {
        self.cells.entry(cell).or_default().push(tag);
    }

    /// Sorts the cells' people, each once. Call it before the table is protected.
    pub fn finish(&mut self) {
        for tags in self.cells.values_mut() {
            tags.sort_unstable();
            tags.dedup();
        }
    }
}

/// The table as it may leave, beside all that was shown before.
pub fn protect(table: &Table, earlier: &[Family]) -> Protected {
    let before: Vec<&Tags> = earlier.iter().flat_map(|family| &family.sets).collect();
    let mut cells: Vec<(Vec<String>, Shown)> = Vec::with_capacity(table.cells.len());
    let mut accepted: Vec<&Tags> = Vec::new();
    for (name, tags) in &table.cells {
        let mut told = shown(tags.len() as u64);
        let near = |set: &&Tags| differs_by_few(set, tags);
        if matches!(told, Shown::Rounded(_))
            && (before.iter().any(near) || accepted.iter().any(near))
        {
            told = Shown::Withheld;
        }
        if matches!(told, Shown::Rounded(_)) {
            accepted.push(tags);
        }
        cells.push((name.clone(), told));
    }
    withhold_until_sums_are_safe(table, &mut cells, &before);
    let family = Family {
        sets: sums(table, &cells).into_values().collect(),
    };
    Protected { cells, family }
}

/// While the sum of a slice's shown cells comes close to an earlier set, or to another sum of this
/// table, the smallest shown cell of that slice is withheld.
fn withhold_until_sums_are_safe(
    table: &Table,
    cells: &mut [(Vec<String>, Shown)],
    before: &[&Tags],
) {
    loop {
        let sums = sums(table, cells);
        let all: Vec<(&Slice, &Tags)> = sums.iter().collect();
        let close = all.iter().enumerate().find(|(at, (_, set))| {
            let earlier = before.iter().any(|other| differs_by_few(other, set));
            earlier
                || all
                    .iter()
                    .take(*at)
                    .any(|(_, other)| differs_by_few(other, set))
        });
        let Some((_, (slice, _))) = close else { return };
        let smallest = cells
            .iter_mut()
            .filter(|(name, told)| matches!(told, Shown::Rounded(_)) && is_in(name, slice))
            .min_by_key(|(name, _)| table.cells.get(name).map_or(0, Vec::len));
        match smallest {
            Some((_, told)) => *told = Shown::Withheld,
            // A slice without shown cells has no sum, so this is not reached; were it, it would end.
            None => return,
        }
    }
}

/// A value for some of the dimensions.
type Slice = Vec<Option<String>>;

fn is_in(cell: &[String], slice: &[Option<String>]) -> bool {
    cell.iter()
        .zip(slice)
        .all(|(value, wanted)| wanted.as_ref().is_none_or(|it| it == value))
}

/// For every slice of every combination of dimensions, the people of its shown cells. A cell is the
/// slice that names all dimensions; the whole table is the one that names none.
fn sums(table: &Table, cells: &[(Vec<String>, Shown)]) -> BTreeMap<Slice, Tags> {
    let dimensions = table.dimensions.len().min(6);
    let mut sums: BTreeMap<Slice, Tags> = BTreeMap::new();
    for (name, told) in cells {
        let (Shown::Rounded(_), Some(tags)) = (told, table.cells.get(name)) else {
            continue;
        };
        for named in 0..1_u32 << dimensions {
            let slice: Slice = name
                .iter()
                .enumerate()
                .map(|(at, value)| (named >> at & 1 == 1).then(|| value.clone()))
                .collect();
            sums.entry(slice).or_default().extend_from_slice(tags);
        }
    }
    for tags in sums.values_mut() {
        tags.sort_unstable();
        tags.dedup();
    }
    sums
}

/// Whether two sets differ by 1 to 7 people. Both sorted, each once.
pub fn differs_by_few(left: &[u64], right: &[u64]) -> bool {
    if left.len().abs_diff(right.len()) as u64 > GREATEST_SUPPRESSED {
        return false;
    }
    let (mut at_left, mut at_right, mut apart) = (0, 0, 0_u64);
    loop {
        match (left.get(at_left), right.get(at_right)) {
            (Some(one), Some(other)) if one == other => {
                at_left += 1;
                at_right += 1;
                continue;
            }
            (Some(one), Some(other)) if one < other => at_left += 1,
            (Some(_), None) => at_left += 1,
            (_, Some(_)) => at_right += 1,
            (None, None) => return apart > 0,
        }
        apart += 1;
        if apart > GREATEST_SUPPRESSED {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(cells: &[(&str, std::ops::Range<u64>)]) -> Table {
        let mut table = Table {
            dimensions: vec!["area".to_owned()],
            ..Table::default()
        };
        for (name, people) in cells {
            for tag in people.clone() {
                table.add(vec![(*name).to_owned()], tag);
            }
        }
        table.finish();
        table
    }

    fn texts(protected: &Protected) -> Vec<String> {
        protected
            .cells
            .iter()
            .map(|(_, shown)| shown.text())
            .collect()
    }

    #[test]
    fn counts_of_1_to_7_are_never_shown_and_the_rest_is_rounded_to_5() {
        let said: Vec<String> = [0, 1, 7, 8, 12, 13, 17, 18, 1204]
            .map(|count| shown(count).text())
            .into();
        assert_eq!(said, ["0", "*", "*", "10", "10", "15", "15", "20", "1205"]);
    }

    #[test]
    fn a_table_that_differs_from_an_earlier_one_by_one_person_does_not_show_that_cell() {
        let first = protect(&table(&[("A", 0..20), ("B", 20..60)]), &[]);
        assert_eq!(texts(&first), ["20", "40"]);
        let again = protect(
            &table(&[("A", 0..20), ("B", 20..60)]),
            std::slice::from_ref(&first.family),
        );
        assert_eq!(
            texts(&again),
            ["20", "40"],
            "the same people are no difference"
        );
        let one_less = protect(
            &table(&[("A", 0..19), ("B", 20..60)]),
            std::slice::from_ref(&first.family),
        );
        assert_eq!(texts(&one_less), ["*", "40"]);
        let twenty_more = protect(
            &table(&[("A", 0..20), ("B", 20..80)]),
            std::slice::from_ref(&first.family),
        );
        assert_eq!(texts(&twenty_more), ["20", "60"]);
        // The sum of both cells of the later table is the earlier cell but for one person.
        let whole = protect(&table(&[("all", 0..60)]), &[]);
        let split = protect(&table(&[("A", 0..20), ("B", 20..59)]), &[whole.family]);
        assert_eq!(texts(&split), ["*", "40"]);
    }

    #[test]
    fn sets_differ_by_few_from_1_to_7() {
        let all: Vec<u64> = (0..30).collect();
        let table = [(30, false), (29, true), (23, true), (22, false), (0, false)];
        for (keep, expected) in table {
            assert_eq!(differs_by_few(&all, &all[..keep]), expected, "{keep}");
            assert_eq!(differs_by_few(&all[..keep], &all), expected, "{keep}");
        }
        assert!(differs_by_few(&[1, 2, 3, 4], &[2, 3, 4, 5]));
        assert!(!differs_by_few(&[1, 2, 3, 4], &[5, 6, 7, 8]));
    }
}
