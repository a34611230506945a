// Run a TF.js graph model on probes, on the WASM backend.
//
//   node parity.cjs VENDOR MODEL_DIR INPUT SHAPE OUTPUT
//
// INPUT holds float32 (little-endian) of SHAPE, a JSON array; OUTPUT gets the same of the model's
// output. Prints {"backend", "shape"} as JSON. On failure: one line on stderr, exit code 1.
"use strict";

const fs = require("node:fs");
const path = require("node:path");

const [vendor, modelDir, input, shape, output] = process.argv.slice(2);

// The bundles are UMD: each runs as a CommonJS module whose `require` knows the other one.
function load(file, modules = {}) {
  const module = { exports: {} };
  const source = fs.readFileSync(path.join(vendor, file), "utf8");
  const find = (name) => modules[name] ?? require(name);
  const run = new Function("module", "exports", "require", "__dirname", "__filename", source);
  run(module, module.exports, find, vendor, path.join(vendor, file));
  return module.exports;
}

// What a browser's tf.loadGraphModel(url) fetches, from a folder.
function handler(folder) {
  const load = async () => {
    const model = JSON.parse(fs.readFileSync(path.join(folder, "model.json"), "utf8"));
    const groups = model.weightsManifest;
    const parts = groups.flatMap((group) => group.paths);
    const data = Buffer.concat(parts.map((part) => fs.readFileSync(path.join(folder, part))));
    return {
      modelTopology: model.modelTopology,
      signature: model.signature,
      weightSpecs: groups.flatMap((group) => group.weights),
      weightData: data.buffer.slice(data.byteOffset, data.byteOffset + data.length),
    };
  };
  return { load };
}

async function main() {
  const tf = load("tf.es2017.min.js");
  const wasm = load("tf-backend-wasm.es2017.min.js", { "@tensorflow/tfjs-core": tf });
  wasm.setWasmPaths(vendor + path.sep);
  if (!(await tf.setBackend("wasm"))) throw new Error("TF.js's WASM backend does not start");
  const model = await tf.loadGraphModel(handler(modelDir));
  const bytes = fs.readFileSync(input);
  const values = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  const result = model.predict(tf.tensor(values, JSON.parse(shape)));
  const answer = await result.data();
  fs.writeFileSync(output, Buffer.from(answer.buffer, answer.byteOffset, answer.byteLength));
  console.log(JSON.stringify({ backend: tf.getBackend(), shape: result.shape }));
}

// Uncaught, an error would print the line of the minified bundle that it comes from.
main().catch((error) => {
  console.error(`Error: ${error.message}`);
  process.exit(1);
});
