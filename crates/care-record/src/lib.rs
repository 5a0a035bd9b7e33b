//! The record: the disk, and the only door to it.
//!
//! Faces open a [`Record`] and are handed the part they need: [`Intake`], [`Disclosure`], … A right
//! is an object you were given. `store` is private: nothing outside this crate reads or writes
//! without a decision and an audit entry.

mod caller;
mod casework;
mod choices;
mod clock;
mod decisions;
mod directory;
mod disclosure;
mod exceptional;
mod figures;
mod holdings;
mod identity;
mod intake;
mod jobs;
pub mod ledger;
mod messages;
pub mod operations;
mod opt_out_check;
mod orders;
mod paged;
mod picked;
mod proxies;
mod record;
mod release;
mod reviews;
mod seals;
mod search;
mod search_parameters;
mod service_log;
mod sessions;
mod staff;
mod store;
mod subscriptions;
mod supply;
pub mod timings;
mod uuid;
mod worklists;

pub use caller::{Caller, User};
pub use casework::{
    Case, CaseChange, CaseCount, CaseEvent, CaseFilter, Casework, CaseworkError, NewCase, Sort,
};
pub use choices::{
    Awaited, CaseDocument, CaseStep, Channel, Choice, ChoiceStatus, Choices, ChoicesError,
    ConnectCareChoice, DocumentKind, LARGEST_DOCUMENT_BYTES, NotUpheld, SaidBySource, SetBy,
    SourceWord, UnreadableChoice, Waited,
};
pub use clock::{Clock, FixedClock, SystemClock};
pub use decisions::{KeptAgain, LaterDecisions};
pub use directory::{Directory, Source};
pub use disclosure::exceptional::{Pack, PackItem, Scope, ScopeCounts};
pub use disclosure::{
    CasePerson, ChoiceTold, Confirm, ConfirmState, Details, Disclosed, Disclosure, DisclosureError,
    Explained, FhirAsk, FhirError, FhirPage, FhirResource, Found, FoundPerson, Ground, HeldLook,
    HistoryAsk, HistoryEntry, HistoryPage, HistoryPlace, Look, LookKind, MyAccess, MyAccessAsk,
    MyVisit, NumberProblem, Opened, OwnCase, OwnLetters, OwnPerson, OwnRecord, OwnRequest,
    OwnSource, Page, ProxyStop, RecentPerson, Refusal, SealedItem, Simulation, Stated, Stopped,
    VisitFacts, Why,
};
pub use disclosure::{LastAsk, MatchAsk, Matched, OperationPage, SummaryAsk, VersionAsk};
pub use disclosure::{LogAsk, LogPage, OwnProof, RecordedEntry, Replayed};
pub use exceptional::{
    Basis, Decided, Exceptional, ExceptionalError, Plan, Release, Request, Told, plan_of,
};
pub use figures::{Counted, Figures, FiguresError, Month, SetAside};
pub use holdings::{
    Export, ExportAsk, ExportError, ExportFile, ExportManifest, ExportOf, ExportOutput,
    ExportState, Exports, Holdings, RowsAsk, RowsError, RowsFile, RowsForm, RowsOf,
};
pub use identity::{Identity, IdentityDecision, IdentityError};
pub use intake::{
    BaseAnswer, BundleEntry, BundleKind, DeliveryOutcome, EntryMethod, FeedValidation, FhirAnswer,
    FhirDelivery, FhirFormat, FhirMethod, FileDelivery, FileResult, Intake, ReplayError,
    RestAnswer, RestBundle, RestMethod, RestRefusal, RestRequest, RestWrite, Senders, V2Answer,
    V2Delivery, Validate, Written, read_bundle,
};
pub use ledger::Ledger;
pub use messages::{Message, MessageError, MessageState, Messages, OwnSettings};
pub use operations::Operations;
pub use opt_out_check::{
    Alarm, AlarmKind, CheckMethod, CheckResult, CheckRow, CheckState, FEWEST_ASKED_BY_HAND,
    ListRow, ListState, ListToSend, Mail, MailKind, MeshHealth, OptOutCheckError, OptOutChecks,
    OptOutSettings, Received,
};
pub use orders::{Order, OrderError, Orders, PAPER_COPIES};
pub use paged::EverythingAsk;
pub use picked::{Picked, PickedError, PickedWords};
pub use proxies::{
    ActingFor, Holder, INVITATION_DAYS, NewGrant, Place, Proxies, ProxyError, ProxyPolicy,
    ProxyRelationship, ProxyRights,
};
pub use record::{Engine, OpenError, Options, Record};
pub use release::{
    Approval, Checked, Counts, EXTRACT, Extract, Findings, OptOutAnswers, ReleaseError, Releases,
    Sealed, SealedFile, Step, Verified, VerifyFinding, VerifyRelease, verify as verify_release,
};
pub use reviews::{
    Action, Asked, Bulk, Evidence, LookFigures, Minute, ReviewPage, ReviewRow, Reviews,
    ReviewsError, StaffMember,
};
pub use seals::{Seal, Seals};
pub use search::{After, Cursor, Readable, SearchAsk, SearchEntry, SearchPage};
pub use search_parameters::{OwnSearchParameter, SearchParameterError, SearchParameters};
pub use service_log::{ServiceChange, ServiceLog, ServiceLogError, ServiceState};
pub use sessions::{AppKeep, AppKept, AppStep, SessionError, SessionRecord, Sessions};
pub use staff::{
    By, GroupDetails, ImportProblem, ImportReport, ImportRow, Staff, StaffError, StaffGroup,
    StaffRole, StaffRoleError, StaffUser, Standing, Suspension, UserDetails,
};
pub use subscriptions::{
    Event, Filter, FilterError, NewSubscription, Subscription, SubscriptionError,
    SubscriptionStatus, Subscriptions,
};
pub use supply::{Supply, SupplyCaller};
pub use worklists::{FeedSummary, OpenRow, Waiting, WorklistError, WorklistKind, Worklists};
