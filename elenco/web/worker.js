// The recogniser in a thread of its own: the page stays responsive. `client.js` talks to it.

import { Follower } from "./follow.js";
import { ModelError } from "./models.js";
import { PictureError, pixels } from "./picture.js";
import { load } from "./recognise.js";

let recogniser = null;
let follower = null;

const answers = {
  async load({ backend }) {
    const progress = (done, all) => postMessage({ progress: done / all });
    recogniser = await load({ backend, progress });
    const { version, people, space, notice, files } = recogniser.meta;
    const { backend: chosen } = recogniser;
    return { version, people, embedder: space.embedder, notice, backend: chosen, bytes: modelBytes(files) };
  },

  async picture({ file }) {
    return opened().recognise(file);
  },

  async frame({ frame, time, restart }) {
    if (restart || !follower) follower = new Follower(opened());
    try {
      return await follower.frame(pixels(frame), time);
    } finally {
      frame.close();
    }
  },
};

function opened() {
  if (!recogniser) throw new ModelError("The models are not loaded. Load them first.");
  return recogniser;
}

function modelBytes(files) {
  const models = Object.entries(files).filter(([path]) => path.startsWith("models/"));
  return models.reduce((sum, [, { bytes }]) => sum + bytes, 0);
}

// One after the other: a picture that is asked for while another is worked on waits for it.
let last = Promise.resolve();

addEventListener("message", ({ data: { id, what, ...rest } }) => {
  last = last.then(async () => {
    try {
      postMessage({ id, answer: await answers[what](rest) });
    } catch (error) {
      const told = error instanceof PictureError || error instanceof ModelError;
      postMessage({ id, problem: told ? error.message : `Something went wrong (${error}). Reload the page.` });
    }
  });
});
