//! Closed lists whose values have a written code: one macro, so that each list reads as a table.

macro_rules! coded {
    ($(#[$outer:meta])* $list:ident { $($name:ident $code:literal $doc:literal),+ $(,)? }) => {
        $(#[$outer])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $list { $(#[doc = $doc] $name),+ }

        impl $list {
            /// Every value, in the order of the list.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The code used on wires and in the audit log.
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code),+ }
            }

            /// Reads a code.
            pub fn from_code(code: &str) -> Option<Self> {
                match code { $($code => Some(Self::$name),)+ _ => None }
            }
        }
    };
}

pub(crate) use coded;
