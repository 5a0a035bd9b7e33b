//! Flags of a person as a whole, out of what each source says: protected, deceased.
//!
//! Each source's word is a flag of its own (`restricted:RJ1`, `died:RJ1`), so that one source never
//! takes back what another said. The flags that the rules read follow from them: protected when any
//! source says so (H10), deceased when a practice or two sources say so (H25).

use care_core::vocabulary::{OrganisationKind, PartialDate, PersonId};

use super::identify::Sender;
use super::{DECEASED, RESTRICTED};
use crate::store::Change;

/// What one delivery says.
pub(crate) struct Said<'a> {
    pub sender: Sender<'a>,
    pub restricted: bool,
    pub died: Option<Option<PartialDate>>,
    /// What it does not say is no longer so.
    pub replaces: bool,
}

/// The changes of flags that follow; none in the usual case that nothing is new.
pub(crate) fn standing_changes(
    person: PersonId,
    held: &[(String, String)],
    said: Option<&Said<'_>>,
) -> Vec<Change> {
    let mut flags = held.to_vec();
    if let Some(said) = said {
        say(&mut flags, said);
    }
    derive(&mut flags);
    let mut changes = Vec::new();
    for (name, value) in &flags {
        if !held.contains(&(name.clone(), value.clone())) {
            changes.push(change(person, name, Some(value.clone())));
        }
    }
    for (name, _) in held {
        if !flags.iter().any(|(kept, _)| kept == name) {
            changes.push(change(person, name, None));
        }
    }
    changes
}

fn change(person: PersonId, flag: &str, value: Option<String>) -> Change {
    Change::PersonFlag {
        person,
        flag: flag.to_owned(),
        value,
    }
}

fn say(flags: &mut Vec<(String, String)>, said: &Said<'_>) {
    let source = said.sender.source;
    let restricted = format!("{RESTRICTED}:{source}");
    if said.restricted || said.replaces {
        set(flags, restricted, said.restricted.then(String::new));
    }
    let died = format!("died:{source}");
    let kind = match said.sender.kind {
        OrganisationKind::Practice => "practice",
        _ => "other",
    };
    match said.died {
        Some(date) => {
            let date = date.map(|date| date.to_string()).unwrap_or_default();
            set(flags, died, Some(format!("{kind} {date}")));
        }
        None if said.replaces => set(flags, died, None),
        None => {}
    }
}

fn derive(flags: &mut Vec<(String, String)>) {
    let restricted = flags.iter().any(|(name, _)| {
        name.strip_prefix(RESTRICTED)
            .is_some_and(|rest| rest.starts_with(':'))
    });
    set(flags, RESTRICTED.to_owned(), restricted.then(String::new));
    let said: Vec<&str> = flags
        .iter()
        .filter(|(name, _)| name.starts_with("died:"))
        .map(|(_, value)| value.as_str())
        .collect();
    let counts = said.len() > 1 || said.iter().any(|value| value.starts_with("practice"));
    let date = said
        .iter()
        .filter_map(|value| value.split_once(' '))
        .map(|(_, date)| date)
        .find(|date| !date.is_empty())
        .unwrap_or_default()
        .to_owned();
    set(flags, DECEASED.to_owned(), counts.then_some(date));
}

fn set(flags: &mut Vec<(String, String)>, name: String, value: Option<String>) {
    let was = flags
        .iter()
        .any(|(held, held_value)| *held == name && Some(held_value) == value.as_ref());
    if was {
        return;
    }
    flags.retain(|(held, _)| *held != name);
    flags.extend(value.map(|value| (name, value)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use care_core::vocabulary::SourceCode;

    fn after(
        held: &[(&str, &str)],
        source: &str,
        kind: OrganisationKind,
        restricted: bool,
        died: bool,
        replaces: bool,
    ) -> Vec<String> {
        let held: Vec<(String, String)> = held
            .iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
            .collect();
        let source = SourceCode::parse(source).expect("a code");
        let said = Said {
            sender: Sender {
                source: &source,
                kind,
                feed: "feed",
            },
            restricted,
            died: died.then(|| PartialDate::parse_fhir("2026-11-13")),
            replaces,
        };
        let mut words: Vec<String> = standing_changes(PersonId(1), &held, Some(&said))
            .into_iter()
            .filter_map(|change| match change {
                Change::PersonFlag { flag, value, .. } => Some(match value {
                    Some(value) => format!("{flag}={value}"),
                    None => format!("-{flag}"),
                }),
                _ => None,
            })
            .collect();
        words.sort();
        words
    }

    #[test]
    fn protection_and_death_follow_from_what_each_source_says() {
        use OrganisationKind::{Practice, Trust};
        assert!(after(&[], "RJ1", Trust, false, false, false).is_empty());
        assert_eq!(
            after(&[], "RJ1", Trust, true, false, false),
            ["restricted:RJ1=", "restricted="]
        );
        let restricted = [("restricted", ""), ("restricted:RJ1", "")];
        assert!(
            after(&restricted, "G85001", Practice, false, false, true).is_empty(),
            "others' word stays"
        );
        assert_eq!(
            after(&restricted, "RJ1", Trust, false, false, true),
            ["-restricted", "-restricted:RJ1"]
        );
        assert!(
            after(&restricted, "RJ1", Trust, false, false, false).is_empty(),
            "silence takes nothing back"
        );
        assert_eq!(
            after(&[], "RJ1", Trust, false, true, false),
            ["died:RJ1=other 2026-11-13"]
        );
        assert_eq!(
            after(&[("died:RJ1", "other ")], "RV5", Trust, false, true, false),
            ["deceased=2026-11-13", "died:RV5=other 2026-11-13"]
        );
        assert_eq!(
            after(&[], "G85001", Practice, false, true, false),
            ["deceased=2026-11-13", "died:G85001=practice 2026-11-13"]
        );
        let dead = [
            ("deceased", "2026-11-13"),
            ("died:G85001", "practice 2026-11-13"),
            ("watched", ""),
        ];
        assert_eq!(
            after(&dead, "G85001", Practice, false, false, true),
            ["-deceased", "-died:G85001"]
        );
    }
}
