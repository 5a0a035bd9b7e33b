#!/usr/bin/env python3
"""Sends every HL7 v2 message below a folder to an MLLP listener, with the client of Python's `hl7`.

Each message is sent twice: every one must be acknowledged, and the second answer must be the first,
byte for byte. Prints a tally of answers; ends with 1 when an answer is missing or differs.

    pip install hl7
    connect-care demo &
    python3 bench/clients/hl7_samples.py ../shared/data/hl7v2 localhost:2575

A message is cut out of its file at each line that begins with MSH; frame bytes, byte order marks and
blank lines around it are left out, nothing else is changed.
"""

import collections
import pathlib
import re
import sys

from hl7.client import MLLPClient

HEADER = re.compile(rb"(?:^|(?<=[\r\n\x0b]))MSH[^A-Za-z0-9]")


def messages(folder):
    for path in sorted(pathlib.Path(folder).rglob("*.hl7")):
        data = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
        starts = [found.start() for found in HEADER.finditer(data)]
        for start, end in zip(starts, starts[1:] + [len(data)]):
            yield path.name, data[start:end].strip(b"\r\n \x0b\x1c")


def send_all(address, all_messages):
    host, port = address.rsplit(":", 1)
    answers = []
    with MLLPClient(host, int(port)) as client:
        for _, message in all_messages:
            answers.append(client.send_message(message))
    return answers


def word(answer):
    """`AA`, or the code with the place of the first fault."""
    for segment in answer.strip(b"\x0b\x1c\r").split(b"\r"):
        fields = segment.decode("latin-1").split("|")
        if fields[0] == "MSA":
            place = fields[3].split(":")[0] if len(fields) > 3 and fields[1] != "AA" else ""
            return f"{fields[1]} {place}".strip()
    return "no acknowledgement"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    folder, address = sys.argv[1:]
    all_messages = list(messages(folder))
    first = send_all(address, all_messages)
    second = send_all(address, all_messages)
    tally = collections.Counter(map(word, first))
    for what, count in tally.most_common():
        print(f"{count:6} {what}")
    differing = [name for (name, _), a, b in zip(all_messages, first, second) if a != b]
    print(f"{len(all_messages):6} messages, each sent twice; {len(differing)} answers differ")
    for name in differing[:20]:
        print(f"       differs: {name}")
    sys.exit(1 if differing or tally["no acknowledgement"] else 0)


main()
