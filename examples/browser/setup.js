// The form between a file and its analysis: what was found in the file, the questions about it, and the meaning of its columns.
// The library itself finds all of it; the visitor's choices are options that it is given.
import { inspect } from "./client.js";
import { by, h } from "./dom.js";
import * as subscriptions from "./periods_form.js";
import { money, plural, size } from "./words.js";

const ROLES = [["customer_id", "Customer", true], ["event_date", "Date", true], ["amount", "Amount", false], ["event_type", "Kind of event", false], ["order_id", "Order", false]];

// Formats to choose from, with an example.
const FORMATS = [
  ["%d.%m.%Y", "31.12.2024"], ["%d/%m/%Y", "31/12/2024"], ["%m/%d/%Y", "12/31/2024"], ["%d/%m/%Y %H:%M", "31/12/2024 23:59"], ["%m/%d/%Y %H:%M", "12/31/2024 23:59"],
  ["%d.%m.%Y %H:%M", "31.12.2024 23:59"], ["%Y/%m/%d", "2024/12/31"], ["%Y%m%d", "20241231"], ["%d-%m-%Y", "31-12-2024"], ["%d-%b-%Y", "31-Dec-2024"], ["%d %b %Y", "31 Dec 2024"],
  ["%b %d, %Y", "Dec 31, 2024"], ["unix_s", "seconds since 1970"], ["unix_ms", "milliseconds since 1970"],
];

// Encodings that a file does not tell by itself.
const ENCODINGS = ["windows-1252", "windows-1250", "windows-1251", "windows-1253", "windows-1254", "macintosh", "shift_jis", "euc-jp", "gbk", "big5", "euc-kr", "koi8-r"];

// Options of reading in words.
const LABELS = {
  delimiter: "Mark between the columns", encoding: "Encoding", skip_lines: "Lines above the column names", date_format: "Dates look like",
  decimal: "Decimal mark", thousands: "Thousands separator", currency: "Currency signs", null_values: "Words for a missing value",
  ignore_rows: "Rows that are sums", skip_anonymous: "Rows without a customer are left out",
  ...Object.fromEntries(ROLES.map(([role, label]) => [`columns.${role}`, label])),
};

const shown = (value) => (value === true ? "yes" : typeof value === "string" ? `“${value}”` : Array.isArray(value) ? value.map(shown).join(", ") : String(value));

/** The file that was chosen last and what the library found in it; undefined while there is none. */
export let chosen;
// The visitor's own choices for it, which may be newer than `chosen`, and the kinds of event that do not count.
let given;
let excluded;
// What is known of the file if it is read as subscriptions: undefined for a log of events, and null as long as nobody has decided.
let periods;
// The number of the latest inspection: results of earlier ones are dropped.
let latest = 0;

export const forget = () => {
  latest += 1;
  chosen = undefined;
};

/** Finds out what a file is and shows the form. False if another file was chosen meanwhile. `asPeriods` is for a model that takes
 *  nothing but subscriptions. */
export async function choose(file, asPeriods = false) {
  forget();
  [given, excluded, periods] = [{ columns: {} }, new Set(), null];
  by("questions").replaceChildren();
  return look(file, asPeriods);
}

/** True if the file is read as subscriptions. */
export const isOfPeriods = () => Boolean(periods);

/** Reads the file as subscriptions, or as a log of events. */
async function read(asPeriods) {
  const { file, detected } = chosen;
  const before = { given, periods };
  by("other-kind").disabled = true;
  try {
    periods = asPeriods ? await known(file, detected, true) : undefined;
  } catch (error) {
    render();
    report.fail(error);
    return;
  }
  given = { columns: periods ? subscriptions.looking(periods) : {} };
  await change({}, {}, before);
}

/** What is known of a file of subscriptions; undefined for a file that is none and need not be. */
async function known(file, detected, asPeriods) {
  return (await subscriptions.recognised(file, detected)) ?? (asPeriods ? subscriptions.own(detected.header, detected.options) : undefined);
}

/** Looks at a file with the visitor's choices. False if a later look has begun. */
async function look(file, asPeriods = false) {
  const number = ++latest;
  by("run").disabled = true;
  try {
    let detected = await inspect(file, given);
    if (periods === null) {
      const found = await known(file, detected, asPeriods);
      if (number !== latest) return false;
      periods = found;
      if (found) given.columns = subscriptions.looking(found);
      if (found && !found.preset) detected = await inspect(file, given);
    }
    if (number !== latest) return false;
    chosen = { file, detected };
  } catch (error) {
    if (number !== latest) return false;
    throw error;
  }
  const focused = by("setup").contains(document.activeElement) ? document.activeElement.id : undefined;
  render();
  // The form is made anew: the focus stays where it was, or goes to what comes next.
  if (focused !== undefined && document.activeElement === document.body) {
    (by(focused) ?? by("setup").querySelector("#questions button") ?? by("run")).focus();
  }
  return true;
}

/** A failure after a choice is shown by the page, and the form goes back to the last good choices. */
let report = { begin: () => {}, fail: () => {} };
export const onChange = (begin, fail) => {
  report = { begin, fail };
};

/** Takes a choice about subscriptions: other columns may have dates and amounts of another form. */
function changePeriods(values, columns) {
  const before = { given, periods };
  periods = { ...periods, ...values, columns: { ...periods.columns, ...columns } };
  const [was, is] = [subscriptions.looking(before.periods), subscriptions.looking(periods)];
  const changed = Object.fromEntries(Object.entries(is).filter(([name, value]) => value !== was[name]));
  return change({}, changed, before);
}

/** Takes a choice of the visitor and looks at the file again. */
async function change(options, columns = {}, before = { given, periods }) {
  given = { ...given, ...options, columns: { ...given.columns, ...columns } };
  // A form that was chosen for the values of one column says nothing about another one.
  if ("event_date" in columns) delete given.date_format;
  if ("amount" in columns) for (const name of ["decimal", "thousands", "currency", "null_values"]) delete given[name];
  report.begin();
  try {
    await look(chosen.file);
  } catch (error) {
    ({ given, periods } = before);
    render();
    report.fail(error);
  }
}

function render() {
  const { file, detected } = chosen;
  by("file-name").textContent = `${file.name}, ${size(file.size)}${detected.export ? `, an export of ${detected.export}` : ""}`;
  const questions = periods ? subscriptions.questions(detected.questions) : detected.questions;
  by("kind").replaceChildren(...kind());
  by("questions").replaceChildren(...questions.map(question));
  by("columns").replaceChildren(...(periods ? subscriptions.fields(periods, detected.header, field, changePeriods) : ROLES.map(role)), dates(), ...encodings());
  by("reading").replaceChildren(...reading());
  by("preview").replaceChildren(...preview());
  const kinds = (!periods && detected.trial?.event_types) || [];
  by("horizon").labels[0].textContent = periods ? "Find out who leaves within" : "A customer has left if nothing follows within";
  by("feature-set").parentElement.hidden = Boolean(periods);
  by("types").hidden = kinds.length < 2;
  by("types").querySelector(".checks").replaceChildren(...kinds.map((kind) => h("label", {}, h("input", { type: "checkbox", name: "type", value: kind, checked: !excluded.has(kind), onchange: ({ target }) => (target.checked ? excluded.delete(kind) : excluded.add(kind)) }), kind)));
  by("run").disabled = questions.length > 0 || (periods ? !subscriptions.isComplete(periods) : false);
}

/** What the file is taken for, and the button for the other kind. */
function kind() {
  const button = (text, asPeriods) => h("p", { class: "buttons" }, h("button", { type: "button", class: "button small", id: "other-kind", onclick: () => read(asPeriods) }, text));
  return periods
    ? [h("p", { id: "kind-words" }, subscriptions.words(periods)), button("These are events: what customers did, and when", false)]
    : [button("These are subscriptions: from when to when a customer had a contract", true)];
}

/** A text of the library as a sentence of its own. */
const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}${/[.?!]$/.test(text) ? "" : "."}`;

/** A question with a button for each answer. */
function question({ message, option, readings }) {
  const answer = ({ options, example }) => {
    const columns = options.filter(([name]) => name.startsWith("columns.")).map(([name, value]) => [name.slice(8), value]);
    const others = options.filter(([name]) => !name.startsWith("columns."));
    return h("button", { type: "button", class: "button", onclick: () => change(Object.fromEntries(others), Object.fromEntries(columns)) }, sentence(example));
  };
  const below = option && readings.length === 0 && ` Answer it below, at “${LABELS[option] ?? option}”.`;
  return h("div", { class: "alert", role: "alert" }, h("h3", {}, "A question about this file"), h("p", {}, sentence(message), below || ""),
    readings.length > 0 && h("p", { class: "buttons" }, readings.map(answer)));
}

const field = (id, label, select) => h("div", { class: "field" }, h("label", { for: id }, label), select);

/** The choice of the column for a role. An empty name leaves the column out. */
function role([key, label, needed]) {
  const { header, options } = chosen.detected;
  const name = options.columns[key] ?? (header.includes(key) ? key : "");
  const select = h("select", { id: `column-${key}`, onchange: () => change({}, { [key]: select.value }) },
    (!needed || name === "") && h("option", { value: "" }, needed ? "choose a column" : "none"),
    [...new Set(header)].filter((column) => column !== "").map((column) => h("option", { value: column, selected: column === name }, column)));
  return field(select.id, label, select);
}

function dates() {
  const { options, questions } = chosen.detected;
  const format = options.date_format ?? "";
  const open = questions.some(({ code }) => code === "date_format");
  const known = format === "" || FORMATS.some(([one]) => one === format) ? FORMATS : [[format, format], ...FORMATS];
  const select = h("select", { id: "date-format", onchange: () => change({ date_format: select.value || null }) },
    h("option", { value: "" }, open ? "choose a form" : "2024-12-31"), known.map(([one, example]) => h("option", { value: one, selected: one === format }, example)));
  return field(select.id, LABELS.date_format, select);
}

/** The choice of the encoding, where the file does not tell it. */
function encodings() {
  const { options, questions } = chosen.detected;
  if (!options.encoding && !questions.some(({ code }) => code === "encoding")) return [];
  const select = h("select", { id: "encoding", onchange: () => change({ encoding: select.value || null }) },
    !options.encoding && h("option", { value: "" }, "choose an encoding"),
    [...new Set([options.encoding ?? "", ...ENCODINGS])].filter(Boolean).map((name) => h("option", { value: name, selected: name === options.encoding }, name)));
  return [field(select.id, "Encoding", select)];
}

/** How the file is read, what a sample of it holds, and what is unusual. */
function reading() {
  const { found: all, doubts: unusual, trial } = chosen.detected;
  const own = !periods && (Object.keys(given).length > 1 || Object.keys(given.columns).length > 0);
  // What is said of columns is about events.
  const [found, doubts] = periods ? [all.filter(({ option }) => subscriptions.isShared(option)), []] : [all, unusual];
  return [
    periods && !periods.preset && trial && h("p", { id: "trial" }, `In a sample: ${plural(trial.rows, "period")} of ${plural(trial.customers, "customer")} that begin from ${trial.first_day} to ${trial.last_day}.`,
      trial.bad > 0 && ` ${plural(trial.bad, "row")} cannot be read, such as ${trial.first_bad}.`),
    !periods && trial && h("p", { id: "trial" }, `In a sample: ${plural(trial.rows, "row")} of ${plural(trial.customers, "customer")} from ${trial.first_day} to ${trial.last_day}`,
      trial.total_amount !== 0 && `, amounts of ${money(trial.total_amount)} in all`, ".",
      trial.bad > 0 && ` ${plural(trial.bad, "row")} cannot be read, such as ${trial.first_bad}.`),
    doubts.length > 0 && h("ul", { class: "doubts" }, doubts.map((doubt) => h("li", {}, doubt))),
    found.length > 0 && h("details", { id: "found-options" }, h("summary", {}, `How the file is read: ${plural(found.length, "thing")} found`),
      h("ul", {}, found.map(({ option, value, reason }) => h("li", {}, h("strong", {}, `${LABELS[option] ?? option}: ${shown(value)}`), `, because ${reason}`)))),
    own && h("p", {}, h("button", { type: "button", class: "button small", onclick: () => undo() }, "Undo my choices")),
  ].filter(Boolean);
}

function preview() {
  const { header, rows, options } = chosen.detected;
  const used = new Set(periods ? subscriptions.used(periods) : ROLES.map(([key]) => options.columns[key] ?? key));
  return [
    h("thead", {}, h("tr", {}, header.map((name) => h("th", { scope: "col", class: used.has(name) && "used" }, name)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, header.map((_, i) => h("td", {}, row[i] ?? ""))))),
  ];
}

function undo() {
  given = { columns: {} };
  return change({});
}

/** What the form says, as settings of the library. Kinds of event are excluded by name: the sample may not have all of them. */
export function asked() {
  if (periods) {
    return { read: subscriptions.reading(periods, chosen.detected.options), learn: { horizon_days: Number(by("horizon").value), model: by("learner").value }, ofPeriods: true };
  }
  const kinds = chosen.detected.trial?.event_types ?? [];
  const left = kinds.filter((kind) => !excluded.has(kind));
  const without = kinds.length > 1 && left.length > 0 ? kinds.filter((kind) => excluded.has(kind)) : [];
  return {
    read: chosen.detected.options,
    learn: { horizon_days: Number(by("horizon").value), model: by("learner").value, feature_set: by("feature-set").value },
    without,
    event: without.length > 0 && left.length === 1 && /^[a-z]+$/.test(left[0]) ? left[0] : "event",
  };
}
