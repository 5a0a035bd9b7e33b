//! Names, numbers, phones and addresses as staff pages write them. Numbers keep the text that was sent.
//!
//! Source: NHS Common User Interface, ISB 1500 (address), 1506 (name), 1508 (phone).

use crate::vocabulary::{Address, PersonName};

/// `SMITH, Jane (Mrs)`: family name in capitals, given names, title in brackets without a full stop.
pub fn staff_name(name: &PersonName) -> String {
    let mut text = name.family.to_uppercase();
    let given = name.given.join(" ");
    if !given.is_empty() {
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(&given);
    }
    let titles: Vec<String> = name.prefix.iter().map(|title| title_case(title)).collect();
    if !titles.is_empty() {
        text.push_str(&format!(" ({})", titles.join(" ")));
    }
    if text.is_empty() {
        "Name not recorded".to_owned()
    } else {
        text
    }
}

fn title_case(title: &str) -> String {
    let bare = title.trim().trim_end_matches('.');
    let mut letters = bare.chars();
    letters.next().map_or_else(String::new, |first| {
        first
            .to_uppercase()
            .chain(letters.flat_map(char::to_lowercase))
            .collect()
    })
}

/// A phone number without brackets and without +44, in the groups of its kind; extension `x123`.
///
/// A number that is not a UK number of ten or eleven digits stays as sent.
pub fn phone(sent: &str) -> String {
    let lower = sent.trim().to_lowercase();
    let (number, extension) = match lower.find(['x', 'e']) {
        Some(place) => lower.split_at(place),
        None => (lower.as_str(), ""),
    };
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    let national = match digits.strip_prefix("0044").or_else(|| {
        number
            .trim_start()
            .starts_with('+')
            .then(|| digits.strip_prefix("44"))
            .flatten()
    }) {
        Some(rest) => format!("0{}", rest.trim_start_matches('0')),
        None => digits,
    };
    if !national.starts_with('0') || !(10..=11).contains(&national.len()) {
        return sent.trim().to_owned();
    }
    let extension: String = extension.chars().filter(char::is_ascii_digit).collect();
    let grouped = group_phone(&national);
    if extension.is_empty() {
        grouped
    } else {
        format!("{grouped} x{extension}")
    }
}

fn group_phone(digits: &str) -> String {
    let bytes = digits.as_bytes();
    let first = match (bytes.get(1), bytes.get(2), bytes.get(3)) {
        (Some(b'2'), ..) => 3,
        (Some(b'1'), Some(b'1'), _) | (Some(b'1'), _, Some(b'1')) | (Some(b'3' | b'8'), ..) => 4,
        _ => return format!("{} {}", &digits[..5], &digits[5..]),
    };
    let last = digits.len() - 4;
    format!(
        "{} {} {}",
        &digits[..first],
        &digits[first..last],
        &digits[last..]
    )
}

/// An address in one line: comma and one space between parts, postcode last.
pub fn address_line(address: &Address) -> String {
    address_parts(address).join(", ")
}

/// An address down the page: no commas at line ends, postcode last on its own line.
pub fn address_parts(address: &Address) -> Vec<String> {
    address
        .lines
        .iter()
        .map(|line| line.trim().trim_end_matches(',').to_owned())
        .chain(
            address
                .postcode
                .iter()
                .map(|code| code.trim().to_uppercase()),
        )
        .filter(|line| !line.is_empty())
        .collect()
}

/// A number as sent, with a comma from 1,000 and a leading nought. No digit is added or taken away.
pub fn number(sent: &str) -> String {
    let (sign, rest) = match sent.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", sent),
    };
    let (whole, fraction) = match rest.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (rest, None),
    };
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !plain(whole) || !fraction.is_none_or(plain) || (whole.is_empty() && fraction.is_none()) {
        return sent.to_owned();
    }
    let whole = if whole.is_empty() {
        "0".to_owned()
    } else {
        thousands(whole)
    };
    match fraction {
        Some(fraction) => format!("{sign}{whole}.{fraction}"),
        None => format!("{sign}{whole}"),
    }
}

fn thousands(digits: &str) -> String {
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A count with its noun: `1 item`, `1,204 items`.
pub fn count(how_many: usize, one: &str, many: &str) -> String {
    let noun = if how_many == 1 { one } else { many };
    format!("{} {noun}", number(&how_many.to_string()))
}

/// A word with its first letter raised; the rest is left as it is.
pub fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_family_in_capitals_given_and_title_in_brackets() {
        let name = |family: &str, given: &[&str], prefix: &[&str]| PersonName {
            family: family.to_owned(),
            given: given.iter().map(ToString::to_string).collect(),
            prefix: prefix.iter().map(ToString::to_string).collect(),
            preferred: None,
        };
        assert_eq!(
            staff_name(&name("Smith", &["Jane"], &["Mrs"])),
            "SMITH, Jane (Mrs)"
        );
        assert_eq!(
            staff_name(&name("o'neill", &["Ann", "Marie"], &["DR."])),
            "O'NEILL, Ann Marie (Dr)"
        );
        assert_eq!(staff_name(&name("Nguyễn", &[], &[])), "NGUYỄN");
        assert_eq!(staff_name(&name("", &[], &[])), "Name not recorded");
    }

    #[test]
    fn phones_have_no_brackets_and_no_country_code() {
        let table = [
            ("(0118) 4960123", "0118 496 0123"),
            ("+441184960123", "0118 496 0123"),
            ("+44 (0)20 7946 0123", "020 7946 0123"),
            ("07700900123", "07700 900123"),
            ("01632 960123", "01632 960123"),
            ("0118 496 0123 ext 12", "0118 496 0123 x12"),
            ("03003035678", "0300 303 5678"),
            ("+33 1 70 18 99 00", "+33 1 70 18 99 00"),
            ("999", "999"),
        ];
        for (sent, shown) in table {
            assert_eq!(phone(sent), shown, "{sent}");
        }
    }

    #[test]
    fn numbers_keep_every_digit_that_was_sent() {
        let table = [
            ("1204", "1,204"),
            ("1.50", "1.50"),
            (".5", "0.5"),
            ("999", "999"),
            ("1234567.890", "1,234,567.890"),
            ("-1000", "-1,000"),
            ("1e3", "1e3"),
            ("", ""),
        ];
        for (sent, shown) in table {
            assert_eq!(number(sent), shown, "{sent}");
        }
    }

    #[test]
    fn an_address_in_one_line_has_commas_and_down_the_page_none() {
        let address = Address {
            lines: vec!["1 High Street,".into(), "Lewisham".into()],
            postcode: Some("se13 1aa".into()),
            temporary: false,
        };
        assert_eq!(address_line(&address), "1 High Street, Lewisham, SE13 1AA");
        assert_eq!(
            address_parts(&address),
            ["1 High Street", "Lewisham", "SE13 1AA"]
        );
    }
}
