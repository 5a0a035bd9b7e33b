//! Lines of CSV (RFC 4180) that a spreadsheet cannot take for formulas.

/// One cell. A text that a spreadsheet would run (it begins with `=`, `+`, `-`, `@`, a tab or a return)
/// gets an apostrophe in front, unless it is a plain number.
///
/// Source: OWASP, CSV Injection.
pub fn csv_cell(text: &str) -> String {
    let runs = text.trim_start_matches(['\u{feff}', ' ']).starts_with([
        '=', '+', '-', '@', '\t', '\r', '\n', '|', '%', '＝', '＋', '－', '＠',
    ]);
    let defused = if runs && !is_number(text) {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if defused.contains(['"', ',', '\n', '\r', ';', '\t']) {
        format!("\"{}\"", defused.replace('"', "\"\""))
    } else {
        defused
    }
}

/// A line of cells with its end.
pub fn csv_line<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let mut line = cells
        .into_iter()
        .map(csv_cell)
        .collect::<Vec<_>>()
        .join(",");
    line.push_str("\r\n");
    line
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty()
        && digits.bytes().all(|it| it.is_ascii_digit() || it == b'.')
        && digits.bytes().filter(|it| *it == b'.').count() < 2
        && digits.starts_with(|it: char| it.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_and_numbers_stay_numbers() {
        let table = [
            ("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\""),
            ("+44 20", "'+44 20"),
            ("-2+3+cmd|' /C calc'!A0", "'-2+3+cmd|' /C calc'!A0"),
            ("@SUM(1)", "'@SUM(1)"),
            ("\t=1", "\"'\t=1\""),
            (" =1", "' =1"),
            ("-1.5", "-1.5"),
            ("-", "'-"),
            ("-.", "'-."),
            ("5", "5"),
            ("a,b", "\"a,b\""),
            ("", ""),
        ];
        for (text, expected) in table {
            assert_eq!(csv_cell(text), expected, "{text:?}");
        }
        assert_eq!(csv_line(["a", "=b", "c\"d"]), "a,'=b,\"c\"\"d\"\r\n");
    }
}
