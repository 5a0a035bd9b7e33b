//! Writes `meta.versionId` and `meta.lastUpdated` into stored JSON bytes without building a tree.
//!
//! It knows just enough JSON to find members of one object; anything that is not an object passes
//! through as it is.

use jiff::Timestamp;

/// Where a member stands in the bytes: from its name's quote to the end of its value.
struct Member<'a> {
    name: &'a [u8],
    start: usize,
    value_start: usize,
    end: usize,
}

/// The body with `meta.versionId` and `meta.lastUpdated` set, other members of `meta` kept.
pub(crate) fn with_version(body: &[u8], version: u32, received_at: Timestamp) -> Vec<u8> {
    let Some(members) = members(body, 0) else {
        return body.to_vec();
    };
    let stamp = format!("\"versionId\":\"{version}\",\"lastUpdated\":\"{received_at:.3}\"");
    let mut out = Vec::with_capacity(body.len() + stamp.len() + 12);
    if let Some(meta) = members.iter().find(|member| member.name == b"meta") {
        out.extend_from_slice(&body[..meta.value_start]);
        out.push(b'{');
        out.extend_from_slice(stamp.as_bytes());
        let inside = self::members(body, meta.value_start).unwrap_or_default();
        let kept = inside
            .iter()
            .filter(|member| member.name != b"versionId" && member.name != b"lastUpdated");
        for member in kept {
            out.push(b',');
            out.extend_from_slice(&body[member.start..member.end]);
        }
        out.push(b'}');
        out.extend_from_slice(&body[meta.end..]);
        return out;
    }
    // After `resourceType` and `id`, where readers expect it.
    let after = members
        .iter()
        .take(2)
        .take_while(|member| member.name == b"resourceType" || member.name == b"id")
        .last();
    let at = after.map_or_else(|| skip_space(body, 0) + 1, |member| member.end);
    out.extend_from_slice(&body[..at]);
    if after.is_some() {
        out.push(b',');
    }
    out.extend_from_slice(b"\"meta\":{");
    out.extend_from_slice(stamp.as_bytes());
    out.push(b'}');
    if after.is_none() && !members.is_empty() {
        out.push(b',');
    }
    out.extend_from_slice(&body[at..]);
    out
}

/// The members of the object that begins at `from`; `None` where there is no well-formed object.
fn members(body: &[u8], from: usize) -> Option<Vec<Member<'_>>> {
    let mut at = skip_space(body, from);
    if body.get(at) != Some(&b'{') {
        return None;
    }
    at = skip_space(body, at + 1);
    let mut found = Vec::new();
    if body.get(at) == Some(&b'}') {
        return Some(found);
    }
    loop {
        let start = at;
        let name_end = skip_text(body, at)?;
        at = skip_space(body, name_end);
        if body.get(at) != Some(&b':') {
            return None;
        }
        let value_start = skip_space(body, at + 1);
        let end = skip_value(body, value_start)?;
        found.push(Member {
            name: &body[start + 1..name_end - 1],
            start,
            value_start,
            end,
        });
        at = skip_space(body, end);
        match body.get(at) {
            Some(b',') => at = skip_space(body, at + 1),
            Some(b'}') => return Some(found),
            _ => return None,
        }
    }
}

fn skip_space(body: &[u8], mut at: usize) -> usize {
    while matches!(body.get(at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
        at += 1;
    }
    at
}

/// From an opening quote to just after the closing one.
fn skip_text(body: &[u8], mut at: usize) -> Option<usize> {
    if body.get(at) != Some(&b'"') {
        return None;
    }
    loop {
        at += 1;
        match body.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 1,
            _ => {}
        }
    }
}

fn skip_value(body: &[u8], mut at: usize) -> Option<usize> {
    match body.get(at)? {
        b'"' => skip_text(body, at),
        b'{' | b'[' => {
            let mut depth = 0_usize;
            loop {
                match body.get(at)? {
                    b'"' => {
                        at = skip_text(body, at)?;
                        continue;
                    }
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => {
                        depth -= 1;
                        if depth == 0 {
                            return Some(at + 1);
                        }
                    }
                    _ => {}
                }
                at += 1;
            }
        }
        _ => {
            let start = at;
            while body.get(at).is_some_and(|byte| {
                !matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n')
            }) {
                at += 1;
            }
            (at > start).then_some(at)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_spliced_in_and_everything_else_stays_as_it_was() {
        let at: Timestamp = "2026-11-23T10:00:00.5Z".parse().expect("a time");
        let stamp = r#""versionId":"3","lastUpdated":"2026-11-23T10:00:00.500Z""#;
        let table = [
            (
                r#"{"resourceType":"Patient","id":"a","x":1.50}"#,
                format!(r#"{{"resourceType":"Patient","id":"a","meta":{{{stamp}}},"x":1.50}}"#),
            ),
            (
                r#"{"id":"a","meta":{"profile":["p"],"versionId":"9"},"x":"\"}{"}"#,
                format!(r#"{{"id":"a","meta":{{{stamp},"profile":["p"]}},"x":"\"}}{{"}}"#),
            ),
            (
                r#"{"x":[{"meta":1}]}"#,
                format!(r#"{{"meta":{{{stamp}}},"x":[{{"meta":1}}]}}"#),
            ),
            (r#"{"meta":null}"#, format!(r#"{{"meta":{{{stamp}}}}}"#)),
            ("{}", format!(r#"{{"meta":{{{stamp}}}}}"#)),
            ("[1]", "[1]".to_owned()),
            (r#"{"x":"#, r#"{"x":"#.to_owned()),
        ];
        for (body, expected) in table {
            let spliced = with_version(body.as_bytes(), 3, at);
            assert_eq!(String::from_utf8_lossy(&spliced), expected, "{body}");
        }
    }
}
