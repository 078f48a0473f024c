// The package in a worker: the same answers as promises, a replacement where a worker fails.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { churn, installed, load, madeUpLog } from "./setup.mjs";

const { startWorker } = await load("churn-wasm/worker");
const log = madeUpLog(11, 300);
const here = churn.readCsv(log);
const expected = churn.train(here);
const refused = (promise, code) => assert.rejects(promise, (error) => {
  assert.ok(error instanceof churn.ChurnError, String(error));
  assert.equal(error.code, code, error.message);
  return true;
});

let there;
before(async () => {
  there = await startWorker();
});
after(() => there.close());

test("every call gives what it gives without a worker", async () => {
  assert.equal(await there.version(), churn.version());
  const events = await there.readCsv(log);
  assert.equal(await events.length, here.length);
  assert.deepEqual(await events.customer("c0007"), here.customer("c0007"));
  const model = await there.train(events);
  assert.equal(await model.toJson(), expected.toJson());
  assert.deepEqual(await model.evaluation, expected.evaluation);
  const table = await model.features(events, { as_of: "2023-12-31" });
  const predictions = await model.predictFeatures(table);
  const risks = expected.predict(here, { as_of: "2023-12-31" });
  assert.deepEqual(await predictions.toRows(), risks.toRows());
  // Columns that are handed over are there again at the next access.
  for (let i = 0; i < 2; i++) assert.deepEqual(await predictions.churn_probability, risks.churn_probability);
  const why = await model.explainFeatures(table, { reasons: 2 });
  assert.deepEqual(await why.reasons(3), expected.explain(here, { as_of: "2023-12-31", reasons: 2 }).reasons(3));
  assert.deepEqual(await why.listReasons([3, 1]), { shared: null, rows: [await why.reasons(3), await why.reasons(1)] });
  const all = expected.explain(here, { as_of: "2023-12-31", reasons: 2 });
  assert.deepEqual(await why.listReasons(), all.listReasons());
  // The customers of one first reason share it.
  const firsts = Array.from({ length: all.length }, (_, row) => all.reasons(row)[0]);
  const [{ feature, raises_risk }] = firsts;
  const alike = firsts.flatMap((first, row) => (first.feature === feature && first.raises_risk === raises_risk ? [row] : []));
  const { shared } = await why.listReasons(alike);
  assert.deepEqual([shared.feature, shared.raises_risk, shared.customers], [feature, raises_risk, alike.length]);
  const same = await there.Model.fromJson(expected.toJson());
  assert.equal(await same.kind, "random_forest");
  const { customer_id, churned } = await there.labels(events, { cutoff: "2023-12-31" });
  assert.deepEqual({ customer_id, churned }, churn.labels(here, { cutoff: "2023-12-31" }));
  assert.equal(await there.segment(0.4), "Medium");
  assert.deepEqual(await there.profit.threshold({ clv: 100 }), churn.profit.threshold({ clv: 100 }));
  const recipe = { model: "logistic_regression", horizon_days: 60, predictions: true };
  assert.deepEqual(await there.backtest(events, recipe), churn.backtest(here, recipe));
  assert.equal(await there.report(model, events, { title: "T" }), churn.report(expected, here, { title: "T" }));
});

test("files and streams go to the worker", async () => {
  for (const source of [new Blob([log]), new Blob([log]).stream(), new Response(log), new TextEncoder().encode(log)]) {
    const events = await there.readCsv(source);
    assert.deepEqual(await events.report, here.report);
    events.free();
  }
  await refused(there.readCsv(new Response("", { status: 500 })), "invalid_parameter");
  const failing = new ReadableStream({ pull: (controller) => controller.error(new Error("connection lost")) });
  await assert.rejects(there.readCsv(failing), /connection lost/);
});

test("wrong values have the codes that they have without a worker", async () => {
  const events = await there.readCsv(log);
  await refused(there.readCsv(""), "empty_file");
  await refused(there.train(events, { horizont: 1 }), "invalid_parameter");
  await refused(there.train({}), "invalid_parameter");
  await refused(there.backtest(events, { most_cutoffs: 0 }), "invalid_parameter");
  await refused(there.backtest({}), "invalid_parameter");
  await refused(there.train(here), "invalid_parameter");
  await refused(events.customer(7), "invalid_parameter");
  await refused(there.train(events, { seed: () => 1 }), "invalid_parameter");
  await refused(there.train(events, {}, 7), "invalid_parameter");
  assert.throws(() => JSON.stringify(events), { code: "invalid_parameter" });
  assert.throws(() => new there.Model(), { code: "invalid_parameter" });
  events.free();
  await refused(events.length, "invalid_parameter");
});

test("an observer is told, stops the work, and its exception comes out; the worker keeps what it holds", async () => {
  const events = await there.readCsv(log);
  const stages = new Set();
  await there.train(events, {}, (stage) => void stages.add(stage));
  assert.ok(stages.has("features"), [...stages].join());
  const long = { model: "auto", feature_set: "behavioral" };
  await refused(there.train(events, long, () => false), "cancelled");
  const told = [];
  const two = { model: "logistic_regression", horizon_days: 60, most_cutoffs: 2 };
  await there.backtest(events, two, (stage, done, total) => void told.push([stage, done, total]));
  assert.ok(told.some(([stage, , total]) => stage === "backtest" && total === 2), JSON.stringify(told));
  await refused(there.backtest(events, long, () => false), "cancelled");
  const mine = new Error("mine");
  await assert.rejects(there.train(events, long, () => {
    throw mine;
  }), (error) => error === mine);
  assert.equal(await events.length, here.length);
});

const folder = fileURLToPath(new URL("own/", installed));
mkdirSync(folder, { recursive: true });
writeFileSync(`${folder}/own.mjs`, `
  import { serve } from "churn-wasm/worker/host";
  import { readCsv } from "churn-wasm";
  // (module (func (export "run") unreachable))
  const bytes = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 7, 7, 1, 3, 114, 117, 110, 0, 0, 10, 5, 1, 3, 0, 0, 11);
  serve({
    rows: (text, observe) => { observe("mine", 1, 2); return readCsv(text).length; },
    coded: () => { throw Object.assign(new Error("none"), { code: "mine" }); },
    trap: () => new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports.run(),
    end: () => process.exit(3),
  });
`);
const own = (options) => startWorker({ worker: () => new Worker(`${folder}/own.mjs`), ...options });

test("a worker of one's own answers the package's calls and its own", async () => {
  const mine = await own();
  const seen = [];
  assert.equal(await mine.call("rows", [log], (...args) => void seen.push(args)), here.length);
  assert.deepEqual(seen, [["mine", 1, 2]]);
  assert.equal(await (await mine.readCsv(log)).length, here.length);
  await refused(mine.call("coded"), "mine");
  mine.close();
  await refused(mine.version(), "invalid_parameter");
});

for (const standby of [0, 2]) {
  test(`a worker that traps, ends or is stopped is replaced (${standby} standing by)`, async () => {
    const mine = await own({ standby });
    for (const fault of ["trap", "end", "trap"]) {
      const events = await mine.readCsv(log);
      const waiting = fault === "trap" ? refused(mine.call("trap"), "internal") : refused(mine.call("end"), "internal");
      await waiting;
      // What was in it is gone, and says so; everything else goes on.
      await refused(events.length, "worker_lost");
      await refused(mine.train(events), "worker_lost");
      const again = await mine.readCsv(log);
      assert.equal(await (await mine.train(again)).toJson(), expected.toJson());
    }
    const events = await mine.readCsv(log);
    const long = refused(mine.train(events, { model: "auto" }), "cancelled");
    setTimeout(() => mine.stop(), 50);
    await long;
    assert.equal(await (await mine.readCsv(log)).length, here.length);
    mine.close();
  });
}

test("a module that cannot be loaded says so; an idle worker keeps no process alive", async () => {
  await refused(startWorker({ standby: -1 }), "invalid_parameter");
  await refused(startWorker({ module: () => 1 }), "invalid_parameter");
  const program = `
    import { startWorker } from "churn-wasm/worker";
    const churn = await startWorker({ standby: 1 });
    console.log(await churn.segment(0.8));`;
  writeFileSync(`${folder}/idle.mjs`, program);
  assert.equal(execFileSync(process.execPath, [`${folder}/idle.mjs`], { encoding: "utf8", timeout: 20_000 }).trim(), "Critical");
});
