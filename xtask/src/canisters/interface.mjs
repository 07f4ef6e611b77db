// Compares the interface that a Rust module states (ic-cdk's export_candid) with its interface file:
// node interface.mjs MODULE INTERFACE
import fs from "node:fs";

const [moduleFile, interfaceFile] = process.argv.slice(2);
const module = new WebAssembly.Module(fs.readFileSync(moduleFile));

// The export only reads memory, so that any function will do for what the module imports.
const imports = {};
for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
  if (from !== "ic0" || kind !== "function") {
    console.error(`${moduleFile} imports ${from}.${name}: a canister may import functions of ic0 only`);
    process.exit(1);
  }
  (imports[from] ??= {})[name] = () => 0;
}
const { memory, get_candid_pointer } = new WebAssembly.Instance(module, imports).exports;
const pointer = get_candid_pointer(); // May grow the memory, so before looking at its buffer.
const bytes = new Uint8Array(memory.buffer, pointer);
const stated = new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0))).trim();

if (stated !== fs.readFileSync(interfaceFile, "utf8").trim()) {
  console.error(`${interfaceFile} is not the interface of the sources, which is:\n${stated}`);
  process.exit(1);
}
