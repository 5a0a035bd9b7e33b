//! The part of the configuration about the access rules (access model, 8.6), and what is refused there:
//! values that are unsafe, contradict one another or could mean anything.

use care_core::access::{DenialWording, EmergencyOverride, PermissionModel, Settings};
use care_core::vocabulary::{OrganisationKind, Role};
use serde::{Deserialize, Serialize};

use super::{Config, Fault, PermissionSetting};

/// Settings of the access rules. What each means: docs/access.md.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Access {
    /// `ask` or `implied`.
    pub permission: PermissionSetting,
    /// Days after an appointment in which it still counts.
    pub appointment_days_past: i64,
    /// Days before an appointment from which it counts.
    pub appointment_days_ahead: i64,
    /// Days after a death in which carers may still look.
    pub days_after_death: i64,
    /// Days after an admission, an attendance or an incident in which it still counts.
    pub days_after_care: i64,
    /// Hours a self-claimed relationship lasts.
    pub self_claim_hours: i64,
    /// Minutes an emergency access lasts.
    pub emergency_minutes: i64,
    /// `neutral` or `full`.
    pub denial_wording: String,
    /// Objections.
    pub objection: Objection,
}

/// What an objection does.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Objection {
    /// One that waits for a decision restricts as one that stands.
    pub pending_restricts: bool,
    /// When an emergency sets it aside: `only-if-the-person-chose-it`, `never`, `always`.
    pub emergency: String,
}

impl Default for Access {
    fn default() -> Self {
        let model = Settings::default();
        Self {
            permission: PermissionSetting::default(),
            appointment_days_past: model.appointment_days_past.into(),
            appointment_days_ahead: model.appointment_days_ahead.into(),
            days_after_death: model.days_after_death.into(),
            days_after_care: model.days_after_care.into(),
            self_claim_hours: model.self_claim_hours.into(),
            emergency_minutes: model.emergency_minutes.into(),
            denial_wording: model.denial_wording.code().to_owned(),
            objection: Objection::default(),
        }
    }
}

impl Default for Objection {
    fn default() -> Self {
        let model = Settings::default();
        Self {
            pending_restricts: model.pending_objection_restricts,
            emergency: model.objection_in_emergency.code().to_owned(),
        }
    }
}

impl Access {
    /// The settings as the rules take them. What cannot be read is as the model says; the faults name it.
    pub fn settings(&self) -> Settings {
        let model = Settings::default();
        let whole = |value: i64, otherwise: u32| u32::try_from(value).unwrap_or(otherwise);
        Settings {
            permission: match self.permission {
                PermissionSetting::Ask => PermissionModel::Ask,
                PermissionSetting::Implied => PermissionModel::Implied,
            },
            appointment_days_past: whole(self.appointment_days_past, model.appointment_days_past),
            appointment_days_ahead: whole(
                self.appointment_days_ahead,
                model.appointment_days_ahead,
            ),
            days_after_death: whole(self.days_after_death, model.days_after_death),
            days_after_care: whole(self.days_after_care, model.days_after_care),
            self_claim_hours: whole(self.self_claim_hours, model.self_claim_hours),
            emergency_minutes: whole(self.emergency_minutes, model.emergency_minutes),
            denial_wording: DenialWording::from_code(&self.denial_wording)
                .unwrap_or(model.denial_wording),
            pending_objection_restricts: self.objection.pending_restricts,
            objection_in_emergency: EmergencyOverride::from_code(&self.objection.emergency)
                .unwrap_or(model.objection_in_emergency),
            ..model
        }
    }
}

fn fault(key: &str, what: String, why: &str, mend: &str) -> Fault {
    Fault {
        key: key.into(),
        what,
        why: why.into(),
        mend: mend.into(),
    }
}

impl Config {
    /// What is wrong with the settings of the rules.
    pub(super) fn rule_faults(&self, faults: &mut Vec<Fault>) {
        let access = &self.access;
        for (key, days) in [
            ("access.appointment_days_past", access.appointment_days_past),
            (
                "access.appointment_days_ahead",
                access.appointment_days_ahead,
            ),
            ("access.days_after_death", access.days_after_death),
            ("access.days_after_care", access.days_after_care),
            ("access.self_claim_hours", access.self_claim_hours),
            ("access.emergency_minutes", access.emergency_minutes),
        ] {
            if days < 0 {
                faults.push(fault(
                    key,
                    format!("is {days}: an inverted window"),
                    "it would end before it begins, and nobody can say what that lets in",
                    "count forwards from 0",
                ));
            } else if u32::try_from(days).is_err() {
                faults.push(fault(
                    key,
                    format!("is {days}"),
                    "a window without an end is none",
                    "leave it out",
                ));
            }
        }
        if EmergencyOverride::from_code(&access.objection.emergency).is_none() {
            faults.push(fault(
                "access.objection.emergency",
                format!("{:?} is a vague rule", access.objection.emergency),
                "when an emergency sets an objection aside must be certain",
                "use only-if-the-person-chose-it, never or always",
            ));
        }
        if DenialWording::from_code(&access.denial_wording).is_none() {
            faults.push(fault(
                "access.denial_wording",
                format!("{:?} is a vague rule", access.denial_wording),
                "what a denial tells must be certain",
                "use neutral or full",
            ));
        }
        if let Err(why) = access.settings().check() {
            faults.push(fault(
                "access",
                "takes a protection away".into(),
                &why.to_string(),
                "change the settings that the sentence above names",
            ));
        }
        self.role_faults(faults);
    }

    fn role_faults(&self, faults: &mut Vec<Fault>) {
        let signin = &self.signin;
        if signin.roles.is_empty() {
            faults.push(fault(
                "signin.roles",
                "is an empty group: no national role is any role here".into(),
                "nobody could sign in by the provider's word",
                "leave the key out to get the national roles, or name some",
            ));
        }
        for (name, text) in [
            ("signin.claims.user_id", &signin.claims.user_id),
            ("signin.claims.roles", &signin.claims.roles),
            (
                "signin.claims.break_seal_activity",
                &signin.claims.break_seal_activity,
            ),
        ] {
            if text.trim().is_empty() {
                faults.push(fault(
                    name,
                    "is empty: a vague rule".into(),
                    "which claim or activity counts would be nobody's decision",
                    "name one, or leave the key out",
                ));
            }
        }
        for (place, entry) in signin.roles.iter().enumerate() {
            let at = entry.at.as_deref();
            let key = format!("signin.roles, line {}", place + 1);
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            if entry.code.is_empty() || !entry.code.bytes().all(plain) {
                faults.push(fault(
                    &key,
                    format!("the code {:?} is a vague rule", entry.code),
                    "codes are compared whole: this would fit nothing, or what nobody meant",
                    "write one national role code, such as R8000",
                ));
            }
            if at.is_some_and(|at| OrganisationKind::from_prefix(at).is_none()) {
                faults.push(fault(
                    &key,
                    format!("{:?} is no kind of organisation", at.unwrap_or_default()),
                    "the line would never count",
                    "use practice, trust, community, mh, council, carehome, pharmacy, ambulance or programme",
                ));
            }
            let before = signin.roles.iter().take(place).position(|one| {
                one.code == entry.code
                    && one.role != entry.role
                    && (one.at.is_none() || one.at.as_deref() == at)
            });
            if let Some(before) = before {
                faults.push(fault(
                    &key,
                    format!("{} is contradicted by line {}", entry.code, before + 1),
                    "the first line that fits counts, so this override never holds",
                    "put the line for one kind of organisation before the one for any, or take one out",
                ));
            }
            let of_people = matches!(
                Role::from_code(&entry.role),
                Some(Role::Patient | Role::Proxy)
            );
            if of_people && signin.minimum_identity_level < 3 {
                faults.push(fault(
                    &key,
                    "binds a person's choices to an identity that nobody verified".into(),
                    "whoever signs in so could choose for somebody else",
                    "set signin.minimum_identity_level to 3 or more, or take the line out",
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    /// A change of the example, the key it is refused under, and words of the reason.
    #[test]
    fn every_unsafe_rule_is_refused_with_its_named_reason() {
        let table: [(&str, &str, &str, &str); 22] = [
            (
                "[access]",
                "[access]\nappointment_days_past = -90",
                "access.appointment_days_past",
                "inverted window",
            ),
            (
                "[access]",
                "[access]\nappointment_days_ahead = -1",
                "access.appointment_days_ahead",
                "inverted window",
            ),
            (
                "[access]",
                "[access]\ndays_after_death = -28",
                "access.days_after_death",
                "inverted window",
            ),
            (
                "[access]",
                "[access]\nappointment_days_ahead = 4000",
                "access",
                "protection away",
            ),
            (
                "[access]",
                "[access]\ndays_after_care = 1000",
                "access",
                "protection away",
            ),
            (
                "[access]",
                "[access]\nself_claim_hours = 0",
                "access",
                "protection away",
            ),
            (
                "[access]",
                "[access]\nemergency_minutes = 100000",
                "access",
                "protection away",
            ),
            (
                "[access]",
                "[access]\ndenial_wording = \"some\"",
                "access.denial_wording",
                "vague",
            ),
            (
                "[access]",
                "[access.objection]\nemergency = \"sometimes\"\n[access]",
                "access.objection.emergency",
                "vague",
            ),
            (
                "permission = \"ask\"",
                "permission = \"implied\"\nobjection = { emergency = \"always\" } #",
                "access",
                "protection away",
            ),
            (
                "permission = \"ask\"",
                "permission = \"implied\"\nobjection = { pending_restricts = false } #",
                "access",
                "protection away",
            ),
            (
                "absolute_hours = 12",
                "absolute_hours = 12\nroles = []",
                "signin.roles",
                "empty group",
            ),
            (
                "absolute_hours = 12",
                "absolute_hours = 12\nroles = [{ code = \"*\", role = \"gp\" }]",
                "signin.roles, line 1",
                "vague",
            ),
            (
                "absolute_hours = 12",
                "absolute_hours = 12\nroles = [{ code = \"\", role = \"gp\" }]",
                "signin.roles, line 1",
                "vague",
            ),
            (
                "absolute_hours = 12",
                "absolute_hours = 12\nroles = [{ code = \"R1\", at = \"ward\", role = \"gp\" }]",
                "signin.roles, line 1",
                "no kind",
            ),
            (
                "absolute_hours = 12",
                "absolute_hours = 12\nroles = [{ code = \"R1\", role = \"gp\" }, { code = \"R1\", at = \"mh\", role = \"pharmacist\" }]",
                "signin.roles, line 2",
                "contradicted by line 1",
            ),
            (
                "absolute_hours = 12",
                "absolute_hours = 12\nroles = [{ code = \"R1\", role = \"patient\" }]",
                "signin.roles, line 1",
                "nobody verified",
            ),
            (
                "absolute_hours = 12",
                "absolute_hours = 12\nclaims = { user_id = \"\" }",
                "signin.claims.user_id",
                "vague",
            ),
            (
                "absolute_hours = 12",
                "absolute_hours = 12\nclaims = { break_seal_activity = \" \" }",
                "signin.claims.break_seal_activity",
                "vague",
            ),
            (
                "[tokens]",
                "[[staff.groups]]\nname = \"\"\nrole = \"gp\"\norganisation = \"X9T01\"\n[tokens]",
                "staff.groups",
                "without a name",
            ),
            (
                "[tokens]",
                "[[staff.groups]]\nname = \"a\"\nrole = \"wizard\"\norganisation = \"X9T01\"\n[tokens]",
                "staff.groups",
                "no role",
            ),
            (
                "absolute_hours = 12",
                "absolute_hours = 12\nsigning_algorithms = [\"HS256\"]",
                "signin.signing_algorithms",
                "public key",
            ),
        ];
        for (safe, changed, key, words) in table {
            assert!(Config::example().contains(safe), "the example has {safe}");
            let text = Config::example().replacen(safe, changed, 1);
            let config: Config =
                toml::from_str(&text).unwrap_or_else(|why| panic!("{changed}: {why}"));
            let found = config.faults();
            let fault = found
                .iter()
                .find(|fault| fault.key == key && fault.what.contains(words));
            let fault = fault.unwrap_or_else(|| panic!("{changed}: {found:?}"));
            assert!(!fault.why.is_empty() && !fault.mend.is_empty(), "{fault:?}");
        }
    }
}
