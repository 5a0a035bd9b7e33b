use super::*;

fn leaflets() -> Leaflets {
    let content = Content::open(None).expect("content");
    Leaflets::open(&content, None, "https://care.example.org").expect("leaflets")
}

fn text_of(leaflet: &Leaflet) -> String {
    let claims = leaflet.sections.iter().flat_map(|section| &section.claims);
    let parts = claims.flat_map(|claim| &claim.parts);
    parts
        .map(|part| part.text.as_str())
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn there_are_the_formats_and_languages_that_were_promised() {
    let leaflets = leaflets();
    let others: Vec<&str> = leaflets
        .all()
        .iter()
        .filter(|one| one.language != FIRST)
        .map(|one| one.code.as_str())
        .collect();
    assert!(others.len() >= 7, "{others:?}");
    assert!(others.contains(&"cy"), "no Welsh");
    assert!(leaflets.all().iter().any(|one| one.direction == "rtl"));
    assert!(leaflets.get(EASY).expect("Easy Read").easy);
}

#[test]
fn every_translation_says_that_a_person_is_to_check_it_until_somebody_signs_it_off() {
    let mut content = Content::open(None).expect("content");
    let all = Leaflets::open(&content, None, "https://care.example.org").expect("leaflets");
    for one in all.all() {
        assert_eq!(one.machine.is_none(), one.language == FIRST, "{}", one.code);
    }
    let welsh = all.get("cy").expect("Welsh").text.clone();
    content.signed_off.push(SignedOff {
        language: "cy".to_owned(),
        by: "A. Translator".to_owned(),
        on: "1 December 2026".to_owned(),
        text: welsh,
    });
    let all = Leaflets::open(&content, None, "https://care.example.org").expect("leaflets");
    assert!(all.get("cy").expect("Welsh").machine.is_none());
    assert!(all.get("ar").expect("Arabic").machine.is_some());
    // A text that was changed after the check is refused at the start.
    content.signed_off[0].text = "0000000000000000".to_owned();
    let why = Leaflets::open(&content, None, "https://care.example.org").expect_err("changed");
    assert!(why.to_string().contains("was changed after"), "{why}");
}

#[test]
fn no_language_file_says_a_number_that_the_content_file_says() {
    for (name, text) in LANGUAGES {
        let said: String = text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.contains("9am to 5pm"))
            .collect();
        for figure in ["7946", "0300", "303 5678", "SE99", "example.org", "2015"] {
            assert!(!said.contains(figure), "{name} says {figure}");
        }
    }
}

#[test]
fn every_language_says_the_values_of_the_content_file() {
    for leaflet in leaflets().all() {
        let text = text_of(leaflet);
        for value in [
            "020 7946 0180",
            "0300 303 5678",
            "2015",
            "SE99\u{a0}1AA",
            "care.example.org/choices/form",
            "2018",
        ] {
            let found = text.contains(value) || (value == "2018" && text.contains("২০১৮"));
            assert!(found, "{} does not say {value}", leaflet.code);
        }
        assert!(!text.contains('{'), "{}", leaflet.code);
        let english = "Monday to Friday";
        assert_eq!(
            text.contains(english),
            leaflet.language == FIRST,
            "{}",
            leaflet.code
        );
    }
}

#[test]
fn a_language_file_that_leaves_a_claim_out_or_makes_a_new_one_is_refused() {
    let content = Content::open(None).expect("content");
    let values = content.values("https://care.example.org");
    let english = LANGUAGES
        .iter()
        .find(|(name, _)| *name == "en.toml")
        .expect("English")
        .1;
    let without = english.replace("at-once = ", "# ");
    let why = Leaflet::read(&without, &content, &values).expect_err("a claim is missing");
    assert!(why.to_string().contains("at-once"), "{why}");
    let more = format!("{english}\ncures = \"It cures.\"\n");
    let why = Leaflet::read(&more, &content, &values).expect_err("a claim of its own");
    assert!(why.to_string().contains("cures"), "{why}");
}

#[test]
fn a_deployments_own_file_stands_in_for_ours() {
    let content = Content::open(None).expect("content");
    let folder = tempfile::tempdir().expect("a folder");
    let english = LANGUAGES
        .iter()
        .find(|(name, _)| *name == "en.toml")
        .expect("English")
        .1;
    let ours = english.replace("Do I have a choice?", "May I choose?");
    std::fs::write(folder.path().join("en.toml"), ours).expect("written");
    let all = Leaflets::open(&content, Some(folder.path()), "https://care.example.org")
        .expect("leaflets");
    let section = &all.get("en").expect("English").sections[2];
    assert_eq!(section.heading, "May I choose?");
}

#[test]
fn every_claim_has_its_picture() {
    for (_, claims) in SECTIONS {
        for (claim, picture) in *claims {
            assert!(
                documents::picture(&format!("{picture}.svg")).is_some(),
                "{claim}: {picture}"
            );
        }
    }
}

#[test]
fn every_leaflet_prints_in_both_sizes_without_a_character_missing() {
    let leaflets = leaflets();
    for leaflet in leaflets.all() {
        let all = format!(
            "{}{}",
            text_of(leaflet),
            serde_json::to_string(leaflet).expect("JSON")
        );
        for letter in all.chars().filter(|letter| !letter.is_control()) {
            assert!(
                crate::documents::prints(letter),
                "{}: {letter:?}",
                leaflet.code
            );
        }
        for large in [false, true] {
            let made = leaflets.pdf(leaflet, large).expect("a PDF");
            let size = if large { "-large" } else { "" };
            crate::documents::tests::keep(&format!("leaflet-{}{size}", leaflet.code), &made);
        }
    }
}
