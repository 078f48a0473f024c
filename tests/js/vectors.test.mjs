// The cases of tests/vectors: right by their own expectations, and the same bits as outside of JavaScript.
//
// Each list declares here how many cases it must hold: a runner that finds fewer fails.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { answer, churn, column, difference, mismatch, native, near, path, plain, scoring, vectors } from "./setup.mjs";

const expectedOfNative = JSON.parse(native("vectors", path("tests/vectors")));
const seen = new Set();

// Runs every case of a list and compares with the native result, after `common` if given; `check` compares with what the vectors
// say.
function each(file, list, declared, run, check, common = (result) => result) {
  test(`${file} ${list}`, (t) => {
    const cases = vectors(file)[list];
    assert.ok(cases.length >= declared, `${cases.length} cases, ${declared} are declared`);
    cases.forEach((item, i) => {
      const name = `${file}/${list}/${i}`;
      seen.add(name);
      const found = answer(() => run(item));
      assert.equal(difference(found, common(expectedOfNative[name])), undefined, `${name} ${item.name ?? ""}: other bits than native`);
      check?.(found, item, `${name} ${item.name ?? ""}`);
    });
    t.diagnostic(`${cases.length} cases, the bits of native`);
  });
}

const values = (list) => Float64Array.from(list ?? [], (value) => value ?? NaN);
const optional = (list) => (list == null ? undefined : values(list));
const matches = (expected) => (found, item, name) => assert.equal(mismatch(found, expected(item)), undefined, name);
const codes = (found, item, name) => assert.equal(found.error, item.error, name);

function tableOf(table) {
  const { customer_ids, names, scales } = table;
  return { customer_ids, names, scales, values: Array.from(table.toFloat64Array(), (v) => (Number.isNaN(v) ? null : v)) };
}

const computed = (feature_set) => ({ csv, as_of }) => tableOf(churn.features(churn.readCsv(csv), { as_of, feature_set }));

function asExpected(found, item, name) {
  assert.deepEqual(found.customer_ids, Object.keys(item.expected).sort(), name);
  for (const [customer, features] of Object.entries(item.expected)) {
    const row = found.customer_ids.indexOf(customer) * found.names.length;
    for (const [feature, value] of Object.entries(features)) {
      const at = found.values[row + found.names.indexOf(feature)];
      assert.ok(near(at, value), `${name}: ${feature} of ${customer} is ${at}, not ${value}`);
    }
  }
}

each("rfm.json", "cases", 11, computed("rfm"), (found, item, name) => {
  asExpected(found, item, name);
  assert.equal(mismatch(found.scales, item.scales), undefined, name);
});
each("behavioral.json", "cases", 11, computed("behavioral"), (found, item, name) => {
  asExpected(found, item, name);
  assert.deepEqual(found.names.slice(8), item.names, name);
});

each("labels.json", "cases", 20, ({ csv, definition: { kind, ...rest }, cutoff }) => {
  const events = churn.readCsv(csv);
  const { customer_id, churned } = churn.labels(events, { labels: kind, cutoff: cutoff ?? events.last_day, ...rest });
  return Object.fromEntries(customer_id.map((id, i) => [id, churned[i]]));
}, (found, item, name) => {
  if (item.error) codes(found, item, name);
  else assert.deepEqual(found, item.expected, name);
});

const judged = ({ y, p }) => churn.evaluate(y, values(p));
each("metrics.json", "cases", 17, judged, matches((item) => item.expected));
each("metrics.json", "errors", 8, judged, codes);

const compared = ({ y, a, b, config }) => churn.compare(y, values(a), values(b), config);
each("compare.json", "cases", 11, compared, matches((item) => item.expected));
each("compare.json", "errors", 13, compared, codes);

const band = (item) => churn.segment("p" in item ? item.p ?? NaN : 0.5, item.thresholds);
each("segments.json", "cases", 36, band, (found, item, name) => assert.equal(found, item.segment, name));
each("segments.json", "errors", 8, band, codes);
each("segments.json", "tables", 3, ({ y, p, thresholds }) => churn.segmentTable(y, values(p), thresholds),
  (found, item, name) => {
    const expected = item.expected.map((row, i) => ({ ...found[i], ...row }));
    assert.equal(mismatch(found, expected), undefined, name);
    assert.equal(found.length, item.expected.length, name);
  });

function bytesOf({ csv, csv_base64, csv_parts }) {
  if (csv !== undefined) return csv;
  if (csv_base64 !== undefined) return new Uint8Array(Buffer.from(csv_base64, "base64"));
  return Buffer.from(csv_parts.map((part) => (typeof part === "string" ? part : part.repeat[0].repeat(part.repeat[1]))).join(""));
}

// The module's refusals do not name the options that would read a value, for want of space; all else is the same.
const withoutAdvice = (result) => {
  const cut = (message) => message.replace(/; (decimal|thousands|currency|null_values|date_format|encoding) = .*$/, "");
  if (result.error) return { ...result, message: cut(result.message) };
  return { ...result, bad_rows: result.bad_rows.map((row) => ({ ...row, message: cut(row.message) })) };
};

each("errors.json", "cases", 64, (item) => {
  const events = churn.readCsv(bytesOf(item), item.options);
  const { customers, first_day, last_day, report } = events;
  return { ...report, customers, first_day, last_day };
}, (found, { expected }, name) => {
  if (expected.error) {
    assert.equal(found.error, expected.error, name);
    if (expected.line) assert.equal(found.line, expected.line, name);
    for (const part of expected.message_contains ?? []) assert.ok(found.message.includes(part), `${name}: ${found.message}`);
    return;
  }
  for (const key of ["rows", "good", "bad", "customers"]) assert.equal(found[key], expected[key], `${name}: ${key}`);
  assert.deepEqual(found.bad_rows.map(({ line, reason }) => ({ line, reason })), expected.bad_rows, name);
}, withoutAdvice);

const merged = ({ csv, options, as_of }) => {
  const events = churn.readCsv(csv, options);
  const { report, unit } = events;
  const table = churn.features(events, { as_of: as_of ?? events.last_day, feature_set: "behavioral" });
  return { report, unit, features: tableOf(table) };
};
each("orders.json", "cases", 16, merged, (found, item, name) => {
  const { unit, customers, ...report } = item.report;
  assert.equal(found.unit, unit, name);
  for (const [key, count] of Object.entries(report)) assert.equal(found.report[key], count, `${name}: ${key}`);
  assert.equal(found.features.customer_ids.length, customers, name);
  asExpected(found.features, item, name);
  const grouped = tableOf(churn.features(churn.readCsv(item.grouped), { as_of: item.as_of, feature_set: "behavioral" }));
  assert.equal(difference(found.features, grouped), undefined, `${name}: one row an event`);
  // The same rows as objects, in both builds, and each customer's events one by one.
  const [header, ...lines] = item.csv.trim().split("\n").map((line) => line.split(","));
  const ours = { ...Object.fromEntries(header.map((column) => [column, column])), ...(item.options.columns?.order_id && { order_id: undefined }) };
  if (item.options.columns) ours[item.options.columns.order_id] = "order_id";
  const rows = lines.map((line) => Object.fromEntries(line.flatMap((cell, i) => {
    const key = ours[header[i]];
    return key === undefined ? [] : [[key, key !== "amount" ? cell : cell === "" ? null : Number(cell)]];
  })));
  for (const build of [churn, scoring]) {
    const events = build.eventsFromRows(rows, item.options.merge && { merge: item.options.merge });
    assert.equal(events.unit, unit, name);
    // The lines of a file begin with its header.
    const [first_day_line, last_day_line] = [found.report.first_day_line - 1, found.report.last_day_line - 1];
    assert.deepEqual(events.report, { ...found.report, first_day_line, last_day_line }, name);
    const table = tableOf(build.features(events, { as_of: item.as_of, feature_set: "behavioral" }));
    assert.equal(difference(table, found.features), undefined, `${name}: rows`);
    const seen = events.customer_ids.flatMap((id) => events.customer(id).transactions.map((t) => [id, t.event_date, t.amount, t.event_type || null]));
    const sorted = (list) => list.map((event) => JSON.stringify(event)).sort();
    assert.deepEqual(sorted(seen), sorted(item.events), name);
  }
});
each("orders.json", "errors", 5, merged, codes);

// The document as a whole, byte for byte; the coefficients are checked against the oracle by the Rust tests.
each("logistic.json", "cases", 4, ({ x, y, l2, weights }) => {
  const table = Object.fromEntries(x[0].map((_, j) => [`x${j}`, column(x.map((row) => row[j]))]));
  table.churned = column(y);
  if (weights) table.weight = column(weights);
  return churn.trainTable(table, { model: "logistic_regression", l2, weight: weights ? "weight" : null }).toJson();
});

const { background, typical } = vectors("explain.json");
each("explain.json", "cases", 104, ({ document, feature_perturbation, row }) => {
  const model = churn.Model.fromJson(JSON.stringify({ ...vectors(`documents/${document}`), background, typical: typical[document] }));
  const table = model.tableFeatures([row]);
  const explanation = model.explainFeatures(table, { feature_perturbation, reasons: 5 });
  const { base, margin, contributions, churn_probability } = explanation;
  return { base, margin, contributions, churn_probability, reasons: explanation.reasons(0) };
}, (found, item, name) => {
  const names = vectors(`documents/${item.document}`).features.map((feature) => feature.name);
  assert.ok(near(found.base, item.base, 1e-12), name);
  assert.ok(near(found.margin[0], item.margin, 1e-12), name);
  names.forEach((feature, j) => {
    assert.ok(near(found.contributions[j], item.contributions[feature], 1e-12), `${name}: ${feature}`);
  });
  assert.deepEqual(found.reasons.slice(0, item.reasons.length).map((reason) => reason.text), item.reasons, name);
});

const { profit } = churn;
each("profit.json", "expected_profit", 11,
  ({ p, value, config }) => [profit.expectedProfit(p, value, config), profit.threshold(config)],
  matches((item) => [item.profit, item.threshold]));
const empc = ({ y, p, config }) => profit.empc(y, values(p), config);
const mpc = ({ y, p, config }) => profit.mpc(y, values(p), config);
const curve = ({ y, p, config }) => profit.curve(y, values(p), config);
const expectedCurve = ({ p, values: worth, config }) => profit.expectedCurve(values(p), optional(worth), config);
const list = ({ customer_ids, p, values: worth, config }) => profit.contactList(customer_ids, values(p), optional(worth), config);
each("profit.json", "empc", 20, empc, matches((item) => item.expected));
each("profit.json", "curve", 17, (item) => [curve(item), mpc(item)], (found, item, name) => {
  assert.equal(mismatch({ ...found[0], ...found[1] }, item.expected), undefined, name);
});
each("profit.json", "expected_curve", 6, expectedCurve, matches((item) => item.expected));
each("profit.json", "contact_list", 14, list, matches((item) => item.expected));
each("profit.json", "campaign_outcome", 12, ({ contacted, control, config }) => {
  const group = ([retained, customers]) => Array.from({ length: customers }, (_, i) => i >= retained);
  const churned = [...group(contacted), ...group(control)];
  return profit.campaignOutcome(churned.map((_, i) => i < contacted[1]), churned, config);
}, matches((item) => item.expected));
each("profit.json", "errors", 60, (item) => {
  const outcome = ({ contacted, y, config }) => profit.campaignOutcome(contacted, y, config);
  return { empc, mpc, curve, expected_curve: expectedCurve, contact_list: list, campaign_outcome: outcome }[item.call](item);
}, codes);


const shares = ({ y, p, costs, config }) => profit.savings(y, values(p), costsOf(costs), config);
const thresholds = ({ costs }) => Array.from(profit.costThresholds(costsOf(costs)), (t) => (Number.isFinite(t) ? t : t > 0 ? "inf" : "-inf"));
const costsOf = (costs) => Object.fromEntries(Object.entries(costs).map(([name, cost]) => [name, Array.isArray(cost) ? values(cost) : cost]));
each("costs.json", "cases", 21, (item) => [shares(item), item.thresholds && thresholds(item)],
  matches((item) => [item.expected, item.thresholds ?? null]));
each("costs.json", "errors", 19, (item) => (item.call === "savings" ? shares : thresholds)(item), (found, item, name) => {
  codes(found, item, name);
  assert.equal(found.line, item.line ?? null, name);
});

test("documents score as score_document.py says, in both builds", () => {
  const { rows, probabilities } = vectors("documents/expected.json");
  for (const [name, expected] of Object.entries(probabilities)) {
    const text = readFileSync(path(`tests/vectors/documents/${name}`), "utf8");
    const key = `documents/${name.replace("_v1.json", "")}`;
    seen.add(key);
    for (const build of [churn, scoring]) {
      const found = plain(build.Model.fromJson(text).predictTable(rows).churn_probability);
      assert.equal(difference(found, expectedOfNative[key]), undefined, name);
      found.forEach((p, i) => assert.ok(near(p, expected[i], 0, 1e-12), `${name}: row ${i}`));
    }
    // The scoring build gives back what it has read; the full one writes what it knows.
    assert.equal(scoring.Model.fromJson(text).toJson(), text, name);
    const written = churn.Model.fromJson(text).toJson();
    assert.equal(churn.Model.fromJson(written).toJson(), written, name);
  }
});

test("no native result was left out", () => {
  assert.deepEqual(Object.keys(expectedOfNative).filter((name) => !seen.has(name)), []);
});
