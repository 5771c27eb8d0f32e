"""The table of cases that a client written in Python plays against our listener.

A client of a library is a class with `connect(url, deflate)` and, on what that returns, `send`,
`receive`, `ping` (which awaits the Pong), `close` and `closed` (the Close that came, as code and
reason). `fragments` is None where the library cannot send a message in parts.

`over DIR VERSION` at the end of the command line asks for TLS, with the certificates in DIR.
"""

import asyncio
import functools
import ssl
import sys

SIZES = [0, 1, 125, 126, 65_535, 65_536, 1 << 20]
PATIENCE = 15


# What is behind `over`.
over = sys.argv[sys.argv.index("over") + 1:] if "over" in sys.argv else None


def context(purpose):
    """For a server, which asks for a certificate, or a client, which shows one; None for no TLS."""
    if not over:
        return None
    folder, version = over
    context = ssl.create_default_context(purpose, cafile=folder + "/ca.pem")
    own = "server" if purpose == ssl.Purpose.CLIENT_AUTH else "client"
    context.load_cert_chain("%s/%s.pem" % (folder, own), "%s/%s.key" % (folder, own))
    if own == "server":
        context.verify_mode = ssl.CERT_OPTIONAL
    version = ssl.TLSVersion[version.replace(".", "_")]
    context.minimum_version = context.maximum_version = version
    return context


def security(tls):
    """What a server says of its connection: the version, whether it was resumed, who is there."""
    subject = dict(pair for pairs in tls.getpeercert().get("subject", ()) for pair in pairs)
    name = subject.get("commonName", "-").replace(" ", "-")
    return "%s %s %s" % (tls.version(), "resumed" if tls.session_reused else "new", name)


@functools.cache
def text(size):
    """Of one to four bytes a character, and never longer in UTF-8 than `size`."""
    pattern = "aü你🦀0line\n"
    whole = pattern * (size // len(pattern.encode()))
    return whole + "." * (size - len(whole.encode()))


@functools.cache
def binary(size):
    return bytes(at * at // 7 & 0xFF for at in range(size))


def same(found, expected):
    if found != expected:
        raise AssertionError("%r instead of %r" % (str(found)[:60], str(expected)[:60]))


async def echo(connection, message):
    await connection.send(message)
    same(await connection.receive(), message)


async def fragments(connection):
    message = text(65_536)
    parts = [message[at:at + 997] for at in range(0, len(message), 997)]
    await connection.fragments(parts)
    same(await connection.receive(), message)


async def from_peer(connection):
    await connection.send("!fragments 70000")
    same(await connection.receive(), "f" * 70_000)


async def pipeline(connection):
    messages = ["message %d %s" % (number, "x" * (number % 300)) for number in range(1000)]

    async def send():
        for message in messages:
            await connection.send(message)

    sender = asyncio.ensure_future(send())
    for message in messages:
        same(await connection.receive(), message)
    await sender


async def our_ping(connection):
    await connection.ping(b"are you there?")
    await echo(connection, "behind the ping")


async def peers_ping(connection):
    await connection.send("!ping hello")
    same(await connection.receive(), "ponged hello")


async def our_security(connection):
    await connection.send("!security")
    same((await connection.receive()).rsplit(" ", 1)[0], over[1] + " new gateway-7 localhost")


async def peers_close(connection):
    await connection.send("!close 4002 enough of it")
    same(await connection.closed(), (4002, "enough of it"))


async def our_close(connect, url):
    connection = await connect(url, False)
    await connection.close(4001, "that is all")
    other = await connect(url, False)
    for _ in range(100):
        await other.send("!closed")
        closed = await other.receive()
        if closed == "4001 that is all":
            await other.close(1000, "")
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the listener received %r" % closed)


def table(client):
    for deflate in (False, True):
        how = "compressed" if deflate else "plain"
        for size in SIZES:
            for message in (text(size), binary(size)):
                kind = type(message).__name__
                yield "%s of %d bytes, %s" % (kind, size, how), deflate, (
                    lambda connection, message=message: echo(connection, message))
        yield "fragments from the peer, " + how, deflate, from_peer
        yield "1000 messages pipelined, " + how, deflate, pipeline
        if client.can_fragment:
            yield "text in fragments, " + how, deflate, fragments
    yield "a ping of ours", False, our_ping
    yield "a ping of the peer's", False, peers_ping
    yield "a close of the peer's, with code and reason", False, peers_close
    if over:
        yield "what TLS agreed on", False, our_security


async def play(client, name, url):
    passed, failed = 0, []

    async def judge(case, run):
        nonlocal passed
        try:
            await asyncio.wait_for(run, PATIENCE)
            passed += 1
        except Exception as problem:  # whatever it is, it is a failure
            failed.append("FAILED %s client, %s: %r" % (name, case, problem))

    async def on_one(run, deflate):
        connection = await client.connect(url, deflate)
        await run(connection)
        await connection.close(1000, "")

    for case, deflate, run in table(client):
        await judge(case, on_one(run, deflate))
    await judge("a close of ours, with code and reason", our_close(client.connect, url))
    print(*failed, sep="\n", end="\n" if failed else "")
    print("interop %s client: %d passed, %d failed" % (name, passed, len(failed)))
    return 1 if failed else 0


def main(client, serve, name):
    if over:
        name = "%s over %s" % (name, over[1])
    if sys.argv[1:2] == ["server"]:
        asyncio.run(serve())
    else:
        sys.exit(asyncio.run(play(client, name, sys.argv[2])))
