//! Brings the parts of the search index together while nothing new comes in.
//!
//! FTS5 writes the words of each commit into a part of its own, and a word is looked for in every part. Some
//! are merged as more come, but after an import of a million resources eight are left, and a search
//! that finds one Patient cost twice what it costs in one part. Source: <https://sqlite.org/fts5.html#the_merge_command>.

use std::time::{Duration, Instant};

use rusqlite::Connection;

/// Nothing new for so long counts as quiet.
const QUIET: Duration = Duration::from_secs(2);
/// Between two steps, so that entries of reads are hardly kept waiting.
const PAUSE: Duration = Duration::from_millis(20);
/// Pages that a step writes, about: some milliseconds.
const STEP_PAGES: i64 = -64;
/// So many new places are worth the work; and an eighth of all, so that a large index is not written again for a few.
const FEWEST: i64 = 256;
const SHARE: i64 = 8;

/// What the writer knows of the work. No rule reads its clock.
#[derive(Default)]
pub(super) struct Tidy {
    /// When something new came.
    changed: Option<Instant>,
    stepped: Option<Instant>,
    is_at_work: bool,
    /// How many places there were when all was in one part.
    tidied: i64,
}

impl Tidy {
    /// Something new was written.
    pub fn changed(&mut self, now: Instant) {
        self.changed = Some(now);
    }

    /// How long the writer may sleep.
    pub fn longest_sleep(&self, idle: Duration) -> Duration {
        if self.is_at_work { PAUSE } else { idle }
    }

    /// Does one step where there is something to do and it is quiet. `places` is how many there are now.
    ///
    /// Errors: the engine's; it is tried again once more has come.
    pub fn step(
        &mut self,
        connection: &Connection,
        places: i64,
        now: Instant,
    ) -> rusqlite::Result<()> {
        let is_worth_it = places - self.tidied >= FEWEST.max(places / SHARE);
        let since = |then: Option<Instant>| then.map(|then| now.saturating_duration_since(then));
        let is_quiet = since(self.changed).is_none_or(|past| past >= QUIET);
        let has_paused = since(self.stepped).is_none_or(|past| past >= PAUSE);
        if !(self.is_at_work || is_worth_it) || !is_quiet || !has_paused {
            return Ok(());
        }
        self.stepped = Some(now);
        let before = connection.total_changes();
        let done = connection
            .prepare_cached("INSERT INTO term(term, rank) VALUES('merge', ?1)")
            .and_then(|mut statement| statement.execute([STEP_PAGES]));
        // A step that found nothing to do counts one change, that of the command itself.
        let did_something = done.is_ok() && connection.total_changes() - before >= 2;
        self.is_at_work = did_something;
        if !did_something {
            self.tidied = places;
        }
        done.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::super::connection::migrate;
    use super::*;

    fn parts(connection: &Connection) -> i64 {
        connection
            .query_row("SELECT count(DISTINCT segid) FROM term_idx", [], |row| {
                row.get(0)
            })
            .unwrap()
    }

    fn add(connection: &Connection, places: std::ops::Range<i64>) {
        for place in places {
            connection
                .execute(
                    "INSERT INTO term(rowid, words) VALUES(?1, ?2)",
                    (place, format!("aa{place} common bb{}", place % 7)),
                )
                .unwrap();
        }
    }

    #[test]
    #[allow(clippy::disallowed_methods)]
    fn the_index_is_one_part_once_it_is_quiet_and_not_before() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        let (mut tidy, start) = (Tidy::default(), Instant::now());
        add(&connection, 0..300);
        let many = parts(&connection);
        assert!(many > 1, "one part: nothing to see");
        tidy.changed(start);
        tidy.step(&connection, 300, start + Duration::from_secs(1))
            .unwrap();
        assert_eq!(parts(&connection), many, "it is not quiet yet");
        let mut now = start + QUIET;
        for _ in 0..500 {
            tidy.step(&connection, 300, now).unwrap();
            now += PAUSE;
        }
        assert_eq!(parts(&connection), 1);
        assert_eq!(tidy.longest_sleep(QUIET), QUIET, "the work is over");
        let found: i64 = connection
            .query_row("SELECT count(*) FROM term('common')", [], |row| row.get(0))
            .unwrap();
        assert_eq!(found, 300);
        // A few more are not worth it.
        add(&connection, 300..320);
        let many = parts(&connection);
        tidy.step(&connection, 320, now + QUIET).unwrap();
        assert_eq!(parts(&connection), many);
    }
}
