// The package.json of the published package: ours without what only building it needs.
import { readFileSync } from "node:fs";
const { devDependencies, ...published } = JSON.parse(readFileSync(process.argv[2], "utf8"));
process.stdout.write(`${JSON.stringify(published, null, 2)}\n`);
