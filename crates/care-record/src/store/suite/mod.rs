//! What every engine must do, written against the trait. An engine calls [`engine_suite!`] with a way
//! to open itself.

mod index;
mod items;
mod kept;
mod people;
mod sources;

use super::filter::Filter;
use super::*;
use care_core::access::{Supplier, supplier_view};
use care_core::audit::{Act, Entry, Outcome};
use care_core::fhir::search::{
    Criterion, Handling, IndexValue, Query, Reach, SearchParameter, Wanted, extract, plan, words,
};
use care_core::fhir::{Json, Limits, ResourceType};
use care_core::sections::Header;
use care_core::vocabulary::{
    Category, Involvement, InvolvementKind, ItemId, PersonId, Sensitivity, SourceCode,
};
use jiff::{Timestamp, ToSpan as _};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

pub(super) use index::*;
pub(super) use items::*;
pub(super) use kept::*;
pub(super) use people::*;
pub(super) use sources::*;

/// An engine under test: reads by a filter, because a `View` has no maker but the rules.
pub(super) trait Engine: Upkeep {
    fn upkeep(&self) -> &dyn Upkeep;
    fn headers_by(&self, person: PersonId, filter: &Filter) -> Vec<Header>;
    fn bodies_by(
        &self,
        person: PersonId,
        filter: &Filter,
        wanted: &[(ResourceType, ItemId)],
    ) -> Result<Vec<StoredBody>, StoreError>;
    fn version_by(
        &self,
        person: PersonId,
        filter: &Filter,
        item: (ResourceType, ItemId),
        version: Option<u32>,
    ) -> Option<StoredBody>;
    fn history_by(
        &self,
        person: PersonId,
        filter: &Filter,
        item: (ResourceType, ItemId),
    ) -> Vec<Header>;
    fn activity_by(&self, person: PersonId, filter: &Filter) -> Vec<SourceActivity>;
    fn whole_by(&self, person: PersonId, filter: &Filter) -> Vec<StoredBody>;
}

pub(super) const OBSERVATION: ResourceType = ResourceType::OBSERVATION;

pub(super) fn everything() -> Filter {
    Filter {
        categories: i64::from(u32::MAX),
        sensitivities: 0b1_1111,
        hide_gp_sourced: false,
        sources: String::new(),
    }
}

pub(super) fn at(minute: i64) -> Timestamp {
    let start: Timestamp = "2026-11-23T10:00:00Z".parse().expect("a time");
    start + minute.minutes()
}

pub(super) fn source(code: &str) -> SourceCode {
    SourceCode::parse(code).expect("a code")
}

pub(super) fn put(person: u64, item: u64, minute: i64, text: &str) -> PutItem {
    PutItem {
        person: Some(PersonId(person)),
        resource_type: OBSERVATION,
        item: ItemId(item),
        category: Category::Results,
        sensitivity: Sensitivity::Normal,
        source: source("RJ1"),
        gp_sourced: false,
        code_key: u64::MAX - item,
        current: true,
        withdrawn: false,
        deleted: false,
        order: Default::default(),
        expect: Default::default(),
        clinical_at: Some(at(minute)),
        event_at: at(minute),
        received_at: at(minute),
        body: format!(
            "{{\"resourceType\":\"Observation\",\"id\":\"{}\",\"valueString\":\"{text}\"}}",
            ItemId(item)
        )
        .into_bytes(),
    }
}

pub(super) fn commit_of(changes: Vec<Change>) -> Commit {
    let mut entry = Entry::new(at(0), Act::Receive, Outcome::Success, "feed-hospital");
    entry.person = changes.iter().find_map(|change| match change {
        Change::Item(put) => put.person,
        Change::NewPerson { person } => Some(*person),
        _ => None,
    });
    Commit {
        changes,
        entry,
        more_entries: Vec::new(),
    }
}

pub(super) fn delivery_of(control_id: &str, body: &[u8]) -> NewDelivery {
    NewDelivery {
        feed: "feed-hospital".into(),
        sender: "PAS|RJ1".into(),
        control_id: control_id.into(),
        digest: Sha256::digest(body).into(),
        received_at: at(0),
        kind: "ORU^R01".into(),
        status: "processed".into(),
        answer: b"AA".to_vec(),
        body: body.to_vec(),
        person: None,
        issues: "[]".into(),
    }
}

fn put_one(engine: &dyn Engine, item: PutItem) -> Put {
    let done = engine.commit(commit_of(vec![Change::Item(item)]));
    done.expect("committed").items[0]
}

fn text_of(body: &StoredBody) -> String {
    String::from_utf8_lossy(&body.body).into_owned()
}

fn item_copy(item: &PutItem) -> PutItem {
    PutItem {
        source: item.source.clone(),
        body: item.body.clone(),
        ..*item
    }
}

/// The view of a source.
pub(super) fn supplier(code: &str) -> View {
    let supplier = Supplier::configured("client", &source(code)).expect("a client");
    supplier_view(&supplier)
}

/// Makes a test of each rule above for one engine.
macro_rules! engine_suite {
    ($open:expr) => {
        $crate::store::suite::engine_suite!($open;
            an_item_reads_back_with_its_version_spliced_in
            versions_follow_the_event_and_not_the_arrival
            a_changed_label_is_a_new_version_and_covers_the_past
            no_read_gives_what_the_view_leaves_out
            a_join_shows_both_parts_until_it_is_undone
            things_about_nobody_are_in_no_persons_record
            a_failed_precondition_undoes_its_commit_and_leaves_no_gap
            a_unique_identifier_belongs_to_one_person_or_those_joined
            what_is_known_of_a_person_reads_back_and_old_news_changes_nothing
            the_log_keeps_exact_bytes_in_order_and_by_person_and_user
            kept_values_end_and_worklist_rows_close
            cases_open_change_by_version_and_keep_what_happened
            any_text_is_found_again_and_harms_nobody_else
            what_ends_is_taken_away_and_signed_states_stay
            bodies_written_with_a_dictionary_read_back_and_the_scrub_agrees
            a_release_finds_people_their_codes_and_their_items_whole
            a_source_reads_back_what_it_sent_and_nothing_else
            what_came_reads_newest_first_by_its_moment
            what_was_deleted_is_in_no_read_but_the_history_until_it_is_put_again
            a_put_that_expects_another_version_is_refused_alone
            the_index_finds_what_the_criteria_mean
            the_index_is_made_anew_and_takes_own_parameters
        );
        #[test]
        fn eight_threads_on_one_person_lose_nothing() {
            let (_kept, engine) = $open;
            $crate::store::suite::eight_threads_on_one_person_lose_nothing(std::sync::Arc::new(engine));
        }
    };
    ($open:expr; $($name:ident)+) => {
        $(#[test]
        fn $name() {
            let (_kept, engine) = $open;
            $crate::store::suite::$name(&engine);
        })+
    };
}

pub(super) use engine_suite;
