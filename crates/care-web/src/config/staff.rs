//! The part of the configuration about the staff directory: who fills it, and what it decides.

use std::path::PathBuf;

use care_record::StaffRole;
use serde::{Deserialize, Serialize};

use super::{Config, Fault};

/// The shortest token of a provisioning system, in characters.
pub const TOKEN_CHARS: usize = 32;

/// The staff directory.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StaffDirectory {
    /// Nobody signs in who is not in the directory. Otherwise the directory only takes away from what
    /// the identity provider says of those it knows.
    pub required: bool,
    /// Groups of the provisioning system that stand for a role at an organisation.
    pub groups: Vec<GroupRole>,
    /// Systems that may write the directory by SCIM.
    pub provisioning: Vec<Provisioning>,
}

/// A group that stands for a role.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupRole {
    /// The group's `displayName`.
    pub name: String,
    /// Role code.
    pub role: String,
    /// ODS code.
    pub organisation: String,
}

/// A system that may write the directory.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provisioning {
    /// What it is called in the audit log.
    pub id: String,
    /// The file that holds its bearer token.
    pub token_file: PathBuf,
}

impl StaffDirectory {
    /// Group names with the roles they stand for. Entries that cannot be used are left out: the faults
    /// name them.
    pub fn group_roles(&self) -> Vec<(String, StaffRole)> {
        let role = |group: &GroupRole| StaffRole::of(&group.role, &group.organisation).ok();
        self.groups
            .iter()
            .filter_map(|group| Some((group.name.clone(), role(group)?)))
            .collect()
    }
}

impl Config {
    /// What is wrong with the staff directory's part.
    pub(super) fn staff_faults(&self, faults: &mut Vec<Fault>) {
        let mut fault = |key: &str, what: String, why: &str, mend: &str| {
            faults.push(Fault {
                key: key.into(),
                what,
                why: why.into(),
                mend: mend.into(),
            });
        };
        let mut seen = std::collections::BTreeMap::new();
        for group in &self.staff.groups {
            if group.name.trim().is_empty() {
                fault(
                    "staff.groups",
                    format!("a group without a name stands for {}", group.role),
                    "an empty name would fit a group nobody chose",
                    "give the group's displayName",
                );
            }
            match StaffRole::of(&group.role, &group.organisation) {
                Err(why) => fault(
                    "staff.groups",
                    format!("{}: {why}", group.name),
                    "its members would have no role",
                    "give a role code of docs/access.md and an ODS code",
                ),
                Ok(role) => {
                    let takes_part = self.directory().organisation(&role.organisation).is_some();
                    if !takes_part {
                        fault(
                            "staff.groups",
                            format!("{}: {} is not listed", group.name, role.organisation),
                            "its members would have no role",
                            "add the organisation under [[organisations]]",
                        );
                    }
                    let before = seen.insert(group.name.to_lowercase(), role.clone());
                    if before.is_some_and(|before| before != role) {
                        fault(
                            "staff.groups",
                            format!("{} stands for two roles", group.name),
                            "which of them holds would depend on the order of this file",
                            "keep one, or make two groups",
                        );
                    }
                }
            }
        }
        for client in &self.staff.provisioning {
            let held = std::fs::read_to_string(&client.token_file);
            match held {
                Err(_) => fault(
                    "staff.provisioning",
                    format!(
                        "the token file {} is not there",
                        client.token_file.display()
                    ),
                    "the system could not sign in",
                    "create it with: openssl rand -hex 32",
                ),
                Ok(token) if token.trim().len() < TOKEN_CHARS => fault(
                    "staff.provisioning",
                    format!(
                        "the token of {} is shorter than {TOKEN_CHARS} characters",
                        client.id
                    ),
                    "whoever guesses it decides who may sign in",
                    "create it with: openssl rand -hex 32",
                ),
                Ok(_) => {}
            }
        }
    }
}
