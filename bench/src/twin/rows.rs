//! What is hidden from somebody, row by row, by the rules and by nothing else; and how it is erased.
//!
//! No SQL of the product is used: every row's labels are read, and [`View`]'s fields are compared with them
//! one after the other.

use std::collections::{HashMap, HashSet};

use care_core::access::View;
use care_core::vocabulary::{Category, Sensitivity, SourceCode};
use rusqlite::Connection;

use super::world::World;

/// Where a world's rows lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// One version of an item, without what it says.
#[derive(Debug, Clone)]
pub struct Row {
    pub person: i64,
    pub kind: u16,
    pub item: i64,
    pub version: i64,
    pub category: Category,
    pub sensitivity: Sensitivity,
    pub from_gp: bool,
    pub source: SourceCode,
    pub is_current: bool,
}

pub type Key = (i64, u16, i64);

impl Row {
    pub fn key(&self) -> Key {
        (self.person, self.kind, self.item)
    }
}

/// Whether a view lets a row through.
pub fn lets_through(view: &View, row: &Row) -> bool {
    let hides = |source: &SourceCode| *source == row.source;
    view.categories().contains(row.category)
        && view.sensitivities().contains(row.sensitivity)
        && !(row.from_gp && view.hide_gp_sourced())
        && !view.hidden_sources().iter().any(hides)
        && view.only_source().is_none_or(hides)
}

const COLUMNS: &str = "person, kind, item, version, category, sensitivity, flags, source";

impl World {
    /// Every version of every item.
    pub fn rows(&self) -> Vec<Row> {
        let mut rows = self.rows_of("item", true);
        rows.extend(self.rows_of("item_history", false));
        rows
    }

    fn rows_of(&self, table: &str, is_current: bool) -> Vec<Row> {
        self.query(&format!("SELECT {COLUMNS} FROM {table}"))
            .iter()
            .map(|columns| {
                let number = |at: usize| columns[at].parse::<i64>().expect("a number");
                Row {
                    person: number(0),
                    kind: number(1) as u16,
                    item: number(2),
                    version: number(3),
                    category: Category::ALL[number(4) as usize],
                    sensitivity: Sensitivity::ALL[number(5) as usize],
                    from_gp: number(6) & 4 != 0,
                    source: SourceCode::parse(&columns[7]).expect("a source"),
                    is_current,
                }
            })
            .collect()
    }

    /// Rows of a query, every column as text.
    pub fn query(&self, sql: &str) -> Vec<Vec<String>> {
        if self.postgres.is_some() {
            let lines = self.psql(&format!("{sql};"));
            let split = |line: &str| line.split('|').map(str::to_owned).collect();
            return lines.lines().map(split).collect();
        }
        let connection = self.sqlite();
        let mut statement = connection.prepare(sql).expect("a statement");
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| {
            (0..columns)
                .map(|at| {
                    Ok(match row.get_ref(at)? {
                        rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                        rusqlite::types::ValueRef::Text(text)
                        | rusqlite::types::ValueRef::Blob(text) => {
                            String::from_utf8_lossy(text).into_owned()
                        }
                        _ => String::new(),
                    })
                })
                .collect()
        });
        rows.expect("rows").map(|row| row.expect("a row")).collect()
    }

    /// Runs statements.
    pub fn execute(&self, sql: &str) {
        if self.postgres.is_some() {
            self.psql(sql);
        } else {
            self.sqlite().execute_batch(sql).expect("done");
        }
    }

    fn sqlite(&self) -> Connection {
        Connection::open(self.data.join("record/record.sqlite")).expect("the record")
    }

    /// Leaves no room between the rows, so that both worlds lie on the disk in the same way.
    pub fn compact(&self) {
        if self.postgres.is_some() {
            self.psql(
                "VACUUM (FULL, ANALYZE) item; VACUUM (FULL, ANALYZE) item_history; \
                 VACUUM (FULL, ANALYZE) item_term;",
            );
        } else {
            self.execute("VACUUM");
        }
    }

    /// Takes away what is hidden: the rows, their history, and what the index knows of them.
    pub fn erase(&self, hidden: &[&Row]) {
        let line = |row: &&&Row| {
            let (person, kind, item) = row.key();
            let part = if row.is_current { 1 } else { 0 };
            format!("{part}\t{person}\t{kind}\t{item}\t{}\n", row.version)
        };
        let lines: String = hidden.iter().map(|row| line(&row)).collect();
        if self.postgres.is_some() {
            self.psql(&format!(
                "CREATE TEMP TABLE gone (part int, person bigint, kind int, item bigint, version bigint);\n\
                 COPY gone FROM STDIN;\n{lines}\\.\n{GONE}\
                 DELETE FROM item_term WHERE (person, kind, item) NOT IN (SELECT person, kind, item FROM item);\n"
            ));
        } else {
            erase_in_sqlite(&mut self.sqlite(), &lines);
        }
    }
}

const GONE: &str = "\
DELETE FROM item WHERE (person, kind, item) IN (SELECT person, kind, item FROM gone WHERE part = 1);\n\
DELETE FROM item_history WHERE (person, kind, item, version) IN \
(SELECT person, kind, item, version FROM gone WHERE part = 0);\n";

/// The index is made anew of the words of what remains, so that no word of what is gone is left, deleted
/// or not.
fn erase_in_sqlite(connection: &mut Connection, lines: &str) {
    connection
        .execute_batch(
            "CREATE TEMP TABLE gone (part, person, kind, item, version); \
             CREATE VIRTUAL TABLE temp.told USING fts5vocab(main, 'term', 'instance');",
        )
        .expect("tables");
    let work = connection.transaction().expect("a transaction");
    {
        let mut put = work
            .prepare("INSERT INTO gone VALUES (?1, ?2, ?3, ?4, ?5)")
            .expect("a statement");
        for line in lines.lines() {
            let numbers: Vec<i64> = line
                .split('\t')
                .map(|one| one.parse().expect("a number"))
                .collect();
            put.execute(rusqlite::params_from_iter(numbers))
                .expect("put");
        }
    }
    work.execute_batch(GONE).expect("erased");
    work.execute_batch(
        "DELETE FROM spot WHERE (person, kind, item) NOT IN (SELECT person, kind, item FROM item);",
    )
    .expect("erased");
    let words: Vec<(i64, String)> = {
        let mut read = work
            .prepare(
                "SELECT doc, group_concat(term, ' ') FROM temp.told \
                 WHERE doc IN (SELECT spot FROM item WHERE spot <> 0) GROUP BY doc ORDER BY doc",
            )
            .expect("a statement");
        let rows = read.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        rows.expect("rows").map(|row| row.expect("a row")).collect()
    };
    let made: String = work
        .query_row(
            "SELECT sql FROM sqlite_master WHERE name = 'term'",
            [],
            |row| row.get(0),
        )
        .expect("the index");
    work.execute_batch("DROP TABLE temp.told; DROP TABLE term;")
        .expect("dropped");
    work.execute_batch(&made).expect("made");
    {
        let mut put = work
            .prepare("INSERT INTO term (rowid, words) VALUES (?1, ?2)")
            .expect("a statement");
        for (spot, words) in words {
            put.execute((spot, words)).expect("put");
        }
    }
    work.commit().expect("committed");
}

/// The rows somebody must not know of. `view` gives the view of a person's record: none for a record that
/// is closed to them. Where the current version is hidden, so are those before it.
pub fn hidden(
    rows: &[Row],
    view: impl Fn(&Row) -> Option<View>,
    always: impl Fn(&Row) -> bool,
) -> Vec<&Row> {
    let mut known: HashMap<i64, Option<View>> = HashMap::new();
    let mut is_hidden = |row: &Row| {
        if always(row) {
            return false;
        }
        let view = known.entry(row.person).or_insert_with(|| view(row));
        !view.as_ref().is_some_and(|view| lets_through(view, row))
    };
    let current: HashSet<Key> = rows
        .iter()
        .filter(|row| row.is_current && is_hidden(row))
        .map(Row::key)
        .collect();
    rows.iter()
        .filter(|row| current.contains(&row.key()) || is_hidden(row))
        .collect()
}
