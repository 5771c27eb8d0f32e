"""TLS by Python's ssl: records and segments of one byte, sessions, and ends of all kinds."""

import platform
import re
import socket
import ssl
import threading

import wire
from child import run
from openssl import PATIENCE, judge

VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}


def play(interop):
    version = ssl.OPENSSL_VERSION.split()[1]
    name = "python-ssl %s (openssl %s)" % (platform.python_version(), version)
    yield "client", lambda: client(interop, name + " client")
    yield "server", lambda: server(interop, name)


def take_from(stream):
    def take(count):
        found = b""
        while len(found) < count:
            part = stream.recv(count - len(found))
            if not part:
                raise ConnectionError("it has ended behind %r" % found[-100:])
            found += part
        return found
    return take


def expect(stream, expected):
    found = take_from(stream)(len(expected))
    assert found == expected, "%r instead of %r" % (found[:60], expected[:60])


def upgrade(stream):
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += take_from(stream)(1)
    assert b" 101 " in head, head


def context(interop, version):
    context = ssl.create_default_context(cafile=interop.certificates / "ca.pem")
    context.minimum_version = context.maximum_version = VERSIONS[version]
    return context


def client(interop, name):
    with interop.serve(*interop.over("TLSv1.2,TLSv1.3")) as listener:
        address = "127.0.0.1", int(listener.line().rsplit(":", 1)[1])
        return judge(name, client_cases(interop, address))


def client_cases(interop, address):
    # A session belongs to its context.
    contexts = {version: context(interop, version) for version in VERSIONS}

    def dial():
        plain = socket.create_connection(address, PATIENCE)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return plain

    def open_to(version, session=None):
        stream = contexts[version].wrap_socket(
            dial(), server_hostname="localhost", session=session, suppress_ragged_eofs=False)
        stream.sendall(wire.REQUEST)
        upgrade(stream)
        return stream

    def echo(stream, text=b"behind it"):
        stream.sendall(wire.masked(text))
        expect(stream, wire.unmasked(text))

    def close(stream):
        stream.sendall(wire.masked(wire.close(), wire.CLOSE))
        expect(stream, wire.unmasked(wire.close(), wire.CLOSE))
        # Without close_notify this is an error.
        assert stream.recv(1) == b""
        stream.unwrap()
        stream.close()

    def one_byte_records(version):
        stream = open_to(version)
        for text in [b"", b"a", b"x" * 300]:
            for byte in wire.masked(text):
                stream.sendall(bytes([byte]))
            expect(stream, wire.unmasked(text))
        close(stream)

    def one_byte_segments(version):
        inner, outer = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = contexts[version].wrap_bio(inner, outer, server_hostname="localhost")
        plain = dial()

        def until(step):
            while True:
                try:
                    done = step()
                except ssl.SSLWantReadError:
                    done = None
                for byte in outer.read():
                    plain.sendall(bytes([byte]))
                if done is not None:
                    return done
                inner.write(plain.recv(1))

        until(lambda: tls.do_handshake() or True)
        until(lambda: tls.write(wire.REQUEST + wire.masked(b"x" * 300)))
        found = b""
        while not found.endswith(wire.unmasked(b"x" * 300)):
            found += until(lambda: tls.read(1))
        plain.close()

    def resumed(version):
        first = open_to(version)
        echo(first)
        session = first.session
        close(first)
        second = open_to(version, session)
        assert second.session_reused
        echo(second)
        close(second)

    def cut_off(version):
        stream = open_to(version)
        stream.sendall(wire.masked(b"x" * 1000)[:500])
        socket.socket.close(stream)
        close(open_to(version))

    def goodbye_without_close(version):
        stream = open_to(version)
        echo(stream)
        stream.unwrap().close()
        close(open_to(version))

    def changed_on_its_way(version):
        stream = open_to(version)
        plain = socket.socket(fileno=socket.dup(stream.fileno()))
        plain.sendall(b"\x17\x03\x03\x00\x40" + bytes(64))
        try:
            stream.recv(1)
        except ssl.SSLError as error:
            assert "alert bad record mac" in str(error), error
        else:
            raise AssertionError("no alert")
        stream.close()
        plain.close()

    def plain_http():
        plain = dial()
        plain.sendall(wire.REQUEST)
        answer = b""
        while part := plain.recv(100):
            answer += part
        # An alert, and nothing of HTTP.
        assert answer[:1] == b"\x15", answer
        close(open_to("TLSv1.3"))

    for version in VERSIONS:
        for step in [one_byte_records, one_byte_segments, resumed, cut_off, goodbye_without_close,
                     changed_on_its_way]:
            yield "%s, %s" % (step.__name__.replace("_", " "), version), lambda: step(version)
    yield "plain http", plain_http


class Server:
    """A TCP server that handles one connection after another, with a thread of its own."""

    def __init__(self, handle):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = "wss://localhost:%d/" % self.socket.getsockname()[1]
        self.handle = handle
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                plain, _ = self.socket.accept()
                plain.settimeout(PATIENCE)
                with plain:
                    self.handle(plain)
            except OSError:  # ssl.SSLError is one
                if self.socket.fileno() < 0:
                    return

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


def server(interop, name):
    def secure(plain, version):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(interop.certificates / "server.pem",
                                interop.certificates / "server.key")
        context.minimum_version = context.maximum_version = VERSIONS[version]
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return context.wrap_socket(plain, server_side=True)

    def byte_by_byte(version):
        def handle(plain):
            with secure(plain, version) as stream:
                def send(what):
                    for byte in what:
                        stream.sendall(bytes([byte]))

                wire.echo(take_from(stream), send)
                stream.unwrap()

        with Server(handle) as here:
            output = run([interop.program, "few", name, here.url, *interop.over(version)])
            assert re.search(r": [1-9]\d* passed, 0 failed$", output, re.M), output

    def told(expected, handle):
        with Server(handle) as here:
            found = run([interop.program, "told", here.url, *interop.over("TLSv1.2,TLSv1.3")])
            assert expected in found, found

    def speaks_http(plain):
        plain.recv(1)
        plain.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    def ends_in_the_handshake(plain):
        plain.recv(4096)

    def ends_in_the_answer(plain):
        stream = secure(plain, "TLSv1.3")
        stream.recv(4096)
        stream.sendall(b"HTTP/1.1 101 Switching")

    return judge(name + " server", [
        ("one byte records, TLSv1.2", lambda: byte_by_byte("TLSv1.2")),
        ("one byte records, TLSv1.3", lambda: byte_by_byte("TLSv1.3")),
        ("a server without TLS", lambda: told("does not speak TLS", speaks_http)),
        ("an end during the handshake", lambda: told(
            "without close_notify, during the handshake", ends_in_the_handshake)),
        ("an end within the answer", lambda: told(
            "ended before the answer to the handshake was complete", ends_in_the_answer)),
    ])
