// Files as people have them: found out by the build for files as by every other reader, and read by the full build.
import assert from "node:assert/strict";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { churn, difference, files, installed, lists, native, near, path, plain, Random } from "./setup.mjs";

const folder = path("tests/files/exports");
const bytesOf = (name) => new Uint8Array(readFileSync(`${folder}/${name}`));
const expected = JSON.parse(readFileSync(path("tests/files/expected.json"), "utf8"));

// The events of rows [customer, day, amount, kind, order]: those of an order are one event, whose amount is the sum.
function eventsOf(rows) {
  const orders = new Map();
  const events = [];
  for (const [customer, day, amount, kind, order] of rows) {
    const key = JSON.stringify([customer, day, kind, order]);
    const before = orders.get(key) ?? null;
    if (order === null) events.push([customer, day, kind, amount]);
    else orders.set(key, before === null ? amount : before + (amount ?? 0));
  }
  for (const [key, amount] of orders) events.push([...JSON.parse(key).slice(0, 3), amount]);
  return sorted(events);
}

const sorted = (events) => events.map((event) => [JSON.stringify(event.slice(0, 3)), event[3]]).sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : a[1] - b[1]));

function read(name, options) {
  const { encoding, ...others } = options;
  const events = churn.readCsv(files.decodedText(bytesOf(name), encoding), others);
  return sorted(events.customer_ids.flatMap((id) => events.customer(id).transactions
    .map(({ event_date, amount, event_type }) => [id, event_date, event_type ?? null, amount ?? null])));
}

const same = (found, right) => found.length === right.length && found.every(([key, amount], i) => key === right[i][0] && near(amount, right[i][1]));

test("every export is read right, or there is a question, as native says", () => {
  const there = JSON.parse(native("detect", folder));
  const names = readdirSync(folder);
  assert.ok(names.length >= 30 && names.length === Object.keys(there).length);
  let asked = 0;
  for (const name of names) {
    const found = files.detect(bytesOf(name));
    assert.equal(difference(plain(found), there[name]), undefined, name);
    const right = expected[name];
    assert.deepEqual(found.questions.map(({ code }) => code), right.question ? [right.question] : [], name);
    if (!right.question) {
      assert.ok(same(read(name, found.options), eventsOf(right.rows)), name);
      continue;
    }
    asked++;
    for (const { options } of found.questions[0].readings) {
      const answer = read(name, { ...found.options, ...Object.fromEntries(options) });
      assert.ok(right.answers.some(({ rows }) => same(answer, eventsOf(rows))), `${name} ${options}`);
    }
  }
  assert.ok(asked >= 3, `${asked} questions`);
});

test("text that needs no decoding is passed on as it is", () => {
  const bytes = bytesOf("iso_plain.csv");
  assert.equal(files.decodedText(bytes), bytes);
  assert.equal(files.decodedText("a,b"), "a,b");
  const unpacked = files.decodedText(bytesOf("iso_plain.csv.gz"));
  assert.deepEqual(Buffer.from(unpacked), Buffer.from(bytes));
  const latin = files.decodedText(bytesOf("german_excel.csv"), "windows-1252");
  assert.ok(new TextDecoder("utf-8", { fatal: true }).decode(latin).includes("Käufer"));
});

test("what is given stays, and an empty name leaves a column out", () => {
  const csv = "customer_id,event_date,amount,total\na,2024-01-05,1,2\nb,2024-01-06,3,4\n";
  const total = files.detect(csv, { columns: { amount: "total" } });
  assert.deepEqual([total.options.columns.amount, total.trial.total_amount], ["total", 6]);
  const without = files.detect(csv, { columns: { amount: "" } });
  assert.deepEqual([without.options.columns.amount, without.trial.total_amount], ["", 0]);
  assert.equal(churn.readCsv(csv, without.options).customer("a").transactions[0].amount ?? null, null);
  assert.throws(() => files.detect(csv, { columns: { amount: "sum" } }), { code: "missing_column" });
});

test("the options that a refusal names exist", () => {
  const { options } = files.detect("customer_id,event_date\na,2024-01-05\n");
  const names = [...Object.keys(options), ...Object.keys(options.columns)];
  for (const csv of [
    "customer_id;event_date\na;2024-01-05\n",
    "Report of 2024\n\ncustomer_id,event_date\na,2024-01-05\n",
    "customer_id,event_date\n,2024-01-05\n",
    `customer_id,event_date,event_type\n${Array.from({ length: 10_001 }, (_, i) => `a,2024-01-05,${i}\n`).join("")}`,
  ]) {
    assert.throws(() => churn.readCsv(csv), ({ message }) => {
      const named = [...message.matchAll(/(\w+) = /g)].map((match) => match[1]);
      assert.ok(named.length > 0 && named.every((name) => names.includes(name)), message);
      return true;
    });
  }
});

test("what cannot be read is an error that says so", () => {
  const code = (source, expected, words, ...more) => assert.throws(() => files.detect(source, ...more), (error) => {
    assert.equal(error.code, expected, error.message);
    assert.match(error.message, words);
    return error instanceof files.ChurnError;
  });
  code("", "empty_file", /empty/);
  code(new Uint8Array([0x50, 0x4b, 3, 4, 1, 2, 3]), "io", /spreadsheet/);
  code(new Uint8Array([0x1f, 0x8b, 8, 0, 0]), "io", /gzip/);
  code(new Uint8Array([0x28, 0xb5, 0x2f, 0xfd, 4, 0, 9]), "not_utf8", /zstd.*decompress/);
  code(7, "invalid_parameter", /source/);
  code("a,b\n", "invalid_parameter", /nonsense/, { nonsense: 1 });
  assert.throws(() => files.decodedText(new Uint8Array([65]), "klingon"), { code: "invalid_parameter" });
});

test("ids are written for spreadsheets", () => {
  for (const [id, written] of [
    ["=1+1", "'=1+1"], ["+49 (170) 12-34", "+49 (170) 12-34"], ["-7.5", "-7.5"], ["@anna.b", "@anna.b"], ["@SUM(A1)", "'@SUM(A1)"],
    ["+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"], ["-2+3", "'-2+3"], ['a"b,c', 'a""b,c'], ["Zo\u00eb", "Zo\u00eb"], ["@Zo\u00eb", "@Zo\u00eb"], ["\tx", "'\tx"],
  ]) {
    assert.equal(lists.csvLines([[id, 0.75, null]]), `"${written}",0.75,\r\n`);
  }
  assert.equal(lists.csvText(["a", "b"], [[1.5e21, -2.5e-7]]), "\ufeffa,b\r\n1500000000000000000000,-0.00000025\r\n");
});

test("the groups of a contact list have the bytes of the library", () => {
  const random = new Random(5);
  const starts = ["+", "-", "=", "@", "\t", "\r", "", "'", '"', "\ufeff", "\u0664"];
  const rests = ["49 170", "1+1", "SUM(A1)", "anna", "Zo\u00eb", "a,b", 'say "x"', "", "\u0664\u0665", "\u{1d7d8}", "a\u0301", "\n2"];
  const customer_ids = starts.flatMap((start) => rests.map((rest) => start + rest)).filter((id) => id !== "");
  const p = customer_ids.map(() => random.unit() ** 40);
  const values = customer_ids.map(() => 10 ** (17 * random.unit() - 5));
  const config = { budget: 1, contact_cost: 1e-9, incentive_cost: 0, control_share: 0.3, seed: 7 };
  const file = fileURLToPath(new URL("contacts.json", installed));
  writeFileSync(file, JSON.stringify({ customer_ids, p, values, config }));
  const right = JSON.parse(native("contacts", file));
  const list = churn.profit.contactList(customer_ids, p, values, config);
  assert.ok(list.contacts > 20 && list.controls > 5, `${list.contacts} and ${list.controls}`);
  for (const group of ["contact", "control"]) assert.equal(lists.contactsCsv(list, group), right[group]);
  assert.throws(() => lists.contactsCsv(list, "both"), /"both"; expected "contact" or "control"/);
});

test("no bytes stop the module", (t) => {
  const random = new Random(8);
  const all = readdirSync(folder).map(bytesOf);
  let refused = 0;
  for (let i = 0; i < 400; i++) {
    const bytes = all[random.below(all.length)].slice();
    const changes = 1 + random.below(8);
    for (let k = 0; k < changes; k++) bytes[random.below(bytes.length)] = random.below(256);
    const cut = random.unit() < 0.3 ? bytes.subarray(0, random.below(bytes.length)) : bytes;
    try {
      files.detect(cut);
      files.decodedText(cut);
    } catch (error) {
      assert.ok(error instanceof files.ChurnError && error.code !== "internal", `${error.code}: ${error.message}`);
      refused++;
    }
  }
  t.diagnostic(`${refused} of 400 refused`);
  assert.ok(refused > 10);
});
