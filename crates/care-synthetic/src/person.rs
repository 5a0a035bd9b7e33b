//! One invented person: who they are, where they live, which numbers systems know them by.

use crate::calendar::Day;
use crate::cast::{self, CastMember};
use crate::dice::Dice;
use crate::names::{self, Sex};
use crate::nhs_number::ordinary_number;
use crate::organisations::{CARE_HOME, PRACTICE, SECOND_PRACTICE};

/// An invented person.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    /// Position in the story: the cast comes first, from 1; ordinary people from 100.
    pub lane: u32,
    pub nhs_number: String,
    pub family: String,
    pub given: String,
    pub middle: Option<String>,
    pub preferred: Option<String>,
    pub title: &'static str,
    pub sex: Sex,
    pub birth: Day,
    pub died: Option<Day>,
    pub address: Address,
    pub home_phone: Option<String>,
    pub mobile: Option<String>,
    pub ethnicity: (&'static str, &'static str),
    pub language: (&'static str, &'static str),
    pub interpreter: bool,
    pub practice: &'static str,
    pub next_of_kin: Option<Kin>,
    pub restricted: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub line: String,
    pub district: String,
    pub town: &'static str,
    pub postcode: String,
}

#[derive(Debug, Clone)]
pub(crate) struct Kin {
    pub given: String,
    pub family: String,
    pub title: &'static str,
    /// In words: "Daughter".
    pub relation: &'static str,
    pub phone: String,
    pub is_main_carer: bool,
}

impl Person {
    /// The hospital's number.
    pub fn hospital_number(&self) -> String {
        format!("4{:06}", self.lane)
    }

    /// The community provider's number.
    pub fn community_number(&self) -> String {
        format!("7{:06}", self.lane)
    }

    /// The mental health trust's number.
    pub fn mental_health_number(&self) -> String {
        format!("9{:06}", self.lane)
    }

    /// The practice system's id.
    pub fn practice_id(&self) -> String {
        format!("qg-{:06}", self.lane)
    }

    /// The council's number.
    pub fn council_id(&self) -> String {
        format!("esc-{:06}", self.lane)
    }

    pub fn age_on(&self, day: Day) -> i32 {
        day.years_since(self.birth)
    }

    pub fn is_woman(&self) -> bool {
        self.sex == Sex::Female
    }

    /// `Mrs Amara Osei`.
    pub fn spoken_name(&self) -> String {
        format!("{} {} {}", self.title, self.given, self.family)
            .trim()
            .to_owned()
    }
}

/// The day somebody was born who has this age today, with a birthday in this month.
pub(crate) fn birth_day(today: Day, age_years: i32, month: u32, day: u32) -> Day {
    let (year, _, _) = today.parts();
    let this_year = Day::of(year - age_years, month, day);
    if today.years_since(this_year) >= age_years {
        this_year
    } else {
        Day::of(year - age_years - 1, month, day)
    }
}

/// One of the cast, with everything that is fixed about them.
pub(crate) fn cast_person(member: &CastMember, lane: u32, seed: u64, today: Day) -> Person {
    let mut dice = Dice::new(seed ^ u64::from(lane), "cast");
    let fixed = fixed_facts(member.nhs_number);
    Person {
        lane,
        nhs_number: member.nhs_number.to_owned(),
        family: member.family.to_owned(),
        given: member.given.to_owned(),
        middle: None,
        preferred: fixed.preferred.map(str::to_owned),
        title: fixed.title,
        sex: fixed.sex,
        birth: birth_day(today, member.age_years, fixed.birthday.0, fixed.birthday.1),
        died: (member.nhs_number == cast::INES).then(|| today.back(10)),
        address: Address {
            line: fixed.address.0.to_owned(),
            district: fixed.address.1.to_owned(),
            town: "London",
            postcode: fixed.address.2.to_owned(),
        },
        home_phone: (member.age_years > 50).then(|| drama_landline(&mut dice)),
        mobile: Some(drama_mobile(&mut dice)),
        ethnicity: fixed.ethnicity,
        language: fixed.language,
        interpreter: false,
        practice: PRACTICE.ods,
        next_of_kin: fixed
            .kin
            .map(|(title, given, family, relation, carer)| Kin {
                given: given.to_owned(),
                family: family.to_owned(),
                title,
                relation,
                phone: drama_mobile(&mut dice),
                is_main_carer: carer,
            }),
        restricted: member.nhs_number == cast::DILYS,
    }
}

struct Fixed {
    title: &'static str,
    sex: Sex,
    birthday: (u32, u32),
    address: (&'static str, &'static str, &'static str),
    ethnicity: (&'static str, &'static str),
    language: (&'static str, &'static str),
    preferred: Option<&'static str>,
    kin: Option<(&'static str, &'static str, &'static str, &'static str, bool)>,
}

const ENGLISH: (&str, &str) = ("en", "English");
const WHITE_BRITISH: (&str, &str) = ("A", "White - British");
const AFRICAN: (&str, &str) = ("N", "Black or Black British - African");

fn fixed_facts(nhs_number: &str) -> Fixed {
    use Sex::{Female, Male};
    let fixed = |title, sex, birthday, address, ethnicity| Fixed {
        title,
        sex,
        birthday,
        address,
        ethnicity,
        language: ENGLISH,
        preferred: None,
        kin: None,
    };
    match nhs_number {
        cast::AMARA => Fixed {
            preferred: Some("Ama"),
            kin: Some(("Ms", "Abena", "Osei-Clarke", "Daughter", true)),
            ..fixed(
                "Mrs",
                Female,
                (7, 14),
                ("17 Heron Walk", "Quaggy Side", "SE99 1QA"),
                AFRICAN,
            )
        },
        cast::BERNARD => Fixed {
            kin: Some(("Mrs", "Pauline", "Whitlock", "Wife", false)),
            ..fixed(
                "Mr",
                Male,
                (2, 3),
                ("4 Tallow Yard", "Deepwater", "SE99 2BT"),
                WHITE_BRITISH,
            )
        },
        cast::CHLOE => fixed(
            "Ms",
            Female,
            (5, 21),
            ("Flat 9, 60 Marlpit Road", "Quaggy Side", "SE99 1ND"),
            AFRICAN,
        ),
        cast::DILYS => fixed(
            "Ms",
            Female,
            (11, 2),
            ("Flat 3, 12 Ropery Close", "Deepwater", "SE99 3RC"),
            WHITE_BRITISH,
        ),
        cast::ELIF => Fixed {
            language: ("tr", "Turkish"),
            kin: Some(("Mrs", "Selin", "Kaya", "Mother", false)),
            ..fixed(
                "Miss",
                Female,
                (3, 30),
                ("41 Linnet Gardens", "Quaggy Side", "SE99 1LG"),
                ("S", "Other Ethnic Groups - Any other ethnic group"),
            )
        },
        cast::FATIMA => fixed(
            "Ms",
            Female,
            (8, 9),
            ("Flat 22, Basin House", "Deepwater", "SE99 2BH"),
            ("J", "Asian or Asian British - Pakistani"),
        ),
        cast::GEORGE | cast::HENRY => fixed(
            "Mr",
            Male,
            (10, 17),
            ("88 Kilnfield Avenue", "Eltmere", "SE99 4KA"),
            WHITE_BRITISH,
        ),
        cast::INES => Fixed {
            language: ("pt", "Portuguese"),
            kin: Some(("Mr", "Rui", "Duarte", "Son", true)),
            ..fixed(
                "Mrs",
                Female,
                (6, 11),
                ("Larch House, 2 Coppice Lane", "Eltmere", "SE99 4CL"),
                ("C", "White - Any other White background"),
            )
        },
        cast::JACOB => fixed(
            "Mr",
            Male,
            (12, 5),
            ("7 Staithe Row", "Deepwater", "SE99 3SR"),
            WHITE_BRITISH,
        ),
        cast::KWAME => fixed(
            "Mr",
            Male,
            (9, 26),
            ("130 Marlpit Road", "Quaggy Side", "SE99 1ND"),
            AFRICAN,
        ),
        cast::LUCY => fixed(
            "Mrs",
            Female,
            (4, 8),
            ("3 Sorrel Court", "Eltmere", "SE99 4SC"),
            WHITE_BRITISH,
        ),
        cast::MAYA => Fixed {
            kin: Some(("Mr", "Rohan", "Patel", "Brother", false)),
            ..fixed(
                "Miss",
                Female,
                (1, 19),
                ("Flat 5, 28 Heron Walk", "Quaggy Side", "SE99 1QA"),
                ("H", "Asian or Asian British - Indian"),
            )
        },
        _ => Fixed {
            kin: Some(("Mr", "Declan", "Brennan", "Husband", false)),
            ..fixed(
                "Mrs",
                Female,
                (3, 17),
                ("52 Osier Street", "Eltmere", "SE99 4OS"),
                ("B", "White - Irish"),
            )
        },
    }
}

/// An ordinary person; the same seed, index and day give the same one.
pub(crate) fn ordinary_person(seed: u64, index: u32, today: Day) -> Person {
    let mut dice = Dice::new(seed.wrapping_add(u64::from(index) << 20), "person");
    let dice = &mut dice;
    let age = age(dice);
    let birth = today.back(age * 365 + age / 4 + dice.between(1, 364));
    let sex = if dice.chance(508) {
        Sex::Female
    } else {
        Sex::Male
    };
    let ethnicity = names::ethnicity(dice);
    let given = names::given(dice, birth, sex, ethnicity.heritage);
    let middle = dice
        .chance(450)
        .then(|| names::given(dice, birth, sex, ethnicity.heritage));
    let family = names::family(dice, ethnicity.heritage);
    let in_care_home = age >= 80 && dice.chance(90);
    Person {
        lane: 100 + index,
        nhs_number: ordinary_number(seed, index),
        middle: middle.filter(|middle| *middle != given),
        preferred: None,
        title: title(dice, age, sex),
        sex,
        birth,
        died: None,
        address: if in_care_home {
            care_home_address()
        } else {
            address(dice)
        },
        home_phone: dice
            .chance(if age > 60 { 850 } else { 200 })
            .then(|| drama_landline(dice)),
        mobile: dice
            .chance(if age > 85 { 350 } else { 930 })
            .then(|| drama_mobile(dice)),
        ethnicity: (ethnicity.code, ethnicity.display),
        language: names::language(dice, ethnicity.heritage),
        interpreter: ethnicity.heritage != "-" && dice.chance(90),
        practice: if dice.chance(150) {
            SECOND_PRACTICE.ods
        } else {
            PRACTICE.ods
        },
        next_of_kin: kin(dice, age, &family, birth, ethnicity.heritage),
        restricted: false,
        given,
        family,
    }
}

impl Person {
    /// Whether the address is the care home's.
    pub fn lives_in_care_home(&self) -> bool {
        self.address.line.starts_with("Larch House")
    }
}

/// Drawn towards those who use care most: a shared record is opened for the old more than the young.
fn age(dice: &mut Dice) -> i32 {
    match dice.below(100) {
        0..=9 => dice.between(0, 15),
        10..=27 => dice.between(16, 39),
        28..=54 => dice.between(40, 64),
        55..=81 => dice.between(65, 79),
        _ => dice.between(80, 97),
    }
}

fn title(dice: &mut Dice, age: i32, sex: Sex) -> &'static str {
    match sex {
        Sex::Male if age < 16 => "Master",
        Sex::Male => "Mr",
        Sex::Female if age < 18 => "Miss",
        Sex::Female if age < 50 => dice.word_static(&["Ms", "Ms", "Mrs", "Miss"]),
        Sex::Female => dice.word_static(&["Mrs", "Mrs", "Mrs", "Ms", "Miss"]),
    }
}

fn kin(dice: &mut Dice, age: i32, family: &str, birth: Day, heritage: &str) -> Option<Kin> {
    if dice.chance(200) {
        return None;
    }
    let (relation, sex, years) = if age < 18 {
        if dice.chance(800) {
            ("Mother", Sex::Female, -30)
        } else {
            ("Father", Sex::Male, -32)
        }
    } else if age < 30 {
        ("Mother", Sex::Female, -29)
    } else if dice.chance(550) {
        if dice.chance(500) {
            ("Wife", Sex::Female, 1)
        } else {
            ("Husband", Sex::Male, -1)
        }
    } else if age > 55 {
        if dice.chance(580) {
            ("Daughter", Sex::Female, 28)
        } else {
            ("Son", Sex::Male, 29)
        }
    } else if dice.chance(500) {
        ("Sister", Sex::Female, 2)
    } else {
        ("Brother", Sex::Male, -2)
    };
    Some(Kin {
        given: names::given(dice, birth.on(years * 365), sex, heritage),
        family: family.to_owned(),
        title: if sex == Sex::Male { "Mr" } else { "Mrs" },
        relation,
        phone: drama_mobile(dice),
        is_main_carer: age > 75 && dice.chance(500),
    })
}

const STREETS: [&str; 28] = [
    "Heron Walk",
    "Marlpit Road",
    "Tallow Yard",
    "Linnet Gardens",
    "Kilnfield Avenue",
    "Staithe Row",
    "Sorrel Court",
    "Osier Street",
    "Ropery Close",
    "Coppice Lane",
    "Tanner's Hithe",
    "Pippin Road",
    "Quaggy Lane",
    "Ravensbank Rise",
    "Basin Street",
    "Gullet Wharf",
    "Meadowsweet Way",
    "Lapwing Grove",
    "Old Brickfield Road",
    "Chandlery Street",
    "Withy Bed Lane",
    "Nightjar Road",
    "Larkspur Crescent",
    "Hopkiln Terrace",
    "Sluice Gate Road",
    "Saltings Way",
    "Hornbeam Avenue",
    "Fuller's Rents",
];
const DISTRICTS: [(&str, u32); 4] = [
    ("Quaggy Side", 1),
    ("Deepwater", 2),
    ("Ladywell Vale", 3),
    ("Eltmere", 4),
];

/// A street that is nowhere, in SE99: the district is not allocated, so no letter arrives.
fn address(dice: &mut Dice) -> Address {
    let street = dice.word_static(&STREETS);
    let (district, sector) = dice.pick(&DISTRICTS).copied().unwrap_or(("Eltmere", 4));
    let number = dice.between(1, 180);
    let line = if dice.chance(350) {
        format!("Flat {}, {number} {street}", dice.between(1, 40))
    } else {
        format!("{number} {street}")
    };
    const LETTERS: &[u8] = b"ABDEFGHJLNPQRSTUWXYZ";
    let letter = |dice: &mut Dice| char::from(dice.pick(LETTERS).copied().unwrap_or(b'A'));
    let (first, second) = (letter(dice), letter(dice));
    Address {
        line,
        district: district.to_owned(),
        town: "London",
        postcode: format!("SE99 {sector}{first}{second}"),
    }
}

fn care_home_address() -> Address {
    Address {
        line: format!("{}, 2 Coppice Lane", CARE_HOME.short_name),
        district: "Eltmere".to_owned(),
        town: "London",
        postcode: "SE99 4CL".to_owned(),
    }
}

/// Ofcom keeps 020 7946 0000 to 0999 for drama; below 0200 are our organisations.
fn drama_landline(dice: &mut Dice) -> String {
    format!("020 7946 0{:03}", dice.between(200, 999))
}

/// Ofcom keeps 07700 900000 to 900999 for drama.
fn drama_mobile(dice: &mut Dice) -> String {
    format!("07700 900{:03}", dice.between(0, 999))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cast::cast;

    #[test]
    fn the_cast_have_their_ages_whatever_the_day() {
        for today in [
            Day::of(2026, 11, 23),
            Day::of(2027, 1, 1),
            Day::of(2028, 2, 29),
        ] {
            for (member, lane) in cast().iter().zip(1..) {
                let person = cast_person(member, lane, 1, today);
                assert_eq!(person.age_on(today), member.age_years, "{}", member.given);
            }
        }
    }

    #[test]
    fn the_twins_share_address_and_birthday_and_nothing_else() {
        let today = Day::of(2026, 11, 23);
        let twins: Vec<_> = cast()
            .iter()
            .filter(|m| m.family == "Marlow")
            .zip(1..)
            .map(|(m, lane)| cast_person(m, lane, 1, today))
            .collect();
        assert_eq!(twins[0].birth, twins[1].birth);
        assert_eq!(twins[0].address, twins[1].address);
        assert_ne!(twins[0].nhs_number, twins[1].nhs_number);
    }

    #[test]
    fn ordinary_people_are_the_same_each_time_and_differ_from_one_another() {
        let today = Day::of(2026, 11, 23);
        let one = ordinary_person(5, 17, today);
        assert_eq!(
            format!("{one:?}"),
            format!("{:?}", ordinary_person(5, 17, today))
        );
        assert_ne!(one.nhs_number, ordinary_person(5, 18, today).nhs_number);
        assert!(
            (0..2000)
                .all(|index| (0..=98).contains(&ordinary_person(5, index, today).age_on(today)))
        );
    }
}
