// The build for subscriptions: the cases of the oracle, the bits of native, the exports of known systems, and the border.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { inspect } from "node:util";
import { churn, difference, market, mismatch, native, path, plain, Random, subscriptions as subs, vectors } from "./setup.mjs";

const { ChurnError, Model, Subscriptions } = subs;
const cases = vectors("subscriptions.json");
const folder = path("target/js/files");
mkdirSync(folder, { recursive: true });

/** The message of the ChurnError that a call throws. */
function refused(call, code = "invalid_parameter") {
  let error;
  try {
    call();
  } catch (thrown) {
    error = thrown;
  }
  assert.ok(error instanceof ChurnError, `expected a ChurnError, not ${inspect(error)}`);
  assert.equal(error.code, code, error.message);
  return error.message;
}

const column = (table, name) => Array.from(table.column(name), (value) => (Number.isNaN(value) ? null : value));

test("every case has the values of the oracle", (t) => {
  const seen = { cases: 0, days: 0, statuses: 0, features: 0, labels: 0, months: 0, curves: 0, curve_rows: 0 };
  for (const { name, options, periods, last_day, at, movements, retention } of cases.cases) {
    seen.cases++;
    const { ends_known, allowed_gap_days } = options;
    const data = subs.readSubscriptions(periods, { ends_known, last_day: options.last_day });
    assert.equal(data.last_day, last_day, name);
    for (const { day, horizon_days, gap_days, status, labels, features } of at) {
      seen.days++;
      const found = data.status(day);
      seen.statuses += Object.keys(status).length;
      for (const [id, one] of Object.entries(status)) assert.equal(found[id] ?? "not_active", one, `${name}: ${id} on ${day}`);
      const definition = { cutoff: day, horizon_days, gap_days, allowed_gap_days };
      if (labels && Object.keys(labels).length > 0) {
        const { customer_id, churned, cause } = subs.labels(data, definition);
        assert.deepEqual(Object.fromEntries(customer_id.map((id, i) => [id, [churned[i], cause[i]]])), labels, `${name} on ${day}`);
        seen.labels += customer_id.length;
      } else {
        assert.throws(() => subs.labels(data, definition), ({ code }) => code === "cutoff_outside_data" || code === "no_customers", name);
      }
      if (!features || Object.keys(features).length === 0) continue;
      const table = subs.features(data, { as_of: day, allowed_gap_days });
      assert.deepEqual(table.names, cases.columns.features);
      assert.deepEqual([...table.customer_ids].sort(), Object.keys(features).sort());
      const columns = table.names.map((one) => column(table, one));
      table.customer_ids.forEach((id, row) => {
        const values = columns.map((values) => values[row]);
        const plan = values.pop();
        values.push(plan === null ? null : table.levels.plan[plan]);
        assert.equal(mismatch(values, features[id]), undefined, `${name}: ${id} on ${day}`);
        seen.features++;
      });
    }
    const months = subs.movements(data, { allowed_gap_days });
    assert.deepEqual(months.map(({ month }) => month.slice(0, 7)), movements.map(({ month }) => month), name);
    months.forEach((month, i) => {
      seen.months++;
      const { month: _, ...right } = movements[i];
      const part = (value, like) => (typeof like === "object" && like !== null ? Object.fromEntries(Object.keys(like).map((key) => [key, value[key]])) : value);
      for (const [key, value] of Object.entries(right)) assert.equal(mismatch(part(month[key], value), value), undefined, `${name}: ${key} of ${month.month}`);
    });
    for (const [key, groups] of Object.entries(retention)) {
      const by = key.replace("by_", "");
      const curves = Object.fromEntries(asked(() => subs.retention(data, { by, allowed_gap_days })).map(({ group, curve }) => [group ?? "all", curve]));
      const right = by === "all" ? { all: groups } : groups;
      assert.deepEqual(Object.keys(curves).filter((group) => curves[group].length > 0).sort(), Object.keys(right).filter((group) => right[group].length > 0).sort(), `${name}: ${by}`);
      for (const [group, rows] of Object.entries(right)) {
        seen.curves++;
        seen.curve_rows += rows.length;
        const points = (curves[group] ?? []).map(({ time, at_risk, ended, survival, low, high }) => [time, at_risk, ended, survival, low, high]);
        assert.equal(mismatch(points, rows), undefined, `${name}: ${by} ${group}`);
      }
    }
    data.free();
  }
  const least = Object.fromEntries(Object.keys(seen).map((key) => [key, cases.counts[key]]));
  t.diagnostic(JSON.stringify(seen));
  assert.deepEqual(seen, least);
});

/** The curves, or none where no spell is old enough. */
function asked(call) {
  try {
    return call();
  } catch (error) {
    assert.ok(error instanceof ChurnError && error.code !== "internal", inspect(error));
    return [];
  }
}

const { periods, usage } = market(4, 1500);
const [periodFile, usageFile] = [`${folder}/periods.csv`, `${folder}/usage.csv`];
writeFileSync(periodFile, periods);
writeFileSync(usageFile, usage);

for (const [name, config, withUsage] of [
  ["a forest", { horizon_days: 90 }, false],
  ["logistic regression with usage", { model: "logistic_regression", horizon_days: 60 }, true],
  ["boosting", { model: "gradient_boosting", horizon_days: 60, rounds: 20 }, false],
]) {
  test(`${name}: the bits of native`, () => {
    const file = `${folder}/subscriptions.json`;
    writeFileSync(file, JSON.stringify(config));
    const right = JSON.parse(native("subscriptions", periodFile, file, ...(withUsage ? [usageFile] : [])));
    const data = subs.readSubscriptions(new TextEncoder().encode(periods));
    const seen = withUsage ? { usage: subs.readCsv(usage) } : {};
    const stages = new Set();
    const model = subs.train(data, { ...config, ...seen }, (stage) => void stages.add(stage));
    assert.ok(stages.has("labels") || stages.has("features"), [...stages].join());
    assert.ok(model.toJson() === right.document, "another document");
    const same = (found, expected, what) => assert.equal(difference(plain(found), expected), undefined, what);
    const predictions = model.predict(data, seen);
    same(predictions.toRows(), right.predictions, "predictions");
    same(predictions.coverage, right.coverage, "coverage");
    same(predictions.causes, right.causes, "causes");
    assert.ok(Object.keys(predictions.causes).length > 1);
    const sums = predictions.churn_probability.map((p, row) => p - Object.values(predictions.causes).reduce((sum, of) => sum + of[row], 0));
    assert.ok(sums.every((rest) => Math.abs(rest) < 1e-12));
    const { cancelled, ...base } = data.customerBase();
    same(base, right.base, "base");
    same(cancelled, right.cancelled, "cancelled");
    assert.ok(cancelled.length > 0 && cancelled.every(({ end_date }) => end_date > data.last_day));
    assert.equal(data.cancelledCsv(), right.cancelled_csv);
    assert.equal(data.dunningCsv(predictions), right.dunning_csv);
    const dunning = predictions.dunning();
    assert.deepEqual(dunning, right.dunning_csv.trimEnd().split("\r\n").slice(1).map((line) => line.split(",")[0].replaceAll('"', "")));
    same(Array.from(model.subscriptionValues(predictions, data, { months: 12 }), (value) => (Number.isNaN(value) ? null : value)), right.values, "values");
    same(model.slippingAway(data, seen), right.slipping, "slipping");
    same(model.explain(data, seen).reasons(0), right.reasons, "reasons");
    assert.ok(subs.report(model, data, seen) === right.report, "another report");
    same(subs.movements(data), right.movements, "movements");
    same(["all", "cohort", "plan"].map((by) => subs.retention(data, { by })), right.retention, "retention");
    same(subs.labels(data, { cutoff: right.cutoff }), right.labels, "labels");
    const table = subs.features(data);
    same(Array.from(table.toFloat64Array(), (value) => (Number.isNaN(value) ? null : value)), right.features.values, "features");
    // One customer alone has the bits of the batch, and what became known later is not used.
    const id = predictions.customer_id[3];
    const own = (text) => text.trimEnd().split("\n").slice(1).map((line) => line.split(",")).filter(([one]) => one === id);
    const alone = model.predictSubscriber({
      customer_id: id,
      periods: data.toRows().filter((row) => row.customer_id === id),
      usage: withUsage ? own(usage).map(([, event_date]) => ({ event_date })) : undefined,
    }, { as_of: data.last_day });
    assert.equal(alone.churn_probability, predictions.churn_probability[3]);
    assert.equal(alone.status, "active");
    for (const [cause, p] of Object.entries(predictions.causes)) assert.equal(alone.causes[cause], p[3]);
    // A document of native is read, and one of here keeps what it says.
    assert.ok(Model.fromJson(right.document).toJson() === right.document);
    // Those who have cancelled are scored on request.
    const everybody = model.predict(data, { ...seen, include_inactive: true });
    assert.equal(everybody.length, base.active + base.already_cancelled);
    assert.equal(everybody.covered.filter(Boolean).length, base.active);
  });
}

test("the exports of known systems", () => {
  const expected = JSON.parse(readFileSync(path("tests/subscriptions/expected.json"), "utf8"));
  const presets = {
    stripe_subscriptions: "stripe", stripe_invoices: "stripe_invoices", recurly: "recurly", recurly_churned: "recurly", recurly_history: "recurly_history",
    chargebee: "chargebee", chartmogul: "chartmogul",
  };
  assert.deepEqual(Object.keys(expected).sort(), Object.keys(presets).map((name) => `${name}.csv`).sort());
  for (const [name, preset] of Object.entries(presets)) {
    const bytes = readFileSync(path(`tests/subscriptions/exports/${name}.csv`));
    assert.equal(subs.subscriptionPreset(bytes), preset, name);
    const found = subs.readSubscriptions(bytes, { preset }).toRows().map((row) => [
      row.customer_id, row.start_date, row.end_date, row.subscription_id, row.plan, row.amount, row.known_at, row.end_reason, row.trial,
    ]);
    const right = expected[`${name}.csv`].map((row) => row.map((value, i) => (i === 5 && value !== null ? Number(value) : value)));
    const order = (rows) => rows.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
    assert.equal(mismatch(order(found), order(right)), undefined, name);
  }
  const chargebee = readFileSync(path("tests/subscriptions/exports/chargebee.csv"), "utf8");
  assert.match(refused(() => subs.readSubscriptions(chargebee), "missing_column"), /preset = "chargebee"/);
  assert.equal(subs.subscriptionPreset("customer_id,start_date\n"), undefined);
  assert.equal(subs.subscriptionPreset("colour;size\nred;1\n", { delimiter: ";" }), undefined);
});

test("periods in memory and payments", () => {
  const rows = [
    { customer_id: "anna", start_date: "2024-01-01", amount: 20 },
    { customer_id: 7, start_date: "2024-01-01", end_date: "2024-04-01", known_at: "2024-03-10", end_reason: "voluntary", amount: 10 },
  ];
  const data = subs.subscriptionsFromRows(rows, { last_day: "2024-03-15" });
  assert.deepEqual([data.length, data.customers, data.first_day, data.last_day], [2, 2, "2024-01-01", "2024-03-15"]);
  assert.deepEqual(data.status("2024-03-09"), { 7: "active", anna: "active" });
  assert.deepEqual(data.status(), { 7: "already_cancelled", anna: "active" });
  assert.deepEqual(data.customerBase(), {
    as_of: "2024-03-15", active: 1, already_cancelled: 1, not_active: 0, active_amount: 20, already_cancelled_amount: 10,
    cancelled: [{ customer_id: "7", end_date: "2024-04-01", amount: 10 }],
  });
  assert.equal(data.cancelledCsv(), '\ufeffcustomer_id,end_date,amount\r\n"7",2024-04-01,10\r\n');
  assert.deepEqual(subs.subscriptionsFromRows(data.toRows()).toRows(), data.toRows());
  assert.equal(JSON.stringify(data), '{"length":2,"customers":2,"first_day":"2024-01-01","last_day":"2024-03-15"}');
  assert.match(inspect(data), /^Subscriptions \{/);

  const payments = subs.readCsv("customer_id,event_date,amount\nanna,2024-01-01,30\nanna,2024-01-29,30\n");
  const terms = subs.subscriptionsFromPayments(payments, 30);
  assert.deepEqual(terms.toRows().map(({ start_date, end_date }) => [start_date, end_date]), [["2024-01-01", "2024-01-31"], ["2024-01-31", "2024-03-01"]].slice(0, terms.length));

  // Worked by hand: 1 - 1/4, and of that half.
  assert.deepEqual(subs.kaplanMeier([1, 2, 4, 4], [true, false, 1, 0]).map(({ time, survival }) => [time, survival]), [[1, 0.75], [4, 0.375]]);
});

test("a file that knows the future is not believed", () => {
  const day = (number) => new Date(Date.UTC(2023, 0, 1) + number * 86_400_000).toISOString().slice(0, 10);
  const rows = Array.from({ length: 300 }, (_, c) => [0, 1].map((term) => `c${c},${day(c + 365 * term)},${day(c + 365 * (term + 1))}`)).flat();
  const csv = ["customer_id,start_date,end_date", ...rows].join("\n");
  const data = subs.readSubscriptions(csv);
  const [finding] = subs.check(data);
  assert.deepEqual([finding.code, finding.suggestion], ["ends_known_in_advance", { ends_known: "at_start" }]);
  try {
    subs.train(data);
    assert.fail("it was believed");
  } catch (error) {
    assert.equal(error.code, "finding");
    assert.equal(error.findings[0].code, "ends_known_in_advance");
  }
  const terms = subs.readSubscriptions(csv, { ends_known: "at_start" });
  assert.deepEqual(subs.check(terms), []);
  assert.equal(terms.last_day, "2024-10-26");
});

test("all else is as in the full build", () => {
  for (const name of Object.keys(churn)) assert.ok(name in subs, name);
  const events = subs.readCsv(usage);
  const config = { model: "logistic_regression", horizon_days: 60, snapshots: 3 };
  const model = subs.train(events, config);
  const there = churn.readCsv(usage);
  assert.equal(model.toJson(), churn.train(there, config).toJson());
  assert.equal(subs.report(model, events), churn.report(churn.Model.fromJson(model.toJson()), there));
  const predictions = model.predict(events);
  assert.deepEqual([predictions.causes, predictions.dunning()], [{}, undefined]);
  assert.deepEqual(model.predict(events, { as_of: "2024-06-30" }).toRows(), churn.Model.fromJson(model.toJson()).predict(there, { as_of: "2024-06-30" }).toRows());
});

test("what does not fit is refused", () => {
  const data = subs.readSubscriptions(periods);
  const events = subs.readCsv(usage);
  const model = subs.train(data, { model: "logistic_regression", horizon_days: 60 });
  const ofEvents = subs.train(events, { model: "logistic_regression", snapshots: 2 });
  assert.match(refused(() => model.predict(data, { usage: events }), "feature_mismatch"), /without usage events/);
  assert.match(refused(() => model.predict(events), "feature_mismatch"), /trained on subscriptions/);
  assert.match(refused(() => ofEvents.predict(data), "feature_mismatch"), /not trained on subscriptions/);
  assert.match(refused(() => subs.train(events, { usage: events })), /unknown key "usage"/);
  assert.match(refused(() => subs.train(data, { usage: data })), /^usage is a Subscriptions; expected an Events/);
  assert.match(refused(() => subs.train(data, { horizont: 7 })), /unknown key "horizont"/);
  assert.match(refused(() => subs.train(data, { labels: "inactivity" })), /subscription_end/);
  assert.match(refused(() => subs.readSubscriptions(periods, { prefix: "stripe" })), /unknown key "prefix"/);
  assert.match(refused(() => subs.readSubscriptions(periods, { preset: "striped" })), /preset/);
  assert.match(refused(() => model.predict(data, { horizon_days: 3 })), /unknown setting "horizon_days"/);
  assert.match(refused(() => subs.movements(data, { by: "plan" })), /unknown setting "by"/);
  assert.match(refused(() => subs.retention(data, { by: "week" })), /by/);
  assert.match(refused(() => subs.check(data, { horizon_days: 30 })), /unknown setting "horizon_days"/);
  assert.match(refused(() => subs.features(data, { feature_set: "rfm" })), /unknown setting "feature_set"/);
  assert.match(refused(() => model.subscriptionValues(model.predict(data), data, { years: 3 })), /unknown setting "years"/);
  refused(() => model.subscriptionValues(model.predict(data), data, { months: -1 }));
  refused(() => subs.labels(data, {}));
  refused(() => subs.movements(data, { allowed_gap_days: -1 }));
  refused(() => subs.subscriptionsFromPayments(events, 1.5));
  refused(() => subs.subscriptionsFromPayments(events, 0));
  refused(() => subs.kaplanMeier([1], [true, false]), "shape_mismatch");
  refused(() => subs.kaplanMeier([-1], [true]));
  assert.match(refused(() => subs.readSubscriptions("customer_id,start_date,end_date\na,2024-02-01,2024-01-01\n"), "bad_rows"), /lies before start_date/);
  assert.match(refused(() => subs.subscriptionsFromRows([{ customer_id: "a", start_date: "2024-13-01" }]), "bad_rows"), /row 1: .*2024-13-01/);
  assert.match(refused(() => subs.subscriptionsFromRows([{ start_date: "2024-01-01" }]), "bad_rows"), /customer_id is missing/);
  assert.match(refused(() => subs.subscriptionsFromRows([{ customer_id: "a", start_date: "2024-01-01", end: "x" }]), "bad_rows"), /unknown key "end"/);
  assert.match(refused(() => model.predictSubscriber({ customer_id: "a", periods: [], transactions: [] })), /unknown key "transactions"/);
  refused(() => model.predictSubscriber({ customer_id: "a", periods: [] }), "no_good_rows");
  assert.match(refused(() => data.status("2024-13-01")), /as_of/);
  refused(() => data.status(7));
  assert.match(refused(() => new Subscriptions()), /^new Subscriptions\(\) makes none; expected a call of readSubscriptions/);
  assert.match(refused(() => subs.train(periods)), /expected an Events, as readCsv or eventsFromRows gives, or a Subscriptions, as readSubscriptions/);
  // An object of the other build is none of this one, and a freed one is none at all.
  assert.match(refused(() => subs.train(churn.readCsv(usage))), /another copy of churn-wasm/);
  assert.match(refused(() => churn.train(data)), /^events is a Subscriptions; expected an Events/);
  const freed = subs.readSubscriptions(periods);
  freed.free();
  for (const call of [() => subs.train(freed), () => subs.movements(freed), () => freed.length, () => model.predict(freed), () => subs.report(model, freed)]) assert.match(refused(call), /has been freed/);
  const gone = subs.readCsv(usage);
  gone.free();
  assert.match(refused(() => subs.train(data, { usage: gone })), /^usage has been freed/);
  // What is in use is not freed, and the usage outlives the call.
  let message = "";
  subs.train(data, { usage: events, model: "logistic_regression" }, () => {
    message ||= refused(() => events.free());
  });
  assert.match(message, /in use/);
  assert.equal(events.length, churn.readCsv(usage).length);
  // Options whose reading frees an argument, or shows another log at each look.
  const early = subs.readSubscriptions(periods);
  assert.match(refused(() => subs.train(early, { get usage() { early.free(); return undefined; } })), /has been freed/);
  let looks = 0;
  const shifty = { get usage() { return ++looks % 2 ? events : 7; }, model: "logistic_regression" };
  assert.equal(subs.train(data, shifty).audit.inputs.length, 2);
  assert.equal(looks, 1);
  class Mine extends Error {}
  const mine = new Mine();
  assert.throws(() => subs.readSubscriptions(periods, {}, () => { throw mine; }), (error) => error === mine);
  refused(() => subs.train(data, {}, () => false), "cancelled");
});

test("a document of subscriptions is not read by the full build", () => {
  const model = subs.train(subs.readSubscriptions(periods), { model: "logistic_regression" });
  assert.match(refused(() => churn.Model.fromJson(model.toJson()), "invalid_document"), /subscriptions/);
});

test("3,000 calls with wrong values: results or ChurnErrors, and the module goes on", (t) => {
  const random = new Random(23);
  const pick = (list) => list[random.below(list.length)];
  const few = subs.readSubscriptions(periods.split("\n").slice(0, 300).join("\n"));
  const events = subs.readCsv(usage.split("\n").slice(0, 200).join("\n"));
  const model = subs.train(subs.readSubscriptions(periods), { model: "logistic_regression", audit: false });
  const predictions = model.predict(few);
  const revoked = Proxy.revocable({}, {});
  revoked.revoke();
  const text = periods.slice(0, 3000);
  const values = [
    () => undefined, () => null, () => true, () => 0, () => -1, () => 1e300, () => NaN, () => 7n, () => Symbol("s"), () => "", () => "2024-01-01", () => "x".repeat(100_000), () => text,
    () => "customer_id,start_date\n", () => "\ud800", () => [], () => [1], () => [{}], () => [null], () => [{ customer_id: "a", start_date: "2024-01-01" }],
    () => [{ customer_id: "a", start_date: "9999-12-31", end_date: "0001-01-01" }], () => new Array(4e9), () => ({}), () => ({ usage: 7 }), () => ({ usage: events }), () => ({ usage: few }),
    () => ({ get usage() { throw new Error("mine"); } }), () => ({ allowed_gap_days: 1e9 }), () => ({ allowed_gap_days: "x" }), () => ({ by: "plan" }), () => ({ as_of: "2024-01-01" }),
    () => ({ as_of: "0001-01-01" }), () => ({ as_of: "9999-12-31" }), () => ({ cutoff: "2024-01-01" }), () => ({ cutoff: "9999-12-31" }), () => ({ preset: "stripe" }), () => ({ columns: { customer_id: 7 } }),
    () => ({ columns: { start_date: "" } }), () => ({ reasons: { a: "b" } }), () => ({ last_day: "0001-01-01" }), () => ({ delimiter: "" }), () => ({ months: 1e9 }), () => ({ attributes: revoked.proxy }),
    () => ({ customer_id: "a", periods: 7 }), () => ({ customer_id: "a", periods: [{ start_date: "2024-01-01", amount: -1 }] }),
    () => ({ customer_id: "a", periods: [{ start_date: "2024-01-01" }], usage: [{ event_date: "x" }] }), () => new Map([["usage", events]]), () => revoked.proxy, () => new Proxy({}, { get: () => { throw 7; } }),
    () => new Float64Array([1, NaN]), () => new Uint8Array(3), () => new Blob(["a"]), () => () => false, () => few, () => events, () => model, () => predictions, () => churn.readCsv(usage), () => Object.create(few),
  ];
  const calls = [];
  for (const name of ["readSubscriptions", "subscriptionsFromRows", "subscriptionsFromPayments", "subscriptionPreset", "movements", "retention", "kaplanMeier", "labels", "features", "check", "report", "train"]) {
    calls.push([name, (args) => subs[name](...args)], [`${name} of periods`, (args) => subs[name](few, ...args)]);
  }
  for (const [object, names] of [
    [few, ["status", "customerBase", "cancelledCsv", "dunningCsv", "toRows"]],
    [model, ["features", "predict", "explain", "slippingAway", "predictSubscriber", "subscriptionValues"]], [predictions, ["dunning"]],
  ]) {
    for (const name of names) {
      calls.push([name, (args) => object[name](...args)], [`${name} of periods`, (args) => object[name](few, ...args)], [`${name} of anything`, (args) => object[name].apply(args[0], args.slice(1))]);
    }
  }
  const codes = new Map();
  for (let i = 0; i < 3000; i++) {
    const [name, run] = pick(calls);
    const args = Array.from({ length: random.below(4) }, () => pick(values)());
    let code = "(a result)";
    try {
      run(args);
    } catch (error) {
      assert.ok(error instanceof ChurnError, `call ${i}, ${name}: ${inspect(error)}`);
      assert.notEqual(error.code, "internal", `call ${i}, ${name}(${args.map((arg) => typeof arg)}): ${inspect(error)}`);
      code = error.code;
    }
    codes.set(code, (codes.get(code) ?? 0) + 1);
  }
  t.diagnostic(JSON.stringify(Object.fromEntries(codes)));
  assert.ok(codes.get("invalid_parameter") > 500);
  assert.equal(subs.train(subs.readSubscriptions(periods), { model: "logistic_regression", audit: false }).toJson(), model.toJson());
});
