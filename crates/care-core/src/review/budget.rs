//! How many alerts of one rule become cases in a day. What is over is counted, never dropped.

use std::collections::HashMap;

use jiff::civil::Date;

use super::Kind;

/// What becomes of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spent {
    /// It gets a case of its own.
    Case,
    /// It is the so-manieth over the day's budget and is counted in the rule's summary of the day.
    Counted {
        /// How many are over, this one included.
        over: u32,
    },
}

/// What each rule spent, by day.
#[derive(Debug, Default)]
pub struct Budget {
    day: Option<Date>,
    spent: HashMap<Kind, u32>,
}

impl Budget {
    /// Spends one alert of a rule on a day.
    pub fn spend(&mut self, kind: Kind, day: Date, alerts_a_day: u32) -> Spent {
        if self.day != Some(day) {
            self.day = Some(day);
            self.spent.clear();
        }
        let spent = self.spent.entry(kind).or_default();
        *spent += 1;
        if *spent <= alerts_a_day {
            Spent::Case
        } else {
            Spent::Counted {
                over: *spent - alerts_a_day,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_that_cries_too_often_is_counted_and_the_next_day_begins_anew() {
        let mut budget = Budget::default();
        let day = Date::constant(2026, 10, 1);
        let spent: Vec<Spent> = (0..4)
            .map(|_| budget.spend(Kind::SameSurname, day, 2))
            .collect();
        let over = |over| Spent::Counted { over };
        assert_eq!(spent, [Spent::Case, Spent::Case, over(1), over(2)]);
        assert_eq!(budget.spend(Kind::Colleague, day, 2), Spent::Case);
        let next = Date::constant(2026, 10, 2);
        assert_eq!(budget.spend(Kind::SameSurname, next, 2), Spent::Case);
    }
}
