// The worker's side of subscriptions: what worker.js does for events, with the build for subscriptions.
import load, {
  Model, movements, readSubscriptions, report, retention, subscriptionPreset, train,
} from "./churn-wasm/subscriptions/browser.js";
import { decodedText } from "./churn-wasm/files/browser.js";

/** Months of movements, and plans with a retention curve, that are shown. */
const MOST_MONTHS = 12;
const MOST_PLANS = 4;
/** Days after which the retention is shown. */
const DURATIONS = [30, 91, 182, 365, 730];
/** Months over which the expected amount is summed, as the command does. */
const MONTHS = 36;

/** The build is loaded when it is needed first. `module` is compiled. */
export const ready = (module) => load(module);

/** The preset that reads a file; undefined if it is no known export of subscriptions. */
export function presetOf(file, { encoding, delimiter, skip_lines }) {
  return subscriptionPreset(decodedText(file, encoding), { delimiter, skip_lines });
}

export const readModel = (text) => Model.fromJson(text);

/** Reads the periods, and trains or uses a model. */
export function begin({ file, read, learn, model, allow }, progress) {
  const { encoding, ...options } = read;
  const source = decodedText(file, encoding);
  const subscriptions = readSubscriptions(source, options, (stage, done) => progress(stage, done, source.size));
  try {
    return { subscriptions, model: model === undefined ? train(subscriptions, { ...learn, allow }, progress) : Model.fromJson(model) };
  } catch (error) {
    subscriptions.free();
    throw error;
  }
}

/** Scores the active customers, with the amount that each pays. */
export function score({ subscriptions, model, allow }) {
  const table = model.features(subscriptions, { allow });
  const predictions = model.predictFeatures(table);
  const { customer_id: ids, churn_probability: p, risk_segment: segment, causes, coverage, findings, as_of } = predictions;
  const { cancelled, ...base } = subscriptions.customerBase(as_of);
  const amount = table.column("amount");
  const hasAmounts = amount.some((value) => value > 0);
  const expected = model.subscriptionValues(predictions, subscriptions, { months: MONTHS });
  const dunning = predictions.dunning();
  const lists = { cancelled: subscriptions.cancelledCsv(as_of), dunning: dunning && subscriptions.dunningCsv(predictions) };
  predictions.free();
  const today = {
    as_of, ids, p, segment, findings, causes: Object.entries(causes), coverage, base, lists, amount, expected,
    due: dunning?.length,
    // A customer without an amount is at the end of a list by money.
    value: hasAmounts ? amount.map((value) => (Number.isNaN(value) ? 0 : value)) : undefined,
    contacts: [],
  };
  return { table, today };
}

/** What is shown of the subscriptions beside the customers. */
export function summary({ subscriptions, model }, { base, due, coverage }) {
  const { allowed_gap_days = 30 } = model.labels;
  const gap = { allowed_gap_days };
  return {
    read: { first_day: subscriptions.first_day, last_day: subscriptions.last_day, customers: subscriptions.customers, periods: subscriptions.length, report: subscriptions.report },
    base: { ...base, due, not_due: coverage?.not_due ?? 0 },
    months: movements(subscriptions, gap).slice(-MOST_MONTHS),
    retention: lasting(subscriptions, gap),
  };
}

/** The share that lasts longer than some durations, of all and of the largest plans; nothing where no spell was seen to its end. */
function lasting(subscriptions, gap) {
  const curves = (by) => {
    try {
      return retention(subscriptions, { by, ...gap });
    } catch (error) {
      if (error.code === "internal") throw error;
      // No spell is old enough, or none has a plan.
      return [];
    }
  };
  const plans = curves("plan").sort((a, b) => b.spells - a.spells).slice(0, MOST_PLANS);
  const all = [...curves("all"), ...plans];
  // Beyond the longest spell a curve says nothing, unless it has fallen to 0.
  const at = ({ curve, longest }, days) => {
    const point = curve.findLast(({ time }) => time <= days) ?? { survival: 1, low: null, high: null };
    return days <= longest || point.survival === 0 ? point : undefined;
  };
  const durations = DURATIONS.filter((days) => all.some((of) => at(of, days)));
  return { durations, groups: all.map((of) => ({ group: of.group, spells: of.spells, points: durations.map((days) => at(of, days)) })) };
}

/** The likeliest cause of a customer, with its probability. */
export function causeOf({ causes }, row) {
  return causes.reduce((best, [cause, p]) => (best && best.p >= p[row] ? best : { cause, p: p[row] }), undefined);
}

/** The periods of a customer, latest first. */
export function periodsOf({ subscriptions, rows }, id) {
  // The rows of all customers are made once, when the first dialog is opened. Those of a customer stand together.
  rows.all ??= subscriptions.toRows();
  const first = rows.all.findIndex((row) => row.customer_id === id);
  const found = [];
  for (let at = first; rows.all[at]?.customer_id === id; at++) found.push(rows.all[at]);
  return found.reverse();
}

export const reportOn = ({ model, subscriptions, source, allow }) => report(model, subscriptions, { title: "Churn report", source, allow });
