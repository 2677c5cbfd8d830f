"use strict";
// What the page can do beyond being read: a dark switch, folding trees, sorting and filtering tables.
(() => {
  const root = document.documentElement;
  const all = (query, within = document) => Array.from(within.querySelectorAll(query));
  const make = (name, attributes, text = "") => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.textContent = text;
    return made;
  };

  // --- light and dark ---
  const button = document.querySelector(".theme");
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const name = () => { button.textContent = dark() ? "Light" : "Dark"; };
  if (button) {
    button.hidden = false;
    button.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; name(); });
    system.addEventListener("change", name);
    name();
  }

  // --- contents: folded on a narrow screen, the section in sight marked on a wide one ---
  const contents = document.querySelector("nav.contents details");
  const narrow = window.matchMedia("(max-width: 62rem)");
  const fit = () => { if (contents) contents.open = !narrow.matches; };
  narrow.addEventListener("change", fit);
  fit();
  const links = new Map(all("nav.contents a").map((link) => [link.hash.slice(1), link]));
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting || !links.has(entry.target.id)) continue;
      links.forEach((link) => link.removeAttribute("aria-current"));
      links.get(entry.target.id).setAttribute("aria-current", "true");
    }
  }, { rootMargin: "0px 0px -75% 0px" });
  all("main > section").forEach((section) => seen.observe(section));

  // --- trees that fold ---
  const depth = (row) => Number(row.className.match(/l(\d+)/)[1]);
  const show = (rows) => {
    let closed = Infinity;
    for (const row of rows) {
      row.hidden = depth(row) > closed;
      if (depth(row) <= closed) {
        const toggle = row.querySelector(".fold");
        closed = toggle && toggle.getAttribute("aria-expanded") === "false" ? depth(row) : Infinity;
      }
    }
  };
  const turn = (toggle, open) => {
    toggle.setAttribute("aria-expanded", String(open));
    toggle.textContent = open ? "▾" : "▸";
  };
  for (const table of all("table.tree")) {
    const rows = all("tbody tr", table);
    table.classList.add("folding");
    rows.forEach((row, at) => {
      if (!rows[at + 1] || depth(rows[at + 1]) <= depth(row)) return;
      const toggle = make("button", { type: "button", class: "fold", "aria-label": `Rows under ${row.cells[0].textContent}` });
      turn(toggle, rows.length <= 40 || depth(row) < 1);
      toggle.addEventListener("click", () => {
        turn(toggle, toggle.getAttribute("aria-expanded") === "false");
        show(rows);
      });
      row.cells[0].prepend(toggle);
    });
    show(rows);
  }

  // --- whatever a link points at is unfolded ---
  const reveal = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let up = target; up; up = up.parentElement) if (up.tagName === "DETAILS") up.open = true;
    if (target.matches("table.tree tr")) {
      const rows = all("tbody tr", target.closest("table"));
      let level = depth(target);
      for (let at = rows.indexOf(target) - 1; at >= 0 && level > 0; at -= 1) {
        if (depth(rows[at]) >= level) continue;
        level = depth(rows[at]);
        turn(rows[at].querySelector(".fold"), true);
      }
      show(rows);
    }
    target.scrollIntoView({ block: "start" });
  };
  window.addEventListener("hashchange", reveal);
  if (location.hash) reveal();

  // --- flat tables: sort by a column, filter by words ---
  const value = (row, at) => {
    const cell = row.cells[at];
    return "key" in cell.dataset ? Number(cell.dataset.key) : cell.textContent;
  };
  const compare = (a, b) => {
    if (typeof a === typeof b) return typeof a === "number" ? a - b : a.localeCompare(b, undefined, { numeric: true });
    return typeof a === "number" ? -1 : 1;
  };
  for (const table of all("table.sortable")) {
    const body = table.tBodies[0];
    const rows = Array.from(body.rows);
    all("thead th", table).forEach((head, at) => {
      const sort = make("button", { type: "button", class: "sort" });
      sort.append(...head.childNodes);
      head.append(sort);
      sort.addEventListener("click", () => {
        const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
        all("th", table).forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
        body.append(...rows.slice().sort((a, b) => sign * compare(value(a, at), value(b, at))));
      });
    });
    const filter = make("input", { type: "search", class: "filter", placeholder: "Filter rows", "aria-label": "Filter rows" });
    filter.addEventListener("input", () => {
      const words = filter.value.toLowerCase().split(/\s+/);
      rows.forEach((row) => { row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word)); });
    });
    table.closest(".scroll").before(filter);
  }
})();
