// The border: whatever is passed to a call, the answer is a result or a ChurnError, and the module goes on.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import { inspect } from "node:util";
import { churn, installed, largeLog, madeUpLog, path, plain, Random, scoring, vectors } from "./setup.mjs";
import { pathToFileURL } from "node:url";

const { ChurnError, Events, Explanation, FeatureTable, Model, Predictions } = churn;
const document = readFileSync(path("tests/vectors/documents/logistic_regression_v1.json"), "utf8");
const log = madeUpLog(11, 300);
const events = churn.readCsv(log);
const model = churn.train(events);
const table = model.features(events);
const predictions = model.predictFeatures(table);
const explanation = model.explainFeatures(table);

/** The ChurnError that a call throws. */
function refused(call, code = "invalid_parameter") {
  let error;
  try {
    call();
  } catch (thrown) {
    error = thrown;
  }
  assert.ok(error instanceof ChurnError, `expected a ChurnError, not ${inspect(error)}`);
  assert.equal(error.name, "ChurnError");
  assert.equal(error.code, code, error.message);
  return error.message;
}

test("an object where the text of a document belongs", () => {
  assert.equal(
    refused(() => Model.fromJson(JSON.parse(document))),
    "text is an object; expected the text of a model document (await response.text(), not response.json())",
  );
  refused(() => Model.fromJson());
  refused(() => Model.fromJson(new Uint8Array(4)));
});

test("numbers where texts belong", () => {
  assert.equal(refused(() => events.customer(7)), "customer_id is the number 7; expected a text");
  refused(() => table.row(12346));
  refused(() => table.column(0));
  refused(() => explanation.dependence(1));
  refused(() => model.whatIf(table, 5, {}));
  refused(() => explanation.reasons("0"));
  refused(() => explanation.listReasons(0));
  refused(() => explanation.listReasons([0, 1e6]));
  refused(() => churn.segment("0.5"));
  refused(() => model.tableFeatures([{ a: 1 }], 7));
});

test("settings of a backtest that do not exist", () => {
  const says = (options, ...words) => {
    const message = refused(() => churn.backtest(events, options));
    for (const word of words) assert.ok(message.includes(word), message);
  };
  says({ horizont: 60 }, "horizont", "horizon_days", "most_cutoffs");
  says({ step_days: 0 }, "step_days", "1 to 3650 days");
  says({ most_cutoffs: "all" }, "most_cutoffs");
  says({ predictions: 1 }, "predictions");
  says({ labels: "inactivity" }, "labels", "outcome_window");
  says({ against: { other: { horizont: 1 } } }, "against.other", "horizont");
  says({ against: { recency: {} } }, "taken");
  says({ against: [] }, "against");
  says(7, "options");
  refused(() => churn.backtest(log));
  refused(() => churn.backtest(events, {}, 7));
  refused(() => churn.backtest(events, { cutoffs: ["2030-01-01"] }), "cutoff_outside_data");
  refused(() => churn.backtest(events, { horizon_days: 340 }), "too_few_rows");
});

test("lengths that are none", () => {
  for (const value of [{ length: 4e9 }, new Array(4e9), Object.defineProperty(new Float64Array(2), "length", { value: 4e9 })]) {
    refused(() => table.select(value));
    refused(() => churn.evaluate(value, value));
    refused(() => churn.profit.contactList(value, [0.5]));
  }
  assert.equal(refused(() => table.select([0, -1])), "places[1] is the number -1; expected a row number");
  refused(() => table.select([table.length]));
  assert.equal(table.select([1, 0]).customer_ids[0], table.customer_ids[1]);
  // A typed array that lies about its length holds the two numbers that it holds.
  const lying = Object.defineProperty(new Float64Array([0.2, 0.7]), "length", { value: 4e9 });
  assert.equal(churn.evaluate([0, 1], lying).n, 2);
});

test("objects of another class, made by hand, of another build, or freed", () => {
  assert.equal(refused(() => churn.features(model)), "events is a Model; expected an Events, as readCsv or eventsFromRows gives");
  refused(() => model.predict({}));
  refused(() => model.predictFeatures(undefined));
  refused(() => churn.report(events, model));
  for (const Class of [Events, FeatureTable, Predictions, Explanation, Model]) {
    assert.match(refused(() => new Class()), new RegExp(`^new ${Class.name}\\(\\) makes none; expected a call of`));
    refused(() => Object.create(Class.prototype).toJSON());
    refused(() => Object.create(Class.prototype).free());
    refused(() => model.predict(Object.create(Class.prototype)));
  }
  const other = scoring.eventsFromRows([{ customer_id: "A", event_date: "2024-01-01" }]);
  assert.match(refused(() => model.predict(other)), /^events is an Events of another copy of churn-wasm/);
  const freed = churn.readCsv(log);
  freed.free();
  freed.free();
  assert.match(refused(() => freed.length), /^this has been freed/);
  assert.match(refused(() => model.predict(freed)), /^events has been freed/);
  refused(() => Events.prototype.customer.call(model, "c0001"));
});

test("an observer's exception comes out unchanged, and the module goes on", () => {
  class Mine extends Error {}
  const mine = new Mine("stop");
  for (const work of [
    (observe) => churn.readCsv(log, {}, observe),
    (observe) => churn.train(events, { model: "gradient_boosting" }, observe),
    (observe) => churn.backtest(events, { model: "logistic_regression" }, observe),
    (observe) => churn.trainTable(vectors("explain.json").background ?? [], {}, observe),
  ].slice(0, 3)) {
    assert.throws(() => work(() => {
      throw mine;
    }), (error) => error === mine);
    refused(() => work(() => false), "cancelled");
    refused(() => work(7));
  }
  assert.throws(() => churn.readCsv(log, {}, () => {
    throw undefined;
  }), (error) => error === undefined);
  assert.equal(churn.readCsv(log).length, events.length);
});

test("an observer may use the module, but not free what is in use", () => {
  let [inner, outer, message] = [0, 0, ""];
  const mine = churn.readCsv(log);
  const trained = churn.train(mine, {}, () => {
    outer++;
    message ||= refused(() => mine.free());
    if (outer === 1) churn.train(mine, {}, () => void inner++);
  });
  assert.equal(message, "the Events is in use; expected free() after the call that uses it");
  // The inner work did not take the outer one's observer away.
  assert.equal(outer, inner);
  assert.equal(trained.toJson(), model.toJson());
  mine.free();
});

test("objects show themselves, are data in JSON, and refuse to be cloned", () => {
  assert.match(inspect(model), /^Model \{\s+kind: 'random_forest',/);
  assert.match(inspect({ events }), /events: Events \{/);
  assert.match(inspect([Object.create(Model.prototype), Model.prototype]), /object of churn-wasm/);
  for (const one of [events, table, predictions, explanation]) assert.ok(inspect(one).length < 2000, inspect(one));
  const gone = churn.readCsv(log);
  gone.free();
  assert.equal(inspect(gone), "Events (freed)");

  assert.equal(Model.fromJson(JSON.stringify(model)).toJson(), model.toJson());
  assert.deepEqual(JSON.parse(JSON.stringify(predictions)), predictions.toRows());
  assert.deepEqual(JSON.parse(JSON.stringify({ events })).events, {
    length: events.length, customers: 300, first_day: events.first_day, last_day: events.last_day, event_types: events.event_types,
  });
  const [first] = JSON.parse(JSON.stringify(table));
  assert.deepEqual(Object.keys(first), ["customer_id", ...table.names]);
  assert.deepEqual(Object.values(first).slice(1), plain(table.toFloat64Array().slice(0, table.names.length)));
  const why = JSON.parse(JSON.stringify(explanation));
  const sum = why.customers[5].contributions.reduce((total, value) => total + value, why.base);
  assert.ok(Math.abs(sum - why.customers[5].margin) < 1e-9);

  for (const one of [model, events, table]) {
    assert.throws(() => structuredClone(one), (error) => error.name === "DataCloneError" && /stays in the thread that made it/.test(error.message));
  }
});

test("Symbol.dispose frees", () => {
  const dispose = Symbol.dispose ?? Symbol.for("Symbol.dispose");
  const mine = churn.readCsv(log);
  mine[dispose]();
  refused(() => mine.length);
});

test("`import` and `require` give the same copy", () => {
  const required = createRequire(new URL("index.js", installed))("churn-wasm");
  assert.equal(required.Model, Model);
  assert.equal(required.default, churn.default);
  assert.equal(required.readCsv(log).length, events.length);
  assert.deepEqual(Object.keys(required).filter((name) => !name.startsWith("__") && name !== "module.exports").sort(), Object.keys(churn).sort());
});

test("a call before init says so; a trap has a code, and so has every call after it", async () => {
  const { border } = await import(pathToFileURL(path("target/js/consumer/node_modules/churn-wasm/js/border.js")));
  // (module (func (export "run") unreachable))
  const bytes = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 7, 7, 1, 3, 114, 117, 110, 0, 0, 10, 5, 1, 3, 0, 0, 11);
  const { run } = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports;
  const trapping = border({ version: () => "1", segment: run });
  refused(() => trapping.version(), "not_loaded");
  trapping.loaded();
  assert.equal(trapping.version(), "1");
  for (let i = 0; i < 2; i++) assert.match(refused(() => trapping.segment(0.5), "internal"), /^the module has stopped/);
  assert.match(refused(() => trapping.version(), "internal"), /fresh copy/);
});

test("a log arrives piece by piece", async () => {
  const same = (read) => {
    assert.deepEqual(read.report, events.report);
    assert.deepEqual(read.customer("c0123"), events.customer("c0123"));
  };
  const bytes = new TextEncoder().encode(log);
  function* pieces(length) {
    for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
  }
  same(await churn.readCsvStream(new Blob([log])));
  same(await churn.readCsvStream(new Response(log)));
  same(await churn.readCsvStream(new Blob([log]).stream()));
  same(await churn.readCsvStream(pieces(997)));
  same(await churn.readCsvStream(ReadableStream.from([log.slice(0, 1000), log.slice(1000)])));
  same(await churn.readCsvStream(bytes));

  // So much that it is parsed while it arrives.
  const parts = [...largeLog(600_000, 5000)];
  const large = churn.readCsv(parts.join(""));
  const told = [];
  const seen = await churn.readCsvStream(parts, {}, (stage, done) => void told.push(done));
  assert.ok(parts.join("").length > 1 << 24);
  assert.deepEqual(seen.report, large.report);
  assert.equal(churn.features(seen).toCsv(), churn.features(large).toCsv());
  assert.ok(told.length > 50 && told.every((done, i) => i === 0 || done >= told[i - 1]), "progress");
  large.free();
  seen.free();

  // A character of two units in two pieces.
  const faces = await churn.readCsvStream(["customer_id,event_date\n\ud83d", "\ude00,2024-01-01\n"]);
  assert.deepEqual(faces.customer_ids, ["😀"]);

  const rejects = async (source, code, options) => {
    const error = await churn.readCsvStream(source, options).catch((thrown) => thrown);
    assert.ok(error instanceof ChurnError, inspect(error));
    assert.equal(error.code, code, error.message);
  };
  for (const source of [undefined, null, 7, {}, () => {}, [7], new Response("", { status: 404 })]) await rejects(source, "invalid_parameter");
  await rejects(new Response(null), "empty_file");
  await rejects(["customer_id,event_date\nA,2024-", "01-32\n"], "bad_rows");
  await rejects(log, "invalid_parameter", { horizon: 5 });

  // A stream that fails does so in its own words; one that is not wanted any more is told.
  const lost = new Error("connection lost");
  const failing = new ReadableStream({ pull: (controller) => controller.error(lost) });
  await assert.rejects(churn.readCsvStream(failing), (error) => error === lost);
  let cancelled = false;
  const endless = new ReadableStream({
    pull: (controller) => controller.enqueue(new Uint8Array(1 << 20).fill(97)),
    cancel: () => {
      cancelled = true;
    },
  });
  await rejects(endless, "record_too_long");
  assert.ok(cancelled, "the stream was not cancelled");
});

test("10,000 calls with wrong values: results or ChurnErrors, and the module goes on", async (t) => {
  const random = new Random(17);
  const pick = (list) => list[random.below(list.length)];
  const throwing = { get: () => { throw new TypeError("mine"); }, ownKeys: () => { throw new RangeError("mine"); }, getPrototypeOf: () => { throw 7; } };
  const revoked = Proxy.revocable([], {});
  revoked.revoke();
  const detached = new ArrayBuffer(8);
  const view = new Float64Array(detached);
  structuredClone(detached, { transfer: [detached] });
  const cyclic = {};
  cyclic.self = cyclic;
  let deep = [];
  for (let i = 0; i < 100_000; i++) deep = [deep];
  const freed = churn.readCsv(log);
  freed.free();
  const few = churn.readCsv(log.split("\n").slice(0, 40).join("\n"));
  const small = churn.features(few);
  const loaded = Model.fromJson(document);
  const values = [
    () => undefined, () => null, () => true, () => 0, () => -1, () => 0.5, () => NaN, () => Infinity, () => 4e9, () => -1e300, () => 7n, () => Symbol("s"),
    () => "", () => "c0001", () => "recency_score", () => "\ud800", () => "x".repeat(100_000), () => document.slice(0, 500), () => '{"format":"churn-model"}',
    () => [], () => [1], () => [null], () => [undefined], () => [[]], () => [{}], () => ["a"], () => [NaN], () => [0.5, 1], () => [true, false], () => new Array(4e9),
    () => ({}), () => ({ length: 4e9 }), () => ({ as_of: 7 }), () => ({ as_of: "2024-13-01" }), () => ({ attributes: 7 }), () => ({ attributes: revoked.proxy }),
    () => ({ horizon_days: -1 }), () => ({ most_cutoffs: 0 }), () => ({ against: { a: 7 } }), () => ({ against: { a: { snapshots: 0 } } }),
    () => ({ model: "neural" }), () => ({ columns: { amount: 7 } }), () => ({ toJSON: () => { throw new Error("mine"); } }),
    () => ({ get as_of() { throw new Error("mine"); } }), () => Object.create(null), () => ({ customer_id: "A", transactions: 7 }),
    () => ({ customer_id: "A", transactions: [{ event_date: "x" }] }), () => ({ a: new Float64Array(3), b: [1, "x", true] }), () => ({ a: view }),
    () => new Date(NaN), () => new Map([["a", 1]]), () => new Set([1]), () => /x/, () => () => undefined, () => () => false, () => class {}, () => Promise.resolve(1),
    () => new Proxy({}, throwing), () => new Proxy([], throwing), () => new Proxy(model, throwing), () => new Proxy(events, {}), () => revoked.proxy, () => cyclic, () => deep,
    () => new Uint8Array(3), () => new Float64Array([0.1, NaN]), () => new BigInt64Array(2), () => new Uint32Array([0, 9]), () => new DataView(new ArrayBuffer(4)),
    () => new ArrayBuffer(5), () => detached, () => view, () => new SharedArrayBuffer(4), () => Object.defineProperty(new Float64Array(2), "length", { value: 4e9 }),
    () => Object.defineProperty(new Uint32Array(2), "length", { value: 4e9 }), () => Object.create(Float64Array.prototype), () => Object.create(Model.prototype),
    () => Object.create(Blob.prototype), () => new Blob(["a"]), () => Object.create(model), () => globalThis,
    () => freed, () => few, () => small, () => loaded, () => predictions, () => explanation, () => scoring.Model.fromJson(document), () => churn.profit, () => churn,
  ];
  const calls = [];
  const add = (name, run) => calls.push([name, run]);
  for (const [name, item] of Object.entries(churn)) {
    if (typeof item !== "function" || name === "ChurnError") continue;
    if (!item.prototype?.free) add(name, (args) => item(...args));
    else {
      add(`new ${name}`, (args) => new item(...args));
      add(`${name}.fromJson`, (args) => (item.fromJson ? item.fromJson(...args) : undefined));
      for (const member of Object.getOwnPropertyNames(item.prototype).concat("free", "toJSON")) {
        if (member === "constructor") continue;
        const { get, value } = Object.getOwnPropertyDescriptor(item.prototype, member) ?? { value: item.prototype[member] };
        const own = { Events: few, FeatureTable: small, Model: loaded, Predictions: predictions, Explanation: explanation }[name];
        // On an object of its own, which is freed by nobody, and on anything.
        if (member !== "free") add(`${name}.${member}`, (args) => (get ?? value).apply(own, args));
        add(`${name}.${member} of anything`, (args) => {
          const self = args.shift();
          if (member !== "free" || ![few, small, loaded, predictions, explanation].includes(self)) (get ?? value).apply(self, args);
        });
      }
    }
  }
  for (const [name, item] of Object.entries(churn.profit)) add(`profit.${name}`, (args) => item(...args));
  assert.ok(calls.length > 100, `${calls.length} calls`);

  const codes = new Map();
  for (let i = 0; i < 10_000; i++) {
    const [name, run] = pick(calls);
    const args = Array.from({ length: random.below(5) }, () => pick(values)());
    let code = "(a result)";
    try {
      await run(args);
    } catch (error) {
      // The default export's source is a URL, and there is none to be had.
      assert.ok(error instanceof ChurnError, `call ${i}, ${name}: ${inspect(error)}`);
      assert.notEqual(error.code, "internal", `call ${i}, ${name}(${args.map((arg) => typeof arg)}): ${inspect(error)}`);
      assert.ok(error.message.length > 0 && error.message.length < 5000, `${name}: ${error.message.length}`);
      code = error.code;
    }
    codes.set(code, (codes.get(code) ?? 0) + 1);
  }
  t.diagnostic(JSON.stringify(Object.fromEntries(codes)));
  assert.ok(codes.get("invalid_parameter") > 3000);
  assert.equal(churn.train(churn.readCsv(log)).toJson(), model.toJson());
});
