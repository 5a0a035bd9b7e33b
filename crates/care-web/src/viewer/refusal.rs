//! How a refusal reads: what happened and the lawful next step, and nothing that gives away a hidden
//! fact. Which refusal it is was decided by `Disclosure`; here are only the words.

use axum::response::Response;
use care_record::Refusal;

use crate::components::{Frame, Head, page, shown};
use crate::problem::Problem;
use crate::signin::Session;
use crate::state::Shared;

/// The words of one refusal.
pub(super) struct Words {
    title: &'static str,
    sentences: &'static [&'static str],
    steps: &'static [&'static str],
    /// C6 is a route.
    emergency: bool,
    /// Another reason may be given on C5.
    again: bool,
}

const ASK_THE_PERSON: &str = "Ask the person what care they have and what they want you to know";
const CALL_THE_PRACTICE: &str = "Contact the person’s GP practice or the team that cares for them";

/// The words of each refusal. "Not available" reads the same whatever lies behind it.
pub(super) fn words(refusal: Refusal) -> Words {
    let neutral = Words {
        title: "Not available through Connect Care",
        sentences: &["This record is not available through Connect Care."],
        steps: &[ASK_THE_PERSON, CALL_THE_PRACTICE],
        emergency: false,
        again: false,
    };
    match refusal {
        Refusal::NotAvailable => neutral,
        Refusal::ChoseNotToShare => Words {
            title: "Not available through Connect Care",
            sentences: &["This person has chosen not to share their record in Connect Care."],
            ..neutral
        },
        Refusal::AskPermission => Words {
            title: "Ask the person first",
            sentences: &["The person has not yet been asked whether you may see their record."],
            steps: &[
                "Ask the person, then choose “The person has given permission”",
                "If you cannot ask, say what stopped you",
            ],
            again: true,
            ..neutral
        },
        Refusal::PermissionRefused => Words {
            sentences: &["The person said no when they were asked."],
            ..neutral
        },
        Refusal::NoRelationship => Words {
            title: "No part in this person’s care is known",
            sentences: &[
                "No system that feeds Connect Care shows that you or your team care for this person.",
            ],
            steps: &[
                "Ask your team to register, refer or book the person, then try again",
                "If you care for them now, choose “Something else” and say why",
            ],
            emergency: true,
            again: true,
        },
        Refusal::RelationshipExpired => Words {
            title: "Your part in this person’s care has ended",
            sentences: &[
                "The appointment or stay that gave you access is too long past, or too far ahead.",
            ],
            steps: &[
                "If you care for them again, choose “Something else” and say why",
                CALL_THE_PRACTICE,
            ],
            emergency: true,
            again: true,
        },
        Refusal::GroundNeeded => Words {
            title: "This record is protected",
            sentences: &[
                "You need a ground to open it. Each use is reviewed, and the person can see it.",
            ],
            steps: &[
                "Open protected information on one of the four grounds",
                CALL_THE_PRACTICE,
            ],
            emergency: true,
            again: false,
        },
        Refusal::NotForYourRole => Words {
            title: "Not for your role",
            sentences: &["Your role does not include this."],
            steps: &["Ask the person who manages access in your organisation"],
            ..neutral
        },
        Refusal::OwnRecord => Words {
            title: "You cannot open your own record here",
            sentences: &["This is your own record."],
            steps: &["Use the pages for patients to see what is shared about you"],
            ..neutral
        },
        Refusal::Family => Words {
            title: "You cannot open a relative’s record here",
            sentences: &["You have said that this person is a member of your family."],
            steps: &["Ask a colleague who cares for them to look"],
            ..neutral
        },
        Refusal::Deceased => Words {
            title: "Not available through Connect Care",
            sentences: &[
                "This person has died, and the time in which their record is open for care has passed.",
            ],
            steps: &["Ask your information governance team"],
            ..neutral
        },
        Refusal::EvidenceMissing => Words {
            title: "A reference is needed",
            sentences: &["This reason needs a case reference, a legal instrument or an approval."],
            steps: &["Go back and give the reference"],
            again: true,
            ..neutral
        },
        Refusal::PurposeNotPermitted => Words {
            sentences: &["This purpose is not one that Connect Care may be used for."],
            ..neutral
        },
        Refusal::NotSignedIn => Words {
            title: "Log in again",
            sentences: &[
                "Your organisation does not take part, or you are not logged in well enough for this.",
            ],
            steps: &[
                "Log out and log in again",
                "Ask the person who manages access in your organisation",
            ],
            ..neutral
        },
        Refusal::ProxyNotAuthorised => Words {
            sentences: &["You are not recorded as acting for this person."],
            ..neutral
        },
    }
}

/// The page of a refusal.
pub(super) fn refused(
    state: &Shared,
    session: &Session,
    choice: &str,
    refusal: Refusal,
) -> Result<Response, Problem> {
    let words = words(refusal);
    let in_emergency = matches!(refusal, Refusal::NotAvailable | Refusal::ChoseNotToShare)
        && state
            .record
            .disclosure()
            .offers_emergency(&session.caller());
    let shown = shown! {
        choice,
        sentences => words.sentences,
        steps => words.steps,
        emergency => words.emergency,
        again => words.again,
        in_emergency,
    };
    page(
        "refused.html",
        &Head::new(words.title, "find"),
        Some(&Frame::of(session)),
        shown,
    )
}
