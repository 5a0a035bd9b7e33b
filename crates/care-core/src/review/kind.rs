//! The kinds of review. Source: the screen design, G2; NHS national guidance on privacy officers.

use crate::codes::coded;

coded! {
    /// Why somebody looks at a look again.
    Kind {
        EmergencyAccess "emergency-access" "Opened in an emergency, without a known part in the care.",
        BestInterests "best-interests" "Opened for a person who could not be asked.",
        SealOpened "seal-opened" "Sealed information was opened, or somebody tried.",
        ConsentOverride "objection-set-aside" "Opened although the person objects.",
        Safeguarding "safeguarding" "Opened for a safeguarding case.",
        Mandate "mandated-disclosure" "Disclosed by law or in the public interest.",
        SelfClaimed "self-claimed" "Only the user says that they care for the person.",
        Family "family" "The user declared the person as family.",
        Restricted "restricted-record" "The person's address is protected.",
        Watched "watched-record" "The record is watched: somebody in the news, or at risk.",
        OwnRecord "own-record" "The user's own record.",
        RefusedAttempt "refused-attempt" "A try that was refused and must be looked at.",
        NotRecognised "not-recognised" "The person does not recognise it.",
        SelfReported "self-reported" "The user says it was a mistake.",
        SameSurname "same-surname" "User and person have the same surname.",
        SameAddress "same-address" "User and person live at the same address.",
        Colleague "colleague" "The person works for the same organisation.",
        WatchedBurst "watched-burst" "Many people looked at a watched record in a short time.",
        NoEncounter "no-encounter" "No care is recorded near the time.",
        Volume "unusual-volume" "Far more people than this user opens on other days.",
        Night "unusual-hours" "At an hour at which this user does not work.",
        Sequential "sequential-browsing" "Many people one after another, with little read of each.",
        Guessing "number-guessing" "Many NHS numbers tried that are nobody's.",
    }
}

impl Kind {
    /// What it is called on a page.
    pub fn title(self) -> &'static str {
        match self {
            Self::EmergencyAccess => "Emergency access",
            Self::BestInterests => "Best interests",
            Self::SealOpened => "Sealed information opened",
            Self::ConsentOverride => "Objection set aside",
            Self::Safeguarding => "Safeguarding",
            Self::Mandate => "Disclosed by law or public interest",
            Self::SelfClaimed => "No relationship found",
            Self::Family => "Family",
            Self::Restricted => "Protected address",
            Self::Watched => "Person in the news list",
            Self::OwnRecord => "Own record",
            Self::RefusedAttempt => "Refused attempt",
            Self::NotRecognised => "Reported by the patient",
            Self::SelfReported => "Self-reported",
            Self::SameSurname => "Same surname",
            Self::SameAddress => "Same address",
            Self::Colleague => "Colleague",
            Self::WatchedBurst => "Burst on a watched record",
            Self::NoEncounter => "No care near the time",
            Self::Volume => "Unusual volume",
            Self::Night => "Unusual hours",
            Self::Sequential => "Sequential browsing",
            Self::Guessing => "Guessing NHS numbers",
        }
    }

    /// Why such a look is looked at again, in a sentence.
    pub fn why(self) -> &'static str {
        match self {
            Self::EmergencyAccess => "Opened in an emergency, without a known part in the care.",
            Self::BestInterests => "Opened for a person who could not be asked.",
            Self::SealOpened => "Sealed information was opened, or somebody tried.",
            Self::ConsentOverride => "Opened although the person objects.",
            Self::Safeguarding => "Opened for a safeguarding case.",
            Self::Mandate => "Disclosed by law or in the public interest.",
            Self::SelfClaimed => "Only the user says that they care for the person.",
            Self::Family => "The user declared the person as family.",
            Self::Restricted => "The person's address is protected.",
            Self::Watched => "The record is watched: somebody in the news, or at risk.",
            Self::OwnRecord => "The user's own record.",
            Self::RefusedAttempt => "A try that was refused and must be looked at.",
            Self::NotRecognised => "The person does not recognise it.",
            Self::SelfReported => "The user says it was a mistake.",
            Self::SameSurname => "User and person have the same surname.",
            Self::SameAddress => "User and person live at the same address.",
            Self::Colleague => "The person works for the same organisation.",
            Self::WatchedBurst => "Many people looked at a watched record in a short time.",
            Self::NoEncounter => "No care is recorded near the time.",
            Self::Volume => "Far more people than this user opens on other days.",
            Self::Night => "At an hour at which this user does not work.",
            Self::Sequential => "Many people one after another, with little read of each.",
            Self::Guessing => "Many NHS numbers tried that are nobody's.",
        }
    }

    /// Neither an emergency, nor reported by the patient, nor by the user: what the console counts as
    /// "Flags to review".
    pub fn is_plain_flag(self) -> bool {
        !matches!(
            self,
            Self::EmergencyAccess | Self::NotRecognised | Self::SelfReported
        )
    }

    /// Several of this kind may be closed as expected at once, with one note. Never what a person
    /// reported, and never an emergency.
    pub fn may_close_in_bulk(self) -> bool {
        !matches!(self, Self::EmergencyAccess | Self::NotRecognised)
    }

    /// Days until somebody must have looked.
    pub fn due_days(self) -> i64 {
        match self {
            Self::EmergencyAccess | Self::NotRecognised | Self::WatchedBurst | Self::Guessing => 2,
            Self::SealOpened | Self::OwnRecord | Self::SameAddress | Self::ConsentOverride => 5,
            _ => 7,
        }
    }
}

/// The kind of review that an entry's flags ask for: the gravest one. `None`: none is asked for.
///
/// Flags are the codes of `access::Flag` as an entry holds them, with `self-reported`.
pub fn kind_of_flags(flags: &[String]) -> Option<Kind> {
    let has = |flag: &str| flags.iter().any(|one| one == flag);
    if !has("review-required") {
        return has("heightened-monitoring").then_some(Kind::Watched);
    }
    let gravest = [
        ("self-reported", Kind::SelfReported),
        ("own-record-attempt", Kind::OwnRecord),
        ("seal-broken", Kind::SealOpened),
        ("seal-break-refused", Kind::SealOpened),
        ("break-glass-emergency", Kind::EmergencyAccess),
        ("objection-overridden-emergency", Kind::EmergencyAccess),
        ("objection-overridden-consent", Kind::ConsentOverride),
        ("safeguarding-override", Kind::Safeguarding),
        ("legal-disclosure", Kind::Mandate),
        ("public-interest-disclosure", Kind::Mandate),
        ("best-interest", Kind::BestInterests),
        ("possible-family-access", Kind::Family),
        ("self-claimed-relationship", Kind::SelfClaimed),
        ("restricted-demographics", Kind::Restricted),
        ("denied-attempt", Kind::RefusedAttempt),
        ("heightened-monitoring", Kind::Watched),
    ];
    let found = gravest.into_iter().find(|(flag, _)| has(flag));
    Some(found.map_or(Kind::RefusedAttempt, |(_, kind)| kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_flag_names_the_kind_and_none_is_lost() {
        let table: &[(&[&str], Option<Kind>)] = &[
            (&[], None),
            (&["patient-absent"], None),
            (&["heightened-monitoring"], Some(Kind::Watched)),
            (
                &["best-interest", "break-glass-emergency", "review-required"],
                Some(Kind::EmergencyAccess),
            ),
            (
                &["best-interest", "review-required"],
                Some(Kind::BestInterests),
            ),
            (
                &["denied-attempt", "own-record-attempt", "review-required"],
                Some(Kind::OwnRecord),
            ),
            (
                &["denied-attempt", "heightened-monitoring", "review-required"],
                Some(Kind::RefusedAttempt),
            ),
            (
                &["review-required", "self-reported"],
                Some(Kind::SelfReported),
            ),
            (&["review-required"], Some(Kind::RefusedAttempt)),
        ];
        for (flags, expected) in table {
            let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
            assert_eq!(kind_of_flags(&flags), *expected, "{flags:?}");
        }
    }

    #[test]
    fn what_a_person_reported_and_emergencies_are_never_closed_in_bulk() {
        for kind in Kind::ALL {
            assert_eq!(
                kind.may_close_in_bulk(),
                !matches!(kind, Kind::EmergencyAccess | Kind::NotRecognised)
            );
            assert!(kind.due_days() <= 7);
        }
    }
}
