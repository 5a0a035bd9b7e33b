//! The long-term conditions that planning tables count.

const LIST: &str = include_str!("../../data/release/conditions.txt");

/// The name of a condition of the list, by its SNOMED CT code.
pub fn condition_name(code: &str) -> Option<&'static str> {
    conditions()
        .find(|(held, _)| *held == code)
        .map(|(_, name)| name)
}

/// Every condition of the list: code and name, in the order of the names.
pub fn conditions() -> impl Iterator<Item = (&'static str, &'static str)> {
    LIST.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(' '))
}
