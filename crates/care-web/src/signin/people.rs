//! People who are not staff: claims shaped by NHS login. How strongly somebody proved who they are
//! (`identity_proofing_level`, and the vector of trust `vot`), and what follows from it. Pure.
//!
//! P9 (photo proof) sees the record; P5 (details match, no proof) sees how to get help and is asked to
//! prove who they are; anything lower is refused. Source: NHS login, "vectors of trust" (RFC 8485).

use care_core::vocabulary::{NhsNumber, OrganisationKind, Role};
use care_record::Directory;
use serde_json::{Map, Value};

use super::claims::{Identity, Profile};
use crate::config::Signin;

/// The level at which somebody may see a record.
pub const PROVED: &str = "P9";

/// What an unproved sign-in is called before the user id: to the record it is somebody else, who has
/// no record and acts for nobody.
pub const UNPROVED: &str = "unproved ";

/// The vectors of trust that are accepted unless a deployment says otherwise: proof P9 or P5, with two
/// factors.
pub fn vectors() -> Vec<String> {
    let factors = ["Cp.Cd", "Cp.Ck", "Cm"];
    [PROVED, "P5"]
        .iter()
        .flat_map(|proof| {
            factors
                .iter()
                .map(move |factor| format!("{proof}.{factor}"))
        })
        .collect()
}

/// Whether these claims are of somebody who is not staff.
pub fn are(claims: &Map<String, Value>) -> bool {
    claims.contains_key("vot")
}

/// The vector of trust, where it is accepted and the level of proof says the same. Only the signed
/// token can say the vector.
///
/// Errors: why not, without personal data. A level above or below the vector's is refused: one of the
/// two was changed on the way.
pub fn assurance(
    token: &Map<String, Value>,
    all: &Map<String, Value>,
    settings: &Signin,
) -> Result<String, &'static str> {
    let vector = token.get("vot").and_then(Value::as_str).unwrap_or_default();
    if !settings.accepted_vectors.iter().any(|one| one == vector) {
        return Err("the vector of trust is not accepted");
    }
    let level = all.get("identity_proofing_level").and_then(Value::as_str);
    if level != Some(proof_of(vector)) {
        return Err("the level of identity proof is not the vector of trust's");
    }
    Ok(vector.to_owned())
}

fn proof_of(vector: &str) -> &str {
    vector.split('.').next().unwrap_or_default()
}

/// The identity these claims describe: a patient, or, for somebody without a number of their own, one
/// who only acts for others. `None` where nobody is named or no programme takes part.
pub fn identity(
    claims: &Map<String, Value>,
    settings: &Signin,
    directory: &Directory,
) -> Option<Identity> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
    let number = |text: &str| NhsNumber::parse(text).ok().map(NhsNumber::digits);
    let id = text("sub")?;
    let programme = directory
        .organisations()
        .filter(|one| one.kind == OrganisationKind::Programme)
        .min_by_key(|one| one.ods.as_str().to_owned())?;
    let own_number = text(&settings.claims.own_number)
        .as_deref()
        .and_then(number);
    let role = if own_number.is_some() {
        Role::Patient
    } else {
        Role::Proxy
    };
    let names = [text("given_name"), text("family_name")];
    let joined = names.into_iter().flatten().collect::<Vec<_>>().join(" ");
    let name = text(&settings.claims.name).or((!joined.is_empty()).then_some(joined));
    let family = claims
        .get(&settings.claims.family_numbers)
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    Some(Identity {
        name: name.unwrap_or_else(|| id.clone()),
        own_number,
        family_numbers: family
            .iter()
            .filter_map(Value::as_str)
            .filter_map(number)
            .collect(),
        profiles: vec![Profile {
            id: format!("{id}-person"),
            role: role.code().to_owned(),
            organisation: programme.ods.to_string(),
            can_break_seal: false,
        }],
        selected: None,
        states_roles: true,
        proof: Some(text("vot").as_deref().map_or("", proof_of).to_owned()),
        birth_date: text("birthdate"),
        id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn settings() -> Signin {
        let place = std::path::Path::new("nowhere");
        crate::cli::demo_config::of(place, 8080, 2575)
            .expect("a configuration")
            .signin
    }

    fn claims(value: Value) -> Map<String, Value> {
        value.as_object().expect("an object").clone()
    }

    #[test]
    fn a_level_that_does_not_fit_its_vector_or_is_too_low_is_refused() {
        let settings = settings();
        // Vector in the token, level claimed, whether somebody comes in.
        for (vector, level, accepted) in [
            ("P9.Cp.Cd", "P9", true),
            ("P9.Cm", "P9", true),
            ("P5.Cp.Cd", "P5", true),
            ("P5.Cp.Cd", "P9", false),
            ("P9.Cp.Cd", "P5", false),
            ("P0.Cp.Cd", "P0", false),
            ("P9", "P9", false),
            ("P9.Cp", "P9", false),
            ("p9.cp.cd", "P9", false),
            ("", "P9", false),
        ] {
            let token = claims(json!({ "vot": vector }));
            let all = claims(json!({ "vot": vector, "identity_proofing_level": level }));
            let answer = assurance(&token, &all, &settings);
            assert_eq!(answer.is_ok(), accepted, "{vector} {level}");
        }
        // What the user information address adds cannot raise the vector.
        let all = claims(json!({ "vot": "P9.Cp.Cd", "identity_proofing_level": "P9" }));
        assert!(assurance(&Map::new(), &all, &settings).is_err());
        let no_level = claims(json!({ "vot": "P9.Cp.Cd" }));
        assert!(assurance(&no_level, &no_level, &settings).is_err());
    }

    #[test]
    fn an_unproved_sign_in_carries_no_number_and_is_somebody_else_to_the_record() {
        let settings = settings();
        let config = crate::cli::demo_config::of(std::path::Path::new("nowhere"), 8080, 2575);
        let directory = config.expect("a configuration").directory();
        let of = |vector: &str| {
            let claims = claims(json!({
                "sub": "maya", "vot": vector, "nhs_number": "9990000131",
                "family_nhs_numbers": ["9990000050"], "given_name": "Maya",
                "family_name": "Patel", "birthdate": "1996-05-01",
            }));
            let identity = identity(&claims, &settings, &directory).expect("somebody");
            let user = identity.user(&identity.profiles[0]).expect("a user");
            (identity.name.clone(), user)
        };
        let (name, proved) = of("P9.Cp.Cd");
        assert_eq!((name.as_str(), proved.id.as_str()), ("Maya Patel", "maya"));
        assert!(proved.own_number.is_some() && proved.family_numbers.len() == 1);
        let (_, unproved) = of("P5.Cp.Cd");
        assert_eq!(unproved.id, "unproved maya");
        assert!(unproved.own_number.is_none() && unproved.family_numbers.is_empty());
    }
}
