#!/usr/bin/env python3
"""The library aiohttp, as either end: `server`, which prints its port, or `client URL`."""

import asyncio

import aiohttp
from aiohttp import WSMsgType, web

import cases

LIMIT = 16 << 20


class Connection:
    def __init__(self, session, socket):
        self.session, self.socket = session, socket

    async def send(self, message):
        if isinstance(message, str):
            await self.socket.send_str(message)
        else:
            await self.socket.send_bytes(message)

    async def receive(self):
        while True:
            message = await self.socket.receive()
            if message.type == WSMsgType.PING:
                await self.socket.pong(message.data)
            elif message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                return message.data
            elif message.type != WSMsgType.PONG:
                raise ConnectionError(message)

    async def ping(self, payload):
        await self.socket.ping(payload)
        message = await self.socket.receive()
        cases.same((message.type, bytes(message.data)), (WSMsgType.PONG, payload))

    async def close(self, code, reason):
        await self.socket.close(code=code, message=reason.encode())
        await self.session.close()

    async def closed(self):
        message = await self.socket.receive()
        return message.data, message.extra


class Client:
    can_fragment = False

    @staticmethod
    async def connect(url, deflate):
        session = aiohttp.ClientSession()
        socket = await session.ws_connect(url, compress=15 if deflate else 0, max_msg_size=LIMIT,
                                          autoping=False)
        assert bool(socket.compress) == deflate, "agreed on compression: %r" % socket.compress
        return Connection(session, socket)


closed = ""


async def handle(request):
    global closed
    socket = web.WebSocketResponse(max_msg_size=LIMIT, autoping=False)
    await socket.prepare(request)
    # Not `async for`, which does not show the Close.
    while True:
        message = await socket.receive()
        if message.type == WSMsgType.CLOSE:
            closed = "%s %s" % (message.data, message.extra)
        if message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
            return socket
        if message.type == WSMsgType.PING:
            await socket.pong(message.data)
        elif message.type == WSMsgType.PONG:
            await socket.send_str("ponged " + bytes(message.data).decode())
        elif message.type == WSMsgType.BINARY:
            await socket.send_bytes(message.data)
        elif message.type == WSMsgType.TEXT:
            order, _, rest = message.data.partition(" ")
            if order == "!ping":
                await socket.ping(rest.encode())
            elif order == "!close":
                code, _, reason = rest.partition(" ")
                await socket.close(code=int(code), message=reason.encode())
            elif order == "!closed":
                await socket.send_str(closed)
            elif order == "!fragments":
                # There is no way to ask it for several frames.
                await socket.send_str("f" * int(rest))
            else:
                await socket.send_str(message.data)


async def run():
    application = web.Application()
    application.router.add_get("/", handle)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(site._server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().create_future()


cases.main(Client, run, "aiohttp " + aiohttp.__version__)
