// From the classifier's probabilities to names, as elenco/recognition: recogniser.py, pipeline.py.

const CANDIDATES = 5;

/**
 * Who a face is.
 *
 * @param {Float32Array} probabilities of each person, the last of being unknown.
 * @param {({id: string, name: string} | null)[]} people in the order of the outputs; null for one
 *   who is never named: what is given to them counts as unknown.
 * @returns {{person: {id, name} | null, probability: number, candidates: {person, probability}[],
 *   unknown: number}} `person` is null for unknown; `candidates`: the most probable people, best
 *   first, whether or not they beat unknown.
 */
export function answer(probabilities, people) {
  let unknown = probabilities[people.length];
  const candidates = [];
  people.forEach((person, i) => {
    const probability = probabilities[i];
    if (person === null) {
      unknown = Math.fround(unknown + probability);
      return;
    }
    if (candidates.length === CANDIDATES && probability <= candidates.at(-1).probability) return;
    let place = candidates.length;
    while (place && probability > candidates[place - 1].probability) place--;
    candidates.splice(place, 0, { person, probability });
    candidates.length = Math.min(candidates.length, CANDIDATES);
  });
  const [best] = candidates;
  if (!best || unknown > best.probability) return { person: null, probability: unknown, candidates, unknown };
  return { ...best, candidates, unknown };
}

/**
 * Answers for the faces of one picture, in which nobody is seen twice.
 *
 * Where two faces are given the same person, the more probable keeps the name (of equals, the
 * first). The other takes its next best candidate that is more probable than unknown and not held
 * with a higher probability by a third; if there is none, it is unknown. Its probability is then
 * conditional on not being those who are taken. (Deferred acceptance: Gale and Shapley 1962.)
 */
export function oneEach(answers) {
  const held = new Map(); // person -> face
  const refused = answers.map(() => 0); // candidates that a face has been refused
  const wanted = (face) => {
    const { person, candidates, unknown } = answers[face];
    const candidate = person === null ? undefined : candidates[refused[face]];
    return candidate && candidate.probability >= unknown ? candidate : null;
  };
  const waiting = [...answers.keys()].reverse();
  while (waiting.length) {
    const face = waiting.pop();
    for (let candidate = wanted(face); candidate; candidate = wanted(face)) {
      const { id } = candidate.person;
      if (!held.has(id)) {
        held.set(id, face);
        break;
      }
      const other = held.get(id);
      const theirs = wanted(other).probability;
      const better = candidate.probability - theirs || other - face;
      if (better > 0) {
        held.set(id, face);
        refused[other]++;
        waiting.push(other);
        break;
      }
      refused[face]++;
    }
  }
  return answers.map((own, face) => after(own, refused[face], wanted(face)));
}

function after(own, refused, candidate) {
  if (!refused) return own;
  const { person, probability } = candidate ?? { person: null, probability: own.unknown };
  const taken = own.candidates.slice(0, refused).reduce((sum, one) => sum + one.probability, 0);
  const conditional = taken < 1 ? Math.min(1, probability / (1 - taken)) : 1;
  return { ...own, person, probability: conditional };
}

/** A face as it is handed out: the same as `elenco recognise --json` prints. */
export function named(box, { person, probability }) {
  return { box, person_id: person?.id ?? null, name: person?.name ?? null, probability };
}
