/*
 * Menus and tooltips. A menu is a popover (the browser opens and closes it, and gives the focus back); this file places it
 * beside its button and gives it arrow keys. Positions are set through the CSSOM, which a strict policy allows.
 */
(() => {
  "use strict";
  const GAP = 4;
  const EDGE = 8;
  const TIP_DELAY_MS = 400;
  let tipTimer = 0;
  let tipOwner = null;

  function invokerOf(menu) {
    const all = [...document.querySelectorAll(`[popovertarget="${CSS.escape(menu.id)}"]`)];
    return all.find((button) => button.offsetParent !== null) || all[0] || null;
  }

  function place(box, anchor, centred, beside = false) {
    const a = anchor.getBoundingClientRect();
    const b = box.getBoundingClientRect();
    const width = document.documentElement.clientWidth;
    const height = window.innerHeight;
    if (beside) {
      box.style.left = `${a.right + GAP}px`;
      box.style.top = `${a.top + (a.height - b.height) / 2}px`;
      return;
    }
    const below = a.bottom + GAP + b.height <= height - EDGE || a.top < b.height + GAP + EDGE;
    let left = centred ? a.left + (a.width - b.width) / 2 : a.left;
    if (!centred && left + b.width > width - EDGE) {
      left = a.right - b.width;
    }
    box.style.left = `${Math.max(EDGE, Math.min(left, width - b.width - EDGE))}px`;
    box.style.top = `${Math.max(EDGE, below ? Math.min(a.bottom + GAP, height - b.height - EDGE) : a.top - GAP - b.height)}px`;
  }

  function items(menu) {
    return [...menu.querySelectorAll('[role^="menuitem"]')].filter((item) => !item.disabled && item.offsetParent !== null);
  }

  document.addEventListener(
    "toggle",
    (event) => {
      const menu = event.target;
      if (!menu.matches?.(".menu[popover]")) {
        return;
      }
      const button = invokerOf(menu);
      button?.setAttribute("aria-expanded", String(event.newState === "open"));
      if (event.newState === "open" && button) {
        hideTip();
        place(menu, button, false);
        (items(menu)[0] || menu).focus({ preventScroll: true });
      }
    },
    true,
  );

  document.addEventListener("keydown", (event) => {
    const menu = event.target.closest?.(".menu[popover]");
    if (!menu) {
      return;
    }
    const all = items(menu);
    const at = all.indexOf(document.activeElement);
    let next = null;
    if (event.key === "ArrowDown") {
      next = all[(at + 1) % all.length];
    } else if (event.key === "ArrowUp") {
      next = all[(at - 1 + all.length) % all.length];
    } else if (event.key === "Home") {
      next = all[0];
    } else if (event.key === "End") {
      next = all[all.length - 1];
    } else if (event.key === "Tab") {
      menu.hidePopover();
      return;
    } else if (event.key.length === 1 && /\S/.test(event.key) && !event.ctrlKey && !event.metaKey && !event.altKey) {
      if (event.target.matches("input, textarea")) {
        return;
      }
      const after = [...all.slice(at + 1), ...all.slice(0, at + 1)];
      next = after.find((item) => item.textContent.trim().toLowerCase().startsWith(event.key.toLowerCase()));
    }
    if (next) {
      event.preventDefault();
      next.focus();
    }
  });

  document.addEventListener("click", (event) => {
    const item = event.target.closest?.('.menu[popover] [role="menuitem"]');
    if (item && !item.hasAttribute("data-keep-open")) {
      item.closest(".menu").hidePopover();
    }
  });

  window.addEventListener("resize", () => {
    for (const menu of document.querySelectorAll(".menu:popover-open")) {
      menu.hidePopover();
    }
  });
  document.addEventListener(
    "scroll",
    (event) => {
      for (const menu of document.querySelectorAll(".menu:popover-open")) {
        const button = invokerOf(menu);
        if (button && !menu.contains(event.target)) {
          place(menu, button, false);
        }
      }
      hideTip();
    },
    true,
  );

  /* tooltips: after 400 ms, or at once on keyboard focus; the words are the control's own label, so they are not read twice */
  function hideTip() {
    window.clearTimeout(tipTimer);
    tipOwner = null;
    const tip = document.getElementById("tooltip");
    if (tip?.matches(":popover-open")) {
      tip.hidePopover();
    }
  }

  function textOf(control) {
    if (control.dataset.tip) {
      return control.dataset.tip;
    }
    const text = control.querySelector(".nav-text");
    return control.dataset.tipRail && text && text.getBoundingClientRect().width <= 1 ? control.dataset.tipRail : "";
  }

  function showTip(control) {
    const tip = document.getElementById("tooltip");
    const text = textOf(control);
    if (!tip || !text || !control.isConnected || control.getAttribute("aria-expanded") === "true") {
      return;
    }
    tip.textContent = text;
    if (control.dataset.tipKey) {
      const key = document.createElement("kbd");
      key.className = "kbd";
      key.textContent = control.dataset.tipKey;
      tip.append(key);
    }
    tip.showPopover();
    place(tip, control, true, "tipRail" in control.dataset);
  }

  function over(event) {
    const control = event.target.closest?.("[data-tip], [data-tip-rail]");
    if (control === tipOwner || (event.type === "pointerover" && event.pointerType === "touch")) {
      return;
    }
    hideTip();
    if (control && (event.type === "pointerover" || control.matches(":focus-visible"))) {
      tipOwner = control;
      tipTimer = window.setTimeout(() => showTip(control), TIP_DELAY_MS);
    }
  }

  document.addEventListener("pointerover", over);
  document.addEventListener("focusin", over);
  document.addEventListener("focusout", hideTip);
  document.addEventListener("pointerdown", hideTip);
  document.addEventListener("keydown", (event) => event.key === "Escape" && hideTip());
})();
