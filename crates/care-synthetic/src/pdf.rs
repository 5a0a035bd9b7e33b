//! A small genuine PDF: A4 pages of Helvetica, enough for a letter. Reads in any viewer.

/// Lines on one page.
const LINES: usize = 52;
/// Characters in a line before it is broken.
const WIDTH: usize = 88;

/// Text as a PDF, with a title in larger type. Characters outside Latin-1 become question marks.
pub(crate) fn pdf(title: &str, text: &str) -> Vec<u8> {
    let lines: Vec<String> = text.lines().flat_map(wrapped).collect();
    let mut pages: Vec<&[String]> = lines.chunks(LINES).collect();
    if pages.is_empty() {
        pages.push(&[]);
    }
    let count = pages.len();
    let kids: Vec<String> = (0..count)
        .map(|page| format!("{} 0 R", 4 + 2 * page))
        .collect();
    let mut objects = vec![
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        format!(
            "<< /Type /Pages /Kids [{}] /Count {count} >>",
            kids.join(" ")
        )
        .into_bytes(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
            .to_vec(),
    ];
    for (page, lines) in pages.iter().enumerate() {
        objects.push(
            format!(
                "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >> /Contents {} 0 R >>",
                5 + 2 * page
            )
            .into_bytes(),
        );
        let content = content(if page == 0 { Some(title) } else { None }, lines);
        let mut object = format!("<< /Length {} >>\nstream\n", content.len()).into_bytes();
        object.extend(content);
        object.extend(b"\nendstream");
        objects.push(object);
    }
    assembled(&objects)
}

fn wrapped(line: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in line.split(' ') {
        let full = lines.last().is_some_and(|last| {
            !last.is_empty() && last.chars().count() + word.chars().count() >= WIDTH
        });
        if full {
            lines.push(String::new());
        }
        if let Some(last) = lines.last_mut() {
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    lines
}

fn content(title: Option<&str>, lines: &[String]) -> Vec<u8> {
    let mut out = b"BT 56 786 Td 14 TL ".to_vec();
    if let Some(title) = title {
        out.extend(b"/F1 15 Tf ");
        show(&mut out, title);
        out.extend(b"T* ");
    }
    out.extend(b"/F1 10.5 Tf ");
    for line in lines {
        show(&mut out, line);
    }
    out.extend(b"ET");
    out
}

fn show(out: &mut Vec<u8>, text: &str) {
    out.push(b'(');
    for character in text.chars() {
        match character {
            '(' | ')' | '\\' => out.extend([b'\\', character as u8]),
            c if (' '..='\u{ff}').contains(&c) => out.push(c as u32 as u8),
            _ => out.push(b'?'),
        }
    }
    out.extend(b") Tj T*\n");
}

fn assembled(objects: &[Vec<u8>]) -> Vec<u8> {
    let mut out = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n".to_vec();
    let mut places = Vec::new();
    for (object, number) in objects.iter().zip(1..) {
        places.push(out.len());
        out.extend(format!("{number} 0 obj\n").into_bytes());
        out.extend(object);
        out.extend(b"\nendobj\n");
    }
    let table = out.len();
    out.extend(format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).into_bytes());
    for place in places {
        out.extend(format!("{place:010} 00000 n \n").into_bytes());
    }
    out.extend(
        format!(
            "trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n",
            objects.len() + 1
        )
        .into_bytes(),
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_points_at_the_objects() {
        let bytes = pdf(
            "A letter",
            &"One line of text that is long enough to be broken over two.\n".repeat(120),
        );
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(text.starts_with("%PDF-1.4") && text.ends_with("%%EOF\n"));
        let start: usize = text
            .lines()
            .rev()
            .nth(1)
            .and_then(|line| line.parse().ok())
            .expect("a number");
        assert!(bytes[start..].starts_with(b"xref"));
        let table = String::from_utf8_lossy(&bytes[start..]).into_owned();
        for (line, number) in table
            .lines()
            .skip(3)
            .take_while(|line| line.ends_with("n "))
            .zip(1..)
        {
            let place: usize = line[..10].parse().expect("ten digits");
            assert!(bytes[place..].starts_with(format!("{number} 0 obj").as_bytes()));
        }
        assert!(text.contains("/Count 3"));
    }
}
