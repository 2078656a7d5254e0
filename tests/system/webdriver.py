# SPDX-License-Identifier: BSD-3-Clause
"""A headless Chromium, driven by the WebDriver protocol."""
import json
import socket
import subprocess
import time
import urllib.error
import urllib.request

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
         "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--window-size=1400,1200"]
KEYS = {"right": "\ue014", "left": "\ue012", "home": "\ue011",
        "end": "\ue010", "page up": "\ue00e", "page down": "\ue00f"}


class Browser:
    """One window; use as a context."""

    def __init__(self, folder):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.root = f"http://127.0.0.1:{port}"
        self.driver = subprocess.Popen(
            ["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        self.session = None
        self.wait()
        options = {"args": FLAGS + [f"--user-data-dir={folder}"]}
        answer = self.ask("POST", "/session", {"capabilities": {
            "alwaysMatch": {"goog:chromeOptions": options}}})
        self.session = f"/session/{answer['sessionId']}"

    def wait(self):
        for _ in range(200):
            try:
                if self.ask("GET", "/status")["ready"]:
                    return
            except (OSError, urllib.error.URLError):
                time.sleep(0.1)
        raise RuntimeError("chromedriver does not answer")

    def ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.root + path, data, {"Content-Type": "application/json"},
            method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as reply:
                return json.load(reply)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(error.read().decode()) from error

    def open(self, url):
        self.ask("POST", self.session + "/url", {"url": url})

    def run(self, script, *args):
        """What a script returns; arguments[0] is the first argument."""
        return self.ask("POST", self.session + "/execute/sync",
                        {"script": script, "args": args})

    def press(self, key):
        down, up = ({"type": kind, "value": KEYS[key]}
                    for kind in ("keyDown", "keyUp"))
        self.ask("POST", self.session + "/actions", {"actions": [
            {"type": "key", "id": "keyboard", "actions": [down, up]}]})

    def click(self, x, y):
        self.ask("POST", self.session + "/actions", {"actions": [
            {"type": "pointer", "id": "mouse", "actions": [
                {"type": "pointerMove", "x": int(x), "y": int(y)},
                {"type": "pointerDown", "button": 0},
                {"type": "pointerUp", "button": 0}]}]})

    def prefer(self, scheme):
        """"light" or "dark"."""
        self.ask("POST", self.session + "/goog/cdp/execute", {
            "cmd": "Emulation.setEmulatedMedia", "params": {"features": [
                {"name": "prefers-color-scheme", "value": scheme}]}})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            if self.session:
                self.ask("DELETE", self.session)
        finally:
            self.driver.terminate()
            self.driver.wait(30)
