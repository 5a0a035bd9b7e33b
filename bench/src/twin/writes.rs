//! Writes of a source: whether one is made, and upon what, may not depend on what other sources sent.

#![allow(
    clippy::explicit_auto_deref,
    reason = "without it the compiler takes the list for one of unsized texts"
)]

use care_core::fhir::{Json, ResourceType};

use super::canary::{Pool, Sample};
use super::dice::Dice;
use super::grammar::Request;

const JSON: &str = "application/fhir+json";

/// The write of these dice.
pub fn request(pool: &Pool<'_>, dice: &mut Dice) -> Option<Request> {
    let of_another = || pool.hidden(&mut dice.clone());
    let hidden = of_another()?;
    dice.next();
    let own = pool.visible(dice)?;
    Some(match dice.below(14) {
        0..=2 => put(own.address(), changed(own, dice), "update"),
        3 => put(
            hidden.address(),
            changed(hidden, dice),
            "update of another's",
        ),
        4 => {
            let mut request = put(
                hidden.kind.name().to_owned(),
                unnamed(hidden),
                "conditional update",
            );
            request.parameters.push(criterion(hidden)?);
            request
        }
        5 => {
            let mut request = put(
                hidden.kind.name().to_owned(),
                unnamed(hidden),
                "conditional create",
            );
            request.method = "POST";
            let (name, value) = criterion(hidden)?;
            let text = form_urlencoded::Serializer::new(String::new())
                .append_pair(&name, &value)
                .finish();
            request.headers.push(("if-none-exist", text));
            request
        }
        6 => bare("DELETE", hidden.address(), "delete of another's"),
        7 => {
            let mut request = bare(
                "DELETE",
                hidden.kind.name().to_owned(),
                "conditional delete",
            );
            request.parameters.push(criterion(hidden)?);
            request
        }
        8 if own.kind != ResourceType::PATIENT => bare("DELETE", own.address(), "delete"),
        9 => patch(own.address(), dice),
        10 => {
            let mut request = patch(hidden.kind.name().to_owned(), dice);
            request.template = "conditional patch";
            request.parameters.push(criterion(hidden)?);
            request
        }
        11 => patch(hidden.address(), dice),
        12 => by_path(if dice.chance(70) { own } else { hidden }, dice),
        _ => transaction(hidden, own, dice)?,
    })
}

fn put(path: String, body: Json, template: &'static str) -> Request {
    let mut request = Request::get(template, path);
    request.method = "PUT";
    request.headers.push(("content-type", JSON.into()));
    request.body = Some(body.to_string());
    request
}

fn bare(method: &'static str, path: String, template: &'static str) -> Request {
    let mut request = Request::get(template, path);
    request.method = method;
    request
}

fn patch(path: String, dice: &mut Dice) -> Request {
    let mut request = bare("PATCH", path, "patch");
    let language = language(dice);
    request
        .headers
        .push(("content-type", "application/json-patch+json".into()));
    request.body = Some(format!(
        "[{{\"op\":\"add\",\"path\":\"/language\",\"value\":\"{language}\"}}]"
    ));
    if dice.chance(40) {
        let version = 1 + dice.below(3);
        request
            .headers
            .push(("if-match", format!("W/\"{version}\"")));
    }
    request
}

/// A FHIRPath Patch.
fn by_path(sample: &Sample, dice: &mut Dice) -> Request {
    let mut request = bare("PATCH", sample.address(), "patch by FHIRPath");
    let (kind, language) = (sample.kind, language(dice));
    request.headers.push(("content-type", JSON.into()));
    let parts = [
        r#"{"name":"type","valueCode":"add"}"#.to_owned(),
        format!(r#"{{"name":"path","valueString":"{kind}"}}"#),
        r#"{"name":"name","valueString":"language"}"#.to_owned(),
        format!(r#"{{"name":"value","valueCode":"{language}"}}"#),
    ];
    request.body = Some(format!(
        r#"{{"resourceType":"Parameters","parameter":[{{"name":"operation","part":[{}]}}]}}"#,
        parts.join(",")
    ));
    request
}

fn language(dice: &mut Dice) -> &'static str {
    *dice.pick(&["en", "cy", "fr", "pl", "so", "ta"])
}

fn changed(sample: &Sample, dice: &mut Dice) -> Json {
    let mut body = sample.body.clone();
    body.set("language", language(dice).into());
    body
}

fn unnamed(sample: &Sample) -> Json {
    let mut body = sample.body.clone();
    body.set("id", Json::Null);
    body
}

/// A criterion that meets this one.
fn criterion(sample: &Sample) -> Option<(String, String)> {
    let identifier = sample.body.get("identifier")?.first();
    let system = identifier.text_at(&["system"])?;
    let value = identifier.text_at(&["value"])?;
    Some(("identifier".into(), format!("{system}|{value}")))
}

fn transaction(hidden: &Sample, own: &Sample, dice: &mut Dice) -> Option<Request> {
    let (name, value) = criterion(hidden)?;
    let criterion = form_urlencoded::Serializer::new(String::new())
        .append_pair(&name, &value)
        .finish();
    let kind = hidden.kind;
    let own_body = changed(own, dice);
    let entry = match dice.below(3) {
        0 => format!(
            "{{\"resource\":{},\"request\":{{\"method\":\"PUT\",\"url\":\"{kind}?{criterion}\"}}}}",
            unnamed(hidden)
        ),
        1 => format!("{{\"request\":{{\"method\":\"DELETE\",\"url\":\"{kind}?{criterion}\"}}}}"),
        // What points at another's thing by a condition.
        _ => format!(
            "{{\"resource\":{{\"resourceType\":\"Basic\",\"id\":\"twin-pointing\",\"code\":{{\"text\":\"x\"}},\"subject\":{{\"reference\":\"{kind}?{criterion}\"}}}},\
             \"request\":{{\"method\":\"PUT\",\"url\":\"Basic/twin-pointing\"}}}}"
        ),
    };
    let address = own.address();
    let mut request = Request::get("writing transaction", "");
    request.method = "POST";
    request.headers.push(("content-type", JSON.into()));
    request.body = Some(format!(
        "{{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":[{entry},\
         {{\"resource\":{own_body},\"request\":{{\"method\":\"PUT\",\"url\":\"{address}\"}}}}]}}"
    ));
    Some(request)
}
