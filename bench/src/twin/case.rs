//! One asker: the requests, in both worlds.

use super::*;

/// One asker.
pub struct Case<'c> {
    pub who: Who,
    pub known: &'c Known,
    pub hidden: &'c [&'c Row],
    /// People whose address must not be told to the asker.
    pub without_places: HashSet<String>,
    pub seed: u64,
}

/// A writing share of a source's requests: one in so many.
const WRITES: usize = 20;

/// An exporting one: one in so many. Each is a dozen requests.
const EXPORTS: usize = 400;

const MOST_TOLD: usize = 12;

impl Case<'_> {
    pub async fn run(&self, ground: &Ground, world: &World, requests: usize, tally: &mut Tally) {
        let with = ground.copy(world, "a", "with_it");
        let without = ground.copy(world, "a", "without_it");
        without.erase(self.hidden);
        with.compact();
        without.compact();
        let (first, second) = (with.serve(0), without.serve(0));
        let side = |server: &Server| Side {
            base: server.base.clone(),
            token: self.who.token(server),
        };
        let worlds = Worlds {
            http: reqwest::Client::new(),
            with: side(&first),
            without: side(&second),
            parted_at: Timestamp::now(),
            written: AtomicU64::new(0),
        };
        let pools = self.pools();
        let (hidden, visible) = pools.values().fold((0, 0), |(hidden, visible), pool| {
            let (more, others) = pool.counts();
            (hidden + more, visible + others)
        });
        println!(
            "{}: {} versions hidden; values of {hidden} hidden and {visible} visible things",
            self.who.name(),
            self.hidden.len()
        );
        let begun = Instant::now();
        let is_source = matches!(self.who, Who::Source(..));
        let writes = if is_source { requests / WRITES } else { 0 };
        let exports = if is_source { 4 + requests / EXPORTS } else { 0 };
        let reads = requests.saturating_sub(writes + exports);
        let before = reads * 3 / 4;
        self.move_houses(&worlds, (&first, &second)).await;
        self.reads(&worlds, &pools, 0..before, tally).await;
        self.exports(&worlds, &pools, 0..exports / 2, tally).await;
        let told = self.subscribed(&worlds, is_source).await;
        self.writes(&worlds, &pools, writes, tally).await;
        self.told(&worlds, told, tally).await;
        self.exports(&worlds, &pools, exports / 2..exports, tally)
            .await;
        self.reads(&worlds, &pools, before..reads, tally).await;
        tally.lasted += begun.elapsed();
        first.stop();
        second.stop();
        ground.remove(&with, "with_it");
        ground.remove(&without, "without_it");
    }

    /// What to draw from: for a source everything, for a person's token one person's things.
    fn pools(&self) -> BTreeMap<String, Pool<'_>> {
        match self.who {
            Who::Source(_, ods) => {
                let all = self
                    .known
                    .samples
                    .iter()
                    .map(|one| (one, one.source.as_str() != ods));
                BTreeMap::from([(String::new(), Pool::new(all))])
            }
            Who::Person(_) => {
                let hidden: HashSet<String> = self.hidden.iter().map(named).collect();
                self.known
                    .people
                    .values()
                    .map(|person| {
                        let person = person.to_string();
                        let theirs = self
                            .known
                            .samples
                            .iter()
                            .filter(|one| one.person().is_none_or(|of| of == person))
                            .map(|one| (one, hidden.contains(&one.address())));
                        (person.clone(), Pool::new(theirs))
                    })
                    .collect()
            }
        }
    }

    fn request(&self, pools: &BTreeMap<String, Pool<'_>>, number: usize) -> Request {
        let mut dice = Dice::of(self.seed, number as u64);
        let people: Vec<&String> = pools.keys().collect();
        let person = match self.who {
            Who::Source(..) => people[0].clone(),
            Who::Person(user) => {
                let open: Vec<String> = self.known.open[user.id]
                    .iter()
                    .map(ToString::to_string)
                    .collect();
                let mut open: Vec<&String> = people
                    .iter()
                    .copied()
                    .filter(|one| open.contains(one))
                    .collect();
                open.sort();
                if open.is_empty() || dice.chance(12) {
                    (*dice.pick(&people)).clone()
                } else {
                    (*dice.pick(&open)).clone()
                }
            }
        };
        let own = [person.clone()];
        let grammar = Grammar {
            pool: &pools[&person],
            people: matches!(self.who, Who::Person(_)).then_some(own.as_slice()),
            // Its entries are about the asking itself.
            without: &["AuditEvent"],
            // Who looks for somebody is told where they live, to know them by; unless it is restricted.
            may_match: self.without_places.is_empty(),
        };
        grammar.request(&mut dice)
    }

    async fn reads(
        &self,
        worlds: &Worlds,
        pools: &BTreeMap<String, Pool<'_>>,
        numbers: std::ops::Range<usize>,
        tally: &mut Tally,
    ) {
        let next = AtomicUsize::new(numbers.start);
        let shared = Mutex::new(tally);
        let worker = async || {
            loop {
                // A page that is followed counts as a request, so its number is taken.
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= numbers.end {
                    return;
                }
                let request = self.request(pools, number);
                let mut both = worlds.ask(&request).await;
                self.judge(worlds, &request, &both, number, &shared).await;
                let mut page = 0;
                while let Some(to) = both.next.take().filter(|_| page < 3) {
                    if next.fetch_add(1, Ordering::Relaxed) >= numbers.end {
                        return;
                    }
                    page += 1;
                    both = worlds.follow(&request, &to).await;
                    let mut tally = shared.lock().expect("a tally");
                    tally.note_page(&request, &both);
                    if both.differ() {
                        let said = self.said(&request, number, &both);
                        tally.differences.push(format!("page {}: {said}", page + 1));
                    }
                }
            }
        };
        tokio::join!(worker(), worker(), worker(), worker(), worker(), worker());
    }

    async fn judge(
        &self,
        worlds: &Worlds,
        request: &Request,
        both: &Both,
        number: usize,
        tally: &Mutex<&mut Tally>,
    ) {
        let told = {
            let mut tally = tally.lock().expect("a tally");
            tally.note(request, both);
            tally.differences.len()
        };
        if !both.differ() {
            return;
        }
        let said = if told < MOST_TOLD {
            let (less, again) = shrunk(worlds, request).await;
            match again {
                Some(again) => self.said(&less, number, &again),
                None => format!("once, and not again: {}", self.said(request, number, both)),
            }
        } else {
            String::new()
        };
        tally.lock().expect("a tally").differences.push(said);
    }

    fn said(&self, request: &Request, number: usize, both: &Both) -> String {
        format!(
            "{} #{number} {}: {} /{} {}\n  headers {:?}\n  body {}\n  {}",
            self.who.name(),
            request.template,
            request.method,
            request.path,
            request.query(),
            request.headers,
            request.body.as_deref().unwrap_or_default(),
            compare::told(&both.with, &both.without)
        )
    }

    /// Bulk exports, one after the other: a client has one at a time.
    async fn exports(
        &self,
        worlds: &Worlds,
        pools: &BTreeMap<String, Pool<'_>>,
        numbers: std::ops::Range<usize>,
        tally: &mut Tally,
    ) {
        let Some(pool) = pools.values().next() else {
            return;
        };
        for number in numbers {
            let mut dice = Dice::of(self.seed.rotate_left(17), number as u64);
            let grammar = Grammar {
                pool,
                people: None,
                without: &["AuditEvent"],
                may_match: true,
            };
            let request = grammar.export(&mut dice);
            let both = worlds.export(&request).await;
            tally.note(&request, &both);
            if both.differ() {
                tally.differences.push(self.said(&request, number, &both));
            }
        }
    }

    /// In the world without, everybody whose address must not be told lives somewhere else. What says where
    /// they are is written again in both worlds, so that both have as many versions.
    async fn move_houses(&self, worlds: &Worlds, servers: (&Server, &Server)) {
        const TYPES: [&str; 4] = ["Patient", "RelatedPerson", "Encounter", "Appointment"];
        let mut moved = BTreeMap::new();
        let hidden: HashSet<String> = self.hidden.iter().map(named).collect();
        for (feed, ods) in FEEDS {
            let theirs: Vec<&Sample> = self
                .known
                .samples
                .iter()
                .filter(|one| one.source.as_str() == ods && TYPES.contains(&one.kind.name()))
                .filter(|one| {
                    one.person()
                        .is_some_and(|person| self.without_places.contains(person))
                })
                .filter(|one| self.is_whole(one, &hidden))
                .collect();
            if theirs.is_empty() {
                continue;
            }
            let as_feed = worlds.as_others((
                servers.0.token(&["--as", feed]),
                servers.1.token(&["--as", feed]),
            ));
            for sample in theirs {
                let statuses = as_feed.put_apart(sample.address(), elsewhere(sample)).await;
                *moved.entry((sample.kind.name(), statuses)).or_insert(0) += 1;
            }
        }
        if !moved.is_empty() {
            println!("said to be elsewhere: {moved:?}");
        }
    }

    /// Whether it is there in both worlds, with all that it points at.
    fn is_whole(&self, sample: &Sample, hidden: &HashSet<String>) -> bool {
        if sample.kind == ResourceType::PATIENT {
            let theirs = |row: &&&Row| {
                row.source == sample.source
                    && row.kind == sample.kind.number()
                    && row.person >= 0
                    && sample.person() == Some(&PersonId(row.person as u64).to_string())
            };
            return !self.hidden.iter().any(|row| theirs(&row));
        }
        let text = sample.body.to_string();
        let mut words = text.split('"');
        !hidden.contains(&sample.address()) && !words.any(|word| hidden.contains(word))
    }

    /// Subscribes a source to a type that others send too. Gives the subscription's id in each world.
    async fn subscribed(&self, worlds: &Worlds, is_source: bool) -> Option<(String, String)> {
        if !is_source {
            return None;
        }
        const BACKPORT: &str = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition";
        let criteria = json!([{ "url": format!("{BACKPORT}/backport-filter-criteria"), "valueString": "Condition?" }]);
        let content = json!([{ "url": format!("{BACKPORT}/backport-payload-content"), "valueCode": "full-resource" }]);
        let subscription = json!({
            "resourceType": "Subscription", "status": "requested", "reason": "twin worlds",
            "criteria": "BASE/SubscriptionTopic/changed",
            "_criteria": { "extension": criteria },
            "channel": { "type": "websocket", "payload": "application/fhir+json",
                         "_payload": { "extension": content } },
        });
        let (with, without) = worlds.subscribe(&subscription).await;
        with.zip(without)
    }

    /// What a subscription was told of the writes.
    async fn told(&self, worlds: &Worlds, told: Option<(String, String)>, tally: &mut Tally) {
        let Some((with, without)) = told else { return };
        // What was changed is looked for by a thread of its own.
        tokio::time::sleep(Duration::from_secs(2)).await;
        for (template, operation) in [
            ("Subscription $status", "$status"),
            (
                "Subscription $events",
                "$events?eventsSinceNumber=1&content=full-resource",
            ),
        ] {
            let request = Request::get(template, format!("Subscription/ID/{operation}"));
            let both = worlds.ask_of(&request, (&with, &without)).await;
            println!(
                "{template}: {} and {} bytes",
                both.with.status,
                both.with.body.len()
            );
            tally.note(&request, &both);
            if both.differ() {
                tally.differences.push(self.said(&request, 0, &both));
            }
        }
    }

    /// One after the other, each in both worlds.
    async fn writes(
        &self,
        worlds: &Worlds,
        pools: &BTreeMap<String, Pool<'_>>,
        writes: usize,
        tally: &mut Tally,
    ) {
        let Some(pool) = pools.values().next() else {
            return;
        };
        for number in 0..writes {
            let mut dice = Dice::of(!self.seed, number as u64);
            let Some(request) = writes::request(pool, &mut dice) else {
                continue;
            };
            let both = worlds.ask(&request).await;
            tally.note(&request, &both);
            tally.writes += 1;
            if both.differ() {
                tally.differences.push(self.said(&request, number, &both));
            }
        }
    }
}

/// The address of a row's item.
fn named(row: &&Row) -> String {
    let item = ItemId(row.item as u64);
    let kind = ResourceType::from_number(row.kind).expect("a type");
    if row.person < 0 {
        format!("{kind}/{item}")
    } else {
        format!("{kind}/{}-{item}", PersonId(row.person as u64))
    }
}

/// The resource as it is, in another language, and the same of somebody who is somewhere else.
fn elsewhere(sample: &Sample) -> (Json, Json) {
    let mut here = sample.body.clone();
    here.set("language", "cy".into());
    let mut there = here.clone();
    let place = |text: &str| Json::parse(text.as_bytes(), Limits::default()).expect("JSON");
    match sample.kind.name() {
        "Encounter" => {
            there.set("location", Json::Null);
            if let Some(stay) = there.get_mut("hospitalization") {
                stay.set("origin", Json::Null);
                stay.set("destination", Json::Null);
            }
        }
        "Appointment" => {
            if let Some(Json::Array(participants)) = there.get_mut("participant") {
                participants.retain(|one| {
                    let reference = one.text_at(&["actor", "reference"]).unwrap_or_default();
                    !reference.contains("Location")
                });
            }
        }
        _ => {
            there.set(
                "address",
                place(
                    r#"[{"line":["1 Elsewhere Lane"],"city":"Elsewhere","postalCode":"SE99 9ZZ"}]"#,
                ),
            );
            there.set(
                "telecom",
                place(r#"[{"system":"phone","value":"02079460999"}]"#),
            );
            there.set("contact", Json::Null);
        }
    }
    (here, there)
}

/// The request without whatever can be left out while the answers still differ; none where they no
/// longer do.
async fn shrunk(worlds: &Worlds, request: &Request) -> (Request, Option<Both>) {
    let mut request = request.clone();
    let mut found = None;
    let both = worlds.ask(&request).await;
    if both.differ() {
        found = Some(both);
    }
    let mut at = 0;
    while found.is_some() && at < request.parameters.len() + request.headers.len() {
        let mut less = request.clone();
        match at.checked_sub(less.parameters.len()) {
            None => drop(less.parameters.remove(at)),
            Some(at) => drop(less.headers.remove(at)),
        }
        let both = worlds.ask(&less).await;
        if both.differ() {
            (request, found) = (less, Some(both));
        } else {
            at += 1;
        }
    }
    (request, found)
}
