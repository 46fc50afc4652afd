/*
 * Toasts: 10 seconds at the bottom left, held while hovered or focused, with Undo where the server names an address.
 *
 * From the server: response header  HX-Trigger: {"toast": {"message": "Session deleted", "undo": "/sessions/.../undo/"}}
 * From scripts:    window.maestro.toast({message, undo, level: "ok" | "warn" | "bad", code})
 * Undo is a POST by htmx; what its answer triggers (events, redirects, out-of-band rows) happens as for any request.
 */
(() => {
  "use strict";
  const LIFETIME_MS = 10_000;
  const SHORT_LIFETIME_MS = 5_000; // nothing to take back, nothing to copy
  const TICK_MS = 250;
  const MOST = 4;
  const timers = new WeakMap();

  function region() {
    return document.getElementById("toasts");
  }

  function dismiss(toast) {
    window.clearInterval(timers.get(toast));
    timers.delete(toast);
    if (!toast.isConnected || toast.classList.contains("is-leaving")) {
      return;
    }
    toast.classList.add("is-leaving");
    const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    window.setTimeout(() => toast.remove(), still ? 0 : 200);
  }

  function start(toast) {
    let left = toast.matches(".toast-ok:not([data-undo])") ? SHORT_LIFETIME_MS : LIFETIME_MS;
    const time = toast.querySelector(".toast-time");
    const show = () => {
      if (time) {
        time.textContent = `${Math.ceil(left / 1000)} s`;
      }
    };
    show();
    timers.set(
      toast,
      window.setInterval(() => {
        if (toast.matches(":hover") || toast.matches(":focus-within")) {
          return;
        }
        left -= TICK_MS;
        show();
        if (left <= 0) {
          dismiss(toast);
        }
      }, TICK_MS),
    );
  }

  function undo(toast) {
    const address = toast.dataset.undo;
    if (!address) {
      return;
    }
    delete toast.dataset.undo; // a second click while it is under way does nothing
    dismiss(toast);
    window.htmx.ajax("POST", address, { source: document.body, target: document.body, swap: "none" });
  }

  function toast(detail) {
    const template = document.getElementById("toast-template");
    const home = region();
    const message = String(detail?.message ?? detail?.value ?? "").trim();
    if (!template || !home || !message) {
      return null;
    }
    const element = template.content.firstElementChild.cloneNode(true);
    const level = { error: "bad", warning: "warn", success: "ok", info: "ok" }[detail.level] || detail.level || "ok";
    element.classList.add(`toast-${level}`);
    element.querySelector(level === "ok" ? ".toast-icon-bad" : ".toast-icon-ok").remove();
    element.querySelector(".toast-text").textContent = message;
    if (detail.code) {
      const code = element.querySelector(".toast-code");
      code.textContent = code.dataset.copy = detail.code;
      code.setAttribute("aria-label", `Copy the error code ${detail.code}`);
      code.hidden = false;
    }
    if (detail.undo && new URL(detail.undo, window.location.href).origin === window.location.origin) {
      element.dataset.undo = detail.undo;
      element.querySelector(".toast-action").hidden = false;
      element.querySelector(".toast-time").hidden = false;
    }
    for (const old of [...home.children].slice(0, Math.max(0, home.children.length - MOST + 1))) {
      dismiss(old);
    }
    home.append(element);
    start(element);
    return element;
  }

  window.maestro = Object.assign(window.maestro || {}, { toast });

  document.addEventListener("toast", (event) => {
    for (const detail of Array.isArray(event.detail) ? event.detail : [event.detail]) {
      toast(detail);
    }
  });

  document.addEventListener("click", (event) => {
    const element = event.target.closest?.("[data-toast]");
    if (!element) {
      return;
    }
    if (event.target.closest("[data-toast-close]")) {
      dismiss(element);
    } else if (event.target.closest(".toast-action")) {
      undo(element);
    }
  });

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
    if (event.key.toLowerCase() !== "z" || !(event.ctrlKey || event.metaKey) || event.shiftKey || typing) {
      return;
    }
    const last = [...document.querySelectorAll("[data-toast][data-undo]")].pop();
    if (last && !event.defaultPrevented) {
      event.preventDefault();
      undo(last);
    }
  });

  for (const element of document.querySelectorAll("#toasts > [data-toast]")) {
    start(element);
  }
})();
