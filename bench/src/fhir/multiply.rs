//! A few people's Bundles made into many: every id, identifier and surname fresh, everything else as
//! it was, so that values have the spread of the originals.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, bail};
use serde_json::Value;

/// A Bundle ready to post.
pub struct Bundle {
    /// JSON.
    pub body: Vec<u8>,
    /// Its entries.
    pub entries: usize,
}

/// The originals, and how many were made of them.
pub struct Stock {
    originals: Vec<Original>,
    made: u64,
    seed: u64,
}

struct Original {
    text: String,
    entries: usize,
    /// Where UUIDs stand in the text.
    places: Vec<usize>,
    /// What else must be fresh: texts and where they stand.
    names: Vec<String>,
}

const UUID: usize = 36;

impl Stock {
    /// Reads every transaction Bundle of a directory, in the order of names.
    pub fn read(from: &Path, seed: u64) -> anyhow::Result<Self> {
        let listed = std::fs::read_dir(from).with_context(|| {
            format!("no Bundles in {}; name them with --bundles", from.display())
        })?;
        let mut files: Vec<_> = listed
            .filter_map(|file| Some(file.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|end| end == "json"))
            .collect();
        files.sort();
        let mut originals = Vec::new();
        for file in files {
            originals.push(Original::read(&std::fs::read_to_string(&file)?)?);
        }
        if originals.is_empty() {
            bail!("{} holds no Bundle", from.display());
        }
        Ok(Self {
            originals,
            made: 0,
            seed,
        })
    }

    /// The next Bundle.
    pub fn next(&mut self) -> anyhow::Result<Bundle> {
        let number = self.made;
        self.made += 1;
        let place = usize::try_from(number)? % self.originals.len();
        let original = &self.originals[place];
        Ok(original.fresh(self.seed, number))
    }
}

impl Original {
    fn read(text: &str) -> anyhow::Result<Self> {
        let mut bundle: Value = serde_json::from_str(text)?;
        let entries = bundle["entry"].as_array().map_or(0, Vec::len);
        let mut names = Vec::new();
        for entry in bundle["entry"].as_array_mut().into_iter().flatten() {
            let resource = &mut entry["resource"];
            if let Some(resource) = resource.as_object_mut() {
                // A server gives ids of its own to what is posted.
                resource.remove("id");
            }
            if resource["resourceType"] != "Patient" {
                continue;
            }
            for name in resource["name"].as_array().into_iter().flatten() {
                names.extend(name["family"].as_str().map(str::to_owned));
            }
            for identifier in resource["identifier"].as_array().into_iter().flatten() {
                let value = identifier["value"].as_str().unwrap_or_default();
                if value.len() != UUID {
                    names.push(value.to_owned());
                }
            }
        }
        names.retain(|name| !name.is_empty());
        names.sort();
        names.dedup();
        let text = serde_json::to_string(&bundle)?;
        let places = uuids(text.as_bytes());
        Ok(Self {
            text,
            entries,
            places,
            names,
        })
    }

    fn fresh(&self, seed: u64, number: u64) -> Bundle {
        let mut known: HashMap<&str, String> = HashMap::new();
        let mut body = String::with_capacity(self.text.len() + 1024);
        let mut from = 0;
        for place in &self.places {
            let old = &self.text[*place..place + UUID];
            let ordinal = known.len() as u64;
            let new = known
                .entry(old)
                .or_insert_with(|| uuid(seed, number, ordinal));
            body.push_str(&self.text[from..*place]);
            body.push_str(new);
            from = place + UUID;
        }
        body.push_str(&self.text[from..]);
        for name in &self.names {
            let quoted = format!("\"{name}\"");
            body = body.replace(&quoted, &format!("\"{name}x{seed}x{number}\""));
        }
        Bundle {
            body: body.into_bytes(),
            entries: self.entries,
        }
    }
}

/// Where texts of the shape of a UUID begin.
fn uuids(text: &[u8]) -> Vec<usize> {
    let fits = |piece: &[u8]| {
        piece.iter().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
    };
    let mut found = Vec::new();
    let mut place = 0;
    while place + UUID <= text.len() {
        if text[place + 8] == b'-' && fits(&text[place..place + UUID]) {
            found.push(place);
            place += UUID;
        } else {
            place += 1;
        }
    }
    found
}

fn uuid(seed: u64, number: u64, ordinal: u64) -> String {
    // SplitMix64, so that the same seed gives the same data on every machine.
    let mix = |value: u64| {
        let mut word = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    };
    let first = mix(mix(seed ^ (number << 20)) ^ ordinal);
    let second = mix(first ^ ordinal);
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        first >> 32,
        (first >> 16) & 0xffff,
        first & 0xfff,
        second >> 52,
        second & 0xffff_ffff_ffff
    )
}
