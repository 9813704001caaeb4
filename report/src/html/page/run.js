// The page of a run: five questions first, then time, stacks and rows, then what went wrong and how it was made.

const TOP = 3;
const GROUPS = [
  { key: "stack", word: "stack" }, { key: "function", word: "function" }, { key: "file", word: "file" },
  { key: "module", word: "module" }, { key: "thread", word: "thread" },
];

function readProcess(process) {
  const of = list => summed(process.history?.[list] ?? []);
  return {
    ...process,
    time: of("time"), live: of("live"), rss: of("rss"), allocations: of("allocations"), blocks: of("blocks"),
    parts: [["anonymous", "without a file"], ["file", "of files"], ["own", "memtrace's own"]].map(([key, word]) => [word, of(key)]),
  };
}

/** Several processes as one: sums, without what is each one's own. */
function allOf(processes) {
  const add = lists => lists.reduce((sums, list) => sums.map((sum, at) => sum + list[at]));
  const judged = processes.filter(process => process.kinds);
  const sums = {};
  for (const key of Object.keys(processes[0].sums)) {
    const values = processes.map(process => process.sums[key]);
    // Highs of several processes were at several times.
    sums[key] = typeof values[0] === "boolean" ? values.some(Boolean) : key === "peak_bytes" ? Math.max(...values) : values.reduce((sum, value) => sum + value, 0);
  }
  const notes = new Map();
  for (const [isGrave, text] of processes.flatMap(process => process.notes)) {
    const known = notes.get(text) ?? [isGrave, text, 0];
    notes.set(text, [isGrave, text, known[2] + 1]);
  }
  return {
    isAll: true, sums, notes: [...notes.values()], threads: [], settings: [], markers: [], live: [], rss: [], time: [],
    kinds: judged.length ? KINDS.map((_, at) => add(judged.map(process => process.kinds[at]))) : null,
    all: add(processes.map(process => process.all)), rest: add(processes.map(process => process.rest)),
    rest_count: processes.reduce((sum, process) => sum + process.rest_count, 0),
    errors: processes.flatMap(process => process.errors), faults: processes.flatMap(process => process.faults),
    errors_left_out: 0, faults_left_out: 0,
  };
}

function drawRun(data, page) {
  const processes = data.run.processes.map(readProcess);
  const many = processes.length > 1;
  if (processes.length === 0) return page.append(el("p", { class: "wait" }, "No process was recorded."));
  const rowsByProcess = processes.map((process, place) => rowsOf(process, place));
  const heaviest = processes.reduce((best, process, at) => (process.all[3] > processes[best].all[3] ? at : best), 0);
  const leaking = processes.findIndex(process => process.all[0] > 0 && process.all[0] === Math.max(...processes.map(one => one.all[0])));
  let place = many ? (leaking >= 0 ? leaking : heaviest) : 0;
  const view = el("div", {});
  // One process may be several programs, one after the other.
  const pids = new Set(processes.map(process => process.pid)).size;
  const together = pids === processes.length ? count(pids, "process") : `${count(processes.length, "program")} in ${count(pids, "process")}`;

  const named = processes.map((process, at) => {
    const file = many && process.file ? `, ${base(texts[process.file])}` : "";
    return el("option", { value: at }, `${texts[process.title]}${file}`);
  });
  const select = el("select", { id: "process", onchange: () => { place = Number(select.value); show(); } },
    el("option", { value: -1 }, `all ${together}`), named);
  select.value = place;
  fill(page, {}, [header(many ? el("label", { class: "pick" }, "Process ", select) : null), heads(data), view, footer(data)]);

  function header(pick) {
    return el("header", { class: "head" },
      el("div", { class: "head-title" }, el("h1", { id: "title" }), el("p", { id: "about", class: "about" })),
      el("div", { class: "head-tools" }, pick, themeButton()));
  }

  function show() {
    const process = place < 0 ? allOf(processes) : processes[place];
    const all = place < 0
      ? joinedBy(rowsByProcess.flat(), row => row.node, "live").map(([, row]) => row)
      : rowsByProcess[place];
    const title = place < 0 ? together : texts[process.name];
    document.title = `${title}: memtrace`;
    document.getElementById("title").textContent = title;
    document.getElementById("about").replaceChildren(...about(process));
    view.replaceChildren(...parts(process, all));
    view.dispatchEvent(new Event("shown"));
  }

  function about(process) {
    if (place < 0) return [`${count(process.sums.allocations, "allocation")} in all`];
    const command = texts[process.command] || texts[process.exe];
    const facts = [`pid ${process.pid}`, texts[process.end], process.start ? texts[process.start].replace("T", " ").replace(/\.\d+Z$/, " UTC") : ""];
    if (process.time.length) facts.splice(1, 0, `ran ${moment(process.time[process.time.length - 1])}`);
    return [el("code", { class: "command", title: command }, command), el("span", {}, facts.filter(Boolean).join(" · "))];
  }

  function parts(process, all) {
    const state = { metric: firstMetric(process), inverted: false, hides: false, query: "", group: "stack", range: null };
    const total = () => process.all[METRICS.findIndex(metric => metric.key === state.metric)];
    const unitOf = key => METRICS.find(metric => metric.key === key).unit;
    const sized = (value, key = state.metric) => (unitOf(key) === "byte" ? scaled(value) : grouped(value));
    const exact = (value, key = state.metric) => (unitOf(key) === "byte" ? bytes(value) : key === "count" ? count(value, "allocation") : `${grouped(value)} temporary`);

    const inRange = row => {
      if (!state.range || !row.curve) return 0;
      const at = sample => Math.max(0, row.curve[Math.round((sample * (row.curve.length - 1)) / Math.max(1, process.time.length - 1))]);
      return at(state.range[1]) - at(state.range[0]);
    };
    const matches = row => {
      if (state.query === "") return true;
      row.stack ??= framesOf(row.node);
      return row.stack.some(frame => isFrameOf(frame, state.query));
    };

    const graph = makeGraph({
      tree: () => grow(all, row => row.values[state.metric], {
        inverted: state.inverted, hidesSystem: state.hides, kindsOf: row => kindsFor(row, state.metric),
      }),
      say: at => `${nameOf(at.frame)}${at.frame >= 0 && placeOf(at.frame) ? ` (${placeOf(at.frame)})` : ""}: ${exact(at.value)}, ${share(at.value, total())}${kindsSaid(at)}`,
      paint,
      unit: at => sized(at.value),
    });

    const table = makeTable({
      id: "sites", label: "Stacks", sortBy: state.metric, keyOf: row => row.key ?? row.node,
      rows: () => {
        let rows = all.filter(row => matches(row) && (!state.range || inRange(row) !== 0));
        if (state.group !== "stack") rows = grouping(rows);
        if (state.range) rows.forEach(row => (row.growth = row.rows ? row.rows.reduce((sum, one) => sum + inRange(one), 0) : inRange(row)));
        return rows;
      },
      columns: () => columns(process, all, state),
      details: row => rowDetails(row, process),
    });

    function grouping(rows) {
      const say = {
        function: row => row.name,
        file: row => (row.frame >= 0 && texts[frames.file[row.frame]]) || "(no source file known)",
        module: row => (row.frame >= 0 && texts[frames.module[row.frame]]) || "(no module)",
        thread: row => row.threads.join(", ") || "(no thread)",
      }[state.group];
      return joinedBy(rows, say, state.metric).map(([key, row]) => ({ ...row, key, heaviest: row.heaviest ?? row, name: state.group === "file" || state.group === "module" ? base(key) : key, path2: key }));
    }

    const search = el("input", {
      id: "search", type: "search", placeholder: "Search functions, files, modules   /", "aria-label": "Search functions, files and modules",
      oninput: later(() => { state.query = search.value.trim().toLowerCase(); graph.search(search.value); table.draw(); }, 120),
      onkeydown: event => { if (event.key === "Escape") { search.value = ""; search.dispatchEvent(new Event("input")); search.blur(); } },
    });
    const legend = el("div", { class: "legend" });
    const drawLegend = () => {
      const hasKinds = state.metric === "leaked" || state.metric === "live";
      legend.replaceChildren(...(hasKinds && process.kinds
        ? KINDS.filter((_, at) => all.some(row => kindsFor(row, state.metric)[at] > 0)).map(kind => el("span", {}, el("i", { class: `dot ${kind.key}` }), kind.word))
        : [["own", "the project's"], ["library", "libraries and interpreters"], ["others", "allocators, and below main"]].filter(([kind]) => all.some(row => row.stack?.some(frame => WHOSE[frames.whose[frame]] === kind))).map(([kind, word]) => el("span", {}, el("i", { class: `dot ${kind}` }), word))));
    };
    const redraw = () => { graph.redraw(); drawLegend(); };

    const metrics = METRICS.map((metric, at) => ({ ...metric, disabled: metric.key === "leaked" && !process.kinds }));
    const tools = el("div", { class: "tools", role: "toolbar", "aria-label": "What is shown" },
      choice("Metric", metrics, state.metric, key => { state.metric = key; redraw(); table.sortBy(key); }),
      choice("Direction", [{ key: "down", word: "Callers first", text: "From the outermost callers down" }, { key: "up", word: "Inverted", text: "From the functions that allocate up" }], "down",
        key => { state.inverted = key === "up"; redraw(); }),
      toggle("Hide system frames", false, isOn => { state.hides = isOn; redraw(); }, "Only the project's own frames; where a stack has none, those of libraries"),
      toggle("As a table", false, isOn => graph.showOutline(isOn), "The same as an outline that can be read line by line"),
      search);

    const charts = process.time.length > 1 ? makeChart(process, range => {
      state.range = range;
      table.sortBy(range ? "growth" : state.metric);
    }) : null;

    view.addEventListener("shown", () => {
      charts?.draw();
      redraw();
      table.draw();
    }, { once: true });

    const pickRow = row => {
      state.group = "stack";
      groups.value = "stack";
      search.value = "";
      state.query = "";
      charts?.clear();
      table.open(row);
    };
    const groups = el("select", { id: "group", onchange: () => { state.group = groups.value; table.draw(); } },
      GROUPS.filter(group => group.key !== "thread" || process.threads.length > 1).map(group => el("option", { value: group.key }, group.word)));

    const left = process.rest_count ? el("p", { class: "hint" }, `${count(process.rest_count, "lighter stack")} not on this page: ${bytes(process.rest[1])} live at the end, ${bytes(process.rest[3])} in all.`) : null;
    return [
      banner(process.notes),
      questions(process, all, pickRow),
      charts ? section("time", "Over time", charts.element) : null,
      section("stacks", "Where", tools, legend, graph.element),
      section("rows", "Stacks", el("div", { class: "table-tools" }, el("span", { class: "hint" }, "Sizes in bytes, exact"), el("label", { class: "pick" }, "One row for each ", groups)), table.element, left),
      memorySection(process),
      troubles("errors", "Heap errors", process.errors, process.errors_left_out),
      faults(process),
      many ? section("processes", "Processes", processTable()) : null,
      place < 0 ? null : made(process, data),
    ].filter(Boolean);
  }

  function processTable() {
    const families = new Map(), depths = new Map();
    processes.forEach((process, at) => {
      depths.set(at, families.has(process.pid) || families.has(process.ppid) ? (depths.get(families.get(process.pid) ?? families.get(process.ppid)) ?? 0) + 1 : 0);
      families.set(process.pid, at);
    });
    const head = ["Process", "End", "Lost", "Live at the end", "Peak", "Allocations"];
    return el("div", { class: "table-frame" }, el("table", { class: "rows compact" },
      el("thead", {}, el("tr", {}, head.map((word, at) => el("th", { scope: "col", class: at < 2 ? "text" : "number" }, word)))),
      el("tbody", {}, processes.map((process, at) => {
        const name = el("td", { class: "text" }, el("button", { type: "button", class: "plain", onclick: () => { place = at; select.value = at; show(); scrollTo(0, 0); } }, texts[process.title]));
        name.style.paddingLeft = `${8 + 14 * Math.min(12, depths.get(at))}px`;
        return el("tr", { class: at === place ? "open" : null }, name, el("td", { class: "text" }, texts[process.end]),
          el("td", { class: "number" }, process.kinds ? grouped(process.all[0]) : process.is_passive ? "not recorded" : "not known"),
          ["live_bytes", "peak_bytes", "allocations"].map(key => el("td", { class: "number" }, grouped(process.sums[key]))));
      }))));
  }

  show();
}

/** What is drawn first: leaks, if there are any. */
function firstMetric(process) {
  if (process.kinds && process.all[0] > 0) return "leaked";
  return process.all[1] > 0 ? "live" : process.all[2] > 0 ? "peak" : "total";
}

function kindsSaid(at) {
  const parts = at.kinds ? KINDS.map((kind, place) => [kind.word, at.kinds[place]]).filter(([, part]) => part > 0) : [];
  return parts.length > 1 || (parts.length === 1 && parts[0][1] < at.value) ? `; ${parts.map(([word, part]) => `${scaled(part)} ${word}`).join(", ")}` : parts.length ? `, ${parts[0][0]}` : "";
}

/** Colours by whose code it is, as the data count it. */
const WHOSE = ["own", "library", "others", "others"];

/** The colours of a cell: by kinds where these are known, else by whose code it is. */
function paint(at) {
  const all = at.kinds?.reduce((sum, part) => sum + part, 0) ?? 0;
  if (all > 0) {
    const whole = Math.max(at.value, all);
    const parts = at.kinds.map((part, place) => [`kind ${KINDS[place].key}`, part / whole]).filter(([, part]) => part > 0);
    if (whole > all) parts.push(["kind unknown", (whole - all) / whole]);
    return parts;
  }
  return [[at.frame < 0 ? "others" : WHOSE[frames.whose[at.frame]], 1]];
}

function heads(data) {
  if (!data.heads.length) return null;
  const [[isGrave, first], ...rest] = data.heads;
  return el("div", { class: `verdict ${isGrave ? "grave" : "calm"}`, role: "note" }, el("strong", {}, texts[first]),
    rest.length ? el("ul", {}, rest.map(([isGrave, text]) => el("li", { class: isGrave ? "grave" : null }, texts[text]))) : null);
}

/** Losses and circumstances. Those that change what numbers mean stand open. */
function banner(notes) {
  if (!notes.length) return null;
  const line = ([, text, times]) => el("li", {}, texts[text], times > 1 ? el("span", { class: "hint" }, ` in ${grouped(times)} processes`) : null);
  const grave = notes.filter(([isGrave]) => isGrave), rest = notes.filter(([isGrave]) => !isGrave);
  return el("aside", { class: `banner ${grave.length ? "grave" : ""}`, "aria-label": "What to know before reading" },
    grave.length ? el("ul", {}, grave.map(line)) : null,
    rest.length ? el("details", {}, el("summary", {}, count(rest.length, grave.length ? "more note" : "note")), el("ul", {}, rest.map(line))) : null);
}

/** The first screen. */
function questions(process, all, pick) {
  const top = (value, list = all) => [...list].filter(row => value(row) > 0).sort((one, other) => value(other) - value(one)).slice(0, TOP);
  const list = (rows, say, curve = true) => el("ul", { class: "top" }, rows.map(row => el("li", {},
    el("button", { type: "button", class: "plain", title: `${row.name}${row.frame >= 0 ? `, ${placeOf(row.frame)}` : ""}`, onclick: () => pick(row) }, row.name),
    curve && row.curve ? spark(row.curve, [44, 14], "over time") : null, el("span", { class: "amount" }, say(row)))));
  const card = (id, question, answer, tone, detail, ...rest) => el("div", { class: "card", id }, el("h2", {}, question),
    el("p", { class: `answer ${tone}` }, answer), el("p", { class: "detail" }, detail), rest);
  return el("section", { class: "cards", "aria-label": "Five questions" }, leaking(), growing(), peak(), churn());

  function leaking() {
    const question = "Is it leaking?";
    if (!process.kinds) {
      const why = process.is_passive ? "Nothing was recorded" : `${bytes(process.sums.live_bytes)} in ${count(process.sums.live_blocks, "block")} are live at the end, and not classified`;
      return card("leaking", question, "Not known", "unknown", why, list(top(row => row.values.live), row => scaled(row.values.live)));
    }
    const kinds = KINDS.map((_, at) => process.kinds[at]);
    const lost = kinds.slice(0, 3).reduce((sum, [blocks, size]) => [sum[0] + blocks, sum[1] + size], [0, 0]);
    const said = KINDS.map((kind, at) => `${bytes(kinds[at][1])} ${kind.word}`).filter((_, at) => kinds[at][0] > 0).join(", ");
    const bar = kindBar(kinds.map(([, size]) => size), said || "nothing is live");
    if (lost[0] === 0) {
      return card("leaking", question, "No", "calm", kinds[3][0] ? `Nothing is lost; ${bytes(kinds[3][1])} in ${count(kinds[3][0], "block")} are still reachable` : "Nothing is lost, and nothing is live at the end", kinds[3][0] ? bar : null,
        list(top(row => row.kinds[3]), row => scaled(row.kinds[3])));
    }
    const isSure = kinds[0][0] > 0;
    return card("leaking", question, `${isSure ? "Yes" : "Possibly"}, ${scaled(lost[1])}`, isSure ? "grave" : "watch",
      `${count(lost[1], "byte")} in ${count(lost[0], "block")} are ${isSure ? "lost" : "possibly lost"}`, bar, list(top(row => row.values.leaked), row => scaled(row.values.leaked)));
  }

  function growing() {
    const question = "What grows?";
    if (all.some(row => row.curve)) {
      const later = row => (row.shape === "grows" && row.curve ? row.curve[row.curve.length - 1] - Math.max(0, row.curve[Math.floor(row.curve.length / 2)]) : 0);
      const growers = all.filter(row => later(row) > 0);
      const detail = growers.length ? `by ${scaled(growers.reduce((sum, row) => sum + later(row), 0))} in the second half of the run` : "No stack held more and more until the end";
      return card("growing", question, growers.length ? count(growers.length, "stack") : "Nothing", growers.length ? "watch" : "calm", detail, list(top(later), row => `+${scaled(later(row))}`));
    }
    if (all.some(row => row.grown !== null)) {
      const growers = all.filter(row => row.grown > 0);
      return card("growing", question, growers.length ? count(growers.length, "stack") : "Nothing", growers.length ? "watch" : "calm", "from the first check to the last",
        list(top(row => row.grown ?? 0), row => `+${scaled(row.grown)}`));
    }
    return card("growing", question, "Not known", "unknown", "Nobody watched this run while it went on: no curves, and no two checks to compare");
  }

  function peak() {
    const most = process.live.length ? Math.max(...process.live) : 0;
    const at = process.time.length > 1 ? process.time[process.live.indexOf(most)] : null;
    const end = process.time[process.time.length - 1];
    const when = at === null ? (process.isAll ? "the highest of one process" : "") : `, about ${moment(at)} after the start of ${moment(end)}`;
    return card("peak", "Where is the peak?", scaled(process.sums.peak_bytes), "", `${count(process.sums.peak_bytes, "byte")}${process.isAll ? `, ${when}` : when}`,
      list(top(row => row.values.peak), row => share(row.values.peak, process.all[2])));
  }

  function churn() {
    const [temporary, allocations] = [process.all[4], process.all[5]];
    const hasTemporary = temporary > 0;
    const key = hasTemporary ? "temporary" : "count";
    return card("churn", "Who churns?", hasTemporary ? `${share(temporary, allocations)} temporary` : "Nobody", hasTemporary && temporary > allocations / 2 ? "watch" : "",
      `${grouped(temporary)} of ${count(allocations, "allocation")} were freed by the thread's next call`, list(top(row => row.values[key]), row => grouped(row.values[key])));
  }
}

/** A number; nothing at all is easier to read over when it is pale. */
function quiet(value) {
  return value === 0 ? el("span", { class: "zero" }, "0") : grouped(value);
}

/** The columns of the table of stacks. */
function columns(process, all, state) {
  const largest = Object.fromEntries(METRICS.map(metric => [metric.key, Math.max(1, ...all.map(row => row.values[metric.key]))]));
  const hasCurves = all.some(row => row.curve);
  const number = (key, word, text, extra = "") => ({
    key, word, text, class: `${extra} ${state.metric === key ? "chosen" : ""}`, value: row => row.values[key],
    show: row => (state.metric === key && row.values[key] ? barred(row.values[key], largest[key], grouped(row.values[key])) : quiet(row.values[key])),
  });
  const name = {
    key: "name", word: "Stack", isText: true, class: "site", value: row => row.name,
    show: (row, change, isOpen) => {
      const said = KINDS.map((kind, at) => (row.kinds[at] > 0 ? `${scaled(row.kinds[at])} ${kind.word}` : "")).filter(Boolean).join(", ");
      const where = row.path2 ? (row.path2 !== row.name ? row.path2 : count(row.parts, "stack")) : row.frame >= 0 ? placeOf(row.frame) : "";
      const caller = state.group === "stack" ? callerOf((row.stack ??= framesOf(row.node)), row.name) : -1;
      return [said ? kindBar(row.kinds, said) : el("span", { class: "kinds none" }),
        opener(row, change, isOpen, row.key ?? row.node, el("span", { class: "where", title: where }, where), caller >= 0 ? el("span", { class: "where caller" }, `← ${nameOf(caller)}`) : null)];
    },
  };
  return [
    name,
    hasCurves ? { key: "curve", word: "Over time", class: "curve", show: row => (row.curve ? [spark(row.curve, SPARK, row.shape || "over time"), el("span", { class: "shape" }, row.shape)] : null) } : null,
    state.range ? { key: "growth", word: "In range", class: "chosen", text: "By how many bytes it changed within the range, about: curves are rounded", value: row => row.growth ?? 0, show: row => signed(row.growth ?? 0) } : null,
    process.kinds ? number("leaked", "Leaked", "Bytes definitely and possibly lost, with what only they lead to") : null,
    number("live", "Live", "Bytes live at the end"),
    number("peak", "At peak", "Bytes when the process stood highest", "wide"),
    number("total", "Total", "Bytes of all allocations", "wide"),
    number("temporary", "Temporary", "Allocations that the same thread's next call freed", "wide"),
    number("count", "Count", "Allocations"),
  ].filter(Boolean);
}

function troubles(id, heading, list, leftOut) {
  if (!list.length) return null;
  return section(id, `${heading} (${grouped(list.length + leftOut)})`,
    el("div", { class: "troubles" }, list.map((trouble, at) => el("details", { open: at === 0 }, el("summary", {}, texts[trouble.text]),
      el("div", { class: "stacks" }, trouble.stacks.map(([what, node]) => el("div", {}, el("h4", {}, texts[what]), stackList(node, texts[what]))))))),
    leftOut ? el("p", { class: "hint" }, `${grouped(leftOut)} more not shown`) : null);
}

function faults(process) {
  if (process.faults.length) return troubles("faults", "Made to fail", process.faults, process.faults_left_out);
  if (!process.sums.fault_armed) return null;
  return section("faults", "Made to fail", el("p", {}, `A failure was armed and never fired: ${count(process.sums.fault_seen, "call")} in its scope.`));
}

/** What the run was made with. */
function made(process, data) {
  const rows = [
    ["program", texts[process.exe]], ["command", texts[process.command]], ["began", texts[process.start]], ["end", texts[process.end]],
    ["allocator", texts[process.allocator]], ["allocations", `${grouped(process.sums.allocations)}, ${bytes(process.sums.allocated_bytes)}`],
    ["frees", grouped(process.sums.frees)], ["failed", process.sums.failed ? grouped(process.sums.failed) : ""],
    ["memory of memtrace's own", bytes(process.sums.own_bytes)], ...process.settings.map(([name, value]) => [texts[name], texts[value]]),
  ].filter(([, value]) => value);
  const rules = data.run.suppressions;
  return el("section", { id: "made" }, el("details", {}, el("summary", {}, "How it was made"),
    el("dl", { class: "made" }, rows.flatMap(([word, value]) => fact(word, value))),
    rules.length ? [el("h4", {}, "Suppressions"), el("ul", {}, rules.map(([name, blocks, size]) => el("li", {}, `${texts[name]}: `, blocks ? `${bytes(size)} in ${count(blocks, "block")}` : "not used")))] : null));
}
