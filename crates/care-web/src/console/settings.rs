//! The settings of access review, as a configuration file says them.

use care_core::review::{Settings, UnsafeSettings};
use serde::{Deserialize, Serialize};

/// `[review]`: what is left out keeps its model value.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReviewSettings {
    /// Users at one watched record that make a burst.
    burst_users: Option<u32>,
    /// Minutes of a burst.
    burst_minutes: Option<i64>,
    /// Fewer people in a day are never an unusual volume.
    volume_people: Option<u32>,
    /// So many times the user's ordinary day are.
    volume_times: Option<u32>,
    /// The hour at which the night begins.
    night_from: Option<i8>,
    /// The hour at which it ends.
    night_until: Option<i8>,
    /// People one after another that make a sequence.
    sequence_people: Option<u32>,
    /// Minutes of a sequence.
    sequence_minutes: Option<i64>,
    /// Alerts of one rule in a day that get a case each.
    alerts_a_day: Option<u32>,
    /// Who gets an override that stays without support for seven days: a user's id.
    escalate_to: Option<String>,
}

impl ReviewSettings {
    /// The settings of the rules.
    pub fn settings(&self) -> Settings {
        let model = Settings::default();
        Settings {
            burst_users: self.burst_users.unwrap_or(model.burst_users),
            burst_minutes: self.burst_minutes.unwrap_or(model.burst_minutes),
            volume_people: self.volume_people.unwrap_or(model.volume_people),
            volume_times: self.volume_times.unwrap_or(model.volume_times),
            night_from: self.night_from.unwrap_or(model.night_from),
            night_until: self.night_until.unwrap_or(model.night_until),
            sequence_people: self.sequence_people.unwrap_or(model.sequence_people),
            sequence_minutes: self.sequence_minutes.unwrap_or(model.sequence_minutes),
            alerts_a_day: self.alerts_a_day.unwrap_or(model.alerts_a_day),
            escalate_to: self.escalate_to.clone().unwrap_or_default(),
            ..model
        }
    }

    /// What would blind a rule.
    pub fn check(&self) -> Result<(), UnsafeSettings> {
        self.settings().check()
    }
}
