// Pictures: {width, height, data}, data a Uint8ClampedArray of RGB, 0..255, row by row.

export const MIN_SIDE = 20; // pixels: the smallest face that the detector finds

/** A picture that can't be used; the message says why, for a person. */
export class PictureError extends Error {}

/**
 * Decode a file: upright by its EXIF orientation, transparency over white, no colour profile
 * applied, the first frame of an animation.
 *
 * @param {Blob} file
 * @param {number} maxMegapixels width x height allowed, in millions.
 * @throws {PictureError} it is no picture, or too large or small a one.
 */
export async function decode(file, maxMegapixels) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, {
      imageOrientation: "from-image",
      premultiplyAlpha: "none",
      colorSpaceConversion: "none",
    });
  } catch {
    const name = file.name ? `“${file.name}”` : "This file";
    throw new PictureError(`${name} is not a picture that this browser can read. Choose a JPEG, PNG or WebP.`);
  }
  try {
    return pixels(bitmap, maxMegapixels);
  } finally {
    bitmap.close();
  }
}

/**
 * The pixels of an ImageData and of anything that can be drawn on a canvas: ImageBitmap, VideoFrame, canvas, image.
 *
 * @throws {PictureError} it is none of these or not loaded, too large or too small, or of another site's.
 */
export function pixels(source, maxMegapixels = Infinity) {
  const width = source?.displayWidth ?? source?.naturalWidth ?? source?.videoWidth ?? source?.width;
  const height = source?.displayHeight ?? source?.naturalHeight ?? source?.videoHeight ?? source?.height;
  if (!(width > 0 && height > 0)) {
    throw new PictureError("There is no picture, or it is not loaded yet. Choose one, or wait until it is there.");
  }
  if (width * height > maxMegapixels * 1e6) {
    throw new PictureError(
      `The picture has ${width}×${height} pixels, more than ${maxMegapixels} million. Choose a smaller one.`,
    );
  }
  if (Math.min(width, height) < MIN_SIDE) {
    throw new PictureError(`The picture has ${width}×${height} pixels: too small to hold a face.`);
  }
  if (globalThis.ImageData && source instanceof ImageData) return toRgb(source);
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(source, 0, 0, width, height);
  return toRgb(readable(context).getImageData(0, 0, width, height));
}

function readable(context) {
  try {
    context.getImageData(0, 0, 1, 1);
  } catch (error) {
    if (error.name !== "SecurityError") throw error;
    throw new PictureError("The picture is another site's, which lets no page read it. Choose a file instead.");
  }
  return context;
}

/** An ImageData, or the like, without its alpha. */
export function toRgb({ width, height, data: rgba }) {
  const data = new Uint8ClampedArray(width * height * 3);
  for (let i = 0, j = 0; j < data.length; i += 4, j += 3) {
    data[j] = rgba[i];
    data[j + 1] = rgba[i + 1];
    data[j + 2] = rgba[i + 2];
  }
  return { width, height, data };
}

/** A part of a picture, copied: from `x`, `y` on. */
export function part(picture, x, y, width, height) {
  const data = new Uint8ClampedArray(width * height * 3);
  for (let row = 0; row < height; row++) {
    const start = ((y + row) * picture.width + x) * 3;
    data.set(picture.data.subarray(start, start + width * 3), row * width * 3);
  }
  return { width, height, data };
}
