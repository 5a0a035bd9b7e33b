//! References: whether they point at something a resource of this kind may point at.
//!
//! Only what can be told from the reference, the resource and its Bundle is looked at; nothing is
//! fetched. Source: FHIR R4 section 2.3.

use super::elements::is_kind;
use super::profile::{NodeType, Profile, base_type};
use super::structure::{Check, Item, Over, Scope};
use crate::fhir::{Definitions, Json, TypeKind};

impl<'a> Check<'a> {
    /// ref-1, and the types R4 lets an element point at.
    pub(super) fn reference(&mut self, scope: &Scope<'_, 'a>, item: &Item<'a>) {
        let text = item.json.get("reference").and_then(Json::as_text);
        let resolved = text.and_then(|text| self.resolved(scope, text));
        if let Some(id) = text.and_then(|text| text.strip_prefix('#'))
            && !id.is_empty()
            && resolved.is_none()
        {
            return self.issue(
                "invariant",
                "ref-1: a reference beginning with # points at a contained resource",
                "contain the resource, or point at one by its address",
            );
        }
        let near = text
            .filter(|text| resolved.is_none() && !text.contains(':') && !text.starts_with('#'))
            .and_then(|text| self.full.as_ref()?.links.as_ref()?.by_uuid(text));
        let found = resolved
            .or(near)
            .and_then(|one| one.get("resourceType")?.as_text());
        let said = text.and_then(named_type);
        if let (Some(found), Some(said)) = (found, said)
            && found != said
        {
            return self.issue(
                "structure",
                format!(
                    "the reference names a {said}, and what stands at its address is a {found}"
                ),
                "name the type of the resource in the reference",
            );
        }
        let targets = item
            .element
            .types
            .iter()
            .find(|one| one.name == "Reference")
            .map(|one| one.targets.as_slice())
            .unwrap_or_default();
        let Some(target) = self.target_type(scope, item.json) else {
            return;
        };
        let allowed = |name: &&str| {
            self.r4
                .get(target)
                .is_some_and(|definition| is_kind(definition, name))
        };
        if !targets.is_empty() && !targets.iter().any(allowed) {
            self.issue(
                "structure",
                format!("{} does not point at a {target}", item.element.name),
                format!("point at {}", targets.join(" or ")),
            );
        }
    }

    /// What a profile says of a reference: where its target is, of which type and profile.
    pub(super) fn profiled_reference(
        &mut self,
        scope: &Scope<'_, 'a>,
        item: &Item<'a>,
        over: Over<'a>,
        types: &[&'a NodeType],
    ) {
        let targets: Vec<&'a str> = types
            .iter()
            .flat_map(|one| one.targets.iter().map(|target| target.url.as_str()))
            .collect();
        let text = item.json.get("reference").and_then(Json::as_text);
        let resolved = text.and_then(|text| self.resolved(scope, text));
        self.aggregation(over, types, text, resolved);
        if targets.is_empty() || types.iter().any(|one| one.targets.is_empty()) {
            return;
        }
        let Some(target) = self
            .target_type(scope, item.json)
            .and_then(|name| self.r4.get(name))
        else {
            return;
        };
        let mut profiles: Vec<&'a Profile> = Vec::new();
        let mut names = Vec::new();
        let mut is_free = false;
        for url in &targets {
            if let Some(base) = base_type(url) {
                names.push(base.name.to_owned());
                is_free |= is_kind(target, base.name);
            } else if let Some(profile) = self.profile(url) {
                names.push(profile.type_name.clone());
                if is_kind(target, &profile.type_name) {
                    profiles.push(profile);
                }
            } else {
                // A profile nobody holds: what it is of is not known.
                is_free = true;
            }
        }
        if is_free {
            return;
        }
        names.dedup();
        if profiles.is_empty() {
            return self.issue(
                "structure",
                format!(
                    "the profile {} does not let this point at a {}",
                    over.profile.url, target.name
                ),
                format!("point at {}", names.join(" or ")),
            );
        }
        let Some(resource) = resolved else {
            return;
        };
        let is_whole = self
            .full
            .as_ref()
            .is_some_and(|full| full.comparing.len() < 4);
        if is_whole
            && !std::ptr::eq(resource, scope.owner)
            && !profiles
                .iter()
                .any(|profile| self.resource_conforms(resource, profile))
        {
            self.issue(
                "structure",
                format!(
                    "the {} this points at keeps to no profile that {} allows",
                    target.name, over.profile.url
                ),
                "look at the resource with that profile",
            );
        }
    }

    fn aggregation(
        &mut self,
        over: Over<'a>,
        types: &[&'a NodeType],
        text: Option<&str>,
        resolved: Option<&'a Json>,
    ) {
        let modes: Vec<&str> = types
            .iter()
            .flat_map(|one| one.aggregation.iter().map(String::as_str))
            .collect();
        let Some(text) = text else {
            return;
        };
        if modes.is_empty() || types.iter().any(|one| one.aggregation.is_empty()) {
            return;
        }
        let is_contained = text.starts_with('#');
        let fits = match resolved {
            _ if is_contained => modes.contains(&"contained"),
            Some(_) => modes.contains(&"bundled"),
            None => modes.contains(&"referenced"),
        };
        if !fits {
            self.issue(
                "structure",
                format!(
                    "the profile {} asks for the target to be {}",
                    over.profile.url,
                    modes.join(" or ")
                ),
                "put the target there",
            );
        }
    }

    /// The resource a reference points at, where it is in the resource or its Bundle.
    pub(super) fn resolved(&self, scope: &Scope<'_, 'a>, text: &str) -> Option<&'a Json> {
        if let Some(id) = text.strip_prefix('#') {
            if id.is_empty() {
                return Some(scope.owner);
            }
            return self.full.as_ref()?.contained.get(id).copied();
        }
        self.full
            .as_ref()?
            .links
            .as_ref()?
            .find(scope.full_url, text)
    }

    /// The type a reference points at: of the resource, else as its address or `type` says.
    pub(super) fn target_type(
        &self,
        scope: &Scope<'_, 'a>,
        reference: &'a Json,
    ) -> Option<&'a str> {
        let text = reference.get("reference").and_then(Json::as_text);
        text.and_then(|text| self.resolved(scope, text))
            .and_then(|found| found.get("resourceType")?.as_text())
            .or_else(|| text.and_then(named_type))
            .or_else(|| reference.get("type")?.as_text())
    }
}

/// `Patient` of `https://server/Patient/1/_history/2` or `Patient/1`.
pub(super) fn named_type(address: &str) -> Option<&str> {
    let address = address.split("/_history/").next()?;
    if address.contains('?') || address.starts_with('#') {
        return None;
    }
    // A whole address begins with its scheme; any other is a type and an id, no more.
    let is_whole = address.starts_with("http://") || address.starts_with("https://");
    if !is_whole && (address.contains(':') || address.matches('/').count() != 1) {
        return None;
    }
    let mut parts = address.rsplit('/');
    let id = parts.next()?;
    let name = parts.next()?;
    let is_type = Definitions::r4()
        .get(name)
        .is_some_and(|found| found.kind == TypeKind::Resource && !found.is_abstract);
    (is_type && !id.is_empty()).then_some(name)
}
