// Stacks laid over each other: from the outermost callers down, or from the allocating functions up.

/** A point of the tree. Children are by function and module, whatever their lines. */
function point(frame, parent) {
  return { frame, parent, value: 0, other: 0, kinds: null, children: new Map(), depth: parent ? parent.depth + 1 : 0, rows: 0 };
}

/**
 * The tree over rows. `weigh` gives a row's value, `kindsOf` its parts by kind or nothing, `other` a second value that is
 * carried along.
 */
function grow(rows, weigh, { inverted = false, hidesSystem = false, kindsOf = () => null, other = () => 0 } = {}) {
  const root = point(-1, null);
  for (const row of rows) {
    const value = weigh(row);
    if (!(value > 0)) continue;
    row.stack ??= framesOf(row.node);
    let list = hidesSystem ? (row.own ??= withoutSystem(row.stack)) : row.stack;
    if (inverted) list = [...list].reverse();
    const kinds = kindsOf(row), second = other(row);
    let at = root;
    add(at, value, kinds, second);
    for (const frame of list) {
      const key = frames.name[frame] * 65536 + frames.module[frame];
      let child = at.children.get(key);
      if (!child) at.children.set(key, (child = point(frame, at)));
      at = child;
      add(at, value, kinds, second);
    }
  }
  return root;
}

function add(at, value, kinds, second) {
  at.value += value;
  at.other += second;
  at.rows += 1;
  if (!kinds) return;
  at.kinds ??= [0, 0, 0, 0, 0];
  kinds.forEach((part, place) => (at.kinds[place] += part));
}

/** Children, the largest first. */
function childrenOf(at) {
  at.sorted ??= [...at.children.values()].sort((one, other) =>
    other.value - one.value || (nameOf(one.frame) < nameOf(other.frame) ? -1 : 1));
  return at.sorted;
}

/** The first point below which the ways part: what stands above it is the same for all. */
function trunkEnd(at) {
  let end = at;
  while (end.children.size === 1) {
    const [child] = end.children.values();
    if (child.value < end.value || child.children.size === 0) break;
    end = child;
  }
  return end;
}

/** From the root to a point. */
function waysTo(at) {
  const way = [];
  for (let one = at; one; one = one.parent) way.unshift(one);
  return way;
}
