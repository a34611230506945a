// Vectors of numbers.

/** A vector at unit length; one of zeros stays. */
export function unit(vector) {
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  return length > 0 ? vector.map((value) => value / length) : vector;
}

/** What the models' answers are known for: numbers that any language can make. */
export function probePicture(shape) {
  const count = shape.reduce((product, side) => product * side, 1);
  return Float32Array.from({ length: count }, (_, i) => (i * 37 + (i >> 4) * 11) % 256);
}
