#!/usr/bin/env python3
"""The library websockets, as either end: `server`, which prints its port, or `client URL`."""

import asyncio
import ssl

import websockets
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

import cases

LIMIT = 16 << 20


class Connection:
    def __init__(self, socket):
        self.socket = socket

    async def send(self, message):
        await self.socket.send(message)

    async def fragments(self, parts):
        await self.socket.send(parts)

    async def receive(self):
        return await self.socket.recv()

    async def ping(self, payload):
        await (await self.socket.ping(payload))

    async def close(self, code, reason):
        await self.socket.close(code, reason)

    async def closed(self):
        await self.socket.wait_closed()
        return self.socket.close_code, self.socket.close_reason


class Client:
    can_fragment = True

    @staticmethod
    async def connect(url, deflate):
        socket = await connect(url, compression="deflate" if deflate else None, max_size=LIMIT,
                               proxy=None, ssl=cases.context(ssl.Purpose.SERVER_AUTH))
        agreed = "permessage-deflate" in socket.response.headers.get("Sec-WebSocket-Extensions", "")
        assert agreed == deflate, "agreed on compression: %r" % agreed
        return Connection(socket)


closed = ""


async def handle(socket):
    global closed
    try:
        async for message in socket:
            order, _, rest = message.partition(" ") if isinstance(message, str) else ("", "", "")
            if order == "!ping":
                await (await socket.ping(rest))
                await socket.send("ponged " + rest)
            elif order == "!close":
                code, _, reason = rest.partition(" ")
                await socket.close(int(code), reason)
            elif order == "!closed":
                await socket.send(closed)
            elif order == "!security":
                tls = socket.transport.get_extra_info("ssl_object")
                await socket.send(cases.security(tls))
            elif order == "!fragments":
                await socket.send(["f" * 1000] * (int(rest) // 1000))
            else:
                await socket.send(message)
    except websockets.ConnectionClosed:
        pass
    closed = "%s %s" % (socket.close_code, socket.close_reason)


async def run():
    tls = cases.context(ssl.Purpose.CLIENT_AUTH)
    async with serve(handle, "127.0.0.1", 0, compression="deflate", max_size=LIMIT,
                     ssl=tls) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().create_future()


cases.main(Client, run, "websockets " + websockets.__version__)
