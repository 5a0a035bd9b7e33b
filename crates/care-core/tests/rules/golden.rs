//! Compares what the code says with a text file that was read by a person.

use std::path::PathBuf;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/rules/golden")
        .join(name)
}

/// Fails with the first line that differs. To take the new text: run the test named
/// `refresh_golden_files` with `--ignored`, then read the diff before you keep it.
pub fn check(name: &str, actual: &str) {
    let expected = std::fs::read_to_string(path(name)).unwrap_or_default();
    let mut lines = expected.lines();
    for (number, line) in actual.lines().enumerate() {
        assert_eq!(
            Some(line),
            lines.next(),
            "{name}, line {}: the left is what the code says now",
            number + 1
        );
    }
    assert_eq!(
        lines.next(),
        None,
        "{name} has more lines than the code says"
    );
}

/// Writes the text.
pub fn refresh(name: &str, actual: &str) {
    let path = path(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, actual).unwrap();
}
