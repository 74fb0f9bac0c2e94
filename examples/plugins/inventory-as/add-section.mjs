// Adds a custom section to a WebAssembly module: add-section.mjs MODULE NAME PAYLOAD OUT
import { readFileSync, writeFileSync } from "node:fs";

const [module, name, payload, out] = process.argv.slice(2);

// A number in LEB128, as the format has all of them.
function leb128(n) {
  const bytes = [];
  for (; n > 127; n >>>= 7) bytes.push((n & 127) | 128);
  return Buffer.from([...bytes, n]);
}

const label = Buffer.from(name);
const content = Buffer.concat([leb128(label.length), label, readFileSync(payload)]);
writeFileSync(out, Buffer.concat([readFileSync(module), Buffer.from([0]), leb128(content.length), content]));
