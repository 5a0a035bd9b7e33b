// compiles
pub fn categories(view: &care_core::access::View) -> care_core::vocabulary::CategorySet {
    view.categories()
}
pub fn category(labelled: &care_core::labelling::Labelled) -> care_core::vocabulary::Category {
    labelled.category()
}
pub fn open(directory: &str) -> Option<care_record::Record> {
    care_record::Record::open(care_record::Options::new(directory)).ok()
}
