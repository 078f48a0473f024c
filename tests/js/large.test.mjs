// More training rows than 2^16, where products of counts of rows outgrow 32 bits: every learner, the bytes of native.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { churn, largeLog, native, path } from "./setup.mjs";

const folder = path("target/js/large");
mkdirSync(folder, { recursive: true });
const log = `${folder}/log.csv`;
writeFileSync(log, [...largeLog(400_000, 40_000)].join(""));
const events = churn.readCsv(readFileSync(log));

// A fold of the cross-fit has four fifths of the rows: it must be above 2^16 as well.
const LEAST_ROWS = (5 / 4) * 2 ** 16;

const recipes = {
  logistic_regression: { snapshots: 5 },
  random_forest: { snapshots: 5, trees: 8 },
  gradient_boosting: { snapshots: 5, rounds: 12, feature_set: "behavioral" },
  // Few trees and rounds: a search has a dozen trials, each with several fits.
  auto: { snapshots: 5, trees: 8, rounds: 12 },
};

for (const [model, recipe] of Object.entries(recipes)) {
  test(`${model}: trained on more than 2^16 rows`, (t) => {
    const config = `${folder}/${model}.json`;
    writeFileSync(config, JSON.stringify({ model, ...recipe }));
    const started = performance.now();
    const trained = churn.train(events, { model, ...recipe });
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    const { rows } = JSON.parse(trained.toJson()).training;
    t.diagnostic(`${rows} rows, ${seconds} s, AUC ${trained.evaluation.metrics.roc_auc.toFixed(3)}`);
    assert.ok(rows > LEAST_ROWS, `${rows} rows`);
    assert.ok(trained.evaluation.metrics.roc_auc > 0.6);
    assert.ok(trained.toJson() === native("train", log, config), "the documents differ");
    const explanation = trained.explain(events);
    assert.equal(explanation.customer_ids.length, trained.predict(events).coverage.covered);
    explanation.free();
    trained.free();
  });
}

test("a table of more than 2^16 rows", () => {
  const n = 100_000;
  const x = Float64Array.from({ length: n }, (_, row) => ((row * 7919) % 10_007) / 10_007);
  const churned = Array.from(x, (value, row) => value > 0.5 !== (row % 10 === 0));
  for (const model of ["logistic_regression", "random_forest", "gradient_boosting"]) {
    const trained = churn.trainTable({ x, churned }, { label: "churned", model, trees: 8, rounds: 12 });
    // Nine in ten rows follow the rule.
    const { accuracy } = trained.evaluation.metrics;
    assert.ok(accuracy > 0.88 && accuracy < 0.92, `${model}: ${accuracy}`);
    trained.free();
  }
});
