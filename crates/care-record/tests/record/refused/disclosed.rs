// associated function `after` is private
pub fn make() -> care_record::Disclosed<String> {
    care_record::Disclosed::after(1, String::new())
}
