import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { pageConfig, pageToken } from '../../signaling/web/static/client/page-config.js';

let server, origin, asked, config;

before(async () => {
  server = createServer(async (request, response) => {
    let body = '';
    for await (const piece of request) body += piece;
    asked.push({ method: request.method, url: request.url, type: request.headers['content-type'], body });
    const allowed = JSON.parse(body).peer !== 'eve';
    response.writeHead(allowed ? 200 : 403, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify(allowed ? { token: `token ${asked.length}` } : { detail: 'This call is not allowed.' }));
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  origin = `http://127.0.0.1:${server.address().port}`;
});

after(() => server.close());

beforeEach(() => {
  asked = [];
  config = { url: '/call/ws', prefix: '/call' };
  globalThis.location = { href: `${origin}/page` };
  globalThis.document = {
    getElementById: (id) => (id === 'signaling-config' ? { textContent: JSON.stringify(config) } : null),
  };
});

afterEach(() => {
  delete globalThis.location;
  delete globalThis.document;
});

test('the URL of the WebSocket is complete, also that of another host', () => {
  assert.equal(pageConfig().url, `${origin.replace('http', 'ws')}/call/ws`);
  config.url = 'wss://call.example.org/ws';
  assert.equal(pageConfig().url, 'wss://call.example.org/ws');
  assert.throws(() => pageConfig('other'), /signaling-config-other/);
});

test('beside the service, each join gets a new token', async () => {
  config.tokenUrl = '/signaling/token';
  const token = pageToken('bob');
  assert.deepEqual([await token(), await token()], ['token 1', 'token 2']);
  const request = { method: 'POST', url: '/signaling/token', type: 'application/json', body: '{"peer":"bob"}' };
  assert.deepEqual(asked[0], request);
  await assert.rejects(pageToken('eve'), /This call is not allowed/);
});

test('inside the app, the token is that of the page, or there is none', async () => {
  assert.equal(await pageToken('bob')(), undefined);
  config.token = 'abc';
  assert.equal(await pageToken('bob')(), 'abc');
  assert.deepEqual(asked, []);
});
