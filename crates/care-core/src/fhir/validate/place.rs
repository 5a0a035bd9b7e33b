//! Where a validation is now; written out only when something is wrong there.

use crate::fhir::parse::showable;

/// The way from the resource to the element being looked at.
#[derive(Default)]
pub(super) struct Place<'a> {
    pub(super) steps: Vec<Step<'a>>,
}

/// One step of the way.
#[derive(Clone, Copy)]
pub(super) enum Step<'a> {
    Name(&'a str),
    Number(usize),
}

impl Place<'_> {
    /// As a FHIRPath expression: `Patient.name[0].given[1]`.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for step in &self.steps {
            match step {
                Step::Number(number) => text.push_str(&format!("[{number}]")),
                Step::Name(name) => {
                    if !text.is_empty() {
                        text.push('.');
                    }
                    text.push_str(showable(name));
                }
            }
        }
        text
    }
}
