//! Finds many phrases in one pass over a text (Aho and Corasick, 1975).
//!
//! Upper and lower case are one, and everything between words is one space, so a phrase matches
//! whole words only; a phrase that ends in `*` matches any ending of its last word.

const CLASSES: usize = 38;
const OTHER: u8 = 0;
const SPACE: u8 = 1;

/// The phrases as a table of states: one step a letter, whatever the number of phrases.
#[derive(Debug, Clone)]
pub(super) struct Phrases {
    next: Vec<u32>,
    topics: Vec<Vec<u16>>,
}

impl Phrases {
    /// Builds the table from phrases and the topic each one names.
    pub(super) fn build<'a>(phrases: impl Iterator<Item = (&'a str, u16)>) -> Self {
        let mut made = Self {
            next: vec![0; CLASSES],
            topics: vec![Vec::new()],
        };
        for (phrase, topic) in phrases {
            made.insert(phrase, topic);
        }
        made.link();
        made
    }

    /// Calls `found` with the topic of each phrase in the text; a topic may come more than once.
    pub(super) fn find(&self, text: &str, mut found: impl FnMut(u16)) {
        let mut state = self.step(0, SPACE, &mut found);
        let mut last = SPACE;
        for byte in text.bytes() {
            let class = class_of(byte);
            if class == SPACE && last == SPACE {
                continue;
            }
            state = self.step(state, class, &mut found);
            last = class;
        }
        if last != SPACE {
            self.step(state, SPACE, &mut found);
        }
    }

    fn step(&self, state: u32, class: u8, found: &mut impl FnMut(u16)) -> u32 {
        let place = state as usize * CLASSES + usize::from(class);
        let next = self.next.get(place).copied().unwrap_or(0);
        if let Some(topics) = self.topics.get(next as usize) {
            topics.iter().copied().for_each(found);
        }
        next
    }

    fn insert(&mut self, phrase: &str, topic: u16) {
        let mut state = 0;
        for class in classes_of(phrase) {
            let place = state * CLASSES + usize::from(class);
            if self.next[place] == 0 {
                self.next[place] = self.topics.len() as u32;
                self.topics.push(Vec::new());
                self.next.extend([0; CLASSES]);
            }
            state = self.next[place] as usize;
        }
        if state != 0 && !self.topics[state].contains(&topic) {
            self.topics[state].push(topic);
        }
    }

    /// Fills each state's missing steps from its longest proper ending, breadth first.
    fn link(&mut self) {
        let mut failure = vec![0u32; self.topics.len()];
        let mut queue: std::collections::VecDeque<u32> = (0..CLASSES)
            .map(|c| self.next[c])
            .filter(|s| *s != 0)
            .collect();
        while let Some(state) = queue.pop_front() {
            let back = failure[state as usize] as usize;
            for class in 0..CLASSES {
                let place = state as usize * CLASSES + class;
                let fallback = self.next[back * CLASSES + class];
                let child = self.next[place];
                if child == 0 {
                    self.next[place] = fallback;
                } else {
                    failure[child as usize] = fallback;
                    let inherited = self.topics[fallback as usize].clone();
                    self.topics[child as usize].extend(inherited);
                    queue.push_back(child);
                }
            }
        }
    }
}

/// A phrase as the walk sees it: a space, the words, and a space unless any ending will do.
fn classes_of(phrase: &str) -> Vec<u8> {
    let (stem, open) = match phrase.strip_suffix('*') {
        Some(stem) => (stem, true),
        None => (phrase, false),
    };
    let mut classes = vec![SPACE];
    for byte in stem.bytes() {
        let class = class_of(byte);
        if class != SPACE || classes.last() != Some(&SPACE) {
            classes.push(class);
        }
    }
    if !open && classes.last() != Some(&SPACE) {
        classes.push(SPACE);
    }
    classes
}

fn class_of(byte: u8) -> u8 {
    match byte {
        b'a'..=b'z' => byte - b'a' + 2,
        b'A'..=b'Z' => byte - b'A' + 2,
        b'0'..=b'9' => byte - b'0' + 28,
        0x80.. => OTHER,
        _ => SPACE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(phrases: &[&str], text: &str) -> Vec<u16> {
        let table = Phrases::build(phrases.iter().zip(0u16..).map(|(p, t)| (*p, t)));
        let mut topics = Vec::new();
        table.find(text, |topic| topics.push(topic));
        topics.sort_unstable();
        topics.dedup();
        topics
    }

    #[test]
    fn a_phrase_matches_whole_words_in_any_case_and_spacing() {
        let phrases = ["HIV", "in vitro fertili*", "genital herpes", "herpes"];
        for (text, expected) in [
            ("HIV", vec![0]),
            ("(hiv) test", vec![0]),
            ("HIVE of bees", vec![]),
            ("Achiv", vec![]),
            ("In-vitro   fertilisation cycle 2", vec![1]),
            ("genital  herpes.", vec![2, 3]),
            ("herpes zoster", vec![3]),
            ("éHIV", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(found(&phrases, text), expected, "{text}");
        }
    }

    #[test]
    fn the_table_finds_what_a_plain_search_finds() {
        let phrases = ["a b", "b a", "ab*", "a b a", "b"];
        let letters = [b'a', b'b', b' '];
        for number in 0..3usize.pow(7) {
            let text: String = (0..7)
                .map(|place| char::from(letters[number / 3usize.pow(place) % 3]))
                .collect();
            let spaced = format!(
                " {} ",
                text.split_whitespace().collect::<Vec<_>>().join(" ")
            );
            let expected: Vec<u16> = phrases
                .iter()
                .zip(0u16..)
                .filter(|(phrase, _)| match phrase.strip_suffix('*') {
                    Some(stem) => spaced.contains(&format!(" {stem}")),
                    None => spaced.contains(&format!(" {phrase} ")),
                })
                .map(|(_, topic)| topic)
                .collect();
            assert_eq!(found(&phrases, &text), expected, "{text:?}");
        }
    }
}
