// Tables of rows: sorted by any column, a part at a time, each row open to its details.

const ROWS_AT_ONCE = 50;

/**
 * A table of what `rows()` gives. Columns have `key`, `word`, `value(row)`, `show(row)` and, for texts, `isText`. `details`
 * makes what stands below an open row.
 */
function makeTable({ id, label, columns, rows, details, sortBy, keyOf }) {
  let sort = { key: sortBy, isDown: true }, shown = ROWS_AT_ONCE, open = new Set();
  const head = el("tr", {});
  const body = el("tbody", {});
  const note = el("p", { class: "hint", role: "status" });
  const more = el("button", { type: "button", class: "more", onclick: () => { shown *= 4; draw(); } });
  const table = el("table", { id, class: "rows", "aria-label": label }, el("thead", {}, head), body);
  const element = el("div", { class: "table-frame" }, table, el("div", { class: "table-foot" }, note, more));

  function drawHead(list) {
    head.replaceChildren(...list.map(column => {
      const isSorted = sort.key === column.key;
      return el("th", {
        scope: "col", class: `${column.isText ? "text" : "number"} ${column.class ?? ""}`,
        "aria-sort": isSorted ? (sort.isDown ? "descending" : "ascending") : null,
      }, column.value
        ? el("button", {
          type: "button", title: column.text,
          onclick: () => {
            sort = { key: column.key, isDown: isSorted ? !sort.isDown : !column.isText };
            draw();
            head.querySelector(`[data-key="${column.key}"]`)?.focus();
          }, "data-key": column.key,
        }, column.word, el("span", { class: "arrow", "aria-hidden": "true" }, isSorted ? (sort.isDown ? "↓" : "↑") : ""))
        : column.word);
    }));
  }

  function draw() {
    const list = columns();
    const by = list.find(column => column.key === sort.key && column.value) ?? list.find(column => column.value && !column.isText);
    const all = rows();
    const key = row => by.value(row);
    const weight = row => row.values?.live || row.values?.total || 0;
    const compare = (one, other) => {
      const [first, second] = [key(one), key(other)];
      const order = first < second ? -1 : first > second ? 1 : 0;
      return (sort.isDown ? -order : order) || weight(other) - weight(one) || (one.name < other.name ? -1 : one.name > other.name ? 1 : one.node - other.node);
    };
    const ordered = [...all].sort(compare);
    drawHead(list);
    body.replaceChildren(...ordered.slice(0, shown).flatMap(row => lines(row, list)));
    note.textContent = all.length === 0 ? "No row matches." : shown < all.length ? `${grouped(shown)} of ${count(all.length, "row")}` : count(all.length, "row");
    more.hidden = shown >= all.length;
    more.textContent = `Show ${grouped(Math.min(shown * 3, all.length - shown))} more`;
  }

  function lines(row, list) {
    const isOpen = open.has(keyOf(row));
    const change = () => {
      if (isOpen) open.delete(keyOf(row));
      else open.add(keyOf(row));
      draw();
      [...body.querySelectorAll("button.opener")].find(button => button.row === keyOf(row))?.focus();
    };
    const cells = list.map(column => {
      const shown = column.show(row, change, isOpen);
      return el("td", { class: `${column.isText ? "text" : "number"} ${column.class ?? ""}` }, shown);
    });
    const line = el("tr", { class: isOpen ? "open" : null, onclick: event => event.target.closest("button, a, code") ? null : change() }, cells);
    line.row = row;
    return isOpen ? [line, el("tr", { class: "detail-row" }, el("td", { colspan: list.length }, details(row)))] : [line];
  }

  return {
    element, draw,
    sortBy(key) {
      sort = { key, isDown: true };
      draw();
    },
    open(row) {
      open = new Set([keyOf(row)]);
      draw();
      const line = [...body.rows].find(line => line.row && keyOf(line.row) === keyOf(row));
      line?.scrollIntoView({ block: "center" });
      line?.querySelector("button.opener")?.focus({ preventScroll: true });
    },
  };
}

/** The name of a row, as the button that opens it. */
function opener(row, change, isOpen, key, ...rest) {
  const button = el("button", { type: "button", class: "plain opener", "aria-expanded": String(isOpen), onclick: change }, row.name);
  button.row = key;
  return [el("span", { class: "name" }, button, rest)];
}

/** A number with a bar behind it that says how much of the largest it is. */
function barred(value, largest, text) {
  const bar = el("i", { class: "bar" });
  bar.style.width = `${largest > 0 ? Math.max(0, (100 * value) / largest) : 0}%`;
  return [bar, el("span", {}, text)];
}

/** A narrow bar of kinds. */
function kindBar(kinds, title) {
  const all = kinds.reduce((sum, part) => sum + part, 0);
  const bar = el("span", { class: "kinds", title, role: "img", "aria-label": title });
  kinds.forEach((part, at) => {
    if (!(part > 0)) return;
    const piece = el("i", { class: KINDS[at].key });
    piece.style.width = `${(100 * part) / all}%`;
    bar.append(piece);
  });
  return bar;
}
