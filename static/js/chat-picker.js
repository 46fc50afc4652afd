/* The session and model picker: models are asked for when it opens, searched here, chosen by click or Enter. */
export function picker(root, composer) {
  const box = document.getElementById("model-picker");
  if (!box) {
    return;
  }
  const search = box.querySelector("#picker-search");
  const home = box.querySelector("#picker-models");
  let session = composer.form.elements.session.value;
  let loaded = "";

  function load(refresh) {
    const pressed = box.querySelector(`[data-session="${CSS.escape(session)}"]`) ?? box.querySelector("[data-session]");
    if (!pressed) {
      return;
    }
    session = pressed.dataset.session;
    for (const other of box.querySelectorAll("[data-session]")) {
      other.setAttribute("aria-pressed", String(other === pressed));
    }
    pressed.scrollIntoView({ block: "nearest", inline: "nearest" });
    if (loaded === session && !refresh) {
      return;
    }
    loaded = session;
    const values = { session, model: chosenModel() };
    if (refresh) {
      values.refresh = "1";
    }
    window.htmx.ajax("GET", root.dataset.modelsUrl, { source: home, target: home, swap: "innerHTML", values }).then(
      () => {
        filter();
        home.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
      },
      () => {
        loaded = "";
      },
    );
  }

  function chosenModel() {
    return session === composer.form.elements.session.value ? composer.form.elements.model.value : "";
  }

  function options() {
    return [...home.querySelectorAll("[data-words]")];
  }

  function filter() {
    const words = search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const option of options()) {
      const fits = words.every((word) => option.dataset.words.includes(word));
      option.closest("li").hidden = !fits;
      shown += fits;
    }
    home.querySelector("[data-picker-none]")?.toggleAttribute("hidden", shown > 0);
  }

  function choose(model) {
    const button = box.querySelector(`[data-session="${CSS.escape(session)}"]`);
    composer.form.elements.session.value = session;
    composer.form.elements.model.value = model;
    box.hidePopover();
    for (const option of options()) {
      option.setAttribute("aria-selected", String(option.dataset.model === model));
    }
    if (root.dataset.chooseUrl) {
      window.htmx.ajax("POST", root.dataset.chooseUrl, { source: document.body, swap: "none", values: { session, model } });
    } else {
      const label = document.querySelector("#picker-button .picker-label");
      label.textContent = `${button?.dataset.name ?? ""} / ${model}`;
      label.parentElement.querySelector(".picker-mark")?.remove();
      const tile = document.querySelector("#picker-button .tile");
      if (tile) {
        tile.textContent = button?.dataset.monogram ?? "";
      }
    }
    composer.text.focus();
  }

  box.addEventListener("toggle", (event) => {
    if (event.newState === "open") {
      load(false);
      search.focus();
      search.select();
    }
  });
  search.addEventListener("input", filter);
  box.addEventListener("click", (event) => {
    const other = event.target.closest("[data-session]");
    const model = event.target.closest("[data-model]");
    if (other) {
      session = other.dataset.session;
      load(false);
    } else if (model) {
      choose(model.dataset.model);
    } else if (event.target.closest("[data-models-again]")) {
      load(true);
    }
  });
  box.addEventListener("keydown", (event) => {
    const shown = options().filter((option) => !option.closest("li").hidden);
    const at = shown.indexOf(document.activeElement);
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      event.stopPropagation();
      const step = event.key === "ArrowDown" ? 1 : -1;
      const next = at + step;
      (next < 0 ? search : shown[Math.min(next, shown.length - 1)])?.focus();
    } else if (event.key === "Enter" && event.target === search) {
      event.preventDefault();
      const typed = search.value.trim();
      if (shown.length || typed) {
        choose(shown[0]?.dataset.model ?? typed);
      }
    }
  });
}
