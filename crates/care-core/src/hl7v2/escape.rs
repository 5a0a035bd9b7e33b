//! Escape sequences in text: reading and writing. Source: HL7 v2.8.2 section 2.7.

use std::borrow::Cow;

use super::Separators;

/// The text with its escape sequences put back. Highlighting is dropped, `\.br\` becomes a line end,
/// a sequence that is not known stays as it was sent.
pub(super) fn decode(raw: &str, separators: Separators) -> Cow<'_, str> {
    let escape = char::from(separators.escape);
    if !raw.as_bytes().contains(&separators.escape) {
        return Cow::Borrowed(raw);
    }
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((before, after)) = rest.split_once(escape) {
        out.push_str(before);
        match after.split_once(escape) {
            Some((sequence, tail)) if push_sequence(sequence, separators, &mut out) => rest = tail,
            _ => {
                out.push(escape);
                rest = after;
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Writes what one sequence stands for; false when it is none.
fn push_sequence(sequence: &str, separators: Separators, out: &mut String) -> bool {
    match sequence {
        "F" => out.push(char::from(separators.field)),
        "S" => out.push(char::from(separators.component)),
        "T" => out.push(char::from(separators.subcomponent)),
        "R" => out.push(char::from(separators.repetition)),
        "E" => out.push(char::from(separators.escape)),
        "P" => out.push(char::from(separators.truncation.unwrap_or(b'#'))),
        "H" | "N" => {}
        _ => return push_long_sequence(sequence, out),
    }
    true
}

fn push_long_sequence(sequence: &str, out: &mut String) -> bool {
    if let Some(hexadecimal) = sequence.strip_prefix('X') {
        return push_bytes(hexadecimal, out);
    }
    let Some(command) = sequence.strip_prefix('.') else {
        return false;
    };
    let line_ends = match command.get(..2) {
        Some("br" | "ce") => 1,
        Some("sp") => command[2..].trim().parse().unwrap_or(1).clamp(1, 50),
        Some("fi" | "nf" | "in" | "ti" | "sk") => 0,
        _ => return false,
    };
    for _ in 0..line_ends {
        out.push('\n');
    }
    true
}

fn push_bytes(hexadecimal: &str, out: &mut String) -> bool {
    let digits = hexadecimal.as_bytes();
    if digits.is_empty() || !digits.len().is_multiple_of(2) || digits.len() > 2048 {
        return false;
    }
    let mut bytes = Vec::with_capacity(digits.len() / 2);
    for pair in digits.chunks_exact(2) {
        let high = char::from(pair[0]).to_digit(16);
        let low = char::from(pair[1]).to_digit(16);
        match (high, low) {
            (Some(high), Some(low)) => bytes.push((high * 16 + low) as u8),
            _ => return false,
        }
    }
    let text = match std::str::from_utf8(&bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => {
            encoding_rs::WINDOWS_1252
                .decode_without_bom_handling(&bytes)
                .0
        }
    };
    let plain = text.replace("\r\n", "\n");
    out.extend(plain.chars().map(|character| match character {
        '\r' => '\n',
        '\n' | '\t' => character,
        other if other.is_control() => ' ',
        other => other,
    }));
    true
}

/// Writes text so that it can stand in a field: separators and line ends become sequences, other
/// control characters a space.
pub(super) fn encode(text: &str, separators: Separators, out: &mut String) {
    let escape = char::from(separators.escape);
    for character in text.chars() {
        let byte = u8::try_from(u32::from(character)).unwrap_or(0);
        let sequence = match byte {
            0 if character == '\0' => " ",
            0 => {
                out.push(character);
                continue;
            }
            b'\n' => ".br",
            byte if byte == separators.field => "F",
            byte if byte == separators.component => "S",
            byte if byte == separators.subcomponent => "T",
            byte if byte == separators.repetition => "R",
            byte if byte == separators.escape => "E",
            byte if byte < b' ' => " ",
            _ => {
                out.push(character);
                continue;
            }
        };
        if sequence == " " {
            out.push(' ');
        } else {
            out.push(escape);
            out.push_str(sequence);
            out.push(escape);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_escape_sequence_reads_as_what_it_stands_for() {
        for (raw, text) in [
            (r"x10\S\9/L", "x10^9/L"),
            (r"a\F\b\T\c\R\d\E\e", r"a|b&c~d\e"),
            (r"one\.br\two\.sp2\three", "one\ntwo\n\nthree"),
            (r"\H\bold\N\ plain", "bold plain"),
            (r"\XC2A3\5 and \XA3\5", "£5 and £5"),
            (r"\X0D0A\x\X00\y", "\nx y"),
            (r"C:\dir\file and \Zap\", r"C:\dir\file and \Zap\"),
            (r"lone \ end", r"lone \ end"),
            (r"\X4\odd", r"\X4\odd"),
        ] {
            assert_eq!(decode(raw, Separators::STANDARD), text, "{raw}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_was_written_reads_back(text in "[^\\x00-\\x1f\\x7f]*") {
            let mut raw = String::new();
            encode(&text, Separators::STANDARD, &mut raw);
            proptest::prop_assert_eq!(decode(&raw, Separators::STANDARD), text);
        }
    }
}
