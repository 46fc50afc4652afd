/*
 * Dialogs, drawers, the phone's navigation, and the one question before what cannot be undone (hx-confirm).
 * A dialog is a <dialog>: the browser traps the focus, closes on Escape and gives the focus back.
 */
(() => {
  "use strict";

  function open(id) {
    const dialog = document.getElementById(id);
    if (dialog && !dialog.open) {
      dialog.showModal();
      dialog.dispatchEvent(new CustomEvent("maestro:open", { bubbles: true }));
    }
  }

  function nav(isOpen) {
    const menu = document.getElementById("nav");
    const wasOpen = document.documentElement.classList.contains("nav-open");
    if (!menu || wasOpen === isOpen) {
      return;
    }
    document.documentElement.classList.toggle("nav-open", isOpen);
    document.getElementById("main")?.toggleAttribute("inert", isOpen);
    const button = document.querySelector("[data-nav-open]");
    button?.setAttribute("aria-expanded", String(isOpen));
    if (isOpen) {
      menu.querySelector("[aria-current], a")?.focus();
    } else {
      button?.focus();
    }
  }

  document.addEventListener("click", (event) => {
    const target = event.target;
    const opener = target.closest?.("[data-dialog-open]");
    if (opener) {
      open(opener.dataset.dialogOpen);
      return;
    }
    if (target.closest?.("[data-dialog-close]")) {
      target.closest("dialog")?.close("cancel");
      return;
    }
    if (target.closest?.("[data-nav-open]")) {
      nav(true);
      return;
    }
    if (target.closest?.("[data-nav-close]")) {
      nav(false);
      return;
    }
    // a click on the backdrop reaches the dialog itself, outside its own box
    if (target.matches?.("dialog.dialog, dialog.drawer")) {
      const box = target.getBoundingClientRect();
      const inside =
        event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
      if (!inside) {
        target.close("cancel");
      }
    }
  });

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      nav(false);
    }
  });

  window.matchMedia("(min-width: 768px)").addEventListener("change", (event) => event.matches && nav(false));

  /** Ask `question`; resolves true for yes. `yes` names the button ("Delete"). */
  function confirm(question, yes) {
    const dialog = document.getElementById("confirm-dialog");
    if (!dialog) {
      return Promise.resolve(window.confirm(question));
    }
    dialog.querySelector("#confirm-question").textContent = question;
    const button = dialog.querySelector("[data-confirm-yes]");
    button.textContent = yes || "Continue";
    return new Promise((resolve) => {
      dialog.returnValue = "cancel";
      button.onclick = () => dialog.close("yes");
      dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
      dialog.showModal();
      dialog.querySelector("[data-dialog-close]").focus();
    });
  }

  document.addEventListener("htmx:confirm", (event) => {
    const question = event.detail.question;
    if (!question) {
      return;
    }
    event.preventDefault();
    confirm(question, event.detail.elt.dataset.confirmLabel).then((yes) => {
      if (yes) {
        event.detail.issueRequest(true);
      }
    });
  });

  // the same question on a plain form: <form data-confirm="Revoke it?" data-confirm-label="Revoke">
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.dataset.confirm || form.dataset.confirmed) {
      return;
    }
    event.preventDefault();
    const submitter = event.submitter;
    confirm(form.dataset.confirm, form.dataset.confirmLabel).then((yes) => {
      if (yes) {
        form.dataset.confirmed = "yes";
        form.requestSubmit(submitter);
        delete form.dataset.confirmed;
      }
    });
  });

  window.maestro = Object.assign(window.maestro || {}, { confirm, openDialog: open });
})();
