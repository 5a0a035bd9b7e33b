//! An HL7 v2 message on Walk 1, to its acknowledgement.

use care_core::audit::{Act, Outcome as AuditOutcome};
use care_core::hl7v2::{self, AckCode, DateTime, ErrorCode, Header, Issue, Message};
use care_core::mapping::{MapIssue, Mapped, V2Context, map_v2};
use care_core::vocabulary::{OdsCode, OrganisationKind};
use jiff::Timestamp;

use super::filing::{Filed, Filing, NotFiled};
use super::future::is_future;
use super::keep::{Received, Seen, answer_id, digest, seen, short};
use super::provenance::{Origin, provenances};
use super::rest::Book;
use super::{DeliveryOutcome, Parts, Senders, V2Answer, V2Delivery, reason};
use crate::identity::Sender;
use crate::store::{Change, Commit, StoreError};
use crate::worklists::WorklistKind;

/// How often a delivery is identified anew when another one changed the same people meanwhile.
pub(super) const ATTEMPTS: usize = 6;
/// A header field longer than this is no name or id, and is not used as one.
const LONGEST_KEY: usize = 200;

pub(super) fn receive(parts: &Parts, delivery: &V2Delivery<'_>) -> V2Answer {
    let header = Header::salvage(delivery.bytes);
    let received = received(parts, delivery, &header);
    take_once(parts, delivery, &header, received)
}

/// A message out of a file. Files are collections: messages of one control id with different bodies
/// are different messages there, not a sender's mistake, so the body is part of the id.
pub(super) fn receive_file(parts: &Parts, delivery: &V2Delivery<'_>) -> V2Answer {
    let header = Header::salvage(delivery.bytes);
    let mut received = received(parts, delivery, &header);
    received.control_id = format!("{}#{}", received.control_id, short(&received.digest));
    take_once(parts, delivery, &header, received)
}

/// Takes a delivery that may have been here before.
fn take_once(
    parts: &Parts,
    delivery: &V2Delivery<'_>,
    header: &Header,
    received: Received<'_>,
) -> V2Answer {
    match seen(&*parts.store, &received) {
        Err(cause) => transient(header, &received, &cause),
        Ok(Seen::Again(held)) => V2Answer {
            acknowledgement: held.answer,
            outcome: DeliveryOutcome::Repeated,
            reasons: Vec::new(),
        },
        Ok(Seen::Other { aside }) => used_twice(parts, header, received, aside),
        Ok(Seen::New) => Taking {
            parts,
            delivery,
            header,
            received,
            keeps_refusals: true,
        }
        .take(),
    }
}

/// Takes a delivery again that was kept before, under its replay's id. One that cannot be used still
/// leaves no second copy.
pub(super) fn take_again(parts: &Parts, delivery: &V2Delivery<'_>, control_id: String) -> V2Answer {
    let header = Header::salvage(delivery.bytes);
    let received = Received {
        control_id,
        ..received(parts, delivery, &header)
    };
    Taking {
        parts,
        delivery,
        header: &header,
        received,
        keeps_refusals: false,
    }
    .take()
}

fn received<'a>(parts: &Parts, delivery: &V2Delivery<'a>, header: &Header) -> Received<'a> {
    let digest = digest(delivery.bytes);
    let named = !header.sending_application.is_empty() || !header.sending_facility.is_empty();
    let sender = format!("{}|{}", header.sending_application, header.sending_facility);
    let usable = |text: &str| !text.is_empty() && text.len() <= LONGEST_KEY;
    Received {
        feed: delivery.feed,
        source: None,
        sender: if named && usable(&sender) {
            sender
        } else {
            delivery.feed.to_owned()
        },
        control_id: if usable(&header.control_id) {
            header.control_id.clone()
        } else {
            format!("sha256:{}", short(&digest))
        },
        digest,
        received_at: parts.clock.now(),
        kind: kind(header),
        body: delivery.bytes,
        was_used_before: false,
    }
}

/// `ADT^A01`, where MSH-9 looks like one.
fn kind(header: &Header) -> String {
    let plain = |part: &str| {
        (1..=7).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    match (plain(&header.code), plain(&header.trigger)) {
        (true, true) => format!("{}^{}", header.code, header.trigger),
        (true, false) => header.code.clone(),
        _ => "unknown".to_owned(),
    }
}

fn used_twice(
    parts: &Parts,
    header: &Header,
    mut received: Received<'_>,
    aside: String,
) -> V2Answer {
    received.control_id = aside;
    let issue = Issue::error(
        "MSH-10",
        ErrorCode::DuplicateKey,
        "this control id was used before for a message with another body, so this one was kept aside \
         and not used; give every message a control id of its own and send it again",
    );
    let refusal = Refusal {
        code: AckCode::Error,
        outcome: DeliveryOutcome::Refused,
        list: WorklistKind::DuplicateControlId,
        issues: vec![issue],
    };
    refuse(parts, header, &received, &refusal)
}

/// A delivery that is not used.
struct Refusal {
    code: AckCode,
    outcome: DeliveryOutcome,
    list: WorklistKind,
    issues: Vec<Issue>,
}

impl Refusal {
    /// AR: cannot be used here, whatever its content.
    fn reject(issue: Issue) -> Self {
        Self {
            code: AckCode::Reject,
            outcome: DeliveryOutcome::Refused,
            list: WorklistKind::ParkedDelivery,
            issues: vec![issue],
        }
    }

    /// AE: something in it must be mended.
    fn park(issues: Vec<Issue>) -> Self {
        Self {
            code: AckCode::Error,
            outcome: DeliveryOutcome::Parked,
            list: WorklistKind::ParkedDelivery,
            issues,
        }
    }
}

fn refuse(parts: &Parts, header: &Header, received: &Received<'_>, refusal: &Refusal) -> V2Answer {
    let acknowledgement = acknowledge(header, received, refusal.code, &refusal.issues);
    let told = told(&refusal.issues);
    let commit = received.refusal(
        refusal.outcome,
        refusal.list,
        acknowledgement.clone(),
        &told,
    );
    match parts.store.commit(commit) {
        Ok(_) => V2Answer {
            acknowledgement,
            outcome: refusal.outcome,
            reasons: reasons(&refusal.issues),
        },
        Err(StoreError::DeliveryExists) => stored_answer(parts, header, received),
        Err(cause) => transient(header, received, &cause),
    }
}

/// The answer of the same delivery that came by another connection at the same moment.
fn stored_answer(parts: &Parts, header: &Header, received: &Received<'_>) -> V2Answer {
    match seen(&*parts.store, received) {
        Ok(Seen::Again(held)) => V2Answer {
            acknowledgement: held.answer,
            outcome: DeliveryOutcome::Repeated,
            reasons: Vec::new(),
        },
        Ok(Seen::Other { aside }) => used_twice(parts, header, received.clone(), aside),
        Ok(Seen::New) => transient(header, received, &StoreError::DeliveryExists),
        Err(cause) => transient(header, received, &cause),
    }
}

fn acknowledge(
    header: &Header,
    received: &Received<'_>,
    code: AckCode,
    issues: &[Issue],
) -> Vec<u8> {
    hl7v2::ack(
        header,
        code,
        issues,
        &answer_id(received),
        received.received_at,
    )
}

fn told(issues: &[Issue]) -> Vec<(String, String)> {
    issues
        .iter()
        .map(|issue| (issue.location.to_string(), issue.text.to_string()))
        .collect()
}

fn reasons(issues: &[Issue]) -> Vec<String> {
    issues
        .iter()
        .map(|issue| reason(&issue.location.to_string(), &issue.text))
        .collect()
}

/// Not kept, so never acknowledged as accepted.
fn transient(header: &Header, received: &Received<'_>, cause: &StoreError) -> V2Answer {
    tracing::warn!(feed = received.feed, %cause, "a delivery was not kept; the sender will send it again");
    let issue = Issue::error(
        "MSH",
        ErrorCode::Internal,
        "the message was not kept, because the record could not be written; nothing is wrong with it; \
         send it again in a moment",
    );
    V2Answer {
        acknowledgement: acknowledge(
            header,
            received,
            AckCode::Reject,
            std::slice::from_ref(&issue),
        ),
        outcome: DeliveryOutcome::Transient,
        reasons: reasons(&[issue]),
    }
}

struct Taking<'a> {
    parts: &'a Parts,
    delivery: &'a V2Delivery<'a>,
    header: &'a Header,
    received: Received<'a>,
    keeps_refusals: bool,
}

impl Taking<'_> {
    fn take(&self) -> V2Answer {
        match self.used() {
            Ok(answer) => answer,
            Err(NotUsed::Refused(refusal)) if !self.keeps_refusals => V2Answer {
                acknowledgement: acknowledge(
                    self.header,
                    &self.received,
                    refusal.code,
                    &refusal.issues,
                ),
                outcome: refusal.outcome,
                reasons: reasons(&refusal.issues),
            },
            Err(NotUsed::Refused(refusal)) => {
                refuse(self.parts, self.header, &self.received, &refusal)
            }
            Err(NotUsed::Repeated) => stored_answer(self.parts, self.header, &self.received),
            Err(NotUsed::Store(cause)) => transient(self.header, &self.received, &cause),
        }
    }

    fn used(&self) -> Result<V2Answer, NotUsed> {
        let (message, parse_issues) = hl7v2::parse(self.delivery.bytes)
            .map_err(|error| NotUsed::refused(Refusal::reject(error.issue())))?;
        let source = self.source()?;
        let kind = self
            .parts
            .directory
            .organisation(&source)
            .map_or(OrganisationKind::Programme, |organisation| {
                organisation.kind
            });
        let received = Received {
            source: Some(&source),
            ..self.received.clone()
        };
        let filing = Filing {
            store: &*self.parts.store,
            lists: &self.parts.lists,
            sender: Sender {
                source: &source,
                kind,
                feed: self.delivery.feed,
            },
            received_at: received.received_at,
            patients_replace: false,
            book: &Book::default(),
        };
        let mut first = Some(self.map(&message, &source)?);
        let patients = first
            .iter()
            .flat_map(|mapped| [&mapped.subject, &mapped.merge]);
        let _lanes = self.parts.lanes.enter(
            source.as_str(),
            patients.flatten().map(|one| one.source_key.as_str()),
        );
        let mut held_standing = None;
        for _ in 0..ATTEMPTS {
            let mapped = match first.take() {
                Some(mapped) => mapped,
                None => self.map(&message, &source)?,
            };
            let mut filed = filing.file(vec![mapped]).map_err(NotUsed::from)?;
            if filed.changes_standing && held_standing.is_none() {
                held_standing = Some(self.parts.lanes.standing());
                continue;
            }
            self.note_clock(&message, &mut filed);
            match self.commit(&received, &parse_issues, filed) {
                Err(
                    StoreError::PersonExists
                    | StoreError::IdentifierTaken
                    | StoreError::AlreadyKept
                    | StoreError::Stale,
                ) => {}
                Err(StoreError::DeliveryExists) => return Err(NotUsed::Repeated),
                Err(cause) => return Err(NotUsed::Store(cause)),
                Ok(answer) => return Ok(answer),
            }
        }
        Err(NotUsed::Store(StoreError::IdentifierTaken))
    }

    /// Whose system it is: who the transport proved it to be must be who MSH-4 says it is.
    fn source(&self) -> Result<OdsCode, NotUsed> {
        let claimed = claimed(
            self.parts,
            self.delivery.senders,
            self.delivery.feed,
            self.header,
        );
        let text = match (claimed, self.delivery.peer) {
            (Some(claimed), Some(peer)) if claimed != *peer => {
                "MSH-4 names another organisation than the one that proved itself by its certificate; \
                 correct MSH-4, or ask the Connect Care programme to add the pair to this feed"
            }
            (Some(claimed), _) => return Ok(claimed),
            (None, _) => {
                "MSH-4 names nobody who may send by this feed; send your ODS code in MSH-4, or ask \
                 the Connect Care programme to add the name you use"
            }
        };
        let issue = Issue::error("MSH-4", ErrorCode::UnknownKey, text);
        Err(NotUsed::refused(Refusal::reject(issue)))
    }

    fn map(&self, message: &Message<'_>, source: &OdsCode) -> Result<Mapped, NotUsed> {
        let mapped = map_message(
            self.parts,
            self.delivery,
            message,
            source,
            self.received.received_at,
        )?;
        let fatal: Vec<Issue> = mapped
            .issues
            .iter()
            .filter(|issue| issue.fatal)
            .map(as_error)
            .collect();
        if fatal.is_empty() {
            Ok(mapped)
        } else {
            Err(NotUsed::refused(Refusal::park(fatal)))
        }
    }

    fn note_clock(&self, message: &Message<'_>, filed: &mut Filed) {
        let sent = message.field("MSH", 7);
        let sent_at = DateTime::parse(sent.component(1).raw())
            .ok()
            .and_then(DateTime::to_timestamp);
        if sent_at.is_some_and(|at| is_future(at, self.received.received_at)) {
            filed.future.push("MSH-7".to_owned());
            let told = filed.issues.iter().any(|issue| issue.place == "MSH-7");
            if !told {
                filed.issues.push(MapIssue {
                    place: "MSH-7".to_owned(),
                    text: "the message was made more than 24 hours after it was received; the time of \
                           receipt was used; check the sender's clock"
                        .to_owned(),
                    fatal: false,
                });
            }
        }
    }

    fn commit(
        &self,
        received: &Received<'_>,
        parse_issues: &[Issue],
        filed: Filed,
    ) -> Result<V2Answer, StoreError> {
        let mut issues = parse_issues.to_vec();
        issues.extend(filed.issues.iter().map(as_warning));
        let outcome = if issues.is_empty() {
            DeliveryOutcome::Processed
        } else {
            DeliveryOutcome::ProcessedWithWarnings
        };
        let acknowledgement = acknowledge(self.header, received, AckCode::Accept, &issues);
        let commit = kept(
            received,
            outcome,
            acknowledgement.clone(),
            &told(&issues),
            filed,
        );
        self.parts.store.commit(commit)?;
        Ok(V2Answer {
            acknowledgement,
            outcome,
            reasons: reasons(&issues),
        })
    }
}

/// The commit of a delivery that is used: itself, everything that follows from it, its entries.
pub(super) fn kept(
    received: &Received<'_>,
    outcome: DeliveryOutcome,
    answer: Vec<u8>,
    issues: &[(String, String)],
    filed: Filed,
) -> Commit {
    let mut changes = Vec::with_capacity(filed.changes.len() + filed.worklist.len() + 2);
    changes.push(received.keep(outcome, answer, filed.person, issues));
    if let Some(source) = received.source {
        let origin = Origin {
            source,
            gp_sourced: filed.gp_sourced,
            sender: &received.sender,
            control_id: &received.control_id,
            kind: &received.kind,
            received_at: received.received_at,
        };
        let provenances = if received.was_used_before {
            Vec::new()
        } else {
            provenances(&filed.changes, &origin)
        };
        changes.extend(filed.changes);
        changes.extend(provenances);
    }
    if !filed.future.is_empty() {
        let row = received.row(WorklistKind::DataQuality, filed.person, issues);
        changes.push(Change::Worklist(row));
    }
    changes.extend(filed.worklist.into_iter().map(Change::Worklist));
    let mut entry = received.entry(Act::Receive, AuditOutcome::Success, "ok");
    entry.person = filed.person;
    entry.trace = filed.evidence.iter().map(ToString::to_string).collect();
    entry.items = filed
        .items
        .iter()
        .map(|item| format!("{}/{}", item.resource_type, item.id))
        .collect();
    Commit {
        changes,
        entry,
        more_entries: filed.entries,
    }
}

fn as_warning(issue: &MapIssue) -> Issue {
    Issue::warning(&issue.place, ErrorCode::DataType, issue.text.clone())
}

fn as_error(issue: &MapIssue) -> Issue {
    Issue::error(&issue.place, ErrorCode::DataType, issue.text.clone())
}

enum NotUsed {
    Refused(Box<Refusal>),
    Repeated,
    Store(StoreError),
}

impl NotUsed {
    fn refused(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl From<NotFiled> for NotUsed {
    fn from(cause: NotFiled) -> Self {
        match cause {
            NotFiled::Store(cause) => Self::Store(cause),
            NotFiled::UnknownPerson => Self::refused(Refusal::park(vec![Issue::error(
                "PID-3",
                ErrorCode::UnknownKey,
                "the message says nothing by which the person can be told from others; send a local \
                 number or NHS number with name and birth date in PID",
            )])),
        }
    }
}

/// The organisation that MSH-4 names: one of the feed's own names for it, else the ODS code of a
/// source that sends by this feed, else whoever the operator says sends these files.
fn claimed(parts: &Parts, senders: &Senders, feed: &str, header: &Header) -> Option<OdsCode> {
    let component = char::from(header.separators.component);
    let mut texts = vec![header.sending_facility.as_str()];
    texts.extend(header.sending_facility.split(component));
    let named = texts.iter().find_map(|text| {
        let own = senders.names.iter().find(|(name, _)| name == text);
        own.map(|(_, code)| code.clone())
    });
    let by_code = || {
        texts.iter().find_map(|text| {
            let code = OdsCode::parse(text).ok()?;
            let source = parts.directory.source(&code)?;
            source.feeds.iter().any(|one| one == feed).then_some(code)
        })
    };
    named.or_else(by_code).or_else(|| senders.assumed.clone())
}

/// Says what a message means.
fn map_message(
    parts: &Parts,
    delivery: &V2Delivery<'_>,
    message: &Message<'_>,
    source: &OdsCode,
    received_at: Timestamp,
) -> Result<Mapped, NotUsed> {
    let known = parts.directory.source(source);
    let context = V2Context {
        source: source.clone(),
        received_at,
        numbers_are_traced: known.is_some_and(|known| known.numbers_are_traced),
        organisations: &parts.organisations,
        facility_codes: &delivery.senders.names,
    };
    map_v2(message, &context).map_err(|refusal| {
        let issue = refusal.issue();
        NotUsed::refused(match refusal.ack_code() {
            AckCode::Reject => Refusal::reject(issue),
            _ => Refusal::park(vec![issue]),
        })
    })
}
