// The results, section by section.
import * as charts from "./charts.js";
import { band, card, figure, h, table } from "./dom.js";
import { belief, intervals, ranking } from "./over_time.js";
import { count, decimal, learners, money, percent, plural } from "./words.js";

const SEGMENTS = ["Low", "Medium", "High", "Critical"];

/** The main result in a sentence, and four numbers. */
export function headline({ today, model, source }) {
  const { evaluation, labels } = model;
  const ranks = ranking(evaluation);
  const atRisk = (today.counts.High ?? 0) + (today.counts.Critical ?? 0);
  const after = labels.labels === "outcome_window" ? ` within ${labels.horizon_days} days` : "";
  const tile = (name, value, note) => h("div", { class: "tile" }, h("dt", {}, name), h("dd", { class: "number" }, value), h("dd", {}, note));
  return h("section", { "aria-labelledby": "found" },
    h("p", { class: "eyebrow" }, `${source} · as of ${today.as_of}`),
    h("h2", { id: "found", tabindex: "-1", class: "found" },
      `${plural(atRisk, "customer")} of ${count(today.customers)} ${atRisk === 1 ? "is" : "are"} more likely to stay away${after} than to come back.`),
    // A model of an older version without checks has no findings, but may have warnings.
    !model.findings && model.warnings.map((warning) => h("div", { class: "alert", role: "note" }, h("p", {}, warning))),
    h("dl", { class: "tiles" },
      tile("At high or critical risk", count(atRisk), `${percent(atRisk / Math.max(1, today.customers))} of the customers of today`),
      tile("Expected to leave", count(Math.round(today.expected)), "all risks added up"),
      today.has_values
        ? tile("Value at risk", money(today.at_risk), "last year's spending, weighted by risk")
        : tile("Left long ago", count(today.gone), "silent for longer than the definition looks back"),
      tile("How well it ranks", ranks.auc, ranks.note)));
}

/** The rows that were read, and the rows that were refused. */
export function reading({ read, today }) {
  const facts = [
    ["Rows", count(read.rows)], ["Used", count(read.good)], ["Left out", count(read.bad)], ["Customers", count(read.customers)],
    ["From", read.first_day], ["To", read.last_day],
    ...(read.merged_rows > 0 ? [["Events", count(read.good - read.merged_rows)]] : []),
  ];
  const types = read.event_types.slice(0, 8).join(", ");
  return card("What was read",
    table("What was read", facts.map(([name]) => name), [facts.map(([, value]) => value)]),
    types && h("p", { class: "quiet" }, `Kinds of event: ${types}${read.event_types.length > 8 ? ", …" : ""}.`),
    today.gone > 0 && h("p", { class: "quiet" }, `${plural(today.gone, "customer")} left long ago, silent for longer than the definition looks back; they are not counted above.`),
    read.ignored > 0 && h("p", { class: "quiet" }, `${plural(read.ignored, "row")} left out: blank, a sum, or without a customer.`),
    read.bad > 0 && badRows(read));
}

export function badRows({ bad, bad_rows: rows }) {
  const shown = rows.slice(0, 100);
  return h("details", {}, h("summary", {}, `${plural(bad, "row")} could not be read`),
    table("Rows that could not be read", ["Line", "Why"], shown.map((row) => [count(row.line), h("td", {}, row.message)])),
    bad > shown.length && h("p", { class: "quiet" }, `and ${count(bad - shown.length)} more`));
}

/** Churn by the quarter of the first event of the customers. */
export function cohorts({ cohorts: found, model }) {
  const { base_rate } = model.training;
  const words = h("p", {}, model.definition);
  if (!found) return card("What churn means here", words);
  const groups = found.groups.slice(-16).map((group) => ({
    ...group, share: group.churned / group.customers,
    title: `${group.name}: ${percent(group.churned / group.customers)} of ${count(group.customers)} left`,
  }));
  return card("What churn means here", words,
    h("p", { class: "quiet" }, `Over all that was learned from, ${percent(base_rate)} left. Below, as seen on ${found.cutoff}, by the quarter in which customers first came.`),
    h("div", { class: "pair" },
      h("figure", {}, charts.bars(groups, "Share that left, by the quarter of the first event.", "first event", "share that left")),
      table("Churn by cohort", ["First event", "Customers", "Left"], groups.map((group) => [group.name, count(group.customers), percent(group.share)]))));
}

/** The quality of the model. */
export function evaluation({ model }) {
  const { evaluation: found } = model;
  if (!found) return card("How far to believe it", h("p", {}, "Nobody knows: the model was trained without an evaluation."));
  const { metrics, curves, logistic_regression: plain, recency_auc } = found;
  const alone = found.test_cutoff ? `All measures on ${found.test_cutoff} alone` : "All measures";
  const how = found.protocol === "out_of_time"
    ? `The model learned from the past before ${found.test_cutoff} and was then asked about that day: ${count(found.test_rows)} customers, whose outcome it had not seen.`
    : `A fifth of the customers, drawn at random, was kept from the model and then asked about: ${count(found.test_rows)} of them.`;
  const row = (name, m) => [name, decimal(m.roc_auc), decimal(m.pr_auc), decimal(m.lift_10, 2), decimal(m.log_loss), decimal(m.ece)];
  const rows = [row(learners[model.kind], metrics)];
  if (plain && JSON.stringify(plain) !== JSON.stringify(metrics)) rows.push(row("logistic regression, as it comes", plain));
  if (recency_auc !== null) rows.push(["recency alone", decimal(recency_auc), "–", "–", "–", "–"]);
  const wrong = metrics.tp + metrics.fp;
  return card("How far to believe it",
    belief(found), intervals(found), found.over_time && h("h3", {}, alone),
    h("p", {}, how, " ", `Of ${plural(wrong, "customer")} it would have called leaving, ${percent(metrics.precision)} left; of those who left it found ${percent(metrics.recall)}.`),
    table("Measures", ["Model", "AUC", "PR-AUC", "Lift in the top tenth", "Log-loss", "Calibration error"], rows),
    h("div", { class: "charts" },
      figure("Whom it finds", charts.gain(curves), "The further above the dashed line, the fewer customers must be contacted to reach those who leave."),
      figure("Whether its risks are true", charts.reliability(curves), "On the dashed line, of 100 customers with a risk of 30 % thirty leave."),
      figure("How it ranks", charts.roc(curves, metrics.roc_auc), "Found against wrongly flagged, at every threshold.")),
    found.candidates.length > 0 && h("details", {}, h("summary", {}, `${count(found.candidates.length)} recipes were tried`),
      table("Recipes", ["Recipe", "Log-loss"], found.candidates.map((tried) => [
        [learners[tried.model], tried.feature_set, ...Object.entries(tried.settings ?? {}).map((pair) => pair.join(" ")), ...(tried.members ?? []).map((member) => `${decimal(member.weight, 2)} ${learners[member.model]}`)].filter(Boolean).join(", "),
        tried.log_loss === null ? (tried.failure ?? "–") : decimal(tried.log_loss, 4)]))),
    h("details", {}, h("summary", {}, "What it looks at"),
      table("Importance", ["Feature", "Log-loss added when it is shuffled"], found.importance.filter((entry) => entry.log_loss_increase > 0).slice(0, 10).map((entry) => [entry.feature.replaceAll("_", " "), decimal(entry.log_loss_increase, 4)]))),
    model.audit && h("p", { class: "quiet" }, `No future reached the past: ${count(model.audit.events_deleted)} ${model.labels.labels === "subscription_end" ? "later periods and ends were taken away" : "later events were deleted"} and ${count(model.audit.values_compared)} feature values computed again, with identical bits.`));
}

/** The risk bands with the churn rates observed in them. */
export function segments({ model, today }) {
  const rows = model.evaluation?.segments;
  const share = (name) => (today.counts[name] ?? 0) / Math.max(1, today.customers);
  const stack = h("div", { class: "stack", role: "img", "aria-label": SEGMENTS.map((name) => `${name} ${percent(share(name))}`).join(", ") },
    SEGMENTS.filter((name) => share(name) > 0).map((name) => {
      const part = h("span", { class: name });
      part.style.flexGrow = String(share(name));
      return part;
    }));
  const rate = (value) => (value === null ? "–" : percent(value));
  if (!rows) return card("Risk bands", stack, table("Risk bands", ["Band", "Customers today", "Share"], SEGMENTS.map((name) => [band(name), count(today.counts[name] ?? 0), percent(share(name))])));
  return card("Risk bands", stack,
    table("Risk bands", ["Band", "Risk", "Customers today", "Share", "In the test", "Predicted", "Really left"],
      rows.map((row) => [band(row.segment), `${Math.round(100 * row.from)} to ${Math.round(100 * row.to)} %`, count(today.counts[row.segment] ?? 0), percent(share(row.segment)), count(row.customers), rate(row.mean_probability), rate(row.observed_rate)])),
    h("p", { class: "quiet" }, "The last two columns are from the test: what was predicted for customers in the band, and what they did."));
}
