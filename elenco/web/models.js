// The networks as TF.js graph models: fetched, checked by size and sha256, tried, and only then used.

import "./vendor/tf.es2017.min.js";
import "./vendor/tf-backend-wasm.es2017.min.js";
import { probePicture } from "./numbers.js";

const { tf } = globalThis; // these bundles are no modules: they put themselves there
const SCHEMA = 1;
const MOST_AT_ONCE = 64; // patches a call: memory
export const BACKENDS = ["auto", "wasm", "webgl"];

/** The models can't be used; the message says what to do, for a person. */
export class ModelError extends Error {}

/**
 * Fetch what is in the exported folder and start the networks.
 *
 * @param {URL} base the folder.
 * @param {{backend?: string, progress?: (done: number, all: number) => void}} options `backend`:
 *   one of BACKENDS; `auto` is WebGL where a graphics card computes in float32, else WASM.
 *   `progress` is told of bytes.
 * @returns {Promise<{meta, people, networks, backend: string}>} `networks` by name:
 *   (Float32Array, shape) -> Promise<Float32Array>.
 * @throws {ModelError} a file is missing or not the one that was exported, or the backend does not
 *   start or answers otherwise than it must.
 */
export async function openModels(base, { backend = "auto", progress = () => {} } = {}) {
  if (!globalThis.OffscreenCanvas) {
    throw new ModelError("This browser is too old. Chrome 104, Firefox 114 and Safari 16.4 or later will do.");
  }
  const meta = parsed(await fetched(new URL("meta.json", base), { cache: "no-cache" }), "meta.json");
  if (meta.schema !== SCHEMA) {
    throw new ModelError("The models were exported by another release than this page. Export both again.");
  }
  const files = await fetchChecked(base, meta.files, progress);
  const people = parsed(files.get("labels.json"), "labels.json").people;
  let problem;
  for (const name of await candidates(backend)) {
    const models = {};
    try {
      return { meta, people, networks: await checked(name, base, meta, files, models), backend: name };
    } catch (error) {
      problem = error; // the next one may do: a graphics card that is lost is no WASM that is
      for (const graph of Object.values(models)) graph.dispose();
    }
  }
  throw problem;
}

/** The networks on a backend, loaded into `models`, once they answer as they must. */
async function checked(backend, base, meta, files, models) {
  await start(backend, base);
  for (const model of Object.keys(meta.models)) models[model] = await loaded(model, files);
  const networks = Object.fromEntries(
    Object.entries(models).map(([model, graph]) => [model, (data, shape) => run(graph, data, shape, backend)]),
  );
  const problem = await differing(networks, meta.probes);
  if (problem) {
    throw new ModelError(`This device computes ${problem} otherwise than it must. Choose another backend.`);
  }
  return networks;
}

async function fetchChecked(base, listed, progress) {
  if (!globalThis.crypto?.subtle) {
    throw new ModelError("Models can be checked only on a secure page: open it over https, or on localhost.");
  }
  const needed = Object.entries(listed).filter(([path]) => path.startsWith("models/") || path === "labels.json");
  const all = needed.reduce((sum, [, { bytes }]) => sum + bytes, 0);
  let done = 0;
  const one = async ([path, { bytes, sha256 }]) => {
    const url = new URL(path, base);
    url.searchParams.set("sha256", sha256.slice(0, 16)); // a cache has no older one under this address
    const data = await fetched(url, {}, (part) => progress((done += part), all));
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
    const found = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
    if (data.byteLength !== bytes || found !== sha256) {
      throw new ModelError(
        `${path} is not the file that was exported (${data.byteLength} of ${bytes} bytes, or other content). ` +
          "It is not used. Reload the page; if that does not help, export it again.",
      );
    }
    return [path, data];
  };
  return new Map(await Promise.all(needed.map(one)));
}

async function fetched(url, options, progress = () => {}) {
  const name = url.pathname.split("/").slice(-2).join("/");
  let response;
  try {
    response = await fetch(url, { credentials: "same-origin", ...options });
    if (!response.ok) throw new ModelError(`${name} is missing (HTTP ${response.status}). Export the page again.`);
    const parts = [];
    for (const reader = response.body.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      progress(value.length);
    }
    return await new Blob(parts).arrayBuffer();
  } catch (error) {
    if (error instanceof ModelError) throw error;
    throw new ModelError(`${name} could not be fetched (${error.message}). Reload the page.`);
  }
}

function parsed(data, name) {
  try {
    return JSON.parse(new TextDecoder().decode(data));
  } catch {
    throw new ModelError(`${name} is damaged. Export the page again.`);
  }
}

async function candidates(backend) {
  if (!BACKENDS.includes(backend)) throw new ModelError(`There is no backend ${backend}: ${BACKENDS.join(", ")}.`);
  if (backend !== "auto") return [backend];
  return (await computesOnGraphicsCard()) ? ["webgl", "wasm"] : ["wasm"];
}

/** Whether WebGL is a graphics card's, which computes in float32: software is slower than WASM. */
async function computesOnGraphicsCard() {
  const context = new OffscreenCanvas(1, 1).getContext("webgl2");
  if (!context) return false;
  const named = context.getExtension("WEBGL_debug_renderer_info");
  const renderer = context.getParameter(named ? named.UNMASKED_RENDERER_WEBGL : context.RENDERER);
  context.getExtension("WEBGL_lose_context")?.loseContext();
  if (/swiftshader|llvmpipe|softpipe|software|basic render/i.test(renderer)) return false;
  return tf.env().getBool("WEBGL_RENDER_FLOAT32_CAPABLE");
}

async function start(backend, base) {
  if (backend === "wasm" && tf.getBackend() !== "wasm") {
    // Threads need a binary that is not here, and headers that a plain web server does not send.
    tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
    tf.wasm.setWasmPaths(new URL("vendor/", base).href);
  }
  const works = await tf.setBackend(backend).catch(() => false);
  if (!works) throw new ModelError(`This browser can't compute with ${backend}. Choose another backend.`);
  await tf.ready();
}

async function loaded(model, files) {
  const { modelTopology, signature, weightsManifest } = parsed(files.get(`models/${model}/model.json`), model);
  const parts = weightsManifest.flatMap(({ paths }) => paths).map((path) => files.get(`models/${model}/${path}`));
  const weightSpecs = weightsManifest.flatMap(({ weights }) => weights);
  const weightData = await new Blob(parts).arrayBuffer();
  return tf.loadGraphModel(tf.io.fromMemory({ modelTopology, signature, weightSpecs, weightData }));
}

async function run(graph, data, shape, backend) {
  const [count, ...item] = shape;
  const size = data.length / count;
  const parts = [];
  for (let start = 0; start < count; start += MOST_AT_ONCE) {
    const own = Math.min(MOST_AT_ONCE, count - start);
    // WebGL compiles a program for each new shape: it is shown few.
    const filled = backend === "webgl" ? 2 ** Math.ceil(Math.log2(own)) : own;
    const values = new Float32Array(filled * size);
    values.set(data.subarray(start * size, (start + own) * size));
    const input = tf.tensor(values, [filled, ...item]);
    const output = graph.predict(input);
    const answer = await output.data();
    parts.push(answer.subarray(0, (answer.length / filled) * own));
    input.dispose();
    output.dispose();
  }
  if (parts.length === 1) return parts[0];
  const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** The first model whose answers to the probes are not those of the export; "" if there is none. */
async function differing(networks, probes) {
  for (const [model, { shape, tolerance, last, input }] of Object.entries(probes)) {
    const given = input ? Float32Array.from(input) : probePicture(shape);
    const found = (await networks[model](given, shape)).slice(-last.length);
    if (!last.every((value, i) => Math.abs(value - found[i]) <= tolerance)) return model;
  }
  return "";
}
