/** What the page says, in one place: the call's states and the errors of the server and of the camera, as sentences. */

/** The server's own messages are sentences already; these speak to the person instead of the program. */
const ERRORS = {
  'self-connection': 'You cannot call yourself: the two names must differ',
  'unauthorized': 'The server did not let you in',
  'rate-limited': 'Too many messages at once: please wait a moment',
};

const CLOSED = {
  1008: 'Disconnected: the server refused the connection',
  4001: 'Disconnected: you joined from another tab or device',
  4003: 'Disconnected: the server did not let you in',
};

const DROPPED = {
  1012: 'The server is restarting, reconnecting',
  1013: 'The server is full, trying again shortly',
};

const CAMERA = {
  NotAllowedError: 'Allow the camera and the microphone, then join again',
  NotFoundError: 'No camera and microphone found: connect them, then join again',
  NotReadableError: 'The camera or the microphone is in use by another program',
};

/** @param {import('./call.js').Status} status */
export function describeStatus({ state, peer, reason, code, error }) {
  switch (state) {
    case 'joining':
      return 'Connecting to the server';
    case 'waiting':
      if (reason === 'left') return `${peer} left. Waiting for ${peer} to come back`;
      if (reason === 'lost') return `${peer} lost the connection. Waiting for ${peer} to come back`;
      return `Waiting for ${peer}`;
    case 'connecting':
      return `Connecting to ${peer}`;
    case 'connected':
      return `In a call with ${peer}`;
    case 'reconnecting':
      return DROPPED[code] ?? 'No connection to the server, reconnecting';
    case 'ended':
      // What a replaced connection is told as an error is what its close code says better.
      if (code === 4001) return CLOSED[4001];
      if (error) return describeError(error);
      return code ? CLOSED[code] ?? 'Disconnected from the server' : 'You hung up';
  }
}

/** @param {import('./signaling.js').SignalingError} error */
export function describeError({ code, message }) {
  return ERRORS[code] ?? `The server says: ${message}`;
}

/** @param {Error} error what getUserMedia was rejected with */
export function describeCameraError({ name, message }) {
  return CAMERA[name] ?? `The camera cannot be used: ${message}`;
}
