"""TLS itself, by openssl's programs, which can be asked for its rarer parts."""

import array
import fcntl
import re
import subprocess
import tempfile
import termios
import threading
import time

import wire
from child import Child, run, verdicts

PATIENCE = 15
TEXTS = [b"", b"a", b"b" * 125, b"c" * 126, b"d" * 70_000]
SUITES = {
    "-ciphersuites": ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                      "TLS_CHACHA20_POLY1305_SHA256"],
    "-cipher": ["ECDHE-%s-%s" % (key, rest) for key in ["ECDSA", "RSA"] for rest in
                ["AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305"]],
}


def judge(name, cases):
    """Plays them one after another; a case is what it is called and a function."""
    problems = {}
    for case, play in cases:
        try:
            play()
            problems[case] = None
        except Exception as problem:  # whatever it is, it is a failure
            problems[case] = "%s: %s" % (type(problem).__name__, problem)
    return verdicts(name, problems)


# --- openssl's programs ---------------------------------------------------------------------------

class Program(Child):
    """One that is talked to; what it has said is kept."""

    def __init__(self, command):
        super().__init__(command, text=False, bufsize=0, stderr=subprocess.PIPE)
        self.out, self.err, self.ended = bytearray(), bytearray(), 0
        self.news = threading.Condition()
        for pipe, said in [(self.process.stdout, self.out), (self.process.stderr, self.err)]:
            threading.Thread(target=self.hear, args=(pipe, said), daemon=True).start()

    def hear(self, pipe, said):
        while True:
            part = pipe.read(65_536)
            with self.news:
                said += part
                self.ended += not part
                self.news.notify_all()
            if not part:
                return

    def say(self, what):
        self.process.stdin.write(what)

    def expect(self, what, start=0):
        """Waits until that was said, in either way; the position behind it."""
        def found():
            return any(what in said[start:] for said in (self.out, self.err))

        with self.news:
            self.news.wait_for(lambda: found() or self.ended == 2, PATIENCE)
            if not found():
                said = bytes(self.out[start:] + self.err)
                raise AssertionError("no %r in %r" % (what[:60], said))
            return self.out.find(what, start) + len(what)

    def take(self, count, start):
        with self.news:
            self.news.wait_for(lambda: len(self.out) >= start + count or self.ended == 2)
            if len(self.out) < start + count:
                raise ConnectionError("it has ended")
            return bytes(self.out[start:start + count])

    def end(self):
        """Waits until it ends by itself."""
        with self.news:
            if not self.news.wait_for(lambda: self.ended == 2, PATIENCE):
                raise AssertionError("it goes on: %r" % bytes(self.out[-200:] + self.err))
        self.process.wait(PATIENCE)


class Client(Program):
    """`openssl s_client`, through which a WebSocket client speaks."""

    def __init__(self, certificates, port, *options):
        super().__init__([
            "openssl", "s_client", "-connect", "127.0.0.1:" + port, "-servername", "localhost",
            "-CAfile", certificates / "ca.pem", "-verify_return_error", "-verify_hostname",
            "localhost", *options])

    def upgrade(self):
        self.say(wire.REQUEST)
        self.expect(b"\r\n\r\n", self.expect(b" 101 "))
        return self

    def echo(self, text):
        start = len(self.out)
        self.say(wire.masked(text))
        self.expect(wire.unmasked(text), start)

    def security(self):
        """What the listener says of the connection."""
        start = len(self.out)
        self.say(wire.masked(b"!security"))
        at = self.expect(b"\x81", start)
        size, = self.take(1, at)
        return self.take(size, at + 1).decode()

    def close(self):
        self.say(wire.masked(wire.close(), wire.CLOSE))
        self.expect(wire.unmasked(wire.close(), wire.CLOSE))
        # The listener's close_notify ends it in peace.
        self.end()
        assert self.process.returncode == 0, bytes(self.err)


def play(interop):
    version = run(["openssl", "version"]).split()[1]
    yield "client", lambda: as_client(interop, "openssl %s client" % version)
    yield "server", lambda: as_server(interop, "openssl %s" % version)


def as_client(interop, name):
    with interop.serve(*interop.over("TLSv1.2,TLSv1.3")) as both, \
            interop.serve(*interop.over("TLSv1.3", "required")) as strict, \
            interop.serve(*interop.over("TLSv1.2", "required")) as old:
        ports = [listener.line().rsplit(":", 1)[1] for listener in (both, strict, old)]
        return judge(name, client_cases(interop.certificates, *ports))


def client_cases(certificates, port, strict, old):
    def client(*options, port=port):
        return Client(certificates, port, *options)

    def own(name):
        return ["-cert", certificates / (name + ".pem"), "-key", certificates / (name + ".key")]

    def echoes(*options):
        with client(*options) as program:
            program.upgrade()
            for text in TEXTS:
                program.echo(text)
            program.close()

    def said(expected, *options):
        with client(*options) as program:
            found = program.upgrade().security()
            assert found.startswith(expected), found
            program.close()

    def refused(why, *options, port=port):
        with client(*options, port=port) as program:
            # With TLS 1.3 a client is done before the listener has looked at its certificate.
            try:
                program.say(wire.REQUEST)
            except BrokenPipeError:
                pass
            program.expect(why)
            program.end()

    def resumed(*options):
        with tempfile.NamedTemporaryFile() as session:
            said_of = "TLSv1.3" if "-tls1_3" in options else "TLSv1.2"
            said(said_of + " new", "-sess_out", session.name, *options)
            with client("-sess_in", session.name, *options) as program:
                found = program.upgrade().security()
                assert found.startswith(said_of + " resumed"), found
                program.expect(b"Reused, ")
                program.close()

    def key_updates():
        with client("-tls1_3") as program:
            program.upgrade()
            for number in range(40):
                start = len(program.err)
                program.say(b"kK"[number % 2:][:1] + b"\n")
                with program.news:
                    program.news.wait_for(lambda: b"KEYUPDATE" in program.err[start:], PATIENCE)
                program.echo(b"message %d" % number)
            program.close()
            assert program.err.count(b"KEYUPDATE") == 40, bytes(program.err)

    def renegotiation():
        with client("-tls1_2") as program:
            program.upgrade().say(b"R\n")
            program.expect(b"no renegotiation")
            program.end()
        echoes("-tls1_2")

    for version in ["-tls1_2", "-tls1_3"]:
        yield "echoes, " + version, lambda: echoes(version)
        yield "records of 512 bytes, " + version, lambda: echoes(version, "-max_send_frag", "512")
        yield "a session resumed by its ticket, " + version, lambda: resumed(version)
        yield "a certificate, " + version, lambda: said(
            "TLSv1.%s new gateway-7 localhost" % version[-1], version, *own("client"))
        yield "no certificate, " + version, lambda: said(
            "TLSv1.%s new - localhost" % version[-1], version)
        yield "a stranger's certificate, " + version, lambda: refused(
            b"alert unknown ca", version, *own("stranger"))
    yield "a session resumed by its id, -tls1_2", lambda: resumed("-tls1_2", "-no_ticket")
    yield "no certificate where one is required, -tls1_3", lambda: refused(
        b"alert certificate required", port=strict)
    yield "no certificate where one is required, -tls1_2", lambda: refused(
        b"alert certificate required", port=old)
    yield "a version that the listener does not allow, -tls1_2", lambda: refused(
        b"alert protocol version", "-tls1_2", port=strict)
    yield "a version that the listener does not allow, -tls1_3", lambda: refused(
        b"alert protocol version", "-tls1_3", port=old)
    # rustls gives up on its suites first.
    yield "a version that is too old, -tls1_1", lambda: refused(
        b"alert handshake failure", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
    yield "a suite that is too old", lambda: refused(
        b"alert handshake failure", "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA")
    yield "another application protocol", lambda: refused(
        b"alert no application protocol", "-alpn", "h2")
    yield "an application protocol", lambda: echoes("-alpn", "h2,http/1.1")
    for option, suites in SUITES.items():
        for suite in suites:
            yield suite, lambda: echoes("-tls1_2" if option == "-cipher" else "-tls1_3",
                                        option, suite)
    for groups in ["X25519", "P-256", "P-384", "P-521:P-256"]:
        yield "groups " + groups, lambda: echoes("-groups", groups)
    yield "a certificate with an RSA key", lambda: echoes("-sigalgs", "rsa_pss_rsae_sha256")
    yield "keys that change between messages", key_updates
    yield "renegotiation is refused, and nobody else is disturbed", renegotiation


class Server(Program):
    """`openssl s_server`, through which a WebSocket server speaks."""

    def __init__(self, certificates, *options):
        super().__init__([
            "openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", certificates / "server.pem",
            "-key", certificates / "server.key", "-CAfile", certificates / "ca.pem", *options])
        at = self.expect(b"ACCEPT ")
        self.expect(b"\n", at)
        self.url = "wss://localhost:%s/" % re.search(rb"ACCEPT \S+:(\d+)", self.out)[1].decode()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        at = 0
        try:
            while True:
                with self.news:
                    self.news.wait_for(lambda: b"GET / " in self.out[at:] or self.ended == 2)
                at = self.out.find(b"GET / ", at)
                if at < 0:
                    return
                stream = Stream(self, at)
                wire.echo(stream.take, self.say, self.order)
                at = stream.at
        except (ConnectionError, BrokenPipeError, ValueError):
            pass

    def order(self, text):
        letter = {b"!keyupdate": b"k\n", b"!keyupdate-requested": b"K\n"}.get(text)
        if letter:
            # It is an order at the start of what is read only, and not acknowledged.
            self.say(letter)
            self.until_read()

    def until_read(self):
        end = time.monotonic() + PATIENCE
        while array.array("i", fcntl.ioctl(self.process.stdin, termios.FIONREAD, bytes(4)))[0]:
            if time.monotonic() > end:
                raise ConnectionError("it does not read")
            time.sleep(0.001)


class Stream:
    def __init__(self, program, at):
        self.program, self.at = program, at

    def take(self, count):
        taken = self.program.take(count, self.at)
        self.at += count
        return taken


def as_server(interop, name):
    certificates = interop.certificates
    required = ["-Verify", "1", "-verify_return_error"]

    def told(server, versions, *more):
        with server:
            return run([interop.program, "told", server.url, *interop.over(versions, *more)])

    def played(command, version, *options):
        with Server(certificates, *required, *options) as server:
            output = run([interop.program, command, name, server.url, *interop.over(version)])
            assert re.search(r": [1-9]\d* passed, 0 failed$", output, re.M), output

    def keys():
        with tempfile.NamedTemporaryFile("r") as log:
            played("keys", "TLSv1.3", "-tls1_3", "-msg", "-msgfile", log.name)
            said = log.read()
        counts = [len(re.findall(way + r" TLS 1.3, Handshake .*KeyUpdate", said))
                  for way in (">>>", "<<<")]
        # Half of its own ask for one of the client's.
        assert counts == [40, 20], counts

    def refusal(expected, versions, *options):
        found = told(Server(certificates, *options), versions, "anonymous")
        assert expected in found, found

    return judge(name + " server", [
        ("echoes, TLSv1.2", lambda: played("few", "TLSv1.2", "-tls1_2")),
        ("echoes, TLSv1.3", lambda: played("few", "TLSv1.3", "-tls1_3")),
        ("keys that change between messages", keys),
        ("no certificate where one is required, TLSv1.2", lambda: refusal(
            "handshake_failure", "TLSv1.2", "-tls1_2", *required)),
        ("no certificate where one is required, TLSv1.3", lambda: refusal(
            "certificate_required", "TLSv1.3", "-tls1_3", *required)),
        ("a version that is too old", lambda: refusal(
            "protocol_version", "TLSv1.2,TLSv1.3", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")),
        ("no suite in common", lambda: refusal(
            "handshake_failure", "TLSv1.2", "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA")),
        ("another application protocol", lambda: refusal(
            "no_application_protocol", "TLSv1.3", "-alpn", "h2")),
    ])
