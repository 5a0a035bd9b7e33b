//! The one set of details that stands in the banner, out of what several sources sent.
//!
//! The rule, field by field: the GP practice first (it registers people and traces their numbers),
//! then hospital, mental health and community trusts, then councils and care homes, then everybody
//! else; within a rank the newest. The first source in that order which sent a field gives the whole
//! field. Three fields have a rule of their own: a protected address is protected if anyone says so
//! (H10), a death counts when the practice or two sources say so (H25), and local numbers are all kept.

use jiff::Timestamp;

use crate::vocabulary::{
    ContactPoint, ContactSystem, Demographics, NumberStatus, OrganisationKind, PartialDate,
};

/// What one source says: its kind, its words, and when it last said so.
pub type SourceView = (OrganisationKind, Demographics, Timestamp);

/// Puts together what the sources say. Nothing in, nothing out.
pub fn golden(views: &[SourceView]) -> Demographics {
    let ordered = in_order(views);
    let all = || ordered.iter().map(|view| &view.1);
    let numbered = all()
        .find(|one| one.nhs_number.is_some() && one.number_status == Some(NumberStatus::Verified))
        .or_else(|| all().find(|one| one.nhs_number.is_some()));
    Demographics {
        nhs_number: numbered.and_then(|one| one.nhs_number),
        number_status: numbered.and_then(|one| one.number_status),
        unusable_number: None,
        local_ids: union(all().flat_map(|one| one.local_ids.iter().cloned())),
        names: first_filled(all().map(|one| &one.names)),
        birth_date: whole_date_first(all().filter_map(|one| one.birth_date)),
        gender: all().find_map(|one| one.gender),
        addresses: first_filled(all().map(|one| &one.addresses)),
        contacts: contacts(&ordered),
        practice: all().find_map(|one| one.practice.clone()),
        died: match death(&ordered) {
            Death::Counts(date) => Some(date),
            Death::Unconfirmed | Death::None => None,
        },
        restricted: all().any(|one| one.restricted),
    }
}

/// Whether one source alone, which is no practice, says the person died: shown as "reported by",
/// never as a fact.
pub fn death_unconfirmed(views: &[SourceView]) -> bool {
    death(&in_order(views)) == Death::Unconfirmed
}

fn in_order(views: &[SourceView]) -> Vec<&SourceView> {
    let mut ordered: Vec<&SourceView> = views.iter().collect();
    ordered.sort_by_key(|(kind, _, at)| (rank(*kind), std::cmp::Reverse(*at)));
    ordered
}

fn rank(kind: OrganisationKind) -> u8 {
    match kind {
        OrganisationKind::Practice => 0,
        OrganisationKind::Trust | OrganisationKind::MentalHealth | OrganisationKind::Community => 1,
        OrganisationKind::Council | OrganisationKind::CareHome => 2,
        OrganisationKind::Pharmacy | OrganisationKind::Ambulance | OrganisationKind::Programme => 3,
    }
}

#[derive(PartialEq, Eq)]
enum Death {
    None,
    Unconfirmed,
    Counts(Option<PartialDate>),
}

fn death(ordered: &[&SourceView]) -> Death {
    let said: Vec<(OrganisationKind, Option<PartialDate>)> = ordered
        .iter()
        .filter_map(|view| view.1.died.map(|date| (view.0, date)))
        .collect();
    let practice = said
        .iter()
        .any(|(kind, _)| *kind == OrganisationKind::Practice);
    match said.len() {
        0 => Death::None,
        1 if !practice => Death::Unconfirmed,
        _ => Death::Counts(said.iter().find_map(|(_, date)| *date)),
    }
}

fn union<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    values.fold(Vec::new(), |mut kept, value| {
        if !kept.contains(&value) {
            kept.push(value);
        }
        kept
    })
}

fn first_filled<'a, T: Clone + 'a>(mut lists: impl Iterator<Item = &'a Vec<T>>) -> Vec<T> {
    lists
        .find(|list| !list.is_empty())
        .cloned()
        .unwrap_or_default()
}

/// A date to the day wins over one to the year, whoever sent it.
fn whole_date_first(dates: impl Iterator<Item = PartialDate>) -> Option<PartialDate> {
    let dates: Vec<PartialDate> = dates.collect();
    let whole = dates.iter().find(|date| date.day.is_some());
    whole.or_else(|| dates.first()).copied()
}

/// Each kind of contact from the first source that sent that kind.
fn contacts(ordered: &[&SourceView]) -> Vec<ContactPoint> {
    const KINDS: [ContactSystem; 4] = [
        ContactSystem::HomePhone,
        ContactSystem::WorkPhone,
        ContactSystem::Mobile,
        ContactSystem::Email,
    ];
    KINDS
        .into_iter()
        .flat_map(|kind| {
            ordered
                .iter()
                .map(|view| {
                    let of_kind = view.1.contacts.iter();
                    of_kind
                        .filter(|one| one.system == kind)
                        .cloned()
                        .collect::<Vec<_>>()
                })
                .find(|list| !list.is_empty())
                .unwrap_or_default()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocabulary::{Address, PersonName};

    fn said(family: &str, phone: Option<&str>, died: Option<&str>) -> Demographics {
        Demographics {
            names: vec![PersonName {
                family: family.to_owned(),
                ..PersonName::default()
            }],
            contacts: phone
                .map(|value| ContactPoint {
                    system: ContactSystem::Mobile,
                    value: value.to_owned(),
                })
                .into_iter()
                .collect(),
            died: died.map(PartialDate::parse_fhir),
            ..Demographics::default()
        }
    }

    fn view(kind: OrganisationKind, at: i64, demographics: &Demographics) -> SourceView {
        let at = Timestamp::from_second(at).expect("a small number of seconds");
        (kind, demographics.clone(), at)
    }

    #[test]
    fn the_practice_wins_a_field_it_sent_and_others_fill_the_rest() {
        let practice = said("Osei", None, None);
        let trust = said("Ossei", Some("07700 900001"), None);
        let result = golden(&[
            view(OrganisationKind::Trust, 9, &trust),
            view(OrganisationKind::Practice, 1, &practice),
        ]);
        assert_eq!(result.names[0].family, "Osei");
        assert_eq!(result.contacts[0].value, "07700 900001");
    }

    #[test]
    fn within_a_rank_the_newest_wins_and_protection_always_wins() {
        let old = Demographics {
            restricted: true,
            ..said("Old", None, None)
        };
        let new = Demographics {
            addresses: vec![Address::default()],
            ..said("New", None, None)
        };
        let result = golden(&[
            view(OrganisationKind::Trust, 1, &old),
            view(OrganisationKind::Community, 2, &new),
        ]);
        assert_eq!(result.names[0].family, "New");
        assert!(result.restricted);
    }

    #[test]
    fn a_death_counts_when_the_practice_or_two_sources_say_so() {
        let dead = said("Duarte", None, Some("2026-01-02"));
        let alive = said("Duarte", None, None);
        let one_trust = [
            view(OrganisationKind::Trust, 1, &dead),
            view(OrganisationKind::Practice, 1, &alive),
        ];
        assert_eq!(golden(&one_trust).died, None);
        assert!(death_unconfirmed(&one_trust));
        for views in [
            [
                view(OrganisationKind::Practice, 1, &dead),
                view(OrganisationKind::Trust, 1, &alive),
            ],
            [
                view(OrganisationKind::Council, 1, &dead),
                view(OrganisationKind::Trust, 1, &dead),
            ],
        ] {
            assert_eq!(
                golden(&views).died,
                Some(PartialDate::parse_fhir("2026-01-02"))
            );
        }
    }
}
