// E0603
pub use care_record::store::Store;
