"""R20: MESH mail is never lost. See R20.sh. Uses only the environment of tools/mesh-sandbox: the sandbox
of the MESH API and the client its maker publishes, which plays the opt-out service here."""

import argparse
import collections
import datetime
import http.client
import http.server
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from mesh_client import MeshClient

OURS, SERVICE, PASSWORD, KEY = "X26ABC1", "X26ABC2", "password", "TestKey"
WORKFLOW = "SPINE_NTT_UPHOLDING"
PER_LIST, LISTS_A_CHECK, DAMAGED = 2, 100, 12


def free_port():
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


def numbers(count):
    """Invented NHS numbers of the 999 range whose check digit is right."""
    nine = 999_000_000
    while count:
        total = sum(int(digit) * (10 - place) for place, digit in enumerate(str(nine)))
        last = (11 - total % 11) % 11
        if last != 10:
            yield f"{nine}{last}"
            count -= 1
        nine += 1


class Proxy(http.server.ThreadingHTTPServer):
    """Stands between our client and the sandbox: damages chosen messages, and for the negative control
    acknowledges each message as soon as it was downloaded."""

    daemon_threads = True

    def __init__(self, upstream, early):
        super().__init__(("127.0.0.1", 0), Handler)
        self.upstream, self.early, self.damaged = upstream, early, set()
        self.damaged_acknowledged = []
        self.acknowledged = collections.Counter()
        self.lock = threading.Lock()

    def handle_error(self, *_):
        """A client that was killed leaves its connection: that is what this is about."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def forward(self):
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length) if length else None
        upstream = http.client.HTTPConnection("127.0.0.1", self.server.upstream, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
        upstream.request(self.command, self.path, body, headers)
        answer = upstream.getresponse()
        data = answer.read()
        parts = self.path.split("/")
        message = parts[4] if len(parts) > 4 and parts[3] == "inbox" else None
        if message and self.command == "PUT":
            with self.server.lock:
                self.server.acknowledged[message] += 1
                if message in self.server.damaged:
                    self.server.damaged_acknowledged.append(message)
        if message and self.command == "GET" and message in self.server.damaged and data:
            middle = len(data) // 2
            data = data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :]
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        if message and self.command == "GET" and self.server.early and answer.status == 200:
            with MeshClient(f"http://127.0.0.1:{self.server.upstream}", OURS, PASSWORD, shared_key=KEY.encode()) as mesh:
                mesh.acknowledge_message(message)
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = forward


CONFIG = """
[server]
listen = "127.0.0.1:1"
base_url = "https://care.example.org"
[record]
data = "{folder}/record"
witness = "{folder}/witness"
[signin]
issuer = "https://identity.example.org"
client_id = "connect-care"
[mesh]
endpoint = "http://127.0.0.1:{port}"
mailbox = "X26ABC1"
password_file = "{folder}/password"
shared_key_file = "{folder}/key"
[opt_out_check]
service_mailbox = "X26ABC2"
workflow = "SPINE_NTT_UPHOLDING"
list_limit = 2
"""


class Care:
    def __init__(self, binary, folder, port):
        self.binary, self.file = binary, folder / "care.toml"
        (folder / "password").write_text(PASSWORD)
        (folder / "key").write_text(KEY)
        self.file.write_text(CONFIG.format(folder=folder, port=port))

    def command(self, *words):
        return [self.binary, "opt-out", *words, "--config", str(self.file)]

    def run(self, *words, check=True, text=None):
        done = subprocess.run(self.command(*words), input=text, capture_output=True, text=True)
        if check and done.returncode:
            raise SystemExit(f"{words}: {done.stderr}")
        return done

    def state(self):
        checks = json.loads(self.run("list", "--json").stdout)
        return [one for check in checks for one in check["lists"]]


def main():
    wants = argparse.ArgumentParser()
    wants.add_argument("--care", required=True)
    wants.add_argument("--messages", type=int, default=1500)
    wants.add_argument("--kills", type=int, default=100)
    wants.add_argument("--seed", type=int, default=20)
    wants.add_argument("--negative-control", action="store_true")
    args = wants.parse_args()
    if args.negative_control:
        args.messages, args.kills = min(args.messages, 200), min(args.kills, 15)
    began = time.time()
    dice = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        port = free_port()
        environment = dict(os.environ, SHARED_KEY=KEY, STORE_MODE="memory", AUTH_MODE="full")
        sandbox = subprocess.Popen(
            [pathlib.Path(sys.executable).parent / "uvicorn", "mesh_sandbox.api:app", "--host", "127.0.0.1", "--port", str(port)],
            env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        proxy = Proxy(port, args.negative_control)
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        try:
            good = trial(args, dice, folder, port, proxy)
        finally:
            sandbox.terminate()
            sandbox.wait()
            proxy.shutdown()
    print(f"seed {args.seed}, {time.time() - began:.0f} s")
    print("R20 holds" if good else "R20 IS BROKEN")
    return 0 if good else 1


def wait_for(port):
    for _ in range(300):
        try:
            http.client.HTTPConnection("127.0.0.1", port, timeout=1).request("GET", "/health")
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the sandbox did not start")


def trial(args, dice, folder, port, proxy):
    wait_for(port)
    care = Care(args.care, folder, proxy.server_address[1])
    people = list(numbers(args.messages * PER_LIST))
    out = {number for number in people if dice.random() < 0.1}
    step = PER_LIST * LISTS_A_CHECK
    for start in range(0, len(people), step):
        care.run("check", "-", "--for", "R20", text="\n".join(people[start : start + step]))
    care.run("collect")
    lists = {one["name"]: one for one in care.state()}
    print(f"{len(lists)} lists sent", flush=True)
    replies = answer(port, out, dice)
    print(f"{len(replies)} replies lie in the inbox", flush=True)
    proxy.damaged = set(dice.sample(sorted(replies), min(DAMAGED, len(replies))))

    kills = collections.Counter()
    for _ in range(args.kills):
        kills[kill_once(care, dice, args)] += 1
    print("killed: " + ", ".join(f"{count} at {where}" for where, count in sorted(kills.items())), flush=True)
    care.run("collect", check=False)
    stuck = inbox(port)
    damaged_kept = proxy.damaged <= stuck if not args.negative_control else True
    alarms = alarms_ring(care)
    proxy.damaged = set()
    care.run("collect", check=False)
    left = inbox(port)

    state = care.state()
    lost = [one["name"] for one in state if one["state"] != "answered"]
    wrong = [one["name"] for one in state if one["state"] == "answered" and one["returned"] != replies_expected(one["name"])]
    entries = json.loads(care.run("taken", "--json").stdout)
    double = [message for message, count in entries.items() if count != 1]
    strangers = set(entries) - set(replies)
    print(f"{len(state)} replies due: {len(lost)} lost, {len(wrong)} wrong, {len(double)} taken in twice, {len(strangers)} from nowhere, {len(left)} left in the inbox")
    print(f"damaged: {DAMAGED} messages, {len(proxy.damaged_acknowledged)} acknowledged while damaged, all still in the inbox: {damaged_kept}")
    print(f"alarms: {'; '.join(alarms)}")
    rings = all(line.endswith("as it must") for line in alarms)
    return not (lost or wrong or double or strangers or left or proxy.damaged_acknowledged) and damaged_kept and rings


EXPECTED = {}


def replies_expected(name):
    return EXPECTED.get(name)


def answer(port, out, dice):
    """Plays the service: answers every list, some in two chunks."""
    replies = {}
    with MeshClient(f"http://127.0.0.1:{port}", SERVICE, PASSWORD, shared_key=KEY.encode()) as mesh:
        while True:
            waiting = mesh.list_messages()
            if not waiting:
                return replies
            for message in waiting:
                mail = mesh.retrieve_message(message)
                name = mail.mex_header("localid")
                asked = [line.strip(",") for line in mail.read().decode().split("\n") if line.strip(",")]
                stay = [number for number in asked if number not in out]
                body = "".join(f"{number},\n" for number in stay) or "\n"
                EXPECTED[name] = len(stay)
                mesh._max_chunk_size = 7 if dice.random() < 0.3 else 75_000_000
                sent = mesh.send_message(OURS, body.encode(), workflow_id=WORKFLOW, subject=name, local_id=name)
                replies[sent] = name
                mesh.acknowledge_message(message)


def kill_once(care, dice, args):
    """One run of the taker, ended between two steps or at a random moment; gives where."""
    if dice.random() < 0.5:
        step = dice.choice(["downloaded", "kept", "acknowledged"])
        most = max(2, args.messages // args.kills)
        done = care.run("collect", "--halt-at", f"{step}:{dice.randint(1, most)}", check=False)
        return step if done.returncode < 0 else "the end of the mail"
    taker = subprocess.Popen(care.command("collect"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(dice.uniform(0.05, 1.2))
    ended = taker.poll() is not None
    taker.send_signal(signal.SIGKILL)
    taker.wait()
    return "the end of the mail" if ended else "a random moment"


def inbox(port):
    with MeshClient(f"http://127.0.0.1:{port}", OURS, PASSWORD, shared_key=KEY.encode()) as mesh:
        return set(mesh.list_messages())


def alarms_ring(care):
    """The alarms as they would be at set times after the last look into the mailbox."""
    now = datetime.datetime.now(datetime.timezone.utc)
    lines = []
    for hours, kind, rings in [(23.7, "silence", False), (24.1, "silence", True), (71.9, "message-age", False), (72.1, "message-age", True)]:
        at = (now + datetime.timedelta(hours=hours)).isoformat()
        told = json.loads(care.run("alarms", "--json", "--at", at, check=False).stdout)
        raised = kind in [alarm["kind"] for alarm in told["alarms"]]
        word = "as it must" if raised == rings else "WRONG"
        lines.append(f"{kind} at {hours} h {'rings' if raised else 'is quiet'}, {word}")
    return lines


if __name__ == "__main__":
    sys.exit(main())
