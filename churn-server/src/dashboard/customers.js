// Customers: segment sizes over time, and the list with risk, reasons and expected profit.
import { at, file, get, post, upload } from "./api.js";
import { contributions } from "./charts.js";
import { list, progress, underway, cell } from "./data.js";
import { foundPanel, merged, questionPanel } from "./detected.js";
import { band, by, card, download, h, reasonList, sharedReason } from "./dom.js";
import { findingList, findingPanel, stopping, together } from "./findings.js";
import { history, historyTable, SEGMENTS } from "./history.js";
import { ask, complain, doing, field, live, notes, nothing, option, quiet, say, shortDay, time } from "./parts.js";
import { segments } from "./results.js";
import { slippingAway } from "./slipping.js";
import { causeList, subscriptionCard, usageField } from "./subscriptions.js";
import { count, decimal, money, percent, plural } from "./words.js";

const PAGE = 20;
// The largest offset of pages for which the server must search all customers.
const FAR = 10_000;

export async function customers(view) {
  const { org, root, signal } = view;
  const [work, stopped, sent] = [0, 1, 2].map(() => h("div", {}));
  const body = h("div", { class: "part" });
  root.replaceChildren(h("div", { class: "head" }, h("h2", {}, "Customers"), view.may("write") && h("button", { type: "button", class: "button", onclick: scoring(view, sent, () => look()) }, "Score customers")), sent, work, stopped, body);
  let shown;
  let look = () => {};

  async function refresh() {
    const found = await list(org, "prediction-batches", signal);
    if (signal.aborted) return 0;
    const running = found.batches.filter((one) => one.status === "queued" || one.status === "processing");
    await drawWork(view, work, running);
    drawStopped(view, stopped, found.batches[0], () => look());
    const done = found.batches.filter((one) => one.status === "completed");
    const newest = done[0]?.batch_id ?? "";
    if (newest !== shown) {
      shown = newest;
      if (newest) await drawBatches(view, body, done);
      else body.replaceChildren(h("section", { class: "card" }, nothing("No customers have been scored yet.", h("p", {}, h("a", { href: `#${encodeURIComponent(org)}/data` }, "Data and jobs"), " shows what is next."))));
    }
    return running.length > 0 ? 700 : 5000;
  }
  look = live(signal, refresh, await refresh());
}

/** The running predictions. */
async function drawWork(view, root, running) {
  const jobs = running.length > 0 ? (await list(view.org, "jobs", view.signal, { kind: "predict_bulk", limit: 20 })).jobs.filter(underway) : [];
  root.hidden = jobs.length === 0;
  root.replaceChildren(...jobs.map((job) => h("section", { class: "card slim" }, h("h3", {}, "Scoring"), progress(job))));
}

/** The newest batch, if findings stopped it. */
function drawStopped(view, root, batch, look) {
  const findings = batch?.status === "failed" ? batch.error?.findings : undefined;
  const key = findings ? batch.batch_id : "";
  root.hidden = !key;
  if (root.dataset.state === key) return;
  root.dataset.state = key;
  const codes = stopping(findings);
  root.replaceChildren(...(findings ? [h("div", { class: "alert", id: "stopped" },
    h("h2", {}, "The newest scoring was stopped"), findingList(findings),
    !view.may("write") ? undefined : batch.dataset_id
      ? h("p", { class: "buttons" }, h("button", { type: "button", class: "button", "data-allow": codes.join(" "), onclick: doing("Scoring did not start.", async () => {
        await post(at`organizations/${view.org}/predict-bulk`, undefined, { dataset_id: batch.dataset_id, allow: codes.join(",") });
        look();
      }) }, "Go on anyway"))
      : h("p", {}, "Mend the file, or score it again and choose to go on anyway."))] : []));
}

/** The dialog that asks what to score: an uploaded data set, or a file. */
const scoring = (view, sent, look) => doing("Scoring did not start.", async () => {
  const { datasets } = await list(view.org, "datasets", view.signal);
  const usable = datasets.filter((one) => one.status !== "error");
  const given = await ask("Score customers", h("div", {},
    h("p", { class: "quiet" }, "The active model scores the customers of the data, except those who have been away for longer than any that it has learned from. Of subscriptions it scores the active ones who have not cancelled."),
    h("div", { class: "fields" },
      usable.length > 0 && field("of", "Data set", h("select", { id: "of", name: "dataset_id" }, usable.map((one) => option(one.dataset_id, `${one.filename ?? "a file"}, ${count(one.row_count)} rows`)))),
      field("scored-file", usable.length > 0 ? "or a file" : "File", h("input", { id: "scored-file", name: "file", type: "file", accept: ".csv,.tsv,.txt,.gz,.zst,.xlsx", required: usable.length === 0 }), "CSV or a spreadsheet. Exports may stay as they are."),
      usageField("scored-usage", datasets),
      field("as-of", "As of, if not as the server has it", h("input", { id: "as-of", name: "as_of", type: "date" }))),
    h("p", {}, h("label", {}, h("input", { name: "include_inactive", type: "checkbox", value: "true" }), " Also score those who are long gone, and those who have cancelled")),
    h("p", {}, h("label", { for: "allowed" }, "Go on in spite of"), " ", h("select", { id: "allowed", name: "allow" }, option("", "nothing that is odd"), option("isolated_last_day,isolated_first_day", "rows far away from all others")))), "Score");
  if (!given) return;
  sent.replaceChildren();
  if (given.file?.size > 0) return scoreFile(view, sent, look, given);
  await post(at`organizations/${view.org}/predict-bulk`, undefined, { dataset_id: given.dataset_id, usage_dataset_id: given.usage_dataset_id, as_of: given.as_of, include_inactive: given.include_inactive, allow: given.allow });
  say("Scoring has started.");
  look();
});

/** Sends the file of the dialog, and shows how it is read. `options` are those of reading that answer the questions about it. */
async function scoreFile(view, sent, look, given, options = {}) {
  const { file } = given;
  const form = new FormData();
  form.append("detect", "true");
  if (Object.keys(options).length > 0) form.append("read_options", JSON.stringify(options));
  for (const name of ["as_of", "include_inactive", "allow", "usage_dataset_id"]) if (given[name]) form.append(name, given[name]);
  form.append("file", file, file.name);
  quiet();
  sent.replaceChildren();
  try {
    const { detected } = await upload(at`organizations/${view.org}/predict-bulk`, form, () => {}, view.signal);
    // Of a file of subscriptions there is nothing to find.
    if (detected) sent.replaceChildren(...foundPanel(file.name, detected, options, h("p", {}, "If this is not what the file means, upload it under Data and jobs. There it can be read differently, and then be scored.")));
    say("Scoring has started.");
    look();
  } catch (error) {
    if (error.code === "unclear_file") {
      sent.replaceChildren(questionPanel(file.name, error.details, (answers) => scoreFile(view, sent, look, given, merged(options, answers))));
      say(`${file.name} can be read in several ways.`);
    } else if (!view.signal.aborted) complain(error, "Scoring did not start.");
  }
}

async function drawBatches(view, root, batches) {
  const { org, signal } = view;
  const points = (await get(at`organizations/${org}/segments`, { limit: 30 }, signal)).points.map((point) => ({
    counts: point.segments, name: shortDay(point.as_of),
    title: `As of ${point.as_of}, by version ${point.model_version}: ${[...SEGMENTS].reverse().map((name) => `${count(point.segments[name] ?? 0)} ${name}`).join(", ")}`,
  }));
  const [batch, people, bands] = [h("div", { class: "part" }), h("div", {}), h("div", {})];
  const select = h("select", { id: "batch", onchange: () => draw().catch((error) => complain(error)) }, batches.map((one) =>
    option(one.batch_id, `as of ${one.as_of}, ${count(one.customers)} customers, version ${one.model_version}`)));
  const draw = () => drawBatch(view, { batch, people, bands }, batches.find((one) => one.batch_id === select.value));
  root.replaceChildren(
    h("div", { class: "tools one" }, field("batch", "Scored", select)),
    batch, people, bands,
    card("Segment sizes over time",
      h("ul", { class: "legend" }, [...SEGMENTS].reverse().map((name) => h("li", {}, band(name)))),
      h("div", { class: "pair" }, h("figure", {}, history(points)), historyTable(points))));
  await draw();
}

async function drawBatch(view, { batch: root, people, bands }, batch) {
  const { org, signal } = view;
  const none = (error) => {
    if (error.status === 404) return undefined;
    throw error;
  };
  // A batch of an older version does not have this list.
  const slipping = await get(at`organizations/${org}/slipping-away`, { batch_id: batch.batch_id }, signal).catch(none);
  const model = await get(at`organizations/${org}/models/${batch.model_id}`, {}, signal).catch(none);
  const { segments: counts, customers: all } = batch;
  const subscribed = model?.data_kind === "subscriptions";
  const risky = (counts.High ?? 0) + (counts.Critical ?? 0);
  const tile = (name, value, note) => h("div", { class: "tile" }, h("dt", {}, name), h("dd", { class: "number" }, value), h("dd", {}, note));
  root.replaceChildren(...(batch.findings ? [] : notes(batch.warnings)), ...[
    findingPanel(together(model?.findings, batch.findings)),
    h("dl", { class: "tiles" },
      tile("At high or critical risk", count(risky), `${percent(risky / Math.max(1, all))} of ${plural(all, "customer")}`),
      tile("Expected to leave", count(Math.round(batch.mean_probability * all)), "all risks added up"),
      tile("Scored", time(batch.finished_at ?? batch.created_at), `as of ${batch.as_of}`),
      model
        ? tile("Model", `Version ${model.version}`, `AUC ${decimal(model.metrics.roc_auc, 2)}; recency alone ${typeof model.recency_auc === "number" ? decimal(model.recency_auc, 2) : "–"}`)
        : tile("Model", `Version ${batch.model_version}`, "no longer here")),
    slipping && slippingAway(slipping),
    subscribed && await subscriptionCard(view, batch),
  ].filter(Boolean));
  people.replaceChildren(customerList(view, batch, subscribed));
  bands.replaceChildren(...[model && segments({ model, today: { counts, customers: all } })].filter(Boolean));
  bands.hidden = !model;
}

/** The list, sorted, searched and paged by the server. */
function customerList(view, batch, subscribed) {
  const path = at`organizations/${view.org}/prediction-customers`;
  const wanted = { batch_id: batch.batch_id, sort: "churn_probability", order: "desc", risk_segment: "", search: "", offset: 0, limit: PAGE };
  const columns = [["customer_id", "Customer"], ["risk_segment", "Band"], ["churn_probability", "Risk"], subscribed ? ["amount", "Amount per month"] : ["expected_profit", "Expected profit"], ["reasons", "Why"]];
  const sortable = new Set(["customer_id", "churn_probability", "expected_profit"]);
  const numeric = new Set(["churn_probability", "expected_profit", "amount"]);
  const rows = h("tbody", {});
  const note = h("span", { role: "status", "aria-live": "polite" });
  const common = h("div", { class: "shared" });
  const heads = columns.map(([key, name]) => h("th", { scope: "col", class: key === "reasons" ? "wide" : numeric.has(key) ? "number" : undefined },
    sortable.has(key) ? h("button", { type: "button", class: "sort", "data-key": key, onclick: () => sortBy(key) }, name) : name));
  const earlier = h("button", { type: "button", class: "button small", onclick: () => turn(-PAGE) }, "Earlier");
  const later = h("button", { type: "button", class: "button small", onclick: () => turn(PAGE) }, "Later");

  function sortBy(key) {
    wanted.order = wanted.sort === key ? (wanted.order === "desc" ? "asc" : "desc") : key === "customer_id" ? "asc" : "desc";
    Object.assign(wanted, { sort: key, offset: 0 });
    show();
  }
  function turn(by) {
    wanted.offset = Math.max(0, wanted.offset + by);
    show();
  }
  // An older request that is still running is cancelled.
  let asked = new AbortController();
  view.signal.addEventListener("abort", () => asked.abort());
  async function show() {
    asked.abort();
    asked = new AbortController();
    heads.forEach((head, i) => {
      const [key, name] = columns[i];
      if (!sortable.has(key)) return;
      const active = key === wanted.sort;
      head.setAttribute("aria-sort", active ? (wanted.order === "desc" ? "descending" : "ascending") : "none");
      const button = head.querySelector("button");
      button.toggleAttribute("data-active", active);
      button.textContent = name + (active ? (wanted.order === "desc" ? " ▾" : " ▴") : "");
    });
    try {
      const { total, customers, shared_reason: shared } = await get(path, wanted, asked.signal);
      common.replaceChildren(...sharedReason(shared));
      const own = ({ reasons }) => reasons.filter((reason) => reason.feature !== shared?.feature || reason.raises_risk !== shared.raises_risk);
      rows.replaceChildren(...customers.map((one) => customerRow(one, own(one))));
      note.textContent = total === 0 ? "No such customer" : `${count(wanted.offset + 1)} to ${count(wanted.offset + customers.length)} of ${count(total)}`;
      earlier.disabled = wanted.offset === 0;
      const searched = wanted.search !== "" || wanted.sort === "customer_id";
      later.disabled = wanted.offset + customers.length >= total || (searched && wanted.offset + 2 * PAGE > FAR);
    } catch (error) {
      complain(error, "The customers cannot be listed.");
    }
  }
  let typing;
  const filter = (key, wait) => ({ target }) => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      Object.assign(wanted, { [key]: target.value, offset: 0 });
      show();
    }, wait);
  };
  const section = card("Who is about to leave",
    h("div", { class: "tools" },
      field("search", "Find a customer", h("input", { id: "search", type: "search", autocomplete: "off", spellcheck: "false", oninput: filter("search", 250) })),
      field("band", "Risk band", h("select", { id: "band", onchange: filter("risk_segment", 0) }, option("", "All"), [...SEGMENTS].reverse().map((name) => option(name, name))))),
    common,
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Customers" },
      h("table", { id: "list", class: "people" }, h("caption", { class: "unseen" }, "Customers with their risk and the reasons for it"), h("thead", {}, h("tr", {}, heads)), rows)),
    h("div", { class: "pager" }, note, h("span", { class: "buttons" }, earlier, later)),
    h("p", { class: "buttons" }, h("button", { type: "button", class: "button", onclick: doing("The list cannot be downloaded.", async () =>
      download(await file(at`organizations/${view.org}/prediction-batches/${batch.batch_id}/file`), `predictions_${batch.batch_id}.csv`)) }, "All customers (CSV)")));
  show();
  return section;
}

const customerRow = (one, reasons) => h("tr", {},
  h("th", { scope: "row" }, h("button", { type: "button", class: "who", onclick: () => open(one) }, one.customer_id)),
  h("td", {}, band(one.risk_segment)),
  h("td", { class: "number", "data-name": "Risk" }, percent(one.churn_probability)),
  one.causes
    ? h("td", { class: "number", "data-name": "Amount per month" }, typeof one.amount === "number" ? money(one.amount) : "–")
    : h("td", { class: "number", "data-name": "Expected profit" }, one.expected_profit === null ? "–" : money(one.expected_profit)),
  h("td", { class: "wide" }, one.causes && Object.keys(one.causes).length > 0 && h("p", { class: "quiet" }, causeList(one.causes)), reasonList(reasons.slice(0, 2))));

/** The details of one customer in the dialog. */
function open(one) {
  const dialog = by("dialog");
  const adds = one.reasons.map((reason) => ({ name: reason.feature, adds: reason.contribution }));
  dialog.replaceChildren(...[
    h("div", { class: "top" }, h("h2", { id: "dialog-title" }, one.customer_id), h("button", { type: "button", class: "button small", onclick: () => dialog.close() }, "Close")),
    h("p", {}, h("span", { class: "risk" }, percent(one.churn_probability)), " ", band(one.risk_segment)),
    one.expected_profit !== null && h("p", {}, one.expected_profit > 0
      ? `Contacting this customer is expected to earn ${money(one.expected_profit)}.`
      : `Contacting this customer is expected to cost ${money(-one.expected_profit)} more than it earns.`),
    h("h3", {}, "Why"), reasonList(one.reasons),
    adds.length > 0 && h("figure", {}, contributions(adds)),
  ].filter(Boolean));
  dialog.showModal();
  dialog.scrollTop = 0;
}
