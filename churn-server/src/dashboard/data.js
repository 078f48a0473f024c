// Data sets and jobs: uploads, their states, and the running jobs.
import { at, file, get, post, remove, upload } from "./api.js";
import { changeForm, foundPanel, merged, questionPanel } from "./detected.js";
import { by, card, download, h } from "./dom.js";
import { findingList, stopping } from "./findings.js";
import { ask, complain, doing, field, fill, keepRows, live, nothing, option, quiet, say, shortId, state, time, took } from "./parts.js";
import { columnForm, readPanel } from "./subscriptions.js";
import { count, percent, plural, size, stages } from "./words.js";

const kinds = { process_features: "Features", train: "Training", backtest: "Backtest", predict_bulk: "Scoring" };

export async function data(view) {
  const { org, root, signal, may } = view;
  const datasets = h("tbody", {});
  const jobs = h("tbody", {});
  const noDatasets = nothing("No data yet.");
  const noJobs = nothing("Nothing has been done yet.");
  const [olderDatasets, olderJobs] = [0, 1].map(() => h("p", { class: "quiet" }));
  const steps = h("ol", { class: "steps" });
  let look = () => {};

  root.replaceChildren(
    card("From data to customers at risk", steps),
    may("write") && uploading(view, () => look()),
    card("Data sets", noDatasets, grid("Data sets", "datasets", ["File", "State", "Rows", "Customers", "Period", "Uploaded", ""], datasets), olderDatasets),
    card("Jobs", noJobs, grid("Jobs", "jobs", ["Job", "State", "Progress", "Started", "Took", ""], jobs), olderJobs));

  async function refresh() {
    const [found, work, known, batches] = await Promise.all(["datasets", "jobs", "models", "prediction-batches"].map((name) => list(org, name, signal)));
    if (signal.aborted) return 0;
    keepRows(datasets, found.datasets, (one) => one.dataset_id, (one) => datasetRow(view, one, () => look()));
    keepRows(jobs, work.jobs, (one) => one.job_id, (one) => jobRow(view, one, () => look()));
    fill(datasets, noDatasets, olderDatasets, found.total);
    fill(jobs, noJobs, olderJobs, work.total);
    drawSteps(view, steps, { ...found, ...known, ...batches }, () => look());
    return work.jobs.some(underway) ? 700 : 4000;
  }
  look = live(signal, refresh, await refresh());
}

/** A list of the organization; empty if the organization does not exist before its first upload. */
export async function list(org, name, signal, query) {
  try {
    return await get(at`organizations/${org}/${name}`, { limit: 50, ...query }, signal);
  } catch (error) {
    if (error.code === "organization_not_found") return { total: 0, datasets: [], jobs: [], models: [], batches: [] };
    throw error;
  }
}

export const underway = ({ status }) => status === "queued" || status === "running";

/** A table whose rows are added later; on a phone its rows become cards. */
export function grid(caption, id, head, body) {
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h("table", { class: "grid", id }, h("caption", { class: "unseen" }, caption), h("thead", {}, h("tr", {}, head.map((name) => h("th", { scope: "col" }, name || h("span", { class: "unseen" }, "What can be done"))))), body));
}

/** A cell that shows its label on a phone, and is left out there if it is empty. */
export const cell = (name, ...content) => h("td", { "data-name": name, class: content[0] === "–" && "none" }, ...content);
export const actions = (...buttons) => h("td", { class: "actions" }, h("div", {}, ...buttons));
export const button = (words, work, name = words) => h("button", { type: "button", class: "button small", onclick: work, "data-action": name }, words);

function uploading(view, look) {
  const { org, signal, may } = view;
  const input = h("input", { id: "file", type: "file", accept: ".csv,.tsv,.txt,.gz,.zst,.xlsx" });
  const labelled = h("input", { id: "labelled", type: "checkbox" });
  const kind = h("select", { id: "kind", onchange: () => (labels.hidden = kind.value === "subscriptions") }, option("events", "Purchases, visits or other events"), option("subscriptions", "Subscriptions: from when to when"));
  const labels = h("div", { class: "checks" }, h("label", { for: "labelled" }, labelled, "It has a column churn_label"));
  const bar = h("progress", { max: 1, value: 0, "aria-label": "Sent" });
  const note = h("p", { role: "status" });
  let stop;
  const work = h("div", { hidden: true }, note, bar, h("p", { class: "buttons" }, h("button", { type: "button", class: "button small", onclick: () => stop.abort() }, "Stop")));

  const result = h("div", {});

  /** Deletes the data set of an earlier reading if the token may. */
  const replace = async (id) => {
    if (!may("admin")) return [h("p", { class: "quiet kept" }, "The data set of the earlier reading stays. Somebody with the role admin can delete it.")];
    try {
      await remove(at`organizations/${org}/datasets/${id}`);
    } catch (error) {
      if (error.code !== "dataset_not_found") complain(error, "The data set of the earlier reading was not deleted.");
    }
    return [];
  };

  /** Sends a file. `options` are those of reading that were chosen for it. `earlier` is the data set that this reading replaces,
   *  with the panel that shows it. */
  const send = async (chosen, options = {}, earlier) => {
    stop = new AbortController();
    signal.addEventListener("abort", () => stop.abort());
    const form = new FormData();
    const periods = kind.value === "subscriptions";
    form.append("kind", kind.value);
    form.append("detect", "true");
    form.append("has_churn_label", labelled.checked && !periods ? "true" : "false");
    if (Object.keys(options).length > 0) form.append("read_options", JSON.stringify(options));
    form.append("file", chosen, chosen.name);
    work.hidden = false;
    input.disabled = true;
    bar.value = 0;
    quiet();
    result.replaceChildren();
    note.textContent = `Sending ${chosen.name}, ${size(chosen.size)}`;
    try {
      const made = await upload(at`organizations/${org}/upload-dataset`, form, (share) => {
        bar.value = share;
        if (share === 1) note.textContent = `${chosen.name} is sent; its rows are being checked.`;
      }, stop.signal);
      if (periods) {
        work.hidden = true;
        input.disabled = false;
        input.value = "";
        say(`${chosen.name} is uploaded: ${plural(made.row_count, "row")}.`);
        result.replaceChildren(...readPanel(chosen.name, made));
        look();
        return;
      }
      // Without these options only the form for another reading is missing.
      const { read_options: read } = await get(at`organizations/${org}/datasets/${made.dataset_id}`, {}, signal).catch(() => ({}));
      const left = earlier ? await replace(earlier.id) : [];
      work.hidden = true;
      say(`${chosen.name} is uploaded: ${plural(made.row_count, "row")}.`);
      const again = (changes) => send(chosen, merged({ ...options, columns: present(read.columns) }, changes), { id: made.dataset_id, panel });
      const words = may("admin")
        ? "The file is sent again. The new data set replaces this one, and what was made of this one is deleted with it."
        : "The file is sent again, as a new data set. This one stays until somebody with the role admin deletes it.";
      const panel = foundPanel(chosen.name, made.detected, options, read && changeForm(made.detected.header, read, again, words));
      result.replaceChildren(...left, ...panel);
      look();
    } catch (error) {
      work.hidden = true;
      const kept = earlier?.panel ?? [];
      if (error.code === "unclear_file") {
        const answer = (answers) => send(chosen, merged(options, answers), earlier);
        result.replaceChildren(questionPanel(chosen.name, error.details, answer, earlier && "The data set of the earlier reading stays."), ...kept);
        say(`${chosen.name} can be read in several ways.`);
      } else if (error.code === "missing_column" && periods) {
        result.replaceChildren(columnForm(chosen.name, error, (columns) => send(chosen, columns)));
        say(`The columns of ${chosen.name} have other names.`);
      } else {
        result.replaceChildren(...kept);
        if (!signal.aborted && error.code !== "stopped") complain(error, earlier ? "The file was not read again; the data set stays." : `${chosen.name} was not taken.`);
      }
    }
    // The button that had the focus is no longer in the page.
    if (earlier) result.querySelector("summary, button")?.focus({ preventScroll: true });
    input.disabled = false;
    input.value = "";
  };
  input.onchange = () => input.files[0] && send(input.files[0]);

  const drop = h("section", { class: "card drop", "aria-labelledby": "upload-title" },
    h("h2", { id: "upload-title", class: "drop-title" }, "Upload data"),
    h("p", { class: "quiet" }, "A CSV file or a spreadsheet (.xlsx) with a row for each purchase, visit or other event: the customer, the date and, where there is one, the amount. Exports may stay as they are; what the columns, dates and numbers mean is found, and shown after the upload. Or a file of subscriptions, with a row for each period of a contract, also as Stripe, Recurly, Chargebee or ChartMogul export it."),
    h("div", { class: "fields" }, field("kind", "A row of the file is of", kind)),
    h("div", { class: "buttons" }, h("label", { class: "button primary", for: "file" }, "Choose a file", input)),
    labels, work, result);
  drop.ondragover = (event) => {
    event.preventDefault();
    drop.classList.add("over");
  };
  drop.ondragleave = () => drop.classList.remove("over");
  drop.ondrop = (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    if (event.dataTransfer.files[0] && !input.disabled) send(event.dataTransfer.files[0]);
  };
  return drop;
}

/** The columns that have a name. */
const present = (columns) => Object.fromEntries(Object.entries(columns).filter(([, name]) => name !== null));

function datasetRow(view, one, look) {
  const path = at`organizations/${view.org}/datasets/${one.dataset_id}`;
  const name = one.filename ?? "a file";
  const buttons = [
    view.may("write") && (one.status === "uploaded" || one.status === "error") && button("Make features", doing("The features were not made.", async () => {
      await post(`${path}/process-features`);
      look();
    })),
    one.findings?.length > 0 && button(plural(one.findings.length, "finding"), () => showFindings(one.findings)),
    view.may("write") && one.status === "features_ready" && button("Train", () => view.go("models")),
    view.may("write") && one.status === "features_ready" && button("Score", doing("Scoring did not start.", async () => {
      await post(at`organizations/${view.org}/predict-bulk`, undefined, { dataset_id: one.dataset_id });
      look();
    })),
    one.features_url && button("Features", doing("The features cannot be downloaded.", async () => download(await file(`${path}/features`), `features_${one.dataset_id}.csv`))),
    view.may("admin") && button("Delete", doing("The data set was not deleted.", async () => {
      if (!(await ask("Delete this data set?", h("p", {}, `${name}, ${plural(one.row_count, "row")}, the features, the predictions and the backtests that were made of it, and the jobs that work on it. Models that learned from it stay.`), "Delete"))) return;
      await remove(path);
      look();
    })),
  ];
  return h("tr", {},
    h("th", { scope: "row", class: "wrap" }, h("span", { title: name }, name), one.kind === "subscriptions" && h("span", { class: "quiet" }, " subscriptions "), shortId(one.dataset_id)),
    cell("State", state(one.status), one.error && (stopped(view, one, look) ?? h("p", { class: "why" }, one.error.message))),
    cell("Rows", count(one.row_count), one.bad_rows > 0 && h("span", { class: "quiet" }, ` (${count(one.bad_rows)} left out)`)),
    cell("Customers", one.customers === null ? "–" : count(one.customers)),
    cell("Period", ...(one.first_day && one.last_day ? [h("span", {}, one.first_day), " to ", h("span", {}, one.last_day)] : ["–"])), cell("Uploaded", time(one.created_at)),
    actions(buttons));
}

/** The findings that stopped the features of a data set, and the possible actions. */
function stopped(view, { dataset_id, error }, look) {
  if (!error.findings) return undefined;
  const make = (body, allow) => doing("The features were not made.", async () => {
    await post(at`organizations/${view.org}/datasets/${dataset_id}/process-features`, body, { allow });
    look();
  });
  const codes = stopping(error.findings).join(",");
  return h("div", { class: "stopped" },
    findingList(error.findings, view.may("write") ? { may: (name) => ["last_day", "first_day", "merge"].includes(name), apply: (settings, event) => make(settings)(event) } : {}),
    view.may("write") && h("p", { class: "buttons" }, h("button", { type: "button", class: "button small", "data-allow": codes, onclick: make(undefined, codes) }, "Go on anyway")));
}

/** Findings in the dialog. */
function showFindings(findings) {
  const dialog = by("dialog");
  dialog.replaceChildren(
    h("div", { class: "top" }, h("h2", { id: "dialog-title" }, "What was found in the data"), h("button", { type: "button", class: "button small", onclick: () => dialog.close() }, "Close")),
    findingList(findings));
  dialog.showModal();
}

/** The progress of a job, in words and as a bar. */
export function progress(job) {
  if (!underway(job)) return job.status === "completed" ? "done" : percent(job.progress);
  const words = job.status === "queued" ? job.stage ?? "waiting for a worker" : stages[job.stage] ?? "working";
  return h("div", { class: "under-way" }, h("progress", { max: 1, value: job.status === "queued" ? undefined : job.progress, "aria-label": words }), h("span", { class: "quiet" }, job.status === "queued" ? words : `${words}, ${percent(job.progress)}`));
}

function jobRow(view, job, look) {
  return h("tr", {},
    h("th", { scope: "row" }, kinds[job.kind] ?? job.kind, " ", shortId(job.job_id)),
    cell("State", state(job.cancel_requested && underway(job) ? "being stopped" : job.status), job.attempts > 1 && h("span", { class: "quiet" }, ` attempt ${job.attempts} of ${job.max_attempts}`), job.error && h("p", { class: "why" }, job.error.message)),
    cell("Progress", progress(job)),
    cell("Started", job.started_at ? time(job.started_at) : "–"),
    cell("Took", job.finished_at && job.started_at ? took(job.started_at, job.finished_at) : "–"),
    actions(view.may("write") && underway(job) && !job.cancel_requested && button("Stop", doing("The job was not stopped.", async () => {
      await post(at`organizations/${view.org}/jobs/${job.job_id}/cancel`);
      look();
    }))));
}

/** The four steps, with the next one marked. */
function drawSteps(view, list, { datasets, models, batches }, look) {
  const usable = datasets.filter((one) => one.status !== "error");
  const features = datasets.find((one) => one.status === "features_ready");
  const fresh = usable.find((one) => one.status === "uploaded");
  const model = models.find((one) => one.role === "active");
  const scored = batches.find((one) => one.status === "completed");
  const may = view.may("write");
  const steps = [
    ["Upload data", usable.length > 0, undefined],
    ["Make features", features !== undefined, fresh && may && button("Make features", doing("The features were not made.", async () => {
      await post(at`organizations/${view.org}/datasets/${fresh.dataset_id}/process-features`);
      look();
    }))],
    ["Train a model", model !== undefined, features && may && button("Train", () => view.go("models"))],
    ["Score the customers", scored !== undefined, features && model && may && button("Score", doing("Scoring did not start.", async () => {
      await post(at`organizations/${view.org}/predict-bulk`, undefined, { dataset_id: features.dataset_id });
      look();
    }))],
  ];
  const next = steps.findIndex(([, done]) => !done);
  const drawn = steps.map(([words, done, act], i) => h("li", { class: done ? "done" : i === next ? "next" : undefined, "aria-current": i === next ? "step" : undefined },
    h("span", {}, words, done && h("span", { class: "unseen" }, ", done")), i === next && act,
    i === 3 && done && button("See them", () => view.go("customers"))));
  const signature = JSON.stringify([next, fresh?.dataset_id, features?.dataset_id, steps.map(([, done]) => done)]);
  if (list.dataset.state !== signature) {
    list.dataset.state = signature;
    list.replaceChildren(...drawn);
  }
}
