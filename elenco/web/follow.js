// Faces of a video: found in every frame, embedded now and then. The names are of the mean of a
// face's last few embeddings.

import { named, oneEach } from "./classify.js";
import { Tracks } from "./tracks.js";

const SMALLEST = 1 / 14; // of the longer side: the smallest face looked for; smaller ones cost time
const FIRST = 3; // embeddings of a new face, in as many frames
const AGAIN = 1000; // milliseconds from one to the next after that
const KEPT = 5; // embeddings that the name is of
const GRID = 16; // points a side at which two frames are compared
const CUT = 40; // mean difference of their brightness, 0..255, from which on the scene is another

/** Names the faces of one video or camera, frame by frame. */
export class Follower {
  /** @param {import("./recognise.js").Recogniser} recogniser */
  constructor(recogniser) {
    this.recogniser = recogniser;
    this.tracks = new Tracks();
    this.before = null;
  }

  /**
   * The faces of a frame, who came first first: at most one is embedded, so that the next frame need not wait long.
   *
   * @param picture RGB.
   * @param {number} time in milliseconds, rising.
   * @returns {Promise<{box, track, person_id, name, probability}[]>} `track` numbers a face as long
   *   as it is followed; `probability` is null until it is embedded.
   */
  async frame(picture, time) {
    if (this.isCut(picture)) this.tracks.clear();
    const longer = Math.min(Math.max(picture.width, picture.height), this.recogniser.meta.detector.max_side);
    const smallest = Math.max(this.recogniser.meta.detector.min_face_pixels, Math.round(longer * SMALLEST));
    const found = await this.recogniser.detect(picture, smallest);
    const tracks = this.tracks.match(
      found.map(({ box }) => box),
      time,
    );
    const next = due(tracks, time);
    if (next) {
      const vector = await this.recogniser.embed(picture, found[tracks.indexOf(next)].landmarks);
      next.vectors = [...(next.vectors ?? []), vector].slice(-KEPT);
      next.looked = time;
      next.answer = await this.recogniser.identify(sum(next.vectors));
    }
    const known = tracks.filter(({ answer }) => answer);
    const answers = new Map(oneEach(known.map(({ answer }) => answer)).map((own, i) => [known[i], own]));
    const faces = tracks.map((track) => {
      const own = answers.get(track) ?? { person: null, probability: null };
      return { ...named(track.box, own), track: track.id };
    });
    return faces.sort((a, b) => a.track - b.track);
  }

  /** Whether a frame is of another scene than the one before: then no face is the same. */
  isCut(picture) {
    const now = brightness(picture);
    const before = this.before;
    this.before = now;
    if (!before) return false;
    return now.reduce((total, value, i) => total + Math.abs(value - before[i]), 0) / now.length > CUT;
  }
}

/** The track to embed: one that has few embeddings, else the one that waits longest. */
function due(tracks, time) {
  const looks = (track) => Math.min(track.vectors?.length ?? 0, FIRST);
  const waiting = tracks.filter((track) => looks(track) < FIRST || time - track.looked >= AGAIN);
  waiting.sort((a, b) => looks(a) - looks(b) || (a.looked ?? 0) - (b.looked ?? 0));
  return waiting[0];
}

function sum(vectors) {
  return vectors.reduce((total, vector) => total.map((value, i) => value + vector[i]));
}

function brightness({ width, height, data }) {
  const values = [];
  for (let row = 0; row < GRID; row++) {
    const y = Math.floor(((row + 0.5) / GRID) * height);
    for (let column = 0; column < GRID; column++) {
      const i = (y * width + Math.floor(((column + 0.5) / GRID) * width)) * 3;
      values.push((data[i] + data[i + 1] + data[i + 2]) / 3);
    }
  }
  return values;
}
