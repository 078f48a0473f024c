// Headless Chromium, for the tests of the page and of the dashboard. `CHROMIUM` is the program, by default /usr/bin/chromium.
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const tools = process.env.CHURN_JS_TOOLS ?? fileURLToPath(new URL("../../target/js/package.json", import.meta.url));
const { chromium } = createRequire(tools)("playwright-core");

export const launch = () => chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--enable-precise-memory-info"],
});
