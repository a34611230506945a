// Faces on the stage and in the list.

const percent = new Intl.NumberFormat("en", { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });

const MARGIN = 0.1; // around the box of a face in the list, in longer sides of the box

// Where a tag may be, the best first; else it is a number within the box.
const PLACES = ["name", "number"].flatMap((length) => [
  [length, "under"],
  [length, "over"],
]);

/**
 * Show faces: boxes with names on the picture, and a list beside it, numbered alike.
 *
 * @param {{box, name, probability}[]} faces probability null: not known yet.
 * @param {{width: number, height: number, mirrored?: boolean}} size of the picture, in its pixels.
 * @param nodes `boxes` and `list` to fill; `source`, the image or video that the faces are cut from.
 */
export function show(faces, size, { boxes, list, source }) {
  const tag = () => element("div", "face", element("span", "tag", element("b"), element("span")));
  fill(boxes, faces, tag, (node, face, number) => {
    place(node, face.box, size);
    node.classList.toggle("named", face.name !== null);
    [number, said(face)].forEach((text, i) => put(node.firstChild.children[i], text));
  });
  tidy(boxes);
  fill(list, faces, entry, (node, face, number) => {
    node.classList.toggle("unknown", face.name === null);
    const [portrait, ...texts] = node.children;
    [number, said(face), share(face)].forEach((text, i) => put(texts[i], text));
    cutOut(portrait, source, face.box, size);
  });
}

function entry() {
  const portrait = Object.assign(element("canvas"), { width: 96, height: 96, ariaHidden: "true" });
  return element("li", "", portrait, element("b"), element("span", "name"), element("span", "probability"));
}

/** Draw a face: the square about its box, moved into the picture where there is room. */
function cutOut(canvas, source, [x1, y1, x2, y2], { width, height, mirrored }) {
  const longer = Math.max(x2 - x1, y2 - y1) * (1 + 2 * MARGIN);
  const side = Math.min(longer, width, height);
  const start = (low, high, all) => Math.min(Math.max((low + high - side) / 2, 0), all - side);
  const context = canvas.getContext("2d");
  context.setTransform(mirrored ? -1 : 1, 0, 0, 1, mirrored ? canvas.width : 0, 0);
  context.drawImage(source, start(x1, x2, width), start(y1, y2, height), side, side, 0, 0, canvas.width, canvas.height);
}

export function counted({ length }) {
  return ["No face", "1 face"][length] ?? `${length} faces`;
}

/** A picture's faces in a sentence, for who can't see them. */
export function inWords(faces) {
  return faces.length ? `${counted(faces)}: ${faces.map(said).join(", ")}.` : "No face.";
}

/** The same of a video: it changes only when somebody comes or goes. */
export function onScreen(faces) {
  const names = faces.map(({ name }) => name).filter((name) => name !== null);
  if (!names.length) return faces.length ? "Nobody known on screen." : "Nobody on screen.";
  return `On screen: ${names.sort().join(", ")}.`;
}

function said({ name, probability }) {
  return name ?? (probability === null ? "…" : "unknown");
}

function share({ probability }) {
  return probability === null ? "" : percent.format(probability);
}

function place(node, [x1, y1, x2, y2], { width, height, mirrored }) {
  const left = mirrored ? width - x2 : x1;
  node.style.left = `${(left / width) * 100}%`;
  node.style.top = `${(y1 / height) * 100}%`;
  node.style.width = `${((x2 - x1) / width) * 100}%`;
  node.style.height = `${((y2 - y1) / height) * 100}%`;
}

/** Keep tags on the picture, and short where they would cover another or another's face. */
function tidy(boxes) {
  const stage = boxes.getBoundingClientRect();
  const faces = [...boxes.children];
  const taken = faces.map((face) => face.getBoundingClientRect());
  faces.forEach((face, i) => {
    const tag = face.firstChild;
    const free = ([length, side]) => {
      Object.assign(tag.dataset, { length, side });
      const own = inside(tag, stage);
      const fits = own.top >= stage.top && own.bottom <= stage.bottom;
      return fits && !taken.some((other, j) => j !== i && overlap(own, other));
    };
    if (!PLACES.some(free)) free(["number", "within"]);
    taken.push(tag.getBoundingClientRect());
  });
}

function inside(tag, stage) {
  tag.style.removeProperty("margin-left");
  const own = tag.getBoundingClientRect();
  const shift = Math.max(stage.left - own.left, 0) || Math.min(stage.right - own.right, 0);
  if (shift) tag.style.marginLeft = `${shift}px`;
  return tag.getBoundingClientRect();
}

function overlap(a, b) {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}

/** As many children as there are faces; those that are there are used again. */
function fill(parent, faces, make, update) {
  while (parent.children.length > faces.length) parent.lastChild.remove();
  while (parent.children.length < faces.length) parent.append(make());
  faces.forEach((face, i) => update(parent.children[i], face, `${i + 1}`));
}

function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function element(tag, name = "", ...children) {
  const node = document.createElement(tag);
  if (name) node.className = name;
  node.append(...children);
  return node;
}
