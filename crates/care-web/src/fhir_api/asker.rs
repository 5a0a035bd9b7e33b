//! Who asks the FHIR API, and what the token's scopes say to it: the one place where they are asked.
//!
//! A person reads under the decision of `access`, a source reads back what it sent. Scopes only ever
//! narrow either. Source: docs/adr/0018-a-source-reads-back-what-it-sent.md; HL7 SMART App Launch 2.2.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use care_core::fhir::ResourceType;
use care_core::vocabulary::NhsNumber;
use care_record::{Caller, FhirAsk, Stated, SupplyCaller};

use crate::problem::{ApiProblem, Problem};
use crate::signin::Bearer;
use crate::signin::scopes::{Allowed, Interaction, Scopes};
use crate::signin::tokens::PersonClaims;
use crate::state::Shared;
use crate::telemetry::PageContext;

/// Who asks.
#[derive(Debug, Clone)]
pub enum Asker {
    /// A member of staff, a patient, or somebody acting for one: reads one person's record at a time.
    Person {
        /// Who.
        caller: Box<Caller>,
        /// The facts they state.
        ask: Box<FhirAsk>,
        /// The token, for its scopes.
        bearer: Box<Bearer>,
    },
    /// A source: writes, and reads back what it sent itself.
    Source {
        /// Who.
        caller: SupplyCaller,
        /// The token, for its scopes.
        bearer: Box<Bearer>,
    },
}

/// What a token may do to a type, where it may do it at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Within(Vec<String>);

impl Within {
    /// The queries of granular scopes, such as `category=laboratory`: what is read must fit one of them.
    /// None: whatever the rules let through.
    pub fn queries(&self) -> &[String] {
        &self.0
    }

    /// Whether no query narrows it.
    pub fn is_everything(&self) -> bool {
        self.0.is_empty()
    }
}

impl Asker {
    /// Whether the token's scopes allow an interaction on a type, and within which queries.
    ///
    /// Errors: 403 where they do not.
    pub fn may(&self, kind: ResourceType, interaction: Interaction) -> Result<Within, ApiProblem> {
        match self.bearer().allows(kind, interaction) {
            Allowed::Yes => Ok(Within::default()),
            Allowed::Only(queries) => Ok(Within(queries)),
            Allowed::No => Err(out_of_scope(kind, interaction).into()),
        }
    }

    /// Whether an interaction is allowed on some type at all: for addresses that name no type.
    ///
    /// Errors: 403 where it is not.
    pub fn may_somewhere(&self, interaction: Interaction) -> Result<(), ApiProblem> {
        let context = self.bearer().context();
        if self.scopes().allow_any(context, interaction) {
            return Ok(());
        }
        Err(Problem::forbidden(
            "The token does not allow this",
            "Its scopes allow this interaction on no resource type; ask for a token with a scope that does.",
        )
        .into())
    }

    /// The source, for what only sources may do.
    ///
    /// Errors: 403 for a person.
    pub fn source(&self) -> Result<&SupplyCaller, ApiProblem> {
        match self {
            Self::Source { caller, .. } => Ok(caller),
            Self::Person { .. } => Err(Problem::forbidden(
                "Only sources may do this",
                "Connect Care is read-only for people, and shows one person's record at a time. Correct the entry in the system it came from.",
            )
            .into()),
        }
    }

    /// What the token may do.
    pub fn scopes(&self) -> &Scopes {
        self.bearer().scopes()
    }

    /// The token.
    pub fn bearer(&self) -> &Bearer {
        match self {
            Self::Person { bearer, .. } | Self::Source { bearer, .. } => bearer,
        }
    }
}

fn out_of_scope(kind: ResourceType, interaction: Interaction) -> Problem {
    let letter = match interaction {
        Interaction::Create => "c",
        Interaction::Read => "r",
        Interaction::Update => "u",
        Interaction::Delete => "d",
        Interaction::Search => "s",
    };
    Problem::forbidden(
        "The token does not allow this",
        format!("Ask for a token whose scopes hold {letter} for {kind}."),
    )
}

/// The query of a granular scope asks what the type does not have, or asks other resources.
pub(super) fn unread_scope() -> Problem {
    Problem::forbidden(
        "A scope of the token cannot be read",
        "The query of a granular scope must be one of the type's own searches. Get a token with another scope.",
    )
}

impl FromRequestParts<Shared> for Asker {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, state: &Shared) -> Result<Self, ApiProblem> {
        Self::of(Bearer::from_request_parts(parts, state).await?)
    }
}

impl Asker {
    /// The asker a token that was verified speaks for.
    pub fn of(bearer: Bearer) -> Result<Self, ApiProblem> {
        match &bearer {
            Bearer::System {
                client,
                organisation,
                ..
            } => Ok(Self::Source {
                caller: SupplyCaller {
                    client: client.clone(),
                    source: organisation.clone(),
                    request: PageContext::current().request_id,
                },
                bearer: Box::new(bearer),
            }),
            Bearer::Person { caller, stated, .. } => Ok(Self::Person {
                caller: Box::new(caller.clone()),
                ask: Box::new(ask(stated)?),
                bearer: Box::new(bearer),
            }),
        }
    }
}

fn ask(stated: &PersonClaims) -> Result<FhirAsk, ApiProblem> {
    let only_person = stated.patient.as_deref().map(NhsNumber::parse).transpose();
    let unreadable = |_| {
        Problem::login(
            "The token is not accepted",
            "The person it names has no valid NHS number. Get a new one.",
        )
    };
    Ok(FhirAsk {
        only_person: only_person.map_err(unreadable)?,
        stated: Stated {
            purpose: stated.purpose.clone(),
            permission: Some(stated.permission.clone()),
            break_glass: stated.break_glass.clone(),
            case: None,
        },
    })
}
