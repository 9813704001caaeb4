// Elements, made one by one. Texts are set as texts: nothing that comes from a target is ever markup.

const SVG = "http://www.w3.org/2000/svg";

/** Puts attributes and children into an element: `on…` are listeners, `class` and the rest attributes. */
function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter(child => child !== null && child !== undefined && child !== ""));
  return element;
}

function el(name, attributes, ...children) {
  return fill(document.createElement(name), attributes, children);
}

function svg(name, attributes, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

/** A choice of one of several, as buttons side by side. */
function choice(label, options, chosen, choose) {
  const buttons = options.map(option =>
    el("button", {
      type: "button", class: "option", "data-key": option.key, "aria-pressed": String(option.key === chosen),
      title: option.text, disabled: option.disabled,
      onclick: () => {
        buttons.forEach(button => button.setAttribute("aria-pressed", String(button.dataset.key === option.key)));
        choose(option.key);
      },
    }, option.word));
  return el("div", { class: "options", role: "group", "aria-label": label }, buttons);
}

/** A switch with its label. */
function toggle(label, isOn, change, title) {
  const box = el("input", { type: "checkbox", onchange: () => change(box.checked) });
  box.checked = isOn;
  return el("label", { class: "toggle", title }, box, label);
}

/** A section with a heading, told to readers of screens by it. */
function section(id, heading, ...children) {
  return el("section", { id, "aria-labelledby": `${id}-heading` },
    el("div", { class: "section-head" }, el("h2", { id: `${id}-heading` }, heading)), children);
}

/** Calls a function later, once, however often it is asked for meanwhile. */
function later(call, ms) {
  let waiting = 0;
  return (...values) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => call(...values), ms);
  };
}
