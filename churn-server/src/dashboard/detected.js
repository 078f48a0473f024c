// What the server found in a file, the questions that only the owner of the file can answer, and the form for another reading.
import { h } from "./dom.js";
import { field, option, sentence } from "./parts.js";
import { money, plural } from "./words.js";

const columns = [["customer_id", "Customer"], ["event_date", "Date"]];
const optional = [["amount", "Amount"], ["event_type", "Kind of event"]];

// The marks of numbers in words, because a space alone cannot be seen.
const marks = [[".", "point"], [",", "comma"], [" ", "space"], ["'", "apostrophe"], ["_", "underscore"]];

// The options that answer a question by a text.
const texts = {
  encoding: ["Encoding", "Such as windows-1252, windows-1251 or shift_jis."],
  date_format: ["Form of the dates", "Such as %d/%m/%Y. Rows with other dates are then refused."],
  null_values: ["A word for a missing amount", "Rows with this word have no amount."],
};

/** The value of an option as text. Spaces stay visible because texts are quoted. */
const shown = (value) => (Array.isArray(value) ? value.map(shown).join(", ") : JSON.stringify(value));

/** Options as a list of names and values; those of the columns are `columns.customer_id` and so on. */
const listed = (options) => Object.entries(options).flatMap(([name, value]) => (name === "columns" ? Object.entries(value).map(([own, column]) => [`columns.${own}`, column]) : [[name, value]])).filter(([, value]) => value !== null);

const assigned = (options) => Object.entries(options).map(([name, value]) => `${name} = ${shown(value)}`).join(", ");

/** Options of reading with further ones; columns are added one by one. A form that was chosen for the values of one column says
 *  nothing about another one. */
export function merged(options, more) {
  const kept = { ...options };
  if (more.columns?.event_date !== undefined) delete kept.date_format;
  if (more.columns?.amount !== undefined) for (const name of ["decimal", "thousands", "currency", "null_values"]) delete kept[name];
  return { ...kept, ...more, ...(options.columns && more.columns && { columns: { ...options.columns, ...more.columns } }) };
}

/** The form that was found: options with reasons, doubts, and what the sample says with them. `given` are the options that the
 *  visitor chose, and `ending` says what to do if the reading is wrong. Nothing for a file in the standard form without a doubt. */
export function foundPanel(name, { found, doubts, export: system, trial }, given, ending) {
  const options = [...found, ...listed(given).map(([option, value]) => ({ option, value, reason: "as you chose" }))];
  if (options.length === 0 && doubts.length === 0) return [];
  return [h("div", { class: "note detected" },
    h("p", {}, h("strong", {}, `How ${name} is read`), system && `: as an export of ${system}`),
    options.length > 0 && h("dl", {}, options.map((one) => [
      h("dt", { "data-option": one.option }, h("code", {}, `${one.option} = ${shown(one.value)}`)),
      h("dd", {}, one.reason)])),
    trial && h("p", { class: "trial" }, `In a sample of it: ${plural(trial.rows, "row")} of ${plural(trial.customers, "customer")}, ${trial.first_day} to ${trial.last_day}, amounts of ${money(trial.total_amount)} in total.`),
    doubts.length > 0 && h("ul", { class: "doubts" }, doubts.map((doubt) => h("li", {}, sentence(doubt)))),
    ending)];
}

/** The form for another reading. `read` has the options that the file is read with; `again(options)` sends the file with those that
 *  were changed; `words` say what happens then. */
export function changeForm(header, read, again, words) {
  const names = [...new Set(header)].filter((name) => name !== "");
  const before = { date_format: read.date_format ?? "", decimal: read.decimal, thousands: read.thousands ?? "" };
  const select = (name, label, options) => field(`read-${name}`, label, h("select", { id: `read-${name}`, name }, options.map(([value, words]) => option(value, words, value === before[name]))));
  const column = (none) => ([name, label]) => {
    before[name] = read.columns[name] ?? (names.includes(name) ? name : "");
    return select(name, label, [...none, ...names.map((one) => [one, one])]);
  };
  const note = h("span", { class: "quiet", role: "status" });
  return h("details", { class: "change" },
    h("summary", {}, "Read it differently"),
    h("form", { oninput: () => (note.textContent = ""), onsubmit: (event) => {
      event.preventDefault();
      const now = Object.fromEntries(new FormData(event.currentTarget));
      now.date_format = now.date_format.trim();
      const changed = (ids) => ids.filter((name) => now[name] !== before[name]);
      const roles = changed([...columns, ...optional].map(([name]) => name));
      const options = {
        ...(roles.length > 0 && { columns: Object.fromEntries(roles.map((name) => [name, now[name]])) }),
        ...(changed(["date_format"]).length > 0 && { date_format: now.date_format || null }),
        // The server looks for the marks only if it is given none of them.
        ...(changed(["decimal", "thousands"]).length > 0 && { decimal: now.decimal, thousands: now.thousands || null, currency: read.currency }),
      };
      if (Object.keys(options).length > 0) again(options);
      else note.textContent = "Nothing is changed.";
    } },
    h("p", {}, words),
    h("div", { class: "fields" },
      columns.map(column([])), optional.map(column([["", "none"]])),
      field("read-date_format", "Form of the dates", h("input", { id: "read-date_format", name: "date_format", type: "text", value: before.date_format, autocomplete: "off", spellcheck: "false", "aria-describedby": "read-date_format-hint" }),
        h("span", { id: "read-date_format-hint" }, "Such as %d/%m/%Y. If empty, it is found.")),
      select("decimal", "Decimal sign", marks.slice(0, 2)),
      select("thousands", "Thousands sign", [["", "none"], ...marks])),
    h("p", { class: "buttons" }, h("button", { class: "button small" }, "Read it again"), note)));
}

/** The questions about a file. `answer(options)` sends the file again with these options of reading; `ending` says what was kept. */
export function questionPanel(name, { questions, header }, answer, ending = "Nothing of the file was kept.") {
  return h("div", { class: "alert questions", role: "group", "aria-label": `Questions about ${name}` },
    h("h2", {}, `${name} can be read in several ways`),
    questions.map((question) => h("div", { "data-question": question.code },
      h("p", {}, sentence(question.message)),
      h("p", { class: "buttons" }, question.readings.map(({ options, example }) =>
        h("button", { type: "button", class: "button small", "data-answer": assigned(options), onclick: () => answer(options) }, example))),
      own(question, header ?? [], answer))),
    h("p", { class: "quiet" }, ending));
}

/** A form for a question whose answers cannot be listed. */
function own({ code, option: asked, readings }, header, answer) {
  if (code === "columns") {
    const choices = (id, label) => field(id, label, h("select", { id, name: id }, option("", "as found"), header.map((name) => option(name, name))));
    return h("form", { onsubmit: (event) => {
      event.preventDefault();
      const given = new FormData(event.currentTarget);
      const chosen = Object.fromEntries(columns.map(([id]) => [id, given.get(`column-${id}`)]).filter(([, name]) => name !== ""));
      if (Object.keys(chosen).length > 0) answer({ columns: chosen });
    } },
    h("div", { class: "fields" }, columns.map(([id, label]) => choices(`column-${id}`, label))),
    h("p", { class: "buttons" }, h("button", { class: "button small" }, "Send it again")));
  }
  const [label, hint] = texts[asked] ?? [];
  if (label && readings.length === 0) {
    return h("form", { onsubmit: (event) => {
      event.preventDefault();
      const value = new FormData(event.currentTarget).get(asked).trim();
      if (value !== "") answer({ [asked]: asked === "null_values" ? [value] : value });
    } },
    h("div", { class: "fields" }, field(asked, label, h("input", { id: asked, name: asked, type: "text", autocomplete: "off" }), hint)),
    h("p", { class: "buttons" }, h("button", { class: "button small" }, "Send it again")));
  }
  return false;
}
