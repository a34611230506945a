// The canonical crop of a face, and the window of it that an embedder sees: elenco/faces/crops.py.

import { part } from "./picture.js";
import { averaged, roundEven } from "./resize.js";
import { sample } from "./sample.js";

const { fround } = Math;

/**
 * Cut the canonical crop of one face out of a picture; what lies outside repeats its edge.
 *
 * @param picture upright RGB.
 * @param {number[][]} landmarks the face's five points, x and y in pixels; not all in one place.
 * @param {{size: number, landmarks: number[][]}} canonical side of the crop, and where in it they go.
 */
export function align(picture, landmarks, canonical) {
  const { size } = canonical;
  let matrix = similarity(landmarks, canonical.landmarks);
  let source = picture;
  if (scaleOf(matrix) < 1) ({ source, matrix } = reduced(picture, matrix, size));
  const [a, b, c, d, e, f] = inverted(matrix).map(fround);
  const data = new Uint8ClampedArray(size * size * 3);
  for (let row = 0, at = 0; row < size; row++) {
    const x = fround(fround(b * row) + c);
    const y = fround(fround(e * row) + f);
    for (let column = 0; column < size; column++, at += 3) {
      sample(source, fround(fround(a * column) + x), fround(fround(d * column) + y), data, at, null);
    }
  }
  return { width: size, height: size, data };
}

/** The part of a canonical crop that an embedder sees, at its size: {x, y, width, height, size}. */
export function cut(crop, window) {
  return averaged(part(crop, window.x, window.y, window.width, window.height), window.size, window.size);
}

/**
 * The scale, rotation and translation that take points nearest to others: least squares, never a
 * mirror image (Umeyama 1991, in the closed form that holds in the plane).
 *
 * @returns {number[]} the six numbers of a 2x3 matrix, row by row.
 */
export function similarity(points, targets) {
  const middle = mean(points);
  const goal = mean(targets);
  let spread = 0;
  let real = 0;
  let imaginary = 0;
  points.forEach((point, i) => {
    const [x, y] = [point[0] - middle[0], point[1] - middle[1]];
    const [u, v] = [targets[i][0] - goal[0], targets[i][1] - goal[1]];
    spread += x * x + y * y;
    real += x * u + y * v;
    imaginary += x * v - y * u;
  });
  if (!(spread > 0)) throw new Error("the points coincide: they fix no similarity transform");
  [real, imaginary] = [real / spread, imaginary / spread];
  return [
    real,
    -imaginary,
    goal[0] - (real * middle[0] - imaginary * middle[1]),
    imaginary,
    real,
    goal[1] - (imaginary * middle[0] + real * middle[1]),
  ];
}

/** By how much a similarity transform stretches lengths. */
function scaleOf([a, , , d]) {
  return Math.hypot(a, d);
}

/** The part of a picture that a crop shows, averaged down to the crop's resolution. */
function reduced(picture, matrix, size) {
  const scale = scaleOf(matrix);
  const [a, b, c, d, e, f] = inverted(matrix);
  const corners = [0, size].flatMap((y) => [0, size].map((x) => [a * x + b * y + c, d * x + e * y + f]));
  const sides = [picture.width, picture.height];
  const start = sides.map((side, axis) => {
    const least = Math.floor(Math.min(...corners.map((corner) => corner[axis])) - 2 / scale);
    return Math.min(Math.max(least, 0), side - 1);
  });
  const end = sides.map((side, axis) => {
    const most = Math.ceil(Math.max(...corners.map((corner) => corner[axis])) + 2 / scale);
    return Math.min(Math.max(most, start[axis] + 1), side);
  });
  const lengths = [end[0] - start[0], end[1] - start[1]];
  const small = lengths.map((length) => Math.max(1, roundEven(length * scale)));
  const source = averaged(part(picture, ...start, ...lengths), ...small);
  // Pixel centres: index i of the part stands for (i + 0.5) / ratio - 0.5 from its start.
  const ratio = small.map((side, axis) => side / lengths[axis]);
  const [dx, dy] = start.map((value, axis) => value + 0.5 / ratio[axis] - 0.5);
  const [m0, m1, m2, m3, m4, m5] = matrix;
  return {
    source,
    matrix: [
      m0 / ratio[0],
      m1 / ratio[1],
      m2 + (m0 * dx + m1 * dy),
      m3 / ratio[0],
      m4 / ratio[1],
      m5 + (m3 * dx + m4 * dy),
    ],
  };
}

function inverted([a, b, c, d, e, f]) {
  const one = 1 / (a * e - b * d);
  const [p, q, r, s] = [e * one, -b * one, -d * one, a * one];
  return [p, q, -p * c - q * f, r, s, -r * c - s * f];
}

function mean(points) {
  const sums = points.reduce(([x, y], point) => [x + point[0], y + point[1]], [0, 0]);
  return sums.map((sum) => sum / points.length);
}
