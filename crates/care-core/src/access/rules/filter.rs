//! Rule 10. What the role sees, without what the GP record's dissent flag and the person hold back.

use crate::access::decision::Flag;
use crate::access::draft::{Draft, Ruling};
use crate::access::facts::Facts;
use crate::access::roles::categories_of;
use crate::access::settings::Settings;
use crate::vocabulary::{Category, CategorySet, OrganisationKind, Role};

pub(super) fn look(facts: &Facts, _: &Settings, draft: &mut Draft) -> Ruling {
    draft.used(
        "role",
        facts.user.role.map_or("not on the list", Role::code),
    );
    draft.categories = facts.user.role.map_or(CategorySet::EMPTY, categories_of);
    if facts.user.role == Some(Role::StudentClinician) {
        draft.flag(Flag::Supervised);
    }
    hold_back_gp_record(facts, draft);
    hold_back_sources(facts, draft);
    Ruling::Pass
}

/// A dissent flag in the GP system is honoured everywhere but in the registered practice.
fn hold_back_gp_record(facts: &Facts, draft: &mut Draft) {
    draft.used_truth("gp_dissent", facts.choice.gp_dissent);
    if !facts.choice.gp_dissent {
        return;
    }
    let own = facts.viewer_is_registered_practice();
    draft.used_truth("registered_practice", own);
    if !own {
        draft.categories = draft.categories.without(Category::GpConsultations);
        draft.hide_gp_sourced = true;
        draft.withheld_notice = true;
    }
}

/// A source keeps seeing what is its own. Social care comes from councils alone, so a council
/// held back takes the category with it.
fn hold_back_sources(facts: &Facts, draft: &mut Draft) {
    draft.used(
        "withheld_sources",
        facts.choice.withheld_sources.len().to_string(),
    );
    for source in &facts.choice.withheld_sources {
        if *source == facts.user.organisation {
            continue;
        }
        draft.hide_source(source);
        if source.kind() == Some(OrganisationKind::Council) {
            draft.categories = draft.categories.without(Category::SocialCare);
        }
    }
}
