// Which face of a frame is which of the frame before, by how far their boxes overlap.

import { iou } from "./nms.js";

const OVERLAP = 0.3; // least intersection over union of one face in two frames
const FORGOTTEN = 600; // milliseconds that a face may be out of sight

/** The faces that are being followed. */
export class Tracks {
  constructor() {
    this.clear();
    this.count = 0;
  }

  clear() {
    this.all = [];
  }

  /**
   * The tracks of a frame's faces, in their order; a face that no track fits begins one.
   *
   * @param {number[][]} boxes x1, y1, x2, y2.
   * @param {number} time in milliseconds.
   * @returns {{id: number, box: number[], seen: number}[]} objects that stay the same from frame to
   *   frame.
   */
  match(boxes, time) {
    this.all = this.all.filter((track) => time - track.seen <= FORGOTTEN);
    const pairs = boxes
      .flatMap((box, face) => this.all.map((track) => ({ face, track, overlap: iou(box, track.box) })))
      .filter(({ overlap }) => overlap >= OVERLAP)
      .sort((a, b) => b.overlap - a.overlap);
    const own = new Array(boxes.length).fill(null);
    const taken = new Set();
    for (const { face, track } of pairs) {
      if (own[face] || taken.has(track)) continue;
      own[face] = track;
      taken.add(track);
    }
    return own.map((found, face) => {
      const track = found ?? { id: ++this.count };
      if (!found) this.all.push(track);
      return Object.assign(track, { box: boxes[face], seen: time });
    });
  }
}
