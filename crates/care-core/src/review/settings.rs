//! The settings of the review rules. The model values are ours; none may be set so that a rule
//! never speaks.

/// How the rules look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// So many users at one watched record within the minutes are a burst.
    pub burst_users: u32,
    /// Minutes of a burst.
    pub burst_minutes: i64,
    /// Fewer people than this in a day are never an unusual volume.
    pub volume_people: u32,
    /// So many times the user's ordinary day are.
    pub volume_times: u32,
    /// The hour at which the night begins, London time.
    pub night_from: i8,
    /// The hour at which it ends.
    pub night_until: i8,
    /// Looks by day that must be known of a user before a night is unusual.
    pub night_known_looks: u32,
    /// So many people one after another within the minutes are a sequence.
    pub sequence_people: u32,
    /// Minutes of a sequence.
    pub sequence_minutes: i64,
    /// Care counts as near so many days before and after a look.
    pub near_days: i64,
    /// Days of a user's past that are remembered.
    pub history_days: i64,
    /// Alerts of one rule in a day that get a case each; the others are counted in one more.
    pub alerts_a_day: u32,
    /// Hours after which an override without support is escalated, and again.
    pub escalate_hours: [i64; 2],
    /// Who gets what is escalated the second time: a user's id; empty: the owner keeps it.
    pub escalate_to: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            burst_users: 4,
            burst_minutes: 30,
            volume_people: 40,
            volume_times: 4,
            night_from: 23,
            night_until: 6,
            night_known_looks: 10,
            sequence_people: 12,
            sequence_minutes: 15,
            near_days: 7,
            history_days: 28,
            alerts_a_day: 50,
            escalate_hours: [48, 168],
            escalate_to: String::new(),
        }
    }
}

/// A setting under which a rule would never speak, or the reviewers would drown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("review.{name} is {value}; it must be between {least} and {most}, or the rule is blind")]
pub struct UnsafeSettings {
    name: &'static str,
    value: i64,
    least: i64,
    most: i64,
}

impl Settings {
    /// Refuses values that would blind a rule.
    pub fn check(&self) -> Result<(), UnsafeSettings> {
        let table: [(&'static str, i64, i64, i64); 12] = [
            ("burst_users", self.burst_users.into(), 2, 20),
            ("burst_minutes", self.burst_minutes, 5, 1440),
            ("volume_people", self.volume_people.into(), 5, 500),
            ("volume_times", self.volume_times.into(), 2, 20),
            ("night_from", self.night_from.into(), 20, 23),
            ("night_until", self.night_until.into(), 4, 9),
            ("night_known_looks", self.night_known_looks.into(), 1, 100),
            ("sequence_people", self.sequence_people.into(), 5, 100),
            ("sequence_minutes", self.sequence_minutes, 2, 120),
            ("near_days", self.near_days, 1, 30),
            ("alerts_a_day", self.alerts_a_day.into(), 5, 1000),
            (
                "escalate_hours",
                self.escalate_hours[0],
                1,
                self.escalate_hours[1],
            ),
        ];
        for (name, value, least, most) in table {
            if !(least..=most).contains(&value) {
                return Err(UnsafeSettings {
                    name,
                    value,
                    least,
                    most,
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_would_blind_a_rule_are_refused_by_name() {
        assert_eq!(Settings::default().check(), Ok(()));
        let blind = Settings {
            burst_users: 1_000,
            ..Settings::default()
        };
        let said = blind.check().expect_err("refused").to_string();
        assert!(said.starts_with("review.burst_users is 1000"), "{said}");
    }
}
