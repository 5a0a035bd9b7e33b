//! References of cases: what a person reads out over the telephone.

use care_core::vocabulary::base32_encode;

/// What every reference begins with.
const MARK: &str = "CC";

/// A fresh reference: `CC-` and eight characters of 40 random bits, in letters and digits that are not
/// taken for one another.
pub(crate) fn reference() -> Result<String, getrandom::Error> {
    let mut bytes = [0_u8; 5];
    getrandom::fill(&mut bytes)?;
    let number = bytes
        .iter()
        .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    let text = base32_encode(number).to_uppercase();
    let last: String = text.chars().skip(text.len().saturating_sub(8)).collect();
    let (first, second) = last.split_at(4);
    Ok(format!("{MARK}-{first}-{second}"))
}

/// A reference as somebody typed it, in the form it is kept in.
pub(super) fn read(typed: &str) -> String {
    let plain: String = typed
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| match letter.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        })
        .collect();
    let body = plain.strip_prefix(MARK).filter(|rest| rest.len() == 8);
    let body = body.unwrap_or(&plain);
    match body.split_at_checked(4) {
        Some((first, second)) => format!("{MARK}-{first}-{second}"),
        None => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_short_fresh_and_forgives_typing() {
        let one = reference().expect("random");
        assert_eq!(one.len(), 12, "{one}");
        assert_ne!(one, reference().expect("random"));
        for typed in [one.clone(), one.to_lowercase(), one.replace('-', " ")] {
            assert_eq!(read(&typed), one);
        }
        assert_eq!(read(&one[3..]), one);
        assert_eq!(read("cc-7f3k-9q2o"), "CC-7F3K-9Q20");
        assert_eq!(read(""), "");
    }
}
