'use strict';

/*
 * The Node.js server of the same design: express + ws, rooms of two in a Map.
 * An ordinary implementation with its log off; it has no heartbeats, limits or metrics.
 *
 * Environment: PORT, and TLS_CERT and TLS_KEY (paths) to serve TLS.
 */

const fs = require('node:fs');
const http = require('node:http');
const https = require('node:https');
const express = require('express');
const WebSocket = require('ws');

const { PORT = '8443', TLS_CERT, TLS_KEY } = process.env;

const app = express();
app.get('/', (request, response) => response.send('WebRTC Signaling Server Running'));

const server = TLS_CERT
  ? https.createServer({ cert: fs.readFileSync(TLS_CERT), key: fs.readFileSync(TLS_KEY) }, app)
  : http.createServer(app);

const wss = new WebSocket.Server({ server });
const rooms = new Map(); // name -> [{ id, userId, ws }]

function send(ws, message) {
  if (ws.readyState === WebSocket.OPEN) ws.send(JSON.stringify(message));
}

function broadcast(name, message, except) {
  const users = rooms.get(name);
  if (!users) return;
  const text = JSON.stringify(message);
  for (const { ws } of users) {
    if (ws !== except && ws.readyState === WebSocket.OPEN) ws.send(text);
  }
}

function sendRoomInfo(name) {
  const users = rooms.get(name);
  if (!users) return;
  broadcast(name, {
    type: 'roomInfo',
    room: name,
    users: users.map(({ id, userId }) => ({ id, userId })),
    userCount: users.length,
  });
}

function join(ws, { userId, remoteId }) {
  if (!userId || !remoteId) {
    send(ws, { type: 'error', message: 'Missing required parameters: userId and remoteId are required' });
    return;
  }
  if (userId === remoteId) {
    send(ws, { type: 'error', message: 'User cannot connect to themselves' });
    ws.close();
    return;
  }
  leave(ws);

  const name = `room_${[userId, remoteId].sort().join('_')}`;
  if (!rooms.has(name)) rooms.set(name, []);
  const users = rooms.get(name);

  const old = users.findIndex((user) => user.userId === userId);
  if (old !== -1) {
    const [{ ws: replaced }] = users.splice(old, 1);
    replaced.room = null;
    send(replaced, { type: 'error', message: 'You have been disconnected due to a new connection from your account' });
    replaced.close();
  }

  ws.id = Date.now().toString();
  ws.userId = userId;
  ws.room = name;
  users.push({ id: ws.id, userId, ws });

  if (users.length === 1) {
    send(ws, { type: 'created', room: name });
  } else {
    send(ws, { type: 'joined', room: name });
    broadcast(name, { type: 'ready', room: name }, ws);
  }
  sendRoomInfo(name);
}

function leave(ws) {
  const name = ws.room;
  if (!name) return;
  ws.room = null;

  const users = rooms.get(name).filter((user) => user.ws !== ws);
  if (users.length === 0) {
    rooms.delete(name);
    return;
  }
  rooms.set(name, users);
  broadcast(name, { type: 'bye', id: ws.id, userId: ws.userId });
  sendRoomInfo(name);
}

function relay(ws, data) {
  if (ws.room) broadcast(ws.room, { type: 'message', data, from: ws.userId }, ws);
}

wss.on('connection', (ws) => {
  ws.on('message', (text) => {
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return;
    }
    switch (message.type) {
      case 'join':
        join(ws, message);
        break;
      case 'message':
        relay(ws, message.data);
        break;
      case 'candidate':
        relay(ws, { type: 'candidate', candidate: message.candidate });
        break;
      case 'bye':
        leave(ws);
        break;
    }
  });
  ws.on('close', () => leave(ws));
  ws.on('error', () => leave(ws));
});

server.listen(Number(PORT), '127.0.0.1');
