// A model trained in one world scores in the other with the same bits.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { churn, difference, madeUpLog, native, path, plain, scoring } from "./setup.mjs";

const folder = path("target/js/exchange");
mkdirSync(folder, { recursive: true });
const log = `${folder}/log.csv`;
writeFileSync(log, madeUpLog(7, 500));
const events = churn.readCsv(readFileSync(log));

const rows = readFileSync(log, "utf8").trimEnd().split("\n").slice(1).map((line) => {
  const [customer_id, event_date, amount, event_type] = line.split(",");
  return { customer_id, event_date, amount: amount === "" ? null : Number(amount), event_type: event_type || null };
});

const recipes = {
  logistic: {},
  behavioral: { feature_set: "behavioral", horizon_days: 60, class_weight: "balanced" },
  forest: { model: "random_forest", trees: 30, snapshots: 2 },
  boosting: { model: "gradient_boosting", feature_set: "behavioral" },
  auto: { model: "auto", snapshots: 2 },
};

for (const [name, recipe] of Object.entries(recipes)) {
  test(`${name}: the document is the same byte for byte`, () => {
    const config = `${folder}/${name}.json`;
    writeFileSync(config, JSON.stringify(recipe));
    const ours = churn.train(events, recipe).toJson();
    const theirs = native("train", log, config);
    assert.equal(ours.length, theirs.length);
    assert.ok(ours === theirs, "the documents differ");

    // Trained here, scored there.
    const document = `${folder}/${name}.model.json`;
    writeFileSync(document, ours);
    const there = JSON.parse(native("predict", log, document));
    const here = churn.Model.fromJson(theirs).predict(events).toRows();
    assert.ok(here.length > 300, `${here.length} covered of 500`);
    assert.equal(difference(here, there), undefined);

    // Trained there, scored by the build without training; one customer alone has the bits of the batch.
    const model = scoring.Model.fromJson(theirs);
    const again = scoring.eventsFromRows(rows);
    assert.equal(difference(model.predict(again).toRows(), there), undefined);
    for (const row of [0, 17, there.length - 1]) {
      const customer = again.customer(there[row].customer_id);
      assert.equal(difference(model.predictOne(customer, { as_of: again.last_day }), there[row]), undefined);
    }
  });
}

const backtests = {
  "logistic": { model: "logistic_regression", horizon_days: 60 },
  "with predictions": {
    model: "gradient_boosting", rounds: 10, horizon_days: 90, most_cutoffs: 3, predictions: true,
    against: { forest: { model: "random_forest", trees: 5 }, "rfm alone": { feature_set: "rfm" } },
  },
};

for (const [name, settings] of Object.entries(backtests)) {
  test(`the backtest ${name} has the same bits`, () => {
    const config = `${folder}/backtest.json`;
    writeFileSync(config, JSON.stringify(settings));
    const ours = churn.backtest(events, settings);
    assert.equal(difference(plain(ours), JSON.parse(native("backtest", log, config))), undefined);
    assert.ok(ours.cutoffs.length >= 3 && ours.roc_auc.low <= ours.roc_auc.mean && ours.roc_auc.mean <= ours.roc_auc.high);
    assert.deepEqual(ours.findings.map(({ severity }) => severity).filter((severity) => severity === "error"), []);
    assert.equal("predictions" in ours, settings.predictions === true);
    if (!settings.predictions) return;
    const { cutoff, customer_id, churned, churn_probability, against } = ours.predictions;
    assert.ok(churned instanceof Uint8Array && churn_probability instanceof Float64Array);
    assert.deepEqual(Object.keys(against), ["forest", "logistic_regression", "rfm alone"]);
    assert.equal(customer_id.length, ours.cutoffs.reduce((sum, { customers }) => sum + customers, 0));
    // The predictions of a cutoff are those that it was judged by.
    const row = ours.cutoffs[1];
    const [from, to] = [cutoff.indexOf(row.cutoff), cutoff.lastIndexOf(row.cutoff) + 1];
    const judged = (risks) => churn.evaluate(churned.slice(from, to), risks.slice(from, to)).roc_auc;
    assert.equal(judged(churn_probability), row.roc_auc);
    assert.equal(judged(against.forest), row.against.forest.roc_auc);
  });
}

test("the order of the rows and the form of the source change nothing", () => {
  const [header, ...lines] = readFileSync(log, "utf8").trimEnd().split("\n");
  const reversed = [header, ...lines.reverse()].join("\r\n");
  const expected = churn.train(events).toJson();
  assert.ok(churn.train(churn.readCsv(reversed)).toJson() === expected);
  assert.ok(churn.train(churn.eventsFromRows(rows)).toJson() === expected);
  const judged = churn.backtest(events, backtests.logistic);
  for (const other of [churn.readCsv(reversed), churn.eventsFromRows(rows)]) {
    assert.equal(difference(churn.backtest(other, backtests.logistic), judged), undefined);
  }
});

test("a damaged document is refused", () => {
  const document = churn.train(events).toJson();
  const code = (text) => {
    try {
      churn.Model.fromJson(text);
    } catch (error) {
      return error.code;
    }
  };
  assert.equal(code("{}"), "invalid_document");
  assert.equal(code(document.slice(0, -1)), "invalid_document");
  assert.equal(code(document.replace('"format_version":1', '"format_version":2')), "unsupported_version");
  const other = plain(JSON.parse(document));
  other.golden[0].probability = other.golden[0].probability / 2;
  assert.equal(code(JSON.stringify(other)), "golden_mismatch");
});
