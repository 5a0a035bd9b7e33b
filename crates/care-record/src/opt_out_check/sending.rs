//! Lists given out for sending, each under a name of its own, and what became of them.

use care_core::audit::Outcome;
use care_core::secondary_use::check::{list_name, write_list};
use jiff::{Timestamp, tz::TimeZone};

use super::{
    CheckRow, ListRow, ListState, NAME_DAYS, NAMES, OptOutCheckError, OptOutChecks, SENT, WATCH,
    days_on, is_taken, keep, key, millis,
};
use crate::store::Change;

/// A list to send now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListToSend {
    /// The check it belongs to.
    pub check: String,
    /// Which of its lists, from 0.
    pub place: usize,
    /// Local id and subject.
    pub name: String,
    /// The mailbox it goes to.
    pub to: String,
    /// The workflow.
    pub workflow: String,
    /// What is sent.
    pub body: Vec<u8>,
}

impl ListToSend {
    /// The name of the file.
    pub fn file_name(&self) -> String {
        format!("{}.dat", self.name)
    }
}

impl OptOutChecks {
    /// The next list that waits to be sent, under a name of its own; `None` when none waits. A list
    /// that was given out before and not said to be sent comes again, under a new name: whether the
    /// first was sent is not known, and a reply to either answers it.
    pub fn next_to_send(&self) -> Result<Option<ListToSend>, OptOutCheckError> {
        let _writing = self.lock();
        let now = self.clock.now();
        for (id, mut row) in self.rows()? {
            let unsent =
                |list: &ListRow| matches!(list.state, ListState::Waiting | ListState::Sending);
            let Some(place) = row.lists.iter().position(unsent) else {
                continue;
            };
            let Some(kept) = self.numbers(SENT, &id, place)? else {
                self.give_up(&id, row, place)?;
                continue;
            };
            let name = self.give_name(&id, &mut row, place, now)?;
            return Ok(Some(ListToSend {
                check: id,
                place,
                name,
                to: self.settings.service_mailbox.clone(),
                workflow: self.settings.workflow.clone(),
                body: write_list(kept.as_slice(), self.settings.line_end),
            }));
        }
        Ok(None)
    }

    /// Names the list and notes that it is being sent, in one commit. Of two that take a name, one wins.
    fn give_name(
        &self,
        id: &str,
        row: &mut CheckRow,
        place: usize,
        now: Timestamp,
    ) -> Result<String, OptOutCheckError> {
        let today = now.to_zoned(TimeZone::UTC).date();
        let month = format!("{:02}{:02}", today.month(), today.year().rem_euclid(100));
        let last = self
            .store
            .keep_get(WATCH, &format!("sequence {month}"), millis(now))?;
        let last = last.and_then(|bytes| String::from_utf8(bytes).ok()?.parse::<u32>().ok());
        let mut sequence = last.unwrap_or(0);
        loop {
            sequence += 1;
            let mailbox = &self.settings.mailbox;
            let (day, month_number, year) = (today.day(), today.month(), today.year());
            let name = list_name(mailbox, day, month_number, year, sequence)
                .ok_or(OptOutCheckError::NamesUsedUp)?;
            let list = row
                .lists
                .get_mut(place)
                .ok_or(OptOutCheckError::Unreadable)?;
            list.name.clone_from(&name);
            list.state = ListState::Sending;
            list.sent_at = Some(now);
            let changes = vec![
                Change::KeepOnce {
                    space: NAMES,
                    key: name.clone(),
                    value: format!("{}@{now}", key(id, place)).into_bytes(),
                    expires_ms: days_on(now, NAME_DAYS),
                },
                keep(
                    WATCH,
                    format!("sequence {month}"),
                    sequence.to_string().into_bytes(),
                    now,
                    NAME_DAYS,
                ),
                self.row_change(id, row)?,
            ];
            let mut entry = self.entry(now);
            entry.detail = format!("opt-out check {id}: list {name} given out for sending");
            match self.commit(changes, entry) {
                Ok(()) => return Ok(name),
                Err(OptOutCheckError::Store(cause)) if is_taken(&*cause) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The numbers of a list that was never sent have ended: it can no longer be asked.
    fn give_up(&self, id: &str, mut row: CheckRow, place: usize) -> Result<(), OptOutCheckError> {
        if let Some(list) = row.lists.get_mut(place) {
            list.state = ListState::Failed;
            list.trouble = Some("it could not be sent in time".to_owned());
        }
        let mut entry = self.entry(self.clock.now());
        entry.outcome = Outcome::Failure;
        entry.detail = format!("opt-out check {id}: a list was not sent in time and has ended");
        self.commit(vec![self.row_change(id, &row)?], entry)
    }

    /// Notes that a list was sent, under the id the exchange gave it.
    pub fn sent(&self, list: &ListToSend, message: &str) -> Result<(), OptOutCheckError> {
        self.change_list(list, |row| {
            // A reply may have overtaken this note.
            if row.state == ListState::Sending {
                row.state = ListState::Sent;
            }
            row.message = Some(message.to_owned());
            row.trouble = None;
            format!("list {} sent as message {message}", row.name)
        })
    }

    /// Notes why a list could not be sent; it is tried again with the next round.
    pub fn not_sent(&self, list: &ListToSend, why: &str) -> Result<(), OptOutCheckError> {
        self.change_list(list, |row| {
            row.trouble = Some(why.to_owned());
            format!("list {} not sent: {why}", row.name)
        })
    }

    fn change_list(
        &self,
        list: &ListToSend,
        change: impl FnOnce(&mut ListRow) -> String,
    ) -> Result<(), OptOutCheckError> {
        let _writing = self.lock();
        let mut row = self.check(&list.check)?;
        let held = row
            .lists
            .get_mut(list.place)
            .ok_or(OptOutCheckError::NoSuchCheck)?;
        let words = change(held);
        let mut entry = self.entry(self.clock.now());
        entry.detail = format!("opt-out check {}: {words}", list.check);
        self.commit(vec![self.row_change(&list.check, &row)?], entry)
    }
}
