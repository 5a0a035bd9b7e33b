//! What a deployment may set. Source: the access model, 8.6.
//!
//! Settings change what the model calls settings and nothing else. [`Settings::check`] refuses
//! values that would take a protection away.

use crate::vocabulary::OdsCode;

use crate::codes::coded;

coded! {
    /// Whether staff ask before they look.
    PermissionModel {
        Ask "ask" "Staff ask at the point of care.",
        Implied "implied" "A legitimate relationship implies permission until it is refused.",
    }
}

coded! {
    /// When an emergency sets an objection aside.
    EmergencyOverride {
        OnlyIfThePersonChoseIt "only-if-the-person-chose-it" "Only for those who objected except in an emergency.",
        Never "never" "For nobody.",
        Always "always" "For everybody who objected.",
    }
}

coded! {
    /// How much a denial tells the person at the screen.
    DenialWording {
        Neutral "neutral" "One text for all that must not be told apart; fuller for the registered practice.",
        Full "full" "The reason, for everybody.",
    }
}

/// What a deployment may set. `Default` gives the values of the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Whether staff ask before they look.
    pub permission: PermissionModel,
    /// Days after an appointment in which it still counts: 90.
    pub appointment_days_past: u32,
    /// Days before an appointment from which it counts: 14.
    pub appointment_days_ahead: u32,
    /// Days after a death in which carers may still look: 28.
    pub days_after_death: u32,
    /// An objection that waits for a decision restricts as one that stands.
    pub pending_objection_restricts: bool,
    /// When an emergency sets an objection aside.
    pub objection_in_emergency: EmergencyOverride,
    /// How much a denial tells.
    pub denial_wording: DenialWording,
    /// Hours a self-claimed relationship lasts: 24.
    pub self_claim_hours: u32,
    /// Minutes an emergency access lasts: 60.
    pub emergency_minutes: u32,
    /// Days after an admission, an emergency attendance or an ambulance incident in which it still
    /// counts as a relationship: 7 (our own decision; the model does not say).
    pub days_after_care: u32,
    /// Partner organisations whose assertions are accepted: none.
    pub federated_partners: Vec<OdsCode>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            permission: PermissionModel::Ask,
            appointment_days_past: 90,
            appointment_days_ahead: 14,
            days_after_death: 28,
            pending_objection_restricts: true,
            objection_in_emergency: EmergencyOverride::OnlyIfThePersonChoseIt,
            denial_wording: DenialWording::Neutral,
            self_claim_hours: 24,
            emergency_minutes: 60,
            days_after_care: 7,
            federated_partners: Vec::new(),
        }
    }
}

/// Why settings are refused: what, why, how to mend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnsafeSettings {
    /// An objection would stop nobody.
    #[error(
        "an objection would not hold: permission is implied and every objection gives way in an \
         emergency; set permission to ask, or objection.emergency to only-if-the-person-chose-it"
    )]
    ObjectionHoldsNobody,
    /// Nobody asks, and an objection does not count until somebody has decided on it.
    #[error(
        "a person who has just objected would be seen without being asked: permission is implied \
         and pending objections do not restrict; set permission to ask, or \
         objection.pending_restricts to true"
    )]
    PendingObjectionIgnored,
    /// The appointment window is so wide that it is no relationship.
    #[error(
        "an appointment counts for {days} days, more than a year, which is no relationship any \
         more; set appointment days to 365 or fewer"
    )]
    AppointmentWindow {
        /// The days set.
        days: u32,
    },
    /// Too long after a death.
    #[error("carers could look {days} days after a death; set days after death to 365 or fewer")]
    AfterDeath {
        /// The days set.
        days: u32,
    },
    /// A visit that ended long ago would count.
    #[error("a visit counts for {days} days after its end; set days after care to 90 or fewer")]
    AfterCare {
        /// The days set.
        days: u32,
    },
    /// A self-claim that lasts too long, or not at all.
    #[error("a self-claimed relationship lasts {hours} hours; set it between 1 and 72")]
    SelfClaim {
        /// The hours set.
        hours: u32,
    },
    /// An emergency that lasts too long, or not at all.
    #[error("an emergency access lasts {minutes} minutes; set it between 5 and 720")]
    Emergency {
        /// The minutes set.
        minutes: u32,
    },
}

impl Settings {
    /// Refuses values that take a protection away. A deployment calls this before it starts.
    pub fn check(&self) -> Result<(), UnsafeSettings> {
        let implied = self.permission == PermissionModel::Implied;
        let appointment = self.appointment_days_past.max(self.appointment_days_ahead);
        if implied && self.objection_in_emergency == EmergencyOverride::Always {
            return Err(UnsafeSettings::ObjectionHoldsNobody);
        }
        if implied && !self.pending_objection_restricts {
            return Err(UnsafeSettings::PendingObjectionIgnored);
        }
        if appointment > 365 {
            return Err(UnsafeSettings::AppointmentWindow { days: appointment });
        }
        if self.days_after_death > 365 {
            return Err(UnsafeSettings::AfterDeath {
                days: self.days_after_death,
            });
        }
        if self.days_after_care > 90 {
            return Err(UnsafeSettings::AfterCare {
                days: self.days_after_care,
            });
        }
        if !(1..=72).contains(&self.self_claim_hours) {
            return Err(UnsafeSettings::SelfClaim {
                hours: self.self_claim_hours,
            });
        }
        if !(5..=720).contains(&self.emergency_minutes) {
            return Err(UnsafeSettings::Emergency {
                minutes: self.emergency_minutes,
            });
        }
        Ok(())
    }

    /// Whether an appointment so many days from now counts. Unknown does not.
    pub fn appointment_counts(&self, days_from_now: Option<i64>) -> bool {
        let window =
            -i64::from(self.appointment_days_past)..=i64::from(self.appointment_days_ahead);
        days_from_now.is_some_and(|days| window.contains(&days))
    }

    /// Whether a partner's users count as users of a participating organisation. Who gathers the
    /// facts of a federated request asks this.
    pub fn accepts_partner(&self, organisation: &OdsCode) -> bool {
        self.federated_partners.contains(organisation)
    }

    /// The settings a decision may depend on, in one line, for its trace.
    pub fn summary(&self) -> String {
        format!(
            "permission={} appointment=-{}..+{} after_death={} objection.pending_restricts={} \
             objection.emergency={}",
            self.permission.code(),
            self.appointment_days_past,
            self.appointment_days_ahead,
            self.days_after_death,
            self.pending_objection_restricts,
            self.objection_in_emergency.code(),
        )
    }
}
