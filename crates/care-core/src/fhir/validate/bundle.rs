//! What a resource is looked at with (its Bundle's links, its ids), and the rules of Bundles.
//!
//! Source: FHIR R4 sections 2.36.4 (links in a Bundle), 3.3 (documents) and 2.3 (search results).

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::place::Step;
use super::references::named_type;
use super::structure::{Check, Scope};
use crate::fhir::outcome::IssueSeverity;
use crate::fhir::path::Resolve;
use crate::fhir::{Json, TypeDefinition};

/// Where each resource of a Bundle is.
#[derive(Clone)]
pub(super) struct Links<'a> {
    all: Rc<All<'a>>,
}

#[derive(Default)]
struct All<'a> {
    by_url: HashMap<&'a str, &'a Json>,
    urls: HashMap<*const Json, &'a str>,
    resources: HashMap<*const Json, &'a Json>,
    /// Each `Type/id` that stands in the Bundle.
    names: HashSet<(&'a str, &'a str)>,
    is_document: bool,
}

/// The links of a Bundle as one of its entries sees them.
pub(super) struct Near<'a> {
    links: Links<'a>,
    full_url: Option<&'a str>,
}

impl<'a> Links<'a> {
    fn of(bundle: &'a Json) -> Self {
        let mut all = All {
            is_document: bundle.get("type").and_then(Json::as_text) == Some("document"),
            ..All::default()
        };
        for entry in bundle.elements("entry") {
            let Some(resource) = entry.get("resource") else {
                continue;
            };
            let text = |json: &'a Json, name: &str| json.get(name).and_then(Json::as_text);
            all.resources.insert(resource, resource);
            if let Some(url) = text(entry, "fullUrl") {
                all.by_url.entry(url).or_insert(resource);
                all.urls.insert(resource, url);
            }
            if let (Some(name), Some(id)) = (text(resource, "resourceType"), text(resource, "id")) {
                all.names.insert((name, id));
            }
        }
        Self { all: Rc::new(all) }
    }

    pub(super) fn full_url_of(&self, resource: &Json) -> Option<&'a str> {
        self.all.urls.get(&std::ptr::from_ref(resource)).copied()
    }

    pub(super) fn resource_at(&self, part: *const Json) -> Option<&'a Json> {
        self.all.resources.get(&part).copied()
    }

    pub(super) fn from(&self, full_url: Option<&'a str>) -> Near<'a> {
        Near {
            links: self.clone(),
            full_url,
        }
    }

    /// The resource a reference of an entry points at: by its whole address, or from the base of the
    /// entry's own.
    pub(super) fn find(&self, full_url: Option<&str>, reference: &str) -> Option<&'a Json> {
        let plain = reference.split("/_history/").next().unwrap_or(reference);
        if let Some(found) = self.all.by_url.get(plain) {
            return Some(found);
        }
        if plain.contains(':') {
            return None;
        }
        let base = base_of(full_url?)?;
        self.all
            .by_url
            .get(format!("{base}{plain}").as_str())
            .copied()
    }

    /// The resource whose fullUrl is the reference's id as a UUID.
    pub(super) fn by_uuid(&self, reference: &str) -> Option<&'a Json> {
        let (_, id) = reference.rsplit_once('/')?;
        self.all
            .by_url
            .get(format!("urn:uuid:{id}").as_str())
            .copied()
    }

    fn has_name(&self, reference: &str) -> bool {
        let mut parts = reference.rsplit('/');
        match (parts.next(), parts.next()) {
            (Some(id), Some(name)) => self.all.names.contains(&(name, id)),
            _ => false,
        }
    }
}

impl Resolve for Near<'_> {
    fn resolve(&self, reference: &str) -> Option<&Json> {
        self.links.find(self.full_url, reference)
    }
}

/// `http://server/fhir/` of `http://server/fhir/Patient/1`.
fn base_of(url: &str) -> Option<&str> {
    let name = named_type(url)?;
    let (head, _) = url.rsplit_once('/')?;
    head.strip_suffix(name).filter(|base| base.contains("://"))
}

/// What was known before a resource was entered.
pub(super) struct Outer<'a> {
    links: Option<Option<Links<'a>>>,
    resource: Option<&'a Json>,
    contained: Option<HashMap<&'a str, &'a Json>>,
    ids: Vec<&'a str>,
}

impl<'a> Check<'a> {
    pub(super) fn enter_resource(
        &mut self,
        resource: &'a Json,
        definition: &TypeDefinition,
        is_contained: bool,
    ) -> Option<Outer<'a>> {
        let full = self.full.as_mut()?;
        let by_id = || {
            let contained = resource.elements("contained").iter();
            contained
                .filter_map(|one| Some((one.get("id")?.as_text()?, one)))
                .collect()
        };
        // A contained resource sees those beside it.
        let contained = (!is_contained).then(|| std::mem::replace(&mut full.contained, by_id()));
        let links = (definition.name == "Bundle").then(|| full.links.replace(Links::of(resource)));
        Some(Outer {
            links,
            resource: full.resource.replace(resource),
            contained,
            ids: std::mem::take(&mut full.ids),
        })
    }

    pub(super) fn leave_resource(&mut self, outer: Option<Outer<'a>>) {
        let (Some(full), Some(outer)) = (&mut self.full, outer) else {
            return;
        };
        full.resource = outer.resource;
        if let Some(contained) = outer.contained {
            full.contained = contained;
        }
        if let Some(links) = outer.links {
            full.links = links;
        }
        let mut ids = std::mem::replace(&mut full.ids, outer.ids);
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        if ids.len() < count {
            self.issue(
                "business-rule",
                "two elements of the resource have the same id",
                "give each its own, or leave the ids out",
            );
        }
    }

    /// Rules of whole resources that are asked in plain code.
    pub(super) fn resource_rules(
        &mut self,
        scope: &Scope<'_, 'a>,
        resource: &'a Json,
        definition: &TypeDefinition,
        is_contained: bool,
    ) {
        if !is_contained {
            self.contained_rules(resource);
        }
        match definition.name {
            "Bundle" => self.bundle(resource),
            "Composition" => self.composition(scope, resource),
            "QuestionnaireResponse" => self.answers(scope, resource),
            "StructureDefinition" => self.definition(resource),
            _ => {}
        }
    }

    fn bundle(&mut self, bundle: &'a Json) {
        let kind = bundle
            .get("type")
            .and_then(Json::as_text)
            .unwrap_or_default();
        let needs_rest = matches!(
            kind,
            "document" | "message" | "collection" | "searchset" | "history"
        );
        for (number, entry) in bundle.elements("entry").iter().enumerate() {
            self.place
                .steps
                .extend([Step::Name("entry"), Step::Number(number)]);
            self.entry(entry, needs_rest);
            if kind == "searchset" {
                self.search_result(bundle, entry);
            }
            self.place
                .steps
                .truncate(self.place.steps.len().saturating_sub(2));
        }
    }

    fn entry(&mut self, entry: &'a Json, needs_rest: bool) {
        let Some(url) = entry.get("fullUrl").and_then(Json::as_text) else {
            return;
        };
        if !url.contains(':') {
            return self.issue(
                "invalid",
                "fullUrl is a whole address, not one that stands on another",
                "write the server's address before it, or urn:uuid: and a UUID",
            );
        }
        let Some(resource) = entry.get("resource").filter(|_| needs_rest) else {
            return;
        };
        let text = |name: &str| resource.get(name).and_then(Json::as_text);
        let is_rest = url.starts_with("http") && named_type(url) == text("resourceType");
        if !is_rest {
            return;
        }
        let id = url.rsplit('/').next();
        if text("id").is_none() {
            self.issue(
                "invalid",
                "fullUrl is a server's address of a resource, and the resource has no id",
                "give the resource the id at the end of fullUrl",
            );
        } else if text("id") != id {
            self.issue(
                "invalid",
                "fullUrl ends in another id than the resource has",
                "write the same id in both",
            );
        }
    }

    fn search_result(&mut self, bundle: &Json, entry: &Json) {
        let Some(resource) = entry.get("resource") else {
            return;
        };
        let name = resource
            .get("resourceType")
            .and_then(Json::as_text)
            .unwrap_or_default();
        let mode = entry.text_at(&["search", "mode"]).unwrap_or("match");
        if name == "OperationOutcome" || mode == "outcome" {
            return;
        }
        if resource.get("id").is_none() {
            self.issue(
                "invalid",
                "what a search found has an id",
                "send the resource with its id",
            );
        }
        if mode == "match"
            && let Some(searched) = searched_type(bundle)
            && searched != name
        {
            self.issue(
                "invalid",
                format!("the search was for {searched}, and this match is of another type"),
                "mark it as included (search.mode), or leave it out",
            );
        }
    }

    /// What a document's Composition points at is in the document.
    fn composition(&mut self, scope: &Scope<'_, 'a>, composition: &'a Json) {
        let Some(links) = self.full.as_ref().and_then(|full| full.links.clone()) else {
            return;
        };
        let is_entry = links.all.is_document && links.resource_at(composition).is_some();
        if !is_entry || scope.full_url.is_none() {
            return;
        }
        for name in ["subject", "encounter", "author", "custodian"] {
            for reference in composition.elements(name) {
                self.linked(scope, &links, name, reference);
            }
        }
        for attester in composition.elements("attester") {
            if let Some(party) = attester.get("party") {
                self.linked(scope, &links, "attester", party);
            }
        }
        self.sections(scope, &links, composition, 0);
    }

    fn sections(
        &mut self,
        scope: &Scope<'_, 'a>,
        links: &Links<'a>,
        within: &'a Json,
        depth: usize,
    ) {
        for section in within.elements("section") {
            for name in ["entry", "author", "focus"] {
                for reference in section.elements(name) {
                    self.linked(scope, links, "section", reference);
                }
            }
            if depth < 20 {
                self.sections(scope, links, section, depth + 1);
            }
        }
    }

    fn linked(
        &mut self,
        scope: &Scope<'_, 'a>,
        links: &Links<'a>,
        name: &'static str,
        reference: &'a Json,
    ) {
        let Some(text) = reference.get("reference").and_then(Json::as_text) else {
            return;
        };
        if self.resolved(scope, text).is_some() {
            return;
        }
        let severity = if links.has_name(text) || !text.contains("://") {
            IssueSeverity::Error
        } else {
            // A whole address may be that of something outside; the document should carry it.
            IssueSeverity::Warning
        };
        self.place.steps.push(Step::Name(name));
        self.note(
            severity,
            "not-found",
            "what this points at is not in the document",
            "put it in, with a fullUrl the reference leads to from the Composition's own",
        );
        self.place.steps.pop();
    }
}

/// The type a search was for, by the Bundle's own link; none where it names none or many.
fn searched_type(bundle: &Json) -> Option<&str> {
    let link = bundle
        .elements("link")
        .iter()
        .find(|link| link.get("relation").and_then(Json::as_text) == Some("self"))?;
    let url = link.get("url").and_then(Json::as_text)?;
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    if query.contains("_type=") {
        return None;
    }
    let name = path.trim_end_matches('/').rsplit('/').next()?;
    let is_type = crate::fhir::ResourceType::from_name(name).is_some();
    is_type.then_some(name)
}
