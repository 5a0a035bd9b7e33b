//! Tables that the rules print and people review.

use std::fs;
use std::path::Path;

/// Compares a printed table with the reviewed file of that name; where `target/refresh` exists at
/// the top of the repository, writes it instead.
pub fn compare(name: &str, printed: &str) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = here.join("tests/rules").join(name);
    if here.join("../../target/refresh").exists() {
        fs::write(&file, printed).expect("the table can be written");
    }
    let reviewed = fs::read_to_string(&file).unwrap_or_default();
    let difference = reviewed
        .lines()
        .zip(printed.lines())
        .position(|(old, new)| old != new);
    let at = difference.unwrap_or(reviewed.lines().count().min(printed.lines().count()));
    assert!(
        reviewed == printed,
        "{name} differs from line {}.\n  reviewed: {}\n  rules:    {}\nIf the change is meant: \
         mkdir -p target && touch target/refresh, run this test again, rm target/refresh, and \
         read the difference before you keep it.",
        at + 1,
        reviewed.lines().nth(at).unwrap_or("(ends)"),
        printed.lines().nth(at).unwrap_or("(ends)"),
    );
}
