// Creates elements without a framework. Text is always inserted as text: no data is ever parsed as HTML.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "class") node.setAttribute("class", value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false));
  return node;
}

export const h = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);
export const s = (name, attributes, ...children) => fill(document.createElementNS(SVG, name), attributes, children);
export const by = (id) => document.getElementById(id);

/** A risk band: a coloured square and its name, so that the meaning never depends on colour alone. */
export const band = (name) => h("span", { class: "band" }, h("i", { class: name, "aria-hidden": "true" }), name);

/** Reasons in words, each with its direction: raises or lowers the risk. */
export const reasonList = (reasons) => h("ul", { class: "reasons" },
  reasons.length === 0 && h("li", {}, "nothing that stands out"),
  reasons.map((reason) => h("li", {},
    h("b", { class: reason.raises_risk ? "up" : "down", "aria-hidden": "true" }, reason.raises_risk ? "▲" : "▼"),
    reason.text)));

/** The reason that most customers of a list share, shown once above the list; nothing if there is none. */
export const sharedReason = (reason) => (reason ? [h("p", {}, "Most of these customers have one reason in common:"), reasonList([reason])] : []);

/** A card with a heading. */
export const card = (title, ...children) => h("section", { class: "card" }, h("h2", {}, title), ...children);

/** A chart with its title and what to see in it. */
export const figure = (title, chart, caption) => h("figure", {}, h("h3", {}, title), chart, h("figcaption", {}, caption));

/** A table that scrolls separately if it is too wide. */
export function table(caption, head, rows, attributes = {}) {
  const cell = (name) => (value, i) =>
    value instanceof HTMLTableCellElement ? value : h(i === 0 && name === "td" ? "th" : name, i === 0 && name === "td" ? { scope: "row" } : { class: i > 0 ? "number" : undefined, scope: name === "th" ? "col" : undefined }, value);
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h("table", attributes,
      h("caption", { class: "unseen" }, caption),
      h("thead", {}, h("tr", {}, head.map(cell("th")))),
      h("tbody", {}, rows.map((row) => h("tr", {}, row.map(cell("td")))))));
}

/** Saves a Blob as a file with this name. */
export function download(blob, name) {
  const url = URL.createObjectURL(blob);
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
