/* The rows of the context panel: focus, keys, selection, opening. A tool call and its result are chosen together. */
export function contextRows(root, list, guess) {
  const selected = new Set();
  const opened = new Map();
  let current = "";
  let place = 0;
  let focused = false;
  let anchor = "";

  const all = () => [...list.children];
  const shown = () => all().filter((row) => !row.hidden);
  const isOpen = (row) => !row.querySelector(".chunk-peek").hidden;
  const rowOf = (target) => target.closest?.("#context-chunks > li");

  /** The row and the other half of its tool call. */
  function group(row) {
    const { pair } = row.dataset;
    return pair ? all().filter((other) => other.dataset.pair === pair) : [row];
  }

  function focus(row) {
    if (!row) {
      return;
    }
    for (const other of all()) {
      other.tabIndex = other === row ? 0 : -1;
    }
    row.focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
  }

  function select(row, on) {
    for (const one of group(row)) {
      if (on) {
        selected.add(one.dataset.id);
      } else {
        selected.delete(one.dataset.id);
      }
    }
    paint();
  }

  function paint() {
    for (const row of all()) {
      const on = selected.has(row.dataset.id);
      row.classList.toggle("is-selected", on);
      row.querySelector(".chunk-check").checked = on;
    }
    list.classList.toggle("has-selection", selected.size > 0);
    guess.selection(all().filter((row) => selected.has(row.dataset.id)));
  }

  /** After rows came or went: selection, open rows and focus stay with the chunks they belonged to. */
  function settle() {
    const rows = all();
    const present = new Set(rows.map((row) => row.dataset.id));
    for (const id of selected) {
      if (!present.has(id)) {
        selected.delete(id);
      }
    }
    for (const row of rows) {
      if (opened.has(row.dataset.id) && !isOpen(row)) {
        show(row, opened.get(row.dataset.id));
        load(row); // an edit, or its undo, may have changed the chunk
      }
    }
    paint();
    const visible = shown();
    const same = visible.find((row) => row.dataset.id === current);
    const next = same ?? visible[Math.min(place, visible.length - 1)];
    for (const row of rows) {
      row.tabIndex = row === (next ?? visible[0]) ? 0 : -1;
    }
    if (focused && !list.contains(document.activeElement) && (document.activeElement === document.body || !document.activeElement)) {
      focus(next);
    }
  }

  function show(row, html) {
    const peek = row.querySelector(".chunk-peek");
    peek.innerHTML = html;
    window.htmx.process(peek);
    peek.hidden = false;
    row.querySelector(".chunk-title").setAttribute("aria-expanded", "true");
  }

  function hide(row) {
    opened.delete(row.dataset.id);
    row.querySelector(".chunk-peek").hidden = true;
    row.querySelector(".chunk-title").setAttribute("aria-expanded", "false");
  }

  function toggle(row) {
    if (isOpen(row)) {
      hide(row);
      return;
    }
    show(row, "");
    load(row);
  }

  /** Show in an open row what the server has of the chunk now. */
  async function load(row) {
    try {
      const response = await fetch(row.querySelector(".chunk-title").dataset.peek, { credentials: "same-origin" });
      if (!response.ok || response.redirected) {
        return;
      }
      const html = await response.text();
      if (row.isConnected && isOpen(row) && opened.get(row.dataset.id) !== html) {
        opened.set(row.dataset.id, html);
        show(row, html);
      }
    } catch {
      hide(row);
    }
  }

  list.addEventListener("click", (event) => {
    const row = rowOf(event.target);
    if (!row) {
      return;
    }
    if (event.target.closest(".chunk-title")) {
      toggle(row);
    } else if (event.target.matches(".chunk-check")) {
      select(row, event.target.checked);
      anchor = row.dataset.id;
    }
  });
  list.addEventListener("focusin", (event) => {
    const row = rowOf(event.target);
    if (row) {
      current = row.dataset.id;
      place = shown().indexOf(row);
      focused = true;
      guess.hover(group(row));
      for (const button of row.querySelectorAll("button, input")) {
        button.tabIndex = 0;
      }
    }
  });
  list.addEventListener("focusout", (event) => {
    const row = rowOf(event.target);
    if (row && !row.contains(event.relatedTarget)) {
      for (const button of row.querySelectorAll("button, input")) {
        button.tabIndex = -1;
      }
      guess.hover([]);
      // a row that is replaced loses the focus to nothing; then it is given back
      focused = !event.relatedTarget && !document.hidden ? focused : list.contains(event.relatedTarget);
    }
  });
  document.addEventListener("pointerdown", (event) => {
    focused = list.contains(event.target);
  });
  list.addEventListener("pointerover", (event) => {
    const row = rowOf(event.target);
    if (event.pointerType === "mouse") {
      guess.hover(row ? group(row) : []);
    }
  });
  list.addEventListener("pointerleave", () => guess.hover([]));

  function press(row, act) {
    row.querySelector(`[data-act="${act}"]`)?.click();
  }

  list.addEventListener("keydown", (event) => {
    const row = rowOf(event.target);
    if (!row || event.ctrlKey || event.metaKey || event.altKey || event.target.closest(".chunk-peek")) {
      return;
    }
    const rows = shown();
    const at = rows.indexOf(row);
    const onButton = event.target !== row;
    let handled = true;
    switch (event.key) {
      case "ArrowDown":
      case "ArrowUp": {
        const next = rows[at + (event.key === "ArrowDown" ? 1 : -1)];
        if (event.shiftKey && next) {
          select(row, true);
          select(next, true);
        }
        focus(next);
        break;
      }
      case "Home":
        focus(rows[0]);
        break;
      case "End":
        focus(rows[rows.length - 1]);
        break;
      case " ":
        handled = !onButton;
        if (handled) {
          select(row, !selected.has(row.dataset.id));
        }
        break;
      case "Enter":
        handled = !onButton;
        if (handled) {
          toggle(row);
        }
        break;
      case "p":
      case "P":
        press(row, "pin");
        break;
      case "e":
      case "E":
        press(row, "exclude");
        break;
      case "Delete":
      case "Backspace":
        press(row, "delete");
        break;
      case "Escape":
        handled = selected.size > 0;
        if (handled) {
          selected.clear();
          paint();
        }
        break;
      default:
        handled = false;
    }
    if (handled) {
      event.preventDefault();
    }
  });

  document.addEventListener("click", (event) => {
    const bulk = event.target.closest?.("[data-bulk]");
    if (bulk && selected.size) {
      const values = { action: bulk.dataset.bulk, ids: [...selected] };
      selected.clear();
      window.htmx.ajax("POST", root.dataset.bulkUrl, { source: list, target: list, swap: "none", values });
    } else if (event.target.closest?.("[data-select-none]")) {
      selected.clear();
      paint();
      (list.querySelector(`[data-id="${CSS.escape(anchor)}"]`) ?? list.firstElementChild)?.focus();
    }
  });

  return { settle };
}
