// E0624
pub fn take(record: &care_record::Record) {
    let _ = record.inner();
}
