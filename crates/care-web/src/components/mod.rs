//! What pages are drawn with: templates on the NHS design system's classes, the staff frame, and the
//! files of styles and scripts. Everything a template is given is escaped.
//!
//! Never decides what somebody may see: a template gets only what was disclosed.

mod assets;
mod csv;
#[cfg(test)]
mod fixtures;
mod frame;

use std::sync::LazyLock;

use minijinja::{Environment, Value};

pub use assets::asset;
pub use csv::{csv, quoted};
pub use frame::{Frame, Head, page, see_other};

use crate::problem::Problem;

/// What a template is shown: names with values that serialise. A name alone is a variable of that name.
macro_rules! shown {
    ($($name:ident $(=> $value:expr)?),* $(,)?) => {
        minijinja::context! { $($name => $crate::components::shown_value!($name $(, $value)?)),* }
    };
}

macro_rules! shown_value {
    ($name:ident) => {
        minijinja::Value::from(minijinja::value::Serde(&$name))
    };
    ($name:ident, $value:expr) => {
        minijinja::Value::from(minijinja::value::Serde(&$value))
    };
}

pub(crate) use {shown, shown_value};

macro_rules! templates {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../templates/", $name)))),+]
    };
}

/// Every template, compiled in.
const TEMPLATES: &[(&str, &str)] = templates![
    "parts.html",
    "frame.html",
    "ig-replay-page.html",
    "ig-replay.html",
    "ig-frame.html",
    "ig-list.html",
    "ig-plain-list.html",
    "ig-home.html",
    "ig-extracts.html",
    "ig-extract.html",
    "ig-extract-form.html",
    "ig-extract-register.html",
    "ig-extract-verified.html",
    "planning.html",
    "ig-notice.html",
    "ig-review.html",
    "ig-review-one.html",
    "ig-questions.html",
    "ig-audit.html",
    "ig-person-report.html",
    "ig-staff.html",
    "ig-reports.html",
    "ig-seals.html",
    "ig-disclosures.html",
    "ig-disclosure-new.html",
    "ig-disclosure.html",
    "login.html",
    "role.html",
    "kept.html",
    "sealed.html",
    "launch-refused.html",
    "app-allow.html",
    "app-open.html",
    "apps.html",
    "demo-host.html",
    "step-up.html",
    "demo-users.html",
    "problem.html",
    "record.html",
    "find.html",
    "found.html",
    "confirm.html",
    "emergency.html",
    "refused.html",
    "recent.html",
    "my-access.html",
    "interruption.html",
    "print-choose.html",
    "print.html",
    "bare.html",
    "wrong-person.html",
    "help.html",
    "summary.html",
    "timeline.html",
    "problems.html",
    "medicines.html",
    "allergies.html",
    "results.html",
    "test.html",
    "encounters.html",
    "documents.html",
    "document.html",
    "groups.html",
    "search.html",
    "sources.html",
    "lines.html",
    "item.html",
    "me-acting.html",
    "me-acting-add.html",
    "me-acting-ask.html",
    "me-acting-code.html",
    "me-acting-remove.html",
    "ig-choice.html",
    "ig-choice-check.html",
    "ig-choice-person.html",
    "ig-choice-received.html",
    "ig-choice-step.html",
    "ig-choices.html",
    "me-call.html",
    "me-case.html",
    "me-check.html",
    "me-choices.html",
    "me-confirm.html",
    "me-done.html",
    "me-copy.html",
    "me-download.html",
    "me-home.html",
    "me-login.html",
    "me-looked.html",
    "me-prove.html",
    "me-private.html",
    "me-question.html",
    "me-requests.html",
    "me-settings.html",
    "me-shared.html",
    "ig-opt-out.html",
    "optout-case.html",
    "optout-check.html",
    "optout-choice.html",
    "optout-code.html",
    "optout-done.html",
    "optout-find.html",
    "optout-form.html",
    "optout-frame.html",
    "optout-history.html",
    "optout-letters.html",
    "optout-login.html",
    "optout-messages.html",
    "optout-operator.html",
    "optout-person.html",
    "optout-start.html",
    "optout-trouble.html",
    "optout-who.html",
    "me-whose.html",
    "who-sees.html",
    "ig-orders.html",
    "ig-people.html",
    "public-about.html",
    "public-accessibility.html",
    "public-choice.html",
    "public-choices.html",
    "public-contact.html",
    "public-cookies.html",
    "public-exceptional.html",
    "public-form.html",
    "public-frame.html",
    "public-home.html",
    "public-languages.html",
    "public-leaflet.html",
    "public-national.html",
    "public-order.html",
    "public-ordered.html",
    "public-organisations.html",
    "public-privacy.html",
    "public-shared.html",
    "public-status.html",
    "public-transparency.html",
    "public-who.html",
];

static ENVIRONMENT: LazyLock<Result<Environment<'static>, minijinja::Error>> =
    LazyLock::new(|| {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(minijinja::UndefinedBehavior::SemiStrict);
        for (name, text) in TEMPLATES {
            environment.add_template(name, text)?;
        }
        for (name, file) in assets::named() {
            environment.add_global(name, format!("/assets/{file}"));
        }
        // A section stands in the record's frame; the print view puts it on a sheet instead.
        environment.add_global("parent", "record.html");
        environment.add_global("version", env!("CARGO_PKG_VERSION"));
        environment.add_filter("lines", |text: String| -> Vec<String> {
            text.split('\n').map(str::to_owned).collect()
        });
        environment.add_filter("picture", |name: &str| {
            let picture = crate::documents::picture(&format!("{name}.svg"));
            Value::from_safe_string(picture.unwrap_or_default().to_owned())
        });
        environment.add_filter("grouped", |number: u64| {
            care_core::sections::number(&number.to_string())
        });
        Ok(environment)
    });

/// Draws a template.
pub fn draw(template: &str, context: Value) -> Result<String, Problem> {
    let environment = ENVIRONMENT
        .as_ref()
        .map_err(|why| Problem::unavailable(why.to_string()))?;
    environment
        .get_template(template)
        .and_then(|template| template.render(context))
        // Not in full: that names the values, and values are about people.
        .map_err(|why| Problem::unavailable(format!("{template}: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_is_well_formed() {
        if let Err(why) = ENVIRONMENT.as_ref() {
            panic!("{why:#}");
        }
    }
}
