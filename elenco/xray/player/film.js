"use strict";
// The film, and who is on screen where it is.

const STEP = 5; // seconds that an arrow key goes
const ROUNDING = 0.0005; // seconds: times are written in whole milliseconds
const OTHER = 1; // seconds by which another film's length differs

const film = JSON.parse(document.getElementById("data").textContent);
const [video, stage, boxes, missing, why, file, always, full, problem, clock, here, nobody, said] = [
  "video", "stage", "boxes", "missing", "why", "file", "always", "full", "problem", "clock", "here",
  "nobody", "said",
].map((id) => document.getElementById(id));

let now = 0; // seconds from the first picture; the video's time where there is a video
// Where the first picture is on the video's own clock: a browser that does not count from there
// begins at it.
let zero = 0;
let sought = false; // somebody asked for another place before the first picture was there
let playable = false;
let shownKey = null; // who is listed
let hovered = false;
let picked = null; // the address of a file that was chosen

const buttons = []; // {button, start, end}: of all timelines
const drawn = new Map(); // track -> its box

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name in node) node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

function told(seconds) {
  const whole = Math.floor(seconds + ROUNDING);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (n) => String(n).padStart(2, "0");
  return film.duration >= 3600 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** What is heard of somebody. */
const inWords = (who) => (who.character ? `${who.name} as ${who.character}` : who.name);

const within = (start, end) => start - ROUNDING <= now && now < end - ROUNDING;

function onScreen() {
  return film.people.filter((who) => who.spans.some(([start, end]) => within(start, end)));
}

// --- The film

/** Go to a time: into the frame that begins there, whose time may be rounded up. */
function go(seconds) {
  const inside = seconds + Math.min(0.02, 0.5 / film.fps || 0.02);
  now = Math.max(0, Math.min(inside, film.duration));
  if (playable) seek();
  update();
  if (!playable || video.paused) announce();
}

function seek() {
  sought = true;
  video.currentTime = zero + now;
}

function update() {
  if (playable) now = Math.max(0, video.currentTime - zero);
  clock.textContent = told(now);
  document.documentElement.style.setProperty("--now", film.duration ? now / film.duration : 0);
  const shown = playable && (video.paused || always.checked || hovered);
  stage.classList.toggle("shown", shown);
  list();
  draw();
}

/** Who is on screen, beside the film and in the timelines. */
function list() {
  const people = onScreen();
  const scene = film.scenes.findIndex(([start, end]) => within(start, end));
  const key = `${people.map((who) => who.number)} ${scene}`;
  if (key === shownKey) return;
  shownKey = key;
  here.replaceChildren(
    ...people.map((who) => make("li", {}, face(who), make("div", {}, ...titles(who)))),
  );
  nobody.hidden = people.length > 0;
  light();
}

function light() {
  for (const { button, start, end } of buttons) {
    button.classList.toggle("on", within(start, end));
    if (within(start, end)) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
  for (const row of document.querySelectorAll("li.row")) {
    row.classList.toggle("on", row.querySelector(".strip button.on") !== null);
  }
}

function announce() {
  const names = onScreen().map(inWords);
  said.textContent = `${told(now)}: ${names.length ? names.join(", ") : "nobody"}`;
}

function draw() {
  const live = new Set();
  for (const track of film.tracks) {
    if (!within(track.start, track.end)) continue;
    live.add(track);
    const who = film.people[track.who];
    const [x, y, w, h] = boxAt(track.boxes);
    let box = drawn.get(track);
    if (!box) {
      box = make("div", {}, make("span", { dir: "auto" }, who.name));
      boxes.append(box);
      drawn.set(track, box);
    }
    const middle = x + w / 2;
    const side = middle < 0.15 ? "left" : middle > 0.85 ? "right" : "";
    box.className = ["box", who.unknown ? "stranger" : "", side, y < 0.12 ? "below" : ""].join(" ");
    Object.assign(box.style, {
      left: `${100 * x}%`, top: `${100 * y}%`, width: `${100 * w}%`, height: `${100 * h}%`,
    });
  }
  for (const [track, box] of drawn) {
    if (live.has(track)) continue;
    box.remove();
    drawn.delete(track);
  }
}

/** Between two boxes on a straight line; outside them where the next one is. */
function boxAt(all) {
  const next = all.findIndex(([t]) => t >= now);
  if (next <= 0) return all[next < 0 ? all.length - 1 : 0].slice(1);
  const [a, b] = [all[next - 1], all[next]];
  const share = (now - a[0]) / (b[0] - a[0]);
  return [1, 2, 3, 4].map((n) => a[n] + share * (b[n] - a[n]));
}

/** The boxes lie where the picture is, which in full screen is not the whole stage. */
function place() {
  const { clientWidth: width, clientHeight: height } = stage;
  const scale = Math.min(width / film.width, height / film.height);
  const [w, h] = [film.width * scale, film.height * scale];
  Object.assign(boxes.style, {
    width: `${w}px`, height: `${h}px`, left: `${(width - w) / 2}px`, top: `${(height - h) / 2}px`,
  });
}

// --- The file

function absent(reason) {
  playable = false;
  video.hidden = true;
  missing.hidden = false;
  full.disabled = always.disabled = true;
  why.textContent = reason;
  update();
}

function cannot() {
  absent(
    picked
      ? "This browser cannot play that file. Give it as H.264 in .mp4 or VP9 in .webm, or make " +
          "annotated.mp4 with elenco xray --burn-in."
      : `${film.name} is not where it was, or this browser cannot play it.`,
  );
}

function ready() {
  if (!video.videoWidth) return cannot(); // only its sound can be decoded
  playable = true;
  video.hidden = false;
  missing.hidden = true;
  full.disabled = always.disabled = false;
  zero = 0;
  sought = false;
  compare();
  if (now) seek();
  update();
}

/** The first picture is there: what is its time? */
function started() {
  if (!playable || sought) return;
  zero = video.currentTime;
  compare();
  update();
}

function compare() {
  const length = video.duration - zero;
  const other = Math.abs(length - film.duration) > Math.max(OTHER, film.duration / 100);
  problem.textContent =
    Number.isFinite(length) && other
      ? `This film is ${told(length)} long, the one that was looked through ` +
        `${told(film.duration)}: is it the same?`
      : "";
}

file.addEventListener("change", () => {
  if (!file.files.length) return;
  if (picked) URL.revokeObjectURL(picked);
  picked = URL.createObjectURL(file.files[0]);
  video.src = picked;
});
video.addEventListener("loadedmetadata", ready);
video.addEventListener("loadeddata", started);
video.addEventListener("error", cannot);
for (const kind of ["play", "pause", "timeupdate", "seeking", "seeked", "ended"]) {
  video.addEventListener(kind, update);
}
for (const kind of ["pause", "seeked"]) {
  video.addEventListener(kind, () => video.paused && announce());
}
for (const kind of ["pointerenter", "pointerleave"]) {
  stage.addEventListener(kind, () => {
    hovered = kind === "pointerenter";
    update();
  });
}
always.addEventListener("change", update);
new ResizeObserver(place).observe(stage);

// Each frame that is shown, where the browser tells of them; else each that the screen shows.
const next = (work) =>
  video.requestVideoFrameCallback?.(work) ?? requestAnimationFrame(work);

function follow() {
  if (video.paused || !playable) return;
  update();
  next(follow);
}

video.addEventListener("play", follow);

full.addEventListener("click", () =>
  document.fullscreenElement ? document.exitFullscreen() : stage.requestFullscreen(),
);
if (!stage.requestFullscreen) full.hidden = true;

const toggle = () => (video.paused ? video.play() : video.pause());

// The film has the space key for itself where the focus is on it.
document.addEventListener("keydown", (event) => {
  const free = event.target === document.body || event.target === video;
  if (!free || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
  if (event.key === "ArrowLeft") go(Math.max(0, now - STEP));
  else if (event.key === "ArrowRight") go(now + STEP);
  else if (event.key === " " && playable && event.target !== video) toggle();
  else return;
  event.preventDefault();
});
