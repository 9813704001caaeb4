// The page of a difference: what changed between two runs, place by place.

const MEASURES = [
  { key: "leaked", word: "Leaked", said: "lost", text: "Definitely and possibly lost, with what only that leads to" },
  { key: "live", word: "Live", said: "live at the end", text: "Live at the end" },
  { key: "peak", word: "Peak", said: "live at the peak", text: "Live when each process stood highest" },
  { key: "total", word: "Total", said: "allocated", text: "All allocations" },
];

function drawChange(data, page) {
  const change = data.change;
  const files = change.files.map(file => texts[file]);
  const state = { measure: MEASURES[change.by].key, inverted: false, query: "" };
  const at = () => MEASURES.findIndex(measure => measure.key === state.measure);
  const all = change.node.map((node, place) => {
    const stack = framesOf(node);
    return { node, place, name: texts[change.name[place]], fingerprint: texts[change.fingerprint[place]], stack, own: stack, frame: stack[stack.length - 1] ?? -1,
      pairs: MEASURES.map((_, measure) => change.values[measure][place]) };
  });
  const pair = row => row.pairs[at()];
  const grown = row => pair(row)[1] - pair(row)[0];
  document.title = `${base(files[0])}, then ${base(files[1])}: memtrace`;

  const graph = makeGraph({
    // As wide as the larger of the two, so that what is gone has a place, too.
    tree: () => grow(all, row => Math.max(pair(row)[0], pair(row)[1]) * Number(grown(row) !== 0), { inverted: state.inverted, other: grown }),
    say: at => `${nameOf(at.frame)}${at.frame >= 0 && placeOf(at.frame) ? ` (${placeOf(at.frame)})` : ""}: ${signed(at.other)} bytes (${scaled(at.other)})`,
    paint: at => [[at.other > 0 ? `grew ${at.other > at.value / 2 ? "much" : ""}` : at.other < 0 ? `shrank ${-at.other > at.value / 2 ? "much" : ""}` : "others", 1]],
    unit: at => `${at.other > 0 ? "+" : ""}${scaled(at.other)}`,
  });
  const table = makeTable({
    id: "places", label: "Places that changed", sortBy: "change", keyOf: row => row.place,
    rows: () => all.filter(row => (grown(row) !== 0 || pair(row)[2] !== pair(row)[3]) && (state.query === "" || row.stack.some(frame => isFrameOf(frame, state.query)))),
    columns: () => {
      const most = Math.max(1, ...all.map(row => Math.abs(grown(row))));
      const column = (key, word, value, show) => ({ key, word, value, show });
      return [
        { key: "name", word: "Place", isText: true, class: "site", value: row => row.name, show: (row, open, isOpen) => opener(row, open, isOpen, row.place, el("span", { class: "where" }, row.frame >= 0 ? placeOf(row.frame) : "")) },
        { ...column("change", "Bytes", grown, row => barred(Math.abs(grown(row)), most, signed(grown(row)))), class: "chosen" },
        column("blocks", "Blocks", row => pair(row)[3] - pair(row)[2], row => signed(pair(row)[3] - pair(row)[2])),
        column("before", "Before, bytes", row => pair(row)[0], row => grouped(pair(row)[0])),
        column("after", "After, bytes", row => pair(row)[1], row => grouped(pair(row)[1])),
      ];
    },
    details: row => el("div", { class: "details" }, el("div", { class: "details-stack" }, stackList(row.node, "Place, innermost first")),
      el("div", { class: "details-facts" }, el("dl", {}, MEASURES.flatMap((measure, at) => {
        const [before, after, fewer, more] = row.pairs[at];
        return before || after || fewer || more ? fact(measure.said, `${bytes(before)} in ${count(fewer, "block")}, then ${bytes(after)} in ${count(more, "block")}`) : [];
      }), fact("fingerprint", el("code", {}, row.fingerprint))))),
  });
  const search = el("input", {
    id: "search", type: "search", placeholder: "Search functions   /", "aria-label": "Search functions",
    oninput: later(() => { state.query = search.value.trim().toLowerCase(); graph.search(search.value); table.draw(); }, 120),
    onkeydown: event => { if (event.key === "Escape") { search.value = ""; search.dispatchEvent(new Event("input")); search.blur(); } },
  });
  const sums = el("div", {});
  const redraw = () => { sums.replaceChildren(questions()); graph.redraw(); table.draw(); };
  const measures = MEASURES.map(measure => ({ ...measure, disabled: measure.key === "leaked" && !change.is_judged }));

  fill(page, {}, [
    el("header", { class: "head" },
      el("div", { class: "head-title" }, el("h1", { id: "title" }, "What changed"), el("p", { id: "about", class: "about" }, el("span", {}, "from ", el("code", {}, files[0]), " to ", el("code", {}, files[1])))),
      el("div", { class: "head-tools" }, themeButton())),
    banner(change.notes.map(note => [true, note])), sums,
    section("stacks", "Where",
      el("div", { class: "tools", role: "toolbar", "aria-label": "What is shown" },
        choice("Measure", measures, state.measure, key => { state.measure = key; redraw(); }),
        choice("Direction", [{ key: "down", word: "Callers first" }, { key: "up", word: "Inverted" }], "down", key => { state.inverted = key === "up"; graph.redraw(); }),
        toggle("As a table", false, isOn => graph.showOutline(isOn)), search),
      el("div", { class: "legend" }, el("span", {}, el("i", { class: "dot grew" }), "more than before"), el("span", {}, el("i", { class: "dot shrank" }), "less than before")),
      graph.element),
    section("rows", "Places", table.element, el("p", { class: "hint" }, `${count(change.unchanged, "place")} unchanged${change.left_out ? `; ${count(change.left_out, "lighter place")} not on this page` : ""}.`)),
    footer(data)]);
  redraw();

  function questions() {
    const top = (value, sign) => [...all].filter(row => sign * value(row) > 0).sort((one, other) => sign * (value(other) - value(one))).slice(0, TOP);
    const list = (rows, say) => el("ul", { class: "top" }, rows.map(row => el("li", {},
      el("button", { type: "button", class: "plain", title: row.name, onclick: () => { search.value = ""; state.query = ""; table.open(row); } }, row.name), el("span", { class: "amount" }, say(row)))));
    const card = (id, question, answer, tone, detail, rest) => el("div", { class: "card", id }, el("h2", {}, question), el("p", { class: `answer ${tone}` }, answer), el("p", { class: "detail" }, detail), rest);
    const more = bytes => `${bytes > 0 ? "+" : ""}${scaled(bytes)}`;
    const of = measure => row => row.pairs[measure][1] - row.pairs[measure][0];
    const [before, after] = change.sums[at()], difference = after - before;
    const tone = number => (number > 0 ? "grave" : number < 0 ? "calm" : "");
    const [lostBefore, lostAfter] = change.sums[0];
    const growers = top(grown, 1), shrinkers = top(grown, -1);
    return el("section", { class: "cards", "aria-label": "Five questions" },
      card("changed", "What changed?", more(difference), tone(difference), `${scaled(before)}, then ${scaled(after)} ${MEASURES[at()].said}`, list([...growers.slice(0, 2), ...shrinkers.slice(0, growers.length ? 1 : 3)], row => more(grown(row)))),
      change.is_judged
        ? card("leaking", "Is it leaking?", lostAfter === 0 ? "No" : `Yes, ${scaled(lostAfter)}`, lostAfter === 0 ? "calm" : "grave", lostAfter === lostBefore ? "as much as before" : `${more(lostAfter - lostBefore)}: ${scaled(lostBefore)} before`, list(top(of(0), 1), row => more(of(0)(row))))
        : card("leaking", "Is it leaking?", "Not known", "unknown", "At least one of the two was not classified"),
      card("growing", "What grows?", growers.length ? count(all.filter(row => grown(row) > 0).length, "place") : "Nothing", growers.length ? "watch" : "calm", `${count(all.filter(row => grown(row) < 0).length, "place")} shrank`, list(growers, row => more(grown(row)))),
      card("peak", "Where is the peak?", scaled(change.peaks[1]), "", `${more(change.peaks[1] - change.peaks[0])}: ${scaled(change.peaks[0])} before`, list(top(of(2), 1), row => more(of(2)(row)))),
      card("churn", "Who churns?", `${change.allocations[1] >= change.allocations[0] ? "+" : ""}${grouped(change.allocations[1] - change.allocations[0])}`, "", `allocations: ${grouped(change.allocations[0])}, then ${grouped(change.allocations[1])}`, list(top(of(3), 1), row => more(of(3)(row)))));
  }
}
