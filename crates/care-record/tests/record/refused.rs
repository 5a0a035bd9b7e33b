//! Programs that must not compile: what only one room may make, nobody else makes.
//!
//! Each file in refused/ says in its first line what the compiler must complain about; one that must
//! compile shows that the others do not fail for another reason.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The newest build of one of our crates beside this test.
fn library(name: &str) -> Option<PathBuf> {
    let test = std::env::current_exe().ok()?;
    let built = fs::read_dir(test.parent()?)
        .ok()?
        .flatten()
        .map(|file| file.path());
    built
        .filter(|path| {
            let file = path
                .file_name()
                .and_then(|file| file.to_str())
                .unwrap_or_default();
            file.starts_with(&format!("lib{name}-")) && file.ends_with(".rlib")
        })
        .max_by_key(|path| fs::metadata(path).and_then(|file| file.modified()).ok())
}

fn compile(program: &Path, out: &Path) -> (bool, String) {
    let libraries = ["care_core", "care_record", "jiff"];
    let mut rustc = Command::new("rustc");
    rustc.args(["--edition=2024", "--crate-type=lib", "--emit=metadata"]);
    rustc.arg("--out-dir").arg(out).arg(program);
    for name in libraries {
        if let Some(library) = library(name) {
            if let Some(folder) = library.parent() {
                rustc
                    .arg("-L")
                    .arg(format!("dependency={}", folder.display()));
            }
            rustc
                .arg("--extern")
                .arg(format!("{name}={}", library.display()));
        }
    }
    let output = rustc.output().expect("the compiler that built this test");
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[test]
fn nobody_makes_what_only_one_room_may_make() {
    let kept = tempfile::TempDir::new().expect("a directory");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/record/refused");
    let mut seen = 0;
    for file in fs::read_dir(folder).expect("listed").flatten() {
        let path = file.path();
        let text = fs::read_to_string(&path).expect("read");
        let expected = text
            .lines()
            .next()
            .unwrap_or_default()
            .trim_start_matches("// ");
        let (compiled, errors) = compile(&path, kept.path());
        let name = path.display();
        match expected {
            "compiles" => assert!(compiled, "{name} must compile:\n{errors}"),
            words => assert!(
                !compiled && errors.contains(words),
                "{name} must be refused with words like \"{words}\":\n{errors}"
            ),
        }
        seen += 1;
    }
    assert!(seen >= 6, "the programs are there");
}
