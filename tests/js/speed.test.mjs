// From a million rows of CSV to features, against the native library on one thread.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { churn, largeLog, path } from "./setup.mjs";

const folder = path("target/js/files");
mkdirSync(folder, { recursive: true });
const log = `${folder}/million.csv`;
writeFileSync(log, [...largeLog(1_000_000, 100_000)].join(""));

// Times the native time that are aimed at. Reported, not asserted: a busy machine would fail it.
const AIM = 3;

test("a million rows to features", (t) => {
  const native = JSON.parse(execFileSync(path("target/release/examples/native"), ["time", log], { encoding: "utf8", env: { ...process.env, RAYON_NUM_THREADS: "1" } }));
  const bytes = readFileSync(log);
  for (const feature_set of ["rfm", "behavioral"]) {
    let best = Infinity;
    for (let i = 0; i < 3; i++) {
      const started = performance.now();
      const events = churn.readCsv(bytes);
      const table = churn.features(events, { feature_set });
      best = Math.min(best, (performance.now() - started) / 1000);
      assert.equal(events.length, 1_000_001);
      table.free();
      events.free();
    }
    const factor = best / native[feature_set];
    t.diagnostic(`${feature_set}: ${best.toFixed(3)} s, native ${native[feature_set].toFixed(3)} s, ${factor.toFixed(2)} times (aim ${AIM})`);
  }
});
