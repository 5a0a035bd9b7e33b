// private field
pub fn make() -> care_core::access::Trace {
    care_core::access::Trace {
        settings: String::new(),
        steps: Vec::new(),
        would_change: &[],
    }
}
