// The data as they are worked with: frames, stacks, and rows that stand for one stack each.

const METRICS = [
  { key: "leaked", word: "Leaked", unit: "byte", text: "Definitely and possibly lost, with what only that leads to" },
  { key: "live", word: "Live", unit: "byte", text: "Live at the end" },
  { key: "peak", word: "Peak", unit: "byte", text: "Live when the process stood highest" },
  { key: "total", word: "Total", unit: "byte", text: "All that was ever asked for" },
  { key: "temporary", word: "Temporary", unit: "block", text: "Freed by the same thread's next call" },
  { key: "count", word: "Count", unit: "block", text: "Allocations" },
];

/** In the order in which they are drawn; the words are Memcheck's. */
const KINDS = [
  { key: "definite", word: "definitely lost" },
  { key: "indirect", word: "indirectly lost" },
  { key: "possible", word: "possibly lost" },
  { key: "reachable", word: "still reachable" },
  { key: "suppressed", word: "suppressed" },
];

const REGION = 2, CUT = 3;

let texts = [], frames = null, parents = [], frameOf = [], sources = {};

/** The packed data of the page. */
async function unpack(letters) {
  const packed = Uint8Array.from(atob(letters), letter => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const data = await new Response(stream).json();
  texts = data.texts;
  frames = data.paths;
  sources = data.sources;
  parents = [0];
  frameOf = [-1];
  frames.back.forEach((back, place) => {
    parents.push(place + 1 - back);
    frameOf.push(frames.frame[place]);
  });
  return data;
}

/** Values of what was written as steps. */
function summed(steps) {
  let value = 0;
  return steps.map(step => (value += step));
}

/** A curve of its unit and of steps in it; what is not known stays below 0. */
function curveOf([unit, ...steps]) {
  return summed(steps).map(value => (value < 0 ? -1 : value * unit));
}

/** Frames of a stack, outermost first. */
function framesOf(node) {
  const found = [];
  for (let at = node; at > 0; at = parents[at]) found.push(frameOf[at]);
  return found.reverse();
}

function nameOf(frame) {
  const name = texts[frames.name[frame]];
  if (frames.kind[frame] === CUT) return `[cut: ${name}]`;
  return frames.kind[frame] === REGION ? `in region ${name}` : name;
}

/** Where a frame is: `parse.c:12`, else its module. */
function placeOf(frame) {
  const file = texts[frames.file[frame]], line = frames.line[frame];
  if (file) return line ? `${base(file)}:${line}` : base(file);
  return base(texts[frames.module[frame]]);
}

/** The frame that called the innermost function of this name in a stack, outermost first; -1: none did. */
function callerOf(stack, name) {
  let at = stack.length - 1;
  while (at >= 0 && nameOf(stack[at]) !== name) at -= 1;
  while (at >= 0 && nameOf(stack[at]) === name) at -= 1;
  return at >= 0 ? stack[at] : -1;
}

/** Whether a frame's function, file or module has these letters, which are small ones. */
function isFrameOf(frame, query) {
  if (frame < 0) return false;
  const has = text => text.toLowerCase().includes(query);
  return has(nameOf(frame)) || has(texts[frames.file[frame]]) || has(base(texts[frames.module[frame]]));
}

/** Frames without those of systems: what is left is of the nearest kind that the stack has, the project's first. */
function withoutSystem(list) {
  const nearest = list.reduce((best, frame) => Math.min(best, frames.whose[frame]), 3);
  return list.filter(frame => frames.whose[frame] === nearest);
}

/** The rows of a process. */
function rowsOf(process, place) {
  const columns = process.rows;
  return columns.node.map((node, at) => {
    const number = name => columns[name][at];
    const frame = columns.frame[at];
    return {
      place, at, node, frame, parts: 1,
      name: frame < 0 ? "(no stack)" : nameOf(frame),
      op: texts[columns.op[at]],
      threads: columns.threads[at].map(thread => texts[process.threads[thread]] || `thread ${thread}`),
      values: {
        leaked: number("definite_bytes") + number("led_bytes") + number("possible_bytes"),
        live: number("live_bytes"), peak: number("at_peak_bytes"), total: number("total_bytes"),
        temporary: number("temporary_blocks"), count: number("total_blocks"),
      },
      blocks: {
        leaked: number("definite_blocks") + number("led_blocks") + number("possible_blocks"),
        live: number("live_blocks"), peak: number("at_peak_blocks"), total: number("total_blocks"),
        temporary: number("temporary_blocks"), count: number("total_blocks"),
      },
      lost: [number("definite_bytes"), number("led_bytes"), number("possible_bytes"), 0, 0],
      kinds: KINDS.map(kind => number(`${kind.key}_bytes`)),
      kindBlocks: KINDS.map(kind => number(`${kind.key}_blocks`)),
      led: [number("led_bytes"), number("led_blocks")],
      highest: number("peak_bytes"), largest: number("largest_bytes"), retained: number("retained_bytes"),
      realloc: [number("realloc_blocks"), number("realloc_moved")],
      curve: columns.curve?.[at]?.length ? curveOf(columns.curve[at]) : null,
      shape: columns.shape ? texts[columns.shape[at]] : "",
      life: columns.life?.[at] ?? -1,
      grown: columns.grown ? columns.grown[at] : null,
      path: columns.path[at]?.map(line => texts[line]) ?? null,
      before: texts[columns.before[at] ?? 0], rule: texts[columns.rule[at] ?? 0],
    };
  });
}

/** One row for several: sums, and of what cannot be summed that of the heaviest. */
function joined(rows, metric) {
  if (rows.length === 1) return rows[0];
  const heaviest = rows.reduce((one, other) => (other.values[metric] > one.values[metric] ? other : one));
  const sum = (list, key) => list.reduce((total, row) => total + row[key], 0);
  const sums = name => Object.fromEntries(Object.keys(heaviest[name]).map(key => [key, sum(rows.map(row => row[name]), key)]));
  const places = name => heaviest[name].map((_, at) => sum(rows.map(row => row[name]), at));
  const curves = rows.filter(row => row.curve && row.place === heaviest.place);
  const length = Math.max(0, ...curves.map(row => row.curve.length));
  const even = curves.filter(row => row.curve.length === length);
  return {
    ...heaviest, heaviest, rows, parts: rows.length,
    values: sums("values"), blocks: sums("blocks"), before: heaviest.before,
    lost: places("lost"), kinds: places("kinds"), kindBlocks: places("kindBlocks"), led: places("led"),
    highest: sum(rows, "highest"), retained: sum(rows, "retained"),
    largest: Math.max(...rows.map(row => row.largest)), realloc: places("realloc"),
    threads: [...new Set(rows.flatMap(row => row.threads))],
    op: [...new Set(rows.map(row => row.op))].join(", "),
    curve: even.length ? Array.from({ length }, (_, at) => even.reduce((total, row) => total + Math.max(0, row.curve[at]), 0)) : null,
    grown: rows.every(row => row.grown === null) ? null : rows.reduce((total, row) => total + (row.grown ?? 0), 0),
  };
}

/** Rows by what a function says of each, joined. */
function joinedBy(rows, key, metric) {
  const groups = new Map();
  for (const row of rows) {
    const of = key(row);
    if (!groups.has(of)) groups.set(of, []);
    groups.get(of).push(row);
  }
  return [...groups].map(([name, list]) => [name, joined(list, metric)]);
}

/** What the kinds of a row are, where a metric has them. */
function kindsFor(row, metric) {
  if (metric === "leaked") return row.lost;
  return metric === "live" ? row.kinds : null;
}
