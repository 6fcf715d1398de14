"use strict";
// All that a page runs: tables are sorted and filtered, words explained, the place on the page
// shown. Without it everything still reads. Its words are those of the page's language.
(() => {
  const words = document.currentScript.dataset;
  const MANY_ROWS = 10;
  const spoken = (text, ...values) => values.reduce((said, value) => said.replace("{}", value), text);
  const make = (name, about) => Object.assign(document.createElement(name), about);

  // What a cell is sorted by: its bare value, else the first figure of a column of figures, else
  // its words. What is missing comes last whichever way.
  const keyOf = (cell) => {
    const text = (cell?.textContent ?? "").trim();
    if (cell?.dataset.sort !== undefined) return Number(cell.dataset.sort);
    if (text === "" || text === "–") return null;
    if (!cell.classList.contains("number")) return text;
    const figure = text.replace(/−/g, "-").replace(/(\d),(?=\d{3})/g, "$1").match(/-?\d+(\.\d+)?/);
    return figure ? Number(figure[0]) : text;
  };
  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number"
      ? a - b
      : String(a).localeCompare(String(b), undefined, { numeric: true });

  const sortable = (table) => {
    const body = table.tBodies[0];
    const head = table.tHead?.rows[0];
    if (!head || !body || body.rows.length < 2) return;
    const given = [...body.rows];
    if (given.some((row) => row.cells.length !== head.cells.length)) return;
    [...head.cells].forEach((th, column) => {
      const title = th.textContent.trim();
      if (!title) return;
      const button = make("button", { type: "button", className: "sort" });
      // What can be reached by itself cannot stand in a button.
      if (th.querySelector("a, abbr")) button.title = button.ariaLabel = spoken(words.sort, title);
      else button.append(...th.childNodes);
      th.append(button);
      button.addEventListener("click", () => {
        const next = { ascending: "descending", descending: "" };
        const before = th.getAttribute("aria-sort");
        const way = before === null ? "ascending" : next[before];
        for (const other of head.cells) other.removeAttribute("aria-sort");
        let rows = given;
        if (way) {
          th.setAttribute("aria-sort", way);
          const sign = way === "ascending" ? 1 : -1;
          const keyed = given.map((row) => [keyOf(row.cells[column]), row]);
          keyed.sort(([a], [b]) => (a === null) - (b === null) || (a === null ? 0 : sign * compare(a, b)));
          rows = keyed.map(([, row]) => row);
        }
        body.append(...rows);
      });
    });
  };

  const filterable = (table) => {
    const rows = [...(table.tBodies[0]?.rows ?? [])];
    if (rows.length <= MANY_ROWS) return;
    const input = make("input", { type: "search" });
    const told = make("output", {});
    const label = make("label", { textContent: `${words.filter} ` });
    label.append(input);
    const line = make("p", { className: "filter" });
    line.append(label, told);
    (table.closest(".scroll") ?? table).before(line);
    input.addEventListener("input", () => {
      const asked = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let left = 0;
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !asked.every((word) => text.includes(word));
        left += !row.hidden;
      }
      told.textContent = asked.length ? spoken(words.shown, left, rows.length) : "";
    });
  };

  // A word's meaning, where it is pointed at, reached by keys or tapped; Escape takes it away.
  const explain = () => {
    const meanings = new Map();
    for (const word of document.querySelectorAll("abbr[title], th[title]")) {
      meanings.set(word, word.title);
      word.dataset.explained = "";
      word.removeAttribute("title");
    }
    if (!meanings.size) return;
    const bubble = make("div", { id: "meaning", className: "meaning", hidden: true });
    bubble.setAttribute("role", "tooltip");
    document.body.append(bubble);
    const hide = () => {
      bubble.hidden = true;
      document.querySelector("[aria-describedby=meaning]")?.removeAttribute("aria-describedby");
    };
    const show = (word) => {
      hide();
      bubble.textContent = meanings.get(word);
      bubble.hidden = false;
      word.setAttribute("aria-describedby", "meaning");
      const place = word.getBoundingClientRect();
      const room = document.documentElement.clientWidth - bubble.offsetWidth - 8;
      const above = place.bottom + bubble.offsetHeight + 8 > window.innerHeight;
      bubble.style.left = `${Math.max(8, Math.min(place.left, room)) + window.scrollX}px`;
      bubble.style.top = `${(above ? place.top - bubble.offsetHeight - 6 : place.bottom + 6) + window.scrollY}px`;
    };
    for (const word of meanings.keys()) {
      for (const event of ["pointerenter", "focusin", "click"]) word.addEventListener(event, () => show(word));
      word.addEventListener("focusout", hide);
      word.addEventListener("pointerleave", (event) => {
        if (event.relatedTarget !== bubble && !word.contains(document.activeElement)) hide();
      });
    }
    bubble.addEventListener("pointerleave", hide);
    document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
  };

  // Whoever follows a link to what is folded finds it open.
  const unfold = () => {
    const there = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let part = there; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
  };

  const follow = (links) => {
    const parts = links.map((link) => document.getElementById(decodeURIComponent(link.hash.slice(1))));
    const mark = () => {
      const passed = parts.findLastIndex((part) => part && part.getBoundingClientRect().top < 140);
      links.forEach((link, place) =>
        place === passed ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current"));
    };
    addEventListener("scroll", mark, { passive: true });
    mark();
  };

  for (const table of document.querySelectorAll("main table")) {
    if (table.closest(".promolab-card")) continue;
    sortable(table);
    filterable(table);
  }
  explain();
  addEventListener("hashchange", unfold);
  unfold();
  const links = [...document.querySelectorAll("nav.contents a")];
  if (links.length) follow(links);
})();
