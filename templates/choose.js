// One of several alternatives at a time: blocks of one place by their choice, a grid of pictures by its rows.
(() => {
  const all = (query, within = document) => Array.from(within.querySelectorAll(query));
  const MANY = 14; // alternatives, more of which are a list

  // Buttons for all and for each, or a list; `show(at)` is told which, -1: all. The one at `first` is shown first.
  const chooser = (label, names, thumbs, first, show) => {
    const bar = make("div", { class: "tools chooser", role: "group", "aria-label": `${label}: show` }, "", document.body);
    let now = first;
    let mark = () => {};
    const choose = (at) => {
      now = at;
      mark(at);
      show(at);
    };
    const entries = ["All", ...names];
    if (names.length > MANY) {
      const list = make("select", { "aria-label": bar.getAttribute("aria-label") }, "", bar);
      entries.forEach((name, at) => make("option", { value: at - 1 }, name, list));
      list.addEventListener("change", () => choose(Number(list.value)));
      mark = (at) => { list.value = String(at); };
    } else {
      const buttons = entries.map((name, at) => {
        const button = make("button", { type: "button" }, "", bar);
        const thumb = thumbs[at - 1];
        if (thumb) make("img", { src: thumb.src, alt: "", width: 22, height: 22, class: thumb.className }, "", button);
        make("span", {}, name, button);
        button.addEventListener("click", () => choose(at - 1));
        return button;
      });
      bar.addEventListener("keydown", (event) => {
        const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
        const at = buttons.indexOf(event.target) + way;
        if (!way || !buttons[at]) return;
        event.preventDefault();
        buttons[at].focus();
        choose(at - 1);
      });
      mark = (at) => buttons.forEach((button, which) => button.setAttribute("aria-pressed", String(which - 1 === at)));
    }
    bar.kept = { save: () => (now === first ? null : { at: now }), restore: ({ at }) => { if (at < names.length) choose(at); } };
    choose(first);
    return { bar, choose };
  };

  // --- blocks that are alternatives to each other: neighbours, from the first of them on ---
  const next = (part) => part.nextElementSibling;
  for (const first of all(".choice").filter((part) => !part.previousElementSibling || !part.previousElementSibling.matches(".choice"))) {
    const panels = [];
    for (let part = first; part && part.matches(".choice"); part = next(part)) panels.push(part);
    if (panels.length < 2) continue;
    const group = first.closest("details.group, section");
    const label = group.querySelector("h2, h3").firstChild.textContent.trim();
    // A button has the words before a colon; the heading has them all.
    const names = panels.map((panel) => panel.querySelector(".chosen").textContent.split(": ")[0]);
    // What is put aside can still be found by the browser's own search, and then shows itself.
    const { bar, choose } = chooser(label, names, [], 0, (at) => panels.forEach((panel, which) => {
      if (at >= 0 && which !== at) panel.setAttribute("hidden", "until-found"); else panel.removeAttribute("hidden");
      panel.classList.toggle("alone", which === at);
    }));
    first.before(bar);
    panels.forEach((panel, at) => {
      panel.choose = () => choose(at);
      panel.addEventListener("beforematch", () => choose(at));
    });
  }

  // --- whatever a link points at is shown, before the page goes there ---
  const reveal = (hash) => {
    let name = hash.slice(1);
    try { name = decodeURIComponent(name); } catch { /* taken as it is */ }
    const part = name && document.getElementById(name);
    const panel = part && part.closest(".choice[hidden]");
    if (panel) panel.choose();
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#']");
    if (link) reveal(link.getAttribute("href"));
  });
  window.addEventListener("hashchange", () => reveal(location.hash));
  reveal(location.hash);

  // The first picture of each row, or the second where the first is the same in all.
  const thumbs = (rows) => {
    const [first, second] = [0, 1].map((at) => rows.map((row) => all("img", row)[at]));
    const alike = first.every((picture) => picture && first[0] && picture.src === first[0].src);
    return alike ? second : first;
  };

  // --- a grid of pictures whose rows have names: all of them, or one that is larger ---
  for (const grid of all("table.grid")) {
    const rows = all("tbody tr", grid);
    if (rows.length < 2 || !rows.every((row) => row.querySelector("th"))) continue;
    const heads = all("thead th", grid);
    for (const row of rows) all("td", row).forEach((cell, at) => { if (heads[at]) cell.dataset.head = heads[at].textContent; });
    const port = grid.closest(".scroll");
    const { bar } = chooser(port.getAttribute("aria-label"), rows.map((row) => row.querySelector("th").textContent),
      thumbs(rows), -1, (at) => {
        grid.classList.toggle("one", at >= 0);
        rows.forEach((row, which) => { row.hidden = at >= 0 && which !== at; });
      });
    port.before(bar);
  }
})();
