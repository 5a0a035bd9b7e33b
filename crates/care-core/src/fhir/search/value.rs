//! What a resource is found by.

use std::fmt;

/// The system of a code.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CodeSystem {
    /// None was sent.
    None,
    /// This one.
    Is(Box<str>),
    /// A `code` element: its system is that of the value set it is bound to, which every asker knows.
    Implied,
}

/// A stretch of the number line or of time: from `low` on, to before `high`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span<T> {
    /// Its beginning.
    pub low: T,
    /// Where it has ended. Where the two are one, it is a point.
    pub high: T,
}

/// One value of a resource under one search parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum IndexValue {
    /// A number.
    Number(Span<f64>),
    /// Microseconds since 1970 UTC.
    Date(Span<i64>),
    /// A text, as it was sent.
    Text(Box<str>),
    /// A code, identifier, truth value or contact.
    Token {
        /// Its system.
        system: CodeSystem,
        /// The code itself; none where there are words alone.
        code: Option<Box<str>>,
        /// The words that go with it.
        text: Option<Box<str>>,
        /// For an identifier, the system and code of its type.
        of_type: Option<(Box<str>, Box<str>)>,
    },
    /// Another resource.
    Reference {
        /// Its type, where it is known.
        resource_type: Option<Box<str>>,
        /// Its id on this server, where it is here.
        id: Option<Box<str>>,
        /// Its address, where it is elsewhere; a canonical address without its version.
        url: Option<Box<str>>,
        /// The version of a canonical address.
        version: Option<Box<str>>,
        /// System and value of the identifier that was sent with it.
        identifier: Option<(Box<str>, Box<str>)>,
    },
    /// A quantity.
    Quantity {
        /// The number, in the unit that was sent.
        value: Span<f64>,
        /// The unit's system.
        system: Option<Box<str>>,
        /// The unit's code.
        code: Option<Box<str>>,
        /// The unit's words.
        unit: Option<Box<str>>,
        /// The same in base units, with their text, where the unit is UCUM.
        canonical: Option<(Span<f64>, Box<str>)>,
    },
    /// An address.
    Uri(Box<str>),
    /// The parts of a composite: of each, the values of one element.
    Composite(Vec<Vec<IndexValue>>),
    /// A place on Earth, in degrees.
    Position {
        /// North of the equator.
        latitude: f64,
        /// East of Greenwich.
        longitude: f64,
    },
}

impl<T: PartialOrd + Copy> Span<T> {
    /// A point.
    pub fn point(at: T) -> Self {
        Self { low: at, high: at }
    }

    /// Whether the other lies wholly within this one.
    pub fn holds(self, other: Self) -> bool {
        self.low <= other.low && other.high <= self.high
    }

    /// Whether the two share anything.
    pub fn overlaps(self, other: Self) -> bool {
        let points = self.low == self.high || other.low == other.high;
        if points {
            self.low <= other.high && other.low <= self.high
        } else {
            self.low < other.high && other.low < self.high
        }
    }
}

impl fmt::Display for CodeSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(system) => f.write_str(system),
            Self::None | Self::Implied => Ok(()),
        }
    }
}
