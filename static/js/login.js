/*
 * The page of a sign-in: the time that is left, and what to say while Maestro itself does not answer.
 * Everything else on it is htmx, and works without scripts by its forms and the Check link.
 */
(() => {
  "use strict";
  const WARN_BELOW_S = 60;

  /* the server's clock decides; ours only counts on from what the server said */
  const seen = new WeakMap();

  function left(clock) {
    if (!seen.has(clock)) {
      seen.set(clock, Number(clock.dataset.now) * 1000 - Date.now());
    }
    const ends = Number(clock.dataset.ends) * 1000;
    return Math.max(0, Math.floor((ends - Date.now() - seen.get(clock)) / 1000));
  }

  function tick() {
    const clock = document.getElementById("login-clock");
    const figure = clock?.querySelector("[data-clock]");
    if (!figure) {
      return;
    }
    const seconds = left(clock);
    const words = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    if (figure.textContent !== words) {
      figure.textContent = words;
      clock.classList.toggle("is-short", seconds < WARN_BELOW_S);
    }
  }

  tick();
  window.setInterval(tick, 500);
  document.addEventListener("visibilitychange", () => document.hidden || tick());

  /* what is said of a paste, the field shows as well */
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target?.id === "answer-hint") {
      const wrong = event.detail.target.querySelector(".field-error") !== null;
      document.querySelector("[name=answer]")?.setAttribute("aria-invalid", String(wrong));
    }
  });

  /* asking goes on by itself: one quiet line instead of a message every second and a half */
  const asks = (event) => event.detail?.elt?.id === "login-live";
  const unreachable = (is) => {
    const line = document.querySelector("[data-login-unreachable]");
    if (line) {
      line.hidden = !is;
    }
  };
  const quiet = (event) => {
    if (asks(event)) {
      event.stopPropagation();
      unreachable(true);
    }
  };
  for (const name of ["htmx:sendError", "htmx:timeout", "htmx:responseError"]) {
    document.body.addEventListener(name, quiet);
  }
  document.body.addEventListener("htmx:afterRequest", (event) => {
    if (asks(event) && event.detail.successful) {
      unreachable(false);
    }
  });
})();
