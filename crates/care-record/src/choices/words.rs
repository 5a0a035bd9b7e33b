//! Who may choose, and how a choice reaches us: codes for the record, words for pages.

macro_rules! listed {
    ($(#[$doc:meta])* $name:ident { $($one:ident $code:literal $words:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $(#[doc = $words] $one),+ }

        impl $name {
            /// Every one, in the order of the pages.
            pub const ALL: &'static [Self] = &[$(Self::$one),+];

            /// The code that is kept.
            pub fn code(self) -> &'static str {
                match self { $(Self::$one => $code),+ }
            }

            /// What pages call it.
            pub fn words(self) -> &'static str {
                match self { $(Self::$one => $words),+ }
            }

            /// Reads a code.
            pub fn from_code(code: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.code() == code)
            }
        }
    };
}

listed! {
    /// Who decided.
    SetBy {
        Oneself "self" "The person",
        Parent "parental_responsibility" "Somebody with parental responsibility",
        Proxy "informal_carer" "Somebody the person named to act for them",
        Attorney "lpa_health_welfare" "Attorney for health and welfare",
        Deputy "court_deputy" "Deputy appointed by the Court of Protection",
    }
}

impl SetBy {
    /// Whether somebody decided for the person, so that evidence is held.
    pub fn is_for_another(self) -> bool {
        self != Self::Oneself
    }

    /// The evidence that must have been seen.
    pub fn evidence_needed(self) -> &'static str {
        match self {
            Self::Oneself => "",
            Self::Parent => "Birth certificate, or an order that gives parental responsibility",
            Self::Proxy => "The person's own signed statement, or their word on the phone",
            Self::Attorney => "A registered lasting power of attorney for health and welfare",
            Self::Deputy => "The order of the Court of Protection",
        }
    }

    /// Whether they may decide only where the person lacks capacity.
    pub fn needs_lack_of_capacity(self) -> bool {
        matches!(self, Self::Attorney | Self::Deputy)
    }
}

listed! {
    /// How a choice reached us.
    Channel {
        Online "online" "Online",
        Telephone "telephone" "Phone",
        Paper "paper" "Letter or form",
        Email "email" "Email",
        InPerson "in_person" "In person",
        Practice "gp_practice" "From a GP practice",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back() {
        for one in SetBy::ALL {
            assert_eq!(SetBy::from_code(one.code()), Some(*one));
            assert_eq!(one.is_for_another(), !one.evidence_needed().is_empty());
        }
        for one in Channel::ALL {
            assert_eq!(Channel::from_code(one.code()), Some(*one));
        }
        assert_eq!(SetBy::from_code("anybody"), None);
    }
}
