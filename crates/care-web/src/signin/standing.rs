//! What the staff directory takes away from, or adds to, what an identity provider says. Asked at
//! every request, so that a role taken away or a suspension holds from the next one on.

use care_core::vocabulary::Role;
use care_record::{Standing, User};

use super::claims::{Identity, Profile};
use crate::state::AppState;

/// Why somebody may not act any more; for the audit log.
pub type NoLonger = &'static str;

impl AppState {
    /// The user as the directory leaves them now.
    pub(crate) fn still(&self, user: User) -> Result<User, NoLonger> {
        let is_staff = !matches!(user.role, Role::Patient | Role::Proxy);
        match self.record.staff().standing(&user.id) {
            Standing::Suspended => Err("access is suspended"),
            _ if !is_staff => Ok(user),
            Standing::Inactive => Err("switched off in the staff directory"),
            Standing::Unknown if self.config.staff.required => Err("not in the staff directory"),
            Standing::Unknown => Ok(user),
            Standing::Active { roles, break_seal } => {
                let holds = roles
                    .iter()
                    .any(|one| one.role == user.role && one.organisation == user.organisation);
                if !holds {
                    return Err("the role was taken away in the staff directory");
                }
                Ok(User {
                    can_break_seal: user.can_break_seal && break_seal,
                    ..user
                })
            }
        }
    }

    /// The roles somebody may choose: those the provider says and the directory leaves them; where the
    /// provider says nothing about roles, those of the directory.
    pub(super) fn may_choose(&self, mut identity: Identity) -> Result<Identity, NoLonger> {
        let standing = self.record.staff().standing(&identity.id);
        if standing == Standing::Suspended {
            return Err("access is suspended");
        }
        if let (false, Standing::Active { roles, break_seal }) = (identity.states_roles, &standing)
        {
            identity.profiles = roles
                .iter()
                .filter(|one| self.directory.organisation(&one.organisation).is_some())
                .map(|one| Profile {
                    id: one.to_string(),
                    role: one.role.code().to_owned(),
                    organisation: one.organisation.to_string(),
                    can_break_seal: *break_seal,
                })
                .collect();
        }
        let mut refused = "no role here";
        let profiles = std::mem::take(&mut identity.profiles);
        for profile in profiles {
            match identity.user(&profile).map(|user| self.still(user)) {
                Some(Ok(user)) => identity.profiles.push(Profile {
                    can_break_seal: user.can_break_seal,
                    ..profile
                }),
                Some(Err(why)) => refused = why,
                None => {}
            }
        }
        if identity.profiles.is_empty() {
            return Err(if standing == Standing::Inactive {
                "switched off in the staff directory"
            } else {
                refused
            });
        }
        Ok(identity)
    }
}
