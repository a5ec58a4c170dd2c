/**
 * Users of the shipped browser client: pairs in calls whose messages all have to arrive, and newcomers who all have to
 * be let in. `node crowd.js URL PAIRS JOINS_A_SECOND KEY`, KEY being the secret that signs tokens, or nothing.
 *
 * It reads commands, a JSON object a line. `{"key": "…"}` signs tokens with another secret. `{"mark": true}` is answered
 * when each pair has exchanged messages, and newcomers have been let in, that began after the command. `{"end": true}`
 * is answered with a report when every message has arrived.
 */
import { createHmac } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { network } from '../../signaling/web/static/client/network.js';
import { SignalingClient } from '../../signaling/web/static/client/signaling.js';

const { WebSocket } = createRequire(new URL('../benchmarks/node/', import.meta.url))('ws');

// Each client is one.
setMaxListeners(0, network);

const MESSAGE_INTERVAL = 400;
/** Messages of one user that are not confirmed, at most. While the peer is away, they wait, and the rate has a limit. */
const MAX_UNCONFIRMED = 10;

const [url, pairs, joinsPerSecond] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
let key = process.argv[5];
const report = { messages: 0, joins: 0, reconnects: 0, codes: {}, faults: [] };
const newcomers = new Set();

const base64 = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

function token(user, peer) {
  const signed = `${base64({ alg: 'HS256' })}.${base64({ sub: user, peer, exp: Date.now() / 1000 + 60 })}`;
  return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`;
}

function join(client, user, peer, options = {}) {
  client.on('error', ({ code, message }) => {
    // The client tries these again by itself.
    if (code !== 'unavailable' && code !== 'peer-absent') report.faults.push(`${user}: ${code}: ${message}`);
  });
  client.on('closed', ({ code, error }) => report.faults.push(`${user}: closed with ${code}: ${error?.message}`));
  client.on('reconnecting', ({ code, error }) => {
    report.reconnects += 1;
    report.codes[code] = (report.codes[code] ?? 0) + 1;
    if (error && error.code !== 'restarting') report.faults.push(`${user}: ${error.code}: ${error.message}`);
  });
  client.join(user, peer, { ...options, ...(key && { token: () => token(user, peer) }) });
  return client;
}

/** One user of a pair. It sends again after each `ready` or `joined` what the peer has not confirmed. */
class User {
  sent = 0;
  confirmed = 0;
  #waiting = new Map();

  constructor(user, peer) {
    this.client = new SignalingClient(url, { WebSocket });
    for (const event of ['ready', 'joined']) {
      this.client.on(event, () => this.#waiting.forEach((_, number) => this.client.send({ number })));
    }
    this.client.on('message', ({ data }) => {
      if (data.confirms === undefined) this.client.send({ confirms: data.number });
      else if (this.#waiting.delete(data.confirms)) this.confirmed += 1;
    });
    join(this.client, user, peer);
  }

  say() {
    if (this.#waiting.size >= MAX_UNCONFIRMED) return;
    this.#waiting.set(++this.sent, true);
    this.client.send({ number: this.sent });
  }
}

const users = Array.from({ length: pairs }, (_, n) => [new User(`a${n}`, `b${n}`), new User(`b${n}`, `a${n}`)]).flat();
const talk = users.map((user, n) =>
  setTimeout(() => (talk[n] = setInterval(() => user.say(), MESSAGE_INTERVAL)), (n * MESSAGE_INTERVAL) / users.length),
);

function arrive() {
  const name = `newcomer-${(report.joins += 1)}`;
  const client = new SignalingClient(url, { WebSocket });
  newcomers.add(name);
  for (const event of ['created', 'joined']) {
    client.on(event, () => {
      newcomers.delete(name);
      client.close();
    });
  }
  join(client, name, `nobody-of-${name}`, { iceServers: true });
}
const arrivals = setInterval(arrive, 1000 / joinsPerSecond);

const until = (done) =>
  new Promise((resolve) => {
    const timer = setInterval(() => done() && resolve(clearInterval(timer)), 20);
  });

const print = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  if (command.key) {
    key = command.key;
    print({});
  } else if (command.mark) {
    const said = users.map(({ sent }) => sent);
    const { joins } = report;
    const early = [...newcomers];
    await until(
      () =>
        users.every(({ confirmed }, n) => confirmed > said[n]) &&
        report.joins > joins + 5 &&
        !early.some((name) => newcomers.has(name)),
    );
    print({ faults: report.faults, reconnects: report.reconnects });
  } else {
    clearInterval(arrivals);
    for (const timer of talk) clearInterval(timer);
    await until(() => !newcomers.size && users.every(({ sent, confirmed }) => sent === confirmed));
    report.messages = users.reduce((sum, { confirmed }) => sum + confirmed, 0);
    print(report);
    process.exit(0);
  }
}
