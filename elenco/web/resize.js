// Averaging a picture down, to the bit as OpenCV 5 does (modules/imgproc/src/resize.cpp, INTER_AREA).
// The canvas's own way of scaling differs from browser to browser, and other faces would be found.

const { fround } = Math;
const EPSILON = 2 ** -52;

/** The nearest whole number, the even one of two: C's rint, Python's round. */
export function roundEven(value) {
  const below = Math.floor(value);
  const rest = value - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 !== 0) ? below + 1 : below;
}

/**
 * Each pixel of the result is the mean of the area that it stands for.
 *
 * @param picture RGB.
 * @param {number} width of the result, in pixels; no larger than the picture.
 * @param {number} height of the result.
 * @param {number} fx pixels of the result for one of the picture; by default the sides' ratio.
 * @param {number} fy the same, down.
 */
export function averaged(picture, width, height, fx = width / picture.width, fy = height / picture.height) {
  if (width === picture.width && height === picture.height) return picture;
  const across = 1 / fx;
  const down = 1 / fy;
  const whole = [Math.round(across), Math.round(down)];
  if (Math.abs(across - whole[0]) < EPSILON && Math.abs(down - whole[1]) < EPSILON) {
    return byWholePixels(picture, width, height, ...whole);
  }
  const columns = shares(picture.width, width, across);
  const rows = shares(picture.height, height, down);
  const data = new Uint8ClampedArray(width * height * 3); // rounds to even, and clips
  const line = new Float32Array(width * 3);
  const sum = new Float32Array(width * 3);
  for (let i = 0; i < rows.to.length; i++) {
    line.fill(0);
    averageRow(picture.data, rows.from[i] * picture.width * 3, columns, line);
    const share = rows.share[i];
    const starts = i === 0 || rows.to[i] !== rows.to[i - 1];
    if (starts) for (let j = 0; j < sum.length; j++) sum[j] = line[j] * share;
    else for (let j = 0; j < sum.length; j++) sum[j] += fround(line[j] * share);
    if (i + 1 === rows.to.length || rows.to[i + 1] !== rows.to[i]) data.set(sum, rows.to[i] * width * 3);
  }
  return { width, height, data };
}

function averageRow(source, start, columns, line) {
  const { from, to, share } = columns;
  for (let i = 0; i < from.length; i++) {
    const s = start + from[i] * 3;
    const d = to[i] * 3;
    const a = share[i];
    line[d] += fround(source[s] * a);
    line[d + 1] += fround(source[s + 1] * a);
    line[d + 2] += fround(source[s + 2] * a);
  }
}

/** Which pixels along a side go into which, and with what share. */
function shares(before, after, scale) {
  const from = [];
  const to = [];
  const share = [];
  const add = (target, source, part) => {
    to.push(target);
    from.push(source);
    share.push(part);
  };
  for (let target = 0; target < after; target++) {
    const start = target * scale;
    const end = start + scale;
    const cell = Math.min(scale, before - start);
    const last = Math.min(Math.floor(end), before - 1);
    const first = Math.min(Math.ceil(start), last);
    if (first - start > 1e-3) add(target, first - 1, (first - start) / cell);
    for (let source = first; source < last; source++) add(target, source, 1 / cell);
    if (end - last > 1e-3) add(target, last, Math.min(Math.min(end - last, 1), cell) / cell);
  }
  return { from: Int32Array.from(from), to: Int32Array.from(to), share: Float32Array.from(share) };
}

/** Blocks of whole pixels: their sum is exact. */
function byWholePixels(picture, width, height, across, down) {
  const { width: stride, height: rows, data: source } = picture;
  const data = new Uint8ClampedArray(width * height * 3);
  const halves = across === 2 && down === 2;
  const scale = fround(1 / (across * down));
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const right = Math.min((x + 1) * across, stride);
      const bottom = Math.min((y + 1) * down, rows);
      let red = 0;
      let green = 0;
      let blue = 0;
      for (let v = y * down; v < bottom; v++) {
        for (let i = (v * stride + x * across) * 3, end = (v * stride + right) * 3; i < end; i += 3) {
          red += source[i];
          green += source[i + 1];
          blue += source[i + 2];
        }
      }
      const count = (right - x * across) * (bottom - y * down);
      if (halves && count === 4) {
        // OpenCV adds a half here and cuts off.
        data[at++] = (red + 2) >> 2;
        data[at++] = (green + 2) >> 2;
        data[at++] = (blue + 2) >> 2;
      } else {
        const share = count === across * down ? scale : 1 / count;
        data[at++] = fround(red * share);
        data[at++] = fround(green * share);
        data[at++] = fround(blue * share);
      }
    }
  }
  return { width, height, data };
}
