// The start: data, then the page that they are for; what concerns all pages.

function themeButton() {
  const themes = [["", "Auto"], ["light", "Light"], ["dark", "Dark"]];
  let at = 0;
  const button = el("button", {
    type: "button", class: "theme", id: "theme", "aria-label": "Theme: as the system has it",
    onclick: () => {
      at = (at + 1) % themes.length;
      const [theme, word] = themes[at];
      if (theme) document.documentElement.dataset.theme = theme;
      else delete document.documentElement.dataset.theme;
      button.textContent = word;
      button.setAttribute("aria-label", `Theme: ${theme || "as the system has it"}`);
    },
  }, themes[at][1]);
  return button;
}

function footer(data) {
  return el("footer", {}, el("p", {}, `${texts.length ? data.tool : ""} · keys: / search, Esc back, arrows and Enter in the graph`));
}

/** Where a key leads that is for the whole page. */
addEventListener("keydown", event => {
  const isTyping = event.target.closest?.("input, select, textarea");
  if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey) {
    const search = document.getElementById("search");
    search?.focus();
    search?.select();
    event.preventDefault();
  }
});

// What is folded on the screen is open on paper.
let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open])")];
  folded.forEach(one => (one.open = true));
});
addEventListener("afterprint", () => folded.forEach(one => (one.open = false)));

async function start() {
  const page = document.getElementById("page");
  if (typeof DecompressionStream === "undefined") throw new Error("this browser is too old for it");
  const data = await unpack(document.getElementById("data").textContent);
  page.replaceChildren();
  if (data.run) drawRun(data, page);
  else if (data.change) drawChange(data, page);
  else drawSweep(data, page);
  document.documentElement.dataset.ready = String(Math.round(performance.now()));
}

start().catch(error => {
  document.getElementById("page").replaceChildren(el("p", { class: "wait" }, `The page cannot be shown: ${error.message}`));
  throw error;
});
