// The image pyramid, all levels of a picture side by side on one canvas, so that one call of P-Net
// searches every scale. The layout is that of elenco/faces/pyramid.py.

import { averaged, roundEven } from "./resize.js";

export const CELL = 12; // pixels: side of the window that P-Net judges
const STRIDE = 2; // pixels between windows
const STEP = 0.709; // between levels: half the area
const ROUND = 16; // pixels that a canvas's sides are multiples of
const GREY = 128; // between levels
const LARGE = 256; // pixels: a picture with a longer side is halved before levels are made of it
const MOST_HALVED = 8;

/** Where the levels of a picture of one size lie on their canvas. */
export class Pyramid {
  /**
   * @param {number} height of the picture, in pixels.
   * @param {number} width of the picture.
   * @param {number} smallest side of the smallest face, in pixels of the picture.
   */
  constructor(height, width, smallest) {
    Object.assign(this, { down: height, across: width });
    const shorter = Math.min(height, width);
    this.scales = [Math.min(Math.max(CELL / smallest, CELL / shorter), 1)];
    while (shorter * this.scales.at(-1) * STEP >= CELL) this.scales.push(this.scales.at(-1) * STEP);
    this.levels = [];
    for (const scale of this.scales) {
      this.levels.push(place(this.levels, Math.trunc(width * scale), Math.trunc(height * scale)));
    }
    [this.width, this.height] = extent(this.levels).map((side) => Math.ceil(side / ROUND) * ROUND);
    this.columns = Math.floor((this.width - CELL) / STRIDE) + 1;
    this.rows = Math.floor((this.height - CELL) / STRIDE) + 1;
    // The level that a window lies in as a whole; -1 where it lies in none.
    this.levelOf = new Int16Array(this.rows * this.columns).fill(-1);
    this.levels.forEach(([x, y, w, h], number) => {
      const last = [Math.floor((w - CELL) / STRIDE), Math.floor((h - CELL) / STRIDE)];
      for (let row = y / STRIDE; row <= y / STRIDE + last[1]; row++) {
        const start = row * this.columns + x / STRIDE;
        this.levelOf.fill(number, start, start + last[0] + 1);
      }
    });
  }

  /** Every level of a picture on the canvas, averaged down. */
  draw(picture) {
    const { width, height, down, across } = this;
    const data = new Uint8ClampedArray(width * height * 3).fill(GREY);
    let source = filledUp(picture);
    let halved = 1;
    for (const [x, y, w, h] of this.levels) {
      while (
        Math.max(source.width, source.height) > LARGE &&
        halved < MOST_HALVED &&
        down >= 2 * halved * h &&
        across >= 2 * halved * w
      ) {
        source = averaged(source, source.width / 2, source.height / 2, 0.5, 0.5);
        halved *= 2;
      }
      const [fx, fy] = [(halved * w) / across, (halved * h) / down];
      const level = averaged(source, roundEven(source.width * fx), roundEven(source.height * fy), fx, fy);
      for (let row = 0; row < h; row++) {
        const start = row * level.width * 3;
        data.set(level.data.subarray(start, start + w * 3), ((y + row) * width + x) * 3);
      }
    }
    return { width, height, data };
  }

  /**
   * Where a window is, by its place in the grid of windows.
   *
   * @returns its level; its upper left corner in pixels of the level; and pixels of the picture
   *   that a pixel of the level stands for.
   */
  corner(row, column) {
    const level = this.levelOf[row * this.columns + column];
    const [x, y] = this.levels[level];
    return { level, x: column * STRIDE - x, y: row * STRIDE - y, ratio: 1 / this.scales[level] };
  }
}

/** With sides that can be halved without a remainder, which would shift what is on it. */
function filledUp(picture) {
  const { width, height } = picture;
  const [wide, high] = [width, height].map((side) => Math.ceil(side / MOST_HALVED) * MOST_HALVED);
  if (wide === width && high === height) return picture;
  const data = new Uint8ClampedArray(wide * high * 3);
  for (let y = 0; y < high; y++) {
    const from = Math.min(y, height - 1) * width * 3;
    const to = y * wide * 3;
    data.set(picture.data.subarray(from, from + width * 3), to);
    const edge = data.subarray(to + (width - 1) * 3, to + width * 3);
    for (let x = width; x < wide; x++) data.set(edge, to + x * 3);
  }
  return { width: wide, height: high, data };
}

/** The place beside or under an earlier level, at even pixels, that makes the canvas grow least. */
function place(levels, width, height) {
  const even = (pixels) => pixels + (pixels % 2);
  const places = [
    [0, 0],
    ...levels.map(([x, y, w]) => [even(x + w), y]),
    ...levels.map(([x, y, , h]) => [x, even(y + h)]),
  ];
  let best = null;
  for (const [x, y] of places) {
    const free = levels.every(
      ([a, b, w, h]) => x + width <= a || a + w <= x || y + height <= b || b + h <= y,
    );
    if (!free) continue;
    const own = [x, y, width, height];
    const [columns, rows] = extent([...levels, own]);
    const key = [columns * rows, y, x];
    if (best === null || before(key, best.key)) best = { key, own };
  }
  return best.own;
}

function before(a, b) {
  const differs = a.findIndex((value, i) => value !== b[i]);
  return differs >= 0 && a[differs] < b[differs];
}

function extent(levels) {
  return [Math.max(...levels.map(([x, , w]) => x + w)), Math.max(...levels.map(([, y, , h]) => y + h))];
}
