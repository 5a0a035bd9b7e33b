"""The driver of S6.sh. An attacker who knows every format, mends hashes, numbers and indexes, and in
the last two ways even holds the log's signing key. Uses the Python verifier as a module, so that its
slow signature check is done once for each text."""
import argparse, base64, contextlib, hashlib, importlib.util, io, json, os, pathlib, random, shutil
import signal, socket, sqlite3, subprocess, sys, tempfile, time

here = pathlib.Path(__file__).resolve()
spec = importlib.util.spec_from_file_location("verify", here.parents[2] / "docs/audit/verify.py")
verify = importlib.util.module_from_spec(spec)
spec.loader.exec_module(verify)

parser = argparse.ArgumentParser()
parser.add_argument("--care", required=True)
parser.add_argument("--negative-control", action="store_true")
parser.add_argument("--tamperings", type=int, default=1000)
parser.add_argument("--entries", type=int, default=1_000_000, help="0 leaves the measurement out")
parser.add_argument("--seed", type=int, default=int(time.time()))
given = parser.parse_args()
dice = random.Random(given.seed)
work = pathlib.Path(tempfile.mkdtemp(prefix="s6-", dir=os.environ.get("CARGO_TARGET_DIR")))


def run(*words, **more):
    return subprocess.run([given.care, *map(str, words)], capture_output=True, text=True, **more)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


# A real log: the demonstration, then small acts, each of which signs a checkpoint at its close.
def make_log():
    data, port = work / "base", free_port()
    with open(work / "demo.log", "w") as log:
        words = ["demo", "--people", "14", "--data", data, "--port", port, "--mllp-port", free_port()]
        server = subprocess.Popen([given.care, *map(str, words)], stdout=log, stderr=log)
        for _ in range(600):
            time.sleep(0.25)
            if server.poll() is not None:
                sys.exit("the demonstration ended early: " + (work / "demo.log").read_text()[-500:])
            if "Ctrl-C stops it" in (work / "demo.log").read_text():
                break
        server.send_signal(signal.SIGINT)
        server.wait(60)
    backups = []
    for act in range(8):
        backups.append(work / f"backup-{act}.sqlite")
        shutil.copy(data / "record/record.sqlite", backups[-1])
        done = run("access", "explain", "--as", "gp", "--person", "9990000018", "--data", data)
        if done.returncode:
            sys.exit("explain: " + done.stderr)
    return data, backups


# What is signed with the stolen key. RFC 8032, 5.1.6.
def sign(seed, message):
    wide = hashlib.sha512(seed).digest()
    secret = int.from_bytes(wide[:32], "little") & ~7 & (1 << 254) - 1 | 1 << 254
    press = lambda p: (lambda x, y: (y | (x & 1) << 255).to_bytes(32, "little"))(
        p[0] * pow(p[2], verify.P - 2, verify.P) % verify.P, p[1] * pow(p[2], verify.P - 2, verify.P) % verify.P)
    public = press(verify.times(secret, verify.BASE))
    r = int.from_bytes(hashlib.sha512(wide[32:] + message).digest(), "little") % verify.L
    point = press(verify.times(r, verify.BASE))
    h = int.from_bytes(hashlib.sha512(point + public + message).digest(), "little") % verify.L
    return public, point + ((r + h * secret) % verify.L).to_bytes(32, "little")


def note(name, seed, size, root):
    body = f"{name}\n{size}\n{base64.b64encode(root).decode()}\n"
    public, signature = sign(seed, body.encode())
    identity = hashlib.sha256(name.encode() + b"\n\1" + public).digest()[:4]
    return f"{body}\n— {name} {base64.b64encode(identity + signature).decode()}\n"


def stolen_key(data):
    name, seed = (data / "record/ledger-key").read_text().splitlines()[:2]
    return name, base64.b64decode(seed)


def put(c, number, entry):
    """Writes an entry with its own hash and index, as the store would."""
    said = json.loads(entry)
    c.execute("UPDATE entry SET form = 0, bytes = ?, entry = ?, leaf = ?, who = ? WHERE number = ?",
              (len(entry), entry, verify.leaf_hash(entry), said["who"], number))


def changed(entry):
    said = json.loads(entry)
    said["who"] = "somebody-else"
    return json.dumps(said, separators=(",", ":")).encode()


def shift(c, after, by):
    c.execute("UPDATE entry SET number = -1 - number WHERE number > ?", (after,))
    c.execute("UPDATE entry SET number = -1 - number + ? WHERE number < 0", (by,))


def resign(c, data, entries):
    """Every checkpoint anew, over these entries, with the stolen key."""
    name, seed = stolen_key(data)
    sizes = {size for (size,) in c.execute("SELECT size FROM checkpoint")}
    tree = verify.Tree()
    for entry in entries:
        tree.push(verify.leaf_hash(entry))
        if tree.size in sizes:
            c.execute("UPDATE checkpoint SET note = ?, frontier = ? WHERE size = ?",
                      (note(name, seed, tree.size, tree.root()), b"".join(tree.nodes), tree.size))


def edit(c, data, log, n):
    entry = changed(log[n])
    c.execute("UPDATE entry SET form = 0, bytes = ?, entry = ? WHERE number = ?", (len(entry), entry, n))


def edit_and_mend(c, data, log, n):
    put(c, n, changed(log[n]))


def retime(c, data, log, n):
    said = json.loads(log[n])
    said["at"] = "2020-01-01T00:00:00Z"
    put(c, n, json.dumps(said, separators=(",", ":")).encode())
    c.execute("UPDATE entry SET at = 1577836800000000 WHERE number = ?", (n,))


def delete(c, data, log, n):
    c.execute("DELETE FROM entry WHERE number = ?", (n,))


def delete_and_close(c, data, log, n):
    delete(c, data, log, n)
    shift(c, n, -1)


def insert(c, data, log, n):
    """Before an entry: what is put behind the last signed one is a new entry, in the window."""
    shift(c, n - 1, 1)
    c.execute("INSERT INTO entry SELECT number - 1, at, person, who, leaf, form, bytes, entry FROM entry WHERE number = ?", (n + 1,))
    put(c, n, changed(log[n]))


def swap(c, data, log, n):
    other = dice.choice([m for m in range(len(log)) if log[m] != log[n]])
    for old, new in ((n, -1), (other, n), (-1, other)):
        c.execute("UPDATE entry SET number = ? WHERE number = ?", (new, old))


def tail_cut(c, data, log, n):
    c.execute("DELETE FROM entry WHERE number >= ?", (n,))
    c.execute("DELETE FROM checkpoint WHERE size > ?", (n,))


def rewrite(c, data, log, n):
    for number in range(n, len(log)):
        put(c, number, changed(log[number]))
    resign(c, data, log[:n] + [changed(entry) for entry in log[n:]])


def old_backup(c, data, log, n):
    """In place of the database; see below."""


KINDS = [edit, edit_and_mend, retime, delete, delete_and_close, insert, swap, tail_cut, rewrite, old_backup]


def forged_witness(data, place):
    """The negative control: no witness but what the database says of itself."""
    (place / "2026-01").mkdir(parents=True)
    shutil.copy(data / "record/ledger-key.public", place / "verifier-key")
    c = sqlite3.connect(data / "record/record.sqlite")
    for size, text in c.execute("SELECT size, note FROM checkpoint"):
        (place / "2026-01" / f"{size:020}.note").write_text(text)
    c.close()
    return place


def both(data, witness):
    """Whether each verifier says that something was changed."""
    rust = run("audit", "verify", "--data", data, "--witness", witness)
    out = work / "out"
    shutil.rmtree(out, ignore_errors=True)
    written = run("audit", "export", "--data", data, "--to", out)
    if written.returncode or rust.returncode not in (0, 1):
        sys.exit(f"a command failed: {rust.stderr}{written.stderr}")
    with contextlib.redirect_stdout(io.StringIO()) as said:
        python = verify.main(["--log", str(out), "--witness", str(witness), "--json"])
    return rust.returncode == 1, python == 1, rust.stdout, said.getvalue()


def matrix():
    data, backups = make_log()
    plain = both(data, data / "witness")
    if plain[:2] != (False, False):
        sys.exit("the untouched log is not found whole:\n" + plain[2] + plain[3])
    log = list(verify.entries(work / "out"))
    copy = work / "copy"
    shutil.copytree(data, copy)
    print(f"a log of {len(log)} entries, {json.loads(plain[3])['checkpoints_checked']} checkpoints; seed {given.seed}")
    found = {kind.__name__: [0, 0, 0] for kind in KINDS}
    for turn in range(given.tamperings):
        kind = KINDS[turn % len(KINDS)]
        for beside in ("-wal", "-shm"):
            (copy / f"record/record.sqlite{beside}").unlink(missing_ok=True)
        whole = data / "record/record.sqlite"
        shutil.copy(dice.choice(backups) if kind is old_backup else whole, copy / "record/record.sqlite")
        c = sqlite3.connect(copy / "record/record.sqlite")
        c.execute("PRAGMA synchronous = OFF")
        kind(c, copy, log, dice.randrange(len(log)))
        c.commit()
        c.close()
        witness = data / "witness"
        if given.negative_control:
            shutil.rmtree(work / "forged", ignore_errors=True)
            witness = forged_witness(copy, work / "forged")
        rust, python, *_ = both(copy, witness)
        row = found[kind.__name__]
        row[0], row[1], row[2] = row[0] + 1, row[1] + rust, row[2] + python
    print(f"{'kind':18} {'done':>5} {'rust':>5} {'python':>6}")
    for kind, (done, rust, python) in found.items():
        print(f"{kind.replace('_', ' '):18} {done:5} {rust:5} {python:6}")
    done, rust, python = map(sum, zip(*found.values()))
    print(f"{'all':18} {done:5} {rust:5} {python:6}")
    return data, log, done == rust == python


def million(base, log):
    """A log of a million entries, made in the store's own form from real ones."""
    data = work / "million"
    shutil.copytree(base, data)
    shutil.rmtree(data / "record/tiles", ignore_errors=True)
    c = sqlite3.connect(data / "record/record.sqlite")
    c.executescript("PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY; DELETE FROM entry; DELETE FROM checkpoint;"
                    "DROP INDEX entry_person; DROP INDEX entry_who;")
    rows = c.execute("SELECT 0").fetchall()
    tree, marks = verify.Tree(), {given.entries // 2, given.entries}
    samples = [json.loads(entry) for entry in log if len(entry) < 1500] or [json.loads(entry) for entry in log]
    name, seed = stolen_key(data)
    witness = work / "million-witness"
    (witness / "2026-01").mkdir(parents=True)
    shutil.copy(data / "record/ledger-key.public", witness / "verifier-key")

    def rows():
        for number in range(given.entries):
            said = samples[number % len(samples)]
            at = 1_767_225_600 + number
            said["at"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
            entry = json.dumps(said, separators=(",", ":")).encode()
            leaf = verify.leaf_hash(entry)
            tree.push(leaf)
            if tree.size in marks:
                text = note(name, seed, tree.size, tree.root())
                (witness / "2026-01" / f"{tree.size:020}.note").write_text(text)
                held.append((tree.size, text, b"".join(tree.nodes)))
            person = person_key(said["person"]) if said.get("person") else None
            yield number, at * 1_000_000, person, said["who"], leaf, 0, len(entry), entry

    held = []
    c.executemany("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows())
    c.executemany("INSERT INTO checkpoint VALUES (?, ?, ?)", held)
    c.commit()
    c.close()
    size = (data / "record/record.sqlite").stat().st_size
    took = {}

    def timed(what, work):
        begun = time.monotonic()
        done = work()
        took[what] = time.monotonic() - begun
        if done.returncode:
            sys.exit(f"{what}: {done.stdout[-400:]}{done.stderr[-400:]}")
        return done

    timed("rust", lambda: run("audit", "verify", "--data", data, "--witness", witness))
    timed("export", lambda: run("audit", "export", "--data", data, "--to", work / "million-log"))
    script = here.parents[2] / "docs/audit/verify.py"
    words = [sys.executable, script, "--log", work / "million-log", "--witness", witness]
    timed("python", lambda: subprocess.run(list(map(str, words)), capture_output=True, text=True))
    longest = 0
    for number in (0, given.entries // 3, given.entries - 1):
        proof = json.loads(timed("prove", lambda: run("audit", "prove", number, "--data", data, "--json")).stdout)
        longest = max(longest, proof["proof"].split("\n\n")[0].count("\n") - 1)
    build = "release" if "/release/" in given.care else "debug"
    print(f"{given.entries} entries, {size >> 20} MiB, {build} build: rust {took['rust']:.1f} s, "
          f"python {took['python']:.1f} s after an export of {took['export']:.1f} s; "
          f"longest proof {longest} hashes, made offline in {took['prove']:.1f} s")
    return took["rust"] < 60 and longest <= 20


def person_key(text):
    """A person's key as the store's index has it: 13 letters of base 32 (Crockford)."""
    value = 0
    for letter in text:
        value = value << 5 | "0123456789abcdefghjkmnpqrstvwxyz".index(letter.lower())
    return value


try:
    base, log, green = matrix()
    if given.entries and not given.negative_control:
        green &= million(base, log)
finally:
    shutil.rmtree(work, ignore_errors=True)
print("S6 green" if green else "S6 RED: a tampering was not found, or a limit was passed")
sys.exit(0 if green else 1)
