// Findings, and whom a model speaks of, through the module: what stops the work says what would mend it, and goes on with that.
import assert from "node:assert/strict";
import { test } from "node:test";
import { churn, madeUpLog } from "./setup.mjs";

const { ChurnError, check, findingCodes, profit, readCsv, suggest, train } = churn;

const DAY = 86_400_000;
const iso = (day) => new Date(day * DAY).toISOString().slice(0, 10);
const number = (day) => Date.parse(day) / DAY;
const codes = (findings) => findings.map((finding) => finding.code);
const has = (findings, code) => findings.find((finding) => finding.code === code) ?? assert.fail(`no ${code} in ${codes(findings)}`);

/** What a call throws because of findings. */
function stopped(call) {
  try {
    call();
  } catch (error) {
    assert.ok(error instanceof ChurnError, String(error));
    assert.equal(error.code, "finding", error.message);
    for (const finding of error.findings) {
      assert.deepEqual(Object.keys(finding).sort(), ["code", "evidence", "message", "severity", "suggestion"]);
      assert.equal(finding.severity, "error");
    }
    return error;
  }
  return assert.fail("nothing stopped it");
}

// It ends on the day 19358 + 730.
const log = madeUpLog(7, 300);
const last = iso(20_088);
const settings = { horizon_days: 90 };

test("one row of 2099 stops training and scoring, names the day and what mends it, and is allowed on purpose", () => {
  const text = `${log}c0007,2099-01-01,10.00,purchase\n`;
  const events = readCsv(text);
  assert.equal(check(events)[0].code, "isolated_last_day");
  const older = train(readCsv(log), settings);
  for (const call of [() => train(events, settings), () => older.predict(events), () => older.features(events), () => older.slippingAway(events)]) {
    const error = stopped(call);
    assert.deepEqual(codes(error.findings), ["isolated_last_day"]);
    for (const part of ["2099-01-01", '"c0007"', `last_day = ${last}`, 'allow = ["isolated_last_day"]']) assert.ok(error.message.includes(part), `${part} in ${error.message}`);
    assert.deepEqual(error.findings[0].suggestion, { last_day: last });
  }
  // By 2099 everybody else has been silent for a lifetime.
  const predictions = older.predict(events, { allow: ["isolated_last_day"] });
  assert.deepEqual(predictions.coverage, { covered: 1, inactive: 299 });
  assert.deepEqual(codes(predictions.findings), ["isolated_last_day"]);

  // With what it suggests, the model is that of the log without the row.
  const mended = readCsv(text, stopped(() => train(events, settings)).findings[0].suggestion);
  assert.equal(mended.last_day, last);
  assert.deepEqual(codes(check(mended)), codes(check(readCsv(log))));
  assert.deepEqual(train(mended, settings).evaluation, older.evaluation);

  // Errors of other kinds have none.
  try {
    readCsv("customer_id,event_date\nA,2024-13-01\n");
    assert.fail("is read");
  } catch (error) {
    assert.deepEqual([error.code, error.findings], ["bad_rows", []]);
  }
  assert.throws(() => train(readCsv(log), { allow: ["isolated"] }), (error) => error.code === "invalid_parameter" && findingCodes().every(({ code }) => error.message.includes(code)));
});

test("an event that ends things counts as coming back until event_types says otherwise", () => {
  const types = (text) => text.replace(/,[a-z]*$/gm, ",visit").replace(/^customer_id.*$/m, "customer_id,event_date,amount,event_type");
  const text = `${types(log.trimEnd())}\nc0001,${iso(20_085)},,cancel\n`;
  const events = readCsv(text);
  const finding = has(check(events), "leaving_event_counts_as_return");
  assert.equal(finding.severity, "warning");
  assert.ok(finding.message.includes('"cancel"'), finding.message);
  assert.deepEqual(finding.suggestion, { event_types: ["visit"] });
  const model = train(events, settings);
  assert.deepEqual(has(model.findings, "leaving_event_counts_as_return"), finding);
  assert.ok(model.warnings.includes(finding.message));
  assert.ok(!codes(train(events, { ...settings, ...finding.suggestion }).findings).includes(finding.code));
});

test("lines of orders are noticed, and merged by order or by day", () => {
  const rows = log.trimEnd().split("\n").slice(1).map((row) => row.split(",").slice(0, 2).join(","));
  const lines = rows.flatMap((row, order) => [3, 4].map((amount) => `${row},${amount},o${order}`));
  const text = `customer_id,event_date,amount,order\n${lines.join("\n")}\n`;
  const events = readCsv(text);
  const finding = has(check(events), "order_lines");
  assert.deepEqual(finding.suggestion, { merge: "day" });
  for (const read of [finding.suggestion, { columns: { order_id: "order" } }]) {
    const merged = readCsv(text, read);
    assert.ok(!codes(check(merged)).includes("order_lines"), JSON.stringify(read));
  }
  // An order is an event: as many as the log has rows.
  assert.equal(readCsv(text, { columns: { order_id: "order" } }).length, rows.length);
});

test("300 customers who pay once a year are payers, not churners", () => {
  // From 2019 on, each on a day of the year of their own, for six years.
  const first = number("2019-01-01");
  const rows = Array.from({ length: 300 }, (_, i) => Array.from({ length: 6 }, (_, year) => `p${i},${iso(first + 365 * year + i)},120`)).flat();
  const events = readCsv(`customer_id,event_date,amount\n${rows.join("\n")}\n`);
  const error = stopped(() => train(events, settings));
  assert.deepEqual(codes(error.findings), ["regular_payers"]);
  assert.ok(/365 days/.test(error.message) && /subscription/.test(error.message), error.message);
  const horizon = error.findings[0].suggestion.horizon_days;
  assert.ok(horizon > 365, String(horizon));
  assert.ok(!codes(check(events, { horizon_days: horizon })).includes("regular_payers"));
  // The usual spans that the log is long enough for: the pauses of a year end within 365 days.
  assert.deepEqual(suggest(events).customers, 300);
  assert.equal(suggest(events).horizon_days, 365);
});

test("predictions, explanations and contact lists hold the customers that the definition covers, and count the others", () => {
  const model = train(readCsv(log), settings);
  const before = model.predict(readCsv(log)).coverage;
  // Seven customers whose last event lies 365 days or longer before the last day, one for whom it is 364.
  const gone = Array.from({ length: 7 }, (_, i) => `gone${i},${iso(20_088 - 365 - i)},10.00,purchase\n`).join("");
  const events = readCsv(`${log}${gone}almost,${iso(20_088 - 364)},10.00,purchase\n`);
  const predictions = model.predict(events);
  assert.deepEqual(predictions.coverage, { covered: before.covered + 1, inactive: before.inactive + 7 });
  assert.equal(predictions.length, before.covered + 1);
  const ids = predictions.customer_id;
  assert.ok(ids.includes("almost") && !ids.some((id) => id.startsWith("gone")));
  assert.deepEqual(model.explain(events).customer_ids, ids);
  const list = profit.contactList(ids, predictions.churn_probability);
  assert.ok(list.entries.length > 0 && list.entries.every((entry) => !entry.customer_id.startsWith("gone")));
  assert.ok(model.slippingAway(events, { customers: 10_000 }).customers.every((one) => ids.includes(one.customer_id)));

  // Everybody on request, and each says whether they are covered.
  const all = model.predict(events, { include_inactive: true });
  assert.equal(all.length, before.covered + before.inactive + 8);
  assert.deepEqual(all.customer_id.filter((id, i) => id.startsWith("gone") && all.covered[i]), []);
  const one = model.predictOne({ customer_id: "gone", transactions: [{ event_date: iso(20_088 - 365) }] }, { as_of: last });
  assert.equal(one.covered, false);
  assert.ok(one.note.includes("guess"), one.note);
});
