"""The driver of P5.sh: see there. Standard library only; entries are read with docs/audit/verify.py."""
import argparse, collections, datetime, html, http.client, importlib.util, json, os, pathlib, random, re
import shutil, signal, socket, subprocess, sys, tempfile, threading, time, urllib.parse

here = pathlib.Path(__file__).resolve()
spec = importlib.util.spec_from_file_location("verify", here.parents[2] / "docs/audit/verify.py")
verify = importlib.util.module_from_spec(spec)
spec.loader.exec_module(verify)

parser = argparse.ArgumentParser()
parser.add_argument("--care", required=True)
parser.add_argument("--negative-control", action="store_true")
parser.add_argument("--events", type=int, default=1000)
parser.add_argument("--seed", type=int, default=int(time.time()))
given = parser.parse_args()
dice = random.Random(given.seed)
work = pathlib.Path(tempfile.mkdtemp(prefix="p5-", dir=os.environ.get("CARGO_TARGET_DIR")))
MAYA, WITHIN = "9990000131", 5.0


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


PORT, MLLP = free_port(), free_port()


class Browser:
    """Keeps cookies, follows nothing."""

    def __init__(self):
        self.cookies = {}

    def ask(self, method, path, form=None, headers=None):
        if path.startswith("http"):
            path = "/" + path.split("/", 3)[3]
        body = urllib.parse.urlencode(form) if form is not None else None
        sent = {"Host": f"localhost:{PORT}", **(headers or {})}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if body is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        line = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
        line.request(method, path, body, sent)
        answer = line.getresponse()
        text = answer.read().decode("utf-8", "replace")
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie":
                pair, _, rest = value.partition(";")
                key, _, content = pair.partition("=")
                if "Max-Age=0" in rest:
                    self.cookies.pop(key, None)
                else:
                    self.cookies[key] = content
        line.close()
        return answer.status, answer.getheader("Location"), text

    def get(self, path):
        return self.ask("GET", path)

    def post(self, path, **form):
        return self.ask("POST", path, {name.replace("_", "-"): value for name, value in form.items()})

    def sign_in(self, user):
        _, to, _ = self.get("/staff/login/start")
        _, _, page = self.get(to)
        form = {}
        for name, value in re.findall(r'name="([a-z_]+)" value="([^"]*)"', page):
            form.setdefault(name, html.unescape(value))
        form["user"] = user
        _, to, page = self.ask("POST", "/demo-identity/authorize", form)
        status, _, page = self.get(to)
        assert status == 303, (user, status, page[:300])
        return self

    def field(self, page, name="csrf"):
        return html.unescape(re.search(rf'name="{name}" value="([^"]*)"', page).group(1))


class Staff(Browser):
    """A member of staff who has found Maya once; the handle is good for half an hour."""

    def __init__(self, user):
        super().__init__()
        self.user, self.found_at = user, 0.0
        self.sign_in(user)

    def find(self):
        _, _, page = self.get("/staff/find")
        self.csrf = self.field(page)
        status, to, page = self.post("/staff/find", csrf=self.csrf, by="number", nhs_number=MAYA)
        assert status == 303 and to, (self.user, status, page[:300])
        self.confirm, self.found_at = to, time.time()

    def open(self, reason="permission-today"):
        if time.time() - self.found_at > 20 * 60:
            self.find()
        _, to, page = self.post(self.confirm, csrf=self.csrf, reason=reason)
        return to.rsplit("/", 1)[0] if to and "/staff/record/" in to else None

    def emergency(self):
        if time.time() - self.found_at > 20 * 60:
            self.find()
        path = self.confirm.replace("/confirm/", "/emergency/")
        _, to, page = self.post(path, csrf=self.csrf, ground="risk-to-life", text="found unconscious")
        return to.rsplit("/", 1)[0] if to and "/staff/record/" in to else None


ROW = re.compile(r'<li class="cc-look.*?</li>\n', re.S)


def rows_of(page):
    """The list as the person reads it: entry -> what, printed, what they looked at."""
    rows = {}
    for piece in page.split('<li class="cc-look')[1:]:
        piece = piece.split('<li class="cc-look')[0]
        entry = re.search(r'/me/who-looked/(\d+)', piece)
        what = re.search(r"<p><strong>([^<]*)</strong></p>", piece).group(1)
        if not entry:
            continue
        if given.negative_control and what.startswith("A computer system"):
            continue
        seen = re.search(r'<ul class="cc-look__seen".*?</ul>', piece, re.S)
        seen = re.findall(r"<li>([^<]*)</li>", seen.group(0)) if seen else []
        rows[int(entry.group(1))] = (what, "<p>Printed.</p>" in piece, frozenset(map(html.unescape, seen)))
    return rows


class Reader(threading.Thread):
    """Maya's browser, which reads the list all the time."""

    def __init__(self):
        super().__init__(daemon=True)
        self.browser, self.polls, self.stopped, self.fault = Browser().sign_in("patient"), [], False, None

    def read(self):
        began = time.time()
        status, _, page = self.browser.get("/me/who-looked")
        assert status == 200, (status, page[:300])
        self.polls.append((began, time.time(), rows_of(page)))
        return self.polls[-1][2]

    def run(self):
        try:
            while not self.stopped:
                self.read()
                time.sleep(0.7)
        except Exception as fault:  # The main thread tells it.
            self.fault = fault


def mllp(text):
    with socket.create_connection(("127.0.0.1", MLLP), timeout=30) as line:
        line.sendall(b"\x0b" + text.replace("\n", "\r").encode() + b"\x1c\r")
        answer = b""
        while not answer.endswith(b"\x1c\r"):
            more = line.recv(4096)
            if not more:
                break
            answer += more
    return answer.decode("utf-8", "replace")


class World:
    """Everybody who acts, and what they may do."""

    PAGES = ["summary", "problems", "medicines", "allergies", "results", "encounters", "documents",
             "care-plans", "timeline", "team"]

    def __init__(self, reader):
        self.reader, self.joins = reader, 0
        self.gp, self.crew = Staff("gp"), Staff("ambulance-clinician")
        self.officer = Browser().sign_in("privacy-officer")
        self.gp.find(), self.crew.find()
        _, _, page = self.officer.get("/ig/people")
        self.officer_csrf = self.officer.field(page)
        self.visits, self.held = [], []
        token = subprocess.run([given.care, "token", "--as", "gp", "--person", MAYA, "--permission",
                                "given", "--data", str(work / "data")], capture_output=True, text=True)
        assert token.returncode == 0, token.stderr
        self.token = {"Authorization": "Bearer " + token.stdout.strip()}
        status, _, found = Browser().ask("POST", "/fhir/R4/Patient/_search", {"identifier": MAYA}, self.token)
        assert status == 200, found[:300]
        self.patient = json.loads(found)["entry"][0]["resource"]

    def open(self):
        staff = self.gp
        base = staff.open(dice.choice(["permission-today", "not-present"]))
        assert base, "the GP may open it"
        self.visits.append((staff, base))
        del self.visits[:-12]

    def view(self):
        if not self.visits:
            return self.open()
        staff, base = dice.choice(self.visits)
        staff.get(f"{base}/{dice.choice(self.PAGES)}")

    def print(self):
        if not self.visits:
            return self.open()
        staff, base = dice.choice(self.visits)
        status, _, page = staff.post(f"{base}/print", csrf=staff.csrf, section=dice.choice(self.PAGES[:7]))
        assert status == 200, (status, page[:300])

    def api(self):
        kind = dice.choice(["AllergyIntolerance", "Condition", "Observation", "Encounter", "MedicationRequest"])
        path = f"/fhir/R4/{kind}?patient={self.patient['id']}"
        Browser().ask("GET", dice.choice([path, f"/fhir/R4/Patient/{self.patient['id']}"]), None, self.token)

    def deny(self):
        assert self.crew.open() is None, "the crew has no part in her care"

    def emergency(self):
        base = self.crew.emergency()
        assert base, "the crew may open it in an emergency"
        self.crew.get(f"{base}/{dice.choice(self.PAGES)}")

    def find(self):
        self.gp.find()

    def hold(self):
        shown = self.reader.polls[-1][2] if self.reader.polls else {}
        if self.held and dice.random() < 0.5:
            entry = self.held.pop(dice.randrange(len(self.held)))
            status, _, page = self.officer.post("/ig/people/release", csrf=self.officer_csrf, entry=entry)
            assert "told again" in page, page[:2000]
            return
        free = [entry for entry in shown if entry not in self.held]
        if not free:
            return self.view()
        entry = dice.choice(free)
        status, _, page = self.officer.post("/ig/people/hold", csrf=self.officer_csrf, entry=entry, days=9,
                                            reason="telling could put her at risk")
        # A look may have been held since the list was read.
        if "is held back" in page:
            self.held.append(entry)

    def join(self):
        self.joins += 1
        name, born = self.patient["name"][0], self.patient["birthDate"].replace("-", "")
        now = datetime.datetime.now().strftime("%Y%m%d%H%M%S")
        answer = mllp(f"MSH|^~\\&|PAS|X9T01|CC|CC|{now}||ADT^A40|P5-{given.seed}-{self.joins}|P|2.4\n"
                      f"EVN||{now}\n"
                      f"PID|1||{MAYA}^^^NHS^NH~P5{self.joins}^^^X9T01^MR||{name['family'].upper()}^"
                      f"{name['given'][0].upper()}||{born}|F\n"
                      f"MRG|OLD{given.seed}{self.joins}^^^X9T01^MR\n")
        assert "MSA|AA" in answer, answer


def worked_out(entries):
    """The looks, from the log alone: first entry -> what, printed, pages. And who the person is."""
    person = next(e["person"] for _, e in entries if e.get("who") == "patient" and e.get("person"))
    theirs = [(n, e) for n, e in entries if e.get("person") == person]
    opened = collections.defaultdict(list)
    when = lambda e: datetime.datetime.fromisoformat(e["at"].replace("Z", "+00:00")).timestamp()
    for _, e in theirs:
        if e["act"] == "open-visit":
            opened[e["who"]].append(when(e))
    held, named = set(), {}
    for number, e in theirs:
        named[number] = e
    for _, e in theirs:
        if e.get("page") == "hold" and e["outcome"] == "success":
            number = int(re.search(r"entry (\d+)", e["detail"]).group(1))
            about = named[number]
            mark = ("visit", about["visit"]) if about.get("visit") else ("entry", number)
            (held.add if "held back" in e["detail"] else held.discard)(mark)
    groups = {}
    for number, e in theirs:
        if e.get("role") in ("patient", "proxy"):
            continue
        act, visit, hour = e["act"], e.get("visit", ""), int(when(e)) // 3600
        where = (e["who"], e.get("organisation", ""), hour, e["outcome"])
        if act in ("open-visit", "view", "search", "print", "close-visit") and visit:
            key = ("visit", visit)
        elif act in ("open-visit", "disclose"):
            key = ("alone", number)
        elif act in ("view", "print", "search"):
            key = ("view", *where)
        elif act == "api-read":
            key = ("api", *where)
        elif act == "find":
            # What led to an opening within the hour is part of it.
            if any(0 <= int(at) - int(when(e)) <= 3600 and at >= when(e) for at in opened[e["who"]]):
                continue
            key = ("find", *where)
        else:
            continue
        groups.setdefault(key, []).append((number, e))
    looks, hidden = {}, set()
    for key, group in groups.items():
        if key[0] == "visit" and ("visit", key[1]) in held:
            hidden.update(number for number, _ in group)
            continue
        kept = [(n, e) for n, e in group if e.get("visit") or ("entry", n) not in held]
        hidden.update(n for n, e in group if (n, e) not in kept)
        if not kept:
            continue
        acts = {e["act"] for _, e in kept}
        if all(e["outcome"] != "success" for _, e in kept):
            what = "Tried to open your record"
        elif "disclose" in acts:
            what = "Was given information about you"
        elif "api-read" in acts:
            what = "A computer system took a copy"
        elif "find" in acts:
            what = "Found your name"
        else:
            what = "Opened your record"
        pages = {e.get("page") for _, e in kept if e["outcome"] == "success" and e["act"] in ("view", "print")}
        looks[kept[0][0]] = (what, "print" in acts, pages, when(kept[0][1]))
    return looks, hidden, theirs


WORDS = {"allergies": "allergies", "medicines": "medicines", "problems": "conditions", "results": "test results"}


def main():
    log = open(work / "demo.log", "w")
    words = ["demo", "--people", "14", "--data", work / "data", "--port", PORT, "--mllp-port", MLLP]
    server = subprocess.Popen([given.care, *map(str, words)], stdout=log, stderr=log)
    try:
        return drive(server)
    finally:
        server.send_signal(signal.SIGINT)
        try:
            server.wait(60)
        except subprocess.TimeoutExpired:
            server.kill()


def drive(server):
    for _ in range(2400):
        time.sleep(0.25)
        if server.poll() is not None:
            sys.exit("the demonstration ended early: " + (work / "demo.log").read_text()[-500:])
        if "Ctrl-C stops it" in (work / "demo.log").read_text():
            break
    reader = Reader()
    reader.read()
    world = World(reader)
    reader.start()
    kinds = (["view"] * 46 + ["open"] * 10 + ["print"] * 10 + ["api"] * 14 + ["deny"] * 6 + ["emergency"] * 4
             + ["find"] * 3 + ["hold"] * 5 + ["join"] * 2)
    done, began, order = collections.Counter(), time.time(), []
    for _ in range(given.events):
        kind = dice.choice(kinds)
        getattr(world, kind)()
        done[kind] += 1
        order.append(time.time())
        if reader.fault:
            raise reader.fault
    took = time.time() - began
    time.sleep(2)
    reader.stopped = True
    reader.join()
    shown = reader.read()
    out = work / "log"
    written = subprocess.run([given.care, "audit", "export", "--to", str(out), "--data", str(work / "data")],
                             capture_output=True, text=True)
    if written.returncode:
        sys.exit("audit export: " + written.stderr)
    entries = [(number, json.loads(entry)) for number, entry in enumerate(verify.entries(out))]
    looks, hidden, theirs = worked_out(entries)
    faults = []
    for entry in sorted(set(looks) - set(shown)):
        faults.append(f"entry {entry} ({looks[entry][0]}) is in the log and not in the list")
    for entry in sorted(set(shown) - set(looks)):
        faults.append(f"entry {entry} ({shown[entry][0]}) is in the list and should not be")
    for entry in sorted(set(shown) & set(looks)):
        (what, printed, pages, _), (told, paper, seen) = looks[entry], shown[entry]
        if what != told or printed != paper:
            faults.append(f"entry {entry} is {what}, printed {printed}, and is told as {told}, {paper}")
        for page, word in WORDS.items():
            if page in pages and word not in seen:
                faults.append(f"entry {entry} showed {page} and does not say so")
    late, slowest = 0, 0.0
    for entry, (what, _, _, at) in looks.items():
        first = next((end for start, end, rows in reader.polls if entry in rows), None)
        if first is None or at < reader.polls[0][0]:
            continue
        slowest = max(slowest, first - at)
        late += first - at > WITHIN
    if late:
        faults.append(f"{late} looks appeared later than {WITHIN:.0f} s")
    if hidden & set(shown):
        faults.append(f"{len(hidden & set(shown))} looks that are held back are shown")
    print(f"seed {given.seed}")
    print(f"{sum(done.values())} events in {took:.0f} s: " + ", ".join(f"{n} {k}" for k, n in sorted(done.items())))
    print(f"{len(entries)} entries in the log, {len(theirs)} about her; {len(looks)} looks worked out, "
          f"{len(shown)} in her list, {len(hidden)} entries held back")
    print(f"{len(reader.polls)} readings; slowest look to appear {slowest:.2f} s (at most {WITHIN:.0f})")
    for fault in faults[:20]:
        print("FOUND:", fault)
    print("P5", "red" if faults else "green")
    return 1 if faults else 0


if __name__ == "__main__":
    code = 1
    try:
        code = main()
    finally:
        if code == 0 or given.negative_control:
            shutil.rmtree(work, ignore_errors=True)
        else:
            print("kept:", work, file=sys.stderr)
    sys.exit(code)
