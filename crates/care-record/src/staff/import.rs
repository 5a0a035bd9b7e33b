//! The staff directory from a file: one row a role (CSV) or one object a user (JSON). A dry run says
//! what would change and changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::write::check_user;
use super::{By, Staff, StaffError, StaffRole, UserDetails};

/// One row: a user in one role. Rows of the same user are taken together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportRow {
    /// The id the identity provider knows them by.
    pub user_id: String,
    /// Full name.
    #[serde(default)]
    pub name: String,
    /// E-mail address.
    #[serde(default)]
    pub email: String,
    /// Role code; empty for a user without a role.
    #[serde(default)]
    pub role: String,
    /// ODS code.
    #[serde(default)]
    pub organisation: String,
    /// May sign in.
    #[serde(default = "yes")]
    pub active: bool,
    /// May open sealed items on a recorded ground.
    #[serde(default)]
    pub break_seal: bool,
}

fn yes() -> bool {
    true
}

/// A row that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportProblem {
    /// Its number, the first is 1.
    pub row: usize,
    /// What is wrong and how to mend it.
    pub words: String,
}

/// What an import did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportReport {
    /// User ids put in.
    pub created: Vec<String>,
    /// User ids changed.
    pub changed: Vec<String>,
    /// User ids that were as the file says already.
    pub unchanged: usize,
    /// User ids switched off, because the file names everybody and not them.
    pub switched_off: Vec<String>,
    /// Rows that cannot be used: with any, nothing was changed.
    pub problems: Vec<ImportProblem>,
}

impl Staff {
    /// Brings the directory to what the rows say. `whole` says that they name everybody: who is not
    /// among them is switched off. With a problem in any row nothing is changed at all.
    pub fn import(
        &self,
        rows: &[ImportRow],
        whole: bool,
        dry_run: bool,
        by: &By,
    ) -> Result<ImportReport, StaffError> {
        let mut report = ImportReport::default();
        let wanted = gather(rows, &mut report.problems);
        if rows.is_empty() {
            report.problems.push(ImportProblem {
                row: 0,
                words: "the file names nobody; nothing is changed".to_owned(),
            });
        }
        if !report.problems.is_empty() {
            return Ok(report);
        }
        for details in wanted.values() {
            self.import_one(details, dry_run, by, &mut report)?;
        }
        if whole {
            let named: BTreeSet<String> = wanted.keys().cloned().collect();
            self.switch_off_others(&named, dry_run, by, &mut report)?;
        }
        Ok(report)
    }

    fn import_one(
        &self,
        details: &UserDetails,
        dry_run: bool,
        by: &By,
        report: &mut ImportReport,
    ) -> Result<(), StaffError> {
        let id = details.user_name.clone();
        match self.user_by_name(&id).filter(|user| user.provisioned) {
            Some(held) if same(&held.details, details) => report.unchanged += 1,
            Some(held) => {
                if !dry_run {
                    let merged = UserDetails {
                        external_id: held.details.external_id.clone(),
                        family: held.details.family.clone(),
                        given: held.details.given.clone(),
                        ..details.clone()
                    };
                    self.replace_user(&held.id, merged, None, by)?;
                }
                report.changed.push(id);
            }
            None => {
                if !dry_run {
                    self.create_user(details.clone(), by)?;
                }
                report.created.push(id);
            }
        }
        Ok(())
    }

    fn switch_off_others(
        &self,
        named: &BTreeSet<String>,
        dry_run: bool,
        by: &By,
        report: &mut ImportReport,
    ) -> Result<(), StaffError> {
        for user in self.users() {
            let absent = !named.contains(&user.details.user_name.to_lowercase());
            if !(absent && user.provisioned && user.details.active) {
                continue;
            }
            if !dry_run {
                let details = UserDetails {
                    active: false,
                    ..user.details.clone()
                };
                self.replace_user(&user.id, details, None, by)?;
            }
            report.switched_off.push(user.details.user_name.clone());
        }
        Ok(())
    }
}

fn same(held: &UserDetails, file: &UserDetails) -> bool {
    let facts = |one: &UserDetails| {
        let roles: BTreeSet<StaffRole> = one.roles.iter().cloned().collect();
        (
            one.name.clone(),
            one.email.clone(),
            one.active,
            one.break_seal,
            roles,
        )
    };
    facts(held) == facts(file)
}

/// Rows by user, in lower case. Rows of one user that contradict one another are a problem.
fn gather(rows: &[ImportRow], problems: &mut Vec<ImportProblem>) -> BTreeMap<String, UserDetails> {
    let mut all: BTreeMap<String, UserDetails> = BTreeMap::new();
    for (place, row) in rows.iter().enumerate() {
        let mut problem = |words: String| {
            problems.push(ImportProblem {
                row: place + 1,
                words,
            });
        };
        let role = match (row.role.trim(), row.organisation.trim()) {
            ("", "") => None,
            ("", _) => {
                problem("an organisation without a role; give both or neither".to_owned());
                continue;
            }
            (role, organisation) => match StaffRole::of(role, organisation) {
                Ok(role) => Some(role),
                Err(why) => {
                    problem(why.to_string());
                    continue;
                }
            },
        };
        let details = UserDetails {
            user_name: row.user_id.trim().to_owned(),
            name: row.name.trim().to_owned(),
            email: row.email.trim().to_owned(),
            active: row.active,
            break_seal: row.break_seal,
            ..UserDetails::default()
        };
        if let Err(why) = check_user(&details) {
            problem(why.to_string());
            continue;
        }
        let held = all
            .entry(details.user_name.to_lowercase())
            .or_insert_with(|| details.clone());
        let agree = (&held.name, held.active, held.break_seal)
            == (&details.name, details.active, details.break_seal);
        if !agree {
            problem(format!(
                "{} has another name, active or break_seal in an earlier row; make them the same",
                details.user_name
            ));
            continue;
        }
        held.roles
            .extend(role.filter(|role| !held.roles.contains(role)));
    }
    all
}
