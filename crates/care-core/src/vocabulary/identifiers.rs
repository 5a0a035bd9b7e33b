//! Identifiers of people, items, organisations and sources.
//!
//! Sources: NHS Data Dictionary, NHS NUMBER (Modulus 11) and ORGANISATION CODE (ODS).

use std::fmt;

/// A ten-digit NHS number whose check digit is right.
///
/// `Display` gives the 3-3-4 form for screens; `Debug` hides the digits, because logs travel.
/// Source: NHS Data Dictionary, NHS NUMBER (Modulus 11).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NhsNumber(u64);

/// Why a text is not an NHS number. Never carries the text itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NhsNumberError {
    /// Not ten digits once spaces and dashes are left out.
    #[error("an NHS number has 10 digits; this text has another form; send the ten digits")]
    NotTenDigits,
    /// Ten digits whose last does not fit the first nine.
    #[error(
        "the check digit of this NHS number does not fit (modulus 11); check for a typing error"
    )]
    CheckDigit,
}

impl NhsNumber {
    /// Reads ten digits; spaces, non-breaking spaces and dashes between them are ignored.
    pub fn parse(text: &str) -> Result<Self, NhsNumberError> {
        let mut digits = [0u8; 10];
        let mut count = 0;
        for character in text.trim().chars() {
            match character {
                ' ' | '-' | '\u{a0}' | '\u{2010}'..='\u{2013}' => {}
                '0'..='9' if count < 10 => {
                    digits[count] = character as u8 - b'0';
                    count += 1;
                }
                _ => return Err(NhsNumberError::NotTenDigits),
            }
        }
        if count != 10 {
            return Err(NhsNumberError::NotTenDigits);
        }
        let weighted: u32 = (0..9).map(|i| u32::from(digits[i]) * (10 - i as u32)).sum();
        let check = match 11 - weighted % 11 {
            11 => 0,
            other => other,
        };
        if check != u32::from(digits[9]) {
            return Err(NhsNumberError::CheckDigit);
        }
        Ok(Self(
            digits
                .iter()
                .fold(0, |sum, digit| sum * 10 + u64::from(*digit)),
        ))
    }

    /// The ten digits without spaces: for wires and keys, never for logs or addresses of pages.
    pub fn digits(self) -> String {
        format!("{:010}", self.0)
    }

    /// The number as an integer: for keys.
    pub fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for NhsNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.digits();
        write!(f, "{} {} {}", &digits[..3], &digits[3..6], &digits[6..])
    }
}

impl fmt::Debug for NhsNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NhsNumber(hidden)")
    }
}

/// An organisation's ODS code: 3 to 12 letters, digits or dashes, in capitals.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OdsCode(String);

/// The text is no ODS code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "an organisation code has 3 to 12 letters, digits or dashes; ask the source for its ODS code"
)]
pub struct OdsCodeError;

impl OdsCode {
    /// Reads a code; letters are raised to capitals.
    pub fn parse(text: &str) -> Result<Self, OdsCodeError> {
        let code = text.trim().to_ascii_uppercase();
        let fits = (3..=12).contains(&code.len())
            && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if fits {
            Ok(Self(code))
        } else {
            Err(OdsCodeError)
        }
    }

    /// The code in capitals.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OdsCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The organisation whose system an item came from. Sources are organisations, so this is an ODS code.
pub type SourceCode = OdsCode;

/// Our own opaque key of a person. It carries no meaning and may stand in an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PersonId(pub u64);

/// Our own opaque key of an item within one person. Derived from the source's own key, so that the
/// same thing sent twice is the same item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ItemId(pub u64);

/// The text is none of our ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this id has another form than ours; use the id as it was given")]
pub struct IdError;

impl PersonId {
    /// Reads the 13-character form.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        base32_decode(text).map(Self)
    }
}

impl fmt::Display for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base32_encode(self.0))
    }
}

impl ItemId {
    /// Reads the 13-character form.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        base32_decode(text).map(Self)
    }
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base32_encode(self.0))
    }
}

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Writes 64 bits as 13 characters of Crockford's base 32, lower case: safe as a FHIR id.
pub fn base32_encode(value: u64) -> String {
    (0..13)
        .rev()
        .map(|place| char::from(ALPHABET[(value >> (5 * place)) as usize & 31]))
        .collect()
}

/// Reads what [`base32_encode`] wrote; anything else is an error, so one value has one spelling.
pub fn base32_decode(text: &str) -> Result<u64, IdError> {
    if text.len() != 13 {
        return Err(IdError);
    }
    let mut value: u64 = 0;
    for byte in text.bytes() {
        let digit = ALPHABET
            .iter()
            .position(|letter| *letter == byte)
            .ok_or(IdError)?;
        if value >> 59 != 0 {
            return Err(IdError);
        }
        value = value << 5 | digit as u64;
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_numbers_pass_and_a_changed_digit_does_not() {
        for number in ["999 000 0018", "999-000-0026", "9990000158"] {
            assert!(NhsNumber::parse(number).is_ok(), "{number}");
        }
        assert_eq!(
            NhsNumber::parse("9990000019"),
            Err(NhsNumberError::CheckDigit)
        );
        assert_eq!(
            NhsNumber::parse("999000001"),
            Err(NhsNumberError::NotTenDigits)
        );
        assert_eq!(
            NhsNumber::parse("999000001X"),
            Err(NhsNumberError::NotTenDigits)
        );
    }

    #[test]
    fn ids_read_back_as_written_and_have_one_spelling() {
        for value in [0, 1, 31, u64::MAX, 0x0123_4567_89ab_cdef] {
            assert_eq!(base32_decode(&base32_encode(value)), Ok(value));
        }
        assert_eq!(base32_decode("zzzzzzzzzzzzz"), Err(IdError));
        assert_eq!(base32_decode("0000000000000/.."), Err(IdError));
    }

    #[test]
    fn a_number_is_never_in_its_debug_text() {
        let number = NhsNumber::parse("9990000018").expect("a valid number");
        assert_eq!(format!("{number:?}"), "NhsNumber(hidden)");
        assert_eq!(number.to_string(), "999 000 0018");
    }
}
