/* Small things of every page: copy buttons, relative times, busy buttons, meters, the search key, failures of htmx requests. */
(() => {
  "use strict";
  const TIMES_EVERY_MS = 20_000;
  const COPIED_MS = 1_500;
  const say = (detail) => window.maestro?.toast?.(detail);

  /* copy: data-copy="text", or data-copy-from="#id" for the text of an element */
  async function copy(button) {
    const source = button.dataset.copyFrom ? document.querySelector(button.dataset.copyFrom) : null;
    const text = source ? (source.value ?? source.textContent) : button.dataset.copy;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // no clipboard outside https and localhost: the selection trick still works there
      const field = document.createElement("textarea");
      field.value = text;
      field.className = "sr-only";
      (button.closest("dialog") || document.body).append(field);
      field.select();
      const done = document.execCommand("copy");
      field.remove();
      if (!done) {
        say({ message: "The browser did not allow copying. Select the text and copy it by hand.", level: "warn" });
        return;
      }
    }
    const use = button.querySelector("use");
    const before = use?.getAttribute("href");
    if (before && !before.endsWith("#check")) {
      use.setAttribute("href", before.replace(/#.*/, "#check"));
      window.setTimeout(() => use.setAttribute("href", before), COPIED_MS);
    } else {
      say({ message: "Copied" });
    }
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-copy], [data-copy-from]");
    if (button) {
      copy(button);
    }
  });

  /* relative times: the same words as the template filter `ago` */
  function relative(moment) {
    const seconds = (Date.now() - moment) / 1000;
    for (const [unit, letter] of [[86_400, "d"], [3_600, "h"], [60, "m"]]) {
      if (Math.abs(seconds) >= unit) {
        const words = `${Math.floor(Math.abs(seconds) / unit)} ${letter}`;
        return seconds > 0 ? `${words} ago` : `in ${words}`;
      }
    }
    return "now";
  }

  function times() {
    for (const time of document.querySelectorAll("time[data-relative]")) {
      const words = relative(Date.parse(time.dateTime));
      if (time.textContent !== words) {
        time.textContent = words;
      }
    }
  }

  window.setInterval(() => document.hidden || times(), TIMES_EVERY_MS);
  document.addEventListener("visibilitychange", () => document.hidden || times());

  /* meters: data-share is a percentage; the CSSOM sets the width, since the policy allows no style attribute */
  function meters(root) {
    for (const part of root.querySelectorAll?.(".meter-part[data-share]") ?? []) {
      const share = Math.min(100, Math.max(0, Number.parseFloat(part.dataset.share) || 0));
      part.style.width = `${share}%`;
    }
  }

  meters(document);
  document.addEventListener("htmx:load", (event) => meters(event.detail.elt.parentElement || document));
  document.addEventListener("htmx:oobAfterSwap", (event) => meters(event.detail.target?.parentElement || document));

  /* busy buttons: data-busy="Testing" keeps its width, turns, and says what it does */
  function busy(button) {
    if (!button?.dataset?.busy || button.getAttribute("aria-busy") === "true") {
      return;
    }
    button.style.minWidth = `${button.offsetWidth}px`;
    button.setAttribute("aria-busy", "true");
    button.maestroBefore = [...button.childNodes];
    const spinner = document.createElement("span");
    spinner.className = "spinner";
    button.replaceChildren(spinner, button.dataset.busy);
  }

  function idle(button) {
    if (button?.maestroBefore) {
      button.replaceChildren(...button.maestroBefore);
      button.maestroBefore = null;
      button.removeAttribute("aria-busy");
      button.style.minWidth = "";
    }
  }

  const busyButton = (element, submitter) =>
    element.matches?.("[data-busy]") ? element : (submitter ?? element.querySelector?.("button[data-busy]"));
  document.addEventListener("htmx:beforeRequest", (event) => {
    busy(busyButton(event.detail.elt, event.detail.requestConfig.triggeringEvent?.submitter));
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    idle(busyButton(event.detail.elt, event.detail.requestConfig.triggeringEvent?.submitter));
  });
  document.addEventListener("submit", (event) => {
    if (!event.defaultPrevented && event.submitter?.getAttribute("aria-busy") === "true") {
      event.preventDefault(); // a second click must not send it twice
    } else if (!event.defaultPrevented) {
      busy(event.submitter);
    }
  });
  window.addEventListener("pageshow", () => {
    for (const button of document.querySelectorAll('[aria-busy="true"]')) {
      idle(button);
    }
  });

  /* the search key */
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey && !event.defaultPrevented) {
      const field = [...document.querySelectorAll("[data-search]")].find((one) => one.offsetParent !== null);
      if (field) {
        event.preventDefault();
        field.focus();
        field.select?.();
      }
    } else if (event.key === "Escape" && event.target.matches?.("[data-search]")) {
      if (event.target.value) {
        event.target.value = "";
        event.target.dispatchEvent(new Event("input", { bubbles: true }));
        event.target.dispatchEvent(new Event("search", { bubbles: true }));
      } else {
        event.target.blur();
      }
    }
  });

  /* submit a filter form when one of its controls changes */
  document.addEventListener("change", (event) => {
    const form = event.target.closest?.("form[data-autosubmit]");
    if (form) {
      form.requestSubmit();
    }
  });

  /* failures of htmx requests: what happened, what to do, a code that can be copied */
  function failure(xhr) {
    const status = xhr.status;
    let message = status >= 500 ? "The server could not do this. Nothing was changed; try again." : "This was refused.";
    let code = xhr.getResponseHeader("X-Error-Code") || `HTTP-${status}`;
    if (status === 404) {
      message = "This is no longer there. Reload the page to see what is.";
    } else if (status === 403) {
      message = "This is not allowed. If the page is old, reload it and try again.";
    } else if (status === 429) {
      message = "Too many requests. Wait a moment and try again.";
    } else if (status === 401) {
      message = "You are signed out. Sign in again to go on.";
    }
    if ((xhr.getResponseHeader("Content-Type") || "").includes("json")) {
      try {
        const error = JSON.parse(xhr.responseText).error;
        message = [error?.message, error?.hint].filter(Boolean).join(" ") || message;
        code = error?.code || code;
      } catch {
        // not JSON after all: the general words stand
      }
    }
    return { message, code, level: "bad" };
  }

  // signed out meanwhile: the answer is the sign-in page, which must not be put into a part of this one
  document.addEventListener("htmx:beforeSwap", (event) => {
    const login = document.body.dataset.login;
    const answered = event.detail.xhr.responseURL;
    if (login && answered && new URL(answered).pathname === login) {
      event.preventDefault();
      const here = window.location.pathname + window.location.search;
      window.location.assign(`${login}?next=${encodeURIComponent(here)}`);
    }
  });

  document.addEventListener("htmx:responseError", (event) => {
    const triggered = event.detail.xhr.getResponseHeader("HX-Trigger") || "";
    if (!triggered.includes('"toast"')) {
      say(failure(event.detail.xhr));
    }
  });
  document.addEventListener("htmx:sendError", () => {
    say({ message: "The server could not be reached. Check that it runs, then try again.", code: "NETWORK", level: "bad" });
  });
  document.addEventListener("htmx:timeout", () => {
    say({ message: "No answer in time. It may still arrive; reload the page to see.", code: "TIMEOUT", level: "bad" });
  });
})();
