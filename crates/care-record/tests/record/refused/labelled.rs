// private field
use care_core::labelling::{Labelled, Labels};
pub fn make(draft: care_core::mapping::Draft, labels: Labels) -> Labelled {
    Labelled { draft, labels }
}
