//! How protected an item is. Source: the access model, section 8.1 and rule 11.

/// The protection of one item, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Sensitivity {
    /// No protection beyond the role matrix.
    Normal,
    /// On the RCGP sensitive list: never shown, generic notice.
    RcgpSensitive,
    /// Sealed at the person's request: hidden with a notice, opened only by rule 11.
    Sealed,
    /// Sealed and locked: hidden without a sign, never opened.
    SealedLocked,
    /// Excluded by statute: never shown, no notice.
    StatutoryExcluded,
}

impl Sensitivity {
    /// Every level, least first.
    pub const ALL: &'static [Sensitivity] = &[
        Self::Normal,
        Self::RcgpSensitive,
        Self::Sealed,
        Self::SealedLocked,
        Self::StatutoryExcluded,
    ];

    /// The code used on wires and in the audit log.
    pub fn code(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::RcgpSensitive => "rcgp_sensitive",
            Self::Sealed => "sealed",
            Self::SealedLocked => "sealed_locked",
            Self::StatutoryExcluded => "statutory_excluded",
        }
    }

    /// Reads a code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|level| level.code() == code)
    }
}

/// A set of protection levels, as bits in the order of [`Sensitivity`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SensitivitySet(u8);

impl SensitivitySet {
    /// No level.
    pub const EMPTY: Self = Self(0);

    /// Whether the level is in the set.
    pub fn contains(self, level: Sensitivity) -> bool {
        self.0 & (1 << level as u8) != 0
    }

    /// The set with the level in it.
    #[must_use]
    pub fn with(self, level: Sensitivity) -> Self {
        Self(self.0 | 1 << level as u8)
    }

    /// The bits, for a query that filters on them.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// The set of these bits; bits that name no level are left out.
    pub fn from_bits(bits: u8) -> Self {
        Self(bits & 0b1_1111)
    }

    /// The levels in the set, least first.
    pub fn iter(self) -> impl Iterator<Item = Sensitivity> {
        Sensitivity::ALL
            .iter()
            .copied()
            .filter(move |level| self.contains(*level))
    }
}

impl FromIterator<Sensitivity> for SensitivitySet {
    fn from_iter<I: IntoIterator<Item = Sensitivity>>(levels: I) -> Self {
        levels.into_iter().fold(Self::EMPTY, Self::with)
    }
}
