// E0616
pub fn take(record: &care_record::Record) {
    let _ = &record.inner;
}
