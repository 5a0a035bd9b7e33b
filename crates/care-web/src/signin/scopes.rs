//! SMART scopes: what a token may do, read once from its words.
//!
//! Both generations are read: `system/*.cruds`, `user/*.rs`, `patient/Observation.rs?category=laboratory`
//! (version 2), and `patient/Observation.read`, `user/*.*` (version 1). A word that is none of them gives
//! nothing. Scopes only ever narrow: what somebody may see is decided by `access`, behind the record's door.
//! Source: HL7 SMART App Launch 2.2, "Scopes and Launch Context".

use std::fmt;

use care_core::fhir::ResourceType;

/// Whose authority a clinical scope speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context {
    /// `patient/`: the one person the token is good for.
    Patient,
    /// `user/`: whoever the user may see.
    User,
    /// `system/`: a source, about its own.
    System,
}

/// What is done to a resource: the letters of a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interaction {
    /// `c`: create a resource under an id of ours.
    Create,
    /// `r`: read, vread and instance history.
    Read,
    /// `u`: update and patch.
    Update,
    /// `d`: delete.
    Delete,
    /// `s`: search, type and system history, and operations over a type.
    Search,
}

const LETTERS: [(char, Interaction); 5] = [
    ('c', Interaction::Create),
    ('r', Interaction::Read),
    ('u', Interaction::Update),
    ('d', Interaction::Delete),
    ('s', Interaction::Search),
];

impl Interaction {
    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// What the scopes say to one interaction on one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowed {
    /// Not at all.
    No,
    /// Whatever the rules let through.
    Yes,
    /// Only resources that fit at least one of these queries. Each is the query of a granular scope, such
    /// as `category=laboratory&status=final`, and all of its criteria must hold.
    Only(Vec<String>),
}

impl Allowed {
    /// Nothing at all.
    pub fn is_no(&self) -> bool {
        *self == Self::No
    }
}

/// One scope about resources.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Clinical {
    context: Context,
    /// One type; none means every type.
    kind: Option<ResourceType>,
    rights: u8,
    /// The query of a granular scope, as it was written.
    query: Option<String>,
}

/// The scopes of a token.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scopes {
    clinical: Vec<Clinical>,
    /// `openid`, `launch/patient` and the like.
    named: Vec<String>,
}

/// Scopes that are no clinical ones and mean something here.
pub const NAMED: [&str; 7] = [
    "openid",
    "fhirUser",
    "profile",
    "launch",
    "launch/patient",
    "offline_access",
    "online_access",
];

impl Scopes {
    /// Reads scopes separated by spaces. Words that mean nothing here are left out.
    pub fn read(text: &str) -> Self {
        let mut scopes = Self::default();
        for word in text.split_whitespace() {
            match Clinical::read(word) {
                Some(one) if !scopes.clinical.contains(&one) => scopes.clinical.push(one),
                None if NAMED.contains(&word) && !scopes.has(word) => {
                    scopes.named.push(word.to_owned());
                }
                _ => {}
            }
        }
        scopes
    }

    /// Whether a scope that is no clinical one is among them, such as `openid`.
    pub fn has(&self, name: &str) -> bool {
        self.named.iter().any(|one| one == name)
    }

    /// The same without a scope that is no clinical one.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.named.retain(|one| one != name);
        self
    }

    /// Gives nothing at all.
    pub fn is_empty(&self) -> bool {
        self.clinical.is_empty() && self.named.is_empty()
    }

    /// Whether any scope speaks of the one person a token is good for.
    pub fn is_about_one_patient(&self) -> bool {
        self.clinical
            .iter()
            .any(|one| one.context == Context::Patient)
    }

    /// What they say to an interaction on a type. `context` is what the token is: a system's, a user's, or
    /// good for one patient only, where its `user/` scopes count as well and reach no further than that
    /// patient.
    pub fn allows(
        &self,
        context: Context,
        kind: ResourceType,
        interaction: Interaction,
    ) -> Allowed {
        let mut queries = Vec::new();
        for one in &self.clinical {
            if !one.counts_for(context)
                || one.kind.is_some_and(|named| named != kind)
                || one.rights & interaction.bit() == 0
            {
                continue;
            }
            match &one.query {
                None => return Allowed::Yes,
                Some(query) if !queries.contains(query) => queries.push(query.clone()),
                Some(_) => {}
            }
        }
        if queries.is_empty() {
            Allowed::No
        } else {
            Allowed::Only(queries)
        }
    }

    /// Whether an interaction is allowed on some type at all, such as a search of the whole system. The
    /// answer for each type is still [`Scopes::allows`].
    pub fn allow_any(&self, context: Context, interaction: Interaction) -> bool {
        self.clinical
            .iter()
            .any(|one| one.counts_for(context) && one.rights & interaction.bit() != 0)
    }

    /// Whether an interaction is allowed on every type, without a query: what a Bundle of anything needs.
    pub fn allow_every(&self, context: Context, interaction: Interaction) -> bool {
        self.clinical.iter().any(|one| {
            one.counts_for(context)
                && one.kind.is_none()
                && one.query.is_none()
                && one.rights & interaction.bit() != 0
        })
    }

    /// What of `asked` these scopes grant: never more than either says. Rights are cut where only some of
    /// them are held; a query asked for stays, and a query held is added.
    pub fn grant(&self, asked: &Self) -> Self {
        let mut granted = Self::default();
        for wanted in &asked.clinical {
            for held in &self.clinical {
                if let Some(both) = wanted.and(held)
                    && !granted.clinical.contains(&both)
                {
                    granted.clinical.push(both);
                }
            }
        }
        granted.named = asked
            .named
            .iter()
            .filter(|name| self.has(name))
            .cloned()
            .collect();
        granted.tidy();
        granted
    }

    /// Whether these say all that `asked` says.
    pub fn cover(&self, asked: &Self) -> bool {
        let clinical = |one: &Clinical| self.clinical.iter().any(|held| held.covers(one));
        asked.clinical.iter().all(clinical) && asked.named.iter().all(|name| self.has(name))
    }

    /// Leaves out what another scope says already.
    fn tidy(&mut self) {
        let all = self.clinical.clone();
        let mut place = 0;
        self.clinical.retain(|one| {
            let here = place;
            place += 1;
            !all.iter().enumerate().any(|(other_place, other)| {
                other_place != here
                    && other.covers(one)
                    && (!one.covers(other) || other_place < here)
            })
        });
    }

    /// Each clinical scope for a page: the type, or none for all; whether it may be read, and written; the
    /// query.
    pub fn spoken(&self) -> impl Iterator<Item = (Option<ResourceType>, bool, bool, Option<&str>)> {
        let reads = Interaction::Read.bit() | Interaction::Search.bit();
        self.clinical.iter().map(move |one| {
            let (read, write) = (one.rights & reads != 0, one.rights & !reads != 0);
            (one.kind, read, write, one.query.as_deref())
        })
    }
}

impl Clinical {
    fn read(word: &str) -> Option<Self> {
        let (context, rest) = word.split_once('/')?;
        let context = match context {
            "patient" => Context::Patient,
            "user" => Context::User,
            "system" => Context::System,
            _ => return None,
        };
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) if !query.is_empty() => (rest, Some(query.to_owned())),
            Some(_) => return None,
            None => (rest, None),
        };
        let (kind, rights) = rest.split_once('.')?;
        let kind = match kind {
            "*" => None,
            name => Some(ResourceType::from_name(name)?),
        };
        let rights = rights_of(rights)?;
        Some(Self {
            context,
            kind,
            rights,
            query,
        })
    }

    /// A token that is good for one patient may use its user scopes for that patient too.
    fn counts_for(&self, context: Context) -> bool {
        self.context == context || context == Context::Patient && self.context == Context::User
    }

    /// What both allow.
    fn and(&self, held: &Self) -> Option<Self> {
        let narrows = self.context == Context::Patient && held.context == Context::User;
        if self.context != held.context && !narrows {
            return None;
        }
        let kind = match (self.kind, held.kind) {
            (Some(one), Some(other)) if one != other => return None,
            (one, other) => one.or(other),
        };
        let rights = self.rights & held.rights;
        if rights == 0 {
            return None;
        }
        let query = match (&self.query, &held.query) {
            (Some(one), Some(other)) if one != other => Some(format!("{one}&{other}")),
            (one, other) => one.clone().or_else(|| other.clone()),
        };
        Some(Self {
            context: self.context,
            kind,
            rights,
            query,
        })
    }

    fn covers(&self, other: &Self) -> bool {
        self.context == other.context
            && (self.kind.is_none() || self.kind == other.kind)
            && self.rights & other.rights == other.rights
            && (self.query.is_none() || self.query == other.query)
    }
}

/// The letters of version 2, in their order, or a word of version 1.
fn rights_of(text: &str) -> Option<u8> {
    let all = |letters: &[Interaction]| letters.iter().fold(0, |sum, one| sum | one.bit());
    use Interaction::{Create, Delete, Read, Search, Update};
    match text {
        "read" => return Some(all(&[Read, Search])),
        "write" => return Some(all(&[Create, Update, Delete])),
        "*" => return Some(all(&[Create, Read, Update, Delete, Search])),
        _ => {}
    }
    let mut rights = 0;
    let mut rest = text.chars().peekable();
    for (letter, interaction) in LETTERS {
        if rest.next_if_eq(&letter).is_some() {
            rights |= interaction.bit();
        }
    }
    (rest.next().is_none() && rights != 0).then_some(rights)
}

impl fmt::Display for Clinical {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let context = match self.context {
            Context::Patient => "patient",
            Context::User => "user",
            Context::System => "system",
        };
        write!(
            f,
            "{context}/{}.",
            self.kind.map_or("*", |kind| kind.name())
        )?;
        for (letter, interaction) in LETTERS {
            if self.rights & interaction.bit() != 0 {
                write!(f, "{letter}")?;
            }
        }
        match &self.query {
            Some(query) => write!(f, "?{query}"),
            None => Ok(()),
        }
    }
}

/// In the words of version 2, separated by spaces.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clinical = self.clinical.iter().map(Clinical::to_string);
        let words: Vec<String> = self.named.iter().cloned().chain(clinical).collect();
        f.write_str(&words.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(name: &str) -> ResourceType {
        ResourceType::from_name(name).expect("a type")
    }

    #[test]
    fn both_generations_are_read_and_everything_else_gives_nothing() {
        for (text, read_back) in [
            ("system/*.cruds", "system/*.cruds"),
            ("system/*.cu", "system/*.cu"),
            ("patient/Observation.read", "patient/Observation.rs"),
            ("user/*.write", "user/*.cud"),
            ("user/*.*", "user/*.cruds"),
            (
                "patient/Observation.rs?category=laboratory",
                "patient/Observation.rs?category=laboratory",
            ),
            (
                "openid fhirUser launch/patient user/*.rs",
                "openid fhirUser launch/patient user/*.rs",
            ),
            ("patient/Observation.sr", ""),
            ("patient/Observation.rr", ""),
            ("patient/Observation.", ""),
            ("patient/Observation", ""),
            ("patient/Observations.rs", ""),
            ("patient/Observation.rs?", ""),
            ("Patient/Observation.rs", ""),
            ("admin root", ""),
        ] {
            assert_eq!(Scopes::read(text).to_string(), read_back, "{text}");
        }
    }

    #[test]
    fn a_scope_allows_its_own_context_type_and_letters() {
        use Context::{Patient, System, User};
        use Interaction::{Create, Read, Search};
        let only = |query: &str| Allowed::Only(vec![query.to_owned()]);
        for (text, context, name, interaction, expected) in [
            ("system/*.cu", System, "Patient", Create, Allowed::Yes),
            ("system/*.cu", System, "Patient", Read, Allowed::No),
            ("user/*.rs", System, "Patient", Read, Allowed::No),
            ("user/*.rs", User, "Condition", Search, Allowed::Yes),
            ("user/*.rs", Patient, "Condition", Search, Allowed::Yes),
            ("patient/*.rs", User, "Condition", Search, Allowed::No),
            (
                "patient/Observation.rs?category=laboratory",
                Patient,
                "Observation",
                Search,
                only("category=laboratory"),
            ),
            (
                "patient/Observation.rs?category=laboratory",
                Patient,
                "Condition",
                Search,
                Allowed::No,
            ),
            (
                "patient/Observation.rs?category=laboratory patient/Observation.r",
                Patient,
                "Observation",
                Read,
                Allowed::Yes,
            ),
        ] {
            let found = Scopes::read(text).allows(context, kind(name), interaction);
            assert_eq!(found, expected, "{text} {name} {interaction:?}");
        }
        let two = Scopes::read("patient/Observation.rs?category=a patient/Observation.rs?code=b");
        assert_eq!(
            two.allows(Patient, kind("Observation"), Read),
            Allowed::Only(vec!["category=a".into(), "code=b".into()])
        );
    }

    #[test]
    fn what_is_granted_is_never_more_than_was_asked_or_is_held() {
        for (held, asked, granted) in [
            ("system/*.cruds", "system/*.cu", "system/*.cu"),
            ("system/*.cu", "system/*.cruds", "system/*.cu"),
            ("system/*.cu", "user/*.cu", ""),
            (
                "user/*.rs openid",
                "openid fhirUser user/Condition.cruds",
                "openid user/Condition.rs",
            ),
            ("user/*.rs", "patient/Condition.rs", "patient/Condition.rs"),
            ("patient/*.rs", "user/Condition.rs", ""),
            (
                "patient/Observation.rs?category=laboratory",
                "patient/*.rs",
                "patient/Observation.rs?category=laboratory",
            ),
            (
                "patient/Observation.rs?category=laboratory",
                "patient/Observation.rs?status=final",
                "patient/Observation.rs?status=final&category=laboratory",
            ),
            (
                "patient/Observation.rs patient/*.rs",
                "patient/*.rs",
                "patient/*.rs",
            ),
            (
                "system/*.rs system/*.cu",
                "system/*.cruds",
                "system/*.rs system/*.cu",
            ),
        ] {
            let found = Scopes::read(held).grant(&Scopes::read(asked));
            assert_eq!(found.to_string(), granted, "{held} of {asked}");
        }
    }
}
