// The library ws, as either end: `server`, which prints its port, or `client URL`; over TLS with
// `over DIR VERSION` behind that, DIR being the folder with the certificates.
'use strict';

const fs = require('node:fs');
const http = require('node:http');
const https = require('node:https');

const { WebSocket, WebSocketServer } = require('ws');
const { play, same, echo, text } = require('./cases.js');

const LIMIT = 16 << 20;

const [, , role, ...rest] = process.argv;
const over = rest.includes('over') ? rest.slice(rest.indexOf('over') + 1) : undefined;
const NAME = `ws ${require('ws/package.json').version}${over ? ` over ${over[1]}` : ''}`;

// Options for either end; nothing without TLS.
function tls(own) {
  if (!over) return {};
  const [folder, version] = over;
  const file = (name) => fs.readFileSync(`${folder}/${name}`);
  return {
    ca: file('ca.pem'),
    cert: file(`${own}.pem`),
    key: file(`${own}.key`),
    minVersion: version,
    maxVersion: version,
  };
}

// What a server says of its connection: the version, whether it was resumed, who is there.
function security(socket) {
  const name = socket.getPeerCertificate()?.subject?.CN ?? '-';
  const session = socket.isSessionReused() ? 'resumed' : 'new';
  return `${socket.getProtocol()} ${session} ${name.replaceAll(' ', '-')}`;
}

// A session of one connection, taken up by another, and what the listener says of both.
async function resumed(url) {
  const sessions = [];
  const said = async (options) => {
    const socket = new WebSocket(url, {
      ...tls('client'),
      ...options,
      finishRequest: (request) => {
        request.on('socket', (inner) => inner.on('session', (session) => sessions.push(session)));
        request.end();
      },
    });
    const answer = new Promise((resolve, reject) => {
      socket.on('open', () => socket.send('!security'));
      socket.on('message', (data) => resolve(data.toString().split(' ').slice(0, 4).join(' ')));
      socket.on('error', reject);
    });
    const closed = new Promise((resolve) => socket.on('close', resolve));
    const text = await answer;
    socket.close();
    await closed;
    return text;
  };
  same(await said({}), `${over[1]} new gateway-7 localhost`);
  same(await said({ session: sessions.at(-1) }), `${over[1]} resumed gateway-7 localhost`);
}

async function client(url) {
  const connect = (deflate) => () => {
    const options = { perMessageDeflate: deflate, maxPayload: LIMIT, ...tls('client') };
    const socket = new WebSocket(url, options);
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
    ...(over ? [['what TLS agreed on, and resumed', () => resumed(url)]] : []),
  ]);
  lines.forEach((line) => console.log(line.replace('FAILED', `FAILED ${NAME} client,`)));
  console.log(`interop ${NAME} client: ${passed} passed, ${lines.length} failed`);
  process.exit(lines.length > 0 ? 1 : 0);
}

function serve() {
  let closed = '';
  const secured = { ...tls('server'), requestCert: true, rejectUnauthorized: false };
  const server = over ? https.createServer(secured) : http.createServer();
  server.listen(0, '127.0.0.1', () => console.log(server.address().port));
  const listener = new WebSocketServer({ server, perMessageDeflate: true, maxPayload: LIMIT });
  listener.on('connection', (socket, request) => {
    socket.on('close', (code, reason) => { closed = `${code} ${reason}`; });
    socket.on('pong', (payload) => socket.send(`ponged ${payload}`));
    socket.on('error', () => {});
    socket.on('message', (data, isBinary) => {
      if (isBinary) return socket.send(data, { binary: true });
      const [, order, rest] = /^(\S*) ?([^]*)$/.exec(data.toString());
      if (order === '!ping') return socket.ping(rest);
      if (order === '!security') return socket.send(security(request.socket));
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

if (role === 'server') serve(); else client(rest[0]);
