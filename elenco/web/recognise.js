// From a picture to names, the same as `elenco recognise`: elenco/recognition/pipeline.py.
//
//   import { recognise } from "./recognise.js";
//   for (const { box, name, probability } of await recognise(file)) …

import { align, cut } from "./align.js";
import { answer, named, oneEach } from "./classify.js";
import { Detector } from "./detector.js";
import { openModels } from "./models.js";
import { unit } from "./numbers.js";
import { decode, pixels } from "./picture.js";

let shared = null;

/**
 * Name all faces of a picture; the models are loaded at the first call.
 *
 * @param {Blob | ImageBitmap | ImageData | HTMLCanvasElement | HTMLImageElement | HTMLVideoElement
 *   | OffscreenCanvas | VideoFrame} image
 * @param options as `load` takes them; those of the first call count.
 * @returns {Promise<{box: number[], person_id: string | null, name: string | null,
 *   probability: number}[]>} boxes x1, y1, x2, y2 in pixels of the upright picture; null: unknown.
 *   The best detection first; a person is given at most once.
 * @throws {PictureError | ModelError} with a message for a person.
 */
export async function recognise(image, options) {
  shared ??= load(options);
  try {
    const recogniser = await shared;
    return await recogniser.recognise(image);
  } catch (error) {
    const ready = await shared.then(
      () => true,
      () => false,
    );
    if (!ready) shared = null; // the next call tries to load them again
    throw error;
  }
}

/**
 * Load the models.
 *
 * @param {{base?: URL, backend?: "auto" | "wasm" | "webgl", progress?: Function}} options `base`:
 *   the folder with meta.json, by default this module's; the rest as `openModels` takes them.
 * @returns {Promise<Recogniser>}
 */
export async function load({ base = new URL("./", import.meta.url), ...options } = {}) {
  return new Recogniser(await openModels(base, options));
}

/** The loaded models at work. */
export class Recogniser {
  constructor({ meta, people, networks, backend }) {
    Object.assign(this, { meta, people, networks, backend });
    this.detector = new Detector(networks, meta.detector);
  }

  /** As the function of that name. */
  async recognise(image) {
    const picture = await this.read(image);
    const found = await this.detect(picture);
    const answers = [];
    for (const face of found) answers.push(await this.identify(await this.embed(picture, face.landmarks)));
    return oneEach(answers).map((own, i) => named(found[i].box, own));
  }

  /** An image as RGB. */
  async read(image) {
    const most = this.meta.max_megapixels;
    return image instanceof Blob ? decode(image, most) : pixels(image, most);
  }

  /**
   * The faces that count, as `Detector.detect` gives them.
   *
   * @param picture RGB.
   * @param {number} smallest side of the smallest face, in pixels.
   */
  async detect(picture, smallest = this.meta.detector.min_face_pixels) {
    const least = Math.fround(this.meta.detector.min_score);
    const found = await this.detector.detect(picture, smallest);
    // Points in one place can't be aligned: nothing that has such landmarks is a face.
    const spread = (points) => points.some(([x, y]) => x !== points[0][0] || y !== points[0][1]);
    return found.filter(({ score, landmarks }) => score >= least && spread(landmarks));
  }

  /** A face's unit-length vector, by its five landmarks in the picture. */
  async embed(picture, landmarks) {
    const { window, crop } = this.meta;
    const face = cut(align(picture, landmarks, crop), window);
    return this.networks.embedder(Float32Array.from(face.data), [1, face.height, face.width, 3]);
  }

  /** Who a vector is of, as `answer` of classify.js gives it. */
  async identify(vector) {
    const probabilities = await this.networks.classifier(unit(vector), [1, vector.length]);
    return answer(probabilities, this.people);
  }
}
