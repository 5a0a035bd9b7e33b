// private field
pub fn make() -> care_core::secondary_use::CheckedCohort {
    care_core::secondary_use::CheckedCohort {
        members: Vec::new(),
        reason: care_core::secondary_use::Reason::Anonymised,
    }
}
