"""As much of RFC 6455 as goes through a program that knows nothing of it."""

import base64
import hashlib
import re
import struct

REQUEST = (b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
TEXT, CLOSE = 1, 8
# Every byte of an ASCII text is above 127 under this mask, so that none is an order to openssl.
MASK = 0x80


def header(size, first, mask=0):
    if size < 126:
        return bytes([first, mask | size])
    if size < 65_536:
        return bytes([first, mask | 126]) + struct.pack(">H", size)
    return bytes([first, mask | 127]) + struct.pack(">Q", size)


def masked(payload, opcode=TEXT):
    """A frame of a client's."""
    return (header(len(payload), 0x80 | opcode, 0x80) + bytes([MASK] * 4)
            + bytes(byte ^ MASK for byte in payload))


def unmasked(payload, opcode=TEXT, most=16_000):
    """A message of a server's, in frames of `most` bytes."""
    parts = [payload[at:at + most] for at in range(0, len(payload), most)] or [b""]
    return b"".join(
        header(len(part), (0 if at else opcode) | (0x80 if at == len(parts) - 1 else 0)) + part
        for at, part in enumerate(parts))


def close(code=1000):
    return struct.pack(">H", code)


def answer(head):
    """The 101 to a request."""
    key = re.search(rb"^Sec-WebSocket-Key: *(\S+)", head, re.M | re.I).group(1)
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    return (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")


def echo(take, send, order=lambda text: None):
    """Serves one connection: `take(n)` gives as many bytes as arrive. Ends with its Close."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += take(1)
    send(answer(head))
    while True:
        first = 0
        while first < 0x80:
            # Not the start of a whole message: openssl says something of the connection.
            first, = take(1)
        size = take(1)[0] & 0x7F
        if size >= 126:
            size, = struct.unpack(">H", take(2)) if size == 126 else struct.unpack(">Q", take(8))
        mask = take(4)
        payload = bytes(byte ^ mask[at % 4] for at, byte in enumerate(take(size)))
        order(payload)
        send(unmasked(payload, first & 0x0F))
        if first & 0x0F == CLOSE:
            return
