// Subscriptions on the page, driven as a person would: in Chromium, without a network.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { files, found, launch, looksRight, lowContrast, open, saved, serve, shots } from "./chromium.mjs";
import { madeUpLog, market, native, path } from "./setup.mjs";

let server, browser;
before(async () => {
  server = await serve();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  server?.close();
});

const { periods } = market(4, 1500);
const data = `${files}/subscriptions.csv`;
writeFileSync(data, periods);
const config = `${files}/subscriptions config.json`;
writeFileSync(config, JSON.stringify({ horizon_days: 90, model: "random_forest" }));
const log = `${files}/events.csv`;
writeFileSync(log, madeUpLog(7, 500));
const rows = periods.trimEnd().split("\n").slice(1).map((line) => line.split(","));

const choose = async (page, file) => {
  await page.setInputFiles("#file", file);
  await page.waitForFunction((name) => !document.querySelector("#setup").hidden && document.querySelector("#file-name").textContent.startsWith(`${name},`), file.split("/").at(-1));
};
const write = (name, text) => {
  writeFileSync(`${files}/${name}`, text);
  return `${files}/${name}`;
};
const message = async (page) => {
  await page.waitForSelector("#message .alert", { timeout: 60_000 });
  return page.textContent("#message");
};
const fields = (text) => text.trimEnd().split("\r\n").slice(1).map((line) => line.replaceAll('"', "").split(","));

for (const [name, options] of Object.entries({
  "wide, light": { viewport: { width: 1200, height: 900 }, colorScheme: "light" },
  "phone, dark": { viewport: { width: 390, height: 844 }, colorScheme: "dark", hasTouch: true },
})) {
  test(`a file of subscriptions, from the drop to the files (${name})`, async () => {
    const { context, page, quiet } = await open(browser, server.address, options);
    const shot = (what) => page.screenshot({ path: `${shots}/subscriptions ${what} ${name}.png`, fullPage: what !== "customer" });
    await choose(page, data);
    assert.match(await page.textContent("#kind"), /^Subscriptions: each row says from when to when/);
    const columns = await page.$$eval("#columns select[id^=column-]", (all) => Object.fromEntries(all.map((one) => [one.id.slice(7), one.value])));
    assert.deepEqual(columns, {
      customer_id: "customer_id", start_date: "start_date", end_date: "end_date", known_at: "known_at", end_reason: "end_reason", plan: "plan", amount: "amount", subscription_id: "", trial: "",
    });
    assert.deepEqual([await page.$eval("#ends-known", (one) => one.value), await page.$eval("#inclusive-ends", (one) => one.value)], ["at_end", "false"]);
    assert.ok(await page.isHidden("#feature-set"));
    await shot("setup");
    await looksRight(page);
    await page.click("#run");
    await found(page);
    await page.waitForSelector("#results circle.dot");
    await shot("results");
    await looksRight(page);
    assert.deepEqual(await lowContrast(page), []);
    const nameless = await page.$$eval("button, input, select, summary", (all) => all
      .filter((one) => !(one.labels?.length || one.textContent.trim() || one.getAttribute("aria-label"))).map((one) => one.outerHTML));
    assert.deepEqual(nameless, []);

    const right = JSON.parse(native("subscriptions", data, config));
    const text = await page.textContent("#results");
    assert.ok(!/NaN|undefined|\[object/.test(text), text.match(/.{30}(NaN|undefined|\[object).{30}/)?.[0]);
    assert.match(text, new RegExp(`Of ${right.base.active} active customers, about \\d+ are expected to leave within 90 days`));
    for (const part of ["Who is slipping away", "A year at risk", "Customers by status", "Already cancelled, still there", "came and went in the last 12 months", "How long customers stay", "After 6 months", "Risk bands", "later periods and ends were taken away", "subscription ends within 90 days"]) {
      assert.ok(text.includes(part), part);
    }
    const heads = await page.$$eval("#list thead th", (all) => all.map((one) => one.textContent.replace(/ [▾▴]/, "")));
    assert.deepEqual(heads, ["Customer", "Band", "Risk", "Cause", "A month", "At risk", "Why"]);
    assert.match(await page.textContent("#list tbody .cause"), /^(cancellation|failed payment)[\d.]+ %$/);
    const status = await page.$$eval("#status tbody tr", (all) => all.map((row) => row.children[1].textContent.replaceAll(",", "")));
    assert.deepEqual(status.map(Number), [right.base.active, right.base.already_cancelled, right.base.not_active]);
    const months = await page.$$eval("#movements tbody tr", (all) => all.map((row) => [...row.children].map((cell) => cell.textContent)));
    assert.equal(months.length, 12);
    const last = right.movements.at(-1);
    assert.deepEqual(months.at(-1).slice(0, 6), [`${last.month.slice(0, 7)} *`, ...["start", "new", "reactivation", "churn", "end"].map((key) => String(last.customers[key]))]);

    // One customer: the causes, the periods, and what if.
    await page.click("#list tbody tr:first-child .who");
    await page.waitForSelector("#customer[open]");
    const dialog = await page.textContent("#customer");
    for (const part of ["Most likely by", "Latest of 1 period", "runs", "If this feature"]) assert.ok(dialog.includes(part), part);
    assert.ok(!/NaN|undefined|\[object|came back/.test(dialog), dialog);
    await page.selectOption("#feature", "spell_days");
    await page.fill("#to", "3");
    await page.click("#customer form button");
    await page.waitForSelector("#customer .answer .band");
    await shot("customer");
    // A category has its levels to choose from.
    await page.selectOption("#feature", "plan");
    assert.deepEqual(await page.$$eval("#to option", (all) => all.map((one) => one.value)), ["basic", "pro"]);
    const [before] = (await page.textContent("#customer .answer")).match(/[\d.]+/);
    await page.selectOption("#to", (await page.$eval("#to", (one) => one.value)) === "pro" ? "basic" : "pro");
    await page.click("#customer form button");
    await page.waitForFunction((old) => !document.querySelector("#customer .answer").textContent.includes(`${old} %`), before);
    await page.keyboard.press("Escape");

    // The files: the bytes of native, and the numbers in full.
    assert.ok((await saved(page, "Model (JSON)")) === right.document, "other bytes than native");
    assert.equal(await saved(page, "Those who have cancelled (CSV)"), right.cancelled_csv);
    const customers = await saved(page, "Customers (CSV)");
    assert.match(customers, /^\ufeffcustomer_id,churn_probability,risk_segment,voluntary_probability,involuntary_probability,amount,expected_value,reasons\r\n/);
    const listed = new Map(fields(customers).map((row) => [row[0], row]));
    assert.equal(listed.size, right.base.active);
    right.predictions.forEach(({ customer_id, churn_probability }, row) => {
      const [, p, , voluntary, involuntary, amount] = listed.get(customer_id).map(Number);
      assert.deepEqual([p, voluntary, involuntary], [churn_probability, right.causes.voluntary[row], right.causes.involuntary[row]], customer_id);
      assert.equal(amount, Number(rows.find(([id]) => id === customer_id)[4]));
    });
    const report = await saved(page, "Report (HTML)");
    for (const part of ["<!doctype html>", "already cancelled", "subscriptions.csv"]) assert.ok(report.includes(part), part);
    const contacts = fields(await saved(page, "Save the contact list"));
    const gone = new Set(right.cancelled.map(({ customer_id }) => customer_id));
    assert.ok(contacts.length > 0 && contacts.every(([id]) => !gone.has(id)));
    quiet();
    await context.close();
  });
}

test("an export of Stripe is recognised and read", async () => {
  const [header] = readFileSync(path("tests/subscriptions/exports/stripe_subscriptions.csv"), "utf8").split("\n");
  const names = header.trim().split(",");
  const lines = rows.map(([id, start, end, plan, amount, known, reason], i) => {
    const at = (day) => (day ? `${day} 10:42` : "");
    const values = {
      id: `sub_${i}`, "Customer ID": `cus_${id}`, Plan: `price_${plan}`, Quantity: "1", Currency: "usd", Interval: "month", "Interval Count": "1", Amount: `${amount}.00`,
      Status: end && end <= "2024-12-31" ? "canceled" : "active", "Created (UTC)": at(start), "Start (UTC)": at(start), "Start Date (UTC)": at(start),
      "Cancel At Period End": String(Boolean(end && end > "2024-12-31")), "Canceled At (UTC)": at(known), "Ended At (UTC)": end && end <= "2024-12-31" ? at(end) : "",
      "Cancellation Reason": reason === "involuntary" ? "payment_failed" : reason === "voluntary" ? "cancellation_requested" : "",
      "Current Period End (UTC)": end ? at(end) : at("2025-01-20"),
    };
    return names.map((name) => values[name] ?? "").join(",");
  });
  const { context, page, quiet } = await open(browser, server.address);
  await choose(page, write("stripe.csv", `${header.trim()}\n${lines.join("\n")}\n`));
  assert.match(await page.textContent("#kind"), /^An export of Stripe \(subscriptions\): its columns are known/);
  assert.equal(await page.$("#column-customer_id"), null);
  await page.screenshot({ path: `${shots}/subscriptions stripe wide, light.png`, fullPage: true });
  await page.click("#run");
  await found(page);
  assert.ok((await page.textContent("#list tbody .who")).startsWith("cus_s"));
  assert.match(await page.textContent("#results"), /Of \d+ active customers/);
  // As events it is another file, and the way back is there.
  await page.setInputFiles("#file", data);
  await page.waitForFunction(() => document.querySelector("#file-name").textContent.startsWith("subscriptions.csv"));
  await page.click("#other-kind");
  await page.waitForSelector("#column-event_date");
  await page.click("#other-kind");
  await page.waitForSelector("#column-start_date");
  assert.equal(await page.$eval("#column-end_date", (one) => one.value), "end_date");

  // The export of each known system is recognised.
  for (const [name, words] of Object.entries({ stripe_invoices: "Stripe (invoices)", recurly: "Recurly (subscriptions)", recurly_history: "Recurly (subscriptions history)", chargebee: "Chargebee", chartmogul: "ChartMogul" })) {
    await choose(page, path(`tests/subscriptions/exports/${name}.csv`));
    assert.ok((await page.textContent("#kind")).includes(words), name);
  }
  quiet();
  await context.close();
});

test("other names, semicolons, days first, causes in own words: the visitor says that these are subscriptions", async () => {
  const flipped = (day) => day.split("-").reverse().join(".");
  const causes = { voluntary: "Kündigung", involuntary: "Zahlung", "": "" };
  const lines = rows.map(([id, start, end, plan, amount, known, reason]) => [id, flipped(start), flipped(end), plan, `${amount},00`, flipped(known), causes[reason]].join(";"));
  const { context, page, quiet } = await open(browser, server.address);
  await choose(page, write("vertrag.csv", `Kunde;Von;Bis;Tarif;Preis;Gekündigt;Grund\n${lines.join("\n")}\n`));
  assert.match(await page.textContent("#other-kind"), /These are subscriptions/);
  await page.click("#other-kind");
  await page.waitForSelector("#column-start_date");
  // A choice is not lost beside a later one.
  const chosen = { customer_id: "Kunde", start_date: "Von", end_date: "Bis", plan: "Tarif", amount: "Preis", known_at: "Gekündigt", end_reason: "Grund" };
  for (const [role, name] of Object.entries(chosen)) await page.selectOption(`#column-${role}`, name);
  await page.waitForFunction((all) => !document.querySelector("#run").disabled && Object.entries(all).every(([role, name]) => document.querySelector(`#column-${role}`).value === name), chosen);
  assert.equal(await page.$eval("#date-format", (one) => one.value), "%d.%m.%Y");
  await page.click("#run");
  assert.match(await message(page), /Some rows cannot be read.*end_reason is .Kündigung|Zahlung/s);
  await page.click('button:text("Go on without the reasons")');
  await found(page);
  assert.match(await page.textContent("#results"), /Of \d+ active customers/);
  // The amounts were read with their comma.
  const right = JSON.parse(native("subscriptions", data, config));
  assert.ok((await page.textContent("#status")).includes(right.base.active_amount.toLocaleString("en-GB")));
  quiet();
  await context.close();
});

test("a file that knows the future is stopped, with the setting that mends it", async () => {
  const day = (number) => new Date(Date.UTC(2022, 0, 1) + number * 86_400_000).toISOString().slice(0, 10);
  const terms = Array.from({ length: 400 }, (_, c) => Array.from({ length: c % 3 === 0 ? 2 + (c % 7) : 12 }, (_, term) => `c${c},${day((c % 90) + 90 * term)},${day((c % 90) + 90 * (term + 1))},${c % 3 === 0 ? 8 : 20}`)).flat();
  const { context, page, quiet } = await open(browser, server.address);
  await choose(page, write("terms.csv", `customer_id,start_date,end_date,amount\n${terms.join("\n")}\n`));
  await page.click("#run");
  await page.waitForSelector('#message .finding.is-error[data-code="ends_known_in_advance"]', { timeout: 60_000 });
  await page.click('#message [data-apply="ends_known"]');
  await found(page);
  assert.equal(await page.$("#message .finding"), null);
  quiet();
  await context.close();
});

test("too little to learn from: a message for the owner of the file", async () => {
  const { context, page, quiet } = await open(browser, server.address);
  const few = periods.split("\n").slice(0, 6).join("\n");
  const short = rows.slice(0, 200).map(([id], i) => `${id},2024-12-${String(1 + (i % 20)).padStart(2, "0")},${i % 9 === 0 ? "2024-12-28" : ""}`);
  const cases = {
    "few.csv": [few, /too few customers|Nearly everybody|too short a time/],
    "short.csv": [`customer_id,start_date,end_date\n${short.join("\n")}\n`, /too short a time|too few/],
    "over.csv": [`customer_id,start_date,end_date\n${Array.from({ length: 60 }, (_, i) => `c${i},2023-01-01,2024-0${1 + (i % 9)}-01`).join("\n")}\n`, /odd about this data|Nobody is active|too few/],
    "backwards.csv": ["customer_id,start_date,end_date\na,2024-02-01,2024-01-01\nb,2024-01-01,\n", /Some rows cannot be read/],
    "none.csv": ["customer_id,start_date,end_date\n", /Not one row/],
  };
  for (const [name, [text, expected]] of Object.entries(cases)) {
    await choose(page, write(`subscriptions ${name}`, text));
    await page.click("#run");
    const said = await message(page);
    assert.match(said, expected, name);
    assert.ok(!/repeat|came back|order/.test(said), said);
  }
  quiet();
  await context.close();
});

test("a model of subscriptions reads the next file as such, and does not take events; nor the other way round", async () => {
  const right = JSON.parse(native("subscriptions", data, config));
  const ofPeriods = write("periods model.json", right.document);
  writeFileSync(`${files}/events config.json`, JSON.stringify({ horizon_days: 90, model: "logistic_regression", feature_set: "rfm" }));
  const ofEvents = write("events model.json", native("train", log, `${files}/events config.json`));
  const { context, page, quiet } = await open(browser, server.address);

  // The names of the columns alone would not tell that it is one.
  const renamed = write("renamed.csv", periods.replace("customer_id,start_date,end_date", "customer,begin,end"));
  await page.setInputFiles("#model-file", ofPeriods);
  await page.waitForSelector("#model-note:not([hidden])");
  assert.match(await page.textContent("#model-note"), /subscription ends within 90 days.*the file with the subscriptions/s);
  await page.click("#sample");
  assert.match(await message(page), /The model does not fit this file.*made from subscriptions/s);
  await choose(page, renamed);
  assert.match(await page.textContent("#kind"), /^Subscriptions/);
  assert.equal(await page.$eval("#column-start_date", (one) => one.value), "begin");
  assert.equal(await page.textContent("#run"), "Use the model");
  await page.click("#run");
  await found(page);
  const listed = new Map(fields(await saved(page, "Customers (CSV)")).map(([id, p]) => [id, Number(p)]));
  for (const { customer_id, churn_probability } of right.predictions) assert.equal(listed.get(customer_id), churn_probability);
  assert.ok((await saved(page, "Model (JSON)")) === right.document, "the document came back changed");

  // Ends that were known on another day.
  await choose(page, data);
  await page.selectOption("#ends-known", "at_start");
  await page.waitForFunction(() => !document.querySelector("#run").disabled);
  await page.click("#run");
  assert.match(await message(page), /odd about this data|ends that were known on another day/);

  // Read as events it does not fit, and learning anew helps.
  await choose(page, log);
  await page.click("#other-kind");
  await page.waitForSelector("#column-event_date");
  await page.click("#run");
  assert.match(await message(page), /The model does not fit this file/);

  await page.setInputFiles("#model-file", ofEvents);
  await page.waitForFunction(() => document.querySelector("#model-note").textContent.includes("the file with the customers"));
  await choose(page, data);
  assert.match(await message(page), /made from events such as orders, and this is a file of subscriptions/);
  await page.click("#unfit button");
  assert.equal(await page.textContent("#run"), "Find out who is leaving");
  await page.click("#run");
  await found(page);
  quiet();
  await context.close();
});
