//! Every function by its name, with how many arguments it takes.
//!
//! Source: FHIRPath N1 section 5 and the 3.0 ballot's additions that the official suite tests;
//! FHIR R4 section 2.9 for FHIR's own; SQL on FHIR v2 for the keys.

/// A function of the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[rustfmt::skip]
pub(super) enum Function {
    Empty, Exists, All, AllTrue, AnyTrue, AllFalse, AnyFalse, SubsetOf, SupersetOf, Count,
    Distinct, IsDistinct, Where, Select, Repeat, RepeatAll, Single, First, Last, Tail, Skip, Take,
    Intersect, Exclude, Union, Combine, Coalesce, Iif, ToBoolean, ConvertsToBoolean, ToInteger,
    ConvertsToInteger, ToDecimal, ConvertsToDecimal, ToDate, ConvertsToDate, ToDateTime,
    ConvertsToDateTime, ToTime, ConvertsToTime, ToQuantity, ConvertsToQuantity, ToString,
    ConvertsToString, IndexOf, LastIndexOf, Substring, StartsWith, EndsWith, Contains, Upper,
    Lower, Replace, Matches, MatchesFull, ReplaceMatches, Length, ToChars, Encode, Decode, Escape,
    Unescape, Trim, Split, Join, Abs, Ceiling, Exp, Floor, Ln, Log, Power, Round, Sqrt, Truncate,
    Sum, Min, Max, Average, Children, Descendants, Trace, Now, TimeOfDay, Today, Not, Type,
    Aggregate, Sort, DefineVariable, LowBoundary, HighBoundary, Precision, Comparable, YearOf,
    MonthOf, DayOf, HourOf, MinuteOf, SecondOf, MillisecondOf, OffsetOf, DateOf, TimeOf,
    Extension, HasValue, GetValue, Resolve, ConformsTo, MemberOf, HtmlChecks, ResourceKey,
    ReferenceKey,
}

/// Name, function, fewest and most arguments.
#[rustfmt::skip]
const TABLE: [(&str, Function, usize, usize); 113] = [
    ("empty", Function::Empty, 0, 0),
    ("exists", Function::Exists, 0, 1),
    ("all", Function::All, 1, 1),
    ("allTrue", Function::AllTrue, 0, 0),
    ("anyTrue", Function::AnyTrue, 0, 0),
    ("allFalse", Function::AllFalse, 0, 0),
    ("anyFalse", Function::AnyFalse, 0, 0),
    ("subsetOf", Function::SubsetOf, 1, 1),
    ("supersetOf", Function::SupersetOf, 1, 1),
    ("count", Function::Count, 0, 0),
    ("distinct", Function::Distinct, 0, 0),
    ("isDistinct", Function::IsDistinct, 0, 0),
    ("where", Function::Where, 1, 1),
    ("select", Function::Select, 1, 1),
    ("repeat", Function::Repeat, 1, 1),
    ("repeatAll", Function::RepeatAll, 1, 1),
    ("single", Function::Single, 0, 0),
    ("first", Function::First, 0, 0),
    ("last", Function::Last, 0, 0),
    ("tail", Function::Tail, 0, 0),
    ("skip", Function::Skip, 1, 1),
    ("take", Function::Take, 1, 1),
    ("intersect", Function::Intersect, 1, 1),
    ("exclude", Function::Exclude, 1, 1),
    ("union", Function::Union, 1, 1),
    ("combine", Function::Combine, 1, 1),
    ("coalesce", Function::Coalesce, 1, 20),
    ("iif", Function::Iif, 2, 3),
    ("toBoolean", Function::ToBoolean, 0, 0),
    ("convertsToBoolean", Function::ConvertsToBoolean, 0, 0),
    ("toInteger", Function::ToInteger, 0, 0),
    ("convertsToInteger", Function::ConvertsToInteger, 0, 0),
    ("toDecimal", Function::ToDecimal, 0, 0),
    ("convertsToDecimal", Function::ConvertsToDecimal, 0, 0),
    ("toDate", Function::ToDate, 0, 0),
    ("convertsToDate", Function::ConvertsToDate, 0, 0),
    ("toDateTime", Function::ToDateTime, 0, 0),
    ("convertsToDateTime", Function::ConvertsToDateTime, 0, 0),
    ("toTime", Function::ToTime, 0, 0),
    ("convertsToTime", Function::ConvertsToTime, 0, 0),
    ("toQuantity", Function::ToQuantity, 0, 1),
    ("convertsToQuantity", Function::ConvertsToQuantity, 0, 1),
    ("toString", Function::ToString, 0, 0),
    ("convertsToString", Function::ConvertsToString, 0, 0),
    ("indexOf", Function::IndexOf, 1, 1),
    ("lastIndexOf", Function::LastIndexOf, 1, 1),
    ("substring", Function::Substring, 1, 2),
    ("startsWith", Function::StartsWith, 1, 1),
    ("endsWith", Function::EndsWith, 1, 1),
    ("contains", Function::Contains, 1, 1),
    ("upper", Function::Upper, 0, 0),
    ("lower", Function::Lower, 0, 0),
    ("replace", Function::Replace, 2, 2),
    ("matches", Function::Matches, 1, 2),
    ("matchesFull", Function::MatchesFull, 1, 2),
    ("replaceMatches", Function::ReplaceMatches, 2, 2),
    ("length", Function::Length, 0, 0),
    ("toChars", Function::ToChars, 0, 0),
    ("encode", Function::Encode, 1, 1),
    ("decode", Function::Decode, 1, 1),
    ("escape", Function::Escape, 1, 1),
    ("unescape", Function::Unescape, 1, 1),
    ("trim", Function::Trim, 0, 0),
    ("split", Function::Split, 1, 1),
    ("join", Function::Join, 0, 1),
    ("abs", Function::Abs, 0, 0),
    ("ceiling", Function::Ceiling, 0, 0),
    ("exp", Function::Exp, 0, 0),
    ("floor", Function::Floor, 0, 0),
    ("ln", Function::Ln, 0, 0),
    ("log", Function::Log, 1, 1),
    ("power", Function::Power, 1, 1),
    ("round", Function::Round, 0, 1),
    ("sqrt", Function::Sqrt, 0, 0),
    ("truncate", Function::Truncate, 0, 0),
    ("sum", Function::Sum, 0, 0),
    ("min", Function::Min, 0, 0),
    ("max", Function::Max, 0, 0),
    ("avg", Function::Average, 0, 0),
    ("children", Function::Children, 0, 0),
    ("descendants", Function::Descendants, 0, 0),
    ("trace", Function::Trace, 1, 2),
    ("now", Function::Now, 0, 0),
    ("timeOfDay", Function::TimeOfDay, 0, 0),
    ("today", Function::Today, 0, 0),
    ("not", Function::Not, 0, 0),
    ("type", Function::Type, 0, 0),
    ("aggregate", Function::Aggregate, 1, 2),
    ("sort", Function::Sort, 0, 20),
    ("defineVariable", Function::DefineVariable, 1, 2),
    ("lowBoundary", Function::LowBoundary, 0, 1),
    ("highBoundary", Function::HighBoundary, 0, 1),
    ("precision", Function::Precision, 0, 0),
    ("comparable", Function::Comparable, 1, 1),
    ("yearOf", Function::YearOf, 0, 0),
    ("monthOf", Function::MonthOf, 0, 0),
    ("dayOf", Function::DayOf, 0, 0),
    ("hourOf", Function::HourOf, 0, 0),
    ("minuteOf", Function::MinuteOf, 0, 0),
    ("secondOf", Function::SecondOf, 0, 0),
    ("millisecondOf", Function::MillisecondOf, 0, 0),
    ("timezoneOffsetOf", Function::OffsetOf, 0, 0),
    ("dateOf", Function::DateOf, 0, 0),
    ("timeOf", Function::TimeOf, 0, 0),
    ("extension", Function::Extension, 1, 1),
    ("hasValue", Function::HasValue, 0, 0),
    ("getValue", Function::GetValue, 0, 0),
    ("resolve", Function::Resolve, 0, 0),
    ("conformsTo", Function::ConformsTo, 1, 1),
    ("memberOf", Function::MemberOf, 1, 1),
    ("htmlChecks", Function::HtmlChecks, 0, 0),
    ("getResourceKey", Function::ResourceKey, 0, 0),
    ("getReferenceKey", Function::ReferenceKey, 0, 1),
];

/// Functions FHIR has and this engine leaves out.
const LEFT_OUT: [&str; 6] = [
    "checkModifiers",
    "elementDefinition",
    "slice",
    "subsumes",
    "subsumedBy",
    "toLong",
];

impl Function {
    /// The function of a name with its fewest and most arguments.
    pub(super) fn find(name: &str) -> Option<(Self, usize, usize)> {
        let found = TABLE.iter().find(|(known, _, _, _)| *known == name);
        found.map(|(_, function, least, most)| (*function, *least, *most))
    }

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        let found = TABLE.iter().find(|(_, function, _, _)| *function == self);
        found.map_or("", |(name, _, _, _)| name)
    }

    /// A known name that differs only in capital letters.
    pub(super) fn near(name: &str) -> Option<&'static str> {
        let found = TABLE
            .iter()
            .find(|(known, _, _, _)| known.eq_ignore_ascii_case(name));
        found.map(|(known, _, _, _)| *known)
    }

    /// Whether FHIR has it and this engine does not.
    pub(super) fn is_left_out(name: &str) -> bool {
        LEFT_OUT.contains(&name)
    }
}
