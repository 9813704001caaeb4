// Memory beside stacks: what the RSS consisted of, how large blocks are and how long they live, threads and modules.

/** A table of bars. Rows are a name, a number, and what is said of it. */
function bars(heading, rows, ...hints) {
  if (!rows.length) return null;
  const most = Math.max(1, ...rows.map(([, value]) => value));
  return el("div", { class: "bars-frame" }, el("h3", {}, heading),
    el("table", { class: `bars ${rows.every(([word]) => word.length < 12) ? "short" : ""}`, "aria-label": heading }, el("tbody", {}, rows.map(([word, value, text]) =>
      el("tr", {}, el("th", { scope: "row" }, word), el("td", {}, barred(value, most, text)))))),
    hints.filter(Boolean).map(hint => el("p", { class: "hint" }, hint)));
}

/** Nanoseconds; the page counts in microseconds. */
const lifeOf = ns => (ns === 0 ? "longer" : ns < 1000 ? `${ns} ns` : moment(ns / 1000).replace(/\.0+ /, " "));
const sizeOf = size => (size < 1024 ? `${size} B` : size >= Number.MAX_SAFE_INTEGER ? "more" : scaled(size).replace(".0 ", " "));

function memorySection(process) {
  const memory = process.memory;
  if (!memory) return null;
  const sizes = list => list.map(([size, blocks, all]) => [`≤ ${sizeOf(size)}`, blocks, `${count(blocks, "block")}, ${scaled(all)}`]);
  const sums = ([rows, more], heading, noun) => bars(heading, rows.length > 1 ? rows.map(([name, total, live]) => [texts[name], total, `${scaled(total)}, ${scaled(live)} live`]) : [],
    more ? `and ${count(more, `more ${noun}`)}` : "");
  const looks = memory.looks.map((look, at) => bars(
    at === 0 ? "Where the RSS was, at its highest" : "At the last look",
    look.parts.map(([what, size]) => [texts[what], size, scaled(size)]),
    `${scaled(look.rss)} after ${moment(look.time)}${at === 0 && memory.rss[0] !== look.rss ? `; at most ${scaled(memory.rss[0])} after ${moment(memory.rss[1])}` : ""}`,
    look.absent ? `${scaled(look.absent)} of what was asked for were never touched, swapped out, or lie elsewhere` : "",
    at === 0 && memory.rounding ? `The C library rounds what lives at the end up: ${scaled(memory.rounding[1])} asked for, ${scaled(memory.rounding[0])} taken (+${share(memory.rounding[0] - memory.rounding[1], memory.rounding[1])})` : ""));
  const largest = memory.looks[0]?.largest ?? [];
  const all = [...looks,
    bars("Largest mappings beside heap, stacks and libraries", largest.map(([name, resident, all]) => [texts[name], resident, `${scaled(resident)} of ${scaled(all)}`])),
    bars("Sizes of the blocks that live at the end", sizes(memory.live_sizes)),
    bars("Sizes of all allocations", sizes(memory.all_sizes), "each counted with the mean size of its site"),
    bars("How long blocks live", memory.lives.map(([ns, blocks]) => [`≤ ${lifeOf(ns)}`.replace("≤ longer", "longer"), blocks, count(blocks, "block")]), "each counted with the mean of its site, where samples found enough alive"),
    sums(memory.threads, "By thread", "thread"), sums(memory.modules, "By module", "module")].filter(Boolean);
  return all.length ? section("memory", "Memory", el("div", { class: "bars-grid" }, all)) : null;
}
