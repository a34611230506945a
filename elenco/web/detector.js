// Face detection: MTCNN (Zhang et al. 2016, arXiv 1604.02878), step by step as elenco/faces/mtcnn.py.

import { suppress } from "./nms.js";
import { MIN_SIDE } from "./picture.js";
import { CELL, Pyramid } from "./pyramid.js";
import { averaged, roundEven } from "./resize.js";
import { sample } from "./sample.js";

const OUTSIDE = 127; // mid-grey
const LANDMARKS = 5;

/** Finds faces. */
export class Detector {
  /**
   * @param networks `pnet`, `rnet`, `onet`: (Float32Array, shape) -> Promise<Float32Array>, RGB of
   *   0..255 in; shifts (4), landmarks (O-Net: five x, five y) and probability (1) side by side out.
   * @param {{thresholds: number[], max_side: number}} rules scores that the three must pass, and
   *   the side, in pixels, at which a larger picture is searched.
   */
  constructor(networks, rules) {
    Object.assign(this, networks);
    this.thresholds = rules.thresholds;
    this.maxSide = rules.max_side;
  }

  /**
   * The faces of a picture, the best first.
   *
   * @param picture upright RGB.
   * @param {number} smallest side of the smallest face looked for, in pixels of the picture (of its
   *   form of `max_side`, if it is larger).
   * @returns {Promise<{box: number[], score: number, landmarks: number[][]}[]>} x1, y1, x2, y2 and
   *   x, y of left eye, right eye, nose, left and right mouth corner ("left" as seen in the
   *   picture), in pixels; boxes lie within the picture.
   */
  async detect(picture, smallest) {
    const reduced = this.reduce(picture);
    const { found, landmarks } = await this.search(reduced, smallest);
    const ratio = [picture.width / reduced.width, picture.height / reduced.height];
    return found.map(({ box, score }, i) => ({
      box: box.map((value, side) => {
        const most = side % 2 ? picture.height : picture.width;
        return Math.fround(Math.min(Math.max(value * ratio[side % 2], 0), most));
      }),
      score,
      landmarks: landmarks[i].map((point) => point.map((value, axis) => Math.fround(value * ratio[axis]))),
    }));
  }

  reduce(picture) {
    const { width, height } = picture;
    const scale = this.maxSide / Math.max(width, height);
    if (scale >= 1) return picture;
    const sides = [width, height].map((side) => Math.max(MIN_SIDE, roundEven(side * scale)));
    return averaged(picture, ...sides);
  }

  async search(picture, smallest) {
    let found = await this.propose(picture, smallest);
    if (found.length) {
      const outputs = await this.rnet(cutBoxes(picture, found, 24), [found.length, 24, 24, 3]);
      found = adjusted(found, outputs, 5).filter(({ score }) => score > this.thresholds[1]);
      found = kept(found, 0.7).map(squared);
    }
    if (!found.length) return { found, landmarks: [] };
    const looked = await this.lookClosely(picture, found);
    found = adjusted(found, looked.outputs, 15).map((face, i) => ({ ...face, landmarks: looked.landmarks[i] }));
    found = kept(found.filter(({ score }) => score > this.thresholds[2]), 0.7, { smaller: true });
    if (!found.length) return { found, landmarks: [] };
    // The mean of what is said of the box that was shown and of the final one makes better crops.
    const again = await this.lookClosely(picture, found.map(squared));
    const landmarks = found.map((face, i) =>
      face.landmarks.map((point, p) => point.map((value, axis) => (value + again.landmarks[i][p][axis]) / 2)),
    );
    return { found, landmarks };
  }

  /** P-Net over the image pyramid: squares that may hold a face. */
  async propose(picture, smallest) {
    const pyramid = new Pyramid(picture.height, picture.width, smallest);
    const canvas = pyramid.draw(picture);
    const shape = [1, canvas.height, canvas.width, 3];
    const outputs = await this.pnet(Float32Array.from(canvas.data), shape);
    const found = [];
    for (let row = 0, i = 0; row < pyramid.rows; row++) {
      for (let column = 0; column < pyramid.columns; column++, i++) {
        const score = outputs[i * 5 + 4];
        if (!(score > this.thresholds[0]) || pyramid.levelOf[i] < 0) continue;
        const { level, x, y, ratio } = pyramid.corner(row, column);
        // A window's pixels are counted from 1 to 12.
        const box = [x + 1, y + 1, x + CELL, y + CELL].map(
          (edge, side) => (edge + Math.fround(outputs[i * 5 + side] * (CELL - 1))) * ratio,
        );
        found.push({ box, score, level });
      }
    }
    // First within each level, then over all.
    const ownLevel = kept(found, 0.5, { groups: found.map(({ level }) => level) });
    return kept(ownLevel, 0.7).map(squared);
  }

  /** What O-Net says: its outputs, and the landmarks in pixels. */
  async lookClosely(picture, found) {
    const outputs = await this.onet(cutBoxes(picture, found, 48), [found.length, 48, 48, 3]);
    const landmarks = found.map(({ box: [x1, y1, x2, y2] }, i) =>
      Array.from({ length: LANDMARKS }, (_, p) => [
        x1 + outputs[i * 15 + 4 + p] * (x2 - x1 + 1) - 1,
        y1 + outputs[i * 15 + 4 + LANDMARKS + p] * (y2 - y1 + 1) - 1,
      ]),
    );
    return { outputs, landmarks };
  }
}

/**
 * Boxes as the square patches that a network takes: bilinear, a box's edges on the middles of the
 * outer samples, mid-grey outside of the picture; whole numbers of 0..255.
 *
 * @returns {Float32Array} (n, side, side, 3)
 */
export function cutBoxes(picture, found, side) {
  const out = new Uint8ClampedArray(found.length * side * side * 3); // rounds to even
  const { width, height } = picture;
  const shrink = [(width - 1) / width, (height - 1) / height];
  const step = 1 / (side - 1);
  const along = (start, end, i) => Math.fround(start + (end - start) * (i === side - 1 ? 1 : i * step));
  found.forEach(({ box }, number) => {
    const [x1, y1, x2, y2] = box.map((value, edge) => value * shrink[edge % 2]);
    let at = number * side * side * 3;
    for (let row = 0; row < side; row++) {
      const y = along(y1, y2, row);
      for (let column = 0; column < side; column++, at += 3) {
        sample(picture, along(x1, x2, column), y, out, at, OUTSIDE);
      }
    }
  });
  return Float32Array.from(out);
}

function kept(found, threshold, options) {
  const boxes = found.map(({ box }) => box);
  const scores = found.map(({ score }) => score);
  return suppress(boxes, scores, threshold, options).map((i) => found[i]);
}

/** The boxes as a network moved them, with its scores. */
function adjusted(found, outputs, columns) {
  return found.map(({ box }, i) => {
    const sides = [box[2] - box[0] + 1, box[3] - box[1] + 1];
    const moved = box.map((value, side) => value + outputs[i * columns + side] * sides[side % 2]);
    return { box: moved, score: outputs[(i + 1) * columns - 1] };
  });
}

/** A box as the square of its longer side about its middle. */
function squared(face) {
  const [x1, y1, x2, y2] = face.box;
  const side = Math.max(x2 - x1, y2 - y1);
  const [x, y] = [(x1 + x2 - side) / 2, (y1 + y2 - side) / 2];
  return { ...face, box: [x, y, x + side, y + side] };
}
