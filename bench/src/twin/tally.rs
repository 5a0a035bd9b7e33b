//! Figures of all askers.

use super::*;

/// Figures of all askers.
#[derive(Default)]
pub struct Tally {
    pub asked: usize,
    pub writes: usize,
    pub statuses: BTreeMap<u16, usize>,
    /// Answers that hold a resource.
    pub with_something: usize,
    pub differences: Vec<String>,
    pub took: BTreeMap<&'static str, Vec<(Duration, Duration)>>,
    pub coverage: Coverage,
    pub lasted: Duration,
}

impl Tally {
    pub fn note(&mut self, request: &Request, both: &Both) {
        let holds = self.count(request, both);
        self.coverage.note(request, both, holds);
    }

    pub fn note_page(&mut self, request: &Request, both: &Both) {
        let holds = self.count(request, both);
        self.coverage.note_page(holds);
    }

    /// Says whether the answer holds a resource, or rows of some.
    fn count(&mut self, request: &Request, both: &Both) -> bool {
        self.asked += 1;
        *self.statuses.entry(both.with.status).or_default() += 1;
        let text = &both.with.body;
        let holds = text.contains("\"versionId\"")
            || text.contains("<versionId")
            || (request.template == "$run" && both.with.status == 200 && text.len() > 2);
        self.with_something += usize::from(both.with.status == 200 && holds);
        self.took
            .entry(request.template)
            .or_default()
            .push(both.took);
        holds
    }

    pub fn print(&self) {
        for said in self.differences.iter().filter(|said| !said.is_empty()) {
            println!("DIFFERENCE {said}\n");
        }
        println!(
            "\n{:22} {:>8} {:>12} {:>12}",
            "template", "requests", "median with", "without"
        );
        for (template, took) in &self.took {
            let median = |of: fn(&(Duration, Duration)) -> Duration| {
                let mut all: Vec<Duration> = took.iter().map(of).collect();
                all.sort();
                all[all.len() / 2]
            };
            println!(
                "{template:22} {:>8} {:>9} us {:>9} us",
                took.len(),
                median(|both| both.0).as_micros(),
                median(|both| both.1).as_micros()
            );
        }
        println!(
            "{} requests to each world ({} writes, {} answers hold resources) in {} s, {:.0} a second in all; statuses {:?}; {} differences",
            self.asked,
            self.writes,
            self.with_something,
            self.lasted.as_secs(),
            2.0 * self.asked as f64 / self.lasted.as_secs_f64(),
            self.statuses,
            self.differences.len()
        );
    }
}
