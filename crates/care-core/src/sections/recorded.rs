//! Which page was asked for, as the audit log keeps it: codes only, so that it can be asked for again.

use crate::vocabulary::{ItemId, OdsCode};

use super::request::{Filter, MedicinesList, ResultsView, Section, SectionRequest};

impl SectionRequest {
    /// The page as text for the log: `results?view=by-date&months=12`. `None` for a search, whose words
    /// are not kept, and where a filter holds anything but a code.
    pub fn recorded(&self) -> Option<String> {
        let mut fields: Vec<(&str, String)> = Vec::new();
        let page = match self {
            Self::Search { words } if !words.is_empty() => return None,
            Self::Test { code_key } => format!("test/{code_key}"),
            Self::Document { item } => format!("document/{item}"),
            Self::Item { item } => format!("item/{item}"),
            other => other.section()?.code().to_owned(),
        };
        match self {
            Self::Medicines { list, filter } => {
                if *list == MedicinesList::Past {
                    fields.push(("list", "past".to_owned()));
                }
                filter.write(&mut fields);
            }
            Self::Results { view, filter } => {
                match view {
                    ResultsView::ByTest => {}
                    ResultsView::ByDate => fields.push(("view", "by-date".to_owned())),
                    ResultsView::Reports => fields.push(("view", "reports".to_owned())),
                }
                filter.write(&mut fields);
            }
            Self::Timeline { filter }
            | Self::Encounters { filter }
            | Self::Documents { filter } => {
                filter.write(&mut fields);
            }
            _ => {}
        }
        if !fields.iter().all(|(_, value)| is_code(value)) {
            return None;
        }
        let fields: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mark = if fields.is_empty() { "" } else { "?" };
        Some(format!("{page}{mark}{}", fields.join("&")))
    }

    /// Reads what [`SectionRequest::recorded`] wrote.
    pub fn from_recorded(text: &str) -> Option<Self> {
        let (page, fields) = text.split_once('?').unwrap_or((text, ""));
        let fields: Vec<(&str, &str)> = fields
            .split('&')
            .filter(|field| !field.is_empty())
            .map(|field| field.split_once('='))
            .collect::<Option<_>>()?;
        let field = |wanted: &str| {
            fields
                .iter()
                .find(|(name, _)| *name == wanted)
                .map(|(_, v)| *v)
        };
        if let Some((kind, id)) = page.split_once('/') {
            return match kind {
                "test" => Some(Self::Test {
                    code_key: id.parse().ok()?,
                }),
                "document" => Some(Self::Document {
                    item: ItemId::parse(id).ok()?,
                }),
                "item" => Some(Self::Item {
                    item: ItemId::parse(id).ok()?,
                }),
                _ => None,
            };
        }
        let filter = || Filter {
            source: field("source").and_then(|code| OdsCode::parse(code).ok()),
            new_only: field("new").is_some(),
            out_of_range: field("out").is_some(),
            months: field("months").and_then(|months| months.parse().ok()),
            group: field("group").map(str::to_owned),
            mark: field("mark").map(str::to_owned),
            page: field("page")
                .and_then(|page| page.parse().ok())
                .unwrap_or(1),
        };
        Some(match Section::from_code(page)? {
            Section::Summary => Self::Summary,
            Section::Timeline => Self::Timeline { filter: filter() },
            Section::Problems => Self::Problems,
            Section::Medicines => Self::Medicines {
                list: if field("list") == Some("past") {
                    MedicinesList::Past
                } else {
                    MedicinesList::Current
                },
                filter: filter(),
            },
            Section::Allergies => Self::Allergies,
            Section::Results => Self::Results {
                view: match field("view") {
                    Some("by-date") => ResultsView::ByDate,
                    Some("reports") => ResultsView::Reports,
                    _ => ResultsView::ByTest,
                },
                filter: filter(),
            },
            Section::Encounters => Self::Encounters { filter: filter() },
            Section::Documents => Self::Documents { filter: filter() },
            Section::CarePlans => Self::CarePlans,
            Section::SocialCare => Self::SocialCare,
            Section::Team => Self::Team,
            Section::Search => Self::Search {
                words: String::new(),
            },
            Section::Sources => Self::Sources,
        })
    }
}

impl Filter {
    fn write(&self, fields: &mut Vec<(&'static str, String)>) {
        let mut add = |name, value: Option<String>| fields.extend(value.map(|value| (name, value)));
        add("source", self.source.as_ref().map(ToString::to_string));
        add("new", self.new_only.then(|| "1".to_owned()));
        add("out", self.out_of_range.then(|| "1".to_owned()));
        add("months", self.months.map(|months| months.to_string()));
        add("group", self.group.clone());
        add("mark", self.mark.clone());
        add("page", (self.page != 1).then(|| self.page.to_string()));
    }
}

fn is_code(value: &str) -> bool {
    let code = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !value.is_empty() && value.len() <= 40 && value.bytes().all(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_reads_back_and_words_are_never_kept() {
        let filter = Filter {
            source: OdsCode::parse("X9T01").ok(),
            new_only: true,
            out_of_range: true,
            months: Some(12),
            group: Some("liver-function".into()),
            mark: Some("one-list".into()),
            page: 3,
        };
        let plain = Filter {
            page: 1,
            ..Filter::default()
        };
        for request in [
            SectionRequest::Summary,
            SectionRequest::Sources,
            SectionRequest::Search {
                words: String::new(),
            },
            SectionRequest::Test { code_key: u64::MAX },
            SectionRequest::Item { item: ItemId(7) },
            SectionRequest::Document { item: ItemId(7) },
            SectionRequest::Timeline {
                filter: plain.clone(),
            },
            SectionRequest::Medicines {
                list: MedicinesList::Past,
                filter: filter.clone(),
            },
            SectionRequest::Results {
                view: ResultsView::Reports,
                filter: filter.clone(),
            },
            SectionRequest::Results {
                view: ResultsView::ByDate,
                filter: plain,
            },
        ] {
            let text = request.recorded().expect("recorded");
            assert_eq!(
                SectionRequest::from_recorded(&text),
                Some(request),
                "{text}"
            );
        }
        let words = SectionRequest::Search {
            words: "penicillin".into(),
        };
        assert_eq!(words.recorded(), None);
        let free = Filter {
            group: Some("Amara Osei".into()),
            page: 1,
            ..Filter::default()
        };
        assert_eq!(SectionRequest::Encounters { filter: free }.recorded(), None);
        for text in ["", "nonsense", "item/x", "results?view"] {
            assert_eq!(SectionRequest::from_recorded(text), None, "{text}");
        }
    }
}
