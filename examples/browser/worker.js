// All long work, outside the thread of the page. It holds the log, the model and the scored customers.
import { ChurnError, features, labels, Model, modelReport, profit, readCsv, report, train, version } from "./churn-wasm/full/browser.js";
import loadFiles, { decodedText, detect } from "./churn-wasm/files/browser.js";
import { serve } from "./churn-wasm/worker/host-browser.js";
import { contactsCsv, csvLines, csvText } from "./churn-wasm/js/lists.js";
import * as periods from "./periods.js";
import { sampleLog } from "./sample.js";

/** Number of customers in the file of all customers that have reasons: a forest takes a millisecond for each. */
const MOST_REASONS = 10_000;
const csvFile = (...parts) => new Blob(parts, { type: "text/csv" });
const state = { events: undefined, subscriptions: undefined, rows: {}, model: undefined, table: undefined, source: "", event: "event", allow: [] };
// The scored customers, column by column.
let today;

const begin = {
  /** Finds out what a file is. `module` is the compiled build that does so. */
  async inspect(module, file, given) {
    await loadFiles(module);
    return detect(file, given);
  },

  /** Reads, trains (or uses the loaded model) and scores. It returns everything except the customers themselves. */
  async analyse(module, { file, name, read, learn, without = [], model, event, allow = [] }, progress) {
    forget();
    Object.assign(state, { event, allow });
    await loadFiles(module);
    const { encoding, ...options } = read;
    const source = file ? decodedText(file, encoding) : new File([sampleLog(2024)], "sample.csv");
    state.source = name ?? source.name;
    state.events = readCsv(source, options, (stage, done) => progress(stage, done, source.size));
    const counted = without.length > 0 ? { event_types: state.events.event_types.filter((type) => !without.includes(type)) } : {};
    state.model = model === undefined ? train(state.events, { ...counted, ...learn, allow }, progress) : Model.fromJson(model);
    progress("score", 0, 0);
    score();
    const slipping = state.model.slippingAway(state.events, { event, allow });
    return { ...summary(), slipping, version: version() };
  },

  /** The preset of an export of subscriptions; undefined for another file. `modules` are the builds for files and subscriptions. */
  async preset(modules, file, options) {
    await Promise.all([loadFiles(modules.files), periods.ready(modules.subscriptions)]);
    return periods.presetOf(file, options);
  },

  /** The same as `analyse` for a file of subscriptions. */
  async analysePeriods(modules, request, progress) {
    forget();
    const { file, name, allow = [] } = request;
    await Promise.all([loadFiles(modules.files), periods.ready(modules.subscriptions)]);
    Object.assign(state, { event: "event", allow, source: name ?? file.name }, periods.begin({ ...request, allow }, progress));
    progress("score", 0, 0);
    const { table, today: scored } = periods.score(state);
    state.table = table;
    today = scored;
    return { ...summaryOfPeriods(), slipping: slippingOfPeriods(), version: version() };
  },

  /** Reads a model document: returns its description, or the reason why it is invalid. `module` is the build for subscriptions, for a
   *  model of them. */
  async checkModel(text, module) {
    if (module) await periods.ready(module);
    const model = module ? periods.readModel(text) : Model.fromJson(text);
    const { kind, definition, evaluation, training, library_version, labels: { labels: rule } } = model;
    model.free();
    return { kind, definition, evaluation, customers: training.customers, library_version, ofPeriods: rule === "subscription_end" };
  },
};

// The requests about the scored customers.
const ask = {
  /** One page of the customers in a given order, with the reasons of those on the page. */
  page({ sort, descending, segment, search, offset, count }) {
    const rows = select(segment, search);
    order(rows, sort, descending);
    const shown = rows.subarray(offset, offset + count);
    const why = explain(shown);
    const { shared, rows: reasons } = why.listReasons();
    why.free();
    return { total: rows.length, shared, rows: Array.from(shown, (row, i) => ({ ...customerOf(row), reasons: reasons[i] })) };
  },

  /** One customer: facts, what each feature adds, and the smallest changes that help. */
  customer(id) {
    const row = today.ids.indexOf(id);
    const why = explain(Uint32Array.of(row));
    const log = state.events?.customer(id);
    const seen = state.table.row(id);
    const levels = state.table.levels ?? {};
    let changes = [];
    try {
      changes = state.model.smallestChanges(state.table, id, {}).slice(0, 3);
    } catch (error) {
      // The lowest band has no band below it, and a document may not have the possible changes.
      if (error.code === "internal") throw error;
    }
    return {
      ...customerOf(row),
      as_of: today.as_of,
      reasons: why.reasons(0),
      features: why.names.map((name, i) => ({ name, value: seen[i], adds: why.contributions[i], levels: levels[name] })),
      base: why.base,
      changes,
      ...(log ? { events: log.transactions.slice(-8).reverse(), event_count: log.transactions.length } : { periods: periods.periodsOf(state, id), causes: today.causes.map(([cause, p]) => [cause, p[row]]) }),
    };
  },

  /** The risk if these events were added to the known ones, and if features had these values. */
  whatIf({ id, events, as_of, changes }) {
    if (changes) return state.model.whatIf(state.table, id, changes).after;
    const customer = state.events.customer(id);
    return state.model.predictOne({ ...customer, transactions: [...customer.transactions, ...events] }, { as_of });
  },

  /** The expected profit of a campaign, and the customers it contacts. */
  campaign(config) {
    // The amount of a customer of a subscription is that of a month, and one who is kept is worth a year.
    const worth = state.subscriptions ? today.value?.map((amount) => 12 * amount) : today.value;
    const list = profit.contactList(today.ids, today.p, worth, config);
    const { clv, incentive_cost, contact_cost, success_rate } = config;
    const curve = profit.expectedCurve(today.p, worth, { clv, incentive_cost, contact_cost, success_rate });
    today.contacts = list.entries;
    const { contacts, controls, reserved_budget, expected_profit } = list;
    return { contacts, controls, reserved_budget, expected_profit, curve };
  },

  /** A file to save, as text. */
  save(what) {
    switch (what) {
      case "model":
        return new Blob([state.model.toJson()], { type: "application/json" });
      case "report":
        return new Blob([state.subscriptions ? periods.reportOn(state)
          : report(state.model, state.events, { title: "Churn report", source: state.source, event: state.event, allow: state.allow })], { type: "text/html" });
      case "model report":
        return new Blob([modelReport(state.model, { title: "Churn model" })], { type: "text/html" });
      case "contact":
      case "control":
        return csvFile(contactsCsv({ entries: today.contacts }, what));
      case "cancelled":
      case "dunning":
        return csvFile(today.lists[what]);
      case "customers":
        return customersCsv();
    }
  },
};

/** A worker that replaced another one has no data yet. */
const held = (run) => (...args) => {
  if (!today) throw new ChurnError("worker_lost", "the worker holds no customers");
  return run(...args);
};

serve({ ...begin, ...Object.fromEntries(Object.entries(ask).map(([name, run]) => [name, held(run)])) });

function forget() {
  for (const key of ["table", "model", "events", "subscriptions"]) {
    state[key]?.free();
    state[key] = undefined;
  }
  state.rows = {};
  today = undefined;
}

/** Scores the customers that the model covers, with the days since their last event and their value. */
function score() {
  const { events, model } = state;
  const as_of = events.last_day;
  state.table = model.features(events, { allow: state.allow });
  const predictions = model.predictFeatures(state.table);
  const behaviour = features(events, { feature_set: "behavioral" });
  const [everybody, days, amounts] =
    [behaviour.customer_ids, behaviour.column("days_since_last"), behaviour.column("amount_365d")];
  behaviour.free();
  const hasAmounts = amounts.some((amount) => amount !== 0);
  const { customer_id: ids, churn_probability: p, risk_segment: segment, coverage, findings } = predictions;
  predictions.free();
  // Both lists of customers are in the same order.
  let place = 0;
  const places = ids.map((id) => {
    while (everybody[place] !== id) place += 1;
    return place;
  });
  const pick = (values) => Float64Array.from(places, (at) => values[at]);
  today = {
    as_of, ids, p, segment, findings,
    silent: pick(days),
    // If refunds exceed purchases, the value is 0.
    value: hasAmounts ? pick(amounts).map((amount) => Math.max(0, amount)) : undefined,
    gone: coverage.inactive,
    contacts: [],
  };
}

/** The numbers of the scored customers. */
function totals() {
  const counts = {};
  let [atRisk, expected] = [0, 0];
  today.p.forEach((p, i) => {
    counts[today.segment[i]] = (counts[today.segment[i]] ?? 0) + 1;
    expected += p;
    atRisk += p * (today.value?.[i] ?? 0);
  });
  return {
    as_of: today.as_of, customers: today.ids.length, with_reasons: Math.min(MOST_REASONS, today.ids.length), counts, expected,
    at_risk: today.value && atRisk, has_values: today.value !== undefined, findings: today.findings,
  };
}

const aboutModel = (model) => ({
  kind: model.kind, definition: model.definition, labels: model.labels, findings: model.findings, warnings: model.warnings, audit: model.audit,
  calibration: model.calibration, evaluation: model.evaluation, training: model.training, cutoffs: model.cutoffs,
});

/** The list of those whose risk rose; nothing if there was nobody to compare with on the earlier day. */
function slippingOfPeriods() {
  try {
    return state.model.slippingAway(state.subscriptions, { allow: state.allow });
  } catch (error) {
    if (error.code !== "no_customers") throw error;
    return undefined;
  }
}

function summaryOfPeriods() {
  const { read: { report: { bad_rows, ...rows }, ...read }, ...rest } = periods.summary(state, today);
  return {
    source: state.source,
    ofPeriods: true,
    read: { ...rows, ...read, bad_rows: bad_rows.slice(0, 100) },
    today: { ...totals(), ofPeriods: true, has_causes: today.causes.length > 0 },
    model: aboutModel(state.model),
    ...rest,
  };
}

function summary() {
  const { events, model } = state;
  const { bad_rows, ...read } = events.report;
  return {
    source: state.source,
    read: {
      ...read,
      bad_rows: bad_rows.slice(0, 100),
      customers: events.customers,
      first_day: events.first_day,
      last_day: events.last_day,
      event_types: events.event_types,
    },
    today: { ...totals(), gone: today.gone },
    model: aboutModel(model),
    cohorts: cohorts(),
  };
}

/** Churn by the quarter of the first event, at the last cutoff whose outcome is known. */
function cohorts() {
  const { events, model } = state;
  const definition = model.labels;
  const cutoff = model.cutoffs.at(-1);
  if (definition.labels !== "outcome_window" || !cutoff) return undefined;
  let found;
  try {
    found = labels(events, { ...definition, cutoff });
  } catch (error) {
    if (error.code === "internal") throw error;
    // The model comes from another log, and this log does not cover its cutoffs.
    return undefined;
  }
  const table = features(events, { as_of: cutoff });
  const [ids, tenure] = [table.customer_ids, table.column("tenure_days")];
  table.free();
  const last = Date.parse(cutoff);
  const groups = new Map();
  let at = 0;
  found.customer_id.forEach((id, i) => {
    // Both are in the same order, and every customer with a label has features.
    while (ids[at] !== id) at++;
    const first = new Date(last - tenure[at] * 86_400_000);
    const name = `${first.getUTCFullYear()} Q${1 + Math.floor(first.getUTCMonth() / 3)}`;
    const group = groups.get(name) ?? { name, customers: 0, churned: 0 };
    group.customers++;
    group.churned += found.churned[i];
    groups.set(name, group);
  });
  return { cutoff, groups: [...groups.values()].sort((a, b) => (a.name < b.name ? -1 : 1)) };
}

function customerOf(row) {
  const value = today.value?.[row];
  return {
    customer_id: today.ids[row], churn_probability: today.p[row], risk_segment: today.segment[row],
    days_since_last: today.silent?.[row], value, value_at_risk: value === undefined ? undefined : value * today.p[row],
    ...(today.causes && { cause: periods.causeOf(today, row) }),
  };
}

function explain(rows) {
  const table = state.table.select(Uint32Array.from(rows));
  const why = state.model.explainFeatures(table, { event: state.event });
  table.free();
  return why;
}

function select(segment, search) {
  const all = Uint32Array.from(today.ids.keys());
  if (!segment && !search) return all;
  const wanted = search?.toLowerCase();
  return all.filter((row) => (!segment || today.segment[row] === segment) && (!wanted || today.ids[row].toLowerCase().includes(wanted)));
}

function order(rows, sort, descending) {
  const sign = descending ? -1 : 1;
  if (sort === "customer_id") {
    // The log keeps customers in the order of their ids.
    if (descending) rows.reverse();
    return;
  }
  const keys = {
    churn_probability: today.p,
    days_since_last: today.silent,
    value: today.value,
    value_at_risk: today.value?.map((value, row) => value * today.p[row]),
  }[sort];
  if (keys) rows.sort((a, b) => sign * (keys[a] - keys[b]) || (today.value ? today.value[b] - today.value[a] : 0) || a - b);
}

/** All customers, those at the greatest risk first and with their reasons, in batches of some thousand. */
function customersCsv() {
  const parts = [];
  const rows = Uint32Array.from(today.ids.keys());
  order(rows, "churn_probability", true);
  for (let from = 0; from < rows.length; from += 5000) {
    const some = rows.subarray(from, from + 5000);
    const why = from < MOST_REASONS ? explain(some) : undefined;
    const lines = Array.from(some, (row, i) => {
      const { customer_id, churn_probability, risk_segment, days_since_last, value, value_at_risk } = customerOf(row);
      const reasons = why?.reasons(i).filter((reason) => reason.raises_risk).map((reason) => reason.text).join("; ");
      if (today.causes) return [customer_id, churn_probability, risk_segment, ...today.causes.map(([, p]) => p[row]), known(today.amount[row]), known(today.expected[row]), reasons];
      return [customer_id, churn_probability, risk_segment, days_since_last, value, value_at_risk, reasons];
    });
    why?.free();
    parts.push(csvLines(lines));
  }
  const columns = today.causes
    ? [...today.causes.map(([cause]) => `${cause}_probability`), "amount", "expected_value"]
    : ["days_since_last", "value", "value_at_risk"];
  return csvFile(csvText(["customer_id", "churn_probability", "risk_segment", ...columns, "reasons"]), ...parts);
}

/** An unknown number is an empty field. */
const known = (number) => (Number.isNaN(number) ? undefined : number);
