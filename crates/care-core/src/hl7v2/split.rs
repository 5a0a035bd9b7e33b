//! One file, many messages: where each begins and ends.

/// The messages in the bytes of a file: each begins at a line that starts with `MSH` and ends before
/// the next one, or before a batch segment (FHS, BHS, BTS, FTS). Frame bytes are blanks here.
///
/// Bytes with no MSH line come back whole, so that [`super::parse`] can say what is wrong with them.
pub fn split_messages(bytes: &[u8]) -> Vec<&[u8]> {
    let mut starts = Vec::new();
    let mut at_line_start = true;
    for (place, byte) in bytes.iter().enumerate() {
        let rest = &bytes[place..];
        if at_line_start && (is_header(rest) || is_wrapper(rest)) {
            starts.push(place);
        }
        at_line_start = matches!(byte, b'\r' | b'\n' | 0x0b | 0x1c)
            || (at_line_start && matches!(byte, b' ' | b'\t' | 0xef | 0xbb | 0xbf));
    }
    if !starts.iter().any(|start| is_header(&bytes[*start..])) {
        return vec![bytes];
    }
    let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(start, end)| &bytes[*start..end])
        .filter(|piece| is_header(piece))
        .collect()
}

fn is_header(rest: &[u8]) -> bool {
    rest.starts_with(b"MSH") && rest.get(3).is_some_and(u8::is_ascii_punctuation)
}

fn is_wrapper(rest: &[u8]) -> bool {
    [b"FHS", b"BHS", b"BTS", b"FTS"]
        .iter()
        .any(|name| rest.starts_with(*name))
        && rest.get(3).is_none_or(|next| !next.is_ascii_alphanumeric())
}
