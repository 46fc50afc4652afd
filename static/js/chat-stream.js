/*
 * One running answer on the page. Events are numbered: each is drawn exactly once, whatever arrives twice, late, or after a gap.
 * Drawing happens at most once per animation frame.
 */
import { Parts } from "./chat-parts.js";
import { element, stencil } from "./chat-stencils.js";
import { TextFlow } from "./chat-text.js";

const HIDDEN_FLUSH_MS = 300;
const CHARS_PER_TOKEN = 4;

export class Answer {
  constructor(article, { onGap, onDrawn }) {
    this.stream = article.dataset.stream;
    this.turn = article.dataset.turn;
    this.onGap = onGap;
    this.onDrawn = onDrawn;
    this.lastSeq = 0;
    this.startedAt = performance.now() - age(article.dataset.started);
    this.bind(article);
  }

  bind(article) {
    this.article = article;
    this.flow = article.querySelector(".answer-flow");
    this.flow.replaceChildren();
    this.queue = [];
    this.parts = new Parts(this.flow);
    this.text = null;
    this.reasoning = null;
    this.tools = new Map();
    this.chars = 0;
    this.reported = 0;
    this.hasOutput = false;
  }

  get tokens() {
    return Math.max(this.reported, Math.round(this.chars / CHARS_PER_TOKEN));
  }

  /** The server has less than this page: what is drawn was never stored. Begin again. */
  reset() {
    this.cancelFlush();
    this.lastSeq = 0;
    this.bind(this.article);
  }

  take(frame) {
    if (frame.last_seq <= this.lastSeq) {
      return;
    }
    if (frame.first_seq > this.lastSeq + 1) {
      this.onGap(this);
      return;
    }
    this.queue.push(...frame.events.slice(this.lastSeq + 1 - frame.first_seq));
    this.lastSeq = frame.last_seq;
    this.scheduleFlush();
  }

  scheduleFlush() {
    if (this.pending) {
      return;
    }
    // a hidden page gets no animation frames
    this.pending = document.hidden
      ? { timer: window.setTimeout(() => this.flush(), HIDDEN_FLUSH_MS) }
      : { frame: window.requestAnimationFrame(() => this.flush()) };
  }

  cancelFlush() {
    window.clearTimeout(this.pending?.timer);
    window.cancelAnimationFrame(this.pending?.frame ?? 0);
    this.pending = null;
  }

  flush() {
    this.cancelFlush();
    const events = this.queue;
    this.queue = [];
    let said = "";
    let text = "";
    let thought = "";
    let lines = 0;
    const write = () => {
      if (thought) {
        this.think(thought);
      }
      lines += text ? this.say(text) : 0;
      said += text;
      text = thought = "";
    };
    for (const event of events) {
      switch (event.type) {
        case "text_delta":
          text += event.text;
          break;
        case "reasoning_delta":
          thought += event.text ?? "";
          break;
        case "tool_call_delta":
          write();
          this.growTool(event);
          break;
        case "tool_call":
          write();
          this.endTool(event);
          break;
        case "usage":
          this.reported = event.usage?.output_tokens ?? this.reported;
          break;
        case "stream_continued":
          write();
          this.parts.place(stencil("stencil-seam"));
          this.text = null;
          break;
        case "citation":
          write();
          this.parts.cite(event);
          break;
        case "server_tool":
        case "generated_file":
        case "opaque_block":
          write();
          said += this.parts.add(event);
          this.text = null;
          this.hasOutput = true;
          break;
        default: // the start and the end: the finished answer shows them
      }
    }
    write();
    this.onDrawn(this, { text: said, lines });
  }

  say(text) {
    if (!this.text) {
      const home = document.createElement("div");
      home.className = "stream-text";
      this.parts.place(home);
      this.text = new TextFlow(home);
    }
    this.endThinking();
    this.chars += text.length;
    this.hasOutput = true;
    return this.text.append(text);
  }

  think(text) {
    if (!this.reasoning) {
      const details = stencil("stencil-reasoning");
      this.flow.prepend(details);
      const node = document.createTextNode("");
      details.querySelector(".reasoning-body").append(node);
      this.reasoning = { details, node, since: performance.now(), chars: 0, over: false };
    }
    const { reasoning } = this;
    reasoning.node.appendData(text);
    reasoning.chars += text.length;
    this.chars += text.length;
    this.hasOutput = true;
    this.tellThinking();
  }

  tellThinking() {
    const { details, since, chars } = this.reasoning;
    const seconds = ((performance.now() - since) / 1000).toFixed(1);
    const tokens = Math.round(chars / CHARS_PER_TOKEN).toLocaleString("en");
    details.querySelector(".reasoning-facts").textContent = `${seconds} s · ${tokens} tokens`;
  }

  endThinking() {
    if (this.reasoning && !this.reasoning.over) {
      this.reasoning.over = true;
      this.tellThinking();
    }
  }

  tool(event) {
    let tool = this.tools.get(event.index);
    if (!tool) {
      const card = stencil("stencil-tool");
      card.querySelector(".tool-name").textContent = event.name || "tool";
      const node = document.createTextNode("");
      card.querySelector(".tool-args code").append(node);
      this.parts.place(card);
      this.text = null;
      tool = { card, node };
      this.tools.set(event.index, tool);
    }
    return tool;
  }

  growTool(event) {
    const tool = this.tool(event);
    if (event.name) {
      tool.card.querySelector(".tool-name").textContent = event.name;
    }
    tool.node.appendData(event.arguments ?? "");
    this.chars += (event.arguments ?? "").length;
    this.hasOutput = true;
  }

  endTool(event) {
    const tool = this.tool(event);
    tool.card.querySelector(".tool-name").textContent = event.name;
    tool.node.data = event.invalid_arguments ?? JSON.stringify(event.arguments, null, 2);
    const pill = tool.card.querySelector(".pill");
    pill.className = event.invalid_arguments ? "pill pill-bad" : "pill pill-mute";
    pill.textContent = event.invalid_arguments ? "Invalid arguments" : "Requested";
    this.hasOutput = true;
  }

  /** The finished answer takes the place of this one; opened reasoning stays open. */
  finish(html) {
    this.cancelFlush();
    const opened = this.reasoning?.details.open ?? false;
    const fresh = element(html);
    if (!fresh) {
      return this.article;
    }
    if (opened) {
      fresh.querySelector(".reasoning")?.setAttribute("open", "");
    }
    this.article.replaceWith(fresh);
    window.htmx?.process(fresh);
    this.article = fresh;
    return fresh;
  }
}

function age(started) {
  const at = Date.parse(started ?? "");
  return Number.isNaN(at) ? 0 : Math.max(0, Date.now() - at);
}
