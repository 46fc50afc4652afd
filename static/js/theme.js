/* The reader's theme, before the first paint: a file of its own so that the page never flashes the wrong colours. */
(() => {
  "use strict";
  const KEY = "theme"; // the key and the values of Django admin, so that one choice holds in both
  const CHOICES = ["auto", "light", "dark"];
  const NAMES = { auto: "system", light: "light", dark: "dark" };
  const root = document.documentElement;

  function stored() {
    try {
      const value = window.localStorage.getItem(KEY);
      return CHOICES.includes(value) ? value : "auto";
    } catch {
      return "auto"; // storage is switched off: follow the system
    }
  }

  function apply(choice) {
    if (choice === "auto") {
      root.removeAttribute("data-theme");
    } else {
      root.dataset.theme = choice;
    }
  }

  function label(choice) {
    const next = CHOICES[(CHOICES.indexOf(choice) + 1) % CHOICES.length];
    for (const button of document.querySelectorAll("[data-theme-toggle]")) {
      button.setAttribute("aria-label", `Theme: ${NAMES[choice]}. Change to ${NAMES[next]}`);
      button.dataset.tip = `Theme: ${NAMES[choice]}`;
    }
    for (const input of document.querySelectorAll("[data-theme-choice]")) {
      input.checked = input.value === choice;
    }
  }

  function choose(choice) {
    try {
      window.localStorage.setItem(KEY, choice);
    } catch {
      // the choice then lasts as long as the page
    }
    apply(choice);
    label(choice);
  }

  apply(stored());
  document.addEventListener("DOMContentLoaded", () => label(stored()));
  document.addEventListener("click", (event) => {
    const toggle = event.target.closest?.("[data-theme-toggle]");
    if (toggle) {
      const now = root.dataset.theme || "auto";
      choose(CHOICES[(CHOICES.indexOf(now) + 1) % CHOICES.length]);
    }
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches?.("[data-theme-choice]")) {
      choose(event.target.value);
    }
  });
  window.addEventListener("storage", (event) => {
    if (event.key === KEY) {
      apply(stored());
      label(stored());
    }
  });
})();
