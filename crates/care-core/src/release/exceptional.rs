//! When a choice does not apply: a mandatory legal requirement, or an overriding public interest. Each
//! has its own questions, and all of them are answered before anybody decides.
//!
//! Source: the leaflet, "Exceptional circumstances"; NHS England, National data opt-out operational
//! policy guidance, 6.3 and 6.4; NHS Confidentiality Code of Practice, supplementary guidance on public
//! interest disclosures.

use std::collections::BTreeMap;

use crate::codes::coded;
use crate::secondary_use::LegalBasis;

coded! {
    /// Why a choice does not apply.
    ExceptionalKind {
        LegalRequirement "legal-requirement" "A law or a court requires it, for example a fraud investigation.",
        PublicInterest "public-interest" "The public interest overrides, for example to tackle an epidemic.",
    }
}

/// A question of the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// Its name in what is kept.
    pub name: &'static str,
    /// As asked.
    pub words: &'static str,
}

const LEGAL: &[Question] = &[
    Question {
        name: "instrument",
        words: "Which law, order or notice requires it, and which section or number?",
    },
    Question {
        name: "demanded-by",
        words: "Who demands it, and how was it shown that they are who they say?",
    },
    Question {
        name: "mandatory",
        words: "Why must we comply, rather than may we?",
    },
    Question {
        name: "scope",
        words: "What exactly does it require, about whom and for which time?",
    },
    Question {
        name: "least",
        words: "Why is this the least information that meets the demand?",
    },
    Question {
        name: "evidence",
        words: "Where is the document kept, and what is its reference?",
    },
];

const INTEREST: &[Question] = &[
    Question {
        name: "harm",
        words: "What serious harm would it prevent, and to whom?",
    },
    Question {
        name: "benefit",
        words: "How would this information prevent it?",
    },
    Question {
        name: "consent",
        words: "Why can people not be asked, or why does their objection not stand?",
    },
    Question {
        name: "anonymous",
        words: "Why would anonymous or pseudonymous data not do?",
    },
    Question {
        name: "balance",
        words: "Why does the benefit outweigh the harm to privacy and trust?",
    },
    Question {
        name: "least",
        words: "Why is this the least information, for the least time?",
    },
    Question {
        name: "evidence",
        words: "Where is the written test kept, and what is its reference?",
    },
];

/// The questions of a kind.
pub fn questions(kind: ExceptionalKind) -> &'static [Question] {
    match kind {
        ExceptionalKind::LegalRequirement => LEGAL,
        ExceptionalKind::PublicInterest => INTEREST,
    }
}

impl ExceptionalKind {
    /// The kind that a legal basis is, if it is one.
    pub fn of(basis: LegalBasis) -> Option<Self> {
        match basis {
            LegalBasis::RequiredByLaw | LegalBasis::CourtOrder => Some(Self::LegalRequirement),
            LegalBasis::OverridingPublicInterest => Some(Self::PublicInterest),
            _ => None,
        }
    }

    /// In words.
    pub fn title(self) -> &'static str {
        match self {
            Self::LegalRequirement => "Mandatory legal requirement",
            Self::PublicInterest => "Overriding public interest",
        }
    }
}

/// The questions that were not answered: an answer has at least three words.
pub fn unanswered(kind: ExceptionalKind, answers: &BTreeMap<String, String>) -> Vec<Question> {
    let answered = |question: &&Question| {
        let words = answers
            .get(question.name)
            .map_or(0, |text| text.split_whitespace().count());
        words < 3
    };
    questions(kind).iter().filter(answered).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_question_is_answered_before_anybody_decides() {
        for kind in ExceptionalKind::ALL {
            let mut answers = BTreeMap::new();
            assert_eq!(unanswered(*kind, &answers).len(), questions(*kind).len());
            for question in questions(*kind) {
                answers.insert(question.name.to_owned(), "written out in full".to_owned());
            }
            assert!(unanswered(*kind, &answers).is_empty());
            answers.insert("evidence".to_owned(), "yes".to_owned());
            assert_eq!(unanswered(*kind, &answers).len(), 1);
        }
    }
}
