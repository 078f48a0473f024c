// Shows the findings of the library, worst first: their meaning and the settings that correct them.
import { h } from "./dom.js";
import { count } from "./words.js";

const MARKS = { error: "Error", warning: "Warning", note: "Note" };
// The number of findings shown at first; the others are shown on request.
const SHOWN = 3;

/** A suggested setting as text, such as `last_day = 2024-12-23`. */
const setting = ([name, value]) => `${name} = ${Array.isArray(value) ? value.join(", ") : value}`;

/** A message as a sentence. */
const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.?!]$/.test(text) ? "" : "."}`;

/** The suggested settings that `may` accepts, and that can be applied here. */
const usable = (finding, may) => Object.entries(finding.suggestion ?? {}).filter(([name]) => may(name));

/** A list of findings. With `apply(settings)`, a suggestion whose settings all pass `may` gets a button; both are optional. */
export function findingList(findings, { apply, may = () => true } = {}) {
  const item = (finding) => {
    const settings = Object.entries(finding.suggestion ?? {});
    const words = settings.map(setting).join(", ");
    const applies = apply && settings.length > 0 && usable(finding, may).length === settings.length;
    return h("li", { class: `finding is-${finding.severity}`, "data-code": finding.code },
      h("p", {}, h("strong", { class: "severity" }, MARKS[finding.severity] ?? finding.severity), " ", sentence(finding.message)),
      settings.length > 0 && !applies && h("p", { class: "mends" }, "What would mend it: ", h("code", {}, words)),
      applies && h("p", { class: "mends" }, h("button", { type: "button", class: "button small", "data-apply": settings.map(([name]) => name).join(" "), onclick: (event) => apply(Object.fromEntries(settings), event) }, `Run again with ${words}`)));
  };
  const [first, more] = [findings.slice(0, SHOWN), findings.slice(SHOWN)];
  const list = (some) => h("ul", { class: "findings" }, some.map(item));
  return h("div", {}, list(first), more.length > 0 && h("details", {}, h("summary", {}, `${count(more.length)} more`), list(more)));
}

/** The panel above results; nothing if there are no findings. */
export const findingPanel = (findings, options) => findings?.length > 0 &&
  h("section", { class: "card checks-found", id: "findings", "aria-labelledby": "findings-title" }, h("h2", { id: "findings-title" }, "Read this first"), findingList(findings, options));

/** Findings of several checks as one list, worst first, without duplicates. */
export function together(...lists) {
  const all = lists.flatMap((list) => list ?? []);
  const order = Object.keys(MARKS);
  const once = all.filter((one, i) => all.findIndex((other) => other.code === one.code && other.message === one.message) === i);
  return once.sort((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity));
}

/** The codes that must be allowed to continue. */
export const stopping = (findings) => [...new Set((findings ?? []).filter((finding) => finding.severity === "error").map((finding) => finding.code))];
