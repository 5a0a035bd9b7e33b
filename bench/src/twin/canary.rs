//! What is in the world, as values that can be searched for: those of hidden things, which must lead
//! nowhere, and those of visible ones.

use std::collections::{BTreeMap, HashMap};

use care_core::fhir::search::{CodeSystem, IndexValue, Parameters, extract};
use care_core::fhir::{Json, ResourceType};
use care_core::vocabulary::SourceCode;
use jiff::Timestamp;

use super::dice::Dice;

/// One resource.
pub struct Sample {
    pub source: SourceCode,
    pub kind: ResourceType,
    pub id: String,
    pub body: Json,
    /// Its values by the name of the parameter.
    pub values: BTreeMap<String, Vec<IndexValue>>,
}

impl Sample {
    pub fn new(source: SourceCode, kind: ResourceType, body: Json) -> Self {
        let parameters = Parameters::r4();
        let names: HashMap<u32, &str> = parameters
            .of(kind)
            .map(|one| (one.key(), &*one.code))
            .collect();
        let mut values: BTreeMap<String, Vec<IndexValue>> = BTreeMap::new();
        for (key, value) in extract(&body, parameters) {
            if let Some(name) = names.get(&key) {
                values.entry((*name).to_owned()).or_default().push(value);
            }
        }
        Self {
            source,
            kind,
            id: body.text_at(&["id"]).unwrap_or_default().to_owned(),
            body,
            values,
        }
    }

    /// `Type/id`.
    pub fn address(&self) -> String {
        format!("{}/{}", self.kind, self.id)
    }

    /// The person it is about.
    pub fn person(&self) -> Option<&str> {
        if self.kind == ResourceType::PATIENT {
            return Some(self.id.split('-').next().unwrap_or(&self.id));
        }
        self.id.split_once('-').map(|(person, _)| person)
    }

    /// A parameter that it has a value of, and that value as it is asked for.
    pub fn said(&self, dice: &mut Dice) -> Option<(String, String)> {
        let names: Vec<&String> = self.values.keys().collect();
        if names.is_empty() {
            return None;
        }
        let name = (*dice.pick(&names)).clone();
        let value = written(self.value(&name, dice)?, "", dice)?;
        Some((name, value))
    }

    /// What it points at: the parameter, the type and the id.
    pub fn points(&self) -> Vec<(&str, ResourceType, &str)> {
        let all = self.values.iter().flat_map(|(name, values)| {
            values.iter().filter_map(move |value| match value {
                IndexValue::Reference {
                    resource_type: Some(kind),
                    id: Some(id),
                    ..
                } => Some((
                    name.as_str(),
                    ResourceType::from_name(kind.as_ref())?,
                    id.as_ref(),
                )),
                _ => None,
            })
        });
        all.collect()
    }

    fn value<'s>(&'s self, name: &str, dice: &mut Dice) -> Option<&'s IndexValue> {
        let values = self.values.get(name)?;
        (!values.is_empty()).then(|| dice.pick(values))
    }
}

/// Samples to draw from, of everybody or of one person.
#[derive(Default)]
pub struct Pool<'s> {
    hidden: HashMap<ResourceType, Vec<&'s Sample>>,
    visible: HashMap<ResourceType, Vec<&'s Sample>>,
    /// The types there are.
    pub kinds: Vec<ResourceType>,
    pub people: Vec<String>,
}

impl<'s> Pool<'s> {
    pub fn new(samples: impl Iterator<Item = (&'s Sample, bool)>) -> Self {
        let mut pool = Self::default();
        for (sample, hidden) in samples {
            let side = if hidden {
                &mut pool.hidden
            } else {
                &mut pool.visible
            };
            side.entry(sample.kind).or_default().push(sample);
            pool.people.extend(sample.person().map(str::to_owned));
        }
        pool.people.sort();
        pool.people.dedup();
        pool.kinds = pool
            .hidden
            .keys()
            .chain(pool.visible.keys())
            .copied()
            .collect();
        pool.kinds.sort();
        pool.kinds.dedup();
        pool
    }

    /// The one that a reference means.
    pub fn named(&self, kind: ResourceType, id: &str) -> Option<&'s Sample> {
        let sides = [&self.hidden, &self.visible];
        let all = sides
            .into_iter()
            .filter_map(|side| side.get(&kind))
            .flatten();
        all.copied().find(|one| one.id == id)
    }

    /// How many are hidden, and how many are not.
    pub fn counts(&self) -> (usize, usize) {
        let of = |side: &HashMap<_, Vec<_>>| side.values().map(Vec::len).sum();
        (of(&self.hidden), of(&self.visible))
    }

    /// A sample of a type: hidden four times out of five, where there is such.
    pub fn of(&self, kind: ResourceType, dice: &mut Dice) -> Option<&'s Sample> {
        let from = match (self.hidden.get(&kind), self.visible.get(&kind)) {
            (Some(hidden), Some(visible)) => {
                if dice.chance(80) {
                    hidden
                } else {
                    visible
                }
            }
            (one, other) => one.or(other)?,
        };
        Some(*dice.pick(from))
    }

    /// A visible one of any type.
    pub fn visible(&self, dice: &mut Dice) -> Option<&'s Sample> {
        for _ in 0..20 {
            if let Some(from) = self.visible.get(dice.pick(&self.kinds)) {
                return Some(*dice.pick(from));
            }
        }
        None
    }

    /// A hidden one of any type.
    pub fn hidden(&self, dice: &mut Dice) -> Option<&'s Sample> {
        for _ in 0..20 {
            if let Some(from) = self.hidden.get(dice.pick(&self.kinds)) {
                return Some(*dice.pick(from));
            }
        }
        None
    }

    pub fn any(&self, dice: &mut Dice) -> Option<&'s Sample> {
        let kind = *dice.pick(&self.kinds);
        self.of(kind, dice)
    }

    /// A value to ask a parameter of this type for.
    pub fn value(
        &self,
        kind: ResourceType,
        name: &str,
        modifier: &str,
        dice: &mut Dice,
    ) -> Option<String> {
        for _ in 0..4 {
            let sample = self.of(kind, dice)?;
            if let Some(value) = sample.value(name, dice) {
                return written(value, modifier, dice);
            }
        }
        None
    }
}

/// Signs that mean something in a search value stand for themselves.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, ',' | '|' | '$' | '\\') {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

const PREFIXES: [&str; 11] = ["", "", "eq", "ne", "gt", "ge", "lt", "le", "sa", "eb", "ap"];

fn date(at: i64, dice: &mut Dice) -> Option<String> {
    let text = Timestamp::from_microsecond(at).ok()?.to_string();
    let cut = match dice.below(5) {
        0 => 4,
        1 => 7,
        2 | 3 => 10,
        _ => return Some(format!("{}Z", text.get(..19)?)),
    };
    text.get(..cut).map(str::to_owned)
}

fn part<'t>(text: &'t str, dice: &mut Dice) -> &'t str {
    let letters: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    if letters.len() < 3 || dice.chance(40) {
        return text;
    }
    let from = if dice.chance(50) {
        0
    } else {
        letters[dice.below(letters.len() - 2)]
    };
    let to = from + dice.below(text.len() - from) + 1;
    text.get(from..to).unwrap_or(text)
}

fn written(value: &IndexValue, modifier: &str, dice: &mut Dice) -> Option<String> {
    Some(match value {
        IndexValue::Number(span) => {
            format!("{}{}", dice.pick(&PREFIXES), (span.low + span.high) / 2.0)
        }
        IndexValue::Date(span) => format!("{}{}", dice.pick(&PREFIXES), date(span.low, dice)?),
        IndexValue::Text(text) => {
            let whole = matches!(modifier, "exact") || dice.chance(40);
            plain(if whole { text } else { part(text, dice) })
        }
        IndexValue::Token {
            system,
            code,
            text,
            of_type,
        } => {
            if modifier == "of-type" {
                let (system, kind) = of_type.as_ref()?;
                return Some(format!(
                    "{}|{}|{}",
                    plain(system),
                    plain(kind),
                    plain(code.as_deref()?)
                ));
            }
            if modifier == "text" {
                return Some(plain(part(text.as_deref().or(code.as_deref())?, dice)));
            }
            let code = plain(code.as_deref().or(text.as_deref())?);
            match (system, dice.below(4)) {
                (CodeSystem::Is(system), 0 | 1) => format!("{}|{code}", plain(system)),
                (CodeSystem::Is(system), 2) => format!("{}|", plain(system)),
                (CodeSystem::None, 0) => format!("|{code}"),
                _ => code,
            }
        }
        IndexValue::Reference {
            resource_type,
            id,
            url,
            identifier,
            ..
        } => {
            if modifier == "identifier" {
                let (system, value) = identifier.as_ref()?;
                return Some(format!("{}|{}", plain(system), plain(value)));
            }
            match (resource_type, id, url) {
                (Some(kind), Some(id), _) if dice.chance(80) => format!("{kind}/{id}"),
                (_, Some(id), _) => id.to_string(),
                (_, None, Some(url)) => plain(url),
                _ => {
                    let (system, value) = identifier.as_ref()?;
                    format!("{}|{}", plain(system), plain(value))
                }
            }
        }
        IndexValue::Quantity {
            value,
            system,
            code,
            unit,
            ..
        } => {
            let number = (value.low + value.high) / 2.0;
            let unit = match (system, code, unit, dice.below(3)) {
                (Some(system), Some(code), _, 0) => format!("|{system}|{code}"),
                (_, Some(code), _, 1) => format!("||{code}"),
                (_, None, Some(unit), 1) => format!("||{}", plain(unit)),
                _ => String::new(),
            };
            format!("{}{number}{unit}", dice.pick(&PREFIXES))
        }
        IndexValue::Uri(text) => plain(text),
        IndexValue::Composite(parts) => {
            let each: Option<Vec<String>> = parts
                .iter()
                .map(|part| {
                    let one = (!part.is_empty()).then(|| dice.pick(part).clone())?;
                    written(&one, "", dice)
                })
                .collect();
            each?.join("$")
        }
        IndexValue::Position {
            latitude,
            longitude,
        } => format!("{latitude}|{longitude}|{}|km", dice.below(60) + 1),
    })
}
