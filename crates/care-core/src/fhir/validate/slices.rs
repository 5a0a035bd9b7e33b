//! Slicing: which slice each value of a list belongs to, and whether the slices' own rules hold.
//!
//! A slice whose discriminator cannot be answered from what is held is left alone: nothing is
//! reported that is not known to be wrong. Source: FHIR R4 section 5.1.0.14.

use super::assign::{Assigned, Instance};
use super::elements::{extension_is, is_kind};
use super::pattern::{has_pattern, is_same};
use super::place::Step;
use super::profile::{Discriminator, Profile, base_type};
use super::structure::{Check, Item, Over, Scope};
use super::without_version;
use crate::fhir::path::{Element, Value};
use crate::fhir::{Definitions, Json};

impl<'a> Check<'a> {
    /// Gives each value the nodes of its slice, and looks at how often each slice stands.
    pub(super) fn slice(
        &mut self,
        scope: &Scope<'_, 'a>,
        over: Over<'a>,
        place: usize,
        found: &[Instance<'a>],
        assigned: &mut Assigned<'a>,
    ) {
        let profile = over.profile;
        let Some(node) = profile.nodes.get(over.node) else {
            return;
        };
        let mut counts = vec![0usize; node.slices.len()];
        let mut is_open_question = false;
        let mut owners: Vec<Option<usize>> = Vec::with_capacity(found.len());
        for instance in found {
            let mut owner = None;
            for (number, slice) in node.slices.iter().enumerate() {
                let wanted = Over {
                    profile,
                    node: *slice,
                };
                if profile
                    .nodes
                    .get(*slice)
                    .is_some_and(|one| one.slice.as_deref() == Some("@default"))
                {
                    continue;
                }
                match self.is_in(scope, instance, over, wanted) {
                    Some(true) => {
                        owner = Some(number);
                        break;
                    }
                    Some(false) => {}
                    None => is_open_question = true,
                }
            }
            owners.push(owner);
            if let (Some(number), Some(slice)) =
                (owner, owner.and_then(|number| node.slices.get(number)))
            {
                if let Some(count) = counts.get_mut(number) {
                    *count += 1;
                }
                let wanted = Over {
                    profile,
                    node: *slice,
                };
                assigned.add(place, instance.number, wanted);
                let inner = profile.nodes.get(*slice);
                if inner.is_some_and(|inner| !inner.slices.is_empty()) {
                    self.slice(
                        scope,
                        wanted,
                        place,
                        std::slice::from_ref(instance),
                        assigned,
                    );
                }
            }
        }
        self.count_slices(over, &counts, is_open_question);
        self.rest_of_slices(over, found, &owners, is_open_question);
    }

    fn count_slices(&mut self, over: Over<'a>, counts: &[usize], is_open_question: bool) {
        let Some(node) = over.profile.nodes.get(over.node) else {
            return;
        };
        for (slice, count) in node.slices.iter().zip(counts) {
            let Some(slice) = over.profile.nodes.get(*slice) else {
                continue;
            };
            let name = slice.slice.as_deref().unwrap_or_default();
            let by = &over.profile.url;
            let told = if *count < slice.min && !is_open_question {
                format!(
                    "the profile {by} asks for {} of the slice {name}, and {count} stand here",
                    slice.min
                )
            } else if slice.max.is_some_and(|max| *count > max) {
                let max = slice.max.unwrap_or_default();
                format!("the profile {by} allows {max} of the slice {name}, and {count} stand here")
            } else {
                continue;
            };
            let code = if *count < slice.min {
                "required"
            } else {
                "structure"
            };
            self.within(Step::Name(&node.name), |check| {
                check.issue(code, told, "send as many as the profile names");
            });
        }
    }

    /// Values of no slice where the slicing is closed, and the order of slices.
    fn rest_of_slices(
        &mut self,
        over: Over<'a>,
        found: &[Instance<'a>],
        owners: &[Option<usize>],
        is_open_question: bool,
    ) {
        let node = over.profile.nodes.get(over.node);
        let Some((node, slicing)) = node.and_then(|node| Some((node, node.slicing.as_ref()?)))
        else {
            return;
        };
        let mut furthest = None;
        let mut unmatched_before = false;
        for (instance, owner) in found.iter().zip(owners) {
            let told = match owner {
                None if slicing.is_closed && !is_open_question => {
                    "belongs to no slice, and the profile allows no others"
                }
                Some(_) if slicing.open_at_end && unmatched_before && !is_open_question => {
                    "stands behind values of no slice, and the profile wants those at the end"
                }
                Some(number) if slicing.is_ordered && furthest > Some(*number) => {
                    "stands behind a later slice, and the profile asks for their order"
                }
                _ => "",
            };
            unmatched_before |= owner.is_none();
            furthest = furthest.max(*owner);
            if told.is_empty() {
                continue;
            }
            self.place.steps.push(Step::Name(instance.member));
            if instance.is_listed {
                self.place.steps.push(Step::Number(instance.number));
            }
            let what = format!("this {} {told} ({})", node.name, over.profile.url);
            self.issue("structure", what, "look at the slices of the profile");
            let steps = self.place.steps.len() - 1 - usize::from(instance.is_listed);
            self.place.steps.truncate(steps);
        }
    }

    /// Whether a value belongs to a slice; none where that cannot be told.
    fn is_in(
        &mut self,
        scope: &Scope<'_, 'a>,
        instance: &Instance<'a>,
        whole: Over<'a>,
        slice: Over<'a>,
    ) -> Option<bool> {
        let item = &instance.item;
        let slice_node = slice.profile.nodes.get(slice.node)?;
        let whole_node = whole.profile.nodes.get(whole.node)?;
        let discriminators = whole_node
            .slicing
            .as_ref()
            .map(|slicing| slicing.discriminators.as_slice())
            .unwrap_or_default();
        if item.element.is_choice && discriminators.iter().all(|one| one.path == "$this") {
            return Some(
                slice_node
                    .types
                    .iter()
                    .any(|one| is_kind(item.definition, &one.code)),
            );
        }
        if item.definition.name == "Extension" && discriminators.iter().all(|one| one.path == "url")
        {
            let urls = extension_urls(slice);
            return (!urls.is_empty()).then(|| {
                urls.iter()
                    .any(|url| extension_is(item.json, without_version(url)))
            });
        }
        if discriminators.is_empty() {
            return None;
        }
        let mut answer = Some(true);
        for discriminator in discriminators {
            match self.told_by(scope, item, slice, discriminator) {
                Some(true) => {}
                Some(false) => return Some(false),
                None => answer = None,
            }
        }
        answer
    }

    fn told_by(
        &mut self,
        scope: &Scope<'_, 'a>,
        item: &Item<'a>,
        slice: Over<'a>,
        by: &'a Discriminator,
    ) -> Option<bool> {
        let nodes = self.nodes_at(slice, &by.path);
        let question = by.question.as_ref()?;
        let element = Element::found(item.json, item.shadow, Some(item.definition), scope.owner);
        if by.kind == "type" && by.path.ends_with("resolve()") {
            return self.type_of_target(scope, item, by, &nodes);
        }
        let full = self.full.as_mut().filter(|full| full.steps_left > 0)?;
        let (values, steps) = question.evaluate_paid(Value::Element(element), scope.context);
        full.steps_left = full.steps_left.saturating_sub(steps);
        let values = values.ok()?;
        match by.kind.as_str() {
            "exists" => {
                let node = nodes
                    .first()
                    .and_then(|over| over.profile.nodes.get(over.node))?;
                if node.max == Some(0) {
                    Some(values.is_empty())
                } else if node.min > 0 {
                    Some(!values.is_empty())
                } else {
                    None
                }
            }
            "value" | "pattern" => {
                let mut is_told = false;
                for over in &nodes {
                    let mut one_fits = None;
                    for value in &values {
                        match self.fits(*over, &value.to_json()) {
                            Some(true) => one_fits = Some(true),
                            Some(false) => one_fits = one_fits.or(Some(false)),
                            None => {}
                        }
                    }
                    if values.is_empty() && tells(*over) {
                        return Some(false);
                    }
                    match one_fits {
                        Some(false) => return Some(false),
                        Some(true) => is_told = true,
                        None => {}
                    }
                }
                is_told.then_some(true)
            }
            "type" => {
                let codes = type_codes(&nodes);
                if codes.is_empty() {
                    return None;
                }
                Some(values.iter().any(|value| {
                    let definition = value.as_element().and_then(Element::definition);
                    definition.is_some_and(|found| codes.iter().any(|code| is_kind(found, code)))
                }))
            }
            "profile" => {
                let elements: Vec<Element<'_>> = values
                    .iter()
                    .filter_map(Value::as_element)
                    .copied()
                    .collect();
                let jsons: Vec<*const Json> = elements
                    .iter()
                    .map(|one| std::ptr::from_ref(one.json()))
                    .collect();
                self.told_by_profile(item.json, &jsons, &nodes)
            }
            _ => None,
        }
    }

    /// Whether one of these parts of a value keeps to the profile its slice names.
    fn told_by_profile(
        &mut self,
        within: &'a Json,
        parts: &[*const Json],
        nodes: &[Over<'a>],
    ) -> Option<bool> {
        let mut wanted: Vec<&'a str> = Vec::new();
        for over in nodes {
            for one in &over.profile.nodes.get(over.node)?.types {
                wanted.extend(
                    one.profiles
                        .iter()
                        .chain(&one.targets)
                        .map(|one| one.url.as_str()),
                );
            }
        }
        if wanted.is_empty() {
            return None;
        }
        let mut is_unknown = false;
        for part in parts {
            let Some(resource) = self.find_part(within, *part) else {
                continue;
            };
            let name = resource.get("resourceType").and_then(Json::as_text);
            let Some(definition) = name.and_then(|name| self.r4.get(name)) else {
                is_unknown = true;
                continue;
            };
            for url in &wanted {
                if let Some(base) = base_type(url) {
                    if is_kind(definition, base.name) {
                        return Some(true);
                    }
                } else if let Some(profile) = self.profile(url) {
                    if is_kind(definition, &profile.type_name)
                        && self.resource_conforms(resource, profile)
                    {
                        return Some(true);
                    }
                } else {
                    is_unknown = true;
                }
            }
        }
        (!is_unknown).then_some(false)
    }

    /// The part of a value, or the resource of the Bundle, that stands at this address in memory.
    fn find_part(&self, within: &'a Json, part: *const Json) -> Option<&'a Json> {
        if std::ptr::eq(within, part) {
            return Some(within);
        }
        let inside = match within {
            Json::Array(values) => values.iter().find_map(|one| self.find_inside(one, part)),
            Json::Object(members) => members
                .iter()
                .find_map(|(_, one)| self.find_inside(one, part)),
            _ => None,
        };
        inside.or_else(|| self.full.as_ref()?.links.as_ref()?.resource_at(part))
    }

    fn find_inside(&self, value: &'a Json, part: *const Json) -> Option<&'a Json> {
        if std::ptr::eq(value, part) {
            return Some(value);
        }
        match value {
            Json::Array(values) => values.iter().find_map(|one| self.find_inside(one, part)),
            Json::Object(members) if value.get("resourceType").is_none() => members
                .iter()
                .find_map(|(_, one)| self.find_inside(one, part)),
            _ => None,
        }
    }

    /// The type a reference points at, compared with those a slice names.
    fn type_of_target(
        &mut self,
        scope: &Scope<'_, 'a>,
        item: &Item<'a>,
        by: &Discriminator,
        nodes: &[Over<'a>],
    ) -> Option<bool> {
        let before = by.path.trim_end_matches("resolve()").trim_end_matches('.');
        let reference = match before {
            "" | "$this" => item.json,
            name => item.json.get(name)?.first(),
        };
        let target = self.target_type(scope, reference)?;
        let definition = self.r4.get(target)?;
        let codes = type_codes(nodes);
        (!codes.is_empty()).then(|| codes.iter().any(|code| is_kind(definition, code)))
    }

    /// The nodes a discriminator's path leads to from a slice.
    fn nodes_at(&self, slice: Over<'a>, path: &'a str) -> Vec<Over<'a>> {
        let mut now = vec![slice];
        for step in steps(path) {
            let mut next = Vec::new();
            for over in &now {
                self.step(*over, step, &mut next);
            }
            now = next;
        }
        now
    }

    fn step(&self, over: Over<'a>, step: &str, next: &mut Vec<Over<'a>>) {
        let Some(node) = over.profile.nodes.get(over.node) else {
            return;
        };
        if step == "$this" || step.starts_with("ofType(") {
            return next.push(over);
        }
        let into = |urls: &mut dyn Iterator<Item = &'a str>, next: &mut Vec<Over<'a>>| {
            for profile in urls.filter_map(|url| self.profile(url)) {
                next.push(Over { profile, node: 0 });
            }
        };
        if step == "resolve()" {
            // What stands behind a reference is told by the reference's own node, too.
            next.push(over);
            let targets = node.types.iter().flat_map(|one| &one.targets);
            return into(&mut targets.map(|one| one.url.as_str()), next);
        }
        let extension = step
            .strip_prefix("extension(")
            .map(|url| url.trim_matches(|sign| matches!(sign, '\'' | '"' | ')')));
        let name = extension.map_or(step, |_| "extension");
        let before = next.len();
        let mut place = Some(over.node);
        while let Some(at) = place {
            if let Some(child) = over.profile.child(at, name) {
                let child = Over {
                    node: child,
                    ..over
                };
                match extension {
                    None => next.push(child),
                    Some(url) => next.extend(extension_slice(child, url)),
                }
                if next.len() > before {
                    return;
                }
            }
            place = over.profile.nodes.get(at).and_then(|node| node.whole);
        }
        let mut roots = Vec::new();
        let profiles = node.types.iter().flat_map(|one| &one.profiles);
        into(&mut profiles.map(|one| one.url.as_str()), &mut roots);
        for root in roots {
            if let Some(child) = root.profile.child(0, name) {
                next.push(Over {
                    node: child,
                    ..root
                });
            }
        }
    }

    /// Whether a value has what a node fixes; none where the node fixes nothing.
    fn fits(&self, over: Over<'a>, value: &Json) -> Option<bool> {
        let node = over.profile.nodes.get(over.node)?;
        let mut told = None;
        if let Some(fixed) = &node.fixed {
            if !is_same(value, fixed) {
                return Some(false);
            }
            told = Some(true);
        }
        if let Some(pattern) = &node.pattern {
            if !has_pattern(value, pattern) {
                return Some(false);
            }
            told = Some(true);
        }
        if let Some(binding) = &node.binding
            && let Some(fits) = self.is_bound(value, &binding.set.url)
        {
            if !fits {
                return Some(false);
            }
            told = Some(true);
        }
        for child in &node.children {
            let child = Over {
                node: *child,
                ..over
            };
            let name = child
                .profile
                .nodes
                .get(child.node)
                .map_or("", |node| &node.name);
            let values = value.elements(name);
            if values.is_empty() && tells(child) {
                return Some(false);
            }
            let fits: Vec<bool> = values
                .iter()
                .filter_map(|one| self.fits(child, one))
                .collect();
            if !fits.is_empty() {
                if !fits.contains(&true) {
                    return Some(false);
                }
                told = Some(true);
            }
        }
        told
    }

    fn is_bound(&self, value: &Json, url: &str) -> Option<bool> {
        let set = self.full.as_ref()?.validation.book.codes(url)?;
        let coding = |one: &Json| {
            let code = one.get("code").and_then(Json::as_text);
            let system = one.get("system").and_then(Json::as_text);
            code.is_some_and(|code| set.has(system, code))
        };
        Some(match value {
            Json::Text(code) => set.has(None, code),
            value if value.get("coding").is_some() => value.elements("coding").iter().any(coding),
            value => coding(value),
        })
    }

    /// Whether a resource keeps to a profile; nothing is said of why not.
    pub(super) fn resource_conforms(&mut self, resource: &'a Json, profile: &'a Profile) -> bool {
        let key = (std::ptr::from_ref(resource), std::ptr::from_ref(profile));
        let Some(full) = &mut self.full else {
            return true;
        };
        if full.comparing.contains(&key) || full.comparing.len() > 6 || self.place.steps.len() > 120
        {
            return true;
        }
        full.comparing.push(key);
        let kept = std::mem::take(&mut self.issues);
        self.resource_again(resource, &[Over { profile, node: 0 }]);
        let found = std::mem::replace(&mut self.issues, kept);
        if let Some(full) = &mut self.full {
            full.comparing.pop();
        }
        !found
            .iter()
            .any(|issue| issue.severity >= crate::fhir::IssueSeverity::Error)
    }
}

/// Whether a node or one below it fixes something that must be there.
fn tells(over: Over<'_>) -> bool {
    let Some(node) = over.profile.nodes.get(over.node) else {
        return false;
    };
    node.fixed.is_some()
        || node.pattern.is_some()
        || (node.min > 0
            && node.children.iter().any(|child| {
                tells(Over {
                    node: *child,
                    ..over
                })
            }))
}

/// The type names a slice's nodes allow; a reference's targets count as types.
fn type_codes(nodes: &[Over<'_>]) -> Vec<String> {
    let mut found = Vec::new();
    for over in nodes {
        let Some(node) = over.profile.nodes.get(over.node) else {
            continue;
        };
        if over.node == 0 {
            found.push(over.profile.type_name.clone());
        }
        for one in &node.types {
            if one.targets.is_empty() {
                found.push(one.code.clone());
            }
            let named = one
                .targets
                .iter()
                .filter_map(|target| base_type(&target.url));
            found.extend(named.map(|base| base.name.to_owned()));
        }
    }
    let is_type = |name: &String| {
        Definitions::r4()
            .get(name)
            .is_some_and(|one| one.name != "Reference")
    };
    found.retain(is_type);
    found
}

/// The addresses that make an extension one of a slice.
fn extension_urls(slice: Over<'_>) -> Vec<&str> {
    let Some(node) = slice.profile.nodes.get(slice.node) else {
        return Vec::new();
    };
    let fixed = slice
        .profile
        .child(slice.node, "url")
        .and_then(|url| slice.profile.nodes.get(url)?.fixed.as_ref()?.as_text());
    match fixed {
        Some(url) => vec![url],
        None => {
            let profiles = node.types.iter().flat_map(|one| &one.profiles);
            profiles.map(|one| one.url.as_str()).collect()
        }
    }
}

fn extension_slice<'a>(whole: Over<'a>, url: &str) -> Option<Over<'a>> {
    let node = whole.profile.nodes.get(whole.node)?;
    let slices = node.slices.iter().map(|slice| Over {
        node: *slice,
        ..whole
    });
    let mut fitting = slices.filter(|slice| extension_urls(*slice).contains(&url));
    fitting.next()
}

/// The steps of a discriminator's path; points inside brackets do not part it.
fn steps(path: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut depth, mut from) = (0usize, 0);
    for (at, sign) in path.char_indices() {
        match sign {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            '.' if depth == 0 => {
                found.push(path.get(from..at).unwrap_or_default());
                from = at + 1;
            }
            _ => {}
        }
    }
    found.push(path.get(from..).unwrap_or_default());
    found
}
