// The page: from a file to a contact list, step by step. Long work runs in the worker (worker.js).
import { campaign } from "./campaign.js";
import { analyse, analysePeriods, checkModel, complete, ready, stop } from "./client.js";
import { customerList, open } from "./customers.js";
import { by, card, h } from "./dom.js";
import { findingList, findingPanel, stopping, together } from "./findings.js";
import { ranking } from "./over_time.js";
import * as periods from "./periods_results.js";
import { badRows, cohorts, evaluation, headline, reading, segments } from "./results.js";
import { saveButton } from "./save.js";
import * as form from "./setup.js";
import { slippingAway } from "./slipping.js";
import { count, explainError, stages } from "./words.js";

// The model file that the visitor added.
let model;

function show(...visible) {
  by("drop").classList.toggle("compact", visible.length > 0 && visible[0] !== "");
  for (const id of ["setup", "work", "results"]) by(id).hidden = !visible.includes(id);
}

function complain(error, more) {
  if (error.code === "cancelled") {
    show(form.chosen ? "setup" : "");
    return;
  }
  const { title, advice, technical } = explainError(error, form.isOfPeriods());
  by("message").replaceChildren(h("div", { class: "alert" },
    h("h3", {}, title), h("p", {}, advice),
    error.findings?.length > 0 && findingList(error.findings, more?.mending),
    more?.button,
    error.report && badRows(error.report),
    h("details", {}, h("summary", {}, "In the words of the program"), h("pre", {}, `${error.code}: ${technical}`))));
  by("message").scrollIntoView({ block: "nearest" });
}

const quiet = () => by("message").replaceChildren();

async function choose(file) {
  quiet();
  show("work");
  by("stage").textContent = "Finding out what the file is";
  by("bar").removeAttribute("value");
  try {
    // A model of subscriptions takes nothing else.
    if (await form.choose(file, model?.ofPeriods)) setup();
  } catch (error) {
    form.forget();
    show();
    complain(error);
  }
}

function setup() {
  by("definition").hidden = model !== undefined;
  by("definition").previousElementSibling.hidden = model !== undefined;
  by("run").textContent = model ? "Use the model" : "Find out who is leaving";
  show("setup");
  by("setup").scrollIntoView({ block: "start", behavior: "smooth" });
  fits();
}

/** Says that a model of events was loaded for a file of subscriptions, or the other way round. */
function fits() {
  if (!model || Boolean(model.ofPeriods) === form.isOfPeriods()) return true;
  const words = model.ofPeriods
    ? "The model was made from subscriptions, and this file is read as a list of events. Say below that these are subscriptions, choose another file, or learn anew."
    : "The model was made from events such as orders, and this is a file of subscriptions. Choose a file of events, or learn anew.";
  by("message").replaceChildren(h("div", { class: "alert", id: "unfit" }, h("h3", {}, "The model does not fit this file."), h("p", {}, words),
    h("p", { class: "buttons" }, h("button", { type: "button", class: "button", onclick: anew }, "Learn anew"))));
  by("message").scrollIntoView({ block: "nearest" });
  return false;
}

function anew() {
  model = undefined;
  by("model-note").hidden = true;
  quiet();
  if (form.chosen) setup();
}

// Settings of reading and training that a finding may suggest and this page can apply.
const READING = ["last_day", "first_day", "merge"];
const READING_PERIODS = ["last_day", "ends_known", "inclusive_ends", "null_values"];
const LEARNING = ["horizon_days", "event_types"];

/** The request with the suggested settings applied. */
const mended = (request, settings) => {
  const pick = (names) => Object.fromEntries(Object.entries(settings).filter(([name]) => names.includes(name)));
  const read = pick(request.ofPeriods ? READING_PERIODS : READING);
  if (read.null_values) read.null_values = [...(request.read.null_values ?? []), ...read.null_values];
  return { ...request, read: { ...request.read, ...read }, learn: { ...request.learn, ...pick(LEARNING) } };
};

/** The buttons beside findings. A loaded model is not trained again. */
const mending = (request) => ({
  may: (name) => (request.ofPeriods ? READING_PERIODS : READING).includes(name) || (LEARNING.includes(name) && request.model === undefined),
  apply: (settings) => run(mended(request, settings)),
});

async function run(request) {
  quiet();
  show("work");
  by("work").scrollIntoView({ block: "nearest" });
  const bar = by("bar");
  const progress = (stage, done, total) => {
    const words = stages[stage] ?? stages.fit;
    if (by("stage").textContent !== words) by("stage").textContent = words;
    if (total > 0) bar.value = done / total;
    else bar.removeAttribute("value");
  };
  try {
    const found = await (request.ofPeriods ? analysePeriods : analyse)(request, progress);
    results(found, request);
  } catch (error) {
    show(form.chosen ? "setup" : "");
    if (error.code === "finding") {
      const codes = stopping(error.findings);
      complain(error, { mending: mending(request), button: h("p", { class: "buttons" }, h("button", { type: "button", class: "button", "data-allow": codes.join(" "), onclick: () => run({ ...request, allow: [...(request.allow ?? []), ...codes] }) }, "Go on anyway")) });
      return;
    }
    const bad = error.code === "bad_rows" || error.code === "too_many_bad_rows";
    // The causes are written in the words of the file.
    if (request.ofPeriods && bad && error.report?.bad_rows.some((row) => row.message.startsWith("end_reason is"))) {
      complain(error, { button: h("p", {}, h("button", { type: "button", class: "button", onclick: () => run({ ...request, read: { ...request.read, columns: { ...request.read.columns, end_reason: "" } } }) }, "Go on without the reasons")) });
      return;
    }
    const skipping = bad && request.read?.on_bad_row !== "skip" && error.report?.good > 0;
    complain(error, skipping && { button: h("p", {}, h("button", { type: "button", class: "button", onclick: () => run({ ...request, read: { ...request.read, on_bad_row: "skip", max_bad_share: 0.5 } }) }, "Leave them out and go on")) });
  }
}

function results(found, request) {
  const save = (what, name, words) => saveButton(what, name, words, complain);
  const details = (id) => open(id, found.today);
  const parts = found.ofPeriods
    ? [periods.headline(found), found.slipping && slippingAway(found.slipping, details, "A year at risk"), customerList(found), periods.status(found, complain), campaign(found),
      periods.movements(found), periods.retention(found), segments(found), periods.meaning(found), evaluation(found), periods.reading(found)]
    : [headline(found), slippingAway(found.slipping, details), customerList(found), campaign(found), segments(found), cohorts(found), evaluation(found), reading(found)];
  by("results").replaceChildren(
    ...[findingPanel(together(found.model.findings, found.today.findings), mending(request)), ...parts].filter(Boolean),
    card("Take it along",
      h("p", {}, "The model document works in the Rust library, the Python package, the server and here, with the same numbers everywhere."),
      found.today.with_reasons < found.today.customers
        && h("p", {}, `The file of all customers has reasons for the ${count(found.today.with_reasons)} at the greatest risk.`),
      h("p", { class: "buttons" }, save("customers", "customers.csv", "Customers (CSV)"), save("model", "model.json", "Model (JSON)"), save("report", "report.html", "Report (HTML)"))));
  show("results");
  by("found").scrollIntoView({ block: "start" });
  by("found").focus({ preventScroll: true });
}

async function takeModel(file) {
  quiet();
  try {
    const text = await file.text();
    const about = await checkModel(text);
    model = { text, ...about };
  } catch (error) {
    complain(error);
    return;
  }
  const ranks = ranking(model.evaluation);
  by("model-note").hidden = false;
  by("model-note").replaceChildren(
    h("strong", {}, `${file.name} will be used.`), ` ${model.definition} Learned from ${model.customers.toLocaleString()} customers, ${model.evaluation ? `AUC ${ranks.auc}` : "not evaluated"}${ranks.interval ? ` (95 % interval ${ranks.interval})` : ""}. Now choose the file with the ${model.ofPeriods ? "subscriptions" : "customers"}. `,
    h("button", { type: "button", class: "button small", onclick: anew }, "Learn anew instead"));
  if (form.chosen) setup();
}

by("file").onchange = ({ target }) => {
  if (target.files[0]) choose(target.files[0]);
  target.value = "";
};
by("model-file").onchange = ({ target }) => {
  if (target.files[0]) takeModel(target.files[0]);
  target.value = "";
};
by("sample").onclick = () => {
  form.forget();
  if (!fits()) return;
  run({ read: {}, learn: {}, event: "event", model: model?.text });
};
by("setup").onsubmit = (event) => {
  event.preventDefault();
  const { file } = form.chosen;
  quiet();
  if (!fits()) return;
  run({ file, name: file.name, model: model?.text, ...form.asked() });
};
by("stop").onclick = () => stop();
form.onChange(quiet, complain);

const drop = by("drop");
// The whole page accepts a dropped file, so that a file dropped beside the box does not replace the page.
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("over");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) drop.classList.remove("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  const file = event.dataTransfer.files[0];
  if (file) (/\.json$/i.test(file.name) ? takeModel : choose)(file);
});

ready().then(async () => {
  await complete();
  document.documentElement.setAttribute("data-ready", "");
}, (error) => complain({ code: "internal", message: `The module cannot be loaded: ${error.message}` }));
