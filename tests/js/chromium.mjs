// The page in headless Chromium: a small server, a browser, and what every test of the page checks.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname } from "node:path";
import { path } from "./setup.mjs";

export { launch } from "./browser.mjs";

export const shots = path("target/js/screenshots");
mkdirSync(shots, { recursive: true });
export const files = path("target/js/files");
mkdirSync(files, { recursive: true });

const types = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".wasm": "application/wasm", ".json": "application/json" };
// The worker gets its policy from this header, the page from its own as well.
const policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; worker-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Serves a folder; `change` may alter a file by its name. */
export async function serve(folder = "target/browser", change = (name, bytes) => bytes) {
  const server = createServer((request, response) => {
    const name = new URL(request.url, "http://localhost").pathname;
    const file = path(`${folder}${name === "/" ? "/index.html" : name}`);
    if (name.includes("..") || !existsSync(file)) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { "content-type": types[extname(file)] ?? "application/octet-stream", "content-security-policy": policy });
    response.end(change(name, readFileSync(file)));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { address: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() };
}

/** Opens the page, waits until it is ready, and takes the network away: from here on nothing may be asked for. */
export async function open(browser, address, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1200, height: 900 }, locale: "en-GB", acceptDownloads: true, ...options });
  const page = await context.newPage();
  const [problems, requests] = [[], []];
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  await page.goto(address);
  await page.waitForSelector("html[data-ready]", { timeout: 30_000 });
  await context.setOffline(true);
  // Files that the page makes itself are no requests to anybody.
  context.on("request", (request) => /^(blob|data):/.test(request.url()) || requests.push(request.url()));
  const quiet = () => {
    assert.deepEqual(requests, [], "requests after the page was loaded");
    assert.deepEqual(problems, [], "errors of the page");
  };
  return { context, page, quiet };
}

export const found = (page, timeout = 120_000) => page.waitForSelector("#results:not([hidden]) #list tbody tr", { timeout });

/** Whether something of the page stands out to the side, and whose text has too little contrast. */
export async function looksRight(page) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(wide <= 0, `the page is ${wide} px wider than the window`);
}

/** The text of a file that a button saves. */
export async function saved(page, button) {
  const [download] = await Promise.all([page.waitForEvent("download"), page.click(`button:text("${button}")`)]);
  return readFileSync(await download.path(), "utf8");
}

/** The elements whose text has too little contrast: relative luminance and contrast as in WCAG 2. */
export const lowContrast = (page) => page.evaluate(() => {
  const numbers = (color) => color.match(/[\d.]+/g).map(Number);
  const luminance = (rgb) => rgb.slice(0, 3).map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const color = numbers(getComputedStyle(e).backgroundColor);
      if (color.length < 4 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.checkVisibility() || element.closest("[disabled]")) continue;
    const style = getComputedStyle(element);
    const color = element instanceof SVGElement ? style.fill : style.color;
    const [a, b] = [luminance(numbers(color)), luminance(behind(element))].sort((x, y) => y - x);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < 4.5 && !element.classList.contains("up") && !element.classList.contains("down")) found.push(`${element.outerHTML.slice(0, 80)} ${contrast.toFixed(2)}`);
  }
  return found;
});
