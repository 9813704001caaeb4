// The page of a sweep: a row for each call that was made to fail, and what became of the program each time.

const LEVELS = ["bad", "poor", "fair"];
const POINTS_AT_ONCE = 200;

function drawSweep(data, page) {
  const sweep = data.sweep;
  const state = { query: "", outcome: -1, isTroubleOnly: false };
  const open = new Set();
  let shown = POINTS_AT_ONCE;
  document.title = `sweep of ${texts[sweep.command]}: memtrace`;
  const findings = sweep.findings, outcomes = sweep.outcomes;
  const cellsOf = row => [row.once, row.forever, ...row.pairs].filter(Boolean);
  const worst = row => Math.min(outcomes.length, ...cellsOf(row).map(cell => cell.outcome));
  const isBad = cell => outcomes[cell.outcome][2] < 2;

  const body = el("tbody", {});
  const more = el("button", { type: "button", class: "more", onclick: () => { shown *= 4; draw(); } });
  const note = el("p", { class: "hint", role: "status" });
  const search = el("input", {
    id: "search", type: "search", placeholder: "Search functions   /", "aria-label": "Search functions",
    oninput: later(() => { state.query = search.value.trim().toLowerCase(); draw(); }, 120),
    onkeydown: event => { if (event.key === "Escape") { search.value = ""; search.dispatchEvent(new Event("input")); search.blur(); } },
  });
  const chips = outcomes.map(([name, text, level, runs], at) => [runs, el("button", {
    type: "button", class: `chip ${LEVELS[level]}`, title: text, "aria-pressed": "false",
    onclick: () => {
      state.outcome = state.outcome === at ? -1 : at;
      chips.forEach(([, chip], place) => chip.setAttribute("aria-pressed", String(place === state.outcome)));
      draw();
    },
  }, el("i", { class: "dot" }), name, el("b", {}, grouped(runs)))]);

  function draw() {
    const list = sweep.points.filter(row =>
      (state.outcome < 0 || cellsOf(row).some(cell => cell.outcome === state.outcome || cell.also.includes(state.outcome)))
      && (!state.isTroubleOnly || cellsOf(row).some(isBad))
      && (state.query === "" || framesOf(row.node).some(frame => isFrameOf(frame, state.query))));
    list.sort((one, other) => worst(one) - worst(other) || sweep.points.indexOf(one) - sweep.points.indexOf(other));
    body.replaceChildren(...list.slice(0, shown).flatMap(lines));
    note.textContent = list.length === 0 ? "No call matches." : `${grouped(Math.min(shown, list.length))} of ${count(sweep.points.length, "call path")}`;
    more.hidden = shown >= list.length;
    more.textContent = `Show ${grouped(Math.min(shown * 3, list.length - shown))} more`;
  }

  function lines(row) {
    const isOpen = open.has(row.id);
    const change = () => {
      if (isOpen) open.delete(row.id);
      else open.add(row.id);
      draw();
      [...body.querySelectorAll("button.opener")].find(button => button.row === row.id)?.focus();
    };
    const caller = callerOf(framesOf(row.node), texts[row.name]);
    const opened = row.opened_by ? `only after ${texts[row.opened_by]} failed` : "";
    const name = opener({ name: texts[row.name] }, change, isOpen, row.id,
      el("span", { class: "where" }, [texts[row.what], row.count > 1 ? `${grouped(row.count)} times` : "", opened].filter(Boolean).join(", ")),
      caller >= 0 ? el("span", { class: "where caller" }, `← ${nameOf(caller)}, ${placeOf(caller)}`) : null);
    const line = el("tr", { class: isOpen ? "open" : null, onclick: event => event.target.closest("button, code, a") ? null : change() },
      el("th", { scope: "row", class: "text site" }, name),
      el("td", { class: "cell-frame" }, cellOf(row.once, change)), el("td", { class: "cell-frame" }, cellOf(row.forever, change)), el("td", { class: "cell-frame" }, pairsOf(row, change)));
    return isOpen ? [line, el("tr", { class: "detail-row" }, el("td", { colspan: 4 }, details(row)))] : [line];
  }

  function cellOf(cell, change, word) {
    if (!cell) return el("span", { class: "outcome none" }, "not run");
    const [name, text, level] = outcomes[cell.outcome];
    const isAccepted = cell.findings.length > 0 && cell.findings.every(at => findings[at].accepted);
    return el("button", { type: "button", class: `outcome ${LEVELS[level]}${isAccepted ? " accepted" : ""}`, title: text, onclick: change },
      word ?? name, isAccepted ? " (accepted)" : "");
  }

  function pairsOf(row, change) {
    if (!row.pairs.length) return el("span", { class: "outcome none" }, row.opened_by ? "not run" : "");
    const cell = row.pairs.reduce((worst, one) => (one.outcome < worst.outcome ? one : worst));
    return cellOf(cell, change, row.pairs.length > 1 ? `${outcomes[cell.outcome][0]}, 1 of ${grouped(row.pairs.length)}` : undefined);
  }

  function details(row) {
    const runs = [["fails once", row.once], ["fails for ever", row.forever], ...row.pairs.map(cell => [`fails after ${texts[cell.after]} has`, cell])].filter(([, cell]) => cell);
    return el("div", { class: "details" },
      el("div", { class: "details-stack" }, el("h4", {}, `The call: ${texts[row.what]}`), stackList(row.node), el("p", { class: "hint" }, "point ", el("code", { class: "all" }, texts[row.id]))),
      el("div", { class: "details-facts" }, runs.map(([word, cell]) => {
        const [name, text, level] = outcomes[cell.outcome];
        const known = cell.findings.map(at => findings[at]);
        return el("div", { class: "run" },
          el("h4", {}, word), el("p", {}, el("span", { class: `outcome ${LEVELS[level]}` }, name), ` ${text}; ${texts[cell.end]}.`,
            cell.also.length ? ` Also: ${cell.also.map(at => outcomes[at][0]).join(", ")}.` : ""),
          known.map(finding => el("p", {}, el("button", { type: "button", class: "plain", onclick: () => goTo(finding) }, texts[finding.title]))),
          el("pre", { class: "all command-line", tabindex: "0", "aria-label": "Command that repeats it" }, known.length ? texts[known[0].repeat[0]] : `${texts[cell.settings]} ${texts[sweep.repeat]}`));
      })));
  }

  function goTo(finding) {
    const place = document.getElementById(`finding-${texts[finding.id]}`);
    place.open = true;
    place.scrollIntoView({ block: "start" });
    place.querySelector("summary").focus();
  }

  function findingOf(finding) {
    const [name, text, level] = outcomes[finding.outcome];
    return el("details", { id: `finding-${texts[finding.id]}`, class: finding.accepted ? "accepted" : null },
      el("summary", {}, el("span", { class: `outcome ${LEVELS[level]}` }, name), " ", texts[finding.title]),
      el("p", {}, `${text[0].toUpperCase()}${text.slice(1)}; ${texts[finding.end]}. ${count(finding.runs, "run")} came to it, ${finding.repeated} of ${finding.repetitions} repetitions did.`),
      finding.accepted ? el("p", {}, `Accepted: ${texts[finding.accepted]}`) : null,
      el("h4", {}, "Repeat it"),
      finding.repeat.map((line, at) => (texts[line] ? el("div", { class: "repeat" }, el("span", { class: "hint" }, ["here", "under gdb", "by hand"][at]), el("pre", { class: "all command-line", tabindex: "0" }, texts[line])) : null)),
      el("div", { class: "stacks" }, finding.stacks.map(([what, node]) => el("div", {}, el("h4", {}, texts[what]), stackList(node, texts[what])))),
      finding.left.length ? [el("h4", {}, "Left behind"), el("ul", {}, finding.left.map(line => el("li", {}, texts[line])))] : null,
      finding.message.length ? [el("h4", {}, "The end of its stderr"), el("pre", { class: "message" }, finding.message.map(line => `${texts[line]}\n`).join(""))] : null);
  }

  const bad = findings.filter(finding => outcomes[finding.outcome][2] === 0 && !finding.accepted).length;
  const poor = findings.filter(finding => outcomes[finding.outcome][2] === 1 && !finding.accepted).length;
  const [failed, points, functionsFailed, functions, notRun] = sweep.coverage;
  const runs = sweep.points.reduce((sum, row) => sum + cellsOf(row).length, 0);
  const card = (id, question, answer, tone, detail) => el("div", { class: "card", id }, el("h2", {}, question), el("p", { class: `answer ${tone}` }, answer), el("p", { class: "detail" }, detail));
  const grave = [...(notRun || sweep.is_interrupted ? [`not complete: ${notRun ? `${count(notRun, "run")} not made` : "it was interrupted"}`] : [])];
  const notes = el("aside", { class: `banner ${grave.length ? "grave" : ""}` },
    grave.length ? el("ul", {}, grave.map(text => el("li", {}, text))) : null,
    sweep.notes.length ? el("details", { open: sweep.notes.length < 4 }, el("summary", {}, count(sweep.notes.length, "note")), el("ul", {}, sweep.notes.map(note => el("li", {}, texts[note])))) : null);
  fill(page, {}, [
    el("header", { class: "head" },
      el("div", { class: "head-title" }, el("h1", { id: "title" }, "Sweep"), el("p", { class: "about" }, el("code", { class: "command" }, texts[sweep.command]), el("span", {}, `in ${texts[sweep.directory]}`))),
      el("div", { class: "head-tools" }, themeButton())),
    grave.length || sweep.notes.length ? notes : "",
    el("section", { class: "cards", "aria-label": "What came of it" },
      card("bad", "Is anything broken?", bad ? count(bad, "defect") : "Nothing", bad ? "grave" : "calm", bad ? "crashes, hangs, corruption, leaks, wrong output" : "no crash, hang, corruption, leak or silently wrong output"),
      card("poor", "What is poor service?", poor ? count(poor, "finding") : "Nothing", poor ? "watch" : "calm", "assertions, uncaught exceptions, errors without a message, things left behind"),
      card("coverage", "How far did it come?", share(failed, points), "", `${grouped(failed)} of ${count(points, "call path")} failed at least once; all of ${grouped(functionsFailed)} of ${count(functions, "function")}`),
      card("baseline", "And without a failure?", texts[sweep.end], "", `${count(sweep.allocations, "allocation")}, ${grouped(sweep.time_ms)} ms; ${count(runs, "run")} with a failure`)),
    section("matrix", "What failed, and what came of it",
      el("div", { class: "tools" }, el("div", { class: "chips", role: "group", "aria-label": "Outcomes" }, chips.filter(([runs]) => runs > 0).map(([, chip]) => chip)),
        toggle("Only trouble", false, isOn => { state.isTroubleOnly = isOn; draw(); }), search),
      el("div", { class: "table-frame" }, el("table", { class: "rows matrix", "aria-label": "Calls that failed" },
        el("thead", {}, el("tr", {}, ["Call path", "Once", "For ever", "In a pair"].map((word, at) => el("th", { scope: "col", class: at ? "cell-head" : "text" }, word)))), body),
        el("div", { class: "table-foot" }, note, more)),
      sweep.points_left_out ? el("p", { class: "hint" }, `${count(sweep.points_left_out, "more call path")} not on this page.`) : null),
    findings.length ? section("findings", `Findings (${grouped(findings.length)})`, el("div", { class: "troubles" }, findings.map(findingOf))) : "",
    footer(data)]);
  draw();
}
