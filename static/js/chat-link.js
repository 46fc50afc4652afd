/*
 * The page's line to the server: a WebSocket, and where that cannot be had, server-sent events with POST.
 *
 * It reconnects with growing pauses, and returns from events to a WebSocket as soon as one opens. Its user receives frames
 * (`onFrame(frame)`) and gives the position of each stream (`cursors()`, a Map of stream -> number of the last event it has), where
 * a new connection continues.
 */
const FIRST_PAUSE_MS = 250;
// Prolonged by a quarter at most: within five seconds of the end of an outage the page asks again.
const LONGEST_PAUSE_MS = 3_500;
const HELLO_WITHIN_MS = 6_000;
const PING_EVERY_MS = 25_000;
const PONG_WITHIN_MS = 10_000;
// the server sends a frame every 15 s at least
const EVENTS_WITHIN_MS = 40_000;
// how long events are used before a WebSocket is tried beside them; twice as long after each one that fails
const BACK_AFTER_MS = 15_000;
const BACK_LONGEST_MS = 600_000;
const TOO_LARGE = 4409;
const FINAL = new Map([
  [4401, "signed-out"],
  [4403, "gone"],
  [4429, "too-many"],
]);

export class Link {
  constructor(root, { onFrame, onState, cursors }) {
    this.root = root;
    this.onFrame = onFrame;
    this.onState = onState;
    this.cursors = cursors;
    this.failures = 0;
    this.socketWorked = false;
    this.socket = null;
    this.source = null;
    this.beside = null;
    this.ended = false;
    this.timer = 0;
    this.backTimer = 0;
    this.backAfter = BACK_AFTER_MS;
    window.addEventListener("online", () => this.hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this.hurry());
    window.addEventListener("pagehide", () => this.close());
    window.addEventListener("pageshow", (event) => event.persisted && this.reopen());
  }

  get open() {
    return this.socket?.ready || this.source?.ready || false;
  }

  connect() {
    if (this.ended || this.socket || this.source) {
      return;
    }
    window.clearTimeout(this.timer);
    this.timer = 0;
    const patience = this.socketWorked ? 4 : 2;
    // once the socket has failed often enough, every other attempt is made with events
    const useEvents = !window.WebSocket || (this.failures >= patience && (this.failures - patience) % 2 === 0);
    this.onState(this.failures ? "reconnecting" : "connecting");
    if (useEvents) {
      this.openEvents();
    } else {
      this.openSocket();
    }
  }

  /** Send a client frame; false when there is no connection (the caller keeps it and sends it again after `hello`). */
  send(frame) {
    if (this.socket?.ready) {
      this.socket.send(JSON.stringify(frame));
      return true;
    }
    if (this.source?.ready) {
      this.post(frame);
      return true;
    }
    return false;
  }

  /** Ask for a stream from `after` on. With events the line is opened anew, with all cursors in its address. */
  attach(stream, after) {
    if (this.socket?.ready) {
      this.send({ type: "attach", stream, after });
    } else if (this.source && !this.source.streams.has(stream)) {
      this.drop();
      this.connect();
    }
  }

  hurry() {
    if (!this.open && this.timer) {
      window.clearTimeout(this.timer);
      this.timer = 0;
      this.connect();
    }
    if (this.source?.ready && !this.beside) {
      window.clearTimeout(this.backTimer);
      this.openSocket(true);
    }
  }

  close() {
    this.ended = true;
    window.clearTimeout(this.timer);
    this.drop();
  }

  reopen() {
    this.ended = false;
    this.connect();
  }

  drop() {
    const { socket, source, beside } = this;
    this.socket = this.source = this.beside = null;
    window.clearTimeout(this.backTimer);
    window.clearTimeout(beside?.helloTimer);
    beside?.close();
    window.clearTimeout(socket?.helloTimer);
    window.clearInterval(socket?.pingTimer);
    window.clearTimeout(socket?.pongTimer);
    window.clearTimeout(source?.silentTimer);
    socket?.close();
    source?.close();
  }

  /** Open a WebSocket; `beside` events, which stay in use until it says hello. */
  openSocket(beside = false) {
    const scheme = window.location.protocol === "https:" ? "wss:" : "ws:";
    let socket;
    try {
      socket = new WebSocket(`${scheme}//${window.location.host}/ws/chats/${this.root.dataset.context}/`);
    } catch {
      if (beside) {
        this.goBackLater();
      } else {
        this.failed();
      }
      return;
    }
    this[beside ? "beside" : "socket"] = socket;
    socket.helloTimer = window.setTimeout(() => socket.close(), HELLO_WITHIN_MS);
    socket.addEventListener("message", (event) => {
      window.clearTimeout(socket.pongTimer);
      const frame = parse(event.data);
      if (!frame || (this.socket !== socket && this.beside !== socket)) {
        return;
      }
      if (frame.type === "hello") {
        if (this.beside === socket) {
          this.beside = null;
          this.drop();
          this.socket = socket;
        }
        window.clearTimeout(socket.helloTimer);
        socket.ready = true;
        this.socketWorked = true;
        socket.pingTimer = window.setInterval(() => this.ping(socket), PING_EVERY_MS);
        this.backAfter = BACK_AFTER_MS;
        this.greeted("websocket");
      }
      if (frame.type === "pong") {
        this.reattach(frame);
      } else {
        this.onFrame(frame);
      }
    });
    socket.addEventListener("close", (event) => {
      if (this.beside === socket) {
        this.beside = null;
        window.clearTimeout(socket.helloTimer);
        this.goBackLater();
      }
      if (this.socket !== socket) {
        return;
      }
      this.drop();
      if (event.code === TOO_LARGE) {
        this.onFrame({ type: "error", code: "frame_too_large", message: "The message was too long to send at once.", hint: "" });
      }
      if (FINAL.has(event.code)) {
        this.ended = true;
        this.onState(FINAL.get(event.code));
      } else {
        this.failed();
      }
    });
  }

  goBackLater() {
    if (window.WebSocket && this.source) {
      this.backTimer = window.setTimeout(() => this.openSocket(true), this.backAfter);
      this.backAfter = Math.min(BACK_LONGEST_MS, 2 * this.backAfter);
    }
  }

  ping(socket) {
    if (socket.readyState !== WebSocket.OPEN) {
      return;
    }
    socket.send('{"type":"ping"}');
    window.clearTimeout(socket.pongTimer);
    socket.pongTimer = window.setTimeout(() => socket.close(), PONG_WITHIN_MS);
  }

  /** A running answer that the server does not read on this connection would stay silent: ask for it again. */
  reattach({ streams }) {
    const silent = [...this.cursors()].filter(([stream]) => streams && !streams.includes(stream));
    if (silent.length && this.source) {
      this.drop();
      this.connect();
    }
    for (const [stream, after] of this.socket ? silent : []) {
      this.attach(stream, after);
    }
  }

  openEvents() {
    const address = new URL(this.root.dataset.eventsUrl, window.location.href);
    const streams = new Set();
    for (const [stream, after] of this.cursors()) {
      streams.add(stream);
      address.searchParams.append("stream", `${stream}:${after}`);
    }
    const source = new EventSource(address);
    source.streams = streams;
    this.source = source;
    const broken = () => {
      if (this.source === source) {
        // its own reconnect knows one cursor only; ours knows them all
        this.drop();
        this.failed();
      }
    };
    source.silentTimer = window.setTimeout(broken, EVENTS_WITHIN_MS);
    source.addEventListener("message", (event) => {
      const frame = parse(event.data);
      if (!frame || this.source !== source) {
        return;
      }
      window.clearTimeout(source.silentTimer);
      source.silentTimer = window.setTimeout(broken, EVENTS_WITHIN_MS);
      if (frame.type === "hello") {
        source.ready = true;
        this.greeted("sse");
        this.goBackLater();
      }
      if (frame.type === "pong") {
        this.reattach(frame);
      } else {
        this.onFrame(frame);
      }
    });
    source.addEventListener("error", broken);
  }

  greeted(kind) {
    this.failures = 0;
    this.onState(kind);
  }

  failed() {
    if (this.ended) {
      return;
    }
    this.failures += 1;
    this.onState("reconnecting");
    const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (this.failures - 1));
    this.timer = window.setTimeout(() => {
      this.timer = 0;
      this.connect();
    }, pause * (0.75 + Math.random() / 2));
  }

  async post(frame) {
    const address = { send: "sendUrl", stop: "stopUrl", retry: "retryUrl", continue: "continueUrl" }[frame.type];
    if (!address) {
      return;
    }
    try {
      const response = await fetch(this.root.dataset[address], {
        method: "POST",
        credentials: "same-origin",
        headers: { "Content-Type": "application/json", "X-CSRFToken": csrf() },
        body: JSON.stringify(frame),
      });
      const answer = parse(await response.text());
      if (answer?.type) {
        this.onFrame(answer.type === "error" ? { client_id: frame.client_id, ...answer } : answer);
      } else if (!response.ok && (frame.type !== "send" || response.status < 500)) {
        this.onFrame(refused(frame, `HTTP-${response.status}`, "The server refused this."));
      }
    } catch {
      // whether a message arrived is not known: it stays in the outbox and is sent again under the same id
      if (frame.type !== "send") {
        this.onFrame(refused(frame, "NETWORK", "The server could not be reached."));
      }
    }
  }
}

function refused(frame, code, message) {
  return { type: "error", code, message, hint: "Try again in a moment.", client_id: frame.client_id };
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function csrf() {
  try {
    return JSON.parse(document.body.getAttribute("hx-headers"))["X-CSRFToken"];
  } catch {
    return "";
  }
}
