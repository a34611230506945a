// Run a few lines against the page's modules: node ask.mjs FOLDER LINES <value.json >answer.json
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [folder, lines] = process.argv.slice(2);
const use = (name) => import(pathToFileURL(path.join(folder, name)).href);
const picture = ({ width, height, rgb }) => ({
  width,
  height,
  data: new Uint8ClampedArray(Buffer.from(rgb, "base64")),
});
const packed = ({ width, height, data }) => ({ width, height, rgb: Buffer.from(data).toString("base64") });
const AsyncFunction = (async () => {}).constructor;
const run = new AsyncFunction("value", "use", "picture", "packed", lines);
const value = JSON.parse(fs.readFileSync(0, "utf8"));
console.log(JSON.stringify((await run(value, use, picture, packed)) ?? null));
