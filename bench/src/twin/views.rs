//! What somebody may read of each person, by the rules.

use super::*;

/// What somebody may read of each person, by the rules.
pub struct Views {
    pub who: Who,
    pub views: HashMap<PersonId, View>,
    pub joined: HashMap<i64, i64>,
}

impl Views {
    pub fn of(world: &World, known: &Known, who: Who) -> Self {
        let mut views = HashMap::new();
        let restricted: HashSet<PersonId> = world
            .query("SELECT person FROM person_flag WHERE flag = 'restricted'")
            .iter()
            .map(|row| PersonId(row[0].parse().expect("a person")))
            .collect();
        if let Who::Person(user) = who {
            for (number, person) in &known.people {
                if known.open[user.id].contains(person) {
                    let is_restricted = restricted.contains(person);
                    views.insert(*person, view(user, number, is_restricted));
                }
            }
        }
        let joined = world
            .query("SELECT person, joined_into FROM person WHERE joined_into IS NOT NULL")
            .iter()
            .map(|row| {
                (
                    row[0].parse().expect("a person"),
                    row[1].parse().expect("a person"),
                )
            })
            .collect();
        Self { who, views, joined }
    }

    /// Whose record is read without what says where they are.
    pub fn without_places(&self) -> HashSet<String> {
        let all = self.views.iter();
        all.filter(|(_, view)| !view.categories().contains(Category::Location))
            .map(|(person, _)| person.to_string())
            .collect()
    }

    pub fn of_row(&self, row: &Row) -> Option<View> {
        match self.who {
            Who::Source(feed, ods) => {
                let source = SourceCode::parse(ods).expect("a source");
                let supplier = Supplier::configured(feed, &source).expect("a supplier");
                Some(access::supplier_view(&supplier))
            }
            Who::Person(_) => {
                let mut person = row.person;
                while let Some(into) = self.joined.get(&person) {
                    person = *into;
                }
                self.views.get(&PersonId(person as u64)).cloned()
            }
        }
    }

    /// Things about nobody are no person's; and who people are is known to whoever may look for them.
    pub fn always(&self, row: &Row) -> bool {
        matches!(self.who, Who::Person(_))
            && (row.person < 0
                || (row.kind == ResourceType::PATIENT.number() && self.of_row(row).is_none()))
    }
}

/// The view of the rules for a user whose relationship and permission are beyond doubt.
fn view(user: &InventedUser, number: &str, is_restricted: bool) -> View {
    let organisation = care_synthetic::organisation(user.organisation).expect("an organisation");
    let purpose = match user.role {
        "patient" => "self_view",
        "proxy" => "proxy_view",
        "admin_clerical" => "care_admin",
        _ => "direct_care",
    };
    let relationship = match (user.role, organisation.kind) {
        ("patient", _) => "self",
        ("proxy", _) => "parental_responsibility",
        (_, "practice") => "registered_gp",
        _ => "open_referral",
    };
    let age = cast()
        .iter()
        .find(|one| one.nhs_number == number)
        .map_or(50, |one| one.age_years);
    let withheld: &[&str] = if number == WITHHELD.0 {
        &["council-x9l01"]
    } else {
        &[]
    };
    // A ground is given where a reason is needed; the place is held back all the same.
    let flags: &[&str] = if is_restricted {
        &["pds_restricted"]
    } else {
        &[]
    };
    let facts = json!({
        "user": {"role": user.role, "org": format!("{}-{}", organisation.kind, organisation.ods.to_lowercase()),
                 "authenticated": true, "org_participating": true, "is_the_patient": user.role == "patient",
                 "can_break_seal": user.can_break_seal, "request_origin": "local"},
        "patient": {"age": age, "deceased": false, "flags": flags},
        "relationship": {"type": relationship, "verified": true},
        "purpose": purpose, "permission": "given", "emergency": false,
        "choice": {"connect_care": "none", "status": "decided", "withheld_sources": withheld, "gp_dissent": number == DISSENTS},
        "break_glass": {"requested": false},
    });
    let (_, decision) =
        access::json::decide_recorded(&facts.to_string(), SensitivitySet::from_bits(0b1_1111))
            .expect("facts");
    let view = decision.view().cloned();
    view.unwrap_or_else(|| {
        panic!(
            "{} is let in to {number} and the rules say {}",
            user.id,
            decision.reason().code()
        )
    })
}
