//! Rules about many looks: bursts on a watched record, volume, nights, sequences. They remember what
//! each user did, in days and counts.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::{Alert, Kind, Settings};
use crate::vocabulary::PersonId;

/// One look: a visit that was opened, or the first reading by a system for a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// When.
    pub at: Timestamp,
    /// The user's id.
    pub who: String,
    /// At whom.
    pub person: PersonId,
    /// The record is watched.
    pub watched: bool,
}

/// What is remembered of a user's past: day, people, looks at night. Days are London days.
pub type History = Vec<(String, Vec<(Date, u32, u32)>)>;

#[derive(Debug, Clone, Copy, Default)]
struct Day {
    people: u32,
    night: u32,
}

#[derive(Debug, Default)]
struct User {
    past: BTreeMap<Date, Day>,
    today: Option<Date>,
    people: HashSet<PersonId>,
    night: u32,
    recent: VecDeque<(Timestamp, PersonId, u32)>,
    said: HashSet<Kind>,
}

/// What the rules remember.
#[derive(Debug, Default)]
pub struct Patterns {
    users: HashMap<String, User>,
    bursts: HashMap<PersonId, VecDeque<(Timestamp, String)>>,
    burst_said: HashMap<PersonId, Timestamp>,
}

impl Patterns {
    /// Goes on from what was remembered.
    pub fn remembering(history: History) -> Self {
        let mut this = Self::default();
        for (who, days) in history {
            let user = this.users.entry(who).or_default();
            for (day, people, night) in days {
                user.past.insert(day, Day { people, night });
            }
        }
        this
    }

    /// What is remembered of whole days that have passed.
    pub fn history(&self) -> History {
        let days = |user: &User| {
            let past = user.past.iter();
            past.map(|(day, sum)| (*day, sum.people, sum.night))
                .collect()
        };
        let mut all: History = self
            .users
            .iter()
            .filter(|(_, user)| !user.past.is_empty())
            .map(|(who, user)| (who.clone(), days(user)))
            .collect();
        all.sort();
        all
    }

    /// Takes a look in and says what is odd about it with those before. Looks come in their order.
    pub fn see(&mut self, look: &Look, settings: &Settings) -> Vec<Alert> {
        let mut alerts = Vec::new();
        let local = look.at.to_zoned(london());
        let (day, hour) = (local.date(), local.hour());
        let user = self.users.entry(look.who.clone()).or_default();
        user.turn_to(day, settings);
        user.people.insert(look.person);
        user.recent.push_back((look.at, look.person, 0));
        let long_ago = look.at - SignedDuration::from_mins(settings.sequence_minutes);
        while user.recent.front().is_some_and(|(at, ..)| *at < long_ago) {
            user.recent.pop_front();
        }
        alerts.extend(user.night(hour, settings));
        alerts.extend(user.volume(settings));
        alerts.extend(user.sequence(settings));
        if look.watched {
            alerts.extend(self.burst(look, settings));
        }
        alerts
    }

    /// A page of this person was read: a long stay in one record is no browsing.
    pub fn read_on(&mut self, who: &str, person: PersonId) {
        if let Some(user) = self.users.get_mut(who)
            && let Some((.., pages)) = user.recent.iter_mut().rev().find(|one| one.1 == person)
        {
            *pages += 1;
        }
    }

    fn burst(&mut self, look: &Look, settings: &Settings) -> Option<Alert> {
        let span = SignedDuration::from_mins(settings.burst_minutes);
        let lately = self.bursts.entry(look.person).or_default();
        lately.push_back((look.at, look.who.clone()));
        while lately.front().is_some_and(|(at, _)| *at < look.at - span) {
            lately.pop_front();
        }
        let users: HashSet<&str> = lately.iter().map(|(_, who)| who.as_str()).collect();
        let said = self.burst_said.get(&look.person);
        let again = said.is_some_and(|said| *said >= look.at - span);
        if again || (users.len() as u32) < settings.burst_users {
            return None;
        }
        self.burst_said.insert(look.person, look.at);
        Some(Alert {
            kind: Kind::WatchedBurst,
            why: format!(
                "{} users opened this watched record within {} minutes.",
                users.len(),
                settings.burst_minutes
            ),
        })
    }
}

impl User {
    /// A new day: yesterday becomes a count.
    fn turn_to(&mut self, day: Date, settings: &Settings) {
        if self.today == Some(day) {
            return;
        }
        if let Some(before) = self.today {
            let sum = Day {
                people: self.people.len() as u32,
                night: self.night,
            };
            self.past.insert(before, sum);
        }
        self.today = Some(day);
        self.people.clear();
        self.night = 0;
        self.said.clear();
        let oldest = day - SignedDuration::from_hours(24 * settings.history_days);
        self.past = self.past.split_off(&oldest);
    }

    /// Once a day for each rule.
    fn say(&mut self, kind: Kind, why: String) -> Option<Alert> {
        self.said.insert(kind).then_some(Alert { kind, why })
    }

    fn night(&mut self, hour: i8, settings: &Settings) -> Option<Alert> {
        if hour < settings.night_from && hour >= settings.night_until {
            return None;
        }
        self.night += 1;
        let people: u32 = self.past.values().map(|day| day.people).sum();
        let nights = self.past.values().filter(|day| day.night > 0).count();
        if people < settings.night_known_looks || nights > 0 {
            return None;
        }
        self.say(
            Kind::Night,
            format!(
                "The record was opened between {:02}:00 and {:02}:00. This user opened {people} \
                 people in the last {} days and never at night.",
                settings.night_from, settings.night_until, settings.history_days
            ),
        )
    }

    fn volume(&mut self, settings: &Settings) -> Option<Alert> {
        let today = self.people.len() as u32;
        if today < settings.volume_people {
            return None;
        }
        let mut days: Vec<u32> = self
            .past
            .values()
            .map(|day| day.people)
            .filter(|people| *people > 0)
            .collect();
        days.sort_unstable();
        let ordinary = days.get(days.len() / 2).copied().unwrap_or_default();
        if today < ordinary.saturating_mul(settings.volume_times) {
            return None;
        }
        self.say(
            Kind::Volume,
            format!(
                "The user opened {today} people today; on an ordinary working day it is {ordinary}."
            ),
        )
    }

    fn sequence(&mut self, settings: &Settings) -> Option<Alert> {
        let people: HashSet<PersonId> = self.recent.iter().map(|(_, one, _)| *one).collect();
        let pages: u32 = self.recent.iter().map(|(.., pages)| *pages).sum();
        let count = people.len() as u32;
        if count < settings.sequence_people || pages > 2 * count {
            return None;
        }
        self.say(
            Kind::Sequential,
            format!(
                "{count} people were opened one after another within {} minutes, with little read \
                 of each.",
                settings.sequence_minutes
            ),
        )
    }
}

fn london() -> TimeZone {
    static LONDON: TimeZone = jiff::tz::get!("Europe/London");
    LONDON.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a moment")
    }

    fn look(who: &str, person: u64, at: Timestamp) -> Look {
        Look {
            at,
            who: who.to_owned(),
            person: PersonId(person),
            watched: false,
        }
    }

    fn kinds(alerts: Vec<Alert>) -> Vec<Kind> {
        alerts.into_iter().map(|alert| alert.kind).collect()
    }

    /// Ten working days of six people each, an hour apart, with pages read.
    fn known() -> Patterns {
        let mut patterns = Patterns::default();
        let settings = Settings::default();
        for day in 0..10 {
            for hour in 0..6 {
                let moment =
                    at("2026-10-01T09:00:00Z") + SignedDuration::from_hours(24 * day + hour);
                let one = look("nurse", (day * 10 + hour) as u64, moment);
                assert_eq!(patterns.see(&one, &settings), [], "an ordinary day");
                patterns.read_on("nurse", one.person);
            }
        }
        patterns
    }

    #[test]
    fn a_night_is_odd_for_one_who_never_works_at_night_and_said_once() {
        let settings = Settings::default();
        let mut patterns = Patterns::remembering(known().history());
        let night = at("2026-10-12T02:00:00Z");
        assert_eq!(
            kinds(patterns.see(&look("nurse", 1, night), &settings)),
            [Kind::Night]
        );
        assert_eq!(
            patterns.see(&look("nurse", 2, night), &settings),
            [],
            "once"
        );
        // Somebody of whom nothing is known may work at night.
        assert_eq!(patterns.see(&look("new", 1, night), &settings), []);
        // In summer the night is London's: 05:30 UTC is 06:30.
        let early = at("2026-10-13T05:30:00Z");
        assert_eq!(patterns.see(&look("nurse", 3, early), &settings), []);
    }

    #[test]
    fn volume_is_odd_only_against_the_users_own_days() {
        let settings = Settings::default();
        let mut patterns = known();
        let mut said = Vec::new();
        for number in 0..45 {
            let moment = at("2026-10-12T08:00:00Z") + SignedDuration::from_mins(12 * number);
            let one = look("nurse", 1_000 + number as u64, moment);
            for _ in 0..3 {
                patterns.read_on("nurse", one.person);
            }
            said.extend(kinds(patterns.see(&one, &settings)));
        }
        assert_eq!(said, [Kind::Volume]);
    }

    #[test]
    fn many_people_one_after_another_are_a_sequence_unless_much_is_read() {
        let settings = Settings::default();
        for (pages, expected) in [(0, vec![Kind::Sequential]), (3, Vec::new())] {
            let mut patterns = Patterns::default();
            let mut said = Vec::new();
            for number in 0..20 {
                let moment = at("2026-10-12T08:00:00Z") + SignedDuration::from_secs(40 * number);
                let one = look("clerk", number as u64, moment);
                said.extend(kinds(patterns.see(&one, &settings)));
                for _ in 0..pages {
                    patterns.read_on("clerk", one.person);
                }
            }
            assert_eq!(said, expected, "{pages} pages each");
        }
    }

    #[test]
    fn a_burst_is_many_users_at_one_watched_record_and_said_once_a_span() {
        let settings = Settings::default();
        let mut patterns = Patterns::default();
        let mut said = Vec::new();
        for number in 0..8 {
            let moment = at("2026-10-12T08:00:00Z") + SignedDuration::from_mins(number);
            let mut one = look(&format!("user-{number}"), 7, moment);
            said.extend(patterns.see(&one, &settings));
            one.watched = true;
            said.extend(patterns.see(&one, &settings));
        }
        assert_eq!(said.len(), 1);
        assert_eq!(
            said[0].why,
            "4 users opened this watched record within 30 minutes."
        );
    }
}
