// Models: training, the versions with their evaluation, the active version, and the comparison of two versions.
import { at, file, get, post, put, remove } from "./api.js";
import { actions, button, cell, grid, list, progress, underway } from "./data.js";
import { by, card, download, h, table } from "./dom.js";
import { findingList, findingPanel, stopping } from "./findings.js";
import { ask, doing, field, fill, keepRows, live, notes, nothing, option, say, sentence, state, time } from "./parts.js";
import { evaluation } from "./results.js";
import { usageField } from "./subscriptions.js";
import { count, decimal, learners, percent } from "./words.js";

const names = { ...learners, auto: "a search for the best" };
const ROLES = { active: "active", challenger: "challenger" };

export async function models(view) {
  const { org, root, signal, may } = view;
  const rows = h("tbody", {});
  const none = nothing("No model has been trained yet.");
  const older = h("p", { class: "quiet" });
  const roles = h("div", {});
  const detail = h("div", { class: "part" });
  let chosen;
  let drawn;
  let known = [];
  let look = () => {};

  const choose = (id) => {
    chosen = id;
    say("The evaluation is below the table.");
    look();
  };
  root.replaceChildren(
    may("write") && training(view, () => look()),
    card("Versions", none, grid("Versions of the model", "models", ["Version", "Learner", "State", "AUC", "Recency alone", "Log-loss", "Lift", "Trained", ""], rows), older, roles),
    detail);

  async function refresh() {
    const [found, work] = await Promise.all([list(org, "models", signal), list(org, "jobs", signal, { kind: "train", limit: 20 })]);
    if (signal.aborted) return 0;
    const jobs = new Map(work.jobs.map((job) => [job.job_id, job]));
    known = found.models;
    const more = { traffic_share: found.traffic_share };
    keepRows(rows, known.map((one) => ({ ...one, job: jobs.get(one.job_id), chosen: one.model_id === chosen })), (one) => one.model_id, (one) => modelRow(view, one, choose, () => look()));
    fill(rows, none, older, found.total);
    drawRoles(view, roles, known, more, () => look());
    chosen ??= (known.find((one) => one.role === "active") ?? known.find((one) => one.status === "completed"))?.model_id;
    if (chosen !== drawn) {
      drawn = chosen;
      await show(view, detail, chosen);
    }
    return known.some((one) => one.status === "training") || work.jobs.some(underway) ? 700 : 5000;
  }
  look = live(signal, refresh, await refresh());
}

function training(view, look) {
  const { org } = view;
  const dataset = h("select", { id: "dataset", name: "dataset_id" }, option("", "the newest"));
  const usage = h("div", {});
  list(org, "datasets", view.signal).then(({ datasets }) => {
    dataset.append(...datasets.filter((one) => one.status === "features_ready").map((one) =>
      option(one.dataset_id, `${one.filename ?? "a file"}, ${count(one.row_count)} rows, ${String(one.dataset_id).slice(0, 8)}`)));
    const choice = usageField("usage", datasets);
    if (choice) usage.replaceWith(choice);
  }, () => {});
  const form = h("form", { class: "card", id: "train", onsubmit: doing("The training did not start.", async () => {
    const { model_type, dataset_id, usage_dataset_id, horizon_days, feature_set, activate, allow } = Object.fromEntries(new FormData(form));
    const settings = { ...(horizon_days ? { horizon_days: Number(horizon_days) } : {}), ...(feature_set ? { feature_set } : {}) };
    await post(at`organizations/${org}/train`, Object.keys(settings).length > 0 ? settings : undefined, { model_type, dataset_id, usage_dataset_id, activate, allow });
    form.elements.allow.value = "";
    form.querySelector(".allowing").hidden = true;
    say("The training has started.");
    look();
  }) },
    h("h2", {}, "Train a model"),
    h("div", { class: "fields" },
      field("model-type", "Learner", h("select", { id: "model-type", name: "model_type" }, ["logistic_regression", "gradient_boosting", "random_forest", "auto"].map((name) => option(name, names[name])))),
      field("dataset", "Data set", dataset),
      usage,
      field("horizon", "Customers have left after", h("select", { id: "horizon", name: "horizon_days" }, option("", "default"), [30, 60, 90, 180, 365].map((days) => option(days, `${days} days`)))),
      field("feature-set", "Features", h("select", { id: "feature-set", name: "feature_set" }, option("", "default"), option("rfm", "recency, frequency and amounts"), option("behavioral", "all features of behaviour")))),
    h("div", { class: "checks" }, h("label", { for: "activate" }, h("input", { id: "activate", type: "checkbox", name: "activate", value: "true" }), "Use it for predictions as soon as it is trained, in place of the active version")),
    h("input", { type: "hidden", name: "allow", value: "" }),
    h("p", { class: "allowing quiet", hidden: true }),
    h("p", { class: "buttons" }, h("button", { class: "button primary" }, "Train")));
  return form;
}

/** Fills in the training form for another attempt: on the same data, in spite of findings or with another horizon. */
function again({ model_type, dataset_id }, { allow = "", horizon_days }) {
  const form = by("train");
  const set = (name, value) => {
    const select = form.elements[name];
    if (![...select.options].some((known) => known.value === String(value))) select.append(option(value, name === "horizon_days" ? `${value} days` : value));
    select.value = String(value);
  };
  set("model_type", model_type);
  set("dataset_id", dataset_id);
  if (horizon_days) set("horizon_days", horizon_days);
  form.elements.allow.value = allow;
  const note = form.querySelector(".allowing");
  note.hidden = allow === "";
  note.textContent = `It goes on in spite of ${allow.replaceAll(",", ", ")}.`;
  form.scrollIntoView({ block: "nearest" });
  form.querySelector(".primary").focus({ preventScroll: true });
}

/** The findings that stopped a training, and the possible actions. */
function stopped(view, model) {
  const { findings } = model.error;
  if (!findings) return undefined;
  const codes = stopping(findings).join(",");
  return h("div", { class: "stopped" },
    findingList(findings, view.may("write") ? { may: (name) => name === "horizon_days", apply: (settings) => again(model, settings) } : {}),
    view.may("write") && h("p", { class: "buttons" }, h("button", { type: "button", class: "button small", "data-allow": codes, onclick: () => again(model, { allow: codes }) }, "Go on anyway")));
}

function modelRow(view, one, choose, look) {
  const done = one.status === "completed";
  const number = (value, digits = 3) => (typeof value === "number" ? decimal(value, digits) : "–");
  const path = at`organizations/${view.org}/models/${one.model_id}`;
  const buttons = [
    done && view.may("admin") && one.role !== "active" && button("Activate", doing("The version was not activated.", async () => {
      await post(`${path}/activate`);
      look();
    })),
    done && view.may("admin") && !one.role && button("Challenge", doing("There is no new challenger.", async () => {
      const answer = await ask(`Let version ${one.version} challenge the active one?`, h("div", {},
        h("p", {}, "It then scores a share of the customers, always the same ones, and its predictions say so."),
        field("share", "Share of the customers, in %", h("input", { id: "share", name: "share", type: "number", min: 0, max: 100, step: "any", value: 10, required: true }))), "Start");
      if (!answer) return;
      await put(at`organizations/${view.org}/models/challenger`, { model_id: one.model_id, traffic_share: Number(answer.share) / 100 });
      look();
    })),
    done && button("Save", doing("The model cannot be downloaded.", async () => download(await file(`${path}/document`), `model_v${one.version}.json`))),
    done && button("Report", doing("There is no report.", async () => download(await file(`${path}/report`), `report_v${one.version}.html`))),
  ];
  return h("tr", { "data-chosen": one.chosen },
    h("th", { scope: "row" }, done ? h("button", { type: "button", class: "who", "data-action": "look", "aria-pressed": one.chosen ? "true" : "false", onclick: () => choose(one.model_id) }, `Version ${one.version}`) : `Version ${one.version}`),
    cell("Learner", learners[one.kind] ?? names[one.model_type] ?? one.model_type),
    cell("State", one.status === "training" && one.job ? progress(one.job) : state(ROLES[one.role] ?? one.status), one.error && (stopped(view, one) ?? h("p", { class: "why" }, one.error.message))),
    cell("AUC", number(one.metrics?.roc_auc)), cell("Recency alone", number(one.recency_auc)), cell("Log-loss", number(one.metrics?.log_loss)),
    cell("Lift", number(one.metrics?.lift_10, 2)), cell("Trained", one.trained_at ? time(one.trained_at) : "–"),
    actions(buttons));
}

/** The actions on roles: roll back, and the challenger of the active version. */
function drawRoles(view, root, models, { traffic_share: share }, look) {
  const [active, challenger] = ["active", "challenger"].map((role) => models.find((one) => one.role === role));
  const signature = JSON.stringify([active?.model_id, challenger?.model_id, share]);
  if (root.dataset.state === signature) return;
  root.dataset.state = signature;
  const found = h("div", { "aria-live": "polite" });
  const older = models.some((one) => one.status === "completed" && one.role !== "active");
  root.replaceChildren(...[
    active && view.may("admin") && older && h("p", { class: "buttons" }, button("Roll back to the version before", doing("Nothing was rolled back.", async () => {
      const now = await post(at`organizations/${view.org}/models/rollback`);
      say(`Version ${now.version} answers again.`);
      look();
    }))),
    challenger && h("div", { class: "note" },
      h("p", {}, `Version ${challenger.version} challenges version ${active?.version ?? "–"}: it scores ${percent(share ?? 0)} of the customers.`),
      h("p", { class: "buttons" },
        button("Compare them", doing("They cannot be compared.", async () => found.replaceChildren(comparison(await get(at`organizations/${view.org}/models/comparison`, {}, view.signal))))),
        view.may("admin") && button("End the challenge", doing("The challenge goes on.", async () => {
          await remove(at`organizations/${view.org}/models/challenger`);
          look();
        }))),
      found),
  ].filter(Boolean));
}

/** The comparison of two versions on the same customers, with the interval of the difference. */
function comparison({ a, b, customers, cutoff, log_loss: loss, roc_auc: auc, verdict, warnings }) {
  const [one, other] = [`version ${a.version}`, `version ${b.version}`];
  const row = (name, m) => [name, decimal(m.a, 4), decimal(m.b, 4), decimal(m.difference, 4), `${decimal(m.low, 4)} to ${decimal(m.high, 4)}`];
  const words = verdict.replace(/^a\b/, one).replace(/^b\b/, other);
  return h("div", {},
    h("p", {}, h("strong", {}, sentence(words)), ` Judged on ${count(customers)} customers as of ${cutoff}.`),
    notes(warnings),
    table("Comparison", ["Measure", one, other, "Difference", "Interval"], [row("Log-loss, less is better", loss), row("AUC, more is better", auc)]));
}

async function show(view, root, id) {
  if (!id) {
    root.replaceChildren();
    return;
  }
  const model = await get(at`organizations/${view.org}/models/${id}`, {}, view.signal);
  root.replaceChildren(...[findingPanel(model.findings)].filter(Boolean), ...(model.findings ? [] : notes(model.warnings)),
    card(`Version ${model.version}`,
      model.definition && h("p", {}, model.definition),
      h("p", { class: "quiet" }, `Learned from ${count(model.training_samples)} rows, of which ${percent(model.churn_rate)} left${model.cutoffs?.length ? `, as seen on ${model.cutoffs.join(", ")}` : ""}.`),
      h("details", {}, h("summary", {}, `${count(model.features.length)} features`), h("p", {}, model.features.map((name) => name.replaceAll("_", " ")).join(", ")))),
    evaluation({ model: { ...model, audit: model.audit ?? null } }));
}
