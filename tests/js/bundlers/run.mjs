// Runs the cases of cases.mjs one after the other, and prints what each took.
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { createServer as createSocket } from "node:net";
import { dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { cases } from "./cases.mjs";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const work = join(root, "target/js/bundlers");
const archive = join(root, "target/npm", readdirSync(join(root, "target/npm")).find((name) => /^churn-wasm-.*\.tgz$/.test(name)) ?? "");
const { rows, probabilities } = JSON.parse(readFileSync(join(root, "tests/vectors/documents/expected.json"), "utf8"));
const name = "logistic_regression_v1.json";
const document = readFileSync(join(root, "tests/vectors/documents", name), "utf8");
// Of score_document.py, which has nothing to do with this library.
const expected = probabilities[name][0];
// What every program imports: the model document and the row that it scores.
const fixture = {
  "fixture.js": `export const document = ${JSON.stringify(document)};\nexport const rows = ${JSON.stringify([rows[0]])};\n`,
  "fixture.cjs": `module.exports = ${JSON.stringify({ document, rows: [rows[0]] })};\n`,
};

const wanted = process.argv.slice(2);
if (process.env.CHURN_BUNDLERS === "list") {
  console.log(Object.keys(cases).join("\n"));
  process.exit();
}
const unknown = wanted.filter((one) => !cases[one]);
if (unknown.length > 0) throw new Error(`no such case: ${unknown.join(", ")}; there are ${Object.keys(cases).join(", ")}`);

// What the README says to write is what is run here.
const flat = (text) => text.replace(/\s+/g, " ");
const readme = readFileSync(join(root, "churn-wasm/README.md"), "utf8");
const table = /### Bundlers\n([^]*?)\n## /.exec(readme)[1].split("\n").filter((line) => /^\| \w/.test(line));
const written = flat(Object.values(cases).map(({ files, run }) => `${Object.values(files).join("\n")} ${run}`).join("\n"));
for (const line of table) {
  for (const [, code] of line.matchAll(/`([^`]+)`/g)) {
    if (/^(vite|next)\.config|^churn-wasm\/worker$|^node$/.test(code)) continue;
    const parts = code.startsWith("deno run") ? code.split(" ").slice(1) : [code];
    for (const part of parts) if (!written.includes(flat(part))) throw new Error(`the README says ${code}, which no case runs`);
  }
}
if (table.length < 9) throw new Error("the README's table of bundlers is not where it was");

class Skipped extends Error {}
// Telemetry and updates ask for hosts that are none of a test's business.
const environment = { ...process.env, NEXT_TELEMETRY_DISABLED: "1", WRANGLER_SEND_METRICS: "false", DO_NOT_TRACK: "1", CI: "1", NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" };

/** A folder with the files of the case, its tools and the package. */
function install(id, { packages, files, module = true }) {
  const folder = join(work, id);
  mkdirSync(folder, { recursive: true });
  for (const entry of readdirSync(folder)) if (!/^node_modules$|^\.installed$/.test(entry)) rmSync(join(folder, entry), { recursive: true, force: true });
  const all = { "package.json": JSON.stringify({ name: "consumer", private: true, ...(module && { type: "module" }), dependencies: packages }), ...fixture, ...files };
  for (const [file, text] of Object.entries(all)) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), text);
  }
  const npm = (...args) => execFileSync("npm", ["install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error", ...args],
    { cwd: folder, env: environment, stdio: ["ignore", "ignore", "pipe"], timeout: 300_000 });
  const key = JSON.stringify(packages);
  const stamp = join(folder, ".installed");
  if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== key) {
    rmSync(join(folder, "node_modules"), { recursive: true, force: true });
    try {
      npm();
    } catch (error) {
      throw new Skipped(`cannot be installed: ${String(error.stderr).trim().split("\n").slice(0, 2).join(" ")}`);
    }
    writeFileSync(stamp, key);
  }
  // The archive as it would be published, into the folder that npm would put it in: it has no dependencies.
  const home = join(folder, "node_modules/churn-wasm");
  rmSync(home, { recursive: true, force: true });
  mkdirSync(home, { recursive: true });
  execFileSync("tar", ["xzf", archive, "-C", home, "--strip-components=1"]);
  return folder;
}

const require = createRequire(join(root, "target/js/package.json"));
let browser;

/** The text that a page in Chromium ends up with. */
async function shown(address) {
  browser ??= await require("playwright-core").chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-background-networking"],
  });
  const page = await browser.newPage();
  const problems = [];
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  try {
    await page.goto(address);
    await page.waitForFunction(() => /END|FAILED/.test(document.body.textContent), undefined, { timeout: 60_000 });
    return await page.textContent("body");
  } catch (error) {
    throw new Error(`${error.message}\n${problems.join("\n")}`);
  } finally {
    await page.close();
  }
}

const freePort = () => new Promise((resolve) => {
  const socket = createSocket().listen(0, "127.0.0.1", () => {
    const { port } = socket.address();
    socket.close(() => resolve(port));
  });
});

const types = { ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm", ".css": "text/css" };

/** What the cases do things with. */
function tools(folder) {
  const bin = (tool) => join(folder, "node_modules/.bin", tool);
  const run = (tool, ...args) => {
    try {
      return execFileSync(bin(tool), args, { cwd: folder, env: environment, encoding: "utf8", timeout: 600_000, stdio: ["ignore", "pipe", "pipe"] });
    } catch (error) {
      throw new Error(`${tool} ${args.join(" ")}: ${error.message}\n${error.stdout ?? ""}\n${error.stderr ?? ""}`);
    }
  };
  return {
    folder,
    run,
    node: (...args) => execFileSync(process.execPath, args, { cwd: folder, env: environment, encoding: "utf8", timeout: 120_000 }),
    read: (file) => readFileSync(join(folder, file), "utf8"),
    /** Serves a folder of files and returns what its page shows. */
    async page(of) {
      const server = createServer((request, response) => {
        const path = new URL(request.url, "http://localhost").pathname;
        const file = join(folder, of, path === "/" ? "index.html" : path);
        if (path.includes("..") || !existsSync(file)) response.writeHead(404).end();
        else response.writeHead(200, { "content-type": types[extname(file)] ?? "application/octet-stream" }).end(readFileSync(file));
      });
      await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
      try {
        return await shown(`http://127.0.0.1:${server.address().port}/`);
      } finally {
        server.close();
      }
    },
    /** Starts a server of the tool, and calls `ask` with its address once it answers. */
    async serving(tool, args, ask) {
      const port = await freePort();
      const output = [];
      const child = spawn(bin(tool), args(port), { cwd: folder, env: environment, detached: true, stdio: ["ignore", "pipe", "pipe"] });
      child.stdout.on("data", (text) => output.push(text));
      child.stderr.on("data", (text) => output.push(text));
      const address = `http://127.0.0.1:${port}/`;
      try {
        for (let wait = 0; ; wait++) {
          if (wait > 300 || child.exitCode !== null) throw new Error(`${tool} does not answer`);
          if (await fetch(address).then(() => true, () => false)) break;
          await new Promise((resolve) => setTimeout(resolve, 200));
        }
        return await ask(address, shown);
      } catch (error) {
        throw new Error(`${error.message}\n${output.join("")}`);
      } finally {
        // With whatever it started.
        try {
          process.kill(-child.pid);
        } catch {
          // It has ended by itself.
        }
      }
    },
  };
}

const counts = { passed: 0, failed: 0, skipped: 0 };
for (const [id, one] of Object.entries(cases)) {
  if (wanted.length > 0 && !wanted.includes(id)) continue;
  const started = Date.now();
  let outcome = "passed";
  let why = "";
  let ready = started;
  try {
    const folder = install(id, one);
    ready = Date.now();
    const printed = [].concat(await one.run(tools(folder)));
    for (const text of printed) {
      const found = Number(/RESULT ([\d.e-]+)/.exec(text)?.[1] ?? NaN);
      if (!(Math.abs(found - expected) <= 1e-12)) throw new Error(`found ${found}, expected ${expected}, in: ${text.slice(0, 2000)}`);
    }
    why = `${printed.length} times ${expected}`;
  } catch (error) {
    outcome = error instanceof Skipped ? "skipped" : "failed";
    why = error.message.slice(0, 3000);
  }
  counts[outcome]++;
  console.log(`${outcome.padEnd(8)} ${id.padEnd(12)} ${((Date.now() - ready) / 1000).toFixed(1).padStart(6)} s, and ${((ready - started) / 1000).toFixed(1)} s to install  ${why}`);
}
await browser?.close();
console.log(`bundlers: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exit(counts.failed > 0 || counts.passed === 0 ? 1 : 0);
