"use strict";
// The timelines: when everybody is on screen, and the way there. film.js comes before.

const strangers = document.getElementById("strangers");

function face(who) {
  // Its text is beside it.
  return make("img", { className: "face", src: who.face, alt: "", loading: "lazy" });
}

function titles(who) {
  const lines = [make("div", { className: "name", dir: "auto" }, who.name)];
  const part = make("bdi", {}, who.character);
  if (who.character) lines.push(make("div", { className: "part" }, "as ", part));
  return lines;
}

/**
 * A timeline: a button a time. One of them is a stop of the Tab key, arrows choose another.
 * @param {string} label what is heard of all.
 * @param {Array<[number, number]>} spans seconds.
 * @param {(n: number) => string} describe what is heard of one.
 */
function timeline(label, spans, describe) {
  const strip = make("div", { className: "strip", role: "group", "aria-label": label });
  spans.forEach(([start, end], n) => {
    const words = describe(n);
    const about = { title: words, "aria-label": words };
    const button = make("button", { type: "button", tabIndex: n ? -1 : 0, ...about });
    button.style.left = `${(100 * start) / film.duration}%`;
    button.style.width = `${(100 * (end - start)) / film.duration}%`;
    button.dataset.start = start;
    strip.append(button);
    buttons.push({ button, start, end });
  });
  strip.addEventListener("click", (event) => {
    const button = event.target.closest("button") ?? nearest(strip, timeUnder(strip, event));
    go(Number(button.dataset.start));
  });
  strip.addEventListener("focusin", ({ target }) => {
    for (const other of strip.children) other.tabIndex = other === target ? 0 : -1;
  });
  strip.addEventListener("keydown", choose);
  return strip;
}

function timeUnder(strip, event) {
  const { left, width } = strip.getBoundingClientRect();
  return (film.duration * (event.clientX - left)) / width;
}

function nearest(strip, seconds) {
  const off = (button) => Math.abs(Number(button.dataset.start) - seconds);
  return [...strip.children].reduce((best, one) => (off(one) < off(best) ? one : best));
}

function choose(event) {
  const { key, target, currentTarget: strip } = event;
  const all = [...strip.children];
  const at = all.indexOf(target);
  const strips = [...document.querySelectorAll(".strip")].filter((one) => one.offsetParent);
  const to = (step) => {
    const other = strips[strips.indexOf(strip) + step];
    return other && nearest(other, Number(target.dataset.start));
  };
  const wanted = {
    ArrowLeft: () => all[at - 1],
    ArrowRight: () => all[at + 1],
    ArrowUp: () => to(-1),
    ArrowDown: () => to(1),
    Home: () => all[0],
    End: () => all.at(-1),
  }[key];
  if (!wanted) return;
  event.preventDefault();
  wanted()?.focus();
}

function row(who) {
  const times = who.spans.length === 1 ? "once" : `${who.spans.length} times`;
  const share = film.duration ? Math.round((100 * who.seconds) / film.duration) : 0;
  const much = `${who.seconds.toFixed(1)} s, ${share}\u00a0%`;
  const strip = timeline(`${inWords(who)}: on screen ${times}`, who.spans, (n) => {
    const [start, end, sure] = who.spans[n];
    const rest = who.unknown ? "" : `, ${Math.round(100 * sure)} % sure`;
    return `${who.name}, ${told(start)} to ${told(end)}${rest}`;
  });
  if (who.unknown) strip.classList.add("stranger");
  return make(
    "li", { className: "row" },
    face(who), make("div", {}, ...titles(who)), strip, make("div", { className: "much" }, much),
  );
}

function seenIn(start, end) {
  const names = film.people
    .filter((who) => who.spans.some(([a, b]) => a < end - ROUNDING && b > start + ROUNDING))
    .map((who) => who.name);
  return names.length ? names.join(", ") : "nobody";
}

function begin() {
  document.documentElement.style.setProperty("--ratio", film.width / film.height);
  film.people.forEach((who, number) => (who.number = number));
  const scenes = timeline("Scenes", film.scenes, (n) => {
    const [start, end] = film.scenes[n];
    return `Scene ${n + 1}, ${told(start)} to ${told(end)}: ${seenIn(start, end)}`;
  });
  film.scenes.forEach(([start, end], n) => {
    if ((end - start) / film.duration > 0.03) scenes.children[n].textContent = n + 1;
  });
  document.getElementById("scenes").append(scenes);
  const named = film.people.filter((who) => !who.unknown);
  document.getElementById("cast").append(
    ...(named.length ? named.map(row) : [make("li", {}, "Nobody who is known.")]),
  );
  const others = film.people.filter((who) => who.unknown);
  strangers.hidden = !others.length;
  document.getElementById("strangers-count").textContent = `(${others.length})`;
  const fill = () => {
    const into = document.getElementById("unknown");
    if (into.childElementCount) return;
    into.append(...others.map(row)); // not sooner: of a long film they are many
    light();
  };
  strangers.addEventListener("toggle", fill);
  if (others.length && others.length <= 8) strangers.open = true;
  place();
  update();
  video.src = film.source;
}

begin();
