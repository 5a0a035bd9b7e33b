//! Changes of the staff directory. Each is an act with its entry, durable before it is believed.

use std::sync::PoisonError;

use care_core::audit::{Act, Entry, Outcome};

use super::{
    By, GROUPS, GroupDetails, Held, Staff, StaffError, StaffGroup, StaffUser, Suspension, USERS,
    UserDetails,
};
use crate::store::{Change, Commit};

/// The longest name, id or address that is kept, in characters.
const TEXT_CHARS: usize = 256;
/// The most roles of one user, and the most members of one group.
const ROLES: usize = 200;
const MEMBERS: usize = 50_000;
/// Kept until it is taken away.
const FOR_EVER: i64 = i64::MAX;

impl Staff {
    /// Puts somebody into the directory. A user who was only suspended until now keeps the suspension.
    pub fn create_user(&self, details: UserDetails, by: &By) -> Result<StaffUser, StaffError> {
        let _one = self.writing();
        check_user(&details)?;
        let now = self.inner.clock.now();
        let user = match self.user_by_name(&details.user_name) {
            Some(held) if held.provisioned => return Err(StaffError::Taken),
            Some(held) => StaffUser {
                details,
                provisioned: true,
                version: held.version + 1,
                modified: now,
                ..(*held).clone()
            },
            None => StaffUser {
                id: fresh_id()?,
                details,
                provisioned: true,
                suspended: None,
                version: 1,
                created: now,
                modified: now,
            },
        };
        self.keep_user(user, by, "put into the staff directory")
    }

    /// Replaces what is said of a user. `expected` is the version the change was made from.
    pub fn replace_user(
        &self,
        id: &str,
        details: UserDetails,
        expected: Option<u64>,
        by: &By,
    ) -> Result<StaffUser, StaffError> {
        let _one = self.writing();
        check_user(&details)?;
        let held = self.user(id).ok_or(StaffError::NotThere)?;
        if expected.is_some_and(|version| version != held.version) {
            return Err(StaffError::Changed);
        }
        let namesake = self.user_by_name(&details.user_name);
        if namesake.is_some_and(|other| other.id != held.id) {
            return Err(StaffError::Taken);
        }
        if held.details == details && held.provisioned {
            return Ok((*held).clone());
        }
        let user = StaffUser {
            details,
            provisioned: true,
            version: held.version + 1,
            modified: self.inner.clock.now(),
            ..(*held).clone()
        };
        self.keep_user(user, by, "changed in the staff directory")
    }

    /// Takes a user out of the directory and of every group. They may no longer sign in: the name is
    /// kept as switched off, so that a token given before is refused too.
    pub fn delete_user(&self, id: &str, expected: Option<u64>, by: &By) -> Result<(), StaffError> {
        let _one = self.writing();
        let held = self.user(id).ok_or(StaffError::NotThere)?;
        if expected.is_some_and(|version| version != held.version) {
            return Err(StaffError::Changed);
        }
        let now = self.inner.clock.now();
        let mut changes = vec![keep(USERS, id, None)];
        // What must still be refused stands under a new id, empty and switched off.
        let left = StaffUser {
            id: fresh_id()?,
            details: UserDetails {
                user_name: held.details.user_name.clone(),
                ..UserDetails::default()
            },
            provisioned: true,
            suspended: held.suspended.clone(),
            version: 1,
            created: now,
            modified: now,
        };
        changes.push(keep(USERS, &left.id, Some(serde_json::to_vec(&left)?)));
        let mut groups = Vec::new();
        for group in self.groups_of(id) {
            let mut group = (*group).clone();
            group.members.remove(id);
            group.version += 1;
            group.modified = now;
            changes.push(keep(GROUPS, &group.id, Some(serde_json::to_vec(&group)?)));
            groups.push(group);
        }
        let entry = self.entry(
            by,
            &format!(
                "{}: taken out of the staff directory",
                held.details.user_name
            ),
        );
        self.commit(changes, entry)?;
        self.change(|all| {
            all.forget_user(id);
            all.put_user(left);
            groups.into_iter().for_each(|group| all.put_group(group));
        });
        Ok(())
    }

    /// Suspends the access of whoever signs in under this name, known to the directory or not, from
    /// the next request on. Nobody but [`Staff::lift`] gives it back.
    pub fn suspend(&self, user_name: &str, why: &str, by: &By) -> Result<StaffUser, StaffError> {
        let _one = self.writing();
        let (name, why) = (user_name.trim(), why.trim());
        if why.is_empty() {
            return Err(unclear("say why access is suspended"));
        }
        let now = self.inner.clock.now();
        let suspension = Suspension {
            by: by.id.clone(),
            at: now,
            why: why.chars().take(1_000).collect(),
        };
        let user = match self.user_by_name(name) {
            Some(held) => StaffUser {
                suspended: Some(suspension),
                version: held.version + 1,
                modified: now,
                ..(*held).clone()
            },
            None => StaffUser {
                id: fresh_id()?,
                details: UserDetails {
                    user_name: name.to_owned(),
                    active: true,
                    ..UserDetails::default()
                },
                provisioned: false,
                suspended: Some(suspension),
                version: 1,
                created: now,
                modified: now,
            },
        };
        check_user(&user.details)?;
        self.keep_user(user, by, &format!("access suspended: {why}"))
    }

    /// Gives access back.
    pub fn lift(&self, user_name: &str, why: &str, by: &By) -> Result<StaffUser, StaffError> {
        let _one = self.writing();
        if why.trim().is_empty() {
            return Err(unclear("say why access is given back"));
        }
        let held = self
            .user_by_name(user_name)
            .filter(|user| user.suspended.is_some())
            .ok_or(StaffError::NotThere)?;
        let user = StaffUser {
            suspended: None,
            version: held.version + 1,
            modified: self.inner.clock.now(),
            ..(*held).clone()
        };
        self.keep_user(user, by, &format!("access given back: {}", why.trim()))
    }

    /// Makes a group.
    pub fn create_group(&self, details: GroupDetails, by: &By) -> Result<StaffGroup, StaffError> {
        let _one = self.writing();
        self.check_group(&details, None)?;
        let now = self.inner.clock.now();
        let group = StaffGroup {
            id: fresh_id()?,
            name: details.name,
            external_id: details.external_id,
            members: details.members,
            version: 1,
            created: now,
            modified: now,
        };
        self.keep_group(group, by, "made")
    }

    /// Replaces a group.
    pub fn replace_group(
        &self,
        id: &str,
        details: GroupDetails,
        expected: Option<u64>,
        by: &By,
    ) -> Result<StaffGroup, StaffError> {
        let _one = self.writing();
        let held = self.group(id).ok_or(StaffError::NotThere)?;
        if expected.is_some_and(|version| version != held.version) {
            return Err(StaffError::Changed);
        }
        self.check_group(&details, Some(id))?;
        if (&held.name, &held.external_id, &held.members)
            == (&details.name, &details.external_id, &details.members)
        {
            return Ok((*held).clone());
        }
        let group = StaffGroup {
            name: details.name,
            external_id: details.external_id,
            members: details.members,
            version: held.version + 1,
            modified: self.inner.clock.now(),
            ..(*held).clone()
        };
        self.keep_group(group, by, "changed")
    }

    /// Takes a group away; its members lose the role it stood for.
    pub fn delete_group(&self, id: &str, expected: Option<u64>, by: &By) -> Result<(), StaffError> {
        let _one = self.writing();
        let held = self.group(id).ok_or(StaffError::NotThere)?;
        if expected.is_some_and(|version| version != held.version) {
            return Err(StaffError::Changed);
        }
        let entry = self.entry(by, &format!("group {} taken away", held.name));
        self.commit(vec![keep(GROUPS, id, None)], entry)?;
        self.change(|all| all.forget_group(id));
        Ok(())
    }

    fn check_group(&self, details: &GroupDetails, own: Option<&str>) -> Result<(), StaffError> {
        text("displayName", &details.name, true)?;
        text("externalId", &details.external_id, false)?;
        if details.members.len() > MEMBERS {
            return Err(unclear(&format!("a group has at most {MEMBERS} members")));
        }
        if let Some(unknown) = details.members.iter().find(|id| self.user(id).is_none()) {
            return Err(unclear(&format!(
                "members: nobody has the id {}; create the user first",
                unknown.chars().take(60).collect::<String>()
            )));
        }
        let same = |name: &str| name.eq_ignore_ascii_case(&details.name);
        let taken = self
            .groups()
            .iter()
            .any(|other| same(&other.name) && own != Some(other.id.as_str()));
        if taken {
            Err(StaffError::Taken)
        } else {
            Ok(())
        }
    }

    fn keep_user(&self, user: StaffUser, by: &By, what: &str) -> Result<StaffUser, StaffError> {
        let roles: Vec<String> = user.details.roles.iter().map(ToString::to_string).collect();
        let state = if user.details.active {
            "active"
        } else {
            "not active"
        };
        let told = format!(
            "{}: {what}; {state}; roles {}",
            user.details.user_name,
            if roles.is_empty() {
                "none".to_owned()
            } else {
                roles.join(" ")
            }
        );
        let mut entry = self.entry(by, &told);
        entry.items = vec![format!("Staff/{}/{}", user.id, user.version)];
        self.commit(
            vec![keep(USERS, &user.id, Some(serde_json::to_vec(&user)?))],
            entry,
        )?;
        self.change(|all| all.put_user(user.clone()));
        Ok(user)
    }

    fn keep_group(&self, group: StaffGroup, by: &By, what: &str) -> Result<StaffGroup, StaffError> {
        let mut entry = self.entry(
            by,
            &format!(
                "group {}: {what}; {} members",
                group.name,
                group.members.len()
            ),
        );
        entry.items = vec![format!("StaffGroup/{}/{}", group.id, group.version)];
        self.commit(
            vec![keep(GROUPS, &group.id, Some(serde_json::to_vec(&group)?))],
            entry,
        )?;
        self.change(|all| all.put_group(group.clone()));
        Ok(group)
    }

    pub(super) fn entry(&self, by: &By, detail: &str) -> Entry {
        let now = self.inner.clock.now();
        let mut entry = Entry::new(now, Act::Admin, Outcome::Success, by.id.clone());
        entry.who_name.clone_from(&by.name);
        entry.role.clone_from(&by.role);
        entry.organisation.clone_from(&by.organisation);
        entry.page = "staff-directory".to_owned();
        entry.detail = detail.to_owned();
        entry
    }

    fn writing(&self) -> std::sync::MutexGuard<'_, ()> {
        let lock = self.inner.writing.lock();
        lock.unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Held)) {
        let held = self.inner.held.write();
        change(&mut held.unwrap_or_else(PoisonError::into_inner));
    }

    fn commit(&self, changes: Vec<Change>, entry: Entry) -> Result<(), StaffError> {
        self.inner.store.commit(Commit {
            changes,
            entry,
            more_entries: Vec::new(),
        })?;
        Ok(())
    }
}

fn keep(space: &'static str, id: &str, value: Option<Vec<u8>>) -> Change {
    Change::Keep {
        space,
        key: id.to_owned(),
        value,
        expires_ms: FOR_EVER,
    }
}

pub(super) fn check_user(details: &UserDetails) -> Result<(), StaffError> {
    text("userName", &details.user_name, true)?;
    for (what, value) in [
        ("externalId", &details.external_id),
        ("name", &details.name),
        ("name.familyName", &details.family),
        ("name.givenName", &details.given),
        ("emails", &details.email),
    ] {
        text(what, value, false)?;
    }
    if details.roles.len() > ROLES {
        return Err(unclear(&format!("a user has at most {ROLES} roles")));
    }
    Ok(())
}

fn text(what: &str, value: &str, needed: bool) -> Result<(), StaffError> {
    if needed && value.trim().is_empty() {
        return Err(unclear(&format!("{what} is missing")));
    }
    if value.chars().count() > TEXT_CHARS || value.chars().any(char::is_control) {
        return Err(unclear(&format!(
            "{what} is longer than {TEXT_CHARS} characters, or holds control characters"
        )));
    }
    Ok(())
}

pub(super) fn unclear(words: &str) -> StaffError {
    StaffError::Unclear(words.to_owned())
}

/// 128 random bits, in hexadecimal digits.
fn fresh_id() -> Result<String, StaffError> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).map_err(|cause| StaffError::Store(Box::new(cause)))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
