// The page: what is looked at, what is found, what went wrong.

import { openCamera } from "./camera.js";
import { Client } from "./client.js";
import { counted, inWords, onScreen, show } from "./view.js";

const READ_OUT = 2000; // milliseconds from one sentence about a video to the next
const MOST_PIXELS = 1280; // of a frame's longer side: more takes time and finds no other faces

const [
  file, camera, stop, loading, progress, hint, problem, work, stage, picture, video, boxes, count, said, list, about,
  notice,
] = [
  "file", "camera", "stop", "loading", "progress", "hint", "problem", "work", "stage", "picture", "video", "faces",
  "count", "said", "results", "about", "notice",
].map((id) => document.getElementById(id));

let client = null;
let showing = 0; // counts what was chosen: an answer to what is no longer shown is dropped

async function start(backend) {
  client?.close();
  clear();
  ready(false);
  say("");
  client = new Client((share) => (progress.value = share));
  const own = client;
  try {
    const { version, people, embedder, notice: words, backend: chosen, bytes } = await own.load(backend);
    if (own !== client) return;
    const on = { wasm: "WebAssembly", webgl: "WebGL" }[chosen];
    about.textContent =
      `Version ${version} knows ${people.toLocaleString("en")} people. ` +
      `Models of ${(bytes / 1e6).toFixed(1)} MB (${embedder}), computed with ${on}.`;
    notice.textContent = words;
    ready(true);
  } catch (error) {
    if (own !== client) return;
    loading.hidden = true;
    say(error.message);
  }
}

function ready(is) {
  loading.hidden = is;
  hint.hidden = !is;
  progress.value = 0;
  for (const control of [file, camera]) control.disabled = !is;
}

/** Say what went wrong; with "", nothing does any more. */
function say(message) {
  problem.textContent = message;
}

/** Put the stage back to empty; whatever ran ends. */
function clear() {
  showing++;
  for (const track of video.srcObject?.getTracks() ?? []) track.stop();
  video.srcObject = null;
  video.removeAttribute("src");
  for (const node of [picture, video]) node.hidden = true;
  picture.removeAttribute("src");
  stop.hidden = true;
  work.classList.add("empty");
  stage.classList.remove("mirrored");
  tell("None yet.");
  show([], { width: 1, height: 1 }, { boxes, list, source: picture });
  return showing;
}

/** What is found: `seen` at the list, `heard` read out by a screen reader. */
function tell(seen, heard = seen) {
  for (const [node, text] of [[count, seen], [said, heard]]) {
    if (node.textContent !== text) node.textContent = text;
  }
}

async function look(chosen) {
  if (file.disabled) return; // dropped or pasted before the models are there
  const own = clear();
  say("");
  const url = URL.createObjectURL(chosen);
  try {
    if (chosen.type.startsWith("video/")) await watch(own, () => (video.src = url), `“${chosen.name}”`);
    else await see(own, chosen, url);
  } catch (error) {
    if (own !== showing) return;
    clear();
    say(error.message);
  } finally {
    URL.revokeObjectURL(url);
  }
}

async function see(own, chosen, url) {
  tell("Looking…");
  // Both decode it: what this browser can't show it can't read either.
  const shown = new Promise((resolve) => {
    picture.onload = () => resolve(true);
    picture.onerror = () => resolve(false);
  });
  picture.src = url;
  const [faces] = await Promise.all([client.picture(chosen), shown]);
  if (own !== showing) return;
  work.classList.remove("empty");
  picture.hidden = false;
  show(faces, { width: picture.naturalWidth, height: picture.naturalHeight }, { boxes, list, source: picture });
  tell(counted(faces), inWords(faces));
}

/** Name the faces of the video element's frames until something else is shown. */
async function watch(own, open, name) {
  const playable = new Promise((resolve, reject) => {
    const problem = `${name} is not a video that this browser can play. Choose an MP4 or WebM.`;
    video.onloadeddata = resolve;
    video.onerror = () => reject(new Error(problem));
  });
  open();
  await playable;
  if (own !== showing) return;
  work.classList.remove("empty");
  video.hidden = false;
  video.controls = !video.srcObject;
  stop.hidden = false;
  const mirrored = stage.classList.contains("mirrored");
  video.play().catch(() => {}); // where a browser waits for a click on the controls, so do we
  let readOut = 0;
  for (let restart = true; ; restart = false) {
    await nextFrame(); // none can be taken before the first is on screen
    if (own !== showing) return;
    const frame = await createImageBitmap(video, frameSize()).catch(() => {
      throw new Error(`A frame of ${name} could not be read. Try another video.`);
    });
    const time = performance.now();
    const faces = await client.frame(frame, time, restart);
    if (own !== showing) return;
    const scale = video.videoWidth / frameWidth();
    const placed = faces.map((face) => ({ ...face, box: face.box.map((value) => value * scale) }));
    const size = { width: video.videoWidth, height: video.videoHeight, mirrored };
    show(placed, size, { boxes, list, source: video });
    const due = time - readOut >= READ_OUT && faces.every(({ probability }) => probability !== null);
    if (due) readOut = time;
    tell(counted(faces), due ? onScreen(faces) : said.textContent);
    stage.dataset.frames = Number(stage.dataset.frames ?? 0) + 1;
  }
}

function frameWidth() {
  const { videoWidth: width, videoHeight: height } = video;
  return Math.round(width * Math.min(1, MOST_PIXELS / Math.max(width, height)));
}

function frameSize() {
  const width = frameWidth();
  return width === video.videoWidth ? {} : { resizeWidth: width, resizeQuality: "medium" };
}

function nextFrame() {
  return new Promise((resolve) => {
    if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(resolve);
    else requestAnimationFrame(resolve);
  });
}

file.addEventListener("change", () => {
  const [chosen] = file.files;
  file.value = ""; // the same file can be chosen again
  if (chosen) look(chosen);
});

camera.addEventListener("click", async () => {
  const own = clear();
  say("");
  try {
    const stream = await openCamera();
    if (own !== showing) {
      for (const track of stream.getTracks()) track.stop();
      return;
    }
    stage.classList.add("mirrored");
    await watch(own, () => (video.srcObject = stream), "the camera");
  } catch (error) {
    if (own !== showing) return;
    clear();
    say(error.message);
  }
});

stage.addEventListener("click", () => {
  if (work.classList.contains("empty")) file.click();
});

stop.addEventListener("click", () => {
  clear();
  (file.disabled ? document.body : file).focus();
});

for (const kind of ["dragover", "drop", "dragleave"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    work.classList.toggle("over", kind === "dragover");
    const [chosen] = (kind === "drop" && event.dataTransfer?.files) || [];
    if (chosen) look(chosen);
  });
}

document.addEventListener("paste", ({ clipboardData }) => {
  const [chosen] = clipboardData?.files ?? [];
  if (chosen) look(chosen);
});

for (const choice of document.querySelectorAll("[name=backend]")) {
  choice.addEventListener("change", () => {
    const address = new URL(location.href);
    address.searchParams.set("backend", choice.value);
    history.replaceState(null, "", address);
    start(choice.value);
  });
}

const asked = new URL(location.href).searchParams.get("backend");
const choices = [...document.querySelectorAll("[name=backend]")];
const chosen = choices.find(({ value }) => value === asked) ?? choices[0];
chosen.checked = true;
start(chosen.value);
