//! Which organisations have a part in a person's care, as their systems say.

use jiff::Timestamp;

use super::OdsCode;

/// Why an organisation has a part in a person's care, and between which moments.
///
/// Relationships are derived from these and from nothing else (access model, 8.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Involvement {
    /// The kind of part.
    pub kind: InvolvementKind,
    /// The organisation.
    pub organisation: OdsCode,
    /// The source's key of the visit, referral or list entry this comes from; the same key sent
    /// again replaces it. Empty for the registered practice.
    pub source_key: String,
    /// From when, if said.
    pub starts: Option<Timestamp>,
    /// Until when; `None` while open.
    pub ends: Option<Timestamp>,
    /// Cancelled or withdrawn: counts for nothing.
    pub cancelled: bool,
}

/// The kinds of part an organisation can have. Source: the access model, 8.1 (the system-verified ones).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum InvolvementKind {
    /// The GP practice the person is registered with.
    RegisteredGp,
    /// Admitted.
    Inpatient,
    /// Attends or attended an emergency department.
    EdAttendance,
    /// Has an appointment, a contact or an outpatient visit.
    Appointment,
    /// Was referred.
    OpenReferral,
    /// On the list of a team.
    Caseload,
    /// Lives in the care home.
    CareHomeResident,
    /// Is or was attended by an ambulance crew.
    AmbulanceIncident,
}

impl InvolvementKind {
    /// Every kind.
    pub const ALL: &'static [Self] = &[
        Self::RegisteredGp,
        Self::Inpatient,
        Self::EdAttendance,
        Self::Appointment,
        Self::OpenReferral,
        Self::Caseload,
        Self::CareHomeResident,
        Self::AmbulanceIncident,
    ];

    /// The code used on wires and in the audit log.
    pub fn code(self) -> &'static str {
        match self {
            Self::RegisteredGp => "registered_gp",
            Self::Inpatient => "inpatient",
            Self::EdAttendance => "ed_attendance",
            Self::Appointment => "appointment",
            Self::OpenReferral => "open_referral",
            Self::Caseload => "caseload",
            Self::CareHomeResident => "care_home_resident",
            Self::AmbulanceIncident => "ambulance_incident",
        }
    }

    /// Reads a code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.code() == code)
    }
}
