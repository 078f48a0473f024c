// How far to believe the evaluation of a model: its results at several days, and the intervals of their means.
// A document of an older version has none of them: `over_time` is then null or missing.
import * as charts from "./charts.js";
import { figure, h, table } from "./dom.js";
import { count, decimal, percent, plural } from "./words.js";

/** The latest days that are shown. */
const MOST = 12;

const share = (value) => Math.min(1, Math.max(0, value));
const signed = (value, digits) => `${value > 0 && Number(value.toFixed(digits)) !== 0 ? "+" : ""}${decimal(value, digits)}`;
const points = (value) => signed(100 * value, 1);
const interval = ({ low, high }, words) => `${words(low)} to ${words(high)}`;
const auc = (value) => decimal(share(value), 2);

const basis = ({ cutoffs }) => ["judged on held-out customers", "judged at one day"][cutoffs.length] ?? `mean of ${count(cutoffs.length)} days`;

const simplest = ({ recency_auc: recency }) => (recency ? `sorting by the last event alone reaches ${auc(recency.mean)}` : "a coin reaches 0.50");

/** The AUC to show in one number, and the words beside it. */
export function ranking(evaluation) {
  if (!evaluation) return { auc: "–", note: "the model was trained without an evaluation" };
  const { metrics, recency_auc: recency, over_time: found } = evaluation;
  if (!found) return { auc: decimal(metrics.roc_auc, 2), note: `AUC; recency alone ${recency === null ? "–" : decimal(recency, 2)}, a coin 0.50` };
  const range = interval(found.roc_auc, auc);
  return { auc: auc(found.roc_auc.mean), interval: range, note: `AUC, 95 % interval ${range}, ${basis(found)}; ${simplest(found)}` };
}

/** The sentence, the charts and the table of the days; nothing for an older document. */
export function belief({ over_time: found }) {
  if (!found) return [];
  const sentence = h("p", {}, h("strong", {}, `AUC ${auc(found.roc_auc.mean)} (95 % interval ${interval(found.roc_auc, auc)}), ${basis(found)}; ${simplest(found)}.`),
    ` Of a customer who left and one who stayed, it gives the higher risk to the right one ${count(Math.round(100 * share(found.roc_auc.mean)))} times in 100.`);
  const quiet = (words) => h("p", { class: "quiet" }, words);
  if (found.cutoffs.length === 0) {
    return [sentence, quiet("Customers were held out, not days. The interval says how far the AUC would move with other customers; how far it moves from time to time cannot be seen from here.")];
  }
  if (found.cutoffs.length === 1) {
    return [sentence, quiet("Only one day was judged, so there is nothing to compare over time. The interval says how far the AUC would move with other customers; on other days it may move further.")];
  }
  const days = found.cutoffs.slice(-MOST);
  return [sentence,
    quiet("At each day a model learned from what was known by then, and was judged by what its customers did afterwards. The interval says how far the mean would move with other customers and other days like these."),
    h("div", { class: "pair days" },
      figure("How it ranks, day by day", charts.ranking(days, found.roc_auc), rankingWords(found)),
      figure("Whether it expects as many as leave", charts.churners(days), churnerWords(found, days))),
    h("details", {}, h("summary", {}, "The results day by day"),
      table("The results day by day", ["Day", "Customers", "Expected to leave", "Left", "AUC", "AUC of recency alone", "Log-loss", "Brier", "Lift in the top tenth"],
        days.map((row) => [row.cutoff, count(row.customers), decimal(row.expected, 1), count(row.churned), decimal(row.roc_auc),
          row.recency_auc === null ? "–" : decimal(row.recency_auc), decimal(row.log_loss, 4), decimal(row.brier, 4), decimal(row.lift_10, 2)])))];
}

function rankingWords({ recency_auc: recency, against, cutoffs }) {
  const marks = recency ? "The circles are the model, the diamonds sorting by the last event alone." : "The circles are the model.";
  const over = against.find(({ name }) => name === "recency");
  const won = over ? ` The model ranks better than recency alone on ${count(over.cutoffs_won)} of ${plural(cutoffs.length, "day")}; the mean difference is ${signed(over.roc_auc.mean, 3)} (95 % interval ${interval(over.roc_auc, (value) => signed(value, 3))}).` : "";
  return `${marks} The band is the 95 % interval of the mean.${won}`;
}

function churnerWords({ predicted_minus_observed: gap }, days) {
  const sum = (name) => days.reduce((all, row) => all + row[name], 0);
  const verdict = gap.low > 0 ? "the risks are too high" : gap.high < 0 ? "the risks are too low" : "no more than chance explains";
  return `Over these ${plural(days.length, "day")} the risks add up to ${count(sum("expected"))} customers, and ${count(sum("churned"))} left. The mean gap of the predicted and the observed share is ${points(gap.mean)} points (95 % interval ${interval(gap, points)}): ${verdict}.`;
}

const names = { recency: "recency alone", logistic_regression: "logistic regression" };

/** The measures with their intervals, and the differences to simpler ways; nothing for an older document. */
export function intervals({ over_time: found }) {
  if (!found) return [];
  const others = found.against.slice(0, 4);
  const both = (estimate, words) => (estimate ? [words(estimate.mean), h("small", { class: "interval" }, interval(estimate, words))] : "–");
  const row = (name, estimate, words, of) => [name, both(estimate, words), ...others.map((other) => both(of && other[of], (value) => signed(value, of === "roc_auc" ? 3 : 4)))];
  const fixed = (digits) => (value) => decimal(value, digits);
  const rate = (value) => percent(share(value));
  const title = found.cutoffs.length > 1 ? `The model, ${basis(found)}` : "The model";
  return [
    table("Measures with their 95 % intervals", ["Measure", title, ...others.map(({ name }) => `Minus ${names[name] ?? name}`)], [
      row("AUC, more is better", found.roc_auc, (value) => decimal(share(value)), "roc_auc"),
      row("Log-loss, less is better", found.log_loss, fixed(4), "log_loss"),
      row("Brier, less is better", found.brier, fixed(4), "brier"),
      row("Lift in the top tenth", found.lift_10, fixed(2)),
      row("Share that left", found.base_rate, rate),
      row("Predicted minus observed share, in points", found.predicted_minus_observed, points),
    ]),
    h("p", { class: "quiet" }, "Below each mean is its 95 % interval. A difference is the model minus the other, on the same customers; if its interval contains 0, it may be chance."),
  ];
}
