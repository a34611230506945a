// Non-maximum suppression, by the rules of elenco/faces/nms.py.

/**
 * Leave out every box that overlaps a better one of its group. A box counts against lesser ones
 * even if it is left out itself.
 *
 * @param {number[][]} boxes x1, y1, x2, y2.
 * @param {number[]} scores higher is better; the first given wins a tie.
 * @param {number} threshold the overlap, 0..1, over which a box is left out.
 * @param {{smaller?: boolean, groups?: number[]}} options `smaller`: the intersection is divided by
 *   the smaller box, not by the union; `groups`: only boxes of equal group are compared.
 * @returns {number[]} indices of the boxes that stay, by group, the best first.
 */
export function suppress(boxes, scores, threshold, { smaller = false, groups = null } = {}) {
  const order = [...boxes.keys()];
  order.sort((a, b) => (groups ? groups[a] - groups[b] : 0) || scores[b] - scores[a] || a - b);
  const areas = boxes.map(area);
  return order.filter((box, place) => {
    for (let i = place - 1; i >= 0; i--) {
      const better = order[i];
      if (groups && groups[better] !== groups[box]) return true;
      const shared = intersection(boxes[better], boxes[box]);
      const whole = smaller ? Math.min(areas[better], areas[box]) : areas[better] + areas[box] - shared;
      if (shared > threshold * whole) return false;
    }
    return true;
  });
}

/** Intersection over union of two boxes, 0..1; 0 where both are empty. */
export function iou(a, b) {
  const shared = intersection(a, b);
  const union = area(a) + area(b) - shared;
  return union > 0 ? shared / union : 0;
}

function area([x1, y1, x2, y2]) {
  return (x2 - x1) * (y2 - y1);
}

function intersection(a, b) {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  return Math.max(width, 0) * Math.max(height, 0);
}
