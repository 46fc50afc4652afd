/* Copying out of the conversation: a code block, the answer as it reads, or its Markdown source; and the request's bytes. */
const COPIED_MS = 1_500;

export function copying() {
  document.addEventListener("click", (event) => {
    const code = event.target.closest?.(".code-copy");
    const answer = event.target.closest?.("[data-copy-answer]");
    const bytes = event.target.closest?.("[data-copy-bytes]");
    if (code) {
      put(code.closest(".code-block").querySelector("pre").textContent, code);
    } else if (answer) {
      put(textOf(answer.closest(".answer"), answer.dataset.copyAnswer), answer);
    } else if (bytes) {
      put(document.getElementById("preview-bytes").content.textContent, bytes);
    }
  });
}

function textOf(article, as) {
  if (as === "markdown") {
    return article.querySelector("template.answer-source").content.textContent;
  }
  return [...article.querySelectorAll(".answer-body")].map((body) => readable(body)).join("\n\n");
}

/** What a reader sees, without the heads of code blocks. */
function readable(body) {
  const copy = body.cloneNode(true);
  for (const head of copy.querySelectorAll(".code-head")) {
    head.remove();
  }
  // innerText knows about lines only while it is laid out
  copy.className = "copy-room prose";
  document.body.append(copy);
  const text = copy.innerText.trim();
  copy.remove();
  return text;
}

async function put(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    if (!oldWay(text)) {
      window.maestro?.toast?.({ message: "The browser did not allow copying. Select the text and copy it by hand.", level: "warn" });
      return;
    }
  }
  if (button.matches(".code-copy")) {
    button.textContent = "Copied";
    window.setTimeout(() => {
      button.textContent = "Copy";
    }, COPIED_MS);
  } else {
    window.maestro?.toast?.({ message: "Copied" });
  }
}

function oldWay(text) {
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "sr-only";
  (document.querySelector("dialog[open]") ?? document.body).append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  return done;
}
