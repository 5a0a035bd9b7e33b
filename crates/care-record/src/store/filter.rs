//! A `View` in the form a query filters by. Only a `View` makes one (and tests).

use care_core::access::View;

/// The bits and texts every read binds.
#[derive(Debug, Clone)]
pub(super) struct Filter {
    /// Bits of the categories that may be read.
    pub categories: i64,
    /// Bits of the protection levels that may be read.
    pub sensitivities: i64,
    /// Items from GP practices are left out.
    pub hide_gp_sourced: bool,
    /// `,CODE,CODE,` or empty: items of these sources are left out. Codes hold no commas.
    pub hidden_sources: String,
}

impl From<&View> for Filter {
    fn from(view: &View) -> Self {
        let mut hidden_sources = String::new();
        for source in view.hidden_sources() {
            if hidden_sources.is_empty() {
                hidden_sources.push(',');
            }
            hidden_sources.push_str(source.as_str());
            hidden_sources.push(',');
        }
        Self {
            categories: i64::from(view.categories().bits()),
            sensitivities: i64::from(view.sensitivities().bits()),
            hide_gp_sourced: view.hide_gp_sourced(),
            hidden_sources,
        }
    }
}
