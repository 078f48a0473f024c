// How far to believe a model, on the page: the results at several days, one day, held-out customers, and an older document.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { files, found, launch, looksRight, open, serve, shots } from "./chromium.mjs";
import { madeUpLog, native } from "./setup.mjs";

let server, browser;
before(async () => {
  server = await serve();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  server?.close();
});

const log = `${files}/over time.csv`;
writeFileSync(log, madeUpLog(7, 500));
writeFileSync(`${files}/over time config.json`, JSON.stringify({ horizon_days: 90, model: "random_forest", feature_set: "rfm" }));

const estimate = (mean, half) => ({ mean, standard_error: half / 2, low: mean - half, high: mean + half });
const scores = { roc_auc: 0.84, log_loss: 0.5, brier: 0.16 };
const row = (cutoff) => ({
  cutoff, customers: 1000, churned: 300, base_rate: 0.3, expected: 290.4, learned_from: ["2023-01-01"], train_rows: 500,
  roc_auc: 0.85, log_loss: 0.4567, brier: 0.1234, lift_10: 3.21, recency_auc: 0.76, against: { logistic_regression: scores },
});
const results = (...days) => ({
  cutoffs: days.map(row), roc_auc: estimate(0.85, 0.02), earlier_roc_auc: null, log_loss: estimate(0.4567, 0.01), brier: estimate(0.1234, 0.004),
  lift_10: estimate(3.21, 0.3), base_rate: estimate(0.3, 0.025), predicted_minus_observed: estimate(-0.0096, 0.02), recency_auc: estimate(0.76, 0.03),
  against: [
    { name: "recency", mean_roc_auc: 0.76, roc_auc: estimate(0.09, 0.01), log_loss: null, brier: null, cutoffs_won: days.length },
    { name: "logistic_regression", mean_roc_auc: 0.86, roc_auc: estimate(-0.01, 0.002), log_loss: estimate(0.02, 0.005), brier: estimate(0.003, 0.001), cutoffs_won: 0 },
  ],
  reliability: [], segments: [],
});

/** The page with the results of a model whose document is changed first. */
async function withModel(change, options) {
  const document = JSON.parse(native("train", log, `${files}/over time config.json`));
  change(document.evaluation);
  writeFileSync(`${files}/changed.json`, JSON.stringify(document));
  const opened = await open(browser, server.address, options);
  const { page } = opened;
  await page.setInputFiles("#model-file", `${files}/changed.json`);
  await page.waitForSelector("#model-note:not([hidden])");
  await page.setInputFiles("#file", log);
  await page.waitForSelector("#setup:not([hidden])");
  const note = await page.textContent("#model-note");
  await page.click("#run");
  await found(page);
  const section = page.locator("#results section.card", { has: page.locator('h2:text-is("How far to believe it")') });
  return { ...opened, note, section, text: await section.textContent(), evaluation: document.evaluation };
}

for (const [name, options] of Object.entries({
  "wide, light": { viewport: { width: 1200, height: 900 }, colorScheme: "light" },
  "phone, dark": { viewport: { width: 390, height: 844 }, colorScheme: "dark", hasTouch: true },
})) {
  test(`two days have charts, a table and intervals (${name})`, async () => {
    const { context, page, quiet, section, text, note } = await withModel((evaluation) => (evaluation.over_time = results("2024-03-01", "2024-05-30")), options);
    for (const part of [
      "AUC 0.85 (95 % interval 0.83 to 0.87), mean of 2 days; sorting by the last event alone reaches 0.76.",
      "the right one 85 times in 100",
      "better than recency alone on 2 of 2 days; the mean difference is +0.090 (95 % interval +0.080 to +0.100)",
      // 2 × 290.4 and 2 × 300
      "the risks add up to 581 customers, and 600 left", "-1.0 points (95 % interval -3.0 to +1.0): no more than chance explains",
    ]) assert.ok(text.includes(part), `${part} in ${text}`);
    assert.match(note, /AUC 0\.85 \(95 % interval 0\.83 to 0\.87\)/);
    assert.match(await page.textContent(".tiles"), /AUC, 95 % interval 0\.83 to 0\.87, mean of 2 days; sorting by the last event alone reaches 0\.76/);
    const names = await section.locator("svg.chart").evaluateAll((charts) => charts.map((chart) => chart.getAttribute("aria-label")));
    assert.equal(names.length, 5);
    assert.equal(names[0], "AUC at 2 days: the model between 0.85 and 0.85, recency alone between 0.76 and 0.76.");
    assert.equal(names[1], "Customers expected to leave, and those who left: 2024-03-01 290 and 300, 2024-05-30 290 and 300.");
    const cells = (caption) => section.locator(`table:has(caption:text-is("${caption}")) tbody tr`).evaluateAll((rows) => rows.map((one) => [...one.children].map((cell) => cell.textContent)));
    assert.deepEqual(await cells("Measures with their 95 % intervals"), [
      ["AUC, more is better", "0.8500.830 to 0.870", "+0.090+0.080 to +0.100", "-0.010-0.012 to -0.008"],
      ["Log-loss, less is better", "0.45670.4467 to 0.4667", "–", "+0.0200+0.0150 to +0.0250"],
      ["Brier, less is better", "0.12340.1194 to 0.1274", "–", "+0.0030+0.0020 to +0.0040"],
      ["Lift in the top tenth", "3.212.91 to 3.51", "–", "–"],
      ["Share that left", "30.0 %27.5 % to 32.5 %", "–", "–"],
      ["Predicted minus observed share, in points", "-1.0-3.0 to +1.0", "–", "–"],
    ]);
    assert.deepEqual((await cells("The results day by day"))[1], ["2024-05-30", "1,000", "290.4", "300", "0.850", "0.760", "0.4567", "0.1234", "3.21"]);
    await looksRight(page);
    await section.screenshot({ path: `${shots}/over time ${name}.png` });
    quiet();
    await context.close();
  });
}

for (const [what, change, words] of [
  ["one day", (evaluation) => (evaluation.over_time = results("2024-05-30")), "Only one day was judged"],
  ["held-out customers", (evaluation) => (evaluation.over_time = results()), "Customers were held out, not days."],
]) {
  test(`${what}: a sentence in place of the charts over time`, async () => {
    const { context, quiet, section, text } = await withModel(change);
    assert.ok(text.includes(words) && text.includes("AUC 0.85 (95 % interval 0.83 to 0.87), judged"), text);
    assert.ok(text.includes("0.4467 to 0.4667"), text);
    assert.equal(await section.locator("svg.chart").count(), 3);
    quiet();
    await context.close();
  });
}

test("an older document has no intervals, and all else", async () => {
  const { context, page, quiet, section, text, note, evaluation } = await withModel((evaluation) => delete evaluation.over_time);
  assert.ok(!/interval|NaN|undefined|\[object/.test(text + note), text);
  assert.equal(await section.locator("svg.chart").count(), 3);
  const [auc, recency] = [evaluation.metrics.roc_auc, evaluation.recency_auc].map((value) => value.toFixed(2));
  assert.ok((await page.textContent(".tiles")).includes(`${auc}AUC; recency alone ${recency}, a coin 0.50`));
  quiet();
  await context.close();
});

test("the results of a training are those of its document", async () => {
  const { context, quiet, section, text, evaluation } = await withModel(() => {});
  const { roc_auc: auc, cutoffs } = evaluation.over_time;
  const [mean, low, high] = [auc.mean, auc.low, Math.min(1, auc.high)].map((value) => value.toFixed(2));
  assert.ok(cutoffs.length > 1, `${cutoffs.length} days`);
  assert.ok(text.includes(`AUC ${mean} (95 % interval ${low} to ${high}), mean of ${cutoffs.length} days;`), text);
  assert.equal(await section.locator("svg.chart circle.dot title").filter({ hasText: /^\d{4}-/ }).count(), cutoffs.length);
  quiet();
  await context.close();
});
