import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { askForIceServers, fetchIceServers } from '../../signaling/web/static/client/ice-servers.js';

const SERVERS = [{ urls: ['turn:turn.example.org'], username: '1:a', credential: 'b' }];
const REFUSAL = { code: 'unauthorized', message: 'Unauthorized: a token is needed' };

let server, url;

before(async () => {
  server = createServer(({ headers }, response) => {
    const allowed = headers.authorization === 'Bearer good';
    response.writeHead(allowed ? 200 : 401, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify(allowed ? { iceServers: SERVERS } : REFUSAL));
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  url = `http://127.0.0.1:${server.address().port}/ice-servers`;
});

after(() => server.close());

test('the servers are told to who has a token', async () => {
  assert.deepEqual(await fetchIceServers(url, { token: 'good' }), SERVERS);
  assert.deepEqual(await askForIceServers(url, { token: 'good' }), SERVERS);
});

test('who has none gets none, and can learn why', async () => {
  assert.deepEqual(await fetchIceServers(url), []);
  await assert.rejects(askForIceServers(url), (error) => {
    assert.deepEqual(error, REFUSAL);
    return true;
  });
});

test('a server that is not there tells of none', async () => {
  assert.deepEqual(await fetchIceServers('http://127.0.0.1:1/'), []);
});
