// Headless Chromium, for the tests of the page and of the dashboard. `CHROMIUM` is the program, by default /usr/bin/chromium.
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const tools = process.env.CHURN_JS_TOOLS ?? fileURLToPath(new URL("../../target/js/package.json", import.meta.url));
const { chromium } = createRequire(tools)("playwright-core");

const start = () => chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--enable-precise-memory-info"],
  timeout: 120_000,
});

/** Starts the browser. The first start after an installation reads the whole program and builds the list of fonts: on a slow
 * disk it may take minutes, and the second attempt finds both done. */
export const launch = () => start().catch((error) => {
  console.error(`the browser did not start, and is started again: ${error.message}`);
  return start();
});
