#!/usr/bin/env python3
"""Plays the table of cases with each peer in each role: run.py INTEROP DIR [--only PATTERN]."""

import argparse
import fnmatch
import functools
import http.server
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import openssl
import python_ssl
from child import PATIENCE, Child, run, verdicts

HERE = pathlib.Path(__file__).resolve().parent
VERSIONS = ["TLSv1.2", "TLSv1.3"]
PEERS = ["websockets", "aiohttp", "ws", "openssl", "python_ssl", "curl", "libwebsockets",
         "chromium"]


class Interop:
    def __init__(self, program, folder):
        self.program, self.folder = program, pathlib.Path(folder)
        self.python = self.folder / "venv/bin/python"
        self.node = {**os.environ, "NODE_PATH": str(self.folder / "node/node_modules")}
        # For two days: they are made anew each time.
        self.certificates = self.folder / "certificates"
        subprocess.run([HERE / "certificates.sh", self.certificates], check=True)

    def serve(self, *options):
        return Child([self.program, "serve", *options])

    def over(self, versions, *more):
        return ["over", str(self.certificates), versions, *more]

    def secured(self, name, command, **more):
        """A peer with a script of ours, without and with TLS."""
        yield from self.scripted(name, command, **more)
        for version in VERSIONS:
            over, label = self.over(version), "over " + version
            with Child([*command, "server", *over], **more) as server:
                url = "wss://localhost:%s/" % server.line()
                yield label + " server", lambda: run(
                    [self.program, "client", "%s %s" % (name, label), url, *over])
            with self.serve(*self.over(",".join(VERSIONS))) as listener:
                url = "wss://localhost:%s/" % listener.line().rsplit(":", 1)[1]
                yield label + " client", lambda: run(
                    [*command, "client", url, *over], **more)

    def scripted(self, name, command, **more):
        """A peer with a script of ours: a server that prints its port, and a client."""
        with Child([*command, "server"], **more) as server:
            url = "ws://127.0.0.1:%s/" % server.line()
            yield "server", lambda: run([self.program, "client", name, url])
        with self.serve() as listener:
            url = "ws://%s/" % listener.line().split()[-1]
            yield "client", lambda: run([*command, "client", url], **more)

    def websockets(self):
        return self.library("websockets", self.secured)

    def aiohttp(self):
        return self.library("aiohttp", self.scripted)

    def library(self, name, play):
        if not self.python.exists():
            return skipped("pip could not install it")
        version = run([self.python, "-c", "import %s; print(%s.__version__)" % (name, name)])
        command = [self.python, HERE / "peers" / (name + "_peer.py")]
        return play("%s %s" % (name, version.strip()), command)

    def ws(self):
        if not (self.folder / "node/node_modules/ws").exists() or not shutil.which("node"):
            return skipped("there is no Node, or npm could not install it")
        version = run(["node", "-p", "require('ws/package.json').version"], env=self.node)
        command = ["node", HERE / "peers/ws_peer.js"]
        return self.secured("ws " + version.strip(), command, env=self.node)

    def openssl(self):
        return openssl.play(self)

    def python_ssl(self):
        return python_ssl.play(self)

    def curl(self):
        said = run(["curl", "--version"]) if shutil.which("curl") else ""
        version = re.match(r"curl (\S+)", said)
        protocols = re.search(r"^Protocols:(.*)$", said, re.M)
        if not protocols or "ws" not in protocols.group(1).split():
            what = "curl %s" % version.group(1) if version else "curl"
            return skipped("%s here is built without WebSocket" % what)
        return self.curl_client(version.group(1))

    def curl_client(self, version):
        """Its command line opens a connection and prints what comes, and can send nothing."""
        with self.serve() as listener:
            url = "ws://%s/" % listener.line().split()[-1]
            said = run(["curl", "--silent", "--max-time", "5", "--include", "--http1.1",
                        "--header", "Sec-WebSocket-Protocol: dumb-increment-protocol", url])
            ok = " 101 " in said and "0123" in said.replace("\n", "")
            line = "interop curl %s client: %d passed, %d failed" % (version, ok, not ok)
            yield "client", lambda: line

    def libwebsockets(self):
        if not shutil.which("libwebsockets-test-server"):
            return skipped("apt-get could not install it")
        said = run(["dpkg-query", "-W", "-f", "${Version}", "libwebsockets-test-server"])
        return self.libwebsockets_roles("libwebsockets " + said.split("-")[0])

    def libwebsockets_roles(self, name):
        # It takes no port 0.
        port = 20000 + os.getpid() % 10000
        command = ["libwebsockets-test-server", "--port", str(port), "--interface", "lo"]
        with Child(command):
            time.sleep(1)
            yield "server", lambda: run(
                [self.program, "mirror", name, "ws://127.0.0.1:%d/" % port])
        # Plain, as it agrees on compression for its numbers and then refuses them: "requires the
        # protocol to have an RX buffer >= 128", it says of itself.
        with self.serve("plain") as listener:
            port = listener.line().rsplit(":", 1)[1]
            yield "client", lambda: self.libwebsockets_client(name, port)

    def libwebsockets_client(self, name, port):
        """It opens a connection for each of its protocols, reads numbers, and draws without end."""
        with tempfile.TemporaryFile("w+") as output:
            client = subprocess.Popen(
                # 15: errors, warnings, notices, information.
                ["libwebsockets-test-client", "127.0.0.1", "--port", port, "-d", "15"],
                stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
            time.sleep(4)
            os.killpg(client.pid, signal.SIGKILL)
            client.wait()
            output.seek(0)
            said = output.read()
        numbers = [int(number) for number in re.findall(r"rx \d+ '(\d+)'", said)]
        cases = {
            "a connection for numbers": "dumb: LWS_CALLBACK_CLIENT_ESTABLISHED" in said,
            "a connection for drawing": "mirror: LWS_CALLBACK_CLIENT_ESTABLISHED" in said,
            "numbers in order": len(numbers) > 20 and numbers == list(range(len(numbers))),
            "nothing it calls illegal": "illegal" not in said,
        }
        return verdicts(name + " client", {case: None if ok else said[:6000]
                                           for case, ok in cases.items()})

    def chromium(self):
        if not shutil.which("chromium"):
            return skipped("apt-get could not install it")
        return self.chromium_client()

    def chromium_client(self):
        handler = functools.partial(Quiet, directory=str(HERE / "peers"))
        pages = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=pages.serve_forever, daemon=True).start()
        # It opens no WebSocket where it is asked for a certificate.
        for over in [[], self.over("TLSv1.3", "unasked")]:
            with self.serve(*over) as listener, tempfile.TemporaryDirectory() as profile:
                port = listener.line().rsplit(":", 1)[1]
                url = "wss://localhost:" + port if over else "ws://127.0.0.1:" + port
                page = "http://127.0.0.1:%d/page.html?url=%s/" % (pages.server_port, url)
                flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
                         "--no-first-run", "--disable-background-networking",
                         "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
                         "--remote-debugging-port=0", "--user-data-dir=" + profile,
                         # Errors of this key alone, whose authority it does not know.
                         "--ignore-certificate-errors-spki-list=" +
                         (self.certificates / "server.sha256").read_text().strip()]
                label = " over TLSv1.3 client" if over else " client"
                with Child(["chromium", *flags, page]):
                    yield label.strip(), lambda: self.chromium_report(listener, label)
        pages.shutdown()

    @staticmethod
    def chromium_report(listener, label):
        # Without an answer the listener is ended, and its output with it.
        timer = threading.Timer(PATIENCE, listener.process.kill)
        timer.start()
        lines = []
        while True:
            line = listener.line()
            if not line:
                lines.append("FAILED chromium%s: no report in %d s" % (label, PATIENCE))
                break
            if line.startswith("result "):
                _, passed, failed = line.split()
                # A page is told a part of it only.
                said = run(["chromium", "--version"])
                version = re.search(r"Chromium (\S+)", said).group(1)
                lines.append("interop chromium %s%s: %s passed, %s failed" % (
                    version, label, passed, failed))
                break
            lines.append(line)
        timer.cancel()
        return "\n".join(lines)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def skipped(reason):
    yield None, lambda: reason


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("folder")
    parser.add_argument("--only", default="*")
    options = parser.parse_args()
    interop = Interop(options.program, options.folder)
    lines, passed, failed = [], 0, 0
    for peer in PEERS:
        for role, play in getattr(interop, peer)():
            if role is None:
                lines.append("interop %s: skipped, %s" % (peer, play()))
                continue
            if not fnmatch.fnmatch("%s %s" % (peer, role), options.only):
                continue
            start = time.monotonic()
            output = play()
            last = re.search(r"^interop .*: (\d+) passed, (\d+) failed$", output, re.M)
            if last:
                passed, failed = passed + int(last.group(1)), failed + int(last.group(2))
                lines.append(last.group(0))
                output = output.replace(last.group(0), "")
            else:
                failed += 1
                lines.append("interop %s %s: no result" % (peer, role))
            print(output.strip() or "%s %s: all well, %.1f s" % (
                peer, role, time.monotonic() - start), flush=True)
    print(*lines, sep="\n")
    print("interop: %d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
