//! Files of comma-separated values (RFC 4180) that no spreadsheet takes for a program.

use axum::http::header;
use axum::response::{IntoResponse, Response};

/// A file to download: the titles, then the rows. The name is ours and holds nothing about anybody.
pub fn csv<Row, Cell>(
    name: &'static str,
    titles: &[&str],
    rows: impl IntoIterator<Item = Row>,
) -> Response
where
    Row: IntoIterator<Item = Cell>,
    Cell: AsRef<str>,
{
    let mut file = line(titles);
    for row in rows {
        file.push_str(&line(row));
    }
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}.csv\""),
        ),
    ];
    (headers, file).into_response()
}

fn line<Cell: AsRef<str>>(cells: impl IntoIterator<Item = Cell>) -> String {
    let cells: Vec<String> = cells
        .into_iter()
        .map(|cell| quoted(cell.as_ref()))
        .collect();
    cells.join(",") + "\r\n"
}

/// A cell. A text that a spreadsheet would run as a formula is kept a text.
pub fn quoted(text: &str) -> String {
    let guard = if text
        .trim_start_matches([' ', '\n'])
        .starts_with(['=', '+', '-', '@', '\t', '\r'])
    {
        "'"
    } else {
        ""
    };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_never_becomes_a_formula_or_a_second_cell() {
        let table = [
            ("Direct care", "\"Direct care\""),
            ("a \"b\", c", "\"a \"\"b\"\", c\""),
            ("=1+1", "\"'=1+1\""),
            (" =1+1", "\"' =1+1\""),
            ("-2", "\"'-2\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("\t=1", "\"'\t=1\""),
        ];
        for (text, expected) in table {
            assert_eq!(quoted(text), expected);
        }
    }
}
