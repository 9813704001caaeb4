// What is known of one row: its stack, what became of its blocks, who holds them, how it looked over time.

/** Lines of a source file around a frame, where the page has them. */
function excerptOf(frame) {
  const lines = sources[texts[frames.file[frame]]];
  const line = frames.line[frame];
  if (!lines || !(line in lines)) return null;
  const shown = Object.keys(lines).map(Number).filter(number => Math.abs(number - line) <= 3).sort((one, other) => one - other);
  return el("pre", { class: "excerpt" }, shown.map(number =>
    el("span", { class: number === line ? "meant" : null }, `${String(number).padStart(5)}  ${lines[number]}\n`)));
}

/** The frames of a stack, innermost first. */
function stackList(node, label) {
  const list = framesOf(node).reverse();
  return el("ol", { class: "stack", "aria-label": label ?? "Stack, innermost first" }, list.map(frame => {
    const path = texts[frames.file[frame]] || texts[frames.module[frame]];
    return el("li", { class: frames.whose[frame] === 0 ? "own" : "others" },
      el("code", {}, nameOf(frame)), " ", el("span", { class: "where", title: path }, placeOf(frame)), excerptOf(frame));
  }), list.length === 0 ? el("li", { class: "others" }, "no stack could be taken") : null);
}

function fact(word, ...value) {
  return [el("dt", {}, word), el("dd", {}, value)];
}

/** Everything about a row. `process`: the one that it is from, where there is one. */
function rowDetails(row, process) {
  const one = row.heaviest ?? row;
  const kinds = KINDS.map((kind, at) => [kind, row.kinds[at], row.kindBlocks[at]]).filter(([, , blocks]) => blocks > 0);
  const facts = [
    ...kinds.flatMap(([kind, size, blocks]) =>
      fact(el("span", {}, el("i", { class: `dot ${kind.key}` }), kind.word), `${bytes(size)} in ${count(blocks, "block")}`)),
    ...(row.led[1] ? fact("leads to", `${bytes(row.led[0])} in ${count(row.led[1], "block")} that are indirectly lost`) : []),
    ...fact("allocations", `${grouped(row.values.count)}, ${bytes(row.values.total)}, by ${row.op}`),
    ...fact("live at the end", `${bytes(row.values.live)} in ${count(row.blocks.live, "block")}`),
    ...fact("at the peak", `${bytes(row.values.peak)} in ${count(row.blocks.peak, "block")}`),
    ...(row.highest ? fact("its own highest", bytes(row.highest)) : []),
    ...fact("temporary", `${grouped(row.values.temporary)}${row.values.temporary ? `, ${share(row.values.temporary, row.values.count)} of them` : ""}`),
    ...(row.largest ? fact("largest block", bytes(row.largest)) : []),
    ...(row.realloc[0] ? fact("by realloc", `${grouped(row.realloc[0])}, ${grouped(row.realloc[1])} of which moved the block`) : []),
    ...(row.life >= 0 ? fact("a block lives", `${moment(row.life / 1000)} on average`) : []),
    ...(row.shape ? fact("over time", row.shape) : []),
    ...(row.retained > row.kinds[3] ? fact("they alone hold", bytes(row.retained)) : []),
    ...(row.threads.length ? fact(row.threads.length === 1 ? "thread" : "threads", row.threads.slice(0, 12).join(", ") + (row.threads.length > 12 ? ` and ${row.threads.length - 12} more` : "")) : []),
  ];
  return el("div", { class: "details" },
    el("div", { class: "details-stack" },
      row.parts > 1 ? el("p", { class: "hint" }, `The heaviest of ${grouped(row.parts)} stacks:`) : null,
      stackList(one.node)),
    el("div", { class: "details-facts" },
      row.curve ? bigCurve(row, process) : null,
      el("dl", {}, facts),
      one.path ? holders(one) : null,
      one.before ? el("p", { class: "hint" }, one.before) : null,
      one.rule ? el("p", { class: "hint" }, "suppress: ", el("code", { class: "all" }, one.rule)) : null));
}

/** What holds a block, from a root on. */
function holders(row) {
  // A long list has many steps that read the same.
  const steps = [];
  for (const line of row.path) {
    if (steps.length && steps[steps.length - 1][0] === line) steps[steps.length - 1][1] += 1;
    else steps.push([line, 1]);
  }
  return el("div", { class: "holders" }, el("h4", {}, "Held by"),
    el("ol", {}, steps.map(([line, times]) => el("li", {}, line, times > 1 ? el("span", { class: "hint" }, `, ${grouped(times)} such one after the other`) : null)), el("li", { class: "end" }, `one of the blocks of ${row.name}`)));
}
