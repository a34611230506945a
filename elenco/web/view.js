// Faces on the stage and in the list.

const percent = new Intl.NumberFormat("en", { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });

// Where a tag may be, the best first; else it is a number within the box.
const PLACES = ["full", "name", "number"].flatMap((length) => [
  [length, "under"],
  [length, "over"],
]);

/**
 * Show faces: boxes with names on the picture, and a list beside it, numbered alike.
 *
 * @param {{box, name, probability}[]} faces probability null: not known yet.
 * @param {{width: number, height: number, mirrored?: boolean}} size of the picture, in its pixels.
 */
export function show(faces, size, { boxes, list }) {
  const tag = () => element("div", "face", element("span", "tag", element("b"), element("span"), element("span")));
  fill(boxes, faces, tag, (node, face, number) => {
    place(node, face.box, size);
    node.classList.toggle("named", face.name !== null);
    const texts = [number, said(face), face.name === null ? "" : share(face)];
    texts.forEach((text, i) => put(node.firstChild.children[i], text));
  });
  tidy(boxes);
  const entry = () => element("li", "", element("b"), element("span", "name"), element("span", "probability"));
  fill(list, faces, entry, (node, face, number) => {
    node.classList.toggle("unknown", face.name === null);
    [number, said(face), share(face)].forEach((text, i) => put(node.children[i], text));
  });
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
