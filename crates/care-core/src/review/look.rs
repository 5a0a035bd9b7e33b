//! Rules about one look: who looked, at whom, and whether care was near.

use super::Kind;

/// Something to review, with the reason in a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// The rule.
    pub kind: Kind,
    /// Why it speaks, for the reviewer. Names nobody.
    pub why: String,
}

/// What is known of one look. Texts are folded by `patient_index`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LookFacts {
    /// The user's surname; empty: not known.
    pub user_family: String,
    /// The surnames that the sources give for the person.
    pub person_families: Vec<String>,
    /// The user's own address is the person's.
    pub same_address: bool,
    /// The person is the user.
    pub own_record: bool,
    /// The user's organisation.
    pub user_organisation: String,
    /// Where the person works, if they are a user here.
    pub person_works_for: Option<String>,
    /// The user's organisation has a part in the person's care near the time; `None`: that could not
    /// be found out.
    pub care_near: Option<bool>,
}

/// What the rules about one look say.
pub fn of_one_look(facts: &LookFacts) -> Vec<Alert> {
    let mut alerts = Vec::new();
    let mut say = |kind, why: &str| {
        alerts.push(Alert {
            kind,
            why: why.to_owned(),
        });
    };
    if facts.own_record {
        say(Kind::OwnRecord, "The record is the user's own.");
        return alerts;
    }
    if !facts.user_family.is_empty() && facts.person_families.contains(&facts.user_family) {
        say(
            Kind::SameSurname,
            "The user and the person have the same surname.",
        );
    }
    if facts.same_address {
        say(
            Kind::SameAddress,
            "The user's own record has the same address as the person's.",
        );
    }
    if facts.person_works_for.as_deref() == Some(&facts.user_organisation) {
        say(
            Kind::Colleague,
            "The person works for the user's own organisation.",
        );
    }
    if facts.care_near == Some(false) {
        say(
            Kind::NoEncounter,
            "The user's organisation has no admission, attendance, appointment, referral or \
             registration of the person within the days around the look.",
        );
    }
    alerts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordinary() -> LookFacts {
        LookFacts {
            user_family: "osei".into(),
            person_families: vec!["patel".into()],
            user_organisation: "RJ1".into(),
            care_near: Some(true),
            ..LookFacts::default()
        }
    }

    #[test]
    fn each_fact_raises_its_own_rule_and_an_ordinary_look_none() {
        let kinds = |facts: &LookFacts| -> Vec<Kind> {
            let alerts = of_one_look(facts);
            assert!(alerts.iter().all(|alert| alert.why.ends_with('.')));
            alerts.into_iter().map(|alert| alert.kind).collect()
        };
        assert_eq!(kinds(&ordinary()), []);
        assert_eq!(kinds(&LookFacts::default()), [], "nothing known");
        #[rustfmt::skip]
        let table = [
            (LookFacts { person_families: vec!["x".into(), "osei".into()], ..ordinary() }, Kind::SameSurname),
            (LookFacts { same_address: true, ..ordinary() }, Kind::SameAddress),
            (LookFacts { person_works_for: Some("RJ1".into()), ..ordinary() }, Kind::Colleague),
            (LookFacts { own_record: true, same_address: true, ..ordinary() }, Kind::OwnRecord),
            (LookFacts { care_near: Some(false), ..ordinary() }, Kind::NoEncounter),
        ];
        for (facts, expected) in table {
            assert_eq!(kinds(&facts), [expected]);
        }
        let elsewhere = LookFacts {
            person_works_for: Some("RV5".into()),
            care_near: None,
            ..ordinary()
        };
        assert_eq!(kinds(&elsewhere), [], "another employer; not found out");
    }
}
