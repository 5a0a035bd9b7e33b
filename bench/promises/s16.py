"""The attack of promise S16, with what Python brings along. See S16.sh."""

import argparse
import http.client
import html
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Browser:
    """Cookies and forms, no more. `place` is where a proxy on this machine says it comes from."""

    def __init__(self, port, place):
        self.port, self.place, self.cookies = port, place, {}

    def ask(self, method, path, form=None, more=None):
        path = re.sub(r"^http://localhost:\d+", "", path)
        headers = {"Host": f"localhost:{self.port}", "X-Forwarded-For": self.place, **(more or {})}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        body = None
        if form is not None:
            body = urllib.parse.urlencode(form)
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        link.request(method, path, body, headers)
        answer = link.getresponse()
        text = answer.read().decode("utf-8", "replace")
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie":
                key, rest = value.split("=", 1)
                self.cookies[key] = rest.split(";")[0]
        link.close()
        return answer.status, answer.getheader("Location"), text

    def sign_in(self, user):
        _, to, _ = self.ask("GET", "/staff/login/start")
        _, _, page = self.ask("GET", to)
        form = {"user": user}
        for tag in re.findall(r"<input[^>]*>", page):
            name = re.search(r'name="([^"]*)"', tag)
            value = re.search(r'value="([^"]*)"', tag)
            if name and value and 'type="hidden"' in tag:
                form[html.unescape(name[1])] = html.unescape(value[1])
        _, to, _ = self.ask("POST", "/demo-identity/authorize", form)
        status, _, text = self.ask("GET", to)
        assert status == 303, text[:500]

    def csrf(self, path):
        _, _, page = self.ask("GET", path)
        found = re.search(r'name="csrf" value="([^"]*)"', page)
        assert found, page[:500]
        return found[1]


def nhs_number(dice):
    """A number of the range that is never given out, with a fitting check digit."""
    while True:
        digits = [9, 9, 9] + [dice.randrange(10) for _ in range(6)]
        check = 11 - sum(d * (10 - i) for i, d in enumerate(digits)) % 11
        check = 0 if check == 11 else check
        if check != 10:
            return "".join(map(str, digits)) + str(check)


def failed_sign_ins(port):
    browser, borne = Browser(port, "192.0.2.1"), 0
    for number in range(40):
        status, _, _ = browser.ask("GET", f"/staff/login/callback?code=guess{number}&state=guess")
        if status == 429:
            break
        borne += 1
    elsewhere, _, _ = Browser(port, "192.0.2.2").ask("GET", "/staff/login/start")
    return borne, elsewhere != 429


def numbers_on_the_page(port, dice):
    browser = Browser(port, "192.0.2.3")
    browser.sign_in("hospital-nurse")
    csrf, tried = browser.csrf("/staff/find"), 0
    for _ in range(150):
        form = {"csrf": csrf, "nhs-number": nhs_number(dice)}
        status, _, _ = browser.ask("POST", "/staff/find", form)
        if status == 429:
            break
        tried += 1
    return tried


def numbers_by_the_api(port, token, dice):
    browser, tried = Browser(port, "192.0.2.4"), 0
    for _ in range(150):
        form = {"identifier": nhs_number(dice)}
        more = {"Authorization": f"Bearer {token}"}
        status, _, text = browser.ask("POST", "/fhir/R4/Patient/_search", form, more)
        if status == 429:
            break
        assert status == 200, text[:500]
        tried += 1
    return tried


def told(port, since):
    """Seconds until the privacy officer's queue shows both users."""
    officer = Browser(port, "192.0.2.5")
    officer.sign_in("privacy-officer")
    while time.monotonic() - since < 60:
        _, _, page = officer.ask("GET", "/ig/review?kind=number-guessing")
        if re.search(r"<strong>2</strong> rows", page):
            return time.monotonic() - since
        time.sleep(0.5)
    return None


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--care", required=True)
    arguments.add_argument("--seed", type=int, default=2026)
    arguments.add_argument("--negative-control", action="store_true")
    given = arguments.parse_args()
    dice, port = random.Random(given.seed), free_port()
    print(f"seed {given.seed}")
    with tempfile.TemporaryDirectory() as data:
        command = [given.care, "demo", "--people", "0", "--port", str(port),
                   "--mllp-port", str(free_port()), "--data", data]
        if given.negative_control:
            command.append("--unthrottled")
        log = open(f"{data}/log", "w+")
        server = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            for _ in range(600):
                if "Ctrl-C stops it." in open(f"{data}/log").read():
                    break
                time.sleep(0.1)
            borne, others_pass = failed_sign_ins(port)
            began = time.monotonic()
            page = numbers_on_the_page(port, dice)
            token = subprocess.run([given.care, "token", "--as", "gp", "--data", data],
                                   check=True, capture_output=True, text=True).stdout.strip()
            api = numbers_by_the_api(port, token, dice)
            seconds = told(port, began)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(30)
    told_in = "never" if seconds is None else f"{seconds:.1f} s after the first try"
    print(f"failed sign-ins borne: {borne} (bar 10); another place may still sign in: {others_pass}")
    print(f"NHS numbers tried on the page before the stop: {page} (bar 100)")
    print(f"NHS numbers tried by the API before the stop: {api} (bar 100)")
    print(f"cases for the privacy officer: {told_in} (bar 60 s)")
    kept = borne <= 10 and others_pass and page <= 100 and api <= 100 and seconds is not None
    print("kept" if kept else "BROKEN")
    sys.exit(0 if kept else 1)


if __name__ == "__main__":
    main()
