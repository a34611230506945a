// Bilinear sampling as OpenCV 5's remap and warpAffine do it, in float32.

const { fround, floor } = Math;

/**
 * One pixel of a picture between its pixels, written to `out`.
 *
 * @param picture RGB.
 * @param {number} x in pixels; whole numbers are the pixels' middles.
 * @param {number} y in pixels.
 * @param {Uint8ClampedArray | Float32Array} out
 * @param {number} at where in `out` the three values go.
 * @param {number | null} outside what is outside of the picture; null: its edge goes on.
 */
export function sample(picture, x, y, out, at, outside) {
  const { width, height, data } = picture;
  const left = floor(x);
  const top = floor(y);
  const across = fround(x - left);
  const down = fround(y - top);
  const inside = left >= 0 && top >= 0 && left + 1 < width && top + 1 < height;
  if (inside) {
    const i = (top * width + left) * 3;
    const j = i + width * 3;
    for (let c = 0; c < 3; c++) {
      out[at + c] = mixed(data[i + c], data[i + 3 + c], data[j + c], data[j + 3 + c], across, down);
    }
    return;
  }
  for (let c = 0; c < 3; c++) {
    const a = pixel(picture, left, top, c, outside);
    const b = pixel(picture, left + 1, top, c, outside);
    const e = pixel(picture, left, top + 1, c, outside);
    const f = pixel(picture, left + 1, top + 1, c, outside);
    out[at + c] = mixed(a, b, e, f, across, down);
  }
}

function mixed(a, b, e, f, across, down) {
  const upper = fround(a + fround(across * (b - a)));
  const lower = fround(e + fround(across * (f - e)));
  return fround(upper + fround(down * fround(lower - upper)));
}

function pixel({ width, height, data }, x, y, channel, outside) {
  if (outside !== null && (x < 0 || y < 0 || x >= width || y >= height)) return outside;
  const column = Math.min(Math.max(x, 0), width - 1);
  const row = Math.min(Math.max(y, 0), height - 1);
  return data[(row * width + column) * 3 + channel];
}
