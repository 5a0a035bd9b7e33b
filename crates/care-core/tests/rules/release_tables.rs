//! P3: tables are safe. Random tables and pairs of queries, and somebody who adds and subtracts
//! everything that was ever shown.

use std::collections::BTreeSet;

use care_core::release::{Family, Protected, Table, protect};

/// A small generator (xorshift64*).
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % sides
    }
}

/// Read from the environment by the promise's script.
#[allow(clippy::disallowed_methods)]
fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(otherwise)
}

/// People with two or three things told of each.
fn people(dice: &mut Dice, size: u64) -> Vec<(u64, [u64; 3])> {
    let sides = [1 + dice.throw(4), 1 + dice.throw(3), 1 + dice.throw(3)];
    (0..size)
        .map(|tag| (tag, sides.map(|of| dice.throw(of))))
        .collect()
}

fn table(people: &[(u64, [u64; 3])], dimensions: &[usize]) -> Table {
    let mut table = Table {
        dimensions: dimensions.iter().map(ToString::to_string).collect(),
        ..Table::default()
    };
    for (tag, told) in people {
        let cell = dimensions
            .iter()
            .map(|place| told[*place].to_string())
            .collect();
        table.add(cell, *tag);
    }
    table.finish();
    table
}

/// What somebody learns from a table: who stands behind each count shown, and behind each sum of a
/// slice of shown counts. Worked out from the truth, not by the code under test.
fn learnt(table: &Table, protected: &Protected) -> Vec<BTreeSet<u64>> {
    let shown: Vec<(&Vec<String>, &Vec<u64>)> = protected
        .cells
        .iter()
        .filter(|(_, shown)| shown.number().is_some_and(|count| count > 0))
        .filter_map(|(cell, _)| Some((cell, table.cells.get(cell)?)))
        .collect();
    let width = table.dimensions.len();
    let mut found = Vec::new();
    for (cell, _) in &shown {
        for named in 0..1_u32 << width {
            let of = |(other, _): &&(&Vec<String>, &Vec<u64>)| {
                (0..width).all(|at| named >> at & 1 == 0 || other[at] == cell[at])
            };
            let set: BTreeSet<u64> = shown
                .iter()
                .filter(of)
                .flat_map(|(_, tags)| tags.iter().copied())
                .collect();
            if !found.contains(&set) {
                found.push(set);
            }
        }
    }
    found
}

#[test]
fn no_count_of_1_to_7_is_shown_and_nobody_is_isolated_by_comparing_tables() {
    let seed = setting("RELEASE_SEED", 0x5eed_0003);
    let pairs = setting("RELEASE_PAIRS", 1_000);
    let control = setting("RELEASE_NEGATIVE_CONTROL", 0) == 1;
    let mut dice = Dice(seed | 1);
    let (mut cells, mut small, mut isolations, mut hidden) = (0_u64, 0_u64, 0_u64, 0_u64);
    for _ in 0..pairs {
        let size = 20 + dice.throw(100);
        let everybody = people(&mut dice, size);
        let first_by: Vec<usize> =
            [vec![0], vec![0, 1], vec![0, 1, 2], vec![1, 2]][dice.throw(4) as usize].clone();
        let second_by: Vec<usize> =
            [vec![0], vec![0, 1], vec![0, 1, 2], vec![2]][dice.throw(4) as usize].clone();
        // The second query leaves some people out: often a few, which is how people are isolated.
        let fewer = [0, 1, 1, 2, 3, 7, 8, 20][dice.throw(8) as usize];
        let start = dice.throw(size);
        let rest: Vec<_> = everybody
            .iter()
            .filter(|(tag, _)| (tag + start) % size >= fewer)
            .copied()
            .collect();
        let first_table = table(&everybody, &first_by);
        let first = protect(&first_table, &[]);
        let second_table = table(&rest, &second_by);
        let before: &[Family] = if control {
            &[]
        } else {
            std::slice::from_ref(&first.family)
        };
        let second = protect(&second_table, before);
        for (truth, told) in [(&first_table, &first), (&second_table, &second)] {
            for (cell, shown) in &told.cells {
                cells += 1;
                let count = truth.cells.get(cell).map_or(0, Vec::len);
                match shown.number() {
                    Some(number) => {
                        let right = number.is_multiple_of(5) && number.abs_diff(count as u64) <= 2;
                        assert!(right, "seed {seed}: {count} told as {number}");
                        small += u64::from((1..=7).contains(&count));
                    }
                    None => hidden += 1,
                }
            }
        }
        let (one, other) = (learnt(&first_table, &first), learnt(&second_table, &second));
        for left in &one {
            for right in &other {
                let apart = left.symmetric_difference(right).take(8).count();
                isolations += u64::from((1..=7).contains(&apart));
            }
        }
    }
    println!(
        "P3 seed {seed}: {pairs} pairs of queries, {cells} cells, {hidden} not shown; {small} cells of 1 to 7 shown, {isolations} isolations by differencing"
    );
    assert_eq!((small, isolations), (0, 0));
    assert!(
        hidden * 4 < cells * 3,
        "tables still say something: {hidden} of {cells} are not shown"
    );
}
