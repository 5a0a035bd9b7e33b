//! Which search parameters there are.
//!
//! Source: the official R4 SearchParameters, reduced by `tools/definitions/build.mjs`; a deployment
//! may add its own.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::fhir::path::Path;
use crate::fhir::{Json, ResourceType};

const TABLE: &str = include_str!("../../../data/definitions/r4-search.txt");

/// What kind of values a parameter compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ParameterKind {
    /// Numbers.
    Number,
    /// Dates and stretches of time.
    Date,
    /// Texts that begin with what is asked.
    String,
    /// Codes and identifiers.
    Token,
    /// Other resources.
    Reference,
    /// Several values of one element.
    Composite,
    /// Numbers with a unit.
    Quantity,
    /// Addresses.
    Uri,
    /// `near`.
    Special,
}

impl ParameterKind {
    fn from_letter(letter: &str) -> Option<Self> {
        Some(match letter {
            "n" => Self::Number,
            "d" => Self::Date,
            "s" => Self::String,
            "t" => Self::Token,
            "r" => Self::Reference,
            "c" => Self::Composite,
            "q" => Self::Quantity,
            "u" => Self::Uri,
            "x" => Self::Special,
            _ => return None,
        })
    }

    /// FHIR's code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Date => "date",
            Self::String => "string",
            Self::Token => "token",
            Self::Reference => "reference",
            Self::Composite => "composite",
            Self::Quantity => "quantity",
            Self::Uri => "uri",
            Self::Special => "special",
        }
    }

    fn from_code(code: &str) -> Option<Self> {
        [
            Self::Number,
            Self::Date,
            Self::String,
            Self::Token,
            Self::Reference,
            Self::Composite,
            Self::Quantity,
            Self::Uri,
            Self::Special,
        ]
        .into_iter()
        .find(|kind| kind.code() == code)
    }
}

/// One parameter of one resource type.
#[derive(Debug, Clone)]
pub struct SearchParameter {
    /// Its name in a request.
    pub code: Box<str>,
    /// What kind of values it compares.
    pub kind: ParameterKind,
    /// The types a reference may point at; empty: any.
    pub targets: Vec<Box<str>>,
    /// Where in the resource its values are.
    pub path: Path,
    /// For a composite: its parts, each asked of what `path` finds.
    pub components: Vec<(ParameterKind, Path)>,
}

impl SearchParameter {
    /// A number that stays put, made of the name (FNV-1a of 32 bits): what an index row names the
    /// parameter by.
    pub fn key(&self) -> u32 {
        key_of(&self.code)
    }
}

/// The key of a parameter's name.
pub(super) const fn key_of(code: &str) -> u32 {
    let mut hash = 0x811c_9dc5_u32;
    let mut rest = code.as_bytes();
    while let [byte, after @ ..] = rest {
        hash = (hash ^ *byte as u32).wrapping_mul(0x0100_0193);
        rest = after;
    }
    hash
}

/// Why a deployment's own parameter cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}; {mend}")]
pub struct ParameterError {
    /// What is wrong.
    pub what: String,
    /// How to mend it.
    pub mend: &'static str,
}

/// Every parameter that can be asked for, by resource type.
#[derive(Debug, Clone)]
pub struct Parameters {
    by_type: BTreeMap<u16, Vec<SearchParameter>>,
    of_all: Vec<SearchParameter>,
}

impl Parameters {
    /// The parameters of R4. Read once, on first use.
    pub fn r4() -> &'static Self {
        static R4: OnceLock<Parameters> = OnceLock::new();
        R4.get_or_init(|| Self::read(TABLE))
    }

    /// A line of the table that cannot be read is left out; a test counts them.
    fn read(table: &str) -> Self {
        let mut found = Self {
            by_type: BTreeMap::new(),
            of_all: Vec::new(),
        };
        let mut base = "";
        for line in table.lines().filter(|line| !line.starts_with('#')) {
            if let Some(name) = line.strip_prefix("S ") {
                base = name;
            } else if let Some(parameter) = read_line(line) {
                found.add(base, parameter);
            }
        }
        for list in found.by_type.values_mut() {
            list.sort_by(|left, right| left.code.cmp(&right.code));
        }
        found
    }

    fn add(&mut self, base: &str, parameter: SearchParameter) {
        if let Some(resource_type) = ResourceType::from_name(base) {
            let list = self.by_type.entry(resource_type.number()).or_default();
            list.push(parameter);
        } else {
            self.of_all.push(parameter);
        }
    }

    /// The parameters of a type, those of every type last.
    pub fn of(&self, resource_type: ResourceType) -> impl Iterator<Item = &SearchParameter> {
        let own = self.by_type.get(&resource_type.number());
        own.into_iter().flatten().chain(&self.of_all)
    }

    /// The parameter of this name; without a type, one of those that every type has.
    pub fn find(
        &self,
        resource_type: Option<ResourceType>,
        code: &str,
    ) -> Option<&SearchParameter> {
        let own = resource_type.and_then(|one| self.by_type.get(&one.number()));
        own.into_iter()
            .flatten()
            .chain(&self.of_all)
            .find(|parameter| &*parameter.code == code)
    }

    /// Adds a deployment's own SearchParameter resource. Gives the types it is for.
    ///
    /// Errors: no code, base, kind or expression; a name that is taken; a composite, which must be
    /// one of R4's.
    pub fn add_own(&mut self, definition: &Json) -> Result<Vec<ResourceType>, ParameterError> {
        let text = |name: &str| definition.get(name).and_then(Json::as_text);
        let wrong = |what: &str, mend: &'static str| ParameterError {
            what: what.to_owned(),
            mend,
        };
        let code = text("code").filter(|code| is_name(code)).ok_or_else(|| {
            wrong(
                "the code is missing or no name",
                "use letters, digits and dashes",
            )
        })?;
        let kind = text("type")
            .and_then(ParameterKind::from_code)
            .filter(|kind| !matches!(kind, ParameterKind::Composite | ParameterKind::Special))
            .ok_or_else(|| {
                wrong(
                    "the type is missing or cannot be added",
                    "use number, date, string, token, reference, quantity or uri",
                )
            })?;
        let expression = text("expression")
            .ok_or_else(|| wrong("the expression is missing", "write a FHIRPath"))?;
        let path = Path::parse(expression).map_err(|error| ParameterError {
            what: error.to_string(),
            mend: "correct the expression",
        })?;
        let bases: Option<Vec<ResourceType>> = definition
            .elements("base")
            .iter()
            .map(|base| ResourceType::from_name(base.as_text()?))
            .collect();
        let bases = bases
            .filter(|bases| !bases.is_empty())
            .ok_or_else(|| wrong("the base is missing or no R4 type", "name resource types"))?;
        if bases
            .iter()
            .any(|base| self.find(Some(*base), code).is_some())
        {
            return Err(wrong(
                "a parameter of this code exists for one of its types",
                "choose another code",
            ));
        }
        let targets = definition.elements("target").iter();
        let parameter = SearchParameter {
            code: code.into(),
            kind,
            targets: targets.filter_map(Json::as_text).map(Into::into).collect(),
            path,
            components: Vec::new(),
        };
        for base in &bases {
            self.add(base.name(), parameter.clone());
        }
        Ok(bases)
    }
}

fn is_name(code: &str) -> bool {
    code.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && code.len() <= 64
        && code
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn read_line(line: &str) -> Option<SearchParameter> {
    let mut fields = line.split('\t');
    let code = fields.next()?.into();
    let kind = ParameterKind::from_letter(fields.next()?)?;
    let targets = fields.next()?.split_whitespace().map(Into::into).collect();
    let path = Path::parse(fields.next()?).ok()?;
    let components = fields
        .map(|field| {
            let (letter, expression) = field.split_once(' ')?;
            Some((
                ParameterKind::from_letter(letter)?,
                Path::parse(expression).ok()?,
            ))
        })
        .collect::<Option<_>>()?;
    Some(SearchParameter {
        code,
        kind,
        targets,
        path,
        components,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_parameter_of_the_table_is_read_and_no_two_names_share_a_key() {
        let lines = TABLE
            .lines()
            .filter(|line| line.contains('\t') && !line.starts_with('#'));
        let parameters = Parameters::r4();
        let read: usize = parameters.by_type.values().map(Vec::len).sum();
        assert_eq!(read + parameters.of_all.len(), lines.count());
        let mut keys = BTreeMap::new();
        for parameter in parameters
            .by_type
            .values()
            .flatten()
            .chain(&parameters.of_all)
        {
            let before = keys.insert(parameter.key(), parameter.code.clone());
            assert!(
                before.is_none_or(|code| code == parameter.code),
                "{}",
                parameter.code
            );
        }
        println!("{read} search parameters, {} names", keys.len());
    }

    #[test]
    fn a_deployment_adds_a_parameter_of_its_own_and_takes_no_name_twice() {
        let json = |text: &str| Json::parse(text.as_bytes(), crate::fhir::Limits::default());
        let own = json(
            r#"{"resourceType":"SearchParameter","code":"nhs-status","type":"token","base":["Patient"],
                "expression":"Patient.identifier.extension.value"}"#,
        )
        .expect("JSON");
        let mut parameters = Parameters::r4().clone();
        parameters.add_own(&own).expect("it is added");
        assert!(
            parameters
                .find(Some(ResourceType::PATIENT), "nhs-status")
                .is_some()
        );
        assert!(parameters.add_own(&own).is_err(), "a second time");
    }
}
