/*
 * The chat page. Frames come in over the link and go to the answer they belong to; what the person does goes out as frames.
 * The contract of the frames is docs/websocket-frames.md.
 */
import { Composer } from "./chat-composer.js";
import { copying } from "./chat-copy.js";
import { drawers } from "./chat-drawers.js";
import { chatHead } from "./chat-head.js";
import { Link } from "./chat-link.js";
import { LiveLine, Speaker } from "./chat-live.js";
import { Outbox } from "./chat-outbox.js";
import { picker } from "./chat-picker.js";
import { countdowns } from "./chat-retry.js";
import { Follower } from "./chat-scroll.js";
import { element } from "./chat-stencils.js";
import { Answer } from "./chat-stream.js";
import { contextPanel } from "./context-panel.js";

const root = document.getElementById("chat");
const conversation = document.getElementById("conversation");
const answers = new Map();
const ENDED = { complete: "Answer finished.", cancelled: "Answer stopped.", failed: "The answer failed.", interrupted: "The answer was interrupted." };

const side = drawers();
copying();
countdowns();
chatHead(root, side);
const follower = new Follower(document.getElementById("chat-scroll"), document.getElementById("jump"));
const live = new LiveLine(document.getElementById("live-line"));
const speaker = new Speaker(document.getElementById("chat-say"));
const composer = new Composer(document.getElementById("composer"), {
  contextId: root.dataset.context,
  onSend: send,
  onStop: stop,
});
const panel = contextPanel(root, composer);
picker(root, composer);

const link = new Link(root, { onFrame: receive, onState: showState, cursors });
const outbox = new Outbox(conversation, {
  deliver: (frame) => link.send(frame),
  maxBytes: Number(root.dataset.maxFrame) || Infinity,
  onChange: () => {
    document.getElementById("chat-start").hidden = Boolean(conversation.querySelector(".turn"));
    follower.resume();
  },
});
let greeted = false;

function send(text) {
  if (!outbox.fits(text)) {
    composer.showError({ message: "This message is too long to send at once.", hint: "Put the larger part into a note.", code: "frame_too_large", step: "open_panel" });
    return false;
  }
  outbox.send(text);
  return true;
}

function cursors() {
  return new Map([...answers].map(([stream, answer]) => [stream, answer.lastSeq]));
}

function receive(frame) {
  const answer = answers.get(frame.stream);
  switch (frame.type) {
    case "hello":
      hello(frame);
      break;
    case "turn":
      turn(frame);
      break;
    case "events":
      answer?.take(frame);
      break;
    case "reset":
      if (answer) {
        answer.reset();
        link.attach(answer.stream, 0);
      }
      break;
    case "end":
      end(frame);
      break;
    case "error":
      refused(frame);
      break;
    default: // a later version may send more kinds
  }
}

function hello(frame) {
  const unknown = frame.running.some((one) => !answers.has(one.stream));
  for (const answer of answers.values()) {
    link.attach(answer.stream, answer.lastSeq);
  }
  outbox.again();
  if (greeted || unknown) {
    resync();
  }
  greeted = true;
  const first = composer.takeFirst();
  if (first && !send(first)) {
    composer.value = first;
  }
}

/** What happened while nobody listened: turns of other tabs, and answers that began meanwhile. */
async function resync() {
  try {
    const response = await fetch(window.location.href, { credentials: "same-origin", headers: { Accept: "text/html" } });
    if (!response.ok || response.redirected) {
      return;
    }
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    for (const section of page.querySelectorAll("#conversation > .turn")) {
      if (!document.getElementById(section.id)) {
        conversation.append(document.adoptNode(section));
        window.htmx?.process(section);
      }
    }
    adopt();
    panel.refresh();
    follower.drawn();
  } catch {
    // the link will come back and ask again
  }
}

/** Answers that the page shows as running are followed from their first event on. */
function adopt() {
  for (const article of conversation.querySelectorAll('.answer[data-state="running"]')) {
    if (article.dataset.stream && !answers.has(article.dataset.stream)) {
      follow(article);
      link.attach(article.dataset.stream, 0);
    }
  }
}

function follow(article) {
  const answer = new Answer(article, {
    onGap: (gap) => link.attach(gap.stream, gap.lastSeq),
    onDrawn: (drawn, { text }) => {
      follower.drawn();
      if (text && drawn === live.answer) {
        speaker.add(text);
      }
    },
  });
  answers.set(answer.stream, answer);
  live.watch(answer);
  composer.setRunning(true);
  return answer;
}

function turn(frame) {
  outbox.arrived(frame.client_id);
  let section = document.getElementById(`turn-${frame.turn}`);
  if (!section) {
    section = document.createElement("section");
    section.className = "turn";
    section.id = `turn-${frame.turn}`;
    section.dataset.turn = frame.turn;
    conversation.append(section);
  }
  const known = answers.get(frame.stream);
  if (!known) {
    const parts = [element(frame.user_html), element(frame.answer_html)].filter(Boolean);
    section.replaceChildren(...parts);
    window.htmx?.process(section);
    const article = section.querySelector(".answer");
    if (article) {
      article.dataset.stream = frame.stream;
      follow(article);
    }
  }
  document.getElementById("chat-start").hidden = true;
  follower.resume();
  panel.refresh();
  window.htmx?.trigger(document.body, "chats-changed");
}

function end(frame) {
  const answer = answers.get(frame.stream);
  if (answer) {
    answer.flush();
    answer.finish(frame.html);
    answers.delete(frame.stream);
  } else {
    // it ended before this page had followed it
    const article = document.getElementById(`answer-${frame.turn}`);
    const fresh = element(frame.html);
    if (article?.dataset.stream === frame.stream && fresh) {
      article.replaceWith(fresh);
      window.htmx?.process(fresh);
    }
  }
  const left = [...answers.values()].pop();
  if (left) {
    live.watch(left);
  } else {
    live.end();
    composer.setRunning(false);
  }
  speaker.speak(true);
  document.getElementById("chat-state").textContent = ENDED[frame.state] ?? "";
  follower.drawn();
  panel.refresh();
  window.htmx?.trigger(document.body, "chats-changed");
}

function refused(frame) {
  if (frame.code === "unknown_stream") {
    resync(); // it was taken away while this page was not connected
    return;
  }
  const words = frame.code === "frame_too_large" ? outbox.refuseAll() : outbox.refused(frame.client_id);
  if (words && !composer.value) {
    composer.value = words;
  }
  composer.showError(frame);
}

function stop() {
  for (const answer of answers.values()) {
    link.send({ type: "stop", stream: answer.stream });
  }
  live.say("Stopping");
}

function showState(state) {
  const words = { connecting: "Connecting", reconnecting: "Reconnecting", websocket: "WebSocket", sse: "SSE", "signed-out": "Signed out", gone: "Not available", "too-many": "Too many open chats" };
  const badge = document.getElementById("transport");
  if (badge) {
    badge.dataset.transport = state;
    badge.querySelector(".transport-text").textContent = words[state];
  }
  if (state === "signed-out") {
    const back = encodeURIComponent(window.location.pathname);
    composer.showError({ message: "You are signed out.", hint: "Sign in again; your draft is kept." });
    window.maestro?.toast?.({ message: "You are signed out.", level: "warn" });
    document.getElementById("transport")?.setAttribute("title", `${root.dataset.loginUrl}?next=${back}`);
  } else if (state === "gone") {
    composer.showError({ message: "This chat is no longer there.", hint: "It may have been deleted in another window." });
  }
}

document.addEventListener("click", (event) => {
  const again = event.target.closest?.("[data-retry], [data-continue]");
  const suggestion = event.target.closest?.("[data-suggestion]");
  if (again) {
    composer.hideError();
    const { retry, continue: onward } = again.dataset;
    if (!link.send(onward ? { type: "continue", turn: onward } : { type: "retry", turn: retry })) {
      composer.showError({ message: "There is no connection to the server.", hint: "Try again when it is back." });
    }
  } else if (suggestion) {
    composer.value = suggestion.dataset.suggestion;
    composer.text.focus();
  } else if (event.target.closest?.("[data-resend]")) {
    outbox.again();
  }
});

document.addEventListener("keydown", (event) => {
  const busy = document.querySelector("dialog[open], :popover-open");
  if (event.key === "Escape" && !event.defaultPrevented && !busy && !side.isOpen() && composer.running) {
    event.preventDefault();
    stop();
  }
});

if (root.dataset.context) {
  for (const article of conversation.querySelectorAll('.answer[data-state="running"]')) {
    if (article.dataset.stream) {
      follow(article);
    }
  }
  follower.resume();
  link.connect();
}
