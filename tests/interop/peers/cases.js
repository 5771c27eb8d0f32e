// The table of cases that a client written in JavaScript plays against our listener: in a browser,
// or in Node with ws, whose sockets have the browser's interface and more.
'use strict';

const SIZES = [0, 1, 125, 126, 65535, 65536, 1 << 20];
const PATIENCE = 15000;

function text(size) {
  const pattern = 'aü你🦀0line\n';
  const length = new TextEncoder().encode(pattern).length;
  const whole = Math.floor(size / length);
  return pattern.repeat(whole) + '.'.repeat(size - whole * length);
}

function binary(size) {
  return Uint8Array.from({ length: size }, (_, at) => Math.floor(at * at / 7) & 0xFF);
}

// A socket whose messages can be awaited.
class Connection {
  constructor(socket) {
    this.socket = socket;
    this.messages = [];
    this.waiting = [];
    socket.binaryType = 'arraybuffer';
    socket.onmessage = (event) => this.give({ data: event.data });
    socket.onclose = (event) => this.give({ code: event.code, reason: event.reason });
  }

  give(event) {
    const waiting = this.waiting.shift();
    if (waiting) waiting(event); else this.messages.push(event);
  }

  next() {
    if (this.messages.length > 0) return Promise.resolve(this.messages.shift());
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  opened() {
    return new Promise((resolve, reject) => {
      this.socket.onopen = () => resolve(this);
      this.socket.onerror = (event) => reject(new Error(event.message || 'no connection'));
    });
  }

  async receive() {
    const event = await this.next();
    if (event.code) throw new Error(`closed with ${event.code} ${event.reason}`);
    return event.data;
  }

  async closed() {
    const event = await this.next();
    return `${event.code} ${event.reason}`;
  }
}

function same(found, expected) {
  const bytes = (data) => (typeof data === 'string' ? data : String(new Uint8Array(data)));
  if (typeof found !== typeof expected || bytes(found) !== bytes(expected)) {
    throw new Error(`${bytes(found).slice(0, 60)} instead of ${bytes(expected).slice(0, 60)}`);
  }
}

async function echo(connection, message) {
  connection.socket.send(message);
  same(await connection.receive(), message);
}

async function pipeline(connection) {
  const message = (number) => `message ${number} ${'x'.repeat(number % 300)}`;
  for (let number = 0; number < 1000; number += 1) connection.socket.send(message(number));
  for (let number = 0; number < 1000; number += 1) {
    same(await connection.receive(), message(number));
  }
}

async function order(connection, text, answer) {
  connection.socket.send(text);
  same(await connection.receive(), answer);
}

async function peersClose(connection) {
  connection.socket.send('!close 4002 enough of it');
  same(await connection.closed(), '4002 enough of it');
}

async function ourClose(connection, open) {
  connection.socket.close(4001, 'that is all');
  // The answer repeats the code, and need not repeat the reason (RFC 6455 §5.5.1).
  same((await connection.closed()).split(' ')[0], '4001');
  const other = await open();
  await order(other, '!closed', '4001 that is all');
  other.socket.close();
}

// `kinds` names ways to connect, as functions that return a socket; `more` adds cases.
async function play(kinds, more) {
  const lines = [];
  let passed = 0;
  for (const [kind, connect] of Object.entries(kinds)) {
    const open = () => new Connection(connect()).opened();
    const cases = SIZES.flatMap((size) => [
      [`text of ${size} bytes`, (connection) => echo(connection, text(size))],
      [`binary of ${size} bytes`, (connection) => echo(connection, binary(size))],
    ]);
    cases.push(
      ['fragments from the peer', (c) => order(c, '!fragments 70000', 'f'.repeat(70000))],
      ['1000 messages pipelined', pipeline],
      ["a ping of the peer's", (connection) => order(connection, '!ping hello', 'ponged hello')],
      ["a close of the peer's, with code and reason", peersClose],
      ['a close of ours, with code and reason', (connection) => ourClose(connection, open)],
      ...more,
    );
    for (const [name, run] of cases) {
      let timer;
      const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error('too late')), PATIENCE);
      });
      try {
        const connection = await Promise.race([open(), late]);
        await Promise.race([run(connection), late]);
        connection.socket.close(1000);
        passed += 1;
      } catch (problem) {
        lines.push(`FAILED ${name}, ${kind}: ${problem.message}`);
      }
      clearTimeout(timer);
    }
  }
  return { passed, lines };
}

if (typeof module !== 'undefined') module.exports = { play, same, echo, text };
