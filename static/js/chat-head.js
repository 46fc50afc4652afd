/* The head of a chat: renaming in place, and what is left on the page of a deleted chat. */
import { stencil } from "./chat-stencils.js";

export function chatHead(root, side) {
  document.addEventListener("click", (event) => {
    if (event.target.closest?.("[data-title-edit]")) {
      edit(true);
    } else if (event.target.closest?.(".chat-item")) {
      side.close();
    } else if (event.target.closest?.("[data-params-reset]")) {
      reset(event.target.closest("form"));
    } else if (event.target.closest?.("[data-use-for]")) {
      use(event.target.closest("[data-use-for]").dataset);
    } else if (event.target.closest?.("[data-note-close]")) {
      const box = event.target.closest("details");
      box.open = false;
      box.querySelector("summary").focus();
    }
  });
  // a form that opens at the end of a long list must not open out of sight ("toggle" does not bubble)
  document.addEventListener(
    "toggle",
    (event) => {
      if (event.target.matches?.(".note-box[open]")) {
        event.target.scrollIntoView({ block: "nearest" });
        event.target.querySelector("textarea").focus({ preventScroll: true });
      }
    },
    true,
  );
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && event.target.closest?.(".title-form")) {
      event.preventDefault();
      edit(false);
    }
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.successful && event.detail.elt.matches?.("[data-chat-delete]")) {
      deleted(root);
    }
  });
  document.addEventListener("htmx:oobAfterSwap", retitle);
  document.addEventListener("htmx:afterSwap", retitle);
}

function edit(on) {
  const box = document.getElementById("chat-title-box");
  box.querySelector(".chat-title-line").hidden = on;
  box.querySelector(".title-form").hidden = !on;
  if (on) {
    const field = box.querySelector("input");
    field.focus();
    field.select();
  } else {
    box.querySelector("[data-title-edit]").focus();
  }
}

function retitle() {
  const title = document.getElementById("chat-title");
  if (title) {
    document.title = `${title.textContent} · Maestro`;
  }
}

function reset(form) {
  for (const field of form.querySelectorAll("input:not([type=hidden]), select, textarea")) {
    field.value = "";
  }
  form.querySelector("input")?.focus();
  form.querySelector("input")?.dispatchEvent(new Event("input", { bubbles: true }));
}

// the nearest value that was offered beside a field; the field then says what there is to say of that one
function use({ useFor, use: value }) {
  const field = document.getElementById(useFor);
  field.value = value;
  field.focus();
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

function deleted(root) {
  root.classList.add("is-deleted");
  const start = document.getElementById("chat-start");
  start.replaceChildren(stencil("stencil-deleted"));
  start.hidden = false;
  window.htmx.process(start);
}
