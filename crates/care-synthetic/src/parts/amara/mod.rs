//! Amara Osei, 81: heart failure, atrial fibrillation, diabetes, failing kidneys, a leg ulcer and a
//! memory that worsens. Known to all five sources, which agree on most things and differ on some.

mod elsewhere;
mod hospital;
mod practice;

use crate::investigations::Course;
use crate::outgoing::Outgoing;
use crate::person::Person;
use crate::story::Telling;

use elsewhere::{community, council, mental_health};
use hospital::hospital;
use practice::practice;

pub(crate) fn messages(telling: &Telling, person: &Person) -> Vec<Outgoing> {
    let mut out = hospital(telling, person);
    out.extend(practice(telling, person));
    out.extend(community(telling, person));
    out.extend(mental_health(telling, person));
    out.extend(council(telling, person));
    out
}

fn course(telling: &Telling, person: &Person) -> Course {
    let mut course = Course::new(telling.seed, person.lane);
    for (test, today, a_year) in [
        ("CREA", 50.0, 4.6),
        ("UREA", 5.2, 0.45),
        ("K", 0.4, 0.03),
        ("NA", -3.0, -0.2),
        ("HB", -27.0, -2.2),
        ("MCV", -5.0, -0.4),
        ("HBA1C", 25.0, 1.1),
        ("CHOL", -1.0, 0.0),
        ("LDL", -0.9, 0.0),
        ("BNP", 2650.0, 210.0),
        ("ACR", 7.5, 0.7),
        ("ALB", -4.0, -0.3),
        ("FERR", -70.0, -4.0),
        ("VITD", -22.0, 0.0),
    ] {
        course.shift(test, today, a_year);
    }
    course
}
