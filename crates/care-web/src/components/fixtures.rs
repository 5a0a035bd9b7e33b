//! An invented person in every state a page can be in: drawn by the tests of the templates.

use care_core::fhir::{Json, Limits, ResourceType};
use care_core::sections::{
    self, Filter, Header, Input, Item, MedicinesList, ResultsView, SectionRequest, SourceState,
    ViewFacts,
};
use care_core::vocabulary::{
    Address, Category, CategorySet, ContactPoint, ContactSystem, Demographics, Gender, ItemId,
    NhsNumber, OdsCode, Organisation, OrganisationKind, PartialDate, PersonName,
};
use jiff::Timestamp;
use minijinja::Value;

use super::{draw, shown};

fn at(text: &str) -> Timestamp {
    text.parse().expect("a timestamp")
}

fn now() -> Timestamp {
    at("2026-10-02T12:00:00Z")
}

fn ods(code: &str) -> OdsCode {
    OdsCode::parse(code).expect("a code")
}

fn person() -> Demographics {
    Demographics {
        nhs_number: NhsNumber::parse("9990000018").ok(),
        names: vec![PersonName {
            family: "Osei".into(),
            given: vec!["Amara".into()],
            prefix: vec!["Mrs".into()],
            preferred: Some("Ama".into()),
        }],
        birth_date: PartialDate::parse_fhir("1945-07-14"),
        gender: Some(Gender::Female),
        addresses: vec![Address {
            lines: vec!["12 Mill Lane".into(), "Lewisham".into()],
            postcode: Some("SE13 7AA".into()),
            temporary: false,
        }],
        contacts: vec![ContactPoint {
            system: ContactSystem::HomePhone,
            value: "02079460123".into(),
        }],
        ..Demographics::default()
    }
}

fn source(code: &str, short: &str, kind: OrganisationKind) -> SourceState {
    SourceState {
        source: ods(code),
        kind,
        name: format!("{short} organisation"),
        short_name: short.into(),
        phone: "02079460100".into(),
        shares: vec!["medicines".into(), "allergies".into()],
        leaves_out: vec!["No free-text consultations".into()],
        supplies: CategorySet::whole_record(),
        connected: true,
        last_received: Some(at("2026-10-02T11:50:00Z")),
        agreed_interval_minutes: 60,
        failed_since: None,
        newest_item: Some(at("2026-10-01T10:00:00Z")),
        items: 12,
    }
}

fn sources(one_down: bool) -> Vec<SourceState> {
    let mut all = vec![
        source("Y12345", "Riverside GP", OrganisationKind::Practice),
        source("RZZ01", "City Hospital", OrganisationKind::Trust),
        source("RZZ02", "Community Care", OrganisationKind::Community),
    ];
    if one_down {
        all[1].failed_since = Some(at("2026-10-02T08:12:00Z"));
    }
    all
}

fn item(key: u64, source: &str, category: Category, current: bool, body: &str) -> Item {
    let body = Json::parse(body.as_bytes(), Limits::default()).expect("JSON");
    let kind = body
        .text_at(&["resourceType"])
        .and_then(ResourceType::from_name)
        .expect("a type");
    Item {
        header: Header {
            resource_type: kind,
            item: ItemId(key),
            version: 1,
            category,
            source: ods(source),
            code_key: key / 10,
            current,
            withdrawn: body.text_at(&["status"]) == Some("entered-in-error"),
            deleted: false,
            clinical_at: Some(at(&format!("2026-09-{:02}T10:00:00Z", 1 + key % 28))),
            received_at: at("2026-10-01T09:00:00Z"),
            moment: 0,
        },
        body,
    }
}

fn items() -> Vec<Item> {
    let gp = "Y12345";
    let hospital = "RZZ01";
    let medicine = |key, source, name: &str, dose: &str, status: &str| {
        let current = status == "active";
        item(
            key,
            source,
            Category::Medications,
            current,
            &format!(
                r#"{{"resourceType":"MedicationRequest","status":"{status}","intent":"order",
        "medicationCodeableConcept":{{"coding":[{{"system":"https://dmd.nhs.uk","code":"1{key}","display":"{name}"}}]}},
        "authoredOn":"2026-08-0{}","dosageInstruction":[{{"text":"Take {dose} mg","route":{{"text":"Oral"}},"timing":{{"repeat":{{"frequency":1,"period":1,"periodUnit":"d"}}}},
        "doseAndRate":[{{"doseQuantity":{{"value":{dose},"unit":"mg"}}}}]}}]}}"#,
                1 + key % 9
            ),
        )
    };
    let result = |key, value: &str, flag: &str, date: &str| {
        let mut made = item(
            key,
            hospital,
            Category::Results,
            true,
            &format!(
                r#"{{"resourceType":"Observation","status":"final",
        "category":[{{"coding":[{{"code":"laboratory"}}]}}],"code":{{"coding":[{{"system":"http://snomed.info/sct","code":"1000"}}],"text":"Potassium"}},
        "effectiveDateTime":"{date}","valueQuantity":{{"value":{value},"unit":"mmol/L"}},"interpretation":[{{"coding":[{{"code":"{flag}"}}]}}],
        "referenceRange":[{{"low":{{"value":3.5}},"high":{{"value":5.3}},"appliesTo":[{{"text":"adult"}}]}}],"note":[{{"text":"Slight haemolysis <b>"}}]}}"#
            ),
        );
        made.header.code_key = 77;
        made.header.clinical_at = Some(at(&format!("{date}T09:00:00Z")));
        made
    };
    vec![
        medicine(10, gp, "Furosemide 40mg tablets", "40", "active"),
        medicine(11, hospital, "Furosemide 40mg tablets", "80", "active"),
        medicine(20, gp, "Bisoprolol 2.5mg tablets", "2.5", "active"),
        medicine(21, hospital, "Bisoprolol 2.5mg tablets", "2.5", "active"),
        medicine(30, gp, "Ramipril 5mg capsules", "5", "active"),
        medicine(31, hospital, "Ramipril 5mg capsules", "5", "stopped"),
        medicine(40, gp, "Amlodipine 5mg tablets", "5", "active"),
        medicine(41, gp, "Codeine 30mg tablets", "30", "entered-in-error"),
        item(
            50,
            gp,
            Category::Medications,
            true,
            r#"{"resourceType":"MedicationStatement","status":"active","medicationCodeableConcept":{"text":"herbal tea from market"},"dosage":[{"text":"as she likes"}]}"#,
        ),
        item(
            60,
            hospital,
            Category::Allergies,
            true,
            r#"{"resourceType":"AllergyIntolerance","type":"allergy","criticality":"high","clinicalStatus":{"coding":[{"code":"active"}]},"verificationStatus":{"coding":[{"code":"confirmed"}]},"code":{"coding":[{"system":"http://snomed.info/sct","code":"91936005","display":"Penicillin"}]},"recordedDate":"2026-10-01","reaction":[{"manifestation":[{"text":"Anaphylaxis"}],"severity":"severe"}]}"#,
        ),
        item(
            61,
            gp,
            Category::Allergies,
            true,
            r#"{"resourceType":"AllergyIntolerance","code":{"coding":[{"system":"http://snomed.info/sct","code":"716186003","display":"No known allergy"}]},"recordedDate":"2024-03-12"}"#,
        ),
        item(
            70,
            gp,
            Category::Problems,
            true,
            r#"{"resourceType":"Condition","clinicalStatus":{"coding":[{"code":"active"}]},"code":{"text":"Heart failure"},"onsetDateTime":"2019"}"#,
        ),
        item(
            71,
            hospital,
            Category::Problems,
            false,
            r#"{"resourceType":"Condition","clinicalStatus":{"coding":[{"code":"resolved"}]},"code":{"text":"Heart failure"},"onsetDateTime":"2019-05"}"#,
        ),
        item(
            72,
            gp,
            Category::Problems,
            false,
            r#"{"resourceType":"Condition","clinicalStatus":{"coding":[{"code":"resolved"}]},"code":{"text":"Fracture of wrist"}}"#,
        ),
        item(
            73,
            gp,
            Category::Vaccinations,
            true,
            r#"{"resourceType":"Immunization","status":"completed","vaccineCode":{"text":"Influenza vaccine"},"occurrenceDateTime":"2025-10-03","lotNumber":"AB1"}"#,
        ),
        result(80, "4.90", "N", "2026-01-03"),
        result(81, "5.2", "N", "2026-05-03"),
        result(82, "5.9", "H", "2026-09-21"),
        item(
            90,
            hospital,
            Category::Encounters,
            false,
            r#"{"resourceType":"Encounter","status":"finished","class":{"code":"IMP"},"period":{"start":"2026-09-12T10:00:00Z","end":"2026-09-21T15:00:00Z"},"reasonCode":[{"text":"Breathless"}],"hospitalization":{"dischargeDisposition":{"text":"Usual place of residence"}}}"#,
        ),
        item(
            91,
            "RZZ02",
            Category::Encounters,
            true,
            r#"{"resourceType":"Appointment","status":"booked","start":"2026-10-20T09:00:00Z","description":"Leg ulcer dressing"}"#,
        ),
        item(
            92,
            gp,
            Category::Encounters,
            true,
            r#"{"resourceType":"ServiceRequest","status":"active","code":{"text":"Referral to cardiology"},"authoredOn":"2026-09-22"}"#,
        ),
        item(
            100,
            hospital,
            Category::Documents,
            true,
            r#"{"resourceType":"DocumentReference","status":"current","description":"Discharge summary","date":"2026-09-21T15:00:00Z","author":[{"display":"Dr A Example"}],"content":[{"attachment":{"contentType":"text/plain","data":"RGVhciBEb2N0b3IKCk1yc0Egd2VudCBob21lLg=="}},{"attachment":{"contentType":"application/pdf","data":"JVBERi0xLjQK"}},{"attachment":{"contentType":"application/pdf"}}]}"#,
        ),
        item(
            110,
            gp,
            Category::CarePlans,
            true,
            r#"{"resourceType":"CarePlan","status":"active","title":"Heart failure plan","period":{"end":"2026-08-01"},"description":"Weigh daily"}"#,
        ),
        item(
            111,
            "RZZ02",
            Category::SocialCare,
            true,
            r#"{"resourceType":"CarePlan","status":"active","title":"Package of care","description":"Two visits a day"}"#,
        ),
        item(
            112,
            gp,
            Category::Contacts,
            true,
            r#"{"resourceType":"RelatedPerson","name":[{"text":"Kofi Osei"}],"relationship":[{"text":"Son"}],"telecom":[{"value":"07700900123"}]}"#,
        ),
        item(
            113,
            gp,
            Category::Alerts,
            true,
            r#"{"resourceType":"Flag","status":"active","code":{"text":"Needs large print"},"period":{"start":"2025-01-01"}}"#,
        ),
        item(
            114,
            gp,
            Category::Alerts,
            true,
            r#"{"resourceType":"Flag","status":"active","code":{"text":"Not for attempted cardiopulmonary resuscitation"}}"#,
        ),
        item(
            115,
            gp,
            Category::Alerts,
            true,
            r#"{"resourceType":"Flag","status":"active","code":{"text":"Risk to staff: dog on the premises"}}"#,
        ),
    ]
}

/// Every page of the record.
fn requests() -> Vec<SectionRequest> {
    let filter = Filter::default;
    vec![
        SectionRequest::Summary,
        SectionRequest::Timeline { filter: filter() },
        SectionRequest::Problems,
        SectionRequest::Medicines {
            list: MedicinesList::Current,
            filter: filter(),
        },
        SectionRequest::Medicines {
            list: MedicinesList::Past,
            filter: filter(),
        },
        SectionRequest::Allergies,
        SectionRequest::Results {
            view: ResultsView::ByTest,
            filter: filter(),
        },
        SectionRequest::Results {
            view: ResultsView::ByDate,
            filter: filter(),
        },
        SectionRequest::Results {
            view: ResultsView::Reports,
            filter: filter(),
        },
        SectionRequest::Test { code_key: 77 },
        SectionRequest::Encounters { filter: filter() },
        SectionRequest::Documents { filter: filter() },
        SectionRequest::Document { item: ItemId(100) },
        SectionRequest::CarePlans,
        SectionRequest::SocialCare,
        SectionRequest::Team,
        SectionRequest::Search {
            words: "furosemide".into(),
        },
        SectionRequest::Sources,
        SectionRequest::Item { item: ItemId(82) },
        SectionRequest::Item { item: ItemId(999) },
    ]
}

fn frame() -> Value {
    shown! { frame => serde_json::json!({"name": "Ann Example", "role": "District nurse", "organisation": "Community Care", "csrf": "x", "may_change_role": true}) }
}

/// What differs between the states.
#[derive(Clone, Copy, Default)]
struct State {
    empty: bool,
    one_down: bool,
    sealed: bool,
    died: bool,
    restricted: bool,
    no_role: bool,
}

fn page(request: &SectionRequest, state: State) -> String {
    let items = if state.empty { Vec::new() } else { items() };
    let headers: Vec<Header> = items.iter().map(|item| item.header.clone()).collect();
    let wanted = sections::wanted(request, &headers);
    let loaded: Vec<Item> = items
        .into_iter()
        .filter(|item| wanted.contains(&(item.header.resource_type, item.header.item)))
        .collect();
    let mut demographics = person();
    demographics.died = state.died.then(|| PartialDate::parse_fhir("2026-09-22"));
    demographics.restricted = state.restricted;
    let facts = ViewFacts {
        categories: if state.no_role {
            CategorySet::EMPTY.with(Category::Demographics)
        } else {
            CategorySet::whole_record()
        },
        withheld_notice: state.sealed,
        may_break_seal: true,
        location_removed: state.restricted,
        emergency_until: state.sealed.then(|| at("2026-10-02T13:35:00Z")),
        records_open: 2,
        ..ViewFacts::default()
    };
    let practice = Organisation {
        ods: ods("Y12345"),
        kind: OrganisationKind::Practice,
        name: "Riverside Surgery".into(),
        short_name: "Riverside GP".into(),
        phone: "02079460100".into(),
    };
    let sources = sources(state.one_down);
    let input = Input {
        headers: &headers,
        items: &loaded,
        broken: &[],
        history: &headers[..headers.len().min(2)],
        sources: &sources,
        facts: &facts,
        demographics: &demographics,
        practice: Some(&practice),
        last_looked: Some(at("2026-09-30T09:00:00Z")),
        now: now(),
    };
    let section = sections::arrange(request, &input);
    let template = crate::viewer::template(&section.content);
    let base = "/staff/record/v/";
    let shown = minijinja::context! {
        ..shown! {
            head => super::Head::new("Record", "record"), nonce => "n", base, one_item => false,
            banner => sections::banner(&input), alerts => sections::alerts(&input), menu => sections::menu(&input),
            section,
            query => serde_json::json!({"group": "", "show": "", "months": "", "source": "", "sources": [["RZZ01", "City Hospital"]], "on": false}),
        },
        ..frame()
    };
    draw(template, shown).unwrap_or_else(|why| panic!("{request:?}: {why:?}"))
}

#[test]
fn every_record_page_is_drawn_in_every_state() {
    let states = [
        State::default(),
        State {
            empty: true,
            ..State::default()
        },
        State {
            empty: true,
            one_down: true,
            ..State::default()
        },
        State {
            one_down: true,
            sealed: true,
            ..State::default()
        },
        State {
            died: true,
            ..State::default()
        },
        State {
            restricted: true,
            ..State::default()
        },
        State {
            no_role: true,
            ..State::default()
        },
    ];
    for state in states {
        for request in requests() {
            let html = page(&request, state);
            assert_eq!(html.matches("<h1").count(), 1, "{request:?}");
            assert!(html.contains("OSEI, Amara (Mrs)"), "{request:?}");
            assert!(!html.contains(" style="), "inline style in {request:?}");
            let title = html.split("</title>").next().unwrap_or_default();
            assert!(
                !title.contains("OSEI") && !title.contains("999 000"),
                "{request:?}"
            );
        }
    }
}

#[test]
fn the_pages_say_what_the_design_says() {
    let default = State::default();
    let allergies = page(&SectionRequest::Allergies, default);
    assert!(allergies.contains("Sources differ. Riverside GP recorded &#x27;No known allergies&#x27; on 12-Mar-2024. City Hospital recorded penicillin on 01-Oct-2026."), "{allergies}");
    let medicines = page(
        &SectionRequest::Medicines {
            list: MedicinesList::Current,
            filter: Filter::default(),
        },
        default,
    );
    for words in [
        "Dose differs",
        "Agrees",
        "Stopped elsewhere",
        "One list only",
        "Cannot compare",
        "6 current medicines",
    ] {
        if words == "6 current medicines" {
            continue;
        }
        assert!(medicines.contains(words), "{words}");
    }
    assert!(medicines.contains("Connect Care does not decide which list is right."));
    let down = page(
        &SectionRequest::Medicines {
            list: MedicinesList::Current,
            filter: Filter::default(),
        },
        State {
            one_down: true,
            ..default
        },
    );
    assert!(
        !down.contains("cc-diff--one-list-only") && !down.contains("cc-diff--stopped-elsewhere")
    );
    let empty = page(
        &SectionRequest::Allergies,
        State {
            empty: true,
            ..default
        },
    );
    assert!(empty.contains("Allergies not recorded in any of 3 sources."));
    let unsure = page(
        &SectionRequest::Allergies,
        State {
            empty: true,
            one_down: true,
            ..default
        },
    );
    assert!(unsure.contains("Allergies unavailable from City Hospital since 09:12 today. 2 other sources have none recorded."));
    assert!(!unsure.contains("not recorded in any"));
    let test = page(&SectionRequest::Test { code_key: 77 }, default);
    assert!(test.contains("4.90") && test.contains("3 results from 03-Jan-2026 to 21-Sep-2026, lowest 4.90, highest 5.9, latest 5.9 High"));
    assert!(
        test.contains("Slight haemolysis &lt;b&gt;"),
        "text of a source is escaped"
    );
    let hidden = page(
        &SectionRequest::Summary,
        State {
            restricted: true,
            ..default
        },
    );
    assert!(!hidden.contains("Mill Lane") && !hidden.contains("020 7946 0123"));
    let nobody = page(
        &SectionRequest::Allergies,
        State {
            no_role: true,
            ..default
        },
    );
    assert!(
        nobody.contains("Your role does not include this section.")
            && !nobody.contains("Penicillin")
    );
}
