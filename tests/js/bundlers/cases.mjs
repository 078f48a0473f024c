// The tools, and the lines that the package's README gives for each. `packages` are installed beside churn-wasm, `files` written,
// and `run` returns texts that hold `RESULT` and the probability.

const score = `
  const model = Model.fromJson(document);
  const probability = () => model.predictTable(rows).churn_probability[0];`;

/** A page that writes its result into its body, and what failed if something did. */
const page = (imports, init, more = "") => `
${imports}
import { Model } from "churn-wasm";
import { document as text, rows } from "./fixture.js";
const say = (words) => { document.body.append(words); };
// No await at the top level: what tools build for older browsers has none.
async function main() {
  ${init}
  const model = Model.fromJson(text);
  say("RESULT " + model.predictTable(rows).churn_probability[0] + " ");
  ${more}
  say("END");
}
main().catch((error) => say("FAILED " + error.code + " " + error.message));
`;
const html = (script) => `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><body><script type="module" src="${script}"></script>`;

// The same in a worker of the package's.
const inWorker = `
  const there = await startWorker();
  say("RESULT " + (await (await (await there.Model.fromJson(text)).predictTable(rows)).churn_probability)[0] + " ");
  there.close();`;

/** Waits for the end of a page and gives each of its results. */
const results = (text) => {
  if (!text.includes("END")) return [text];
  return text.match(/RESULT [\d.e-]+/g);
};

const vite = (version) => ({
  packages: { vite: version },
  files: {
    // With the line for the configuration, init() finds the module by itself, and the worker its script.
    "vite.config.js": `export default { optimizeDeps: { exclude: ["churn-wasm"] }, worker: { format: "es" } };`,
    "index.html": html("/main.js"),
    "main.js": page(`import init from "churn-wasm";\nimport { startWorker } from "churn-wasm/worker";`, "await init();", inWorker),
    // Without it, by the URL.
    "plain/index.html": html("/main.js"),
    "plain/fixture.js": `export * from "../fixture.js";`,
    "plain/main.js": page(`import init from "churn-wasm";\nimport url from "churn-wasm/full/churn_wasm_bg.wasm?url";`, "await init(url);"),
    "plain/vite.config.js": "export default {};",
  },
  async run({ run, serving, page }) {
    const dev = (...root) => serving("vite", (port) => [...root, "--port", String(port), "--strictPort", "--host", "127.0.0.1"], async (address, shown) => results(await shown(address)));
    const found = [...(await dev()), ...(await dev("plain"))];
    run("vite", "build", "--logLevel", "error");
    run("vite", "build", "plain", "--logLevel", "error");
    return [...found, ...results(await page("dist")), ...results(await page("plain/dist"))];
  },
});

export const cases = {
  node: {
    packages: {},
    files: {
      "main.mjs": `import { Model } from "churn-wasm";\nimport * as scoring from "churn-wasm/scoring";\nimport { document, rows } from "./fixture.js";\n${score}
        console.log("RESULT", probability());
        console.log("RESULT", scoring.Model.fromJson(document).predictTable(rows).churn_probability[0]);`,
      "main.cjs": `const { Model } = require("churn-wasm");\nimport("./fixture.js").then(({ document, rows }) => {${score}\n console.log("RESULT", probability()); });`,
    },
    run: ({ node }) => [...node("main.mjs").trim().split("\n"), node("main.cjs")],
  },

  typescript: {
    packages: { typescript: "5.9.3" },
    files: {
      // Without the types of a browser and of Node, and with every check of the package's own types.
      "tsconfig.json": JSON.stringify({ compilerOptions: { strict: true, target: "es2022", lib: ["es2022"], types: [], module: "nodenext", outDir: "out", skipLibCheck: false, allowJs: true }, files: ["main.ts", "main2.cts"] }),
      "main.ts": `import init, { Model, type Table } from "churn-wasm";\nimport { document, rows } from "./fixture.js";\nawait init();
        { using model = Model.fromJson(document); const table: Table = rows as Table; const p: number | undefined = model.predictTable(table).churn_probability[0];
          (globalThis as any).console.log("RESULT", p); }`,
      "main2.cts": `import churn = require("churn-wasm");\nconst model: churn.Model | undefined = undefined;\nexport const version: string = churn.version();\nexport { model };`,
    },
    run({ run, node }) {
      run("tsc", "-p", ".");
      node("out/main2.cjs");
      return node("out/main.js");
    },
  },

  vite5: vite("5.4.21"),
  vite6: vite("6.4.6"),
  vite7: vite("7.3.8"),
  vite8: vite("8.4.0"),

  webpack: {
    packages: { webpack: "5.113.0", "webpack-cli": "7.3.1" },
    files: {
      "webpack.config.js": `export default { mode: "production", entry: "./main.js", output: { path: import.meta.dirname ?? new URL(".", import.meta.url).pathname, filename: "dist/main.js", publicPath: "auto", assetModuleFilename: "dist/[hash][ext]", chunkFilename: "dist/[id].js" }, performance: { hints: false } };`,
      "main.js": page(`import init from "churn-wasm";\nimport { startWorker } from "churn-wasm/worker";`, "await init();", inWorker),
      "index.html": html("/dist/main.js"),
    },
    async run({ run, page }) {
      run("webpack");
      return results(await page("."));
    },
  },

  esbuild: {
    packages: { esbuild: "0.28.2" },
    files: {
      "main.js": page(`import init from "churn-wasm";\nimport url from "churn-wasm/full/churn_wasm_bg.wasm";`, "await init(url);"),
      "dist/index.html": html("/main.js"),
    },
    async run({ run, page }) {
      run("esbuild", "main.js", "--bundle", "--format=esm", "--minify", "--outdir=dist", "--loader:.wasm=file", "--public-path=/", "--log-level=error");
      return results(await page("dist"));
    },
  },

  jest: {
    packages: { jest: "30.5.2" },
    module: false,
    files: {
      "main.test.js": `const { Model } = require("churn-wasm");\nconst { document, rows } = require("./fixture.cjs");\n
        test("one probability", () => { ${score}\n require("node:fs").writeFileSync("out.txt", "RESULT " + probability()); expect(probability()).toBeGreaterThan(0); });`,
    },
    run({ run, read }) {
      run("jest");
      return read("out.txt");
    },
  },

  vitest: {
    packages: { vitest: "3.2.4" },
    files: {
      "main.test.js": `import { expect, test } from "vitest";\nimport { writeFileSync } from "node:fs";\nimport { Model } from "churn-wasm";\nimport { document, rows } from "./fixture.js";
        test("one probability", () => { ${score}\n writeFileSync("out.txt", "RESULT " + probability()); expect(probability()).toBeGreaterThan(0); });`,
    },
    run({ run, read }) {
      run("vitest", "run");
      return read("out.txt");
    },
  },

  next: {
    packages: { next: "16.4.6", react: "19.2.0", "react-dom": "19.2.0" },
    files: {
      "next.config.mjs": `export default { serverExternalPackages: ["churn-wasm"], turbopack: { root: import.meta.dirname } };`,
      "app/layout.js": `export default function Layout({ children }) { return <html><body>{children}</body></html>; }`,
      "app/page.js": `"use client";\nimport { useEffect, useState } from "react";\nimport init, { Model } from "churn-wasm";\nimport { document, rows } from "../fixture.js";
        export default function Page() { const [text, say] = useState("");
          useEffect(() => { init().then(() => say("RESULT " + Model.fromJson(document).predictTable(rows).churn_probability[0] + " END")).catch((error) => say("FAILED " + error.message)); }, []);
          return <p>{text}</p>; }`,
      ...Object.fromEntries(["nodejs", "edge"].map((runtime) => [`app/${runtime}/route.js`, `
        import { Model } from "churn-wasm";\nimport { document, rows } from "../../fixture.js";\nexport const runtime = "${runtime}";\nexport const dynamic = "force-dynamic";
        export async function GET() { ${score}\n return new Response("RESULT " + probability()); }`])),
    },
    async run({ run, serving }) {
      run("next", "build");
      return serving("next", (port) => ["start", "--port", String(port), "--hostname", "127.0.0.1"], async (address, shown) => [
        ...results(await shown(address)),
        await (await fetch(`${address}nodejs`)).text(),
        await (await fetch(`${address}edge`)).text(),
      ]);
    },
  },

  deno: {
    packages: { deno: "2.9.6" },
    files: { "main.mjs": `import { Model } from "churn-wasm";\nimport { startWorker } from "churn-wasm/worker";\nimport { document, rows } from "./fixture.js";\n${score}
      console.log("RESULT", probability());
      const there = await startWorker();
      console.log("RESULT", (await (await (await there.Model.fromJson(document)).predictTable(rows)).churn_probability)[0]);
      there.close();` },
    run: ({ run }) => run("deno", "run", "--allow-read", "--allow-env", "--no-lock", "--node-modules-dir=manual", "main.mjs").trim().split("\n"),
  },

  bun: {
    packages: { bun: "1.4.5" },
    files: { "main.mjs": `import init, { Model } from "churn-wasm";\nimport { document, rows } from "./fixture.js";\nawait init();\n${score}\nconsole.log("RESULT", probability());` },
    run: ({ run }) => run("bun", "main.mjs"),
  },

  workerd: {
    packages: { miniflare: "4.20260730.0", esbuild: "0.28.2" },
    files: {
      "worker.js": `import { Model } from "churn-wasm";\nimport * as scoring from "churn-wasm/scoring";\nimport { document, rows } from "./fixture.js";\n${score}
        export default { fetch: () => new Response("RESULT " + probability() + "\\nRESULT " + scoring.Model.fromJson(document).predictTable(rows).churn_probability[0]) };`,
      "serve.mjs": `import { Miniflare } from "miniflare";\nimport { readdirSync } from "node:fs";
        const modules = ["worker.js", ...readdirSync("dist").filter((name) => name.endsWith(".wasm"))].map((name) => ({ type: name.endsWith(".wasm") ? "CompiledWasm" : "ESModule", path: "dist/" + name }));
        const miniflare = new Miniflare({ modules, modulesRoot: "dist", compatibilityDate: "2026-01-01", cf: false });
        console.log(await (await miniflare.dispatchFetch("http://localhost/")).text());
        await miniflare.dispose();`,
    },
    run({ run, node }) {
      // As Wrangler does it: its conditions, and modules of WebAssembly beside the script.
      run("esbuild", "worker.js", "--bundle", "--format=esm", "--outdir=dist", "--conditions=workerd,worker,browser", "--loader:.wasm=copy", "--log-level=error");
      return node("serve.mjs").trim().split("\n");
    },
  },
};
