#!/usr/bin/env python3
"""Checks the audit log of a Connect Care, or the proof of one entry, without Connect Care.

    verify.py --log DIR --witness DIR [--witness DIR ...] [--key NAME+ID+KEY] [--json]
    verify.py --proof FILE [--key NAME+ID+KEY] [--witness-key NAME+ID+KEY ...]

DIR after --log is what `connect-care audit export` wrote, or the directory of [audit] publish. DIR
after --witness is a witness's own copy. A second reading of the formats, on purpose: it shares no
code with Connect Care and needs only Python. It trusts the witness's copy and the key it finds there
(or the one given), and nothing in the log: every hash is computed again from the entries themselves.
Ends with 0 when nothing was changed, 1 when something was, 2 for wrong use.

Formats: RFC 6962 (tree), RFC 8032 (Ed25519), C2SP signed-note, tlog-checkpoint, tlog-cosignature,
tlog-tiles, tlog-proof.
"""
import argparse, base64, binascii, functools, hashlib, json, pathlib, sys

# Ed25519, verification only, after RFC 8032 section 5.1.
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)

def recover_x(y, odd):
    """The x of a point with this y, or None where there is none."""
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_1 % P
    if (x * x - square) % P or (x == 0 and odd):
        return None
    return P - x if x & 1 != odd else x

def add(a, b):
    """The sum of two points in extended coordinates."""
    f, g = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    h, i = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = g - f, i - h, i + h, g + f
    return e * f % P, g * h % P, f * g % P, e * h % P

def times(scalar, point):
    total = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            total = add(total, point)
        point = add(point, point)
        scalar >>= 1
    return total

def point(text):
    y = int.from_bytes(text, "little")
    x = recover_x(y & ((1 << 255) - 1), y >> 255)
    y &= (1 << 255) - 1
    return None if x is None else (x, y, 1, x * y % P)


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE = (recover_x(BASE_Y, 0), BASE_Y, 1, recover_x(BASE_Y, 0) * BASE_Y % P)

@functools.lru_cache(maxsize=None)
def ed25519_holds(key, message, signature):
    if len(key) != 32 or len(signature) != 64:
        return False
    a, r, s = point(key), point(signature[:32]), int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= L:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    left, right = times(s, BASE), add(r, times(h, a))
    return not any((left[i] * right[2] - right[i] * left[2]) % P for i in (0, 1))


# Signed notes and checkpoints.
class Key:
    """A verifier key: algorithm 1 signs notes, 4 is a witness's timestamped signature."""

    def __init__(self, text):
        try:
            self.name, identity, key = text.strip().split("+", 2)
            raw = base64.b64decode(key, validate=True)
        except (ValueError, binascii.Error):
            raise ValueError("this is no verifier key; it has the form name+id+key")
        self.algorithm, self.key = raw[0], raw[1:]
        self.id = hashlib.sha256(self.name.encode() + b"\n" + raw).digest()[:4]
        if self.id.hex() != identity or self.algorithm not in (1, 4) or len(self.key) != 32:
            raise ValueError("this verifier key is damaged, or of a kind not known here")

    def signed(self, note):
        """Whether this key signed the note; for a witness, since when (seconds since 1970)."""
        body, _, lines = note.partition("\n\n")
        body = (body + "\n").encode()
        for line in lines.splitlines():
            name, _, text = line.removeprefix("— ").partition(" ")
            if not line.startswith("— ") or name != self.name:
                continue
            try:
                raw = base64.b64decode(text, validate=True)
            except (ValueError, binascii.Error):
                raw = b""
            if raw[:4] != self.id:
                continue
            if self.algorithm == 1 and ed25519_holds(self.key, body, raw[4:]):
                return True
            if self.algorithm == 4:
                seconds = int.from_bytes(raw[4:12], "big")
                told = b"cosignature/v1\ntime %d\n" % seconds + body
                if ed25519_holds(self.key, told, raw[12:]):
                    return seconds
        return False

def checkpoint(note, key):
    """(size, root) of a note signed by the log; None where it is no such note."""
    lines = note.partition("\n\n")[0].split("\n")
    if len(lines) < 3 or lines[0] != key.name or not lines[1].isdecimal() or not key.signed(note):
        return None
    root = base64.b64decode(lines[2])
    return (int(lines[1]), root) if len(root) == 32 else None


# The tree.
def leaf_hash(entry): return hashlib.sha256(b"\0" + entry).digest()
def node_hash(left, right): return hashlib.sha256(b"\1" + left + right).digest()

class Tree:
    """Grows by a leaf at a time; keeps only the roots of its full subtrees."""

    def __init__(self):
        self.size, self.nodes = 0, []

    def push(self, leaf):
        bit = self.size
        while bit & 1:
            leaf, bit = node_hash(self.nodes.pop(), leaf), bit >> 1
        self.nodes.append(leaf)
        self.size += 1

    def root(self):
        nodes = self.nodes[::-1] or [hashlib.sha256(b"").digest()]
        return functools.reduce(lambda right, left: node_hash(left, right), nodes)

def included(leaf, index, size, path, root):
    """RFC 9162, 2.1.3.2."""
    if index >= size:
        return False
    place, last, node = index, size - 1, leaf
    for neighbour in path:
        if last == 0:
            return False
        if place & 1 or place == last:
            node = node_hash(neighbour, node)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            node = node_hash(node, neighbour)
        place, last = place >> 1, last >> 1
    return last == 0 and node == root


# The files.
def place_of(index):
    """1234067 is x001/x234/067."""
    groups = [f"{index % 1000:03}"]
    while index := index // 1000:
        groups.insert(0, f"x{index % 1000:03}")
    return "/".join(groups)

def widest(directory, kind, index):
    """The bytes of a tile or bundle: the full one, else its widest part; None where there is none."""
    full = directory / "tile" / kind / place_of(index)
    if full.is_file():
        return full.read_bytes()
    parts = full.with_name(full.name + ".p")
    widths = [int(part.name) for part in parts.glob("*") if part.name.isdecimal()]
    return (parts / str(max(widths))).read_bytes() if widths else None

def entries(directory):
    """Every entry in order, from bundles of 256: a length, big end first, then the entry."""
    for index in range(1 << 40):
        bundle, head = widest(directory, "entries", index), 2
        if bundle is None:
            bundle, head = widest(directory, "entries-long", index), 4
        if bundle is None:
            return
        at = count = 0
        while at < len(bundle):
            end = at + head + int.from_bytes(bundle[at : at + head], "big")
            if end > len(bundle):
                raise ValueError(f"the bundle of entries {index} is cut off")
            yield bundle[at + head : end]
            at, count = end, count + 1
        if count != 256:
            return

def witness_checkpoints(directory, key, findings):
    """Every checkpoint a witness kept: YYYY-MM/SIZE.note."""
    for file in sorted(directory.glob("*/*.note")):
        found = checkpoint(file.read_text("utf-8", "replace"), key)
        if found and file.stem.isdecimal() and int(file.stem) == found[0]:
            yield found
        else:
            findings.append(f"the checkpoint {file} cannot be trusted")

def verify_log(log, witnesses, key):
    """Compares the entries with every checkpoint of every witness. Gives figures and findings."""
    findings, wanted, leaves = [], {}, []
    for directory in witnesses:
        theirs = key or Key((directory / "verifier-key").read_text())
        for size, root in witness_checkpoints(directory, theirs, findings):
            wanted.setdefault(size, set()).add(root)
        leaves.append(directory if (directory / "tile" / "0").is_dir() else None)
    tree, denials, acts, fits_to, tiles, named = Tree(), 0, {}, 0, {}, False

    def compare():
        nonlocal fits_to
        for root in wanted.get(tree.size, ()):
            if root != tree.root():
                findings.append(f"the log does not fit the checkpoint of size {tree.size}: entries were "
                                f"changed, taken away, added or swapped at or after entry {fits_to}")
                return
        if tree.size in wanted:
            fits_to = tree.size

    compare()
    for entry in entries(log):
        number, leaf = tree.size, leaf_hash(entry)
        try:
            said = json.loads(entry)
            acts[said["act"]] = acts.get(said["act"], 0) + 1
            denials += said["outcome"] == "denied"
        except (ValueError, KeyError, TypeError):
            findings.append(f"entry {number} is missing or is no entry")
        for directory in filter(None, leaves):
            if number % 256 == 0 or directory not in tiles:
                tiles[directory] = widest(directory, "0", number // 256) or b""
            theirs = tiles[directory][number % 256 * 32 :][:32]
            if theirs and theirs != leaf and not named:
                findings.append(f"entry {number} is the first that is not as the witness has it")
                named = True
        tree.push(leaf)
        compare()
    most = max(wanted, default=0)
    if most > tree.size:
        findings.append(f"{tree.size} entries are held, but a checkpoint signed {most}: the end was cut "
                        f"off, or an older copy stands in place of the record")
    if not wanted:
        findings.append("no witness checkpoint was there to compare with, so nothing was shown")
    return {"ok": not findings, "entries": tree.size, "checkpoints_checked": sum(map(len, wanted.values())),
            "uncovered": max(0, tree.size - most), "denials": denials, "by_act": acts, "findings": findings[:100]}

def verify_proof(file, key, witness_keys):
    """Checks a file of /me/who-looked: one entry, its way to the root, the signatures over the root."""
    held = json.loads(file.read_text("utf-8"))
    log = key or Key(held["log_key"])
    head, _, note = held["proof"].partition("\n\n")
    first, index, *path = head.split("\n")
    if first != "c2sp.org/tlog-proof@v1" or not index.startswith("index "):
        return {"ok": False, "findings": ["this is no proof"]}
    found, index = checkpoint(note, log), int(index.removeprefix("index "))
    if not found:
        return {"ok": False, "findings": ["the checkpoint is not signed by the log's key"]}
    size, root = found
    leaf = leaf_hash(held["entry"].encode()) if "entry" in held else bytes.fromhex(held["entry_hash"])
    findings = []
    if not included(leaf, index, size, [base64.b64decode(line) for line in path], root):
        findings.append("the entry is not the one in the log")
    seen = {}
    for witness in witness_keys or [Key(text) for text in held["witness_keys"]]:
        seen[witness.name] = witness.signed(note)
        if not seen[witness.name]:
            findings.append(f"the witness {witness.name} did not sign this checkpoint")
    return {"ok": not findings, "entry": index, "of": size, "log": log.name, "hashes": len(path),
            "signed_by_witnesses": seen, "findings": findings}

def main(words=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--log", type=pathlib.Path, help="the log, written out by `connect-care audit export`")
    parser.add_argument("--witness", type=pathlib.Path, action="append", default=[], help="a witness's copy")
    parser.add_argument("--proof", type=pathlib.Path, help="a proof of one entry")
    parser.add_argument("--key", type=Key, help="the log's verifier key, from somewhere you trust")
    parser.add_argument("--witness-key", type=Key, action="append", default=[])
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(words)
    if bool(given.log) == bool(given.proof) or (given.log and not given.witness):
        parser.error("give --log with --witness, or --proof")
    try:
        report = (verify_proof(given.proof, given.key, given.witness_key) if given.proof
                  else verify_log(given.log, given.witness, given.key))
    except (OSError, ValueError, KeyError) as error:
        report = {"ok": False, "findings": [f"it cannot be read: {error}"]}
    lines = [f"{name:20} {value}" for name, value in report.items() if name not in ("ok", "findings")]
    lines += ["FOUND: " + finding for finding in report["findings"]] or ["Nothing was changed."]
    print(json.dumps(report, indent=1) if given.json else "\n".join(lines))
    return 0 if report["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
