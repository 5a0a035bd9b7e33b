//! Random requests over every feature of search, and what stands beside it.

#![allow(
    clippy::explicit_auto_deref,
    reason = "without it the compiler takes the list for one of unsized texts"
)]

use care_core::fhir::search::{COMPARTMENTS, ParameterKind, Parameters, SearchParameter};
use care_core::fhir::{Json, ResourceType};

use super::canary::{Pool, Sample};
use super::dice::Dice;

/// A request, so that its parts can be left out one by one.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: &'static str,
    /// Below the base of the API.
    pub path: String,
    pub parameters: Vec<(String, String)>,
    /// The parameters are sent as a form.
    pub is_form: bool,
    pub headers: Vec<(&'static str, String)>,
    pub body: Option<String>,
    /// What kind of request it is, for figures.
    pub template: &'static str,
}

impl Request {
    pub fn get(template: &'static str, path: impl Into<String>) -> Self {
        Self {
            method: "GET",
            path: path.into(),
            parameters: Vec::new(),
            is_form: false,
            headers: Vec::new(),
            body: None,
            template,
        }
    }

    /// The query of its address.
    pub fn query(&self) -> String {
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&self.parameters)
            .finish()
    }

    /// Path and query, as in a Bundle.
    pub fn url(&self) -> String {
        let query = self.query();
        let question = if query.is_empty() { "" } else { "?" };
        format!("{}{question}{query}", self.path)
    }
}

/// Writes requests for one asker.
pub struct Grammar<'p> {
    pub pool: &'p Pool<'p>,
    /// For a person's token: whose record it asks about. None for a source.
    pub people: Option<&'p [String]>,
    /// Types whose answers are about the asking itself.
    pub without: &'p [&'p str],
    /// `$match` may be asked.
    pub may_match: bool,
}

impl Grammar<'_> {
    /// The request of these dice.
    pub fn request(&self, dice: &mut Dice) -> Request {
        let mut request = match dice.below(100) {
            0..=37 => self.of_type(dice),
            38..=44 => self.posted(dice),
            45..=53 => self.in_compartment(dice),
            54..=58 => self.of_system(dice),
            59..=67 => self.read(dice),
            68..=72 => self.version(dice),
            73..=77 => self.history(dice),
            78..=80 => self.everything(dice),
            81..=83 => self.newest(dice),
            84..=85 => self.small_operation(dice),
            86 => self.summary(dice),
            87..=88 if self.may_match => self.matching(dice),
            89 => self.compared(dice),
            90..=93 => self.batch(dice),
            94..=95 => self.rows(dice),
            _ => self.of_type(dice),
        };
        if request.method != "POST" || request.is_form {
            self.shape(&mut request, dice);
        }
        request
    }

    fn kind(&self, dice: &mut Dice) -> ResourceType {
        for _ in 0..8 {
            let kind = if dice.chance(95) {
                *dice.pick(&self.pool.kinds)
            } else {
                let all: Vec<ResourceType> = ResourceType::all().collect();
                *dice.pick(&all)
            };
            if !self.without.contains(&kind.name()) {
                return kind;
            }
        }
        ResourceType::PATIENT
    }

    fn person(&self, dice: &mut Dice) -> String {
        let people = self.people.unwrap_or(&self.pool.people);
        dice.pick(people).clone()
    }

    /// What a person's token must say besides: whose record it is about.
    fn about(&self, kind: ResourceType, request: &mut Request, dice: &mut Dice) {
        if self.people.is_none() || dice.chance(4) {
            return;
        }
        let person = self.person(dice);
        let of: Vec<&str> = Parameters::r4()
            .of(kind)
            .filter(|one| {
                one.kind == ParameterKind::Reference
                    && matches!(
                        &*one.code,
                        "patient" | "subject" | "beneficiary" | "individual"
                    )
            })
            .map(|one| &*one.code)
            .collect();
        if of.is_empty() {
            let name = if kind == ResourceType::PATIENT {
                "_id"
            } else {
                "patient"
            };
            request.parameters.push((name.into(), person));
            return;
        }
        let name = (*dice.pick(&of)).to_owned();
        let value = if dice.chance(60) {
            format!("Patient/{person}")
        } else {
            person
        };
        request.parameters.push((name, value));
    }

    fn of_type(&self, dice: &mut Dice) -> Request {
        if dice.chance(3)
            && let Some(request) = self.listed(dice)
        {
            return request;
        }
        let kind = self.kind(dice);
        let mut request = Request::get("search", kind.name());
        self.about(kind, &mut request, dice);
        self.criteria(kind, &mut request, dice);
        self.results(Some(kind), &mut request, dice);
        request
    }

    /// What stands in a list.
    fn listed(&self, dice: &mut Dice) -> Option<Request> {
        let list = self.pool.of(ResourceType::LIST, dice)?;
        let points = list.points();
        let in_list = points.iter().filter(|(name, ..)| *name == "item");
        let kinds: Vec<ResourceType> = in_list.map(|(_, kind, _)| *kind).collect();
        if kinds.is_empty() {
            return None;
        }
        let kind = *dice.pick(&kinds);
        let mut request = Request::get("search", kind.name());
        self.about(kind, &mut request, dice);
        request.parameters.push(("_list".into(), list.id.clone()));
        self.results(Some(kind), &mut request, dice);
        Some(request)
    }

    fn posted(&self, dice: &mut Dice) -> Request {
        let mut request = self.of_type(dice);
        request.template = "posted search";
        request.method = "POST";
        request.is_form = true;
        request.path.push_str("/_search");
        request
    }

    fn of_system(&self, dice: &mut Dice) -> Request {
        let mut request = Request::get("system search", "");
        let kinds: Vec<ResourceType> = (0..=dice.below(3)).map(|_| self.kind(dice)).collect();
        let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
        request.parameters.push(("_type".into(), names.join(",")));
        if self.people.is_some() {
            let person = self.person(dice);
            request.parameters.push(("patient".into(), person));
        }
        let of_all = [
            "_id",
            "_lastUpdated",
            "_tag",
            "_profile",
            "_security",
            "_source",
            "_text",
            "_content",
        ];
        for _ in 0..dice.below(3) {
            let name = *dice.pick(&of_all);
            let kind = *dice.pick(&kinds);
            self.put_one(kind, name, &mut request, dice);
        }
        if kinds.len() == 1 && dice.chance(50) {
            self.criteria(kinds[0], &mut request, dice);
        }
        self.results(None, &mut request, dice);
        request
    }

    fn in_compartment(&self, dice: &mut Dice) -> Request {
        let of = if dice.chance(65) {
            "Patient"
        } else {
            *dice.pick(&COMPARTMENTS)
        };
        let of = ResourceType::from_name(of).unwrap_or(ResourceType::PATIENT);
        let id = match (of == ResourceType::PATIENT, self.pool.of(of, dice)) {
            (false, Some(sample)) => sample.id.clone(),
            _ => self.person(dice),
        };
        let kind = self.kind(dice);
        let inner = if dice.chance(25) { "*" } else { kind.name() };
        let mut request = Request::get("compartment", format!("{of}/{id}/{inner}"));
        if inner != "*" && dice.chance(70) {
            self.criteria(kind, &mut request, dice);
        }
        self.results((inner != "*").then_some(kind), &mut request, dice);
        request
    }

    /// One to three criteria.
    fn criteria(&self, kind: ResourceType, request: &mut Request, dice: &mut Dice) {
        // By itself as often as with others, so that it finds something.
        let alone = dice.chance(50);
        if dice.chance(4)
            && let Some(list) = self.pool.of(ResourceType::LIST, dice)
        {
            request.parameters.push(("_list".into(), list.id.clone()));
            if alone {
                return;
            }
        }
        if dice.chance(4) {
            let name = *dice.pick(&["_text", "_content"]);
            self.put_one(kind, name, request, dice);
            if alone {
                return;
            }
        }
        let most = match dice.below(10) {
            0..=5 => 1,
            6..=7 => 2,
            _ => 3,
        };
        for _ in 0..most {
            match dice.below(10) {
                0..=4 => self.plain(kind, request, dice),
                5..=7 => {
                    if let Some((name, value)) = self.chain(kind, 3, dice) {
                        request.parameters.push((name, value));
                    }
                }
                _ => {
                    if let Some((name, value)) = self.has(kind, 3, dice) {
                        request.parameters.push((format!("_has:{name}"), value));
                    }
                }
            }
        }
    }

    fn plain(&self, kind: ResourceType, request: &mut Request, dice: &mut Dice) {
        let name = self.known_name(kind, dice);
        self.put_one(kind, &name, request, dice);
    }

    /// The name of a parameter, most often one under which something of the type has a value.
    fn known_name(&self, kind: ResourceType, dice: &mut Dice) -> String {
        if dice.chance(85)
            && let Some(sample) = self.pool.of(kind, dice)
            && !sample.values.is_empty()
        {
            let names: Vec<&String> = sample.values.keys().collect();
            return (*dice.pick(&names)).clone();
        }
        let all: Vec<&SearchParameter> = Parameters::r4().of(kind).collect();
        if dice.chance(2) {
            return "not-a-parameter".into();
        }
        dice.pick(&all).code.to_string()
    }

    fn put_one(&self, kind: ResourceType, name: &str, request: &mut Request, dice: &mut Dice) {
        if let Some((name, value)) = self.one(kind, name, dice) {
            request.parameters.push((name, value));
        }
    }

    /// A criterion on one parameter.
    fn one(&self, kind: ResourceType, name: &str, dice: &mut Dice) -> Option<(String, String)> {
        if name == "_text" || name == "_content" {
            return Some((name.into(), self.words(kind, name, dice)));
        }
        if name == "_id" {
            let sample = self.pool.of(kind, dice)?;
            return Some((name.into(), sample.id.clone()));
        }
        let parameter = Parameters::r4().find(Some(kind), name);
        let modifier = match parameter.map(|one| one.kind) {
            _ if dice.chance(55) => "",
            Some(ParameterKind::String) => *dice.pick(&["exact", "contains", "missing", ""]),
            Some(ParameterKind::Token) => *dice.pick(&[
                "not", "text", "missing", "in", "not-in", "above", "below", "of-type",
            ]),
            Some(ParameterKind::Reference) => *dice.pick(&[
                "missing",
                "identifier",
                "above",
                "below",
                "Patient",
                "Encounter",
            ]),
            Some(ParameterKind::Uri) => *dice.pick(&["above", "below", "missing"]),
            _ => *dice.pick(&["missing", ""]),
        };
        let value = match modifier {
            "missing" => (*dice.pick(&["true", "false"])).to_owned(),
            "in" | "not-in" => (*dice.pick(&[
                "http://hl7.org/fhir/ValueSet/observation-status",
                "http://hl7.org/fhir/ValueSet/condition-clinical",
                "http://hl7.org/fhir/ValueSet/administrative-gender",
            ]))
            .to_owned(),
            _ => {
                let mut value = self
                    .pool
                    .value(kind, name, modifier, dice)
                    .unwrap_or_else(|| random_value(dice));
                if dice.chance(12)
                    && let Some(more) = self.pool.value(kind, name, modifier, dice)
                {
                    value = format!("{value},{more}");
                }
                value
            }
        };
        let colon = if modifier.is_empty() { "" } else { ":" };
        Some((format!("{name}{colon}{modifier}"), value))
    }

    /// Words of somebody's hidden text.
    fn words(&self, kind: ResourceType, name: &str, dice: &mut Dice) -> String {
        let Some(sample) = self.pool.of(kind, dice) else {
            return "fracture".into();
        };
        let told = sample.body.text_at(&["text", "div"]);
        let text = match told.filter(|_| name == "_text" || dice.chance(50)) {
            Some(told) => told.to_owned(),
            None => sample.body.to_string(),
        };
        let words: Vec<&str> = text
            .split(|letter: char| !letter.is_alphabetic())
            .filter(|word| word.len() > 4)
            .collect();
        if words.is_empty() {
            return "fracture".into();
        }
        let one = *dice.pick(&words);
        match dice.below(6) {
            0 => format!("{one} {}", dice.pick(&words)),
            1 => format!("{one} AND {}", dice.pick(&words)),
            2 => format!("NOT {one}"),
            3 => format!("\"{one}\""),
            _ => one.to_owned(),
        }
    }

    /// References of a type with the types they may point at, most often such as have values.
    fn links(&self, kind: ResourceType, dice: &mut Dice) -> Option<(String, ResourceType)> {
        let known = self.pool.of(kind, dice);
        let all: Vec<&SearchParameter> = Parameters::r4()
            .of(kind)
            .filter(|one| one.kind == ParameterKind::Reference)
            .collect();
        let with: Vec<&&SearchParameter> = all
            .iter()
            .filter(|one| known.is_some_and(|sample| sample.values.contains_key(&*one.code)))
            .collect();
        let one: &SearchParameter = if with.is_empty() || dice.chance(10) {
            if all.is_empty() {
                return None;
            }
            *dice.pick(&all)
        } else {
            **dice.pick(&with)
        };
        let there: Vec<ResourceType> = one
            .targets
            .iter()
            .filter_map(|name| ResourceType::from_name(name))
            .filter(|kind| self.pool.kinds.contains(kind))
            .collect();
        let target = if there.is_empty() {
            *dice.pick(&self.pool.kinds)
        } else {
            *dice.pick(&there)
        };
        Some((one.code.to_string(), target))
    }

    /// A chain along what is there: from a thing to what it points at, and what that says.
    fn walked(
        &self,
        kind: ResourceType,
        depth: usize,
        dice: &mut Dice,
    ) -> Option<(String, String)> {
        let mut at = self.pool.of(kind, dice)?;
        let mut links = Vec::new();
        for _ in 0..=dice.below(depth) {
            let points = at.points();
            if points.is_empty() {
                break;
            }
            let (link, kind, id) = *dice.pick(&points);
            let Some(next) = self.pool.named(kind, id) else {
                break;
            };
            links.push(format!("{link}:{kind}"));
            at = next;
        }
        if links.is_empty() {
            return None;
        }
        let (name, value) = at.said(dice)?;
        Some((format!("{}.{name}", links.join(".")), value))
    }

    /// What follows `_has:` of a thing that is there and points at something of this type.
    fn pointed(&self, kind: ResourceType, dice: &mut Dice) -> Option<(String, String)> {
        for _ in 0..30 {
            let from = self.pool.any(dice)?;
            let points = from.points();
            let link = points.iter().find(|(_, target, _)| *target == kind);
            if let Some((link, _, _)) = link {
                let (name, value) = from.said(dice)?;
                return Some((format!("{}:{link}:{name}", from.kind), value));
            }
        }
        None
    }

    fn chain(&self, kind: ResourceType, depth: usize, dice: &mut Dice) -> Option<(String, String)> {
        if depth == 3
            && dice.chance(50)
            && let Some(found) = self.walked(kind, depth, dice)
        {
            return Some(found);
        }
        let (link, target) = self.links(kind, dice)?;
        let link = if dice.chance(70) {
            format!("{link}:{target}")
        } else {
            link
        };
        let (rest, value) = if depth > 1 && dice.chance(45) {
            self.chain(target, depth - 1, dice)?
        } else if depth > 1 && dice.chance(10) {
            let (name, value) = self.has(target, depth - 1, dice)?;
            (format!("_has:{name}"), value)
        } else {
            let name = self.known_name(target, dice);
            self.one(target, &name, dice)?
        };
        Some((format!("{link}.{rest}"), value))
    }

    /// What follows `_has:`.
    fn has(&self, kind: ResourceType, depth: usize, dice: &mut Dice) -> Option<(String, String)> {
        if dice.chance(40)
            && let Some(found) = self.pointed(kind, dice)
        {
            return Some(found);
        }
        for _ in 0..12 {
            let from = *dice.pick(&self.pool.kinds);
            let links: Vec<&SearchParameter> = Parameters::r4()
                .of(from)
                .filter(|one| {
                    one.kind == ParameterKind::Reference
                        && (one.targets.is_empty()
                            || one.targets.iter().any(|to| **to == *kind.name()))
                })
                .collect();
            if links.is_empty() {
                continue;
            }
            let link = &dice.pick(&links).code;
            let (rest, value) = if depth > 1 && dice.chance(30) {
                let (name, value) = self.has(from, depth - 1, dice)?;
                (format!("_has:{name}"), value)
            } else if depth > 1 && dice.chance(20) {
                self.chain(from, depth - 1, dice)?
            } else {
                let name = self.known_name(from, dice);
                self.one(from, &name, dice)?
            };
            return Some((format!("{from}:{link}:{rest}"), value));
        }
        None
    }

    /// What is said of the answer.
    fn results(&self, kind: Option<ResourceType>, request: &mut Request, dice: &mut Dice) {
        let mut put = |name: &str, value: String| request.parameters.push((name.into(), value));
        if dice.chance(55) {
            let count = *dice.pick(&["0", "1", "2", "3", "5", "10", "50", "200", "-1"]);
            put("_count", count.into());
        }
        if dice.chance(45) {
            put(
                "_total",
                (*dice.pick(&["accurate", "estimate", "none"])).into(),
            );
        }
        if dice.chance(30) {
            let mut keys = Vec::new();
            for _ in 0..=dice.below(2) {
                let name = match kind {
                    Some(kind) => self.known_name(kind, dice),
                    None => (*dice.pick(&["_id", "_lastUpdated"])).to_owned(),
                };
                let down = if dice.chance(50) { "-" } else { "" };
                keys.push(format!("{down}{name}"));
            }
            put("_sort", keys.join(","));
        }
        let Some(kind) = kind else { return };
        for _ in 0..dice.below(3) {
            if dice.chance(50) {
                continue;
            }
            let iterate = if dice.chance(30) { ":iterate" } else { "" };
            if dice.chance(50) {
                let value = match self.links(kind, dice) {
                    _ if dice.chance(15) => "*".to_owned(),
                    Some((link, target)) if dice.chance(40) => format!("{kind}:{link}:{target}"),
                    Some((link, _)) => format!("{kind}:{link}"),
                    None => continue,
                };
                put(&format!("_include{iterate}"), value);
            } else {
                let from = *dice.pick(&self.pool.kinds);
                if let Some((link, _)) = self.links(from, dice) {
                    put(&format!("_revinclude{iterate}"), format!("{from}:{link}"));
                }
            }
        }
    }

    /// How the answer is wanted.
    fn shape(&self, request: &mut Request, dice: &mut Dice) {
        let mut put = |name: &str, value: &str| {
            request.parameters.push((name.into(), value.into()));
        };
        match dice.below(12) {
            0 => put(
                "_summary",
                *dice.pick(&["true", "text", "data", "count", "false"]),
            ),
            1 => put(
                "_elements",
                *dice.pick(&[
                    "id",
                    "status,code",
                    "subject",
                    "name,birthDate",
                    "address,telecom",
                    "text,contained",
                    "location,hospitalization,participant",
                ]),
            ),
            2 => put(
                "_format",
                *dice.pick(&["xml", "json", "application/fhir+xml"]),
            ),
            3 if dice.chance(50) => put("_pretty", "true"),
            _ => {}
        }
        let header = match dice.below(24) {
            0 | 1 => ("prefer", "handling=lenient"),
            2 => ("prefer", "handling=strict"),
            3 => ("accept", "application/fhir+xml"),
            4 => ("if-none-match", "W/\"1\""),
            5 => ("if-modified-since", "Mon, 23 Nov 2026 00:00:00 GMT"),
            _ => return,
        };
        request.headers.push((header.0, header.1.to_owned()));
    }

    fn one_of(&self, dice: &mut Dice) -> &Sample {
        let kept = |sample: &&Sample| !self.without.contains(&sample.kind.name());
        let found = (0..8).find_map(|_| self.pool.any(dice).filter(kept));
        found.expect("something to draw from")
    }

    fn read(&self, dice: &mut Dice) -> Request {
        let sample = self.one_of(dice);
        let mut request = Request::get("read", sample.address());
        if dice.chance(10) {
            request.method = "HEAD";
        }
        request
    }

    fn version(&self, dice: &mut Dice) -> Request {
        let sample = self.one_of(dice);
        let version = 1 + dice.below(3);
        Request::get("vread", format!("{}/_history/{version}", sample.address()))
    }

    fn history(&self, dice: &mut Dice) -> Request {
        let mut request = match dice.below(10) {
            0..=5 => Request::get(
                "history",
                format!("{}/_history", self.one_of(dice).address()),
            ),
            6..=8 => Request::get("type history", format!("{}/_history", self.kind(dice))),
            _ => Request::get("system history", "_history"),
        };
        if dice.chance(60) {
            let count = *dice.pick(&["1", "3", "20", "100"]);
            request.parameters.push(("_count".into(), count.into()));
        }
        if dice.chance(45) {
            let name = *dice.pick(&["_since", "_at"]);
            let sample = self.one_of(dice);
            let at = sample.body.text_at(&["meta", "lastUpdated"]);
            let at = at.unwrap_or("2026-01-01T00:00:00Z");
            let cut = match dice.below(4) {
                0 => at.get(..10),
                1 => at.get(..7),
                _ => None,
            };
            let at = cut.unwrap_or(at).to_owned();
            request.parameters.push((name.into(), at));
        }
        request
    }

    fn everything(&self, dice: &mut Dice) -> Request {
        let mut request = Request::get(
            "$everything",
            format!("Patient/{}/$everything", self.person(dice)),
        );
        if dice.chance(70) {
            let count = *dice.pick(&["1", "5", "30", "200"]);
            request.parameters.push(("_count".into(), count.into()));
        }
        if dice.chance(40) {
            let kinds = format!("{},{}", self.kind(dice), self.kind(dice));
            request.parameters.push(("_type".into(), kinds));
        }
        for name in ["start", "end", "_since"] {
            if dice.chance(10) {
                let year = 2015 + dice.below(12);
                request
                    .parameters
                    .push((name.into(), format!("{year}-01-01")));
            }
        }
        request
    }

    fn newest(&self, dice: &mut Dice) -> Request {
        let kind = ResourceType::OBSERVATION;
        let mut request = Request::get("$lastn", "Observation/$lastn");
        let person = self.person(dice);
        request.parameters.push(("patient".into(), person));
        if dice.chance(60) {
            let max = *dice.pick(&["1", "2", "5"]);
            request.parameters.push(("max".into(), max.into()));
        }
        for name in ["code", "category", "status", "date"] {
            if dice.chance(35)
                && let Some(value) = self.pool.value(kind, name, "", dice)
            {
                request.parameters.push((name.into(), value));
            }
        }
        request
    }

    fn small_operation(&self, dice: &mut Dice) -> Request {
        Request::get("$meta", format!("{}/$meta", self.one_of(dice).address()))
    }

    fn summary(&self, dice: &mut Dice) -> Request {
        Request::get(
            "$summary",
            format!("Patient/{}/$summary", self.person(dice)),
        )
    }

    fn matching(&self, dice: &mut Dice) -> Request {
        let mut request = Request::get("$match", "Patient/$match");
        request.method = "POST";
        let Some(sample) = self.pool.of(ResourceType::PATIENT, dice) else {
            return request;
        };
        let mut wanted = care_core::fhir::Json::object([("resourceType", "Patient".into())]);
        for name in ["name", "birthDate", "gender", "identifier", "address"] {
            if dice.chance(70)
                && let Some(value) = sample.body.get(name)
            {
                wanted.set(name, value.clone());
            }
        }
        request
            .headers
            .push(("content-type", "application/fhir+json".into()));
        request.body = Some(format!(
            "{{\"resourceType\":\"Parameters\",\"parameter\":[{{\"name\":\"resource\",\"resource\":{wanted}}}]}}"
        ));
        request
    }

    fn compared(&self, dice: &mut Dice) -> Request {
        let address = self.one_of(dice).address();
        if dice.chance(60) {
            let mut request = Request::get("$diff", format!("{address}/$diff"));
            if dice.chance(40) {
                request.parameters.push(("fromVersion".into(), "1".into()));
            }
            return request;
        }
        let mut request = Request::get("$diff", "$diff");
        let other = self.one_of(dice).address();
        request.parameters.push(("from".into(), address));
        request.parameters.push(("to".into(), other));
        request
    }

    /// Rows of a view made up for a type, with columns and a condition out of what somebody's thing says.
    fn rows(&self, dice: &mut Dice) -> Request {
        let mut request = Request::get("$run", "ViewDefinition/$run");
        request.method = "POST";
        let sample = self.one_of(dice);
        let members: Vec<&str> = match &sample.body {
            Json::Object(members) => members.iter().map(|(name, _)| &**name).collect(),
            _ => vec!["id"],
        };
        let column = |name: &str, path: &str| format!(r#"{{"name":"{name}","path":"{path}"}}"#);
        let mut columns = vec![
            column("id", "getResourceKey()"),
            column("profile", "meta.profile.first()"),
        ];
        for number in 0..=dice.below(3) {
            let path = match dice.below(4) {
                0 => format!("{}.count()", dice.pick(&members)),
                1 => "code.coding.code.first()".to_owned(),
                2 => "subject.reference".to_owned(),
                _ => format!("{}.exists()", dice.pick(&members)),
            };
            columns.push(column(&format!("c{number}"), &path));
        }
        let condition = match dice.below(4) {
            0 => format!(
                r#","where":[{{"path":"{}.exists()"}}]"#,
                dice.pick(&members)
            ),
            1 => format!(r#","where":[{{"path":"id = '{}'"}}]"#, sample.id),
            _ => String::new(),
        };
        let view = format!(
            r#"{{"resourceType":"ViewDefinition","name":"twin","status":"active","resource":"{}"{condition},"select":[{{"column":[{}]}}]}}"#,
            sample.kind,
            columns.join(",")
        );
        let mut parameters = vec![format!(r#"{{"name":"viewResource","resource":{view}}}"#)];
        let form = *dice.pick(&["ndjson", "csv", "json"]);
        parameters.push(format!(r#"{{"name":"_format","valueCode":"{form}"}}"#));
        if self.people.is_some() || dice.chance(40) {
            let person = self.person(dice);
            parameters.push(format!(
                r#"{{"name":"patient","valueReference":{{"reference":"Patient/{person}"}}}}"#
            ));
        }
        if dice.chance(20) {
            let limit = *dice.pick(&["0", "1", "7"]);
            parameters.push(format!(r#"{{"name":"_limit","valueInteger":{limit}}}"#));
        }
        request
            .headers
            .push(("content-type", "application/fhir+json".into()));
        request.body = Some(format!(
            r#"{{"resourceType":"Parameters","parameter":[{}]}}"#,
            parameters.join(",")
        ));
        request
    }

    /// A bulk export.
    pub fn export(&self, dice: &mut Dice) -> Request {
        let group = ResourceType::from_name("Group").and_then(|kind| self.pool.of(kind, dice));
        let path = match (dice.below(5), group) {
            (0, Some(group)) => format!("Group/{}/$export", group.id),
            (1 | 2, _) => "Patient/$export".to_owned(),
            _ => "$export".to_owned(),
        };
        let mut request = Request::get("$export", path);
        request.headers.push(("prefer", "respond-async".into()));
        let mut put = |name: &str, value: String| request.parameters.push((name.into(), value));
        let kind = self.kind(dice);
        if dice.chance(60) {
            put("_type", format!("{kind},{}", self.kind(dice)));
        }
        if dice.chance(30) {
            let at = self.one_of(dice).body.text_at(&["meta", "lastUpdated"]);
            put("_since", at.unwrap_or("2026-01-01T00:00:00Z").to_owned());
        }
        if dice.chance(25) {
            put("_elements", "id,status,code,subject".to_owned());
        }
        if dice.chance(40) {
            let name = self.known_name(kind, dice);
            if let Some((name, value)) = self.one(kind, &name, dice) {
                let criterion = form_urlencoded::Serializer::new(String::new())
                    .append_pair(&name, &value)
                    .finish();
                put("_typeFilter", format!("{kind}?{criterion}"));
            }
        }
        if request.path.starts_with("Patient") && dice.chance(50) {
            let person = self.person(dice);
            request
                .parameters
                .push(("patient".into(), format!("Patient/{person}")));
        }
        request
    }

    fn batch(&self, dice: &mut Dice) -> Request {
        let mut request = Request::get("batch", "");
        request.method = "POST";
        let entries: Vec<String> = (0..=dice.below(3))
            .map(|_| {
                let inner = match dice.below(3) {
                    0 => self.read(dice),
                    1 => self.in_compartment(dice),
                    _ => self.of_type(dice),
                };
                let url = care_core::fhir::Json::text(inner.url());
                format!("{{\"request\":{{\"method\":\"GET\",\"url\":{url}}}}}")
            })
            .collect();
        request
            .headers
            .push(("content-type", "application/fhir+json".into()));
        let kind = if dice.chance(80) {
            "batch"
        } else {
            "transaction"
        };
        request.body = Some(format!(
            "{{\"resourceType\":\"Bundle\",\"type\":\"{kind}\",\"entry\":[{}]}}",
            entries.join(",")
        ));
        request
    }
}

fn random_value(dice: &mut Dice) -> String {
    (*dice.pick(&[
        "final",
        "active",
        "2024-05",
        "ge2020",
        "Patient/0000000000000",
        "http://snomed.info/sct|73211009",
        "smith",
        "5.4",
        "true",
        "lt100||mg",
    ]))
    .to_owned()
}
