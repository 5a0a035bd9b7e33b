//! Writes a story to a folder, one file a message, for looking at and for other tools' parsers.
//! `cargo run -p care-synthetic --example tell -- 20 /tmp/story`

use std::path::PathBuf;

use care_synthetic::{Payload, Story};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let people = arguments
        .next()
        .unwrap_or_else(|| "14".to_owned())
        .parse()?;
    let folder = PathBuf::from(arguments.next().unwrap_or_else(|| "story".to_owned()));
    std::fs::create_dir_all(&folder)?;
    let now = "2026-11-23T11:00:00Z".parse()?;
    let mut bytes = 0;
    let mut count = 0;
    for outgoing in Story::new(1, people, now).messages() {
        let ending = match outgoing.payload {
            Payload::V2(_) => "hl7",
            Payload::Fhir(_) => "json",
        };
        let name = format!("{count:05}-{}.{ending}", outgoing.feed);
        std::fs::write(folder.join(name), outgoing.payload.bytes())?;
        bytes += outgoing.payload.bytes().len();
        count += 1;
    }
    println!("{count} messages, {bytes} bytes, in {}", folder.display());
    Ok(())
}
