//! Takes the compiled NHS front end from `node_modules` into the program: without its font rules
//! (they load from another host and the font needs a licence), under names that hold a digest of the
//! content, and compressed once here instead of on every request. Takes in, as they are, the fonts and
//! templates of documents.

#![allow(
    clippy::disallowed_methods,
    reason = "a build script is told where to write by its environment"
)]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use sha2::{Digest, Sha256};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if let Err(why) = run() {
        println!("cargo::error={why}");
    }
}

fn run() -> Result<(), String> {
    let crate_folder = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(variable("OUT_DIR")?);
    let root = crate_folder.join("../..");
    let dist = root.join("node_modules/nhsuk-frontend/dist/nhsuk");
    println!(
        "cargo::rerun-if-changed={}",
        root.join("package-lock.json").display()
    );
    println!("cargo::rerun-if-changed={}", dist.display());
    if !dist.is_dir() {
        return Err(
            "the front-end packages are not installed: run `npm ci` in the top folder of \
                    the repository, then build again"
                .to_owned(),
        );
    }
    let mut list = List {
        out,
        code: String::new(),
    };
    let style = without_font_rules(&text(&dist.join("nhsuk-frontend.min.css"))?)?;
    list.add("NHSUK_CSS", "nhsuk", "css", style.as_bytes())?;
    list.add(
        "NHSUK_JS",
        "nhsuk",
        "js",
        &bytes(&dist.join("nhsuk-frontend.min.js"))?,
    )?;
    for (name, file, kind) in [
        ("CC_CSS", "cc.css", "css"),
        ("CC_JS", "cc.js", "js"),
        ("ICON", "icon.svg", "svg"),
    ] {
        let path = crate_folder.join("assets").join(file);
        println!("cargo::rerun-if-changed={}", path.display());
        list.add(
            name,
            file.trim_end_matches(kind).trim_end_matches('.'),
            kind,
            &bytes(&path)?,
        )?;
    }
    list.finish()?;
    documents(&crate_folder, &root)
}

/// The fonts of documents, each with its folder and file in its package: no package holds a font that
/// we do not name here. One weight of the Chinese font, which alone is larger than all others.
const FONTS: &[(&str, &str)] = &[
    ("noto-sans", "400Regular/NotoSans_400Regular.ttf"),
    ("noto-sans", "700Bold/NotoSans_700Bold.ttf"),
    (
        "noto-sans-arabic",
        "400Regular/NotoSansArabic_400Regular.ttf",
    ),
    ("noto-sans-arabic", "700Bold/NotoSansArabic_700Bold.ttf"),
    (
        "noto-sans-bengali",
        "400Regular/NotoSansBengali_400Regular.ttf",
    ),
    ("noto-sans-bengali", "700Bold/NotoSansBengali_700Bold.ttf"),
    ("noto-sans-tamil", "400Regular/NotoSansTamil_400Regular.ttf"),
    ("noto-sans-tamil", "700Bold/NotoSansTamil_700Bold.ttf"),
    ("noto-sans-sc", "400Regular/NotoSansSC_400Regular.ttf"),
];

/// Writes the lists of fonts and templates that `documents` includes.
fn documents(crate_folder: &Path, root: &Path) -> Result<(), String> {
    let mut code = String::from("/// The files of the fonts.\nstatic FONTS: &[&[u8]] = &[\n");
    for (package, file) in FONTS {
        let path = root
            .join("node_modules/@expo-google-fonts")
            .join(package)
            .join(file);
        if !path.is_file() {
            return Err(format!(
                "the font {package} is not installed: run `npm ci` in the top folder"
            ));
        }
        let _ = writeln!(code, "    include_bytes!({path:?}),");
    }
    code.push_str("];\n");
    let templates = crate_folder.join("src/documents/templates");
    code.push_str(&texts("TEMPLATES", "The templates", &templates, ".typ")?);
    let pictures = crate_folder.join("content/pictures");
    code.push_str(&texts("PICTURES", "The pictures", &pictures, ".svg")?);
    write_out("documents.rs", &code)?;
    let leaflets = crate_folder.join("content/leaflet");
    let code = texts("LANGUAGES", "The leaflets", &leaflets, ".toml")?;
    write_out("leaflets.rs", &code)
}

/// A list of every file of a folder with this ending: its name and its text.
fn texts(list: &str, what: &str, folder: &Path, ending: &str) -> Result<String, String> {
    println!("cargo::rerun-if-changed={}", folder.display());
    let listed = fs::read_dir(folder).map_err(|why| format!("{}: {why}", folder.display()))?;
    let mut names: Vec<String> = listed
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(ending))
        .collect();
    names.sort_unstable();
    let mut code = format!("/// {what}: name and text.\nstatic {list}: &[(&str, &str)] = &[\n");
    for name in names {
        let path = folder.join(&name);
        let _ = writeln!(code, "    ({name:?}, include_str!({path:?})),");
    }
    code.push_str("];\n");
    Ok(code)
}

fn write_out(name: &str, code: &str) -> Result<(), String> {
    let out = PathBuf::from(variable("OUT_DIR")?).join(name);
    fs::write(&out, code).map_err(|why| format!("{}: {why}", out.display()))
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|_| format!("{name} is not set; build with cargo"))
}

fn text(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|why| format!("{}: {why}", path.display()))
}

fn bytes(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|why| format!("{}: {why}", path.display()))
}

/// Takes every `@font-face { … }` out; fails if none is there, so that a changed package is noticed.
fn without_font_rules(style: &str) -> Result<String, String> {
    let mut kept = String::with_capacity(style.len());
    let mut rest = style;
    let mut taken = 0;
    while let Some(start) = rest.find("@font-face") {
        kept.push_str(&rest[..start]);
        let end = rest[start..]
            .find('}')
            .ok_or("a font rule of nhsuk-frontend has no end")?;
        rest = &rest[start + end + 1..];
        taken += 1;
    }
    kept.push_str(rest);
    if taken == 0 || kept.contains("assets.nhs.uk/fonts") {
        return Err("nhsuk-frontend's font rules have changed: look at build.rs".to_owned());
    }
    Ok(kept)
}

/// The files, and the Rust list of them.
struct List {
    out: PathBuf,
    code: String,
}

impl List {
    fn add(
        &mut self,
        constant: &str,
        stem: &str,
        kind: &str,
        content: &[u8],
    ) -> Result<(), String> {
        let digest = Sha256::digest(content);
        let mut hash = String::new();
        for byte in &digest[..8] {
            let _ = write!(hash, "{byte:02x}");
        }
        let name = format!("{stem}-{hash}.{kind}");
        self.write(&name, content)?;
        self.write(&format!("{name}.br"), &brotli(content)?)?;
        self.write(&format!("{name}.gz"), &gzip(content)?)?;
        let media = match kind {
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "svg" => "image/svg+xml",
            _ => "application/octet-stream",
        };
        let _ = writeln!(
            self.code,
            "/// The file `{stem}.{kind}`.\n\
             pub static {constant}: Asset = Asset {{ name: {name:?}, media_type: {media:?}, \
             plain: include_bytes!({:?}), brotli: include_bytes!({:?}), gzip: include_bytes!({:?}) }};",
            self.out.join(&name),
            self.out.join(format!("{name}.br")),
            self.out.join(format!("{name}.gz")),
        );
        Ok(())
    }

    fn write(&self, name: &str, content: &[u8]) -> Result<(), String> {
        fs::write(self.out.join(name), content).map_err(|why| format!("{name}: {why}"))
    }

    fn finish(self) -> Result<(), String> {
        self.write("assets.rs", self.code.as_bytes())
    }
}

fn brotli(content: &[u8]) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut writer = brotli::CompressorWriter::new(&mut out, 4096, 11, 22);
    writer.write_all(content).map_err(|why| why.to_string())?;
    drop(writer);
    Ok(out)
}

fn gzip(content: &[u8]) -> Result<Vec<u8>, String> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    writer.write_all(content).map_err(|why| why.to_string())?;
    writer.finish().map_err(|why| why.to_string())
}
