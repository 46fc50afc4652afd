/* The context panel: kept up to date, filtered, searched; undo and redo by key; the preview of the request. */
import { contextRows } from "./context-rows.js";
import { whatIf } from "./context-whatif.js";

const REFRESH_MS = 120;
const SEARCH_MS = 200;
const LARGE = 5_000;

export function contextPanel(root, composer) {
  const list = document.getElementById("context-chunks");
  if (!list) {
    return { refresh() {} };
  }
  const search = document.getElementById("context-search");
  const none = document.getElementById("context-none");
  const state = { pinned: false, excluded: false, large: false, kind: "", words: "", found: null };
  let refreshTimer = 0;
  let searchTimer = 0;
  let asked = 0;

  const guess = whatIf(list);
  const rows = contextRows(root, list, guess);

  function refresh() {
    window.clearTimeout(refreshTimer);
    refreshTimer = window.setTimeout(() => {
      if (root.classList.contains("is-deleted")) {
        return;
      }
      window.htmx.ajax("GET", root.dataset.panelUrl, { source: list, target: list, swap: "none" });
    }, REFRESH_MS);
  }

  function fits(row) {
    const { dataset } = row;
    if (state.pinned && dataset.pinned !== "true") return false;
    if (state.excluded && dataset.sent === "true") return false;
    if (state.large && Number(dataset.tokens) <= LARGE) return false;
    if (state.kind && dataset.kind !== state.kind) return false;
    if (!state.words) return true;
    const title = row.querySelector(".chunk-title").textContent.toLowerCase();
    return title.includes(state.words) || Boolean(state.found?.has(dataset.id));
  }

  function apply() {
    let shown = 0;
    for (const row of list.children) {
      const fit = fits(row);
      row.hidden = !fit;
      shown += fit;
    }
    none.hidden = shown > 0 || !list.children.length;
    for (const chip of document.querySelectorAll("#panel-chips [data-filter]")) {
      chip.setAttribute("aria-pressed", String(state[chip.dataset.filter]));
    }
    const kind = document.querySelector(`#kind-menu [data-kind-filter="${CSS.escape(state.kind)}"]`);
    const label = document.querySelector("[data-kind-label]");
    if (label) {
      label.textContent = state.kind ? (kind?.textContent ?? state.kind) : "Kind";
      label.closest(".chip").classList.toggle("is-active", Boolean(state.kind));
    }
  }

  /** Titles match at once; texts are searched by the server. */
  async function lookUp() {
    const words = search.value.trim();
    state.words = words.toLowerCase();
    state.found = null;
    apply();
    if (!words) {
      return;
    }
    const number = (asked += 1);
    const address = new URL(root.dataset.searchUrl, window.location.href);
    address.searchParams.set("q", words);
    try {
      const answer = await (await fetch(address, { credentials: "same-origin" })).json();
      if (number === asked) {
        state.found = new Set(answer.ids);
        apply();
      }
    } catch {
      // the titles were searched; the texts wait for the connection
    }
  }

  function clear() {
    Object.assign(state, { pinned: false, excluded: false, large: false, kind: "", words: "", found: null });
    search.value = "";
    apply();
  }

  search.addEventListener("input", () => {
    window.clearTimeout(searchTimer);
    searchTimer = window.setTimeout(lookUp, SEARCH_MS);
  });
  document.addEventListener("click", (event) => {
    const chip = event.target.closest?.("#panel-chips [data-filter]");
    const kind = event.target.closest?.("[data-kind-filter]");
    if (chip) {
      state[chip.dataset.filter] = !state[chip.dataset.filter];
      apply();
    } else if (kind) {
      state.kind = kind.dataset.kindFilter;
      apply();
    } else if (event.target.closest?.("[data-filters-clear]")) {
      clear();
    } else if (event.target.closest?.("[data-preview]")) {
      preview();
    }
  });

  function preview() {
    const dialog = document.getElementById("preview-dialog");
    const values = composer.value.trim() ? { text: composer.value.trim() } : {};
    window.htmx
      .ajax("POST", root.dataset.previewUrl, { source: dialog, target: dialog, swap: "innerHTML", values })
      .then(() => window.maestro.openDialog("preview-dialog"));
  }

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input:not([type=checkbox]), textarea, select, dialog, [contenteditable]");
    if (typing || event.defaultPrevented || event.altKey || !(event.ctrlKey || event.metaKey)) {
      return;
    }
    const key = event.key.toLowerCase();
    const back = key === "z" && !event.shiftKey;
    if (back && document.querySelector("[data-toast][data-undo]")) {
      return; // the toast takes back its own edit
    }
    if (back || (key === "z" && event.shiftKey) || key === "y") {
      event.preventDefault();
      window.htmx.ajax("POST", back ? root.dataset.undoUrl : root.dataset.redoUrl, { source: list, target: list, swap: "none" });
    }
  });

  new MutationObserver(() => {
    apply();
    rows.settle();
    guess.measure();
  }).observe(list, { childList: true });
  rows.settle();
  return { refresh };
}
