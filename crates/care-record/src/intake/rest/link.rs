//! References in what is sent: within the transaction, to our own addresses and ids, and conditional
//! ones. Each becomes `Type/key` as the mapping reads it. Source: FHIR R4 section 3.1.0.11.2.

use std::collections::HashMap;

use care_core::fhir::{Json, ReferenceTarget, ResourceType, read_reference};
use care_core::mapping::SOURCE_REFERENCE;
use jiff::Timestamp;

use super::find::Finder;
use super::plan::{Aim, Plan};
use super::refused::{RestRefusal, Stop};
use super::{RestRequest, RestWrite};

/// Writes every reference of the plan's resources anew.
pub(super) fn link(
    plan: &mut Plan,
    finder: &Finder<'_>,
    request: &RestRequest<'_>,
    now: Timestamp,
) -> Result<(), Stop> {
    let known = addresses(plan, finder, request)?;
    let made = named(plan, request);
    let mut aims = std::mem::take(&mut plan.aims);
    let mut linker = Linker {
        finder,
        base: request.base,
        known,
        made,
        now,
        looked_up: HashMap::new(),
    };
    for (aim, write) in aims.iter_mut().zip(&request.writes) {
        if let Aim::Put(put) = aim {
            linker
                .rewrite(&mut put.resource, plan)
                .map_err(|stop| match stop {
                    Stop::Refused(refusal) => Stop::from(refusal.about(write.entry)),
                    other => other,
                })?;
        }
    }
    plan.aims = aims;
    Ok(())
}

/// What this request itself puts, by its identifiers: a conditional reference may mean it.
struct Made {
    kind: ResourceType,
    target: String,
    identifiers: Vec<(String, String)>,
}

fn named(plan: &Plan, request: &RestRequest<'_>) -> Vec<Made> {
    let puts = plan.aims.iter().zip(&request.writes);
    puts.filter_map(|(aim, write)| match aim {
        Aim::Put(put) => Some(Made {
            kind: write.resource_type,
            target: format!("{}/{}", write.resource_type, put.placeholder),
            identifiers: put
                .resource
                .elements("identifier")
                .iter()
                .map(|one| {
                    let text = |name| one.text_at(&[name]).unwrap_or_default().to_owned();
                    (text("system"), text("value"))
                })
                .collect(),
        }),
        _ => None,
    })
    .collect()
}

/// By which texts entries point at one another, and what each becomes.
fn addresses(
    plan: &mut Plan,
    finder: &Finder<'_>,
    request: &RestRequest<'_>,
) -> Result<HashMap<String, String>, Stop> {
    let mut known = HashMap::new();
    let aims = std::mem::take(&mut plan.aims);
    for (aim, write) in aims.iter().zip(&request.writes) {
        let kind = write.resource_type;
        match aim {
            Aim::Delete(_) => {}
            Aim::Found(held) => {
                let target = plan.reference_to(finder, held)?;
                known.insert(format!("{kind}/{}", held.id()), target.clone());
                point(&mut known, write, None, &target);
            }
            Aim::Put(put) => {
                let target = format!("{kind}/{}", put.placeholder);
                if let Some(held) = &put.held {
                    known.insert(format!("{kind}/{}", held.id()), target.clone());
                }
                point(&mut known, write, put.sent_id.as_deref(), &target);
            }
        }
    }
    plan.aims = aims;
    Ok(known)
}

fn point(
    known: &mut HashMap<String, String>,
    write: &RestWrite,
    sent_id: Option<&str>,
    target: &str,
) {
    let kind = write.resource_type;
    if let Some(url) = &write.full_url {
        known.insert(url.clone(), target.to_owned());
        if let Some(ReferenceTarget::Absolute(_, Some((of, id)))) = read_reference(url) {
            known.insert(format!("{of}/{id}"), target.to_owned());
        }
    }
    for id in write.id.as_deref().into_iter().chain(sent_id) {
        known
            .entry(format!("{kind}/{id}"))
            .or_insert_with(|| target.to_owned());
    }
}

struct Linker<'a> {
    finder: &'a Finder<'a>,
    base: &'a str,
    known: HashMap<String, String>,
    made: Vec<Made>,
    now: Timestamp,
    /// Look-ups that were made for this request; a reference stands many times in a Bundle.
    looked_up: HashMap<String, String>,
}

impl Linker<'_> {
    fn rewrite(&mut self, value: &mut Json, plan: &mut Plan) -> Result<(), Stop> {
        match value {
            Json::Array(values) => {
                for value in values {
                    self.rewrite(value, plan)?;
                }
            }
            Json::Object(members) => {
                for (name, value) in members {
                    match (name.as_ref(), value) {
                        ("reference", Json::Text(text)) => {
                            if let Some(target) = self.reference(text, plan)? {
                                *text = target;
                            }
                        }
                        ("url" | "uri" | "valueUri" | "valueUrl", Json::Text(text)) => {
                            if text.starts_with("urn:")
                                && let Some(target) = self.known.get(text.as_str())
                            {
                                *text = format!("{SOURCE_REFERENCE}{target}");
                            }
                        }
                        // The narrative is what was attested: it is never changed.
                        ("div", Json::Text(_)) => {}
                        (_, other) => self.rewrite(other, plan)?,
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What a reference becomes; none where it stays.
    fn reference(&mut self, text: &str, plan: &mut Plan) -> Result<Option<String>, Stop> {
        if text.starts_with('#') {
            return Ok(None);
        }
        let whole = text.split_once("/_history/").map_or(text, |(head, _)| head);
        let relative = whole
            .strip_prefix(self.base)
            .and_then(|rest| rest.strip_prefix('/'))
            .unwrap_or(whole);
        for form in [whole, relative] {
            if let Some(target) = self.known.get(form) {
                return Ok(Some(target.clone()));
            }
        }
        if let Some(target) = self.looked_up.get(relative) {
            return Ok(Some(target.clone()));
        }
        let found = match relative.split_once('?') {
            Some((name, criteria)) if ResourceType::from_name(name).is_some() => {
                Some(self.conditional(name, criteria, plan)?)
            }
            Some(_) => None,
            None => self.by_our_id(relative, plan)?,
        };
        match found {
            Some(target) => {
                self.looked_up.insert(relative.to_owned(), target.clone());
                Ok(Some(target))
            }
            None if relative.len() < text.len() => Ok(Some(relative.to_owned())),
            None => Ok(None),
        }
    }

    fn by_our_id(&self, relative: &str, plan: &mut Plan) -> Result<Option<String>, Stop> {
        let Some(ReferenceTarget::Relative(kind, id)) = read_reference(relative) else {
            return Ok(None);
        };
        match self.finder.by_our_id(kind, id)? {
            Some(held) if !held.deleted => plan.reference_to(self.finder, &held).map(Some),
            _ => Ok(None),
        }
    }

    /// What this request itself puts that has the identifier asked for.
    fn made_as(&self, kind: ResourceType, criteria: &str) -> Vec<String> {
        let pairs: Vec<_> = form_urlencoded::parse(criteria.as_bytes()).collect();
        let [(name, wanted)] = pairs.as_slice() else {
            return Vec::new();
        };
        if name != "identifier" {
            return Vec::new();
        }
        let fits = |(system, value): &(String, String)| match wanted.split_once('|') {
            Some((of, wanted)) => of == system && wanted == value,
            None => wanted == value,
        };
        self.made
            .iter()
            .filter(|made| made.kind == kind && made.identifiers.iter().any(fits))
            .map(|made| made.target.clone())
            .collect()
    }

    /// The one thing that meets the criteria.
    fn conditional(&self, name: &str, criteria: &str, plan: &mut Plan) -> Result<String, Stop> {
        let kind = ResourceType::from_name(name).ok_or_else(RestRefusal::not_there)?;
        let mut targets: Vec<String> = self.made_as(kind, criteria);
        for held in self.finder.matching(kind, criteria, self.now)? {
            if plan.deleted.contains(&(held.owner, kind, held.item)) {
                continue;
            }
            let target = match self.known.get(&format!("{kind}/{}", held.id())) {
                Some(target) => target.clone(),
                None => plan.reference_to(self.finder, &held)?,
            };
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
        match (targets.pop(), targets.is_empty()) {
            (Some(target), true) => Ok(target),
            (None, _) => Err(RestRefusal::one(
                412,
                "not-found",
                format!("A conditional reference to {kind} matches nothing."),
                "Send the resource it means before, or correct the criteria.",
            )
            .into()),
            _ => Err(RestRefusal::one(
                412,
                "multiple-matches",
                format!("A conditional reference to {kind} matches several resources."),
                "Narrow the criteria to one.",
            )
            .into()),
        }
    }
}
