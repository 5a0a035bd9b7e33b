//! Lists of the console: filters as a `GET` form of codes, sorted by the server, 50 a page, with the
//! count, the oldest age, and the same rows as a file.

use axum::response::Response;
use care_core::sections::{When, local};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::components;

/// Rows on one page.
pub const PAGE: u32 = 50;
/// Rows of one file at most.
pub const FILE: u32 = 10_000;

/// What an address asks of a list of cases: codes only. Extend it with `#[serde(flatten)]`.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Asked {
    /// A kind's code; empty: all.
    pub kind: String,
    /// `open`, `closed` or empty for both, or a state of the list's own.
    pub state: String,
    /// `me`, `nobody` or empty for anybody.
    pub owner: String,
    /// `oldest`, `newest`, `due` or `changed`.
    pub sort: String,
    /// From 1.
    pub page: String,
    /// What was just done, for the notice on top.
    pub done: String,
}

impl Asked {
    /// The page's number, from 1.
    pub fn page(&self) -> u32 {
        self.page.parse().ok().filter(|page| *page > 0).unwrap_or(1)
    }

    /// Rows before this page.
    pub fn offset(&self) -> u32 {
        (self.page() - 1).saturating_mul(PAGE)
    }

    /// The owner a query is narrowed to.
    pub fn owner_id(&self, me: &str) -> Option<String> {
        match self.owner.as_str() {
            "me" => Some(me.to_owned()),
            "nobody" => Some(String::new()),
            _ => None,
        }
    }
}

/// A column: its title, and whether it holds figures.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Column {
    title: &'static str,
    figures: bool,
}

impl Column {
    /// A column of texts.
    pub const fn text(title: &'static str) -> Self {
        Self {
            title,
            figures: false,
        }
    }

    /// A column of figures, set right.
    pub const fn figures(title: &'static str) -> Self {
        Self {
            title,
            figures: true,
        }
    }
}

/// One cell: its words, and what they lead to.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Cell {
    /// The words; lines are kept.
    pub words: String,
    /// An address of ours.
    pub link: Option<String>,
    /// A colour of the design system's tags.
    pub tag: Option<&'static str>,
    /// A moment, as `<time>`.
    pub when: Option<When>,
    /// A form value to choose the row by.
    pub choose: Option<String>,
}

impl Cell {
    /// Words.
    pub fn text(words: impl Into<String>) -> Self {
        Self {
            words: words.into(),
            ..Self::default()
        }
    }

    /// Words that lead somewhere.
    pub fn link(words: impl Into<String>, address: impl Into<String>) -> Self {
        Self {
            link: Some(address.into()),
            ..Self::text(words)
        }
    }

    /// A status.
    pub fn tag(words: impl Into<String>, colour: &'static str) -> Self {
        Self {
            tag: Some(colour),
            ..Self::text(words)
        }
    }

    /// A moment.
    pub fn moment(at: Timestamp) -> Self {
        let when = When::moment(at);
        Self {
            words: when.short.clone(),
            when: Some(when),
            ..Self::default()
        }
    }

    /// A day, or words where there is none.
    pub fn day(at: Option<Timestamp>, otherwise: &str) -> Self {
        match at {
            None => Self::text(otherwise),
            Some(at) => {
                let when = When::day(at);
                Self {
                    words: when.short.clone(),
                    when: Some(when),
                    ..Self::default()
                }
            }
        }
    }

    /// A box that chooses the row; `label` says which row.
    pub fn choose(value: impl Into<String>, label: impl Into<String>) -> Self {
        Self {
            choose: Some(value.into()),
            ..Self::text(label)
        }
    }
}

/// One field of the filter.
#[derive(Debug, Clone, Serialize)]
pub struct FilterField {
    name: &'static str,
    label: &'static str,
    /// Code, words; empty for a field to type a day into.
    options: Vec<(String, String)>,
    value: String,
}

impl FilterField {
    /// A choice of codes; the first is what holds when nothing is chosen.
    pub fn choice<'a>(
        name: &'static str,
        label: &'static str,
        options: impl IntoIterator<Item = (&'a str, &'a str)>,
        value: &str,
    ) -> Self {
        Self {
            name,
            label,
            options: options
                .into_iter()
                .map(|(code, words)| (code.to_owned(), words.to_owned()))
                .collect(),
            value: value.to_owned(),
        }
    }

    /// A day.
    pub fn day(name: &'static str, label: &'static str, value: &str) -> Self {
        Self {
            name,
            label,
            options: Vec::new(),
            value: value.to_owned(),
        }
    }

    /// The owner: anybody, me, nobody.
    pub fn owner(value: &str) -> Self {
        let options = [("", "Anybody"), ("me", "Me"), ("nobody", "Nobody yet")];
        Self::choice("owner", "Owner", options, value)
    }

    /// The order.
    pub fn sort(value: &str) -> Self {
        let options = [
            ("oldest", "Oldest first"),
            ("newest", "Newest first"),
            ("due", "Due first"),
            ("changed", "Last changed first"),
        ];
        let chosen = if value.is_empty() { "oldest" } else { value };
        Self::choice("sort", "Order", options, chosen)
    }

    /// Open or closed.
    pub fn open_or_closed(value: &str) -> Self {
        let options = [("open", "Open"), ("closed", "Closed"), ("all", "All")];
        let chosen = if value.is_empty() { "open" } else { value };
        Self::choice("state", "State", options, chosen)
    }

    /// What it narrows to, in words; `None` where it narrows nothing.
    fn says(&self) -> Option<String> {
        let (first, _) = self.options.first()?;
        let (_, words) = self
            .options
            .iter()
            .find(|(code, _)| *code == self.value && code != first)?;
        Some(format!("{} {}", self.label, words))
    }
}

/// A list, ready to draw with `ig-list.html` or to write to a file.
#[derive(Debug, Clone, Serialize)]
pub struct List {
    /// What the rows are, for the table's caption: "Access to review".
    caption: String,
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
    total: u64,
    oldest: Option<String>,
    page: u32,
    pages: u32,
    filters: Vec<FilterField>,
    narrowed: Vec<String>,
    /// The list's address, without a question mark.
    address: String,
    /// The filter as it stands in the address, ending in `&` where it is not empty.
    query: String,
    /// What is said where there is no row.
    nothing: String,
}

impl List {
    /// A list at an address.
    pub fn new(caption: &str, address: &str, columns: &[Column]) -> Self {
        Self {
            caption: caption.to_owned(),
            columns: columns.to_vec(),
            rows: Vec::new(),
            total: 0,
            oldest: None,
            page: 1,
            pages: 1,
            filters: Vec::new(),
            narrowed: Vec::new(),
            address: address.to_owned(),
            query: String::new(),
            nothing: "Nothing is here.".to_owned(),
        }
    }

    /// Its rows of this page, how many there are in all, and since when the oldest waits.
    #[must_use]
    pub fn rows(
        mut self,
        rows: Vec<Vec<Cell>>,
        (total, oldest): (u64, Option<Timestamp>),
        page: u32,
        now: Timestamp,
    ) -> Self {
        self.rows = rows;
        self.total = total;
        self.oldest = oldest.map(|at| age(at, now));
        self.page = page;
        self.pages = u32::try_from(total.div_ceil(u64::from(PAGE)))
            .unwrap_or(u32::MAX)
            .max(1);
        self
    }

    /// Its filter.
    #[must_use]
    pub fn filters(mut self, filters: Vec<FilterField>) -> Self {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for field in &filters {
            if !field.value.is_empty() {
                query.append_pair(field.name, &field.value);
            }
        }
        self.query = query.finish();
        if !self.query.is_empty() {
            self.query.push('&');
        }
        self.narrowed = filters.iter().filter_map(FilterField::says).collect();
        self.filters = filters;
        self
    }

    /// What is said where there is no row.
    #[must_use]
    pub fn nothing(mut self, words: &str) -> Self {
        words.clone_into(&mut self.nothing);
        self
    }

    /// The same as a file.
    pub fn file(&self, name: &'static str) -> Response {
        let kept: Vec<usize> = (0..self.columns.len())
            .filter(|place| !self.columns[*place].title.is_empty())
            .collect();
        let titles: Vec<&str> = kept
            .iter()
            .map(|place| self.columns[*place].title)
            .collect();
        let rows = self.rows.iter().map(|row| {
            let cells = kept.iter().filter_map(|place| row.get(*place));
            cells
                .map(|cell| cell.words.replace('\n', "; "))
                .collect::<Vec<_>>()
        });
        components::csv(name, &titles, rows)
    }
}

/// How long ago, in the short form of the staff pages: `2hr 10min`, `3d`.
pub fn age(since: Timestamp, now: Timestamp) -> String {
    let minutes = now.duration_since(since).as_mins().max(0);
    match minutes {
        0 => "under 1min".to_owned(),
        1..=59 => format!("{minutes}min"),
        60..=1439 if minutes % 60 == 0 => format!("{}hr", minutes / 60),
        60..=1439 => format!("{}hr {}min", minutes / 60, minutes % 60),
        _ => format!("{}d", minutes / 1440),
    }
}

/// A day as it stands in an address, `2026-10-02` or `02-Oct-2026`; gives its first moment in London.
pub fn day_in_address(typed: &str) -> Option<Timestamp> {
    let typed = typed.trim();
    let day = Date::strptime("%d-%b-%Y", typed)
        .or_else(|_| typed.parse::<Date>())
        .ok()?;
    midnight(day)
}

/// The first moment of the month in London.
pub fn month_began(now: Timestamp) -> Timestamp {
    midnight(local(now).date().first_of_month()).unwrap_or(now)
}

/// The first moment of a day in London.
pub fn midnight(day: Date) -> Option<Timestamp> {
    static LONDON: TimeZone = jiff::tz::get!("Europe/London");
    Some(day.to_zoned(LONDON.clone()).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a moment")
    }

    #[test]
    fn an_age_is_told_in_two_units_at_most() {
        let began = at("2026-10-02T10:00:00Z");
        for (now, expected) in [
            ("2026-10-02T10:00:30Z", "under 1min"),
            ("2026-10-02T10:59:00Z", "59min"),
            ("2026-10-02T12:00:00Z", "2hr"),
            ("2026-10-02T12:10:00Z", "2hr 10min"),
            ("2026-10-05T10:00:00Z", "3d"),
            ("2026-10-01T10:00:00Z", "under 1min"),
        ] {
            assert_eq!(age(began, at(now)), expected);
        }
    }

    #[test]
    fn pages_and_days_of_an_address_that_mean_nothing_are_the_first_and_none() {
        for (text, page) in [("", 1), ("0", 1), ("-2", 1), ("7", 7), ("x", 1)] {
            let asked = Asked {
                page: text.to_owned(),
                ..Asked::default()
            };
            assert_eq!(asked.page(), page, "{text}");
        }
        assert_eq!(
            day_in_address("02-Oct-2026"),
            Some(at("2026-10-01T23:00:00Z"))
        );
        assert_eq!(
            day_in_address("2026-10-02"),
            Some(at("2026-10-01T23:00:00Z"))
        );
        assert_eq!(day_in_address("<script>"), None);
        let began = month_began(at("2026-11-23T10:00:00Z"));
        assert_eq!(began, at("2026-11-01T00:00:00Z"));
    }

    #[test]
    fn a_filter_stands_in_the_address_as_codes_and_says_what_it_narrows_to() {
        let list = List::new("Cases", "/ig/cases", &[Column::text("When")]).filters(vec![
            FilterField::open_or_closed(""),
            FilterField::owner("me"),
        ]);
        assert_eq!(list.query, "state=open&owner=me&");
        assert_eq!(list.narrowed, ["Owner Me"]);
    }
}
