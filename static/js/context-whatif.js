/*
 * What the next request would weigh without some rows, before anything is changed: written in place of the window's size and
 * hatched in the bar. All numbers are on the page already; nothing is asked of the server.
 */
const SVG = "http://www.w3.org/2000/svg";

export function whatIf(list) {
  const card = document.getElementById("whatif");
  const part = (name) => card.querySelector(`[data-whatif="${name}"]`);
  let chosen = [];
  let hovered = [];
  let resting = null;

  const meter = () => document.getElementById("context-meter");
  const sent = (rows) => rows.filter((row) => row.dataset.sent === "true");
  const weigh = (rows) => rows.reduce((sum, row) => sum + Number(row.dataset.tokens), 0);

  function numbers() {
    const { used, window: size, price } = meter().dataset;
    return { used: Number(used), size: Number(size), price: price === "" ? null : Number(price) };
  }

  function money(tokens, price) {
    if (price === null) {
      return "";
    }
    const dollars = (tokens * price) / 1_000_000;
    return dollars === 0 ? "$0" : dollars >= 0.01 ? `$${dollars.toFixed(2)}` : `$${dollars.toFixed(4)}`;
  }

  const count = (number) => Math.abs(number).toLocaleString("en");

  /** In place of "/ 200k tokens", so that the list does not jump. */
  function write(rows) {
    const place = document.getElementById("meter-of");
    if (!place) {
      return;
    }
    if (resting?.place !== place) {
      resting = { place, words: place.textContent };
    }
    const { used, price } = numbers();
    const gone = weigh(sent(rows));
    const back = gone ? 0 : weigh(rows.filter((row) => row.dataset.excluded === "true"));
    if (!gone && !back) {
      place.textContent = resting.words;
      place.classList.remove("is-whatif");
      return;
    }
    const after = used - gone + back;
    const sum = money(after, price);
    place.textContent = `${gone ? "−" : "+"}${count(gone || back)} → ${count(after)}${sum ? ` · ${sum}` : ""}`;
    place.classList.toggle("is-whatif", Boolean(gone));
  }

  /** The end of each kind's piece is hatched, as wide as the rows of that kind are heavy. */
  function hatch(rows) {
    const home = document.getElementById("context-hatch");
    if (!home) {
      return;
    }
    home.replaceChildren();
    const { used, size } = numbers();
    const length = Math.max(used, size);
    const kinds = new Map();
    for (const row of sent(rows)) {
      kinds.set(row.dataset.kind, (kinds.get(row.dataset.kind) ?? 0) + Number(row.dataset.tokens));
    }
    for (const [kind, tokens] of kinds) {
      const piece = document.querySelector(`#context-bar [data-part="${CSS.escape(kind)}"]`);
      if (!piece) {
        continue;
      }
      const width = Math.min(Number(piece.dataset.width), (100 * tokens) / length);
      const x = Number(piece.dataset.x) + Number(piece.dataset.width) - width;
      const shape = document.createElementNS(SVG, "rect");
      shape.setAttribute("x", `${x}%`);
      shape.setAttribute("width", `${width}%`);
      shape.setAttribute("height", "100%");
      shape.setAttribute("fill", "url(#hatch)");
      home.append(shape);
    }
  }

  function draw() {
    const rows = hovered.length ? hovered : chosen;
    write(hovered);
    hatch(rows);
    card.hidden = chosen.length === 0;
    if (!chosen.length) {
      return;
    }
    const { used, price } = numbers();
    const gone = weigh(sent(chosen));
    part("words").textContent = `the ${chosen.length === 1 ? "selected chunk is" : `${chosen.length} selected are`} excluded?`;
    part("before").textContent = used.toLocaleString("en");
    part("after").textContent = (used - gone).toLocaleString("en");
    part("less").textContent = `−${count(gone)}`;
    part("count").textContent = String(chosen.length);
    part("cost").textContent = price === null ? "" : `${money(used, price)} → ${money(used - gone, price)}`;
  }

  return {
    hover(rows) {
      if (rows.length !== hovered.length || rows.some((row, index) => row !== hovered[index])) {
        hovered = rows;
        draw();
      }
    },
    selection(rows) {
      chosen = rows;
      draw();
    },
    measure() {
      hovered = hovered.filter((row) => row.isConnected);
      draw();
    },
  };
}
