/** Stands in for the server: one room for two, by the rules of the protocol. */
export class Exchange {
  /** Who is in the room, by user: the socket it came by. In order of arrival. */
  #room = new Map();
  #sockets = new Set();

  /** A WebSocket class whose every socket is this user's. */
  socketOf(user) {
    const exchange = this;
    return class {
      readyState = 0;
      user = user;

      constructor() {
        exchange.#sockets.add(this);
        queueMicrotask(() => {
          if (this.readyState !== 0) return;
          this.readyState = 1;
          this.onopen?.();
        });
      }

      send(text) {
        if (!this.deaf) queueMicrotask(() => exchange.#receive(this, JSON.parse(text)));
      }

      close(code) {
        this.readyState = 3;
        if (!this.deaf) queueMicrotask(() => exchange.#leaves(this, code === 1000 ? 'left' : 'lost'));
      }
    };
  }

  /** The socket ends, and both ends of it know. */
  drops(user, code = 1006) {
    for (const socket of [...this.#sockets].filter((other) => other.user === user && other.readyState === 1)) {
      this.#end(socket, code);
      this.#leaves(socket, 'lost');
    }
  }

  /** Nothing passes any more, and neither end knows. */
  deafens(user) {
    for (const socket of this.#sockets) if (socket.user === user) socket.deaf = true;
  }

  restarts() {
    this.#room.clear();
    for (const socket of [...this.#sockets]) this.#end(socket, 1012);
  }

  /** Two hosts lost sight of each other for a moment: both are told to start over. */
  breaks() {
    const users = [...this.#room.values()].map(({ user }) => ({ id: `of ${user}`, userId: user }));
    for (const socket of this.#room.values()) {
      if (this.#peerOf(socket)) this.#tell(socket, { type: 'ready' }, { type: 'roomInfo', users, userCount: 2 });
    }
  }

  #end(socket, code) {
    this.#sockets.delete(socket);
    socket.readyState = 3;
    socket.onclose?.({ code });
  }

  #tell(socket, ...messages) {
    for (const message of messages) {
      queueMicrotask(() => !socket.deaf && socket.onmessage?.({ data: JSON.stringify(message) }));
    }
  }

  #peerOf(socket) {
    return [...this.#room.values()].find((other) => other.user !== socket.user);
  }

  #receive(socket, { type, data, candidate }) {
    const peer = this.#peerOf(socket);
    const inside = this.#room.get(socket.user) === socket;
    if (type === 'ping') this.#tell(socket, { type: 'pong' });
    if (type === 'join') this.#joins(socket, peer);
    if (type === 'bye') this.#leaves(socket, 'left');
    if (type !== 'message' && type !== 'candidate') return;
    if (!inside || !peer) this.#tell(socket, { type: 'error', code: inside ? 'peer-absent' : 'not-in-room' });
    else this.#tell(peer, { type: 'message', data: data ?? { type: 'candidate', candidate }, from: socket.user });
  }

  #joins(socket, peer) {
    const old = this.#room.get(socket.user);
    this.#room.delete(socket.user);
    this.#room.set(socket.user, socket);
    if (old && old !== socket) {
      this.#tell(old, { type: 'error', code: 'replaced', message: '' });
      queueMicrotask(() => this.#end(old, 4001));
    }
    this.#tell(socket, { type: peer ? 'joined' : 'created' });
    if (peer) this.#tell(peer, { type: 'ready' });
  }

  #leaves(socket, reason) {
    if (this.#room.get(socket.user) !== socket) return;
    this.#room.delete(socket.user);
    const peer = this.#peerOf(socket);
    if (peer) this.#tell(peer, { type: 'bye', userId: socket.user, reason });
  }
}
