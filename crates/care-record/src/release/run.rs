//! Running an approved extract, sealing it, handing its files out, and destroying them.
//!
//! A run may be killed at any moment. Until the case says `sealed` and names the certificate, nothing in
//! the directory counts, and the next run begins with an empty one.

use std::fs;
use std::io;
use std::path::PathBuf;

use care_core::audit::{Act, Entry};
use care_core::release::{
    Certificate, CertifiedApproval, CertifiedCheck, CertifiedCounts, CertifiedFile, SmallSafe,
};
use care_core::secondary_use::{DataForm, LegalBasis};
use care_core::vocabulary::Category;
use jiff::{Timestamp, ToSpan as _};
use sha2::{Digest as _, Sha256};

use super::cohort::{Candidate, Decided};
use super::error::{Answer, ReleaseError};
use super::extract::{Counts, Extract, Sealed, SealedFile, Step};
use super::files::{self, hex, sync_directory};
use super::produce::{Made, Work, produce};
use super::{
    DECIDES, Releases, allowed, memory, needs_guardian, other_step, release_entry, secret, too_few,
};
use crate::caller::Caller;
use crate::disclosure::Given;

/// The certificate's name among the files.
pub(super) const CERTIFICATE: &str = "certificate.txt";
/// A run that finds people changed while it reads begins again this often.
const TRIES: u32 = 3;

/// A moment in a run at which a test may end it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// The case says that it runs.
    Begun,
    /// The files are written.
    Written,
    /// The certificate is written.
    Certified,
    /// The directory has its name.
    Named,
    /// What is kept for later comparison is written.
    Remembered,
}

/// A sealed extract with its files: name and text.
type PlanningFiles = (Extract, Vec<(String, String)>);

impl Releases {
    /// Runs an approved extract, or one whose run was interrupted: checks everything again, writes the
    /// files and seals them.
    ///
    /// Errors: `Blocked` when the rules now say no (the extract then waits for new checks); nothing was
    /// released.
    pub fn run(&self, caller: &Caller, number: u64, version: u32) -> Answer<Extract> {
        self.run_until(caller, number, version, &|_| Ok(()))
    }

    pub(super) fn run_until(
        &self,
        caller: &Caller,
        number: u64,
        version: u32,
        at: &dyn Fn(Moment) -> Answer<()>,
    ) -> Answer<Extract> {
        let extract = self.at(caller, number, version)?;
        if !matches!(extract.step, Step::Approved | Step::Running) {
            return Err(other_step(&extract));
        }
        holds(&extract)?;
        let extract = self.change(
            caller,
            &extract,
            Step::Running,
            None,
            "the run began".to_owned(),
            Act::Release,
        )?;
        at(Moment::Begun)?;
        match self.make(&extract, at) {
            Ok(made) => self.seal(caller, extract, made),
            Err(ReleaseError::Blocked(why)) => {
                self.stop(caller, extract, &why)?;
                Err(ReleaseError::Blocked(why))
            }
            Err(other) => Err(other),
        }
    }

    /// The rules say no now: the findings are void, and new checks are made before it runs. Approvals of
    /// the same specification stay.
    fn stop(&self, caller: &Caller, mut extract: Extract, why: &str) -> Answer<()> {
        extract.findings = None;
        let note = format!("the run was stopped: {why}");
        self.change(caller, &extract, Step::Blocked, None, note, Act::Release)?;
        Ok(())
    }

    fn make(
        &self,
        extract: &Extract,
        at: &dyn Fn(Moment) -> Answer<()>,
    ) -> Answer<(Made, SealedFile)> {
        for _ in 0..TRIES {
            match self.try_to_make(extract, at) {
                Err(ReleaseError::Changed) => tracing::warn!(
                    extract = extract.reference,
                    "people changed during the run; it begins again"
                ),
                other => return other,
            }
        }
        Err(ReleaseError::Blocked(
            "people's identities or choices kept changing during the run; run it again later"
                .to_owned(),
        ))
    }

    fn try_to_make(
        &self,
        extract: &Extract,
        at: &dyn Fn(Moment) -> Answer<()>,
    ) -> Answer<(Made, SealedFile)> {
        let specification = &extract.specification;
        let decided = self.decide(specification)?;
        let findings = self.findings(extract, &decided)?;
        if let Some(why) = findings.stopped.first() {
            return Err(ReleaseError::Blocked(why.clone()));
        }
        if !findings.released {
            return Err(ReleaseError::Blocked(
                super::why_blocked(decided.decision.reason()).to_owned(),
            ));
        }
        if let Some(why) = too_few(specification, &decided).first() {
            return Err(ReleaseError::Blocked(why.clone()));
        }
        let part = self.emptied(extract)?;
        let earlier = memory::earlier(&self.directory(), &extract.reference)?;
        let earlier: Vec<_> = earlier.into_iter().map(|kept| kept.shown).collect();
        let secret = &self.inner.release_secret;
        let tag = |candidate: &Candidate| secret.membership(candidate.person);
        let mut made = produce(&Work {
            store: &*self.inner.store,
            organisations: &self.inner.directory,
            specification,
            decided: &decided,
            project: secret.project(&project(extract)),
            tokens: secret.tokens(&extract.reference),
            tag: &tag,
            earlier: &earlier,
            directory: &part,
            now: self.now(),
        })?;
        at(Moment::Written)?;
        made.files.sort_by(|one, other| one.name.cmp(&other.name));
        let certificate = self.certificate(extract, &decided, &made);
        let text = certificate.sign(secret::SIGNER, &secret.signing_seed());
        let certificate = files::whole(&part, CERTIFICATE, &text, 0)?;
        sync_directory(&part)?;
        at(Moment::Certified)?;
        let whole = self.place(extract);
        remove(&whole)?;
        fs::rename(&part, &whole)?;
        sync_directory(&self.directory())?;
        at(Moment::Named)?;
        let mut kept = self.remembered(extract, &decided);
        kept.shown.clone_from(&made.shown);
        memory::keep(&self.directory(), &extract.reference, &kept)?;
        at(Moment::Remembered)?;
        Ok((made, certificate))
    }

    /// Where the sealed files of an extract lie.
    fn place(&self, extract: &Extract) -> PathBuf {
        self.directory().join(&extract.reference)
    }

    /// An empty directory for a run, whatever an interrupted one left.
    fn emptied(&self, extract: &Extract) -> io::Result<PathBuf> {
        let part = self.directory().join(format!("{}.part", extract.reference));
        remove(&part)?;
        fs::create_dir_all(&part)?;
        Ok(part)
    }

    fn certificate(&self, extract: &Extract, decided: &Decided, made: &Made) -> Certificate {
        let specification = &extract.specification;
        let now = self.now();
        let check = decided.checked().map(|it| CertifiedCheck {
            id: it.id.clone(),
            method: it.method.clone(),
            checked_at: it.asked_at,
            age_days: it.age_days(now),
            greatest_age_days: self.settings.check_max_age_days.min(21),
        });
        let approval = |one: &super::Approval| CertifiedApproval {
            by: one.by.clone(),
            role: one.role.clone(),
            at: one.at,
        };
        let file = |one: &SealedFile| CertifiedFile {
            name: one.name.clone(),
            bytes: one.bytes,
            sha256: one.sha256.clone(),
            rows: one.rows,
        };
        Certificate {
            form: Certificate::form(),
            release: extract.reference.clone(),
            title: specification.title.clone(),
            project: specification.project.clone(),
            purpose: specification.purpose.clone(),
            purpose_words: specification.purpose_words.clone(),
            legal_basis: specification.legal_basis.clone(),
            evidence: specification.evidence.clone(),
            data_form: specification.data_form.clone(),
            destination: specification.destination.clone(),
            reason: decided.decision.reason().code().to_owned(),
            opt_out_applied: decided.decision.opt_out_applies(),
            check,
            approvals: extract.standing_approvals().map(approval).collect(),
            specification: extract.digest.clone(),
            counts: certified(&made.counts, specification.is_counts_only()),
            dates: specification.dates.code().to_owned(),
            smallest_group: specification.smallest_group,
            files: made.files.iter().map(file).collect(),
            issued_at: now,
            destroy_by: specification.destroy_by,
        }
    }

    fn seal(
        &self,
        caller: &Caller,
        mut extract: Extract,
        (made, certificate): (Made, SealedFile),
    ) -> Answer<Extract> {
        let now = self.now();
        let digest = certificate.sha256.clone();
        let mut files = made.files;
        files.push(certificate);
        extract.sealed = Some(Sealed {
            at: now,
            certificate: digest,
            files,
            counts: made.counts,
        });
        let people = if extract.specification.is_identifiable() {
            made.people
                .iter()
                .map(|person| self.told_to_the_person(now, caller, &extract, *person))
                .collect()
        } else {
            Vec::new()
        };
        let due = self.due(&extract);
        self.change_with(
            caller,
            &extract,
            Step::Sealed,
            due,
            "sealed".to_owned(),
            Act::Release,
            people,
        )
    }

    /// The entry by which a person sees in their own log that data that names them left.
    fn told_to_the_person(
        &self,
        now: Timestamp,
        caller: &Caller,
        extract: &Extract,
        person: care_core::vocabulary::PersonId,
    ) -> Entry {
        let specification = &extract.specification;
        let entry = release_entry(now, Act::Disclose, caller, specification);
        let given = Given {
            to: specification.destination.clone(),
            reference: extract.reference.clone(),
            why: why(specification.legal_basis()).to_owned(),
        };
        let categories = specification.categories.iter();
        let categories = categories
            .filter_map(|code| Category::from_code(code))
            .collect();
        given.entry(entry, "extract", person, categories)
    }

    /// The evening of the day by which it is destroyed: the case's due date, by which it reminds.
    fn due(&self, extract: &Extract) -> Option<Timestamp> {
        let day = extract.specification.destroy_by;
        let zoned = day
            .at(18, 0, 0, 0)
            .to_zoned(jiff::tz::get!("Europe/London"));
        zoned.ok().map(|it| it.timestamp())
    }

    /// A file of a sealed extract, for whoever asked for it. The fetching is written down first, and the
    /// file is given only as it was sealed.
    pub fn fetch(&self, caller: &Caller, number: u64, name: &str) -> Answer<PathBuf> {
        let (extract, _) = self.get(caller, number)?;
        if extract.requester != caller.user.id {
            return Err(ReleaseError::NotThisPerson(
                "only whoever asked for an extract fetches its files",
            ));
        }
        let (Step::Sealed, Some(sealed)) = (extract.step, &extract.sealed) else {
            return Err(other_step(&extract));
        };
        let file = sealed
            .files
            .iter()
            .find(|file| file.name == name)
            .ok_or(ReleaseError::NotThere)?;
        let path = self.place(&extract).join(&file.name);
        if digest_of(&path)? != file.sha256 {
            return Err(ReleaseError::Files(
                "a sealed file was changed on the disk".into(),
            ));
        }
        let mut entry = release_entry(self.now(), Act::Release, caller, &extract.specification);
        entry.detail = format!("extract {}: {} fetched", extract.reference, file.name);
        self.inner.store.commit(crate::store::Commit {
            changes: Vec::new(),
            entry,
            more_entries: Vec::new(),
        })?;
        Ok(path)
    }

    /// Destroys the files of a sealed extract: by its day, or earlier. The register and the certificate's
    /// hash stay.
    pub fn destroy(
        &self,
        caller: &Caller,
        number: u64,
        version: u32,
        note: &str,
    ) -> Answer<Extract> {
        let mut extract = self.at(caller, number, version)?;
        if extract.requester != caller.user.id {
            allowed(caller, DECIDES)?;
        }
        if extract.step != Step::Sealed {
            return Err(other_step(&extract));
        }
        extract.destroyed_at = Some(self.now());
        let note = format!("destroyed. {note}");
        let ended = self.change(caller, &extract, Step::Destroyed, None, note, Act::Release)?;
        remove(&self.place(&extract))?;
        Ok(ended)
    }

    /// Sealed extracts whose day of destruction comes within these days, or is past.
    pub fn to_destroy(&self, within_days: i32) -> Answer<Vec<Extract>> {
        let last = self
            .today()
            .checked_add(within_days.days())
            .unwrap_or(jiff::civil::Date::MAX);
        let mut due = self.register()?;
        due.retain(|it| it.step == Step::Sealed && it.specification.destroy_by <= last);
        due.sort_by_key(|it| it.specification.destroy_by);
        Ok(due)
    }

    /// The planning tables of the newest sealed extract for planning: the extract, and each table's name
    /// and text. Counts that were already made safe; nobody is in them.
    pub fn planning(&self) -> Answer<Option<PlanningFiles>> {
        let sealed = self
            .register()?
            .into_iter()
            .find(|it| it.step == Step::Sealed && it.specification.for_planning);
        let Some(extract) = sealed else {
            return Ok(None);
        };
        let mut tables = Vec::new();
        for form in &extract.specification.forms {
            let care_core::release::Form::Counts { name, .. } = form else {
                continue;
            };
            let file = format!("{name}.csv");
            let held = extract
                .sealed
                .as_ref()
                .and_then(|it| it.files.iter().find(|one| one.name == file));
            let path = self.place(&extract).join(&file);
            if held.is_some_and(|held| digest_of(&path).is_ok_and(|digest| digest == held.sha256)) {
                tables.push((name.clone(), fs::read_to_string(path)?));
            }
        }
        Ok(Some((extract, tables)))
    }

    /// The directory of a sealed extract, for verifying it on this machine.
    pub fn sealed_directory(&self, caller: &Caller, number: u64) -> Answer<PathBuf> {
        let (extract, _) = self.get(caller, number)?;
        if extract.step == Step::Sealed {
            Ok(self.place(&extract))
        } else {
            Err(other_step(&extract))
        }
    }
}

/// A legal basis as the person reads it.
fn why(basis: LegalBasis) -> &'static str {
    match basis {
        LegalBasis::RequiredByLaw => "A law required it.",
        LegalBasis::CourtOrder => "A court ordered it.",
        LegalBasis::OverridingPublicInterest => "It was needed to keep others safe.",
        LegalBasis::Regulation3 => {
            "It was needed against an infection or another risk to public health."
        }
        LegalBasis::ExplicitConsent => "You agreed to it.",
        _ => "It was approved for planning or research, and you have not opted out.",
    }
}

/// Two people approved this very specification, neither of whom asked for it.
fn holds(extract: &Extract) -> Answer<()> {
    let mut by: Vec<&str> = extract
        .standing_approvals()
        .map(|one| one.by.as_str())
        .collect();
    by.sort_unstable();
    by.dedup();
    let guardian = extract
        .standing_approvals()
        .any(|one| one.role == "caldicott_guardian");
    let sound = by.len() >= 2
        && !by.contains(&extract.requester.as_str())
        && (guardian || !needs_guardian(&extract.specification));
    if sound {
        Ok(())
    } else {
        Err(ReleaseError::Changed)
    }
}

/// Anonymised rows have pseudonyms of their own release, which join nothing.
fn project(extract: &Extract) -> String {
    let specification = &extract.specification;
    if specification.data_form() == DataForm::Anonymised {
        format!("{} {}", specification.project, extract.reference)
    } else {
        specification.project.clone()
    }
}

/// As counts are told outside. Of a release of counts alone not even the number of people is exact.
fn certified(counts: &Counts, counts_only: bool) -> CertifiedCounts {
    let safe = SmallSafe::of;
    let rounded = safe(counts.released).text().parse().unwrap_or(0);
    CertifiedCounts {
        asked_for: safe(counts.asked_for),
        released: if counts_only {
            rounded
        } else {
            counts.released
        },
        opted_out: safe(counts.opted_out),
        not_checkable: safe(counts.not_checkable),
        objected: safe(counts.objected),
        other: safe(counts.changed + counts.too_few_alike + counts.not_consenting),
        without_gp_items: safe(counts.without_gp_items),
        rows_kept_back: counts.rows_kept_back,
        values_removed: counts.values_removed,
    }
}

fn remove(directory: &std::path::Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn digest_of(path: &std::path::Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut file = fs::File::open(path)?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match io::Read::read(&mut file, &mut buffer)? {
            0 => return Ok(hex(&hash.finalize())),
            read => hash.update(&buffer[..read]),
        }
    }
}
