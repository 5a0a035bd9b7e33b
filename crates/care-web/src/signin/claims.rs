//! From an identity provider's claims to a user and the roles they may choose. Pure.
//!
//! Shaped by NHS CIS2 (`nhsid_useruid`, `nhsid_nrbac_roles` …); a deployment renames claims and maps
//! roles by configuration.

use care_core::vocabulary::{NhsNumber, OdsCode, Role};
use care_record::{Directory, User};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::people;
use crate::config::{RoleEntry, Signin};

/// A role somebody may choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The provider's id of this role profile.
    pub id: String,
    /// Role code here.
    pub role: String,
    /// The organisation's ODS code.
    pub organisation: String,
    /// Whether sealed items may be opened on a recorded ground.
    pub can_break_seal: bool,
}

/// Somebody the provider vouches for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Id at the provider.
    pub id: String,
    /// Name.
    pub name: String,
    /// Own NHS number, ten digits, where stated.
    pub own_number: Option<String>,
    /// NHS numbers of declared family, or of people they act for.
    pub family_numbers: Vec<String>,
    /// Roles we know, at organisations that take part.
    pub profiles: Vec<Profile>,
    /// The profile chosen at the provider.
    pub selected: Option<String>,
    /// The provider says which roles they have. Otherwise the staff directory alone does.
    #[serde(default)]
    pub states_roles: bool,
    /// How far somebody who is not staff proved who they are (`P9`, `P5`); nothing for staff.
    #[serde(default)]
    pub proof: Option<String>,
    /// The birth date that goes with the proof, `YYYY-MM-DD`.
    #[serde(default)]
    pub birth_date: Option<String>,
}

impl Identity {
    /// Reads claims. Roles that are not mapped, or whose organisation does not take part, are left out.
    pub fn from_claims(
        claims: &Map<String, Value>,
        settings: &Signin,
        directory: &Directory,
    ) -> Option<Self> {
        if people::are(claims) {
            return people::identity(claims, settings, directory);
        }
        let names = &settings.claims;
        let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
        let id = text(&names.user_id)?;
        let number = |text: &str| NhsNumber::parse(text).ok().map(NhsNumber::digits);
        Some(Self {
            name: text(&names.name).unwrap_or_else(|| id.clone()),
            own_number: text(&names.own_number).as_deref().and_then(number),
            family_numbers: list(claims.get(&names.family_numbers))
                .filter_map(Value::as_str)
                .filter_map(number)
                .collect(),
            states_roles: at(claims, &names.roles).is_some(),
            profiles: list(at(claims, &names.roles))
                .filter_map(|role| profile(role, settings, directory))
                .collect(),
            selected: text(&names.selected_role),
            proof: None,
            birth_date: None,
            id,
        })
    }

    /// The profile to begin with, when there is no question which: the only one, or the one chosen
    /// at the provider.
    pub fn obvious(&self) -> Option<&Profile> {
        match self.profiles.as_slice() {
            [only] => Some(only),
            several => several
                .iter()
                .find(|one| Some(&one.id) == self.selected.as_ref()),
        }
    }

    /// Whether they may see a record in this role: staff by what signing in asked of them, others
    /// when they have proved who they are.
    pub fn is_proved(&self, role: Role) -> bool {
        let is_staff = !matches!(role, Role::Patient | Role::Proxy);
        is_staff || self.proof.as_deref() == Some(people::PROVED)
    }

    /// This identity in one of its roles. Somebody who has not proved who they are has no number.
    pub fn user(&self, profile: &Profile) -> Option<User> {
        let number = |text: &String| NhsNumber::parse(text).ok();
        let role = Role::from_code(&profile.role)?;
        if !self.is_proved(role) {
            return Some(User {
                id: format!("{}{}", people::UNPROVED, self.id),
                name: self.name.clone(),
                role,
                organisation: OdsCode::parse(&profile.organisation).ok()?,
                can_break_seal: false,
                own_number: None,
                family_numbers: Vec::new(),
            });
        }
        Some(User {
            id: self.id.clone(),
            name: self.name.clone(),
            role,
            organisation: OdsCode::parse(&profile.organisation).ok()?,
            can_break_seal: profile.can_break_seal,
            own_number: self.own_number.as_ref().and_then(number),
            family_numbers: self.family_numbers.iter().filter_map(number).collect(),
        })
    }
}

/// The claim of this name, or of `a.b` the member `b` of the claim `a`.
fn at<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c Value> {
    claims.get(name).or_else(|| {
        let (first, rest) = name.split_once('.')?;
        at(claims.get(first)?.as_object()?, rest)
    })
}

/// A level of assurance: a number, or a text that is one.
pub fn level(claims: &Map<String, Value>, name: &str) -> Option<u64> {
    let value = at(claims, name)?;
    value
        .as_u64()
        .or_else(|| value.as_str()?.trim().parse().ok())
}

fn list(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
}

fn profile(role: &Value, settings: &Signin, directory: &Directory) -> Option<Profile> {
    let text = |name: &str| role.get(name).and_then(Value::as_str);
    let names = &settings.claims;
    let organisation = OdsCode::parse(text(&names.role_organisation)?).ok()?;
    let kind = directory.organisation(&organisation)?.kind;
    let code = text(&names.role_code)?.rsplit(':').next()?;
    let mapped = map_role(code, kind.prefix(), &settings.roles)?;
    let can_break_seal = list(role.get(&names.role_activities))
        .any(|activity| activity.as_str() == Some(&settings.claims.break_seal_activity));
    Some(Profile {
        id: text(&names.role_id)?.to_owned(),
        role: mapped.code().to_owned(),
        organisation: organisation.to_string(),
        can_break_seal,
    })
}

/// The role a national job role is at a kind of organisation: the first line that fits.
pub fn map_role(code: &str, kind: &str, map: &[RoleEntry]) -> Option<Role> {
    map.iter()
        .find(|entry| entry.code == code && entry.at.as_deref().is_none_or(|at| at == kind))
        .and_then(|entry| Role::from_code(&entry.role))
}
