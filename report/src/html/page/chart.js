// Curves: small ones beside rows, and the chart of a whole process with a range that filters.

const SPARK = [72, 18];
const HINT = "Drag over the chart to see which stacks grew within a range.";

/** Points of a line; where a value is not known, the line has a gap. */
function lineOf(values, x, y) {
  let path = "", isOn = false;
  values.forEach((value, at) => {
    if (value < 0) return void (isOn = false);
    path += `${isOn ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`;
    isOn = true;
  });
  return path;
}

/** A curve without axes. */
function spark(values, [width, height] = SPARK, title = "") {
  const most = Math.max(1, ...values);
  const x = at => 1 + (at * (width - 2)) / Math.max(1, values.length - 1);
  const y = value => height - 1.5 - (value * (height - 3)) / most;
  const line = lineOf(values, x, y);
  return svg("svg", { class: "spark", width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title },
    svg("path", { class: "under", d: `${line}L${x(values.length - 1).toFixed(1)} ${height}L1 ${height}Z` }),
    svg("path", { class: "line", d: line }));
}

/** The curve of a row, large, with its highest value. */
function bigCurve(row, process) {
  const most = Math.max(...row.curve);
  const end = process?.time ? process.time[process.time.length - 1] : 0;
  return el("figure", { class: "big-curve" }, spark(row.curve, [340, 64], `Live bytes over time, at most ${bytes(most)}`),
    el("figcaption", {}, el("span", {}, "0"), el("span", {}, `live, at most ${scaled(most)}`), el("span", {}, end ? moment(end) : "")));
}

/** Round numbers for an axis. */
function ticks(most, wanted, binary) {
  const rough = most / wanted;
  if (!(rough > 0)) return [0];
  const power = binary ? 1024 ** Math.floor(Math.log(rough) / Math.log(1024)) : 1;
  const tens = 10 ** Math.floor(Math.log10(rough / power));
  const step = [1, 2, 5, 10].map(times => times * tens * power).find(step => step >= rough);
  return Array.from({ length: Math.floor(most / step) + 1 }, (_, at) => at * step);
}

/** The chart of a process; `choose` gets the range as places of samples, or nothing. */
function makeChart(process, choose) {
  const { time, live, rss } = process;
  const last = time.length - 1;
  const canvas = svg("svg", { class: "chart", role: "img", "aria-label": describe(process) });
  const frame = el("div", { class: "chart-frame" }, canvas);
  const from = el("input", { type: "number", min: 0, step: "any", "aria-label": "Range from, in seconds" });
  const to = el("input", { type: "number", min: 0, step: "any", "aria-label": "Range to, in seconds" });
  const clear = el("button", { type: "button", onclick: () => set(null) }, "Clear");
  const range = el("div", { class: "range" }, "Range ", from, " to ", to, " s ", clear);
  const told = el("span", { class: "hint", role: "status" }, HINT);
  const element = el("div", {}, frame, el("div", { class: "range-line" }, range, told));
  let chosen = null, width = 1000, band = null;
  const regions = process.regions ?? [], lane = 17;
  const room = { left: 64, right: 58, top: 16, bottom: 22 + lane * regions.length }, height = 168 + room.bottom, rates = 30;
  const hasRss = rss.some(value => value > 0);
  const most = Math.max(1, ...live, ...(hasRss ? rss : [0]));
  const x = at => room.left + ((time[at] - time[0]) / Math.max(1, time[last] - time[0])) * (width - room.left - room.right);
  const y = value => room.top + (1 - value / most) * (height - room.top - room.bottom - rates);

  function draw() {
    width = Math.max(360, frame.clientWidth || 1000);
    const bottom = y(0), parts = [];
    for (const tick of ticks(most, 4, true)) {
      parts.push(svg("line", { class: "grid", x1: room.left, x2: width - room.right, y1: y(tick), y2: y(tick) }),
        svg("text", { class: "axis", x: room.left - 8, y: y(tick) + 4, "text-anchor": "end" }, tick ? scaled(tick) : "0"));
    }
    const seconds = (time[last] - time[0]) / 1e6;
    for (const tick of ticks(seconds, width < 600 ? 4 : 8, false)) {
      const at = room.left + (tick / seconds) * (width - room.left - room.right);
      parts.push(svg("text", { class: "axis", x: at, y: height - 4, "text-anchor": "middle" }, tick ? moment(tick * 1e6).replace(/\.0+ /, " ") : "0"));
    }
    const line = lineOf(live, x, y);
    parts.push(svg("path", { class: "heap-under", d: `${line}L${x(last).toFixed(1)} ${bottom}L${x(0).toFixed(1)} ${bottom}Z` }), svg("path", { class: "heap", d: line }));
    if (hasRss) parts.push(svg("path", { class: "rss", d: lineOf(rss, x, y) }));
    parts.push(...labels(), ...rate(bottom), ...markers(bottom), ...lanes(bottom + rates + 4), peak());
    band = svg("rect", { class: "band", y: room.top, height: height - room.top - room.bottom, hidden: !chosen });
    parts.push(band);
    canvas.replaceChildren(...parts);
    canvas.setAttribute("viewBox", `0 0 ${width} ${height}`);
    canvas.setAttribute("width", width);
    canvas.setAttribute("height", height);
    drawBand();
  }

  /** Names at the ends of the lines; where they would meet, apart. */
  function labels() {
    const names = [[live, "heap", "heap-word"], ...(hasRss ? [[rss, "RSS", "rss-word"]] : [])];
    // Of the end nobody may know it.
    const known = values => values.findLast(value => value >= 0) ?? 0;
    const places = names.map(([values, word, kind]) => [y(known(values)) + 4, word, kind]);
    if (places.length === 2 && Math.abs(places[0][0] - places[1][0]) < 13) {
      const upper = places[0][0] < places[1][0] ? 0 : 1;
      places[1 - upper][0] = places[upper][0] + 13;
    }
    return places.map(([at, word, kind]) => svg("text", { class: kind, x: width - room.right + 6, y: at }, word));
  }

  /** Allocations of each step, as bars along the bottom. */
  function rate(bottom) {
    const steps = process.allocations.map((value, at) => (at ? Math.max(0, value - process.allocations[at - 1]) : 0));
    const highest = Math.max(1, ...steps);
    const base = bottom + rates;
    const bars = steps.map((value, at) => at && value
      ? `M${x(at - 1).toFixed(1)} ${base}V${(base - (value / highest) * (rates - 8)).toFixed(1)}H${x(at).toFixed(1)}V${base}Z` : "").join("");
    const step = Math.max(1, time[last] - time[0]) / Math.max(1, last);
    return [svg("path", { class: "rate", d: bars }),
      svg("text", { class: "axis", x: room.left - 8, y: base - 2, "text-anchor": "end" }, "allocs"),
      svg("title", {}, `at most about ${grouped((highest * 1e6) / step)} allocations a second`)];
  }

  /** When a thread was in a region: a lane for each name, which stands at its first time. */
  function lanes(top) {
    const at = time_ => room.left + ((Math.min(Math.max(time_, time[0]), time[last]) - time[0]) / Math.max(1, time[last] - time[0])) * (width - room.left - room.right);
    return regions.flatMap(([name, spans], place) => {
      const y = top + place * lane;
      const start = at(spans[0][0]), isRight = start > width * 0.8;
      return [
        ...spans.map(([from, to]) => svg("rect", { class: "region", x: at(from).toFixed(1), y: y + 1, width: Math.max(1, at(to) - at(from)).toFixed(1), height: lane - 3 },
          svg("title", {}, `in region ${texts[name]} from ${moment(from)} to ${moment(to)}`))),
        svg("text", { class: "region-word", x: isRight ? start - 4 : start + 4, y: y + 12, "text-anchor": isRight ? "end" : "start" }, fitting(texts[name], 260))];
    });
  }

  function markers(bottom) {
    let free = -1;
    return process.markers.filter(([, at]) => at >= time[0] && at <= time[last]).flatMap(([name, at]) => {
      const place = room.left + ((at - time[0]) / Math.max(1, time[last] - time[0])) * (width - room.left - room.right);
      const line = svg("line", { class: "marker", x1: place, x2: place, y1: room.top - 4, y2: bottom }, svg("title", {}, `${texts[name]}, ${moment(at)}`));
      if (place < free) return [line];
      free = place + widthOf(texts[name]) + 10;
      return [line, svg("text", { class: "marker-word", x: place + 3, y: room.top - 5 }, fitting(texts[name], 160))];
    });
  }

  function peak() {
    const at = live.indexOf(Math.max(...live));
    const isRight = x(at) > width - 200;
    return svg("g", { class: "peak" }, svg("circle", { cx: x(at), cy: y(live[at]), r: 3.5 }),
      svg("text", { x: x(at) + (isRight ? -8 : 8), y: y(live[at]) - 5, "text-anchor": isRight ? "end" : "start" }, `peak ${scaled(live[at])}`));
  }

  function drawBand() {
    band.toggleAttribute("hidden", !chosen);
    if (!chosen) return;
    band.setAttribute("x", x(chosen[0]));
    band.setAttribute("width", Math.max(1, x(chosen[1]) - x(chosen[0])));
  }

  /** The sample that is nearest to a place on the screen. */
  function sampleAt(client) {
    const left = client - canvas.getBoundingClientRect().left;
    let nearest = 0;
    time.forEach((_, at) => { if (Math.abs(x(at) - left) < Math.abs(x(nearest) - left)) nearest = at; });
    return nearest;
  }

  function set(next) {
    chosen = next && next[0] !== next[1] ? [Math.min(...next), Math.max(...next)] : null;
    from.value = chosen ? (time[chosen[0]] / 1e6).toFixed(3) : "";
    to.value = chosen ? (time[chosen[1]] / 1e6).toFixed(3) : "";
    clear.disabled = !chosen;
    if (band) drawBand();
    sayRange();
    choose(chosen);
  }

  function sayRange() {
    told.textContent = chosen
      ? `The heap changed by ${signed(live[chosen[1]] - live[chosen[0]])} bytes there; the table has what grew or shrank.`
      : HINT;
  }

  /** All that is known of a moment. */
  function say(at) {
    const known = (word, value) => (value >= 0 ? `${word} ${scaled(value)}` : "");
    const parts = process.parts.filter(([, values]) => values[at] > 0).map(([word, values]) => `${scaled(values[at])} ${word}`).join(", ");
    return [`at ${moment(time[at])}: ${known("heap", live[at])} in ${count(process.blocks[at], "block")}`,
      known("RSS", rss[at]) + (parts ? ` (${parts})` : "")].filter(Boolean).join(", ");
  }

  const nearest = seconds => time.reduce((best, value, at) => (Math.abs(value - seconds * 1e6) < Math.abs(time[best] - seconds * 1e6) ? at : best), 0);
  const typed = () => {
    if (from.value === "" || to.value === "") return;
    set([nearest(Number(from.value)), nearest(Number(to.value))]);
  };
  from.addEventListener("change", typed);
  to.addEventListener("change", typed);
  let start = null;
  canvas.addEventListener("pointerdown", event => {
    start = sampleAt(event.clientX);
    canvas.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  canvas.addEventListener("pointerleave", () => start === null && sayRange());
  canvas.addEventListener("pointermove", event => {
    if (start === null) return void (told.textContent = say(sampleAt(event.clientX)));
    chosen = [start, sampleAt(event.clientX)].sort((one, other) => one - other);
    drawBand();
  });
  canvas.addEventListener("pointerup", event => {
    if (start === null) return;
    const ends = [start, sampleAt(event.clientX)];
    start = null;
    set(ends);
  });
  addEventListener("resize", later(draw, 100));
  clear.disabled = true;
  return { element, draw, clear: () => set(null) };
}

function describe(process) {
  const most = Math.max(...process.live), at = process.live.indexOf(most);
  return `Heap over ${moment(process.time[process.time.length - 1])}: at most ${bytes(most)} after ${moment(process.time[at])}, ${bytes(process.live[process.live.length - 1])} at the end`;
}
