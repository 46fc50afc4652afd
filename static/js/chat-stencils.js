/* Pieces of HTML that the server made: whole ones from frames, and stencils in the page. */
/** The first element of a piece of HTML that the server made. */
export function element(html) {
  const template = document.createElement("template");
  template.innerHTML = html ?? "";
  return template.content.firstElementChild;
}

export function stencil(id) {
  return document.getElementById(id).content.firstElementChild.cloneNode(true);
}
