// The icicle: callers above, what they call below, as wide as what was allocated there.

const CELL = 20;
const NARROWEST = 1.5;
const LETTER_MIN = 26;
/** Lines of the outline that stands for the graph where it cannot be seen. */
const OUTLINE_MAX = 300;
const OUTLINE_PART_MIN = 0.002;

const widths = new Map();
let pen = null;

/** How wide a text is in the graph's letters. */
function widthOf(text) {
  if (!widths.has(text)) {
    pen ??= document.createElement("canvas").getContext("2d");
    pen.font = "12px system-ui, sans-serif";
    widths.set(text, pen.measureText(text).width);
  }
  return widths.get(text);
}

/** As much of a text as fits. */
function fitting(text, width) {
  const whole = widthOf(text);
  if (whole <= width) return text;
  let letters = Math.ceil((text.length * width) / whole);
  while (letters > 1 && pen.measureText(text.slice(0, letters) + "…").width > width) letters -= 1;
  return letters < 2 ? "" : text.slice(0, letters) + "…";
}

/**
 * A graph that draws what `tree()` gives. `say` gives the sentence for a point, `paint` its parts as [class, share] pairs.
 */
function makeGraph({ tree, say, paint, unit }) {
  const crumbs = el("nav", { class: "crumbs", "aria-label": "Zoomed to" });
  const canvas = svg("svg", { class: "icicle", role: "tree", tabindex: "0", "aria-label": "Stacks, callers above" });
  const frame = el("div", { class: "graph-frame" }, canvas);
  const told = el("p", { class: "told", role: "status", "aria-live": "polite" });
  const tip = el("div", { class: "tip", hidden: true });
  const outline = el("div", { class: "outline", hidden: true });
  const element = el("div", { class: "graph" }, crumbs, frame, outline, told, tip);
  let root = null, focus = null, chosen = null, query = "", cells = new Map(), isOutline = false;

  const matches = at => query !== "" && isFrameOf(at.frame, query);

  function redraw() {
    root = tree();
    focus = trunkEnd(root);
    chosen = null;
    draw();
  }

  function zoom(to) {
    focus = to;
    chosen = to === root ? null : to;
    draw();
    tell(chosen);
  }

  function draw(isAgain = false) {
    drawCrumbs();
    if (isOutline) return drawOutline();
    const width = Math.max(320, frame.clientWidth || 1000);
    cells = new Map();
    const parts = [];
    let deepest = 0;
    const waiting = [[focus, 0, width, 0]];
    const first = focus === root ? 1 : 0;
    while (waiting.length) {
      const [at, x, wide, depth] = waiting.pop();
      if (depth >= first) {
        deepest = Math.max(deepest, depth - first);
        parts.push(cell(at, x, wide, depth - first));
      }
      let left = x;
      const below = [];
      for (const child of childrenOf(at)) {
        const part = at.value > 0 ? (wide * child.value) / at.value : 0;
        if (part < NARROWEST) break;
        below.push([child, left, part, depth + 1]);
        left += part;
      }
      // What is pushed last is drawn next: readers of screens come by the points in their order.
      waiting.push(...below.reverse());
    }
    canvas.replaceChildren(...parts);
    const height = (deepest + 1) * CELL + 2;
    canvas.setAttribute("viewBox", `0 0 ${width} ${height}`);
    canvas.setAttribute("width", width);
    canvas.setAttribute("height", height);
    frame.classList.toggle("empty", root.value === 0);
    if (root.value === 0) canvas.replaceChildren(svg("text", { x: 12, y: 24, class: "nothing" }, "nothing of this here"));
    mark();
    // A bar for scrolling takes some of the width.
    if (!isAgain && frame.clientWidth > 0 && frame.clientWidth !== width && frame.clientWidth > 320) draw(true);
  }

  function cell(at, x, wide, depth) {
    const name = nameOf(at.frame);
    const id = `cell-${cells.size}`;
    const found = query === "" ? "" : matches(at) ? " found" : " dim";
    const group = svg("g", {
      id, class: `cell${found}`, role: "treeitem", "aria-level": depth + 1, "aria-label": say(at),
      transform: `translate(${x.toFixed(2)} ${depth * CELL})`,
    });
    let left = 0;
    for (const [kind, part] of paint(at)) {
      group.append(svg("rect", { class: kind, x: left.toFixed(2), y: 0, width: Math.max(0, wide * part - (left + wide * part >= wide - 0.01 ? 1 : 0)).toFixed(2), height: CELL - 1 }));
      left += wide * part;
    }
    if (wide >= LETTER_MIN) {
      const shown = fitting(name, wide - 10);
      if (shown) group.append(svg("text", { x: 5, y: 14 }, shown));
    }
    group.append(svg("rect", { class: "edge", x: 0.5, y: 0.5, width: Math.max(0, wide - 2).toFixed(2), height: CELL - 2 }));
    cells.set(at, { group, id });
    group.point = at;
    return group;
  }

  function drawCrumbs() {
    const way = waysTo(focus);
    const crumb = (at, text) => el("button", { type: "button", class: "crumb", onclick: () => zoom(at) }, text);
    const named = way.slice(1);
    const shown = named.length > 6 ? [...named.slice(0, 2), null, ...named.slice(-3)] : named;
    crumbs.replaceChildren(
      crumb(root, "all"),
      ...shown.flatMap(at => ["›", at ? crumb(at, nameOf(at.frame)) : el("span", { title: named.slice(2, -3).map(one => nameOf(one.frame)).join(" › ") }, `… ${named.length - 5} more`)]),
      el("span", { class: "whole" }, unit(focus)));
  }

  function drawOutline() {
    const lines = [];
    const waiting = [[focus, 0]];
    while (waiting.length && lines.length < OUTLINE_MAX) {
      const [at, depth] = waiting.pop();
      if (at !== root) lines.push([at, depth]);
      const children = childrenOf(at).filter(child => child.value >= OUTLINE_PART_MIN * root.value);
      const deeper = at === root || at.children.size < 2 ? depth : depth + 1;
      for (const child of [...children].reverse()) waiting.push([child, at === root ? 0 : deeper]);
    }
    outline.replaceChildren(el("table", {},
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Function"), el("th", { scope: "col", class: "number" }, "Size"), el("th", { scope: "col", class: "number" }, "Part"))),
      el("tbody", {}, lines.map(([at, depth]) => {
        const cell = el("td", {}, el("button", { type: "button", class: "plain", onclick: () => zoom(at) }, nameOf(at.frame)), el("span", { class: "where" }, placeOf(at.frame)));
        cell.style.paddingLeft = `${8 + 14 * Math.min(depth, 24)}px`;
        return el("tr", {}, cell, el("td", { class: "number" }, unit(at)), el("td", { class: "number" }, share(at.value, root.value)));
      }))));
  }

  function mark() {
    canvas.querySelector(".chosen")?.classList.remove("chosen");
    const found = chosen && cells.get(chosen);
    if (!found) return canvas.removeAttribute("aria-activedescendant");
    found.group.classList.add("chosen");
    canvas.setAttribute("aria-activedescendant", found.id);
    const top = found.group.transform.baseVal.consolidate()?.matrix.f ?? 0;
    if (top < frame.scrollTop) frame.scrollTop = top;
    if (top + CELL > frame.scrollTop + frame.clientHeight) frame.scrollTop = top + CELL - frame.clientHeight;
  }

  function tell(at) {
    if (at) told.textContent = say(at);
    else if (query === "") told.textContent = "";
    else told.textContent = `${unit({ value: foundSum(root), other: 0 })} pass through “${query}”: ${share(foundSum(root), root.value)}`;
  }

  /** What passes through functions that were searched for, each stack once. */
  function foundSum(from) {
    let sum = 0;
    const waiting = [from];
    while (waiting.length) {
      const at = waiting.pop();
      if (at !== root && matches(at)) sum += at.value;
      else waiting.push(...at.children.values());
    }
    return sum;
  }

  function choose(at) {
    chosen = at;
    mark();
    tell(at);
  }

  const drawn = at => at && cells.has(at) ? at : null;
  const steps = {
    ArrowDown: at => drawn(childrenOf(at)[0]),
    ArrowUp: at => drawn(at.parent) ?? (at === focus && at.parent ? (zoom(at.parent), chosen) : at),
    ArrowLeft: at => drawn(beside(at, -1)),
    ArrowRight: at => drawn(beside(at, 1)),
    Home: () => drawn(focus) ?? drawn(childrenOf(focus)[0]),
  };
  const beside = (at, step) => {
    const list = at.parent ? childrenOf(at.parent) : [];
    return list[list.indexOf(at) + step];
  };

  canvas.addEventListener("keydown", event => {
    if (steps[event.key]) {
      const next = chosen ? steps[event.key](chosen) : steps.Home();
      if (next) choose(next);
    } else if (event.key === "Enter" && chosen) zoom(chosen);
    else if ((event.key === "Escape" || event.key === "Backspace") && focus !== root) zoom(focus.parent);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  canvas.addEventListener("click", event => {
    const at = event.target.closest(".cell")?.point;
    if (at) zoom(at);
  });
  canvas.addEventListener("pointermove", event => {
    const at = event.target.closest(".cell")?.point;
    tip.hidden = !at;
    if (!at) return;
    tip.textContent = say(at);
    const room = element.getBoundingClientRect();
    const left = Math.min(event.clientX - room.left + 12, room.width - tip.offsetWidth - 4);
    tip.style.left = `${Math.max(0, left)}px`;
    tip.style.top = `${event.clientY - room.top + 16}px`;
  });
  canvas.addEventListener("pointerleave", () => (tip.hidden = true));
  addEventListener("resize", later(() => draw(), 100));

  return {
    element, redraw,
    search(text) {
      query = text.trim().toLowerCase();
      draw();
      tell(chosen);
    },
    showOutline(isOn) {
      isOutline = isOn;
      outline.hidden = !isOn;
      frame.hidden = isOn;
      draw();
    },
    get focus() { return focus; },
  };
}
