/* What is said about a running answer: the live line with its numbers, and whole sentences for screen readers. */
const WINDOW_MS = 2_000;
const TICK_MS = 200;
const SPEAK_EVERY_MS = 1_500;
const KEEP_SPOKEN = 6;

export class LiveLine {
  constructor(line) {
    this.line = line;
    this.word = line.querySelector(".live-word");
    this.parts = Object.fromEntries([...line.querySelectorAll("[data-live]")].map((part) => [part.dataset.live, part]));
    this.answer = null;
    this.samples = [];
    this.timer = 0;
  }

  watch(answer) {
    this.answer = answer;
    this.samples = [];
    this.line.hidden = false;
    this.say("Waiting");
    window.clearInterval(this.timer);
    this.timer = window.setInterval(() => this.tick(), TICK_MS);
    this.tick();
  }

  say(word) {
    this.word.textContent = word;
  }

  tick() {
    const { answer } = this;
    const now = performance.now();
    this.samples.push([now, answer.tokens]);
    while (this.samples.length > 2 && this.samples[1][0] <= now - WINDOW_MS) {
      this.samples.shift();
    }
    const [then, before] = this.samples[0];
    const rate = now > then ? Math.max(0, ((answer.tokens - before) * 1000) / (now - then)) : 0;
    if (answer.hasOutput && this.word.textContent === "Waiting") {
      this.say("Streaming");
      // what was caught up at once is no speed
      this.samples = [[now, answer.tokens]];
    }
    this.set("rate", `${Math.round(rate)} tokens/s`);
    this.set("tokens", `${answer.tokens.toLocaleString("en")} tokens`);
    this.set("time", elapsed(now - answer.startedAt));
  }

  set(name, words) {
    const part = this.parts[name];
    if (part && part.textContent !== words) {
      part.textContent = words;
    }
  }

  end() {
    window.clearInterval(this.timer);
    this.timer = 0;
    this.answer = null;
    this.line.hidden = true;
  }
}

function elapsed(ms) {
  const seconds = ms / 1000;
  if (seconds < 60) {
    return `${seconds.toFixed(1)} s`;
  }
  return `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
}

/** Gathers text and gives whole sentences to a polite live region, not more often than a person can listen. */
export class Speaker {
  constructor(region) {
    this.region = region;
    this.waiting = "";
    this.timer = 0;
  }

  add(text) {
    this.waiting += text;
    this.timer ||= window.setTimeout(() => this.speak(false), SPEAK_EVERY_MS);
  }

  speak(all) {
    window.clearTimeout(this.timer);
    this.timer = 0;
    const end = all ? this.waiting.length : lastSentence(this.waiting);
    const words = this.waiting.slice(0, end).replace(/[`*_#>|]+/g, " ").trim();
    this.waiting = this.waiting.slice(end);
    if (words) {
      const line = document.createElement("p");
      line.textContent = words;
      this.region.append(line);
      while (this.region.children.length > KEEP_SPOKEN) {
        this.region.firstElementChild.remove();
      }
    }
  }
}

function lastSentence(text) {
  const found = [...text.matchAll(/[.!?…:](?=\s)|\n/g)].pop();
  return found ? found.index + 1 : 0;
}
