//! Why somebody wants to see a record. Source: the access model, section 8.1.

macro_rules! purposes {
    ($($name:ident $code:literal $doc:literal),+ $(,)?) => {
        /// A permitted purpose. What is not here is not permitted, so it has no value.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Purpose { $(#[doc = $doc] $name),+ }

        impl Purpose {
            /// Every purpose, in the order of the access model.
            pub const ALL: &'static [Purpose] = &[$(Purpose::$name),+];

            /// The code used on wires and in the audit log.
            pub fn code(self) -> &'static str {
                match self { $(Purpose::$name => $code),+ }
            }

            /// Reads a code.
            pub fn from_code(code: &str) -> Option<Self> {
                match code { $($code => Some(Purpose::$name),)+ _ => None }
            }
        }
    };
}

purposes! {
    DirectCare "direct_care" "Care of this person.",
    CareAdmin "care_admin" "Administration of this person's care.",
    SafeguardingInvestigation "safeguarding_investigation" "A safeguarding enquiry with a case reference.",
    LegalRequirement "legal_requirement" "A legal duty with an instrument.",
    PublicInterest "public_interest" "An overriding public interest with an approved test.",
    AuditReview "audit_review" "Review of the access log.",
    SelfView "self_view" "The person looks at their own record.",
    ProxyView "proxy_view" "Somebody who acts for the person looks.",
}
