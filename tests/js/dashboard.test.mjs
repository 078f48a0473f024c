// The dashboard as a person uses it: in Chromium, against a server of its own. `CHURN_SERVER` is the program, by default
// target/debug/churn-server; screenshots go to target/js/screenshots/dashboard.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { launch } from "./browser.mjs";

const path = (relative) => fileURLToPath(new URL(`../../${relative}`, import.meta.url));
const program = process.env.CHURN_SERVER ?? path("target/debug/churn-server");
const shots = path("target/js/screenshots/dashboard");
mkdirSync(shots, { recursive: true });

const SIZES = {
  "wide, light": { viewport: { width: 1200, height: 900 }, colorScheme: "light" },
  "wide, dark": { viewport: { width: 1200, height: 900 }, colorScheme: "dark" },
  "phone, light": { viewport: { width: 390, height: 844 }, colorScheme: "light", hasTouch: true },
  "phone, dark": { viewport: { width: 390, height: 844 }, colorScheme: "dark", hasTouch: true },
};
const SECRET = "a secret of the tests that is long enough";

const work = mkdtempSync(`${tmpdir()}/churn-dashboard-`);
const sample = execFileSync(path("examples/client/walkthrough.sh"), ["sample"], { encoding: "utf8", maxBuffer: 1 << 26 });
const transactions = `${work}/transactions.csv`;
writeFileSync(transactions, sample);
// Ids that would be markup, formulas or trouble if anybody took them for more than text.
const evil = ['<img src=x onerror="document.title=1">', "</script><script>document.title=1</script>", "{{7*7}}${7*7}", "=cmd|'/C calc'!A0", "x".repeat(500), "\u202Egnirts", "Zoë O'Brien"];
const hostile = `${work}/<b onmouseover=alert(1)>.csv`;
writeFileSync(hostile, sample.replace(/^C(\d{4})/gm, (whole, number) => (Number(number) < 2 * evil.length ? `"${evil[Number(number) >> 1].replaceAll('"', '""')}"` : whole)));

const exported = (name) => path(`tests/files/exports/${name}`);

const servers = [];
/** A server of its own on a free port, and where it is. */
async function serve(name, variables = {}) {
  const child = spawn(program, [], { cwd: work, env: { PATH: process.env.PATH, PORT: "0", DATA_DIR: `${work}/${name}`, ...variables }, stdio: ["ignore", "pipe", "pipe"] });
  servers.push(child);
  let log = "";
  child.stderr.on("data", (piece) => (log += piece));
  const address = await new Promise((resolve, reject) => {
    let text = "";
    child.stdout.on("data", (piece) => {
      text += piece;
      const found = text.match(/http:\/\/[\d.]+:\d+/);
      if (found) resolve(`${found[0]}/`);
    });
    child.on("exit", (code) => reject(new Error(`the server ended with ${code}: ${log}`)));
    child.on("error", reject);
  });
  return { address, child };
}
const token = (organization, role) => execFileSync(program, ["token", organization, "--role", role], { cwd: work, env: { PATH: process.env.PATH, SECRET_KEY: SECRET }, encoding: "utf8" }).trim();

let browser, server;
before(async () => {
  server = await serve("open", { JOB_WORKERS: "2" });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await Promise.all(servers.map((child) => new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.on("exit", resolve);
    child.kill("SIGTERM");
  })));
  rmSync(work, { recursive: true, force: true });
});

/** A page that fails the test on any error of its own and on any request to somebody else. */
async function open(hash, options = {}, address = server.address) {
  const context = await browser.newContext({ viewport: { width: 1200, height: 900 }, locale: "en-GB", acceptDownloads: true, ...options });
  const page = await context.newPage();
  const problems = [];
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("console", (message) => message.type() === "error" && problems.push(`${message.text()} ${message.location().url}`));
  context.on("request", (request) => request.url().startsWith(address) || /^(blob|data):/.test(request.url()) || problems.push(`asked ${request.url()}`));
  page.on("dialog", (dialog) => problems.push(`a dialog: ${dialog.message()}`));
  await page.goto(`${address}#${hash}`);
  await ready(page);
  const quiet = (allowed = /^$/) => assert.deepEqual(problems.filter((problem) => !allowed.test(problem)), []);
  return { context, page, quiet };
}
async function ready(page) {
  await page.waitForSelector("html[data-ready]", { timeout: 20_000 });
  await page.waitForFunction(() => !document.querySelector(".part[aria-busy]"), undefined, { timeout: 20_000 });
}
const shot = async (page, what) => {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  await page.screenshot({ path: `${shots}/${what}.png`, fullPage: true });
  assert.ok(wide <= 0, `${what}: ${wide} px wider than the window`);
};
const sound = async (page, selector = "main") => {
  const text = await page.textContent(selector);
  assert.ok(!/NaN|undefined|\[object|null/.test(text), text.match(/.{0,40}(NaN|undefined|\[object|null).{0,40}/)?.[0]);
};
const part = async (page, name) => {
  await page.click(`nav a[data-part=${name}]`);
  await page.waitForSelector(`nav a[data-part=${name}][aria-current]`);
  await ready(page);
};
/** Uploads a file on the page of data and takes it all the way to scored customers. */
async function allTheWay(page, file) {
  await page.setInputFiles("#file", file);
  await page.waitForSelector('#datasets tr:has-text("uploaded")', { timeout: 20_000 });
  await page.click('.steps button:text("Make features")');
  await page.waitForSelector('#datasets tr:has-text("features ready")', { timeout: 60_000 });
  await part(page, "models");
  await page.click('#train button:text("Train")');
  await page.waitForSelector('#models tr:has-text("active")', { timeout: 60_000 });
  await part(page, "data");
  await page.click('.steps button:text("Score")');
  await page.waitForSelector('.steps button:text("See them")', { timeout: 60_000 });
}

test("from nothing to the customers at risk", async () => {
  const { context, page, quiet } = await open("");
  await shot(page, "no organization wide, light");
  await page.click('button:text("Make the first one")');
  await page.fill("#new-id", "acme");
  await page.fill("#new-name", "Acme Inc");
  await page.keyboard.press("Enter");
  await page.waitForSelector("nav a[data-part=data][aria-current]");
  await ready(page);
  await shot(page, "no data wide, light");
  await sound(page);
  await allTheWay(page, transactions);
  await sound(page);
  await page.click('.steps button:text("See them")');
  await page.waitForSelector("#list tbody tr");
  await sound(page);

  // The list shows what the API says, in every order and for every band.
  const asked = (query) => page.evaluate((query) => fetch(`api/v1/churn/v2/organizations/acme/prediction-customers?limit=20&${query}`).then((answer) => answer.json()), query);
  const names = () => page.$$eval("#list .who", (who) => who.map((one) => one.textContent));
  const settled = async (act) => {
    const answered = page.waitForResponse((response) => response.url().includes("prediction-customers"));
    await act();
    await (await answered).finished();
    await page.waitForTimeout(50);
  };
  const ids = ({ customers }) => customers.map((one) => one.customer_id);
  // A reason that most of a page share is said above the list, and at none of its customers.
  const shared = new Set();
  const saysOnce = async ({ shared_reason: reason, customers }) => {
    const said = await page.$$eval(".shared .reasons li", (items) => items.map((item) => item.textContent.slice(1)));
    assert.deepEqual(said, reason ? [reason.text] : []);
    const others = ({ reasons }) => reasons.filter((other) => !reason || other.feature !== reason.feature || other.raises_risk !== reason.raises_risk);
    const expected = customers.flatMap((one) => others(one).slice(0, 2).map(({ text }) => text));
    assert.deepEqual(await page.$$eval("#list .reasons li:has(b)", (items) => items.map((item) => item.textContent.slice(1))), expected);
    shared.add(reason !== null);
  };
  assert.deepEqual(await names(), ids(await asked("sort=churn_probability&order=desc")));
  await saysOnce(await asked("sort=churn_probability&order=desc"));
  await settled(() => page.click('.sort[data-key="expected_profit"]'));
  assert.deepEqual(await names(), ids(await asked("sort=expected_profit&order=desc")));
  assert.equal(await page.getAttribute('th:has(.sort[data-key="expected_profit"])', "aria-sort"), "descending");
  await settled(() => page.click('.sort[data-key="customer_id"]'));
  const inOrder = await names();
  assert.deepEqual(inOrder, [...inOrder].sort());
  await settled(() => page.click('button:text("Later")'));
  assert.deepEqual(await names(), ids(await asked("sort=customer_id&order=asc&offset=20")));
  await saysOnce(await asked("sort=customer_id&order=asc&offset=20"));
  assert.deepEqual(shared, new Set([true, false]));
  await settled(() => page.selectOption("#band", "Low"));
  const risks = await page.$$eval("#list tbody tr", (rows) => rows.map((row) => [row.querySelector(".band").textContent, parseFloat(row.querySelector('[data-name="Risk"]').textContent)]));
  assert.ok(risks.length > 0 && risks.every(([band, risk]) => band === "Low" && risk <= 30), String(risks));
  await settled(() => page.selectOption("#band", ""));
  await settled(() => page.fill("#search", "C0017"));
  assert.deepEqual(await names(), ids(await asked("search=C0017&sort=customer_id&order=asc")));
  await settled(() => page.fill("#search", "nobody"));
  assert.equal(await page.textContent(".pager [role=status]"), "No such customer");
  await settled(() => page.fill("#search", ""));

  // One customer by keyboard, and back.
  await page.focus("#list .who");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#dialog[open]");
  await page.screenshot({ path: `${shots}/customer wide, light.png` });
  await sound(page, "#dialog");
  await page.keyboard.press("Escape");
  assert.equal(await page.evaluate(() => document.activeElement.className), "who");

  const [saved] = await Promise.all([page.waitForEvent("download"), page.click('button:text("All customers (CSV)")')]);
  assert.match(readFileSync(await saved.path(), "utf8"), /^customer_id,churn_probability,risk_segment/);
  quiet();
  await context.close();
});

test("who is slipping away comes first", async () => {
  const { context, page, quiet } = await open("acme/customers");
  await page.waitForSelector("#list tbody tr");
  const asked = await page.evaluate(() => fetch("api/v1/churn/v2/organizations/acme/slipping-away").then((answer) => answer.json()));
  const names = () => page.$$eval("#slipping th[scope=row]", (all) => all.map((one) => one.textContent));
  assert.deepEqual(await names(), asked.customers.slice(0, 10).map((one) => one.customer_id));
  assert.ok(asked.total > 10);
  const first = await page.textContent("#slipping tbody tr");
  for (const change of asked.customers[0].changes) assert.ok(first.includes(change), first);
  await page.click(`button:text("Show all ${asked.total}")`);
  assert.deepEqual(await names(), asked.customers.map((one) => one.customer_id));
  const order = await page.evaluate(() => document.querySelector("#slipping").compareDocumentPosition(document.querySelector("#list")));
  assert.equal(order & 4, 4, "the list follows");
  quiet();
  await context.close();
});

test("findings stop the work, and are mended or allowed", async () => {
  const far = `${work}/far.csv`;
  writeFileSync(far, `${sample}C0007,2099-01-01,10.00,purchase\n`);
  const { context, page, quiet } = await open("acme/data");
  await page.click("#new-organization");
  await page.fill("#new-id", "odd");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => location.hash === "#odd/data");
  await ready(page);
  await page.setInputFiles("#file", far);
  await page.waitForSelector('#datasets tr:has-text("uploaded")', { timeout: 20_000 });
  await page.click('.steps button:text("Make features")');
  await page.waitForSelector('#datasets .finding.is-error[data-code="isolated_last_day"]', { timeout: 60_000 });
  assert.match(await page.textContent("#datasets .finding"), /2099-01-01.*C0007.*last_day = 2025-12-28/s);
  for (const [name, options] of Object.entries(SIZES)) {
    await page.setViewportSize(options.viewport);
    await page.emulateMedia({ colorScheme: options.colorScheme });
    await shot(page, `finding ${name}`);
  }
  await page.setViewportSize({ width: 1200, height: 900 });
  // In spite of it, and the training stops for itself.
  await page.click('#datasets [data-allow="isolated_last_day"]');
  await page.waitForSelector('#datasets tr:has-text("features ready")', { timeout: 60_000 });
  await page.click('#datasets button:has-text("finding")');
  await page.waitForSelector('#dialog[open] .finding[data-code="isolated_last_day"]');
  await page.keyboard.press("Escape");
  await part(page, "models");
  await page.click('#train button:text("Train")');
  await page.waitForSelector('#models .finding[data-code="isolated_last_day"]', { timeout: 60_000 });
  await page.click('#models [data-allow="isolated_last_day"]');
  assert.equal(await page.textContent("#train .allowing"), "It goes on in spite of isolated_last_day.");
  await shot(page, "training stopped wide, light");
  // As it suggests, for this data set alone.
  await part(page, "data");
  const path = "api/v1/churn/v2/organizations/odd/datasets";
  const { datasets } = await page.evaluate((path) => fetch(path).then((answer) => answer.json()), path);
  await page.evaluate(([path, body]) => fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body }), [`${path}/${datasets[0].dataset_id}/process-features`, JSON.stringify(datasets[0].findings[0].suggestion)]);
  await page.waitForFunction(() => document.querySelector("#datasets")?.textContent.includes("2025-12-28"), undefined, { timeout: 60_000 });
  await part(page, "models");
  await page.click('#train button:text("Train")');
  await page.waitForSelector('#models tr:has-text("active")', { timeout: 60_000 });
  await part(page, "data");
  await page.click('.steps button:text("Score")');
  await page.waitForSelector('.steps button:text("See them")', { timeout: 60_000 });
  // The file alone still has the row: its scoring is stopped.
  await part(page, "customers");
  await page.click('button:text("Score customers")');
  await page.setInputFiles("#scored-file", far);
  await page.click('#dialog button:text("Score")');
  await page.waitForSelector('#stopped .finding[data-code="isolated_last_day"]', { timeout: 60_000 });
  await shot(page, "scoring stopped wide, light");
  await sound(page);
  quiet();
  await context.close();
});

test("versions: a challenger, the comparison, activation, and back", async () => {
  const { context, page, quiet } = await open("acme/models");
  await page.waitForSelector("svg.chart");
  // The evidence is that of the API; an answer of an older model has none.
  const card = () => page.textContent('section.card:has(h2:text-is("How far to believe it"))');
  const path = "api/v1/churn/v2/organizations/acme/models";
  const { over_time: judged } = await page.evaluate((path) => fetch(path).then((answer) => answer.json())
    .then(({ models }) => fetch(`${path}/${models[0].model_id}`)).then((answer) => answer.json()).then((model) => model.evaluation), path);
  const [mean, low, high] = [judged.roc_auc.mean, judged.roc_auc.low, Math.min(1, judged.roc_auc.high)].map((value) => value.toFixed(2));
  assert.ok((await card()).includes(`AUC ${mean} (95 % interval ${low} to ${high})`), await card());
  assert.equal((await page.$$("svg.chart")).length, judged.cutoffs.length > 1 ? 5 : 3);
  await page.route(`**/${path}/*`, async (route) => {
    const answer = await route.fetch();
    const model = await answer.json();
    delete model.evaluation?.over_time;
    await route.fulfill({ response: answer, json: model });
  });
  await page.reload();
  await page.waitForSelector("svg.chart");
  assert.ok(!/interval|undefined/.test(await card()), await card());
  assert.equal((await page.$$("svg.chart")).length, 3);
  await page.unroute(`**/${path}/*`);
  await page.selectOption("#model-type", "gradient_boosting");
  await page.click('#train button:text("Train")');
  await page.waitForSelector('#models tr:has-text("Version 2") button:text("Challenge")', { timeout: 60_000 });
  await page.click('#models tr:has-text("Version 2") button:text("Challenge")');
  await page.fill("#share", "25");
  await page.click('#dialog button:text("Start")');
  await page.waitForSelector('.note:has-text("25.0 % of the customers")');
  await page.click('button:text("Compare them")');
  await page.waitForSelector(".note table", { timeout: 30_000 });
  assert.match(await page.textContent(".note strong"), /better|no difference/i);
  for (const [name, options] of Object.entries(SIZES)) {
    await page.setViewportSize(options.viewport);
    await page.emulateMedia({ colorScheme: options.colorScheme });
    await shot(page, `comparison ${name}`);
  }
  await page.setViewportSize({ width: 1200, height: 900 });
  await sound(page);
  const active = () => page.textContent('#models tr:has(.is-good) th');
  assert.match(await active(), /Version 1/);
  await page.click('button:text("End the challenge")');
  await page.waitForSelector(".note", { state: "detached" });
  await page.click('#models tr:has-text("Version 2") button:text("Activate")');
  await page.waitForSelector('#models tr:has-text("Version 2"):has-text("active")');
  await page.click('button:text("Roll back")');
  await page.waitForSelector('#models tr:has-text("Version 1"):has-text("active")');
  await page.click('#models .who:text("Version 2")');
  await page.waitForSelector('h2:text("Version 2")');
  const [saved] = await Promise.all([page.waitForEvent("download"), page.click('#models tr:has-text("Version 2") button:text("Save")')]);
  assert.equal(JSON.parse(readFileSync(await saved.path(), "utf8")).format, "churn-model");
  const [report] = await Promise.all([page.waitForEvent("download"), page.click('#models tr:has-text("Version 2") button:text("Report")')]);
  assert.match(readFileSync(await report.path(), "utf8"), /^<!doctype html>[^]*<\/html>\n$/);
  quiet();
  await context.close();
});

for (const [name, options] of Object.entries(SIZES)) {
  test(`every part looks right (${name})`, async () => {
    const { context, page, quiet } = await open("acme/customers", options);
    await page.waitForSelector("#list tbody tr");
    await shot(page, `customers ${name}`);
    await part(page, "models");
    await page.waitForSelector("svg.chart");
    await shot(page, `models ${name}`);
    await part(page, "data");
    await shot(page, `data ${name}`);
    quiet();
    // The reference, from this server alone.
    await page.goto(`${server.address}docs/`);
    await page.waitForSelector(".opblock", { timeout: 20_000 });
    await shot(page, `docs ${name}`);
    quiet(/favicon/);
    await context.close();
  });
}

/** Periods of 600 customers who leave after 40 to 640 days, sooner on the plan basic; cancellations are known 20 days before. */
function periods(names = "customer_id,start_date,end_date,plan,amount,known_at,end_reason") {
  const last = Date.parse("2024-06-30");
  const day = (time) => new Date(time).toISOString().slice(0, 10);
  const rows = Array.from({ length: 600 }, (_, i) => {
    const start = last + 86_400_000 * (-720 + ((i * 7) % 700));
    const end = start + 86_400_000 * (40 + ((i * 37) % (i % 2 === 0 ? 200 : 600)));
    const known = i % 3 === 0 ? end : end - 20 * 86_400_000;
    const [plan, amount] = i % 2 === 0 ? ["basic", 8] : ["pro", 20];
    const ended = known <= last ? [day(end), plan, amount, day(known), i % 3 === 0 ? "involuntary" : "voluntary"] : ["", plan, amount, "", ""];
    return [`c${String(i).padStart(3, "0")}`, day(start), ...ended].join(",");
  });
  return `${names}\n${rows.join("\n")}\n`;
}

test("subscriptions: from the periods to the lists", async () => {
  const named = `${work}/contracts.csv`;
  writeFileSync(named, periods("account,from,to,plan,amount,known_at,end_reason"));
  const { context, page, quiet } = await open("acme/data");
  await page.click("#new-organization");
  await page.fill("#new-id", "letters");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => location.hash === "#letters/data");
  await ready(page);
  await page.selectOption("#kind", "subscriptions");
  assert.equal(await page.isVisible("#labelled"), false);
  await page.setInputFiles("#file", named);
  // The columns have other names: they are asked for, and nothing was kept.
  await page.waitForSelector('.questions:has-text("Which columns has contracts.csv?")');
  await sound(page, ".questions");
  await page.fill("#period-customer_id", "account");
  await page.fill("#period-start_date", "from");
  await page.fill("#period-end_date", "to");
  await page.click('.questions button:text("Send it again")');
  await page.waitForSelector('.found:has-text("Dataset uploaded: 600 rows")');
  await page.waitForSelector('#datasets tr:has-text("subscriptions")');
  await page.click('.steps button:text("Make features")');
  await page.waitForSelector('#datasets tr:has-text("features ready")', { timeout: 60_000 });
  const row = await page.textContent("#datasets tbody tr");
  assert.match(row, /2024-06-\d\d/);

  await part(page, "models");
  await page.waitForSelector("#train");
  await page.click("#train .primary");
  await page.waitForSelector('#models tr:has-text("active")', { timeout: 60_000 });
  await part(page, "customers");
  await page.click('button:text("Score customers")');
  await page.click('#dialog button:text("Score")');
  await page.waitForSelector("#list tbody tr", { timeout: 60_000 });
  assert.deepEqual((await page.$$eval("#list thead th", (heads) => heads.map((head) => head.textContent.trim().split(" ▾")[0]))), ["Customer", "Band", "Risk", "Amount per month", "Why"]);
  const first = await page.textContent("#list tbody tr");
  assert.match(first, /cancellation [\d.]+.%, failed payment|failed payment [\d.]+.%, cancellation/);
  const card = await page.textContent('section:has(> h2:text("Subscriptions"))');
  assert.match(card, /Already cancelled, still running\d+/);
  assert.match(card, /Amounts per month, month by month/);
  const save = async (words) => {
    const [saved] = await Promise.all([page.waitForEvent("download"), page.click(`button:text("${words}")`)]);
    return readFileSync(await saved.path(), "utf8");
  };
  const cancelled = await save("Already cancelled (CSV)");
  assert.match(cancelled, /^\ufeffcustomer_id,end_date,amount\r\n"c\d+",2024-0[67]-\d\d,(8|20)\r\n/);
  assert.match(await save("A payment may fail (CSV)"), /^\ufeffcustomer_id,churn_probability,involuntary_probability,amount\r\n/);
  assert.match(await save("All customers (CSV)"), /^customer_id,churn_probability,.*,amount,causes,is_dunning/);
  for (const [name, options] of Object.entries(SIZES)) {
    await page.setViewportSize(options.viewport);
    await page.emulateMedia({ colorScheme: options.colorScheme });
    await shot(page, `subscriptions ${name}`);
    await sound(page);
  }
  quiet(/status of 422/);
  await context.close();
});

test("text from the data stays text, however long or strange", async () => {
  const { context, page, quiet } = await open("acme/data");
  await page.click("#new-organization");
  await page.fill("#new-id", "hostile");
  await page.fill("#new-name", evil[0]);
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => location.hash === "#hostile/data");
  await ready(page);
  await allTheWay(page, hostile);
  await shot(page, "hostile data wide, light");
  await part(page, "customers");
  await page.waitForSelector("#list tbody tr");
  const shown = new Set();
  for (const id of evil) {
    const answered = page.waitForResponse((response) => response.url().includes("prediction-customers"));
    await page.fill("#search", id.slice(0, 60));
    await (await answered).finished();
    await page.waitForTimeout(50);
    for (const name of await page.$$eval("#list .who", (who) => who.map((one) => one.textContent))) shown.add(name);
  }
  for (const id of evil) assert.ok(shown.has(id), id.slice(0, 40));
  await page.fill("#search", "");
  for (const [name, options] of Object.entries(SIZES)) {
    await page.setViewportSize(options.viewport);
    await shot(page, `hostile customers ${name}`);
  }
  assert.equal(await page.title(), "hostile: customers, churn");
  assert.equal((await page.$$("#view img, #view script, #view b[onmouseover], header img")).length, 0);
  quiet();
  await context.close();
});

test("a file in another form is read, shown, and asked about", async () => {
  const { context, page, quiet } = await open("acme/data");
  await page.click("#new-organization");
  await page.fill("#new-id", "forms");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => location.hash === "#forms/data");
  await ready(page);
  await page.setInputFiles("#file", exported("german_excel.csv"));
  await page.waitForSelector(".detected");
  const found = Object.fromEntries(await page.$$eval(".detected dt", (terms) => terms.map((term) => [term.dataset.option, term.textContent])));
  assert.equal(found.delimiter, 'delimiter = ";"');
  assert.equal(found.decimal, 'decimal = ","');
  assert.equal(found.date_format, 'date_format = "%d.%m.%Y"');
  assert.match(await page.textContent(".detected .trial"), /18 rows of \d+ customers, 2024-/);
  await page.waitForSelector('#datasets tr:has-text("german_excel.csv"):has-text("uploaded")');
  for (const [name, options] of Object.entries(SIZES)) {
    await page.setViewportSize(options.viewport);
    await page.emulateMedia({ colorScheme: options.colorScheme });
    await shot(page, `found ${name}`);
  }
  await page.setViewportSize({ width: 1200, height: 900 });

  // The reading is changed by keyboard; the form has what was found. Without a change nothing is sent.
  const path = "api/v1/churn/v2/organizations/forms/datasets";
  const listed = async () => (await page.evaluate((path) => fetch(path).then((answer) => answer.json()), path)).datasets;
  await page.focus(".change summary");
  await page.keyboard.press("Enter");
  const fields = () => page.$$eval(".change select, .change input", (all) => Object.fromEntries(all.map((one) => [one.name, one.value])));
  const german = { customer_id: "Käufer", event_date: "Bestelldatum", amount: "Umsatz", event_type: "", date_format: "%d.%m.%Y", decimal: ",", thousands: "." };
  const before = await fields();
  assert.deepEqual(before, german);
  assert.deepEqual(await page.$$eval("#read-amount option", (all) => all.map((one) => one.value)), ["", "Käufer", "Größe", "Bestelldatum", "Bestellnummer", "Umsatz"]);
  for (const [name, options] of Object.entries(SIZES)) {
    await page.setViewportSize(options.viewport);
    await page.emulateMedia({ colorScheme: options.colorScheme });
    await shot(page, `read differently ${name}`);
  }
  await page.setViewportSize({ width: 1200, height: 900 });
  await page.emulateMedia({ colorScheme: "light" });
  const again = () => page.click('.change button:text("Read it again")');
  await again();
  assert.equal(await page.textContent(".change [role=status]"), "Nothing is changed.");

  // What is refused or asked leaves the data set as it is, and the form with it.
  const [first] = await listed();
  await page.fill("#read-date_format", "%m/%d/%Y");
  await again();
  await page.waitForSelector('.alert:has-text("The file was not read again; the data set stays.")');
  assert.match(await page.textContent(".alert"), /"16\.02\.2024" is not a date \(expected the format %m\/%d\/%Y\)/);
  await shot(page, "read differently refused wide, light");
  assert.equal(await page.inputValue("#read-date_format"), "%m/%d/%Y");
  await page.fill("#read-date_format", german.date_format);
  await page.selectOption("#read-amount", "Größe");
  await again();
  await page.waitForSelector('.questions [data-question="number_format"]');
  assert.match(await page.textContent(".questions"), /The data set of the earlier reading stays\./);
  await shot(page, "read differently asked wide, light");
  assert.deepEqual((await listed()).map((one) => one.dataset_id), [first.dataset_id]);

  // The new data set replaces the earlier one.
  await page.selectOption("#read-amount", "");
  await page.selectOption("#read-event_type", "Größe");
  await again();
  await page.waitForSelector('.detected dt[data-option="columns.event_type"]');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Read it differently");
  const [changed, ...others] = await listed();
  assert.deepEqual(others, []);
  assert.notEqual(changed.dataset_id, first.dataset_id);
  const { columns, date_format: format } = changed.read_options;
  assert.deepEqual([columns.customer_id, columns.amount, columns.event_type, format], ["Käufer", "", "Größe", "%d.%m.%Y"]);
  await page.click(".change summary");
  assert.deepEqual(await fields(), { ...german, amount: "", event_type: "Größe", decimal: ".", thousands: "" });
  await page.selectOption("#read-amount", "Umsatz");
  await again();
  await page.waitForSelector('.detected dt[data-option="decimal"]');

  // What can be read in two ways is asked, and the answer sends the file again.
  await page.setInputFiles("#file", exported("ambiguous_dates.csv"));
  await page.waitForSelector('.questions [data-question="date_format"]');
  assert.equal(await page.$(".detected"), null);
  assert.equal((await page.$$(".questions [data-answer]")).length, 2);
  await shot(page, "question wide, light");
  await page.click(".questions [data-answer*='%d/%m']");
  await page.waitForSelector('#datasets tr:has-text("ambiguous_dates.csv"):has-text("uploaded")');
  assert.equal(await page.$(".questions"), null);
  assert.deepEqual((await listed()).map((one) => one.read_options.date_format), ["%d/%m/%Y", "%d.%m.%Y"]);
  // An answer holds for another reading too, unless it is about a column that is exchanged.
  await page.waitForSelector('.detected dt[data-option="date_format"] + dd:text("as you chose")');
  await page.click(".change summary");
  await page.selectOption("#read-amount", "");
  await again();
  await page.waitForSelector('.detected dt[data-option="columns.amount"] + dd:text("as you chose")');
  assert.deepEqual((await listed()).map((one) => one.read_options.date_format), ["%d/%m/%Y", "%d.%m.%Y"]);
  await sound(page, ".detected");
  quiet(/status of 422/);
  await context.close();
});

test("a file in another form is scored, shown, and asked about", async () => {
  const { context, page, quiet } = await open("acme/customers");
  const path = "api/v1/churn/v2/organizations/acme/prediction-batches";
  const batches = async () => (await page.evaluate((path) => fetch(path).then((answer) => answer.json()), path)).batches;
  const predictions = (batch) => page.evaluate((path) => fetch(path).then((answer) => answer.text()), `${path}/${batch.batch_id}/file`);
  const score = async (file) => {
    await page.click('button:text("Score customers")');
    await page.setInputFiles("#scored-file", file);
    await page.click('#dialog button:text("Score")');
  };
  const known = await batches();
  const same = known.find((one) => one.status === "completed" && one.model_version === 1);
  const german = `${work}/umsätze.csv`;
  const rows = sample.trim().split("\n").slice(1).map((line) => line.split(","));
  writeFileSync(german, ["Kunde;Datum;Betrag;Art", ...rows.map(([id, date, amount, kind]) => [id, date.split("-").reverse().join("."), amount.replace(".", ","), kind].join(";")), ""].join("\r\n"));
  await score(german);
  await page.waitForSelector(".detected");
  const found = await page.$$eval(".detected dt", (terms) => terms.map((term) => term.textContent));
  for (const one of ['delimiter = ";"', 'decimal = ","', 'date_format = "%d.%m.%Y"', 'columns.customer_id = "Kunde"']) assert.ok(found.includes(one), `${one} in ${found}`);
  assert.match(await page.textContent(".detected"), /upload it under Data and jobs/);
  for (const [name, options] of Object.entries(SIZES)) {
    await page.setViewportSize(options.viewport);
    await page.emulateMedia({ colorScheme: options.colorScheme });
    await shot(page, `scored file ${name}`);
  }
  await page.setViewportSize({ width: 1200, height: 900 });
  await page.emulateMedia({ colorScheme: "light" });
  await page.waitForFunction(([path, number]) => fetch(path).then((answer) => answer.json()).then(({ batches }) => batches.length === number && batches[0].status === "completed"), [path, known.length + 1], { timeout: 60_000, polling: 500 });
  assert.equal(await predictions((await batches())[0]), await predictions(same));

  // Nothing of a file with a question is scored until it is answered.
  await score(exported("ambiguous_dates.csv"));
  await page.waitForSelector('.questions [data-question="date_format"]');
  assert.equal(await page.$(".detected"), null);
  assert.equal((await batches()).length, known.length + 1);
  await shot(page, "scoring asked wide, light");
  await page.click(".questions [data-answer*='%d/%m']");
  await page.waitForSelector('.detected dt[data-option="date_format"] + dd:text("as you chose")');
  assert.equal(await page.$(".questions"), null);
  assert.equal((await batches()).length, known.length + 2);
  quiet(/status of 422/);
  await context.close();
});

test("what is refused is said, in place", async () => {
  const { context, page, quiet } = await open("acme/data");
  const bad = `${work}/bad.csv`;
  const rows = Array.from({ length: 24 }, (_, i) => `${i % 2 ? "A" : "B"},2024-01-${String(i + 1).padStart(2, "0")}`);
  writeFileSync(bad, ["customer_id,event_date", rows[0], "B,2024-01-02,7", ...rows.slice(1), ""].join("\n"));
  await page.setInputFiles("#file", bad);
  await page.waitForSelector(".alert");
  const text = await page.textContent(".alert");
  assert.match(text, /bad\.csv was not taken/);
  assert.match(text, /line 3/);
  assert.match(text, /bad_rows/);
  await shot(page, "refused wide, light");
  await page.click('.alert button:text("Close")');
  assert.equal(await page.$(".alert"), null);

  // A job that fails shows its reason: two customers are too few to learn from.
  await page.click("#new-organization");
  await page.fill("#new-id", "small");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => location.hash === "#small/data");
  await ready(page);
  writeFileSync(bad, `customer_id,event_date\n${Array.from({ length: 24 }, (_, i) => `${i % 2 ? "A" : "B"},${2024 + Math.floor(i / 12)}-${String((i % 12) + 1).padStart(2, "0")}-01`).join("\n")}\n`);
  await page.setInputFiles("#file", bad);
  await page.click('.steps button:text("Make features")');
  await page.waitForSelector('#datasets tr:has-text("features ready")', { timeout: 30_000 });
  await part(page, "models");
  await page.click('#train button:text("Train")');
  await page.waitForSelector("#models .is-bad", { timeout: 30_000 });
  assert.match(await page.textContent("#models .why"), /few|least|rows|customers/);
  quiet(/status of 422/);
  await context.close();
});

test("settings are kept, impossible ones refused, and a key is shown once", async () => {
  const { context, page, quiet } = await open("acme/settings");
  const form = (title) => `form:has(h2:text("${title}"))`;
  await page.fill("#medium", "20");
  await page.fill("#clv", "350");
  await page.click(`${form("Risk bands")} button`);
  await page.waitForSelector(`${form("Risk bands")} [role=status]:text("Saved.")`);
  await page.click(`${form("What contacting")} button`);
  await page.waitForSelector(`${form("What contacting")} [role=status]:text("Saved.")`);
  await page.fill("#event_date", "InvoiceDate");
  await page.click(`${form("How files are read")} button`);
  await page.waitForSelector(`${form("How files are read")} [role=status]:text("Saved.")`);
  const kept = await page.evaluate(() => fetch("api/v1/churn/v2/organizations/acme").then((answer) => answer.json()));
  assert.equal(kept.settings.thresholds.medium, 0.2);
  assert.equal(kept.settings.campaign.clv, 350);
  assert.equal(kept.settings.read.columns.event_date, "InvoiceDate");
  await page.reload();
  await ready(page);
  assert.equal(await page.inputValue("#medium"), "20");
  await page.fill("#event_date", "");
  await page.click(`${form("How files are read")} button`);
  await page.waitForSelector(`${form("How files are read")} [role=status]:text("Saved.")`);
  // Medium may not begin above High.
  await page.fill("#medium", "90");
  await page.click(`${form("Risk bands")} button`);
  await page.waitForSelector('.alert:has-text("Nothing was changed")');
  await page.click('.alert button:text("Close")');

  await page.click('button:text("New key")');
  await page.fill("#key-name", evil[0]);
  await page.click('#dialog button:text("Make it")');
  await page.waitForSelector("#key");
  const key = await page.inputValue("#key");
  assert.match(key, /^churn_.{43}$/);
  await page.click('#dialog button:text("I have it")');
  await page.waitForSelector('#keys tr:has-text("active")');
  await page.waitForSelector("#dialog:empty", { state: "attached" });
  assert.ok(!(await page.content()).includes(key));
  for (const [name, options] of Object.entries(SIZES)) {
    await page.setViewportSize(options.viewport);
    await page.emulateMedia({ colorScheme: options.colorScheme });
    await shot(page, `settings ${name}`);
  }
  await page.click('#keys button:text("Revoke")');
  await page.click('#dialog .primary:text("Revoke")');
  await page.waitForSelector('#keys tr:has-text("revoked")');
  quiet(/status of (400|422)/);
  await context.close();
});

test("the page that computes in the browser is served beside it", async () => {
  const { address } = await serve("browser", { BROWSER_DIR: path("target/browser") });
  const { context, page, quiet } = await open("", {}, address);
  await page.click('button:text("Make the first one")');
  await page.fill("#new-id", "acme");
  await page.keyboard.press("Enter");
  await page.waitForSelector("nav a[data-part=data][aria-current]");
  await page.click("#browser-page");
  await page.waitForSelector("html[data-ready] #sample", { timeout: 30_000 });
  await page.click("#sample");
  await page.waitForSelector("#list tbody tr", { timeout: 60_000 });
  quiet();
  await context.close();
});

test("a server that goes away and comes back", async () => {
  const other = await serve("away");
  const { context, page } = await open("", {}, other.address);
  await page.click('button:text("Make the first one")');
  await page.fill("#new-id", "acme");
  await page.keyboard.press("Enter");
  await page.waitForSelector("nav a[data-part=data][aria-current]");
  await ready(page);
  other.child.kill("SIGKILL");
  await page.waitForSelector('.alert:has-text("cannot be reached")', { timeout: 30_000 });
  const port = new URL(other.address).port;
  await serve("away", { PORT: port });
  await page.waitForSelector(".alert", { state: "detached", timeout: 40_000 });
  await context.close();
});

test("with tokens: signing in, roles, an end", async () => {
  const locked = await serve("locked", { SECRET_KEY: SECRET });
  const { context, page, quiet } = await open("", {}, locked.address);
  for (const [name, options] of Object.entries(SIZES)) {
    await page.setViewportSize(options.viewport);
    await page.emulateMedia({ colorScheme: options.colorScheme });
    await shot(page, `sign in ${name}`);
  }
  await page.fill("#token", "wrong");
  await page.keyboard.press("Enter");
  await page.waitForSelector('.alert:has-text("does not accept")');
  await page.fill("#token", token("acme", "admin"));
  await page.keyboard.press("Enter");
  await page.waitForSelector("nav:not([hidden])");
  await part(page, "data");
  assert.equal(await page.isVisible("#new-organization"), false);
  await page.setInputFiles("#file", transactions);
  await page.waitForSelector('#datasets tr:has-text("uploaded")', { timeout: 20_000 });
  await page.reload();
  await ready(page);
  await page.waitForSelector('#datasets tr:has-text("uploaded")');
  // Another tab has no token of its own.
  const second = await context.newPage();
  await second.goto(locked.address);
  await second.waitForSelector("#token");
  await second.fill("#token", token("acme", "read"));
  await second.keyboard.press("Enter");
  await second.waitForSelector("nav:not([hidden])");
  await part(second, "data");
  await second.waitForSelector('#datasets tr:has-text("uploaded")');
  assert.equal(await second.$("#file"), null);
  assert.equal((await second.$$("#view button")).length, 0);
  // Only an admin may delete the data set of an earlier reading.
  const third = await context.newPage();
  await third.goto(locked.address);
  await third.fill("#token", token("acme", "write"));
  await third.keyboard.press("Enter");
  await third.waitForSelector("nav:not([hidden])");
  await part(third, "data");
  await third.setInputFiles("#file", exported("german_excel.csv"));
  await third.click(".change summary");
  await third.selectOption("#read-amount", "");
  await third.click('.change button:text("Read it again")');
  await third.waitForSelector('.kept:text("The data set of the earlier reading stays. Somebody with the role admin can delete it.")');
  await third.waitForFunction(() => [...document.querySelectorAll("#datasets th")].filter((one) => one.textContent.includes("german_excel.csv")).length === 2);
  await third.close();
  await page.click("#sign-out");
  await page.waitForSelector("#token");
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  // The organization of the token comes into being with its first upload.
  quiet(/status of (401|404)/);
  await context.close();
});
