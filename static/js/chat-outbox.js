/*
 * Messages on their way. A message is shown at once, and sent again after a lost connection until the server has named its
 * turn: the page's own id makes a second delivery harmless.
 */
import { stencil } from "./chat-stream.js";

const PATIENCE_MS = 8_000;

export class Outbox {
  constructor(conversation, { deliver, onChange }) {
    this.conversation = conversation;
    this.deliver = deliver;
    this.onChange = onChange;
    this.waiting = new Map();
  }

  /** Returns true when the message was taken over, delivered or not. */
  send(text) {
    const id = newId();
    const section = stencil("stencil-pending");
    section.querySelector(".bubble").textContent = text;
    this.conversation.append(section);
    const item = { section, text, frame: { type: "send", text, client_id: id } };
    this.waiting.set(id, item);
    this.onChange();
    this.attempt(item);
    return true;
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
