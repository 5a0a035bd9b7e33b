// private
pub fn make() -> care_core::secondary_use::CohortMember {
    care_core::secondary_use::CohortMember {
        place: 0,
        without_gp_items: false,
        reason: care_core::secondary_use::Reason::Anonymised,
    }
}
