/* Parts of a running answer that come whole: server tools, sources, files, blocks of unknown kinds. The finished answer says more. */
import { stencil } from "./chat-stencils.js";

const SHOWN = /^image\/(png|jpeg|gif|webp)$/;
const WEB = /^https?:\/\//i;
const SHOWN_SOURCES = 8;

export class Parts {
  constructor(flow) {
    this.flow = flow;
    this.tools = new Map();
    this.sources = new Map();
    this.list = null;
  }

  /** At the end of what is drawn, before the sources. */
  place(node) {
    if (this.list) {
      this.list.closest(".sources").before(node);
    } else {
      this.flow.append(node);
    }
  }

  /** Draws a part; returns what a screen reader should say of it. */
  add(event) {
    if (event.type === "server_tool") {
      return this.tool(event.kind, event.data ?? {});
    }
    if (event.type === "generated_file") {
      return this.file(event);
    }
    const line = stencil("stencil-block");
    line.querySelector("code").textContent = event.kind;
    this.place(line);
    return "";
  }

  /** A block of a server tool: a card of its own, or the result of the card that waits for it. */
  tool(kind, data) {
    const { titles, asked, result, pending } = document.getElementById("stencil-server_tool").dataset;
    const inner = data[kind] && typeof data[kind] === "object" ? data[kind] : data;
    const key = inner.tool_use_id ?? inner.call_id ?? inner.id ?? "";
    const isResult = new RegExp(result).test(kind);
    let card = isResult ? this.tools.get(key) : null;
    let spoken = "";
    if (!card) {
      card = stencil("stencil-server_tool");
      const name = data.name || kind.replace(/_(tool_)?(use|call|result|output)$/, "");
      const server = data.server_name ?? data.server_label;
      const title = server ? `${server}: ${name}` : titleOf(JSON.parse(titles), name);
      spoken = `\n${title}.\n`;
      card.querySelector(".server-tool-title").textContent = title;
      card.querySelector(".server-tool-detail").textContent = isResult ? "" : detailOf(asked.split(" "), inner);
      this.tools.set(key, card);
      this.place(card);
    }
    const found = inner.content ?? inner.results ?? inner.action?.sources;
    if (Array.isArray(found) && found.length && found.every((one) => one?.url || one?.title || one?.filename)) {
      card.querySelector(".server-tool-facts").textContent = `${found.length} result${found.length > 1 ? "s" : ""}`;
    }
    card.querySelector("[data-running]").hidden = isResult || !new RegExp(pending).test(kind);
    return spoken;
  }

  file({ media_type: type, ref, name, problem, url, width, height }) {
    const shown = ref && SHOWN.test(type);
    const words = name || (type.startsWith("image/") ? "Generated image" : "Generated file");
    const part = stencil(shown ? "stencil-image" : "stencil-file");
    part.querySelector("[data-name]").textContent = words;
    if (shown) {
      const address = document.getElementById("stencil-image").dataset.url.replace(/0{8}-[0-]+/, ref);
      const image = part.querySelector("img");
      if (width && height) {
        Object.assign(image, { width, height });
      }
      Object.assign(image, { src: address, alt: words });
      for (const link of part.querySelectorAll("a")) {
        link.href = address;
      }
      part.querySelector(".answer-image-frame").setAttribute("aria-label", `Open ${words} in full size`);
    } else {
      part.querySelector(".answer-file-facts").textContent = ref || url ? type : `Not kept: ${problem ?? ""}`;
    }
    this.place(part);
    return `\n${words}.\n`;
  }

  cite({ url = "", title = "", data = {} }) {
    const key = url || title || JSON.stringify(data);
    if (this.sources.has(key)) {
      return;
    }
    this.sources.set(key, true);
    if (this.sources.size > SHOWN_SOURCES) {
      return;
    }
    if (!this.list) {
      const section = stencil("stencil-sources");
      this.flow.append(section);
      this.list = section.querySelector("ol");
    }
    const item = stencil("stencil-source");
    const link = item.querySelector("a");
    const host = WEB.test(url) ? hostOf(url) : "";
    if (host) {
      link.href = url;
    }
    const words = title || data.document_title || host || url || "Source";
    link.querySelector(".source-number").textContent = String(this.sources.size);
    link.querySelector(".truncate").textContent = host && host !== words ? `${host} · ${words}` : words;
    this.list.append(item);
  }
}

function titleOf(titles, name) {
  return titles[name] ?? Object.entries(titles).find(([tool]) => name.startsWith(`${tool}_`))?.[1] ?? `Used ${name}`;
}

function detailOf(members, inner) {
  for (const source of [parsed(inner.arguments ?? inner.args ?? inner.input), inner.action, inner]) {
    const told = members.map((member) => source?.[member]).find((value) => value?.length);
    if (told) {
      return [].concat(told).join(", ").replace(/\s+/g, " ").slice(0, 160);
    }
  }
  return "";
}

/** The arguments of some come as the text of their JSON. */
function parsed(given) {
  try {
    return typeof given === "string" ? JSON.parse(given) : given;
  } catch {
    return null;
  }
}

function hostOf(url) {
  try {
    return new URL(url).hostname.replace(/^www\./, "");
  } catch {
    return "";
  }
}
