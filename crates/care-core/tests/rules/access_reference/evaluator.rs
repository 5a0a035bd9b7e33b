//! Section 8.3 of the access model, line by line, on JSON. Long and flat on purpose: it is read
//! beside the text. It shares nothing with the rules it checks.

use serde_json::{Value, json};
use std::collections::BTreeSet;

const ORDER: &[&str] = &[
    "demographics",
    "location",
    "about_me",
    "alerts",
    "allergies",
    "medications",
    "problems",
    "vaccinations",
    "results",
    "encounters",
    "documents",
    "gp_consultations",
    "mental_health",
    "social_care",
    "care_plans",
    "safeguarding",
    "legal",
    "contacts",
    "access_log",
];

const CARE: &[&str] = &[
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
];

fn matrix(role: &str) -> Vec<&'static str> {
    let social_worker = "demographics location about_me alerts allergies medications problems \
         vaccinations encounters social_care care_plans safeguarding legal contacts";
    let listed = match role {
        "social_worker" => social_worker.to_owned(),
        "amhp" => format!("{social_worker} documents mental_health"),
        "pharmacist" => "demographics location alerts allergies medications problems vaccinations \
                         results encounters documents"
            .to_owned(),
        "care_home_staff" => "demographics location about_me alerts allergies medications results \
             encounters documents social_care care_plans safeguarding legal contacts"
            .to_owned(),
        "healthcare_assistant" => "demographics location about_me alerts allergies encounters \
                                   care_plans contacts"
            .to_owned(),
        "admin_clerical" => "demographics location encounters contacts".to_owned(),
        "student_clinician" => "demographics alerts allergies medications problems vaccinations \
                                results encounters"
            .to_owned(),
        "patient" => ORDER.join(" "),
        "proxy" => ORDER.join(" ").replace("safeguarding ", ""),
        "occupational_therapist" => ORDER[..18].join(" ").replace("gp_consultations ", ""),
        _ => ORDER[..18].join(" "),
    };
    let listed: BTreeSet<&str> = listed.split_whitespace().collect();
    ORDER
        .iter()
        .copied()
        .filter(|category| listed.contains(category))
        .collect()
}

pub fn evaluate(facts: &Value) -> Value {
    let user = &facts["user"];
    let patient = &facts["patient"];
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let is = |value: &Value| value.as_bool() == Some(true);
    let list = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().map(&text).collect()
    };
    let role = text(&user["role"]);
    let purpose = text(&facts["purpose"]);
    let permission = text(&facts["permission"]);
    let present = list(&facts["sensitivity_present"]);
    let patient_flags = list(&patient["flags"]);
    let restricted = patient_flags.contains(&"pds_restricted".to_owned());
    let watched = patient_flags.contains(&"heightened_monitoring".to_owned());
    let child = patient["age"].as_i64().unwrap_or(99) < 16;
    let gillick = is(&patient["gillick_competent"]);

    let glass = &facts["break_glass"];
    let requested = is(&glass["requested"]);
    let reasoned = requested && !text(&glass["reason"]).trim().is_empty();
    let justification = text(&glass["justification"]);

    // A relationship only a system can verify, not verified, is none; so are ties that are no care.
    let mut relationship = text(&facts["relationship"]["type"]);
    let verified_kind = !["self_claimed", "self", "parental_responsibility", "none"]
        .contains(&relationship.as_str());
    if verified_kind && !is(&facts["relationship"]["verified"]) {
        relationship = "none".to_owned();
    }
    let verified = verified_kind && relationship != "none";

    let mut flags: BTreeSet<&str> = BTreeSet::new();
    let mut broken = false;

    let deny = |reason: &str, flags: &BTreeSet<&str>| {
        let mut flags = flags.clone();
        flags.insert("denied-attempt");
        if flags.contains("heightened-monitoring") {
            flags.insert("review-required");
        }
        json!({"decision": "deny", "reason": reason, "visible_categories": [],
               "hidden_sources": [], "withheld_notice": false, "audit_flags": flags})
    };
    let allow = |broken: bool,
                 seen: Vec<&str>,
                 hidden: Vec<String>,
                 notice: bool,
                 flags: &BTreeSet<&str>| {
        let decision = if broken {
            "allow-with-break-glass"
        } else {
            "allow"
        };
        let seen: Vec<&str> = seen
            .into_iter()
            .filter(|it| !(restricted && *it == "location" && purpose != "self_view"))
            .collect();
        json!({"decision": decision, "reason": "ok", "visible_categories": seen,
               "hidden_sources": hidden, "withheld_notice": notice, "audit_flags": flags})
    };
    let sign = present
        .iter()
        .any(|level| level == "rcgp_sensitive" || level == "sealed");

    // 1
    if text(&user["request_origin"]) == "federated" {
        flags.insert("federated");
    }
    if !is(&user["authenticated"]) {
        return deny("not-authenticated", &flags);
    }
    if !is(&user["org_participating"]) {
        return deny("org-not-participating", &flags);
    }
    if flags.contains("federated") && !list(&user["assertion_missing"]).is_empty() {
        return deny("incomplete-assertion", &flags);
    }
    // 2
    if is(&user["is_the_patient"]) && purpose != "self_view" {
        flags.extend(["own-record-attempt", "review-required"]);
        return deny("own-record", &flags);
    }
    // 3
    let roles: Vec<&str> = match purpose.as_str() {
        "direct_care" => CARE.to_vec(),
        "care_admin" => [CARE, &["admin_clerical"]].concat(),
        "safeguarding_investigation" => vec!["safeguarding_lead"],
        "legal_requirement" | "public_interest" => vec!["caldicott_guardian"],
        "audit_review" => vec!["privacy_officer", "caldicott_guardian"],
        "self_view" => vec!["patient"],
        "proxy_view" => vec!["proxy"],
        _ => return deny("purpose-not-permitted", &flags),
    };
    if !roles.contains(&role.as_str()) {
        return deny("role-not-permitted-for-purpose", &flags);
    }
    if purpose == "self_view" && !is(&user["is_the_patient"]) && relationship != "self" {
        return deny("role-not-permitted-for-purpose", &flags);
    }
    // 4
    if purpose == "audit_review" {
        return allow(false, vec!["access_log"], vec![], false, &flags);
    }
    if purpose == "self_view" {
        return allow(false, matrix("patient"), vec![], sign, &flags);
    }
    if purpose == "proxy_view" {
        let agreed = is(&patient["proxy_agreed"]);
        if (!child || gillick) && !agreed {
            return deny("proxy-not-authorised", &flags);
        }
        if relationship == "none" && !agreed {
            return deny("proxy-not-authorised", &flags);
        }
        return allow(false, matrix("proxy"), vec![], sign, &flags);
    }
    // 5
    if [
        "safeguarding_investigation",
        "legal_requirement",
        "public_interest",
    ]
    .contains(&purpose.as_str())
    {
        if text(&facts["case_ref"]).is_empty() {
            return deny("case-reference-required", &flags);
        }
        if purpose == "legal_requirement" && text(&facts["legal_instrument"]).is_empty() {
            return deny("legal-instrument-required", &flags);
        }
        if purpose == "public_interest" && text(&facts["public_interest_test"]) != "approved" {
            return deny("approval-required", &flags);
        }
        flags.insert("review-required");
        if is(&patient["deceased"]) {
            flags.insert("deceased");
        }
        if purpose == "safeguarding_investigation" {
            flags.insert("safeguarding-override");
            return allow(true, ORDER[..18].to_vec(), vec![], sign, &flags);
        }
        flags.insert(if purpose == "legal_requirement" {
            "legal-disclosure"
        } else {
            "public-interest-disclosure"
        });
        let scope = list(&facts["scope"]);
        let seen = ORDER
            .iter()
            .copied()
            .filter(|it| scope.contains(&(*it).to_owned()))
            .collect();
        return allow(false, seen, vec![], sign, &flags);
    }
    // 6
    if watched {
        flags.insert("heightened-monitoring");
    }
    if is(&patient["deceased"]) {
        let lately = patient["days_since_death"]
            .as_i64()
            .is_some_and(|days| days <= 28);
        if !(verified && lately) {
            return deny("deceased-no-basis", &flags);
        }
        flags.insert("deceased");
    }
    // 7
    let right = CARE.contains(&role.as_str())
        && ![
            "care_home_staff",
            "healthcare_assistant",
            "student_clinician",
        ]
        .contains(&role.as_str());
    let best_interest = reasoned && justification == "best_interest";
    let emergency = is(&facts["emergency"]) && permission == "unable" && best_interest && right;
    let family = is(&user["declared_family_of_patient"]);
    match relationship.as_str() {
        "none" | "self" | "parental_responsibility" => {
            if !emergency {
                return deny("no-legitimate-relationship", &flags);
            }
            broken = true;
            flags.extend(["break-glass-emergency", "review-required"]);
        }
        "self_claimed" => {
            if family {
                flags.extend(["possible-family-access", "review-required"]);
                return deny("family-self-claim", &flags);
            }
            if !reasoned {
                return deny("break-glass-required", &flags);
            }
            broken = true;
            flags.extend(["self-claimed-relationship", "review-required"]);
        }
        _ => {
            let days = facts["relationship"]["days_from_now"]
                .as_i64()
                .unwrap_or(999);
            if relationship == "appointment" && !(-90..=14).contains(&days) {
                return deny("relationship-expired", &flags);
            }
            if family {
                flags.extend(["possible-family-access", "review-required"]);
            }
        }
    }
    // 8
    let choice = &facts["choice"];
    let state = text(&choice["connect_care"]);
    let status = text(&choice["status"]);
    if list(&choice["blocked_orgs"]).contains(&text(&user["org"])) {
        return deny("org-blocked-by-patient", &flags);
    }
    if state == "unknown" {
        flags.insert("choice-unknown");
        if !emergency {
            return deny("choice-unknown", &flags);
        }
        broken = true;
        flags.insert("review-required");
    }
    if state.starts_with("objected") {
        if status == "not_upheld" {
            flags.insert("objection-not-upheld");
        } else if state == "objected_except_emergency" && emergency {
            broken = true;
            flags.extend(["objection-overridden-emergency", "review-required"]);
        } else if permission == "given" && reasoned && justification == "explicit_consent" {
            broken = true;
            flags.extend(["objection-overridden-consent", "review-required"]);
        } else if status == "pending" {
            return deny("objection-pending", &flags);
        } else {
            return deny("patient-objected", &flags);
        }
    }
    // 9
    if purpose == "direct_care" {
        let ask = text(&facts["deployment_policy"]["permission"]) != "implied";
        match permission.as_str() {
            "refused" => return deny("permission-refused", &flags),
            "not_asked" | "not_applicable" if ask => return deny("ask-permission", &flags),
            "unable" => {
                if !best_interest {
                    return deny("break-glass-required", &flags);
                }
                if !right {
                    return deny("role-not-permitted-for-purpose", &flags);
                }
                broken = true;
                flags.extend(["best-interest", "review-required"]);
            }
            "not_present" => {
                flags.insert("patient-absent");
            }
            "given_by_parent" if !child || gillick => return deny("ask-permission", &flags),
            _ => {}
        }
    }
    // 10
    let mut seen = matrix(&role);
    if role == "student_clinician" {
        flags.insert("supervised");
    }
    let mut hidden = Vec::new();
    let mut notice = false;
    let registered = text(&user["org"]).starts_with("practice-") && relationship == "registered_gp";
    if is(&choice["gp_dissent"]) && !registered {
        seen.retain(|it| *it != "gp_consultations");
        hidden.push("gp".to_owned());
        notice = true;
    }
    for source in list(&choice["withheld_sources"]) {
        if source != text(&user["org"]) {
            if source.starts_with("council-") {
                seen.retain(|it| *it != "social_care");
            }
            hidden.push(source);
            notice = true;
        }
    }
    // 11
    if present.contains(&"rcgp_sensitive".to_owned()) {
        notice = true;
    }
    if present.contains(&"sealed".to_owned()) {
        let grounds = [
            "explicit_consent",
            "legal_requirement",
            "overriding_public_interest",
            "vital_interests",
        ];
        if !(requested && text(&glass["target"]) == "seal") {
            notice = true;
        } else if is(&user["can_break_seal"]) && grounds.contains(&justification.as_str()) {
            broken = true;
            flags.extend(["seal-broken", "review-required"]);
        } else {
            notice = true;
            flags.extend(["seal-break-refused", "review-required"]);
        }
    }
    // 12
    if restricted {
        if !reasoned {
            return deny("break-glass-required", &flags);
        }
        broken = true;
        flags.extend(["restricted-demographics", "review-required"]);
    }
    allow(broken, seen, hidden, notice, &flags)
}
