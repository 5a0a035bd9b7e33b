//! Random facts in the JSON form. Early rules pass more often than chance would have it, so that
//! the late ones are reached.

use serde_json::{Value, json};

/// A small generator (xorshift64*), so that a seed means the same everywhere.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33
    }

    /// True once in so many throws.
    fn once_in(&mut self, throws: u64) -> bool {
        self.next().is_multiple_of(throws)
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[(self.next() as usize) % of.len()]
    }

    fn some<'a>(&mut self, of: &[&'a str], once_in: u64) -> Vec<&'a str> {
        of.iter()
            .copied()
            .filter(|_| self.once_in(once_in))
            .collect()
    }
}

const ROLES: &[&str] = &[
    "gp",
    "hospital_doctor",
    "mental_health_practitioner",
    "hospital_nurse",
    "district_nurse",
    "ambulance_clinician",
    "occupational_therapist",
    "pharmacist",
    "student_clinician",
    "healthcare_assistant",
    "social_worker",
    "amhp",
    "care_home_staff",
    "admin_clerical",
    "safeguarding_lead",
    "privacy_officer",
    "caldicott_guardian",
    "system_admin",
    "analyst",
    "patient",
    "proxy",
    "wizard",
];
const ORGANISATIONS: &[&str] = &[
    "practice-ab1",
    "practice-cd2",
    "trust-ef3",
    "council-gh4",
    "council-ij5",
    "mh-kl6",
    "carehome-mn7",
    "pharmacy-op8",
    "community-qr9",
];
const RELATIONSHIPS: &[&str] = &[
    "registered_gp",
    "registered_gp",
    "inpatient",
    "inpatient",
    "ed_attendance",
    "appointment",
    "appointment",
    "open_referral",
    "caseload",
    "care_home_resident",
    "ambulance_incident",
    "self_claimed",
    "self_claimed",
    "self",
    "parental_responsibility",
    "none",
    "none",
];
const PERMISSIONS: &[&str] = &[
    "given",
    "given",
    "standing",
    "given_by_attorney",
    "given_by_parent",
    "refused",
    "not_asked",
    "unable",
    "unable",
    "unable",
    "not_present",
    "not_applicable",
];
const JUSTIFICATIONS: &[&str] = &[
    "explicit_consent",
    "best_interest",
    "best_interest",
    "best_interest",
    "legal_requirement",
    "overriding_public_interest",
    "vital_interests",
    "self_claim",
    "restricted_record",
    "safeguarding",
    "curiosity",
];
const PURPOSES: &[&str] = &[
    "care_admin",
    "safeguarding_investigation",
    "legal_requirement",
    "public_interest",
    "audit_review",
    "self_view",
    "proxy_view",
    "research",
    "marketing",
];
const CHOICES: &[&str] = &[
    "none",
    "none",
    "none",
    "none",
    "objected",
    "objected_except_emergency",
    "unknown",
];
const STATUSES: &[&str] = &["decided", "decided", "pending", "not_upheld"];
const LEVELS: &[&str] = &[
    "normal",
    "statutory_excluded",
    "rcgp_sensitive",
    "sealed",
    "sealed_locked",
];
const SCOPES: &[&str] = &["location", "allergies", "mental_health", "legal"];

pub fn facts(dice: &mut Dice) -> Value {
    let purpose = if dice.once_in(3) {
        dice.pick(PURPOSES)
    } else {
        "direct_care"
    };
    let mut facts = json!({
        "user": user(dice, purpose),
        "patient": patient(dice),
        "relationship": relationship(dice),
        "purpose": purpose,
        "permission": dice.pick(PERMISSIONS),
        "emergency": dice.once_in(2),
        "choice": {
            "connect_care": dice.pick(CHOICES), "status": dice.pick(STATUSES),
            "blocked_orgs": dice.some(ORGANISATIONS, 40),
            "withheld_sources": dice.some(ORGANISATIONS, 8),
            "gp_dissent": dice.once_in(4),
        },
        "sensitivity_present": dice.some(LEVELS, 3),
        "break_glass": break_glass(dice),
    });
    if !dice.once_in(4) {
        facts["case_ref"] = json!("CASE-1");
    }
    if !dice.once_in(3) {
        facts["legal_instrument"] = json!("court order");
    }
    if !dice.once_in(3) {
        facts["public_interest_test"] = json!("approved");
    }
    if !dice.once_in(4) {
        facts["scope"] = json!(dice.some(SCOPES, 2));
    }
    if dice.once_in(2) {
        facts["deployment_policy"] = json!({"permission": dice.pick(&["ask", "implied"])});
    }
    facts
}

/// Often a role that may have the purpose, so that later rules are reached.
fn user(dice: &mut Dice, purpose: &str) -> Value {
    let role = match purpose {
        _ if dice.once_in(6) => dice.pick(ROLES),
        "care_admin" => dice.pick(&ROLES[..14]),
        "safeguarding_investigation" => "safeguarding_lead",
        "legal_requirement" | "public_interest" | "audit_review" => "caldicott_guardian",
        "self_view" => "patient",
        "proxy_view" => "proxy",
        _ => dice.pick(&ROLES[..13]),
    };
    json!({
        "role": role,
        "org": dice.pick(ORGANISATIONS),
        "authenticated": !dice.once_in(60),
        "org_participating": !dice.once_in(60),
        "is_the_patient": if purpose == "self_view" { !dice.once_in(3) } else { dice.once_in(60) },
        "declared_family_of_patient": dice.once_in(6),
        "can_break_seal": dice.once_in(2),
        "request_origin": if dice.once_in(6) { "federated" } else { "local" },
        "assertion_missing": dice.some(&["purpose", "role"], 10),
    })
}

fn patient(dice: &mut Dice) -> Value {
    let deceased = dice.once_in(6);
    let mut patient = json!({
        "age": dice.next() % 40,
        "deceased": deceased,
        "flags": dice.some(&["pds_restricted", "heightened_monitoring"], 4),
        "gillick_competent": dice.once_in(4),
        "proxy_agreed": dice.once_in(3),
        "capacity": dice.pick(&["has", "lacks"]),
    });
    if deceased && !dice.once_in(10) {
        patient["days_since_death"] = json!(26 + dice.next() % 4);
    }
    patient
}

fn relationship(dice: &mut Dice) -> Value {
    let kind = dice.pick(RELATIONSHIPS);
    let mut relationship = json!({"type": kind, "verified": !dice.once_in(30)});
    if kind == "appointment" {
        let edges = [-91, -90, -89, 0, 1, 13, 14, 15];
        relationship["days_from_now"] = json!(edges[(dice.next() as usize) % edges.len()]);
    }
    relationship
}

fn break_glass(dice: &mut Dice) -> Value {
    let mut glass = json!({"requested": !dice.once_in(4)});
    if !dice.once_in(6) {
        glass["justification"] = json!(dice.pick(JUSTIFICATIONS));
    }
    if !dice.once_in(5) {
        glass["reason"] = json!(dice.pick(&["a reason", "another", "a third", " "]));
    }
    if dice.once_in(3) {
        glass["target"] = json!("seal");
    }
    glass
}
