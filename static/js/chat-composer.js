/* The composer: grows with its text, sends on Enter, keeps a draft per chat, and shows Stop where Send was. */
const DRAFT = "maestro.draft.";
const FIRST = "maestro.first-message";

export class Composer {
  constructor(form, { contextId, onSend, onStop }) {
    this.form = form;
    this.text = form.querySelector(".composer-text");
    this.button = form.querySelector(".composer-send");
    this.error = document.getElementById("composer-error");
    this.contextId = contextId;
    this.onSend = onSend;
    this.onStop = onStop;
    this.running = false;
    form.addEventListener("submit", (event) => this.submit(event));
    this.text.addEventListener("input", () => this.changed());
    this.text.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing && event.keyCode !== 229) {
        event.preventDefault();
        if (!this.running) {
          this.form.requestSubmit();
        }
      }
    });
    this.restore();
  }

  get value() {
    return this.text.value;
  }

  set value(words) {
    this.text.value = words;
    this.changed();
  }

  /** Without a chat the form makes one; the message waits in this tab until the new page has its connection. */
  submit(event) {
    const words = this.value.trim();
    if (this.running) {
      event.preventDefault();
      this.onStop();
      return;
    }
    if (!words) {
      event.preventDefault();
      this.text.focus();
      return;
    }
    if (!this.contextId) {
      if (!store(FIRST, words)) {
        event.preventDefault();
        this.showError({ message: "The browser could not keep this message while the chat opens.", hint: "Open a new chat, then paste it there." });
        return;
      }
      store(DRAFT, "");
      return;
    }
    event.preventDefault();
    if (this.onSend(words)) {
      this.value = "";
      this.hideError();
    }
  }

  /** The message that the page before this one was asked to send, once. */
  takeFirst() {
    const words = read(FIRST);
    store(FIRST, "");
    return words;
  }

  setRunning(running) {
    this.running = running;
    this.button.dataset.mode = running ? "stop" : "send";
    this.button.setAttribute("aria-label", running ? "Stop the answer" : "Send");
    this.button.disabled = this.text.disabled;
  }

  changed() {
    this.fit();
    store(DRAFT + (this.contextId ?? ""), this.value);
  }

  fit() {
    // browsers that size a field by its content need no help
    if (!window.CSS?.supports?.("field-sizing", "content")) {
      this.text.style.height = "auto";
      this.text.style.height = `${this.text.scrollHeight}px`;
    }
  }

  restore() {
    const words = read(DRAFT + (this.contextId ?? ""));
    if (words && !this.value) {
      this.text.value = words;
    }
    this.fit();
    // a phone's keyboard must not cover the page before anything was tapped
    if (!this.text.disabled && window.matchMedia("(hover: hover)").matches) {
      this.text.focus({ preventScroll: true });
      this.text.setSelectionRange(this.value.length, this.value.length);
    }
  }

  showError({ message, hint, code, step }) {
    this.error.querySelector(".composer-error-text").textContent = [message, hint].filter(Boolean).join(" ");
    const session = document.getElementById("picker-button")?.dataset ?? {};
    for (const button of this.error.querySelectorAll("[data-step]")) {
      const link = button.tagName === "A";
      button.hidden = button.dataset.step !== step || (link && !session.sessionUrl);
      if (link && session.sessionUrl) {
        button.href = session.sessionUrl;
      }
      if (button.dataset.step === "renew" && session.renew) {
        button.textContent = session.renew;
      }
    }
    const place = this.error.querySelector("[data-step-code]");
    const about = place.querySelector("a");
    place.hidden = !code;
    place.querySelector("[data-copy]").dataset.copy = about.textContent = code ?? "";
    about.hash = code ?? "";
    this.error.hidden = false;
  }

  hideError() {
    this.error.hidden = true;
  }
}

/** Whether the value is kept now. Storage may be forbidden or full; for a draft that is no loss. */
function store(key, value) {
  try {
    if (value) {
      window.sessionStorage.setItem(key, value);
    } else {
      window.sessionStorage.removeItem(key);
    }
    return true;
  } catch {
    return false;
  }
}

function read(key) {
  try {
    return window.sessionStorage.getItem(key) ?? "";
  } catch {
    return "";
  }
}
