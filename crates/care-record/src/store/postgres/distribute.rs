//! Spreads the tables over the machines of a Citus cluster: the calls, and making them.
//!
//! Person tables go by the person and lie together; the tables that find a person or a delivery by a text go
//! by that text; small tables that every query may need are on every machine. The audit log, the numbers
//! given in order and the worklists stay where the coordinator is.

use std::collections::HashSet;

use super::address::Address;
use super::connection::{self, ConnectError};
use super::link::Link;
use super::row::get;
use super::sql::PERSON_TABLES;

/// Tables that are not about a person, with the column they go by and the table they lie beside.
const OTHERS: &[(&str, &str, Option<&str>)] = &[
    ("identifier_holder", "value", None),
    ("delivery_once", "control_id", None),
    ("delivery", "delivery", None),
    ("delivery_body", "delivery", Some("delivery")),
];
/// Small tables, on every machine.
const EVERYWHERE: &[&str] = &["dictionary", "own_parameter"];

/// The calls, in order, each with the table it is about.
pub(crate) fn calls() -> Vec<(&'static str, String)> {
    let mut calls = Vec::new();
    for table in PERSON_TABLES {
        let beside = if *table == "person" { "none" } else { "person" };
        calls.push((
            *table,
            format!(
                "SELECT create_distributed_table('{table}', 'person', colocate_with => '{beside}')"
            ),
        ));
    }
    for (table, column, beside) in OTHERS {
        let beside = beside.unwrap_or("none");
        calls.push((
            *table,
            format!("SELECT create_distributed_table('{table}', '{column}', colocate_with => '{beside}')"),
        ));
    }
    for table in EVERYWHERE {
        calls.push((*table, format!("SELECT create_reference_table('{table}')")));
    }
    calls
}

/// Makes the calls that were not made yet; gives them. Nothing else may have the record open.
///
/// Errors: [`ConnectError::NoCitus`] where the extension is not in this database.
pub(crate) fn distribute(
    address: &str,
    password: Option<&str>,
) -> Result<Vec<String>, ConnectError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| ConnectError::Unreachable(error.to_string()))?;
    let mut address = Address::read(address)?;
    connection::refuse_unprotected(&address)?;
    if let Some(password) = password {
        address.config.password(password);
    }
    let (link, _) = connection::writing(runtime.handle(), &address)?;
    let made = spread(&link);
    drop(link);
    runtime.shutdown_background();
    made
}

fn spread(link: &Link) -> Result<Vec<String>, ConnectError> {
    let here = link.query("SELECT 1 FROM pg_extension WHERE extname = 'citus'", &[])?;
    if here.is_empty() {
        return Err(ConnectError::NoCitus);
    }
    let mut held = HashSet::new();
    for row in link.query("SELECT table_name::text FROM citus_tables", &[])? {
        held.insert(get::<String>(&row, 0)?);
    }
    link.batch("SET statement_timeout = 0")?;
    let mut made = Vec::new();
    for (table, call) in calls() {
        if !held.contains(table) {
            link.batch(&call)?;
            made.push(call);
        }
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn person_tables_lie_together_and_every_table_goes_once() {
        let calls = calls();
        let mut tables: Vec<_> = calls.iter().map(|(table, _)| *table).collect();
        assert!(
            calls[0]
                .1
                .contains("'person', 'person', colocate_with => 'none'")
        );
        let together = calls
            .iter()
            .filter(|(_, call)| call.contains("colocate_with => 'person'"));
        assert_eq!(together.count(), PERSON_TABLES.len() - 1);
        tables.sort_unstable();
        tables.dedup();
        assert_eq!(tables.len(), calls.len());
    }
}
