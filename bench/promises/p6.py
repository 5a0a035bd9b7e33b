"""P6: how long after a choice anybody still sees the record. See P6.sh.

Clocks: one, this process's. A time is measured from the moment the request that confirms the choice is
sent, which is before the choice is kept, to the moment the first refusal has arrived; so every figure
includes the commit itself and both ways of the wire. Bytes count as given late when the request for them
began after the person had been told that the choice holds.
"""
import argparse
import html
import http.client
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

MAYA = "9990000131"
BAR_SECONDS = 1.0
GOAL_SECONDS = 0.2


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Client:
    """A browser, or a system with a token: keeps cookies, follows nothing by itself."""

    def __init__(self, port, token=None):
        self.port, self.token, self.cookies = port, token, {}
        self.wire = None

    def copy(self):
        other = Client(self.port, self.token)
        other.cookies = dict(self.cookies)
        return other

    def ask(self, method, path, form=None):
        headers = {"Host": f"localhost:{self.port}"}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        body = None
        if form is not None:
            body = urllib.parse.urlencode(form)
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        for attempt in (1, 2):
            try:
                if self.wire is None:
                    self.wire = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
                self.wire.request(method, path, body, headers)
                answer = self.wire.getresponse()
                text = answer.read()
                break
            except (http.client.HTTPException, OSError):
                self.wire = None
                if attempt == 2:
                    raise
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie":
                key, rest = value.split("=", 1)
                if "Max-Age=0" in rest:
                    self.cookies.pop(key, None)
                else:
                    self.cookies[key] = rest.split(";")[0]
        return answer.status, answer.getheader("Location"), text

    def get(self, path):
        return self.ask("GET", path)

    def post(self, path, form):
        return self.ask("POST", path, form)

    def sign_in(self, user):
        _, to, _ = self.get("/staff/login/start")
        _, _, page = self.get(local(to))
        text = page.decode()
        names = ["response_type", "client_id", "redirect_uri", "scope", "state", "nonce",
                 "code_challenge", "code_challenge_method"]
        form = {name: field(text, name) for name in names}
        form["user"] = user
        _, to, page = self.post("/demo-identity/authorize", form)
        if not to:
            raise SystemExit(f"no way back from signing in as {user}: {page[:300]}")
        status, _, _ = self.get(local(to))
        if status != 303:
            raise SystemExit(f"{user} could not sign in: {status}")


def local(address):
    parts = urllib.parse.urlsplit(address)
    return parts.path + ("?" + parts.query if parts.query else "")


def field(text, name):
    found = re.search(f'name="{re.escape(name)}" value="([^"]*)"', text)
    if not found:
        raise SystemExit(f"the page has no field {name}")
    return html.unescape(found.group(1)).replace("&#x2f;", "/")


class Demo:
    def __init__(self, care):
        self.care, self.data = care, tempfile.TemporaryDirectory(prefix="p6-")
        self.port, self.log = free_port(), os.path.join(self.data.name, "log")
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                [care, "demo", "--people", "14", "--port", str(self.port), "--mllp-port",
                 str(free_port()), "--data", os.path.join(self.data.name, "record")],
                stdout=log, stderr=log)
        for _ in range(1800):
            if "Ctrl-C stops it." in open(self.log).read():
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        raise SystemExit("the demonstration did not start:\n" + open(self.log).read()[-2000:])

    def token(self, *arguments):
        out = subprocess.run(
            [self.care, "token", *arguments, "--data", os.path.join(self.data.name, "record")],
            capture_output=True, text=True, check=True)
        return out.stdout.strip()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=30)
        self.data.cleanup()


class Cache:
    """The fault of the negative control: a decision that was made is kept for the visit."""

    def __init__(self, seconds):
        self.seconds, self.kept = seconds, {}

    def get(self, client, path):
        held = self.kept.get(path)
        if held and time.monotonic() - held[0] < self.seconds:
            time.sleep(0.01)
            return held[1]
        answer = client.get(path)
        if answer[0] == 200:
            self.kept[path] = (time.monotonic(), answer)
        return answer


class Watch(threading.Thread):
    """Asks for one thing without pause and notes when it was first refused, and what came after."""

    def __init__(self, ask, stop):
        super().__init__(daemon=True)
        self.ask, self.stop = ask, stop
        self.seen = []

    def run(self):
        while not self.stop.is_set():
            began = time.monotonic()
            status, size = self.ask()
            self.seen.append((began, time.monotonic(), status == 200, size))


def choose(maya, what):
    """Answers every question; gives when the confirmation was sent and when it was answered."""
    _, _, page = maya.get("/me/choices/who")
    csrf = field(page.decode(), "csrf")
    maya.post("/me/choices/again", {"csrf": csrf})
    for step, form in [("who", {"answer": "me"}), ("what", {"answer": what}),
                       ("talk", {"answer": "no"}),
                       ("confirm", {"confirm": "letter", "format": "standard"})]:
        status, _, page = maya.post(f"/me/choices/{step}", {"csrf": csrf, **form})
        if status != 303:
            raise SystemExit(f"step {step} was answered {status}: {page[:300]}")
    sent = time.monotonic()
    status, to, page = maya.post("/me/choices/check", {"csrf": csrf})
    if to != "/me/choices/done":
        raise SystemExit(f"the choice was not kept: {status} {to} {page[:300]}")
    return sent, time.monotonic()


def find(gp):
    """Finds the person once: searches are counted, and many would be stopped."""
    _, _, page = gp.get("/staff/find")
    csrf = field(page.decode(), "csrf")
    status, to, page = gp.post("/staff/find", {"csrf": csrf, "by": "number", "nhs-number": MAYA})
    if not to:
        raise SystemExit(f"not found: {status} {page[:300]}")
    return local(to), csrf


def open_record(gp, confirm, csrf):
    status, to, page = gp.post(confirm, {"csrf": csrf, "reason": "permission-today"})
    if not to or "/staff/record/" not in to:
        raise SystemExit(f"not opened: {status} {to} {page[:300]}")
    return local(to).rsplit("/", 1)[0]


def main():
    reader = argparse.ArgumentParser()
    reader.add_argument("--care", required=True)
    reader.add_argument("--rounds", type=int, default=200)
    reader.add_argument("--seed", type=int, default=6)
    reader.add_argument("--negative-control", action="store_true")
    told = reader.parse_args()
    dice = random.Random(told.seed)
    rounds = 3 if told.negative_control else told.rounds
    print(f"P6 consent changes bite at once: {rounds} rounds, seed {told.seed}"
          + (", NEGATIVE CONTROL: decisions are kept for 2 s" if told.negative_control else ""))
    demo = Demo(told.care)
    try:
        sys.exit(measure(demo, rounds, dice, told.negative_control))
    finally:
        demo.stop()


def measure(demo, rounds, dice, negative):
    gp, maya = Client(demo.port), Client(demo.port)
    gp.sign_in("gp")
    maya.sign_in("patient")
    api = Client(demo.port, demo.token("--as", "gp", "--person", MAYA, "--permission", "given"))
    _, _, body = api.post("/fhir/R4/Patient/_search", {"identifier": MAYA})
    person = json.loads(body)["entry"][0]["resource"]["id"]
    times = {name: [] for name in ("api", "viewer", "paging", "print")}
    late = {name: 0 for name in times}
    asked = 0
    confirm, csrf = find(gp)
    for number in range(rounds):
        record = open_record(gp, confirm, csrf)
        first = f"/fhir/R4/Patient/{person}/$everything?_count=5"
        status, _, body = api.get(first)
        links = {one["relation"]: one["url"] for one in json.loads(body).get("link", [])}
        following = local(links["next"])
        cache = Cache(2.0) if negative else None

        def fetch(client, path):
            status, _, text = cache.get(client, path) if cache else client.get(path)
            return status, len(text)

        pages = [f"{record}/{name}" for name in ("summary", "medicines", "allergies", "results")]
        viewer, paper, reading, paging = gp.copy(), gp.copy(), api.copy(), api.copy()

        def view():
            return fetch(viewer, dice.choice(pages))

        def draw():
            path = f"{record}/print"
            if cache:
                status, _, text = cache.get(paper, path)
            else:
                status, _, text = paper.post(path, {"csrf": csrf, "section": "medicines"})
            return status, len(text)

        if cache:
            for path in pages:
                fetch(viewer, path)
        stop = threading.Event()
        watches = {
            "api": Watch(lambda: fetch(reading, f"/fhir/R4/AllergyIntolerance?patient={person}"), stop),
            "viewer": Watch(view, stop),
            "paging": Watch(lambda: fetch(paging, following), stop),
            "print": Watch(draw, stop),
        }
        for watch in watches.values():
            watch.start()
        time.sleep(0.05 + dice.random() * 0.1)
        for name, watch in watches.items():
            if not any(fine for _, _, fine, _ in watch.seen):
                time.sleep(0.5)
            if not any(fine for _, _, fine, _ in watch.seen):
                raise SystemExit(f"round {number}: {name} was never answered before the choice")
        sent, confirmed = choose(maya, "not-share")
        deadline = time.monotonic() + (3 if negative else 1.5)
        settled = False
        while time.monotonic() < deadline and not settled:
            time.sleep(0.01)
            settled = all(
                sum(1 for began, _, fine, _ in watch.seen if began > confirmed and not fine) >= 2
                for watch in watches.values())
        stop.set()
        for name, watch in watches.items():
            watch.join(timeout=30)
            refused = [ended for began, ended, fine, _ in watch.seen if began >= sent and not fine]
            times[name].append(min(refused) - sent if refused else float("inf"))
            late[name] += sum(size for began, _, fine, size in watch.seen if began > confirmed and fine)
            asked += len(watch.seen)
        choose(maya, "share")
    return report(times, late, asked)


def report(times, late, asked):
    print(f"{asked} requests were made while choices were confirmed")
    print(f"{'':8}{'p50 ms':>10}{'p99 ms':>10}{'max ms':>10}{'bytes after':>14}")
    worst = 0.0
    for name, values in times.items():
        values = sorted(values)
        at = lambda part: values[min(len(values) - 1, int(part * len(values)))] * 1000
        print(f"{name:8}{at(0.5):>10.0f}{at(0.99):>10.0f}{values[-1] * 1000:>10.0f}{late[name]:>14}")
        worst = max(worst, values[-1])
    given = sum(late.values())
    print(f"bar: {BAR_SECONDS * 1000:.0f} ms and 0 bytes; goal: {GOAL_SECONDS * 1000:.0f} ms")
    if worst <= BAR_SECONDS and given == 0:
        print("P6 holds")
        return 0
    print(f"P6 FAILS: {given} bytes were given after the choice, the slowest took {worst * 1000:.0f} ms")
    return 1


if __name__ == "__main__":
    main()
