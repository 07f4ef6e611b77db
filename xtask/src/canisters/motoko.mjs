// Compiles the Motoko sources of a folder:
// node motoko.mjs NODE_MODULES SOURCES INTERFACE MODULE
// Fails when the interface file is not the one that the compiler derives from the sources.
import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";

const [nodeModules, sources, interfaceFile, moduleFile] = process.argv.slice(2);
const require = createRequire(nodeModules + "/");
const motoko = require("motoko");
const core = require("motoko/packages/latest/core.json");

motoko.loadPackage(core);
for (const name of fs.readdirSync(sources).sort()) {
  motoko.write(name, fs.readFileSync(path.join(sources, name), "utf8"));
}

const problems = motoko.check("Main.mo");
for (const problem of problems) {
  const { line, character } = problem.range.start;
  console.error(`${problem.source}:${line + 1}:${character + 1}: ${problem.message}`);
}
if (problems.length > 0) process.exit(1);

const derived = motoko.candid("Main.mo").replace(/ +$/gm, "").trim();
const committed = fs.readFileSync(interfaceFile, "utf8").trim();
if (derived !== committed) {
  console.error(`${interfaceFile} is not the interface of the sources, which is:\n${derived}`);
  process.exit(1);
}

motoko.setPublicMetadata(["candid:service", "candid:args"]);
fs.writeFileSync(moduleFile, motoko.wasm("Main.mo", "ic").wasm);
