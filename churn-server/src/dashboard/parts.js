// Shared by the parts of the dashboard: messages, dialogs, times, states, and repeated work.
import { by, h } from "./dom.js";
import { count, plural } from "./words.js";

/** An error as shown to the visitor: its meaning, then the code and the message of the API. */
export function complain(error, title = "That did not work.") {
  if (error.name === "AbortError") return;
  const places = Array.isArray(error.details) ? error.details : error.details?.bad_rows;
  by("message").replaceChildren(h("div", { class: "alert" },
    h("h2", {}, title), h("p", {}, error.message),
    Array.isArray(places) && h("ul", {}, places.slice(0, 10).map((place) => h("li", {}, typeof place === "string" ? place : `line ${place.line}: ${place.message ?? place.reason}`))),
    h("p", { class: "quiet" }, `Code: ${error.code ?? error.name}`),
    h("button", { type: "button", class: "button small", onclick: quiet }, "Close")));
  by("message").scrollIntoView({ block: "nearest" });
}

export const quiet = () => by("message").replaceChildren();

/** A sentence for screen readers. */
export const say = (text) => (by("status").textContent = text);

export const sentence = (words) => `${words[0].toUpperCase()}${words.slice(1)}${words.endsWith(".") ? "" : "."}`;

/** Notes about the content below, one element each. */
export const notes = (warnings) => (warnings ?? []).map((warning) => h("div", { class: "alert", role: "note" }, h("p", {}, sentence(warning))));

/** Runs the action of a button: the button is disabled meanwhile, and an error is shown. */
export const doing = (title, work) => async (event) => {
  event.preventDefault();
  const button = event.submitter ?? event.currentTarget;
  button.disabled = true;
  quiet();
  try {
    await work(event);
  } catch (error) {
    complain(error, title);
  } finally {
    button.disabled = false;
  }
};

/** Asks a question in the dialog; the promise resolves to the fields of the form, or undefined if it was cancelled. */
export function ask(title, content, action) {
  return new Promise((resolve) => {
    const dialog = by("dialog");
    let answer;
    const form = h("form", { method: "dialog", onsubmit: () => (answer = Object.fromEntries(new FormData(form))) },
      h("div", { class: "top" }, h("h2", { id: "dialog-title" }, title), h("button", { type: "button", class: "button small", onclick: () => dialog.close() }, "Close")),
      content, h("p", { class: "buttons" }, h("button", { class: "button primary" }, action)));
    dialog.replaceChildren(form);
    dialog.addEventListener("close", () => {
      // The content of the dialog, which may include a key, does not stay in the page.
      dialog.replaceChildren();
      resolve(answer);
    }, { once: true });
    dialog.showModal();
  });
}

/** Repeats `work` until the part is left: after `wait` milliseconds, then after the number that it returns. It pauses while the
 *  page is hidden, and slows down while the server does not answer. Returns a function that runs `work` at once. */
export function live(signal, work, wait) {
  let [failures, asked] = [0, false];
  let rise = () => {};
  const rest = () => new Promise((resolve) => {
    const timer = setTimeout(resolve, document.hidden ? 500 : wait);
    rise = () => {
      clearTimeout(timer);
      resolve();
    };
  });
  const loop = async () => {
    while (!signal.aborted) {
      if (!asked) await rest();
      if (signal.aborted) return;
      if (document.hidden && !asked) continue;
      asked = false;
      try {
        wait = await work();
        if (failures > 1) quiet();
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        if (failures === 2 || error.status === 403) complain(error, "What is shown may be old.");
        wait = Math.max(1000 * (error.wait ?? 0), Math.min(30_000, 1000 * 2 ** failures));
      }
    }
  };
  signal.addEventListener("abort", () => rise());
  loop();
  return () => {
    asked = true;
    rise();
  };
}

/** Replaces the rows of a table and keeps unchanged rows, so that focus and selection are preserved. */
export function keepRows(body, rows, key, draw) {
  const old = new Map([...body.children].map((row) => [row.dataset.key, row]));
  const wanted = rows.map((row) => {
    const [name, state] = [String(key(row)), JSON.stringify(row)];
    const there = old.get(name);
    if (there?.dataset.state === state) return there;
    const drawn = draw(row);
    drawn.dataset.key = name;
    drawn.dataset.state = state;
    // The button that had the focus gets it again in the new row.
    const held = there?.contains(document.activeElement) && document.activeElement.dataset.action;
    if (held) queueMicrotask(() => drawn.querySelector(`[data-action="${held}"]`)?.focus());
    return drawn;
  });
  if (wanted.length !== body.children.length || wanted.some((row, i) => row !== body.children[i])) body.replaceChildren(...wanted);
}

const language = navigator.language || "en";
const moment = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
const day = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", timeZone: "UTC" });

export const time = (text) => {
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? "–" : h("time", { datetime: text, title: text }, moment.format(at));
};
export const shortDay = (text) => (Number.isNaN(Date.parse(text)) ? String(text) : day.format(new Date(text)));

export function took(from, to) {
  const seconds = Math.max(0, (Date.parse(to) - Date.parse(from)) / 1000);
  if (Number.isNaN(seconds)) return "–";
  if (seconds < 1) return `${Math.round(1000 * seconds)} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  return seconds < 120 ? `${Math.round(seconds)} s` : plural(Math.round(seconds / 60), "minute");
}

/** The end of an id, with the whole id on request. The end distinguishes ids; those of one hour begin alike. */
export const shortId = (id) => h("code", { title: id }, String(id).slice(-6));

/** A state as a word with a mark, so that the meaning never depends on colour alone. */
export const state = (name) => h("span", { class: `state is-${marks[name] ?? "other"}` }, h("i", { "aria-hidden": "true" }), String(name).replaceAll("_", " "));

const marks = {
  uploaded: "idle", queued: "idle", archived: "idle", cancelled: "idle", revoked: "idle",
  processing: "busy", running: "busy", training: "busy", retrying: "busy",
  features_ready: "good", completed: "good", succeeded: "good", active: "good", champion: "good", challenger: "busy",
  error: "bad", failed: "bad",
};

/** Shows a list: a text if it is empty, otherwise a table, with a note if older rows are left out. */
export function fill(body, none, note, total) {
  const shown = body.children.length;
  none.hidden = shown > 0;
  body.closest(".scroll").hidden = shown === 0;
  note.textContent = total > shown ? `The newest ${count(shown)} of ${count(total)}.` : "";
}

/** The text shown for an empty list. */
export const nothing = (words, ...more) => h("div", { class: "nothing" }, h("p", {}, words), ...more);

export const option = (value, words, selected) => h("option", { value, selected }, words);
export const field = (id, label, input, hint) => h("div", { class: "field" }, h("label", { for: id }, label), input, hint && h("span", { class: "hint" }, hint));
