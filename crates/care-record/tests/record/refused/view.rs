// private field
use care_core::vocabulary::{CategorySet, SensitivitySet};
pub fn make() -> care_core::access::View {
    care_core::access::View {
        categories: CategorySet::whole_record(),
        sensitivities: SensitivitySet::EMPTY,
        hide_gp_sourced: false,
        hidden_sources: Vec::new(),
    }
}
