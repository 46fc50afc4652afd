/*
 * Messages on their way. A message is shown at once, and sent again after a lost connection until the server has named its
 * turn: the page's own id makes a second delivery harmless.
 */
import { stencil } from "./chat-stencils.js";

const PATIENCE_MS = 8_000;
const ENVELOPE = 512;

export class Outbox {
  constructor(conversation, { deliver, onChange, maxBytes }) {
    this.conversation = conversation;
    this.maxBytes = maxBytes;
    this.deliver = deliver;
    this.onChange = onChange;
    this.waiting = new Map();
  }

  /** Does the text fit into one frame? A larger one would close the connection. */
  fits(text) {
    return new TextEncoder().encode(JSON.stringify(text)).length + ENVELOPE <= this.maxBytes;
  }

  /** Takes the message over, delivered or not. */
  send(text) {
    const id = newId();
    const section = stencil("stencil-pending");
    section.querySelector(".bubble").textContent = text;
    this.conversation.append(section);
    const item = { section, text, frame: { type: "send", text, client_id: id } };
    this.waiting.set(id, item);
    this.onChange();
    this.attempt(item);
  }

  attempt(item) {
    const delivered = this.deliver(item.frame);
    this.say(item, delivered ? "Sending" : "Waiting for the server", false);
    window.clearTimeout(item.timer);
    item.timer = window.setTimeout(() => this.say(item, "No answer from the server yet", true), PATIENCE_MS);
  }

  say(item, words, offer) {
    item.section.querySelector(".pending-words").textContent = words;
    item.section.querySelector("[data-resend]").hidden = !offer;
  }

  again() {
    for (const item of this.waiting.values()) {
      this.attempt(item);
    }
  }

  arrived(id) {
    const item = this.waiting.get(id);
    if (item) {
      window.clearTimeout(item.timer);
      item.section.remove();
      this.waiting.delete(id);
    }
  }

  /** None of the waiting messages can be taken; returns their words. */
  refuseAll() {
    return [...this.waiting.keys()].map((id) => this.refused(id)).join("\n\n");
  }

  /** The server did not take it; returns the words, so that they are not lost. */
  refused(id) {
    const item = this.waiting.get(id);
    this.arrived(id);
    if (item) {
      this.onChange();
    }
    return item?.text ?? "";
  }
}

function newId() {
  // randomUUID is missing outside https and localhost
  if (window.crypto?.randomUUID) {
    return window.crypto.randomUUID();
  }
  return [...window.crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
