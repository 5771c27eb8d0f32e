// The library ws, as either end: `server`, which prints its port, or `client URL`.
'use strict';

const { WebSocket, WebSocketServer } = require('ws');
const { play, same, echo, text } = require('./cases.js');

const NAME = `ws ${require('ws/package.json').version}`;
const LIMIT = 16 << 20;

async function client(url) {
  const connect = (deflate) => () => {
    const socket = new WebSocket(url, { perMessageDeflate: deflate, maxPayload: LIMIT });
    socket.on('open', () => {
      if (socket.extensions.includes('permessage-deflate') !== deflate) socket.terminate();
    });
    return socket;
  };
  const { passed, lines } = await play({ plain: connect(false), compressed: connect(true) }, [
    ['text in fragments', async (connection) => {
      const message = text(65536);
      const parts = message.match(/[^]{1,997}/gu);
      parts.forEach((part, at) => {
        connection.socket.send(part, { fin: at === parts.length - 1 });
      });
      same(await connection.receive(), message);
    }],
    ['a ping of ours', async (connection) => {
      const pong = new Promise((resolve) => connection.socket.once('pong', resolve));
      connection.socket.ping('are you there?');
      same((await pong).toString(), 'are you there?');
      await echo(connection, 'behind the pong');
    }],
  ]);
  lines.forEach((line) => console.log(line.replace('FAILED', `FAILED ${NAME} client,`)));
  console.log(`interop ${NAME} client: ${passed} passed, ${lines.length} failed`);
  process.exit(lines.length > 0 ? 1 : 0);
}

function server() {
  let closed = '';
  const options = { host: '127.0.0.1', port: 0, perMessageDeflate: true, maxPayload: LIMIT };
  const listener = new WebSocketServer(options, () => console.log(listener.address().port));
  listener.on('connection', (socket) => {
    socket.on('close', (code, reason) => { closed = `${code} ${reason}`; });
    socket.on('pong', (payload) => socket.send(`ponged ${payload}`));
    socket.on('error', () => {});
    socket.on('message', (data, isBinary) => {
      if (isBinary) return socket.send(data, { binary: true });
      const [, order, rest] = /^(\S*) ?([^]*)$/.exec(data.toString());
      if (order === '!ping') return socket.ping(rest);
      if (order === '!closed') return socket.send(closed);
      if (order === '!close') return socket.close(Number(rest.slice(0, 4)), rest.slice(5));
      if (order === '!fragments') {
        for (let left = Number(rest); left > 0; left -= 1000) {
          socket.send('f'.repeat(1000), { fin: left <= 1000 });
        }
        return undefined;
      }
      return socket.send(data, { binary: false });
    });
  });
}

if (process.argv[2] === 'server') server(); else client(process.argv[3]);
