//! Which of a profile's nodes each child of an object must keep to, and how often a child may stand.

use std::collections::HashMap;

use super::place::Step;
use super::structure::{Check, Item, Over, Scope};
use crate::fhir::{Json, TypeDefinition};

static NOTHING: Json = Json::Null;
static EMPTY: Json = Json::Object(Vec::new());

/// Nodes by the place of the element among its type's and the number of the value.
#[derive(Default)]
pub(super) struct Assigned<'a> {
    of: HashMap<(usize, usize), Vec<Over<'a>>>,
}

impl<'a> Assigned<'a> {
    pub(super) fn of(&self, place: usize, number: usize) -> &[Over<'a>] {
        if self.of.is_empty() {
            return &[];
        }
        self.of.get(&(place, number)).map_or(&[], Vec::as_slice)
    }

    pub(super) fn add(&mut self, place: usize, number: usize, over: Over<'a>) {
        let overs = self.of.entry((place, number)).or_default();
        if !overs.contains(&over) {
            overs.push(over);
        }
    }
}

/// One value of an element, with the member it stands under.
#[derive(Clone, Copy)]
pub(super) struct Instance<'a> {
    pub(super) item: Item<'a>,
    pub(super) member: &'a str,
    pub(super) number: usize,
    pub(super) is_listed: bool,
}

/// A primitive's id and extensions, where they were sent.
pub(super) fn shadow_of<'a>(owner: &'a Json, name: &str, number: usize) -> Option<&'a Json> {
    let Json::Object(members) = owner else {
        return None;
    };
    let (_, shadow) = members
        .iter()
        .find(|(member, _)| member.strip_prefix('_') == Some(name))?;
    let shadow = match shadow {
        Json::Array(values) => values.get(number)?,
        one => one,
    };
    (*shadow != Json::Null).then_some(shadow)
}

impl<'a> Check<'a> {
    /// What the nodes of an object say of its children. Counts are looked at here.
    pub(super) fn assign(
        &mut self,
        scope: &Scope<'_, 'a>,
        value: &'a Json,
        definition: &'static TypeDefinition,
        overs: &[Over<'a>],
    ) -> Assigned<'a> {
        let mut assigned = Assigned::default();
        for over in overs {
            let Some(node) = over.profile.nodes.get(over.node) else {
                continue;
            };
            for child in &node.children {
                let over = Over {
                    node: *child,
                    ..*over
                };
                self.assign_child(scope, value, definition, over, &mut assigned);
            }
        }
        assigned
    }

    fn assign_child(
        &mut self,
        scope: &Scope<'_, 'a>,
        value: &'a Json,
        definition: &'static TypeDefinition,
        over: Over<'a>,
        assigned: &mut Assigned<'a>,
    ) {
        let Some(node) = over.profile.nodes.get(over.node) else {
            return;
        };
        let place = definition
            .elements
            .iter()
            .position(|one| one.name == node.name);
        let Some((place, element)) = place.and_then(|at| Some((at, definition.elements.get(at)?)))
        else {
            return;
        };
        let found = self.instances(value, definition, place);
        let is_told = found.is_empty() && element.min > 0;
        if found.len() < node.min && !is_told {
            let what = format!(
                "the profile {} asks for {} of {}, and {} stand here",
                over.profile.url,
                at_least(node.min),
                node.name,
                found.len()
            );
            self.within(Step::Name(element.name), |check| {
                check.issue("required", what, "send it, or ask why the source has none");
            });
        }
        if node.max.is_some_and(|max| found.len() > max) {
            let max = node.max.unwrap_or_default();
            let what = format!(
                "the profile {} allows {max} of {}, and {} stand here",
                over.profile.url,
                node.name,
                found.len()
            );
            self.within(Step::Name(element.name), |check| {
                check.issue("structure", what, "take out what is too many");
            });
        }
        for instance in &found {
            assigned.add(place, instance.number, over);
        }
        if !node.slices.is_empty() || node.slicing.as_ref().is_some_and(|cut| cut.is_closed) {
            self.slice(scope, over, place, &found, assigned);
        }
    }

    /// Every value of an element of an object.
    pub(super) fn instances(
        &self,
        value: &'a Json,
        definition: &'static TypeDefinition,
        place: usize,
    ) -> Vec<Instance<'a>> {
        let mut found = Vec::new();
        let Json::Object(members) = value else {
            return found;
        };
        for (name, json) in members {
            let plain = name.strip_prefix('_').unwrap_or(name);
            let is_lone_shadow = plain.len() < name.len() && value.get(plain).is_none();
            if definition.place(plain) != Some(place)
                || (plain.len() < name.len() && !is_lone_shadow)
            {
                continue;
            }
            let Some((element, of_type)) = definition.member(plain) else {
                continue;
            };
            let Some(own) = self.r4.get(of_type.name) else {
                continue;
            };
            let values = match json {
                Json::Array(values) => values.as_slice(),
                one => std::slice::from_ref(one),
            };
            for (number, one) in values.iter().enumerate() {
                let shadow = shadow_of(value, plain, number);
                if *one == Json::Null && shadow.is_none() {
                    continue;
                }
                found.push(Instance {
                    item: Item {
                        json: if is_lone_shadow { &NOTHING } else { one },
                        shadow,
                        owner: definition,
                        element,
                        place,
                        definition: own,
                    },
                    member: plain,
                    number,
                    is_listed: matches!(json, Json::Array(_)),
                });
            }
        }
        found
    }

    /// A primitive without id and extensions, where profiles may ask for some.
    pub(super) fn no_shadow(&mut self, scope: &Scope<'_, 'a>, overs: &[Over<'a>]) {
        let has_children = |over: &Over<'a>| {
            let node = over.profile.nodes.get(over.node);
            node.is_some_and(|node| !node.children.is_empty())
        };
        if overs.iter().any(has_children)
            && let Some(element) = self.r4.get("Element")
        {
            self.assign(scope, &EMPTY, element, overs);
        }
    }
}

fn at_least(min: usize) -> String {
    if min == 1 {
        "one".to_owned()
    } else {
        format!("at least {min}")
    }
}
