//! The opt-out simulator as tables: who sees what now, and under the choice. The portal and the console
//! draw the same.

use care_core::access::simulator::{Line, Situation};
use care_core::vocabulary::Role;
use care_record::Simulation;
use serde::Serialize;

/// One table.
#[derive(Debug, Serialize)]
pub struct Table {
    /// Its caption.
    pub title: String,
    /// Its rows.
    pub rows: Vec<Row>,
}

/// One row: who, what they see now, what they would see.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Who, or in which situation.
    pub who: String,
    /// Now.
    pub now: String,
    /// If the choice is confirmed.
    pub then: String,
    /// Whether the two differ.
    pub changes: bool,
}

/// A table for each organisation, and one for special situations.
pub fn tables(told: &Simulation) -> Vec<Table> {
    let mut tables: Vec<Table> = told
        .organisations
        .iter()
        .enumerate()
        .map(|(place, (name, _))| Table {
            title: name.clone(),
            rows: rows(told, |line| line.organisation == Some(place)),
        })
        .filter(|table| !table.rows.is_empty())
        .collect();
    tables.push(Table {
        title: "Special situations".to_owned(),
        rows: rows(told, |line| line.organisation.is_none()),
    });
    tables
}

fn rows(told: &Simulation, of: impl Fn(&Line) -> bool) -> Vec<Row> {
    told.lines
        .iter()
        .filter(|line| of(line))
        .map(|line| Row {
            who: who(line),
            now: line.now.words(|code| told.name(code)),
            then: line.then.words(|code| told.name(code)),
            changes: line.changes(),
        })
        .collect()
}

fn who(line: &Line) -> String {
    let role = line.role.title();
    match line.situation {
        Situation::Asked | Situation::Planning if line.role == Role::Gp => {
            "GP, nurse or pharmacist there".to_owned()
        }
        Situation::Asked | Situation::Planning => role.to_owned(),
        Situation::Office => "Office staff, for appointments".to_owned(),
        Situation::CannotSay => {
            "In an emergency, when you cannot speak: a doctor who treats you".to_owned()
        }
        Situation::Stranger => {
            "In an emergency, when you cannot speak: an ambulance crew new to you".to_owned()
        }
        Situation::YouInsist => {
            "You ask a doctor to look this once, and they write down that you did".to_owned()
        }
        Situation::Claimed => format!("{role}, who says they look after you"),
        Situation::Safeguarding => {
            "A safeguarding lead, to keep somebody safe, with a case number".to_owned()
        }
        Situation::Law => "A senior guardian, because a law or a court says so".to_owned(),
        Situation::PublicInterest => "A senior guardian, for an agreed public interest".to_owned(),
        Situation::Audit => "The privacy team, who check who looked".to_owned(),
        Situation::Oneself => "You, when you log in".to_owned(),
        Situation::Acting => "Somebody who acts for you, when they log in".to_owned(),
        Situation::Else => {
            "Anybody, for anything else: research, insurance, an employer".to_owned()
        }
    }
}

/// What goes on whatever is chosen.
pub const STILL: [&str; 4] = [
    "You still get care.",
    "Each organisation keeps its own record about you.",
    "Staff can still phone or write to each other about you.",
    "Very rarely a law or a court says that information must be shared. Each time is written down, and you can see it.",
];
