// What the tests share: the installed package, the native program, the vectors, and how results are compared.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const root = new URL("../../", import.meta.url);
export const path = (relative) => fileURLToPath(new URL(relative, root));
// Where tests/js/run installed what `npm pack` made.
export const installed = new URL("target/js/consumer/", root);
// A module that imports as a user's would: `createRequire` finds what `require` gets.
writeFileSync(new URL("load.mjs", installed), "export const load = (name) => import(name);\n");
export const { load } = await import(new URL("load.mjs", installed));

export const churn = await load("churn-wasm");
export const scoring = await load("churn-wasm/scoring");
export const files = await load("churn-wasm/files");
export const lists = await load("churn-wasm/lists");
export const subscriptions = await load("churn-wasm/subscriptions");

export const vectors = (name) => JSON.parse(readFileSync(path(`tests/vectors/${name}`), "utf8"));

export const native = (...args) =>
  execFileSync(path("target/release/examples/native"), args, { encoding: "utf8", maxBuffer: 1 << 30 });

// A result as plain data: what the native program prints of the same.
export function plain(value) {
  return JSON.parse(JSON.stringify(value, (_, item) => (ArrayBuffer.isView(item) ? Array.from(item) : item)) ?? "null");
}

// The plain result of a call, or what it threw.
export function answer(call) {
  let found;
  try {
    found = call();
  } catch (error) {
    if (error.name !== "ChurnError") throw error;
    return { error: error.code, line: error.line, message: error.message };
  }
  return plain(found);
}

// Where two values differ, bit for bit; undefined where they do not. Minus zero is not zero.
export function difference(a, b, at = "") {
  if (Object.is(a, b)) return undefined;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null || Array.isArray(a) !== Array.isArray(b)) {
    return `${at}: ${JSON.stringify(a)} is not ${JSON.stringify(b)}`;
  }
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  for (const key of keys) {
    const found = difference(a[key], b[key], `${at}/${key}`);
    if (found) return found;
  }
  return undefined;
}

// Equal to 1e-9 relative or 1e-12 absolute; null equals null and nothing else.
export function near(a, b, relative = 1e-9, absolute = 1e-12) {
  if (a === null || b === null) return a === b;
  return Math.abs(a - b) <= Math.max(absolute, relative * Math.max(Math.abs(a), Math.abs(b)));
}

// The same shape, numbers nearly equal, everything else equal.
export function mismatch(found, expected, at = "") {
  if (typeof found === "number" && typeof expected === "number") {
    return near(found, expected) ? undefined : `${at}: ${found} is not ${expected}`;
  }
  if (typeof found !== "object" || typeof expected !== "object" || found === null || expected === null) {
    return Object.is(found, expected) ? undefined : `${at}: ${JSON.stringify(found)} is not ${JSON.stringify(expected)}`;
  }
  for (const key of new Set([...Object.keys(found), ...Object.keys(expected)])) {
    const different = mismatch(found[key], expected[key], `${at}/${key}`);
    if (different) return different;
  }
  return undefined;
}

// xorshift64* (Vigna 2016): the same numbers everywhere.
export class Random {
  constructor(seed) {
    this.state = BigInt.asUintN(64, BigInt(seed) * 0x9e3779b97f4a7c15n) | 1n;
  }
  unit() {
    let x = this.state;
    x ^= x >> 12n;
    x = BigInt.asUintN(64, x ^ (x << 25n));
    x ^= x >> 27n;
    this.state = x;
    return Number(BigInt.asUintN(64, x * 0x2545f4914f6cdd1dn) >> 11n) / 2 ** 53;
  }
  below(n) {
    return Math.floor(this.unit() * n);
  }
}

const iso = (day) => new Date(day * 86_400_000).toISOString().slice(0, 10);

// A made-up log over two years: each customer has a pace of their own, and half of them stop on some day.
export function madeUpLog(seed, customers) {
  const random = new Random(seed);
  const lines = ["customer_id,event_date,amount,event_type"];
  const [first, days] = [19_358, 730];
  for (let customer = 0; customer < customers; customer++) {
    const pace = 4 + 36 * random.unit();
    let at = (random.unit() * days) / 2;
    const stops = random.below(2) === 0 ? days : at + random.unit() * (days - at);
    while (at < days && at <= stops) {
      const type = ["purchase", "purchase", "login", "support", ""][random.below(5)];
      const amount = type === "login" ? "" : `${random.below(10) === 0 ? "-" : ""}${random.below(200)}.${10 + random.below(90)}`;
      lines.push(`c${String(customer).padStart(4, "0")},${iso(first + Math.floor(at))},${amount},${type}`);
      at += pace * (0.2 + 1.6 * random.unit());
    }
  }
  lines.push(`c0000,${iso(first + days)},1.00,purchase`);
  return `${lines.join("\n")}\n`;
}

// Made-up subscriptions over two years, as CSV, and the logins of their customers: the basic plan ends early, a third of the ends are
// failed payments, and a cancellation is known two weeks before the end.
export function market(seed, customers) {
  const random = new Random(seed);
  const [first, days] = [19_358, 730];
  const periods = ["customer_id,start_date,end_date,plan,amount,known_at,end_reason"];
  const usage = ["customer_id,event_date"];
  for (let customer = 0; customer < customers; customer++) {
    const id = `s${String(customer).padStart(5, "0")}`;
    const plan = random.below(2) === 0 ? "basic" : "pro";
    const start = random.below(600);
    const end = start + 1 + Math.floor(-Math.log(1 - random.unit()) * (plan === "basic" ? 150 : 500));
    const reason = random.below(3) === 0 ? "involuntary" : "voluntary";
    const known = Math.max(start, end - (reason === "voluntary" ? 15 : 0));
    const ended = known <= days ? [iso(first + end), plan, plan === "pro" ? 20 : 8, iso(first + known), reason] : ["", plan, plan === "pro" ? 20 : 8, "", ""];
    periods.push([id, iso(first + start), ...ended].join(","));
    const pace = 5 + random.below(20);
    for (let day = start; day < Math.min(end, days); day += pace) usage.push(`${id},${iso(first + day)}`);
  }
  return { periods: `${periods.join("\n")}\n`, usage: `${usage.join("\n")}\n` };
}

// Rows of a log by number alone, as text, a piece at a time: large files without large memory.
export function* largeLog(rows, customers) {
  let lines = ["customer_id,event_date,amount,event_type"];
  const [first, days] = [19_358, 730];
  const dates = Array.from({ length: days + 1 }, (_, day) => iso(first + day));
  let state = 12345;
  const next = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  // A customer has a first and a last day, so that the log has something to tell.
  for (let row = 0; row < rows; row++) {
    const customer = Math.floor(next() * customers);
    const joined = (customer * 37) % 500;
    const left = customer % 3 === 0 ? joined + 30 + ((customer * 91) % 600) : days;
    const day = joined + Math.floor(next() * (Math.min(left, days) - joined + 1));
    const kind = row % 4 === 0 ? "login" : "purchase";
    lines.push(`K${customer},${dates[day]},${kind === "login" ? "" : (next() * 200).toFixed(2)},${kind}`);
    if (lines.length === 50_000) {
      yield `${lines.join("\n")}\n`;
      lines = [];
    }
  }
  lines.push(`K0,${dates[days]},1.00,purchase`);
  yield `${lines.join("\n")}\n`;
}

// The table of rows of the vectors' `x` and `y`.
export const column = (values) => Float64Array.from(values, (value) => value ?? NaN);
