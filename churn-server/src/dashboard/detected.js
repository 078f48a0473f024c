// What the server found in an uploaded file, and the questions that only the owner of the file can answer.
import { h } from "./dom.js";
import { field, option, sentence } from "./parts.js";
import { money, plural } from "./words.js";

const columns = [["customer_id", "Customer"], ["event_date", "Date"]];

// The options that answer a question by a text.
const texts = {
  encoding: ["Encoding", "Such as windows-1252, windows-1251 or shift_jis."],
  date_format: ["Form of the dates", "Such as %d/%m/%Y. Rows with other dates are then refused."],
  null_values: ["A word for a missing amount", "Rows with this word have no amount."],
};

/** The value of an option as text. Spaces stay visible because texts are quoted. */
const shown = (value) => (Array.isArray(value) ? value.map(shown).join(", ") : JSON.stringify(value));

const assigned = (options) => Object.entries(options).map(([name, value]) => `${name} = ${shown(value)}`).join(", ");

/** The form that was found: options with reasons, doubts, and what the sample says with them. Nothing for a file in the standard
 *  form without a doubt. */
export function foundPanel(name, { found, doubts, export: system, trial }) {
  if (found.length === 0 && doubts.length === 0) return [];
  return [h("div", { class: "note detected" },
    h("p", {}, h("strong", {}, `How ${name} is read`), system && `: as an export of ${system}`),
    found.length > 0 && h("dl", {}, found.map((one) => [
      h("dt", { "data-option": one.option }, h("code", {}, `${one.option} = ${shown(one.value)}`)),
      h("dd", {}, one.reason)])),
    trial && h("p", { class: "trial" }, `In a sample of it: ${plural(trial.rows, "row")} of ${plural(trial.customers, "customer")}, ${trial.first_day} to ${trial.last_day}, amounts of ${money(trial.total_amount)} in total.`),
    doubts.length > 0 && h("ul", { class: "doubts" }, doubts.map((doubt) => h("li", {}, sentence(doubt)))),
    h("p", {}, "If this is not what the file means, delete the data set."))];
}

/** The questions about a file. `answer(options)` sends the file again with these options of reading. */
export function questionPanel(name, { questions, header }, answer) {
  return h("div", { class: "alert questions", role: "group", "aria-label": `Questions about ${name}` },
    h("h2", {}, `${name} can be read in several ways`),
    questions.map((question) => h("div", { "data-question": question.code },
      h("p", {}, sentence(question.message)),
      h("p", { class: "buttons" }, question.readings.map(({ options, example }) =>
        h("button", { type: "button", class: "button small", "data-answer": assigned(options), onclick: () => answer(options) }, example))),
      own(question, header ?? [], answer))),
    h("p", { class: "quiet" }, "Nothing of the file was kept."));
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
