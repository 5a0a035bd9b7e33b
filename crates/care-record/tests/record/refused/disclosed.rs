// no function or associated item named `after`
pub fn make() -> care_record::Disclosed<String> {
    care_record::Disclosed::after(1, String::new())
}
