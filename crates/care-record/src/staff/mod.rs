//! The staff directory: who may sign in, in which roles, at which organisations.
//!
//! Filled by a provisioning system (SCIM 2.0) or from a file; read at every request, so taking a role
//! away or suspending somebody holds from the next request on. Held in memory beside the store,
//! because nothing may be waited for there; written first, and only then believed. Knows no SCIM.
//!
//! A suspension is separate from `active`: the system that provisions people cannot lift what an
//! information governance officer decided.

mod import;
mod write;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use care_core::vocabulary::{OdsCode, Role};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use import::{ImportProblem, ImportReport, ImportRow};

use crate::caller::Caller;
use crate::clock::Clock;
use crate::store::{Store, StoreError};

const USERS: &str = "staff-user";
const GROUPS: &str = "staff-group";

/// A role at an organisation. Written `district_nurse@X9C01`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StaffRole {
    /// The role.
    pub role: Role,
    /// The organisation.
    pub organisation: OdsCode,
}

/// Why a text is no role at an organisation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StaffRoleError {
    /// No `@`.
    #[error("write a role as ROLE@ORGANISATION, such as district_nurse@X9C01")]
    Shape,
    /// The role is not one of ours.
    #[error("{0} is no role; docs/access.md lists them")]
    Role(String),
    /// The organisation is no ODS code.
    #[error("{0} is no organisation code")]
    Organisation(String),
}

impl StaffRole {
    /// Reads `role@ODS`.
    pub fn parse(text: &str) -> Result<Self, StaffRoleError> {
        let (role, organisation) = text.trim().split_once('@').ok_or(StaffRoleError::Shape)?;
        Self::of(role, organisation)
    }

    /// A role code at an ODS code. Patients and people acting for them are no staff.
    pub fn of(role: &str, organisation: &str) -> Result<Self, StaffRoleError> {
        let known = Role::from_code(role.trim())
            .filter(|role| !matches!(role, Role::Patient | Role::Proxy))
            .ok_or_else(|| StaffRoleError::Role(role.trim().to_owned()))?;
        let organisation = OdsCode::parse(organisation.trim())
            .map_err(|_| StaffRoleError::Organisation(organisation.trim().to_owned()))?;
        Ok(Self {
            role: known,
            organisation,
        })
    }
}

impl std::fmt::Display for StaffRole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.role.code(), self.organisation)
    }
}

impl TryFrom<String> for StaffRole {
    type Error = StaffRoleError;
    fn try_from(text: String) -> Result<Self, StaffRoleError> {
        Self::parse(&text)
    }
}

impl From<StaffRole> for String {
    fn from(role: StaffRole) -> Self {
        role.to_string()
    }
}

/// What somebody else decides about a user: everything but ids, versions and suspension.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserDetails {
    /// The id the identity provider knows them by.
    pub user_name: String,
    /// The id the provisioning system knows them by.
    #[serde(default)]
    pub external_id: String,
    /// Full name.
    #[serde(default)]
    pub name: String,
    /// Family name.
    #[serde(default)]
    pub family: String,
    /// Given name.
    #[serde(default)]
    pub given: String,
    /// E-mail address at work.
    #[serde(default)]
    pub email: String,
    /// May sign in.
    pub active: bool,
    /// Roles given to this user themselves; more may come from groups.
    #[serde(default)]
    pub roles: Vec<StaffRole>,
    /// May open sealed items on a recorded ground.
    #[serde(default)]
    pub break_seal: bool,
}

/// Who suspended somebody, when and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspension {
    /// The user id of whoever decided it.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why, in words.
    pub why: String,
}

/// A user of the directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaffUser {
    /// Our id: opaque, for ever.
    pub id: String,
    /// What the provisioning system says.
    pub details: UserDetails,
    /// A provisioning system or a file put them here. False for somebody who was only suspended.
    pub provisioned: bool,
    /// Access is suspended.
    #[serde(default)]
    pub suspended: Option<Suspension>,
    /// Grows with each change.
    pub version: u64,
    /// First put here.
    pub created: Timestamp,
    /// Last changed.
    pub modified: Timestamp,
}

/// A group of users: its name may stand for a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaffGroup {
    /// Our id.
    pub id: String,
    /// Its name, unique.
    pub name: String,
    /// The id the provisioning system knows it by.
    #[serde(default)]
    pub external_id: String,
    /// Our ids of its members.
    pub members: BTreeSet<String>,
    /// Grows with each change.
    pub version: u64,
    /// First put here.
    pub created: Timestamp,
    /// Last changed.
    pub modified: Timestamp,
}

/// What a group is changed to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupDetails {
    /// Its name.
    pub name: String,
    /// The id the provisioning system knows it by.
    pub external_id: String,
    /// Our ids of its members.
    pub members: BTreeSet<String>,
}

/// What the directory says of somebody who is signed in, or wants to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// The directory does not know them.
    Unknown,
    /// They may act in these roles.
    Active {
        /// Each role with its organisation, sorted.
        roles: Vec<StaffRole>,
        /// May open sealed items.
        break_seal: bool,
    },
    /// They left, or were switched off.
    Inactive,
    /// Information governance suspended their access.
    Suspended,
}

/// Who changes the directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct By {
    /// User id, or `scim:CLIENT`, or `file`.
    pub id: String,
    /// Name, for a person.
    pub name: String,
    /// Role code, for a person.
    pub role: String,
    /// ODS code, for a person.
    pub organisation: String,
}

impl By {
    /// A system.
    pub fn system(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            ..Self::default()
        }
    }
}

impl From<&Caller> for By {
    fn from(caller: &Caller) -> Self {
        Self {
            id: caller.user.id.clone(),
            name: caller.user.name.clone(),
            role: caller.user.role.code().to_owned(),
            organisation: caller.user.organisation.to_string(),
        }
    }
}

/// Why the directory was not changed or read.
#[derive(Debug, thiserror::Error)]
pub enum StaffError {
    /// Nobody, and no group, has this id.
    #[error("nothing has this id in the staff directory")]
    NotThere,
    /// Another user or group has this name.
    #[error("another entry of the staff directory has this name; change that one instead")]
    Taken,
    /// Changed by somebody else since it was read.
    #[error("it was changed since you read it; read it again and repeat your change")]
    Changed,
    /// What was sent cannot be kept.
    #[error("{0}")]
    Unclear(String),
    /// The store did not write or answer.
    #[error("the staff directory was not changed; try again in a moment")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<StoreError> for StaffError {
    fn from(cause: StoreError) -> Self {
        Self::Store(Box::new(cause))
    }
}

impl From<serde_json::Error> for StaffError {
    fn from(cause: serde_json::Error) -> Self {
        Self::Store(Box::new(cause))
    }
}

/// What is held, as every request reads it.
#[derive(Default)]
struct Held {
    users: BTreeMap<String, Arc<StaffUser>>,
    /// By name in lower case.
    user_names: HashMap<String, String>,
    groups: BTreeMap<String, Arc<StaffGroup>>,
    /// Groups of each user.
    groups_of: HashMap<String, BTreeSet<String>>,
}

/// The directory of a record. Cheap to clone.
#[derive(Clone)]
pub struct Staff {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    /// Group names in lower case that stand for a role by configuration.
    group_roles: HashMap<String, StaffRole>,
    held: RwLock<Held>,
    /// One change at a time: what is read, checked and written stays true.
    writing: Mutex<()>,
}

impl Staff {
    /// Reads what is kept. `group_roles` says which group's name stands for which role, besides names
    /// that are themselves written `role@ODS`.
    pub(crate) fn open(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        group_roles: &[(String, StaffRole)],
    ) -> Result<Self, StoreError> {
        let unreadable = |_| StoreError::Corrupt;
        let mut held = Held::default();
        for (_, bytes) in store.keep_list(USERS, "", 0, u32::MAX)? {
            let user: StaffUser = serde_json::from_slice(&bytes).map_err(unreadable)?;
            held.put_user(user);
        }
        for (_, bytes) in store.keep_list(GROUPS, "", 0, u32::MAX)? {
            let group: StaffGroup = serde_json::from_slice(&bytes).map_err(unreadable)?;
            held.put_group(group);
        }
        Ok(Self {
            inner: Arc::new(Inner {
                store,
                clock,
                group_roles: group_roles
                    .iter()
                    .map(|(name, role)| (name.to_lowercase(), role.clone()))
                    .collect(),
                held: RwLock::new(held),
                writing: Mutex::new(()),
            }),
        })
    }

    fn read<T>(&self, look: impl FnOnce(&Held) -> T) -> T {
        let held = self.inner.held.read();
        look(&held.unwrap_or_else(PoisonError::into_inner))
    }

    /// What holds for the user of this name now. Answers from memory: asked at every request.
    pub fn standing(&self, user_name: &str) -> Standing {
        self.read(|held| {
            let Some(user) = held.by_name(user_name) else {
                return Standing::Unknown;
            };
            match user {
                user if user.suspended.is_some() => Standing::Suspended,
                user if !user.provisioned => Standing::Unknown,
                user if !user.details.active => Standing::Inactive,
                user => Standing::Active {
                    roles: self.roles_in(held, user),
                    break_seal: user.details.break_seal,
                },
            }
        })
    }

    /// Every role of a user, their own and those of their groups, sorted.
    pub fn roles_of(&self, user: &StaffUser) -> Vec<StaffRole> {
        self.read(|held| self.roles_in(held, user))
    }

    fn roles_in(&self, held: &Held, user: &StaffUser) -> Vec<StaffRole> {
        let mut roles: BTreeSet<StaffRole> = user.details.roles.iter().cloned().collect();
        for group in held.groups_of.get(&user.id).into_iter().flatten() {
            let group = held.groups.get(group);
            roles.extend(group.and_then(|group| self.grants(&group.name)));
        }
        roles.into_iter().collect()
    }

    /// The role that a group's name stands for, if any.
    pub fn grants(&self, group_name: &str) -> Option<StaffRole> {
        let configured = self.inner.group_roles.get(&group_name.to_lowercase());
        configured
            .cloned()
            .or_else(|| StaffRole::parse(group_name).ok())
    }

    /// Nobody was ever put here.
    pub fn is_empty(&self) -> bool {
        self.read(|held| held.users.is_empty())
    }

    /// Everybody, by name.
    pub fn users(&self) -> Vec<Arc<StaffUser>> {
        let mut users: Vec<_> = self.read(|held| held.users.values().cloned().collect());
        users.sort_by(|one: &Arc<StaffUser>, other| {
            one.details.user_name.cmp(&other.details.user_name)
        });
        users
    }

    /// A user by our id.
    pub fn user(&self, id: &str) -> Option<Arc<StaffUser>> {
        self.read(|held| held.users.get(id).cloned())
    }

    /// A user by the id the identity provider knows them by; upper and lower case are the same.
    pub fn user_by_name(&self, user_name: &str) -> Option<Arc<StaffUser>> {
        self.read(|held| held.by_name(user_name).cloned())
    }

    /// Every group, by name.
    pub fn groups(&self) -> Vec<Arc<StaffGroup>> {
        let mut groups: Vec<_> = self.read(|held| held.groups.values().cloned().collect());
        groups.sort_by(|one: &Arc<StaffGroup>, other| one.name.cmp(&other.name));
        groups
    }

    /// A group by our id.
    pub fn group(&self, id: &str) -> Option<Arc<StaffGroup>> {
        self.read(|held| held.groups.get(id).cloned())
    }

    /// The groups a user belongs to.
    pub fn groups_of(&self, user: &str) -> Vec<Arc<StaffGroup>> {
        self.read(|held| {
            let ids = held.groups_of.get(user).into_iter().flatten();
            ids.filter_map(|id| held.groups.get(id).cloned()).collect()
        })
    }
}

impl Held {
    fn by_name(&self, user_name: &str) -> Option<&Arc<StaffUser>> {
        self.users
            .get(self.user_names.get(&user_name.to_lowercase())?)
    }

    fn put_user(&mut self, user: StaffUser) {
        self.forget_user(&user.id.clone());
        self.user_names
            .insert(user.details.user_name.to_lowercase(), user.id.clone());
        self.users.insert(user.id.clone(), Arc::new(user));
    }

    fn forget_user(&mut self, id: &str) {
        if let Some(old) = self.users.remove(id) {
            self.user_names
                .remove(&old.details.user_name.to_lowercase());
        }
    }

    fn put_group(&mut self, group: StaffGroup) {
        self.forget_group(&group.id.clone());
        for member in &group.members {
            self.groups_of
                .entry(member.clone())
                .or_default()
                .insert(group.id.clone());
        }
        self.groups.insert(group.id.clone(), Arc::new(group));
    }

    fn forget_group(&mut self, id: &str) {
        if let Some(old) = self.groups.remove(id) {
            for member in &old.members {
                if let Some(groups) = self.groups_of.get_mut(member) {
                    groups.remove(id);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
