//! A profile made ready: the differentials of its whole line, laid over one another in one tree.
//!
//! The tree holds only what profiles add; R4's own structure is looked at beside it, so together
//! they say what a snapshot would. Source: FHIR R4 sections 5.1 (profiling) and 5.3
//! (StructureDefinition).

use super::book::Rulebook;
use super::tables::Rule;
use super::{Canonical, without_version};
use crate::fhir::path::Path;
use crate::fhir::{Definitions, Json, TypeDefinition};

/// How many profiles may stand on one another.
const LONGEST_LINE: usize = 20;
/// Elements a profile may speak of.
const MOST_NODES: usize = 20_000;

/// A profile of a resource or data type.
#[derive(Debug)]
pub(super) struct Profile {
    pub(super) url: String,
    pub(super) type_name: String,
    /// The first is the root.
    pub(super) nodes: Vec<Node>,
    /// Where an extension may stand: kind and expression.
    pub(super) contexts: Vec<(String, String)>,
    pub(super) context_rules: Vec<Rule>,
    /// The base it stands on that nobody holds.
    pub(super) lacks: Option<String>,
    /// Paths in it that its type does not have.
    pub(super) faults: Vec<String>,
}

/// What a profile says of one element.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// Its name without `[x]`.
    pub(super) name: String,
    /// The slice's name, where it is one.
    pub(super) slice: Option<String>,
    pub(super) children: Vec<usize>,
    pub(super) slices: Vec<usize>,
    /// For a slice, the element it is a slice of.
    pub(super) whole: Option<usize>,
    pub(super) slicing: Option<Slicing>,
    pub(super) min: usize,
    pub(super) max: Option<usize>,
    pub(super) types: Vec<NodeType>,
    pub(super) fixed: Option<Json>,
    pub(super) pattern: Option<Json>,
    pub(super) binding: Option<Binding>,
    pub(super) max_length: Option<usize>,
    pub(super) least: Option<Json>,
    pub(super) most: Option<Json>,
    pub(super) rules: Vec<Rule>,
}

/// One type an element may have by its profile.
#[derive(Debug, Clone)]
pub(super) struct NodeType {
    pub(super) code: String,
    pub(super) profiles: Vec<Canonical>,
    pub(super) targets: Vec<Canonical>,
    /// Where a reference's target must be; empty where anywhere.
    pub(super) aggregation: Vec<String>,
}

/// The value set of an element.
#[derive(Debug, Clone)]
pub(super) struct Binding {
    pub(super) is_required: bool,
    pub(super) set: Canonical,
}

/// How a list is cut into slices.
#[derive(Debug, Default)]
pub(super) struct Slicing {
    pub(super) discriminators: Vec<Discriminator>,
    pub(super) is_closed: bool,
    pub(super) open_at_end: bool,
    pub(super) is_ordered: bool,
}

/// What tells a slice.
#[derive(Debug, Clone)]
pub(super) struct Discriminator {
    pub(super) kind: String,
    pub(super) path: String,
    pub(super) question: Option<Path>,
}

impl Profile {
    /// Makes a StructureDefinition ready.
    pub(super) fn read(definition: &Json, book: &Rulebook) -> Self {
        let text = |name: &str| definition.text_at(&[name]).unwrap_or_default();
        let mut profile = Self {
            url: text("url").to_owned(),
            type_name: type_name(text("type")).to_owned(),
            nodes: vec![Node::default()],
            contexts: Vec::new(),
            context_rules: Vec::new(),
            lacks: None,
            faults: Vec::new(),
        };
        let mut line = vec![definition];
        let mut last = definition;
        while let Some(base) = last.text_at(&["baseDefinition"]).map(without_version) {
            match book.structure(base) {
                Some(next) if line.len() < LONGEST_LINE => {
                    line.push(next);
                    last = next;
                }
                None if base_type(base).is_some() => break,
                _ => {
                    profile.lacks = Some(base.to_owned());
                    break;
                }
            }
        }
        for (place, one) in line.iter().rev().enumerate() {
            profile.lay_over(one, place + 1 == line.len());
        }
        profile.read_context(definition);
        profile
    }

    /// The root's child of a name.
    pub(super) fn child(&self, node: usize, name: &str) -> Option<usize> {
        let children = &self.nodes.get(node)?.children;
        let named = |child: &&usize| self.nodes.get(**child).is_some_and(|one| one.name == name);
        children.iter().find(named).copied()
    }

    fn read_context(&mut self, definition: &Json) {
        for context in definition.elements("context") {
            let text = |name: &str| context.text_at(&[name]).unwrap_or_default().to_owned();
            self.contexts.push((text("type"), text("expression")));
        }
        for (number, rule) in definition.elements("contextInvariant").iter().enumerate() {
            if let Some(expression) = rule.as_text() {
                let key = format!("context-{}", number + 1);
                let rule = Rule::new(key, true, "its context", expression.to_owned());
                self.context_rules.push(rule);
            }
        }
    }

    fn lay_over(&mut self, definition: &Json, is_own: bool) {
        let elements = ["differential", "snapshot"]
            .iter()
            .filter_map(|name| definition.get(name))
            .map(|part| part.elements("element"))
            .find(|elements| !elements.is_empty())
            .unwrap_or_default();
        let mut open: Vec<(String, Option<String>)> = Vec::new();
        for element in elements {
            let Some(path) = element.text_at(&["path"]) else {
                continue;
            };
            let steps = steps(element, path, &mut open);
            match self.node_at(&steps) {
                Some(node) => self.apply(node, element),
                None if is_own => self.faults.push(path.to_owned()),
                None => {}
            }
        }
    }

    /// The node at the end of these steps, made where it is new; none where the type has no such
    /// element.
    fn node_at(&mut self, steps: &[(String, Option<String>)]) -> Option<usize> {
        let r4 = Definitions::r4();
        let mut node = 0;
        let mut of_type = r4.get(&self.type_name);
        for (name, slice) in steps.iter().skip(1) {
            let plain = name.trim_end_matches("[x]");
            let mut slice = slice.clone();
            let mut wanted = plain;
            let mut spelled = None;
            if let Some(definition) = of_type {
                let element = definition.elements.iter().find(|one| one.name == plain);
                match (element, definition.member(plain)) {
                    (Some(element), _) => {
                        let only = (element.types.len() == 1).then(|| element.types.first());
                        of_type = only.flatten().and_then(|only| r4.get(only.name));
                    }
                    (None, Some((element, one))) => {
                        wanted = element.name;
                        slice = Some(slice.unwrap_or_else(|| plain.to_owned()));
                        spelled = Some(one.name);
                        of_type = r4.get(one.name);
                    }
                    (None, None) if definition.elements.is_empty() => of_type = None,
                    (None, None) => return None,
                }
            }
            node = self.child_of(node, wanted)?;
            if let Some(slice) = slice {
                node = self.slice_of(node, &slice)?;
            }
            if let (Some(code), Some(made)) = (spelled, self.nodes.get_mut(node))
                && made.types.is_empty()
            {
                made.types.push(NodeType::plain(code));
            }
            of_type = self.narrowed(node).or(of_type);
            if of_type.is_some_and(|found| found.is_abstract) {
                of_type = None;
            }
        }
        Some(node)
    }

    /// The one type a node is narrowed to, where it is one.
    fn narrowed(&self, node: usize) -> Option<&'static TypeDefinition> {
        match self.nodes.get(node)?.types.as_slice() {
            [one] if !matches!(one.code.as_str(), "BackboneElement" | "Element") => {
                Definitions::r4().get(&one.code)
            }
            _ => None,
        }
    }

    fn child_of(&mut self, parent: usize, name: &str) -> Option<usize> {
        if let Some(known) = self.child(parent, name) {
            return Some(known);
        }
        let made = self.add(Node {
            name: name.to_owned(),
            ..Node::default()
        })?;
        self.nodes.get_mut(parent)?.children.push(made);
        Some(made)
    }

    /// The slice of a name; `a/b` is a slice of the slice `a`.
    fn slice_of(&mut self, whole: usize, name: &str) -> Option<usize> {
        if let Some((outer, _)) = name.rsplit_once('/') {
            let outer = self.slice_of(whole, outer)?;
            return self.slice_named(outer, name);
        }
        self.slice_named(whole, name)
    }

    fn slice_named(&mut self, whole: usize, name: &str) -> Option<usize> {
        let parent = self.nodes.get(whole)?;
        let element = parent.name.clone();
        let is_it = |one: &&usize| {
            let slice = self.nodes.get(**one).and_then(|node| node.slice.as_deref());
            slice == Some(name)
        };
        if let Some(known) = parent.slices.iter().find(is_it) {
            return Some(*known);
        }
        let made = self.add(Node {
            name: element,
            slice: Some(name.to_owned()),
            whole: Some(whole),
            ..Node::default()
        })?;
        self.nodes.get_mut(whole)?.slices.push(made);
        Some(made)
    }

    fn add(&mut self, node: Node) -> Option<usize> {
        if self.nodes.len() >= MOST_NODES {
            return None;
        }
        self.nodes.push(node);
        Some(self.nodes.len() - 1)
    }

    fn apply(&mut self, node: usize, element: &Json) {
        let Some(node) = self.nodes.get_mut(node) else {
            return;
        };
        let number = |name: &str| element.get(name).and_then(whole_number);
        if let Some(min) = number("min") {
            node.min = node.min.max(min);
        }
        if let Some(max) = number("max") {
            node.max = Some(node.max.map_or(max, |known| known.min(max)));
        }
        node.max_length = number("maxLength").or(node.max_length);
        let types: Vec<NodeType> = element.elements("type").iter().map(node_type).collect();
        let has_types = !types.is_empty() && element.get("contentReference").is_none();
        if has_types {
            node.types = types;
        }
        if let Some(value) = spelled(element, "fixed") {
            node.fixed = Some(value.clone());
        }
        if let Some(value) = spelled(element, "pattern") {
            node.pattern = Some(value.clone());
        }
        node.least = spelled(element, "minValue").cloned().or(node.least.take());
        node.most = spelled(element, "maxValue").cloned().or(node.most.take());
        if let Some(binding) = element.get("binding") {
            node.binding = read_binding(binding).or(node.binding.take());
        }
        if let Some(slicing) = element.get("slicing") {
            node.slicing = Some(read_slicing(slicing, node.slicing.take()));
        }
        for rule in element.elements("constraint") {
            node.rules.extend(read_rule(rule, &node.rules));
        }
    }
}

impl NodeType {
    fn plain(code: &str) -> Self {
        Self {
            code: code.to_owned(),
            profiles: Vec::new(),
            targets: Vec::new(),
            aggregation: Vec::new(),
        }
    }
}

/// R4's own type of an address, such as `http://hl7.org/fhir/StructureDefinition/Patient`.
pub(super) fn base_type(url: &str) -> Option<&'static TypeDefinition> {
    let name = url.strip_prefix("http://hl7.org/fhir/StructureDefinition/")?;
    Definitions::r4().get(name)
}

/// `Patient`, where a profile names its type by the address.
fn type_name(name: &str) -> &str {
    name.strip_prefix("http://hl7.org/fhir/StructureDefinition/")
        .unwrap_or(name)
}

/// The steps to an element with their slices: by its id, or else by its path and the slices that
/// were opened before it.
fn steps(
    element: &Json,
    path: &str,
    open: &mut Vec<(String, Option<String>)>,
) -> Vec<(String, Option<String>)> {
    let names: Vec<&str> = path.split('.').collect();
    let slice = element.text_at(&["sliceName"]);
    let by_id = element.text_at(&["id"]).map(|id| {
        id.split('.')
            .map(|step| match step.split_once(':') {
                Some((name, slice)) => (name.to_owned(), Some(slice.to_owned())),
                None => (step.to_owned(), None),
            })
            .collect::<Vec<_>>()
    });
    let fits = |steps: &Vec<(String, Option<String>)>| {
        let same = steps
            .iter()
            .zip(&names)
            .all(|((name, _), plain)| name == plain);
        same && steps.len() == names.len()
            && steps.last().and_then(|(_, slice)| slice.as_deref()) == slice
    };
    let steps = by_id.filter(fits).unwrap_or_else(|| {
        let mut steps: Vec<(String, Option<String>)> = Vec::with_capacity(names.len());
        for (place, name) in names.iter().enumerate() {
            let is_last = place + 1 == names.len();
            let earlier = open
                .get(place)
                .filter(|(known, _)| known == name && open.starts_with(&steps));
            let slice = match earlier {
                _ if is_last => slice.map(str::to_owned),
                Some((_, slice)) => slice.clone(),
                None => None,
            };
            steps.push(((*name).to_owned(), slice));
        }
        steps
    });
    open.clone_from(&steps);
    steps
}

fn node_type(json: &Json) -> NodeType {
    let list = |name: &str| {
        let values = json.elements(name).iter().filter_map(Json::as_text);
        values.map(Canonical::read).collect()
    };
    NodeType {
        code: type_name(json.text_at(&["code"]).unwrap_or_default()).to_owned(),
        profiles: list("profile"),
        targets: list("targetProfile"),
        aggregation: json
            .elements("aggregation")
            .iter()
            .filter_map(Json::as_text)
            .map(str::to_owned)
            .collect(),
    }
}

fn read_binding(json: &Json) -> Option<Binding> {
    let strength = json.text_at(&["strength"])?;
    let set = json.text_at(&["valueSet"])?;
    matches!(strength, "required" | "extensible").then(|| Binding {
        is_required: strength == "required",
        set: Canonical::read(set),
    })
}

fn read_slicing(json: &Json, earlier: Option<Slicing>) -> Slicing {
    let text = |json: &Json, name: &str| json.text_at(&[name]).unwrap_or_default().to_owned();
    let discriminators: Vec<Discriminator> = json
        .elements("discriminator")
        .iter()
        .map(|one| {
            let path = text(one, "path");
            Discriminator {
                kind: text(one, "type"),
                question: Path::parse(&path).ok(),
                path,
            }
        })
        .collect();
    let rules = text(json, "rules");
    let mut slicing = earlier.unwrap_or_default();
    if !discriminators.is_empty() {
        slicing.discriminators = discriminators;
    }
    slicing.is_closed |= rules == "closed";
    slicing.open_at_end |= rules == "openAtEnd";
    slicing.is_ordered |= json.get("ordered").and_then(Json::as_bool) == Some(true);
    slicing
}

/// A constraint, unless it is one its type says itself or one that is known already.
fn read_rule(json: &Json, known: &[Rule]) -> Option<Rule> {
    let text = |name: &str| json.text_at(&[name]).unwrap_or_default().to_owned();
    let key = text("key");
    let is_known = super::tables::NOT_ASKED.iter().any(|(one, _)| *one == key)
        || known.iter().any(|rule| rule.key == key);
    let expression = text("expression");
    if is_known || expression.is_empty() {
        return None;
    }
    let is_error = text("severity") != "warning";
    Some(Rule::new(key, is_error, text("human"), expression))
}

/// The value of a choice member such as `fixedCode`.
fn spelled<'a>(element: &'a Json, name: &str) -> Option<&'a Json> {
    let Json::Object(members) = element else {
        return None;
    };
    let is_it = |member: &str| {
        member
            .strip_prefix(name)
            .is_some_and(|rest| rest.starts_with(|letter: char| letter.is_ascii_uppercase()))
    };
    let mut found = members.iter().filter(|(member, _)| is_it(member));
    found.next().map(|(_, value)| value)
}

/// A number that is written as one, or as a text (`max`); `*` is none.
fn whole_number(json: &Json) -> Option<usize> {
    let text = json.as_number().or_else(|| json.as_text())?;
    text.parse().ok()
}
