//! A `View` in the form a query filters by. Only a `View` makes one (and tests).

use care_core::access::View;
use care_core::vocabulary::{CategorySet, Sensitivity};

/// The bits and texts every read binds.
#[derive(Debug, Clone)]
pub(super) struct Filter {
    /// Bits of the categories that may be read.
    pub categories: i64,
    /// Bits of the protection levels that may be read.
    pub sensitivities: i64,
    /// Items from GP practices are left out.
    pub hide_gp_sourced: bool,
    /// `,CODE,CODE,`: items of these sources are left out; `=CODE`: only items of this source are read;
    /// empty: items of every source. Codes hold neither commas nor equals signs.
    pub sources: String,
}

impl From<&View> for Filter {
    fn from(view: &View) -> Self {
        let mut sources = String::new();
        for source in view.hidden_sources() {
            if sources.is_empty() {
                sources.push(',');
            }
            sources.push_str(source.as_str());
            sources.push(',');
        }
        if let Some(only) = view.only_source() {
            // A view of one source hides none; were it to hide this one, it would show nothing.
            let hidden = view.hidden_sources().contains(only);
            sources = if hidden {
                "=".to_owned()
            } else {
                format!("={}", only.as_str())
            };
        }
        Self {
            categories: i64::from(view.categories().bits()),
            sensitivities: i64::from(view.sensitivities().bits()),
            hide_gp_sourced: view.hide_gp_sourced(),
            sources,
        }
    }
}

impl Filter {
    /// The filter of the lists that a search goes through.
    ///
    /// The negative control of promise S1 lists whatever is there and leaves the hiding to the bodies,
    /// which are read afterwards; `bench/promises/S1.sh` must then end red.
    pub fn of_lists(view: &View) -> Self {
        if cfg!(feature = "negative-control") {
            return Self {
                categories: i64::MAX,
                sensitivities: i64::MAX,
                hide_gp_sourced: false,
                sources: String::new(),
            };
        }
        Self::from(view)
    }

    /// Whether everything of its one source is read.
    pub fn sees_its_source_whole(&self) -> bool {
        let categories = i64::from(CategorySet::whole_record().bits());
        let levels = (1 << Sensitivity::ALL.len()) - 1;
        self.only_source().is_some()
            && self.categories & categories == categories
            && self.sensitivities & levels == levels
            && !self.hide_gp_sourced
    }

    /// The one source that is read, where there is one.
    pub fn only_source(&self) -> Option<&str> {
        self.sources.strip_prefix('=')
    }
}
