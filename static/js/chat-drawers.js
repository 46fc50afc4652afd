/* On narrow screens the chat list and the context panel are drawers: one at a time, closed by Esc, the scrim, or a wide window. */
const WIDE = { "chat-list": "(min-width: 1440px)", "context-panel": "(min-width: 1200px)" };

export function drawers() {
  const root = document.documentElement;
  let open = null;
  let opener = null;

  function set(id, button) {
    const drawer = id && document.getElementById(id);
    if (open && open !== drawer) {
      open.classList.remove("is-open");
      open.removeAttribute("aria-modal");
      open.removeAttribute("role");
    }
    const before = open;
    open = drawer ?? null;
    root.classList.toggle("drawer-open", Boolean(open));
    for (const other of document.querySelectorAll(".chat-main, #nav, .topbar")) {
      other.toggleAttribute("inert", Boolean(open));
    }
    if (open) {
      opener = button;
      open.classList.add("is-open");
      open.setAttribute("role", "dialog");
      open.setAttribute("aria-modal", "true");
      open.querySelector("[data-drawers-close], button, a")?.focus({ preventScroll: true });
    } else if (before) {
      opener?.focus({ preventScroll: true });
    }
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-drawer-open]");
    if (button) {
      set(button.dataset.drawerOpen, button);
    } else if (event.target.closest?.("[data-drawers-close]")) {
      set(null);
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && open && !event.defaultPrevented && !document.querySelector("dialog[open], :popover-open")) {
      event.preventDefault();
      set(null);
    }
  });
  for (const [id, query] of Object.entries(WIDE)) {
    window.matchMedia(query).addEventListener("change", (event) => event.matches && open?.id === id && set(null));
  }
  return { isOpen: () => Boolean(open), close: () => set(null) };
}
