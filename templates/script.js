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

  // --- graphs: zoom, pan, fold ---
  const BAR = 30; // pixels that a folded frame keeps at the least
  const number = (shape, name) => Number(shape.getAttribute(name));
  const graph = (port) => {
    const svg = port.querySelector("svg.graph");
    const [left, top, wide, high] = svg.getAttribute("viewBox").split(" ").map(Number);
    const part = (name) => svg.querySelector(`.${name}`);
    const texts = all(".frame-labels text", svg);
    const masks = all(".masks rect", svg);
    const frames = all(".frames rect", svg).map((rect, at) => ({
      rect, mask: masks[at], text: texts[at], name: texts[at].textContent, id: rect.dataset.frame, up: rect.dataset.parent,
      y: number(rect, "y"), height: number(rect, "height"), label: number(texts[at], "y"), cover: number(masks[at], "y"),
    }));
    const byId = new Map(frames.map((frame) => [frame.id, frame]));
    const nodes = all("g.node", svg).map((group) => {
      const box = group.querySelector(".box");
      return { group, frame: group.dataset.in, y: number(box, "y"), height: number(box, "height") };
    });
    const arrows = all(".arrows path", svg);
    const lines = all(".edges path", svg).map((path, at) => ({
      path, arrow: arrows[at], ends: path.dataset.ends.split(" ").map(Number),
      line: path.getAttribute("d"), head: arrows[at].getAttribute("d"), text: null, y: 0,
    }));
    for (const text of all(".edge-labels text", svg)) {
      Object.assign(lines[text.dataset.line], { text, y: number(text, "y") });
    }
    const folded = new Set();
    let zoom = 1;
    let height = high;

    // The outermost folded frame about something, or nothing.
    const fold = (id) => {
      let found = null;
      for (let frame = byId.get(id); frame; frame = byId.get(frame.up)) if (folded.has(frame)) found = frame;
      return found;
    };
    const scale = () => {
      svg.setAttribute("viewBox", `${left} ${top} ${wide} ${height}`);
      svg.setAttribute("width", Math.round(wide * zoom));
      svg.setAttribute("height", Math.round(height * zoom));
    };
    // Stretches of height that only folded frames fill, in order and apart.
    const spare = () => {
      const closed = frames.filter((frame) => fold(frame.id) === frame);
      const kept = nodes.filter((node) => !fold(node.frame)).map((node) => [node.y - 12, node.y + node.height + 8]);
      kept.push(...closed.map((frame) => [frame.y, frame.y + BAR]));
      let free = closed.map((frame) => [frame.y + BAR, frame.y + frame.height]);
      for (const [from, to] of kept) {
        free = free.flatMap(([a, b]) => [[a, Math.min(b, from)], [Math.max(a, to), b]].filter(([c, d]) => c < d));
      }
      free.sort((one, other) => one[0] - other[0]);
      return free.reduce((joined, [a, b]) => {
        const last = joined[joined.length - 1];
        if (last && a <= last[1]) last[1] = Math.max(last[1], b); else joined.push([a, b]);
        return joined;
      }, []);
    };
    // An arrow head where a line comes to a folded frame.
    const tipped = (path, rect) => {
      const [x, y, wide, high] = ["x", "y", "width", "height"].map((name) => number(rect, name));
      const end = path.getTotalLength();
      const inside = (at) => {
        const point = path.getPointAtLength(at);
        return point.x >= x && point.x <= x + wide && point.y >= y && point.y <= y + high;
      };
      let length = 0;
      while (length < end && !inside(length)) length += 1;
      const tip = path.getPointAtLength(length);
      const tail = path.getPointAtLength(Math.max(0, length - 7));
      const far = Math.hypot(tip.x - tail.x, tip.y - tail.y) || 1;
      const [across, down] = [(tip.x - tail.x) / far * 2.4, (tip.y - tail.y) / far * 2.4];
      const at = (dx, dy) => `${(tail.x + dx).toFixed(1)},${(tail.y + dy).toFixed(1)}`;
      return `M${at(-down, across)}L${tip.x.toFixed(1)},${tip.y.toFixed(1)}L${at(down, -across)}Z`;
    };
    const draw = () => {
      const free = spare();
      const move = (y) => free.reduce((now, [a, b]) => now - Math.max(0, Math.min(y, b) - a), y);
      const moved = (path) => path.replace(/(-?[\d.]+),(-?[\d.]+)/g, (_, x, y) => `${x},${move(Number(y)).toFixed(1)}`);
      for (const node of nodes) {
        const hidden = Boolean(fold(node.frame));
        node.group.classList.toggle("away", hidden);
        node.group.setAttribute("transform", `translate(0 ${(move(node.y) - node.y).toFixed(1)})`);
      }
      for (const frame of frames) {
        const about = fold(frame.id);
        const bar = about === frame;
        const shift = move(frame.y) - frame.y;
        for (const shape of [frame.rect, frame.mask, frame.text]) shape.classList.toggle("away", Boolean(about) && !bar);
        frame.mask.classList.toggle("away", Boolean(about));
        frame.rect.classList.toggle("bar", bar);
        frame.rect.setAttribute("y", (frame.y + shift).toFixed(1));
        frame.rect.setAttribute("height", (move(frame.y + frame.height) - frame.y - shift).toFixed(1));
        frame.mask.setAttribute("y", (frame.cover + shift).toFixed(1));
        frame.text.setAttribute("y", (frame.label + shift + (bar ? 4 : 0)).toFixed(1));
        frame.text.textContent = `${bar ? "▸" : "▾"} ${frame.name}`;
        frame.text.setAttribute("aria-expanded", String(!bar));
        (bar ? part("bars") : part("frames")).append(frame.rect);
        (bar ? part("bars") : part("frame-labels")).append(frame.text);
      }
      // Between the same two things one line is drawn: of several that a fold brings together one with a label.
      const drawn = new Map();
      const cut = (line) => free.some(([a, b]) => line.y > a && line.y < b);
      for (const line of lines) {
        const [from, to] = line.ends.map((end) => fold(nodes[end].frame) || nodes[end]);
        Object.assign(line, { from, to });
        const between = drawn.get(from) || drawn.set(from, new Map()).get(from);
        if (from !== to && (!between.has(to) || (!between.get(to).said && line.text && !cut(line)))) {
          between.set(to, Object.assign(line, { said: Boolean(line.text) && !cut(line) }));
        }
      }
      for (const line of lines) {
        const hidden = drawn.get(line.from).get(line.to) !== line && (folded.has(line.from) || folded.has(line.to));
        line.path.setAttribute("d", moved(line.line));
        line.path.classList.toggle("away", hidden);
        line.arrow.classList.toggle("away", hidden);
        line.arrow.setAttribute("d", folded.has(line.to) && !hidden ? tipped(line.path, line.to.rect) : moved(line.head));
        if (!line.text) continue;
        line.text.classList.toggle("away", hidden || cut(line));
        line.text.setAttribute("y", move(line.y).toFixed(1));
      }
      height = top + move(top + high) - top;
      scale();
    };
    const turnFrame = (frame) => {
      if (folded.has(frame)) folded.delete(frame); else folded.add(frame);
      draw();
      frame.text.focus();
    };
    const to = (value, x = port.clientWidth / 2, y = port.clientHeight / 2) => {
      const before = zoom;
      zoom = Math.min(4, Math.max(0.1, value));
      const across = (port.scrollLeft + x) * zoom / before - x;
      const down = (port.scrollTop + y) * zoom / before - y;
      scale();
      port.scrollTo(across, down);
    };
    const fitted = () => {
      const inner = getComputedStyle(port);
      const across = port.clientWidth - parseFloat(inner.paddingLeft) - parseFloat(inner.paddingRight);
      const down = port.clientHeight - parseFloat(inner.paddingTop) - parseFloat(inner.paddingBottom);
      return Math.min(1, across / wide, down / height);
    };

    const bar = make("div", { class: "tools", role: "group", "aria-label": "Picture" });
    const tool = (words, label, act) => {
      const button = make("button", { type: "button", "aria-label": label, title: label }, words);
      button.addEventListener("click", act);
      bar.append(button);
    };
    tool("−", "Zoom out", () => to(zoom / 1.25));
    tool("+", "Zoom in", () => to(zoom * 1.25));
    tool("Fit", "The whole picture", () => to(fitted()));
    tool("1:1", "Its own size", () => to(1));
    if (frames.length) {
      const bars = document.createElementNS("http://www.w3.org/2000/svg", "g");
      bars.setAttribute("class", "bars");
      svg.append(bars);
      tool("Fold all", "Fold all frames", () => { frames.forEach((frame) => folded.add(frame)); draw(); });
      tool("Unfold all", "Unfold all frames", () => { folded.clear(); draw(); });
      for (const frame of frames) {
        frame.text.textContent = `▾ ${frame.name}`;
        for (const [key, value] of Object.entries({ role: "button", tabindex: 0, "aria-expanded": true })) {
          frame.text.setAttribute(key, value);
        }
        frame.text.addEventListener("click", () => turnFrame(frame));
        frame.text.addEventListener("keydown", (event) => {
          if (event.key !== "Enter" && event.key !== " ") return;
          event.preventDefault();
          turnFrame(frame);
        });
      }
    }
    port.before(bar);
    port.kept = {
      save: () => {
        const changed = zoom !== 1 || folded.size || port.scrollLeft || port.scrollTop;
        return changed ? { zoom, left: port.scrollLeft, top: port.scrollTop, folded: [...folded].map((frame) => frame.id) } : null;
      },
      restore: (kept) => {
        kept.folded.forEach((id) => { if (byId.has(id)) folded.add(byId.get(id)); });
        zoom = kept.zoom;
        draw();
        port.scrollTo({ left: kept.left, top: kept.top, behavior: "instant" });
      },
    };
    port.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const box = port.getBoundingClientRect();
      to(zoom * (event.deltaY < 0 ? 1.15 : 1 / 1.15), event.clientX - box.left, event.clientY - box.top);
    }, { passive: false });
    port.addEventListener("keydown", (event) => {
      const keys = { "+": () => to(zoom * 1.25), "=": () => to(zoom * 1.25), "-": () => to(zoom / 1.25), 0: () => to(1) };
      if (event.target !== port || event.ctrlKey || event.metaKey || !keys[event.key]) return;
      event.preventDefault();
      keys[event.key]();
    });
    // Dragging moves the picture; a drag that ends on a node is no click on it.
    let drag = null;
    port.addEventListener("pointerdown", (event) => {
      if (event.pointerType === "mouse" && event.button === 0) {
        drag = { x: event.clientX, y: event.clientY, left: port.scrollLeft, top: port.scrollTop, far: false };
      }
    });
    port.addEventListener("pointermove", (event) => {
      if (!drag || !event.buttons) return;
      drag.far = drag.far || Math.hypot(event.clientX - drag.x, event.clientY - drag.y) > 4;
      if (drag.far) port.scrollTo({ left: drag.left + drag.x - event.clientX, top: drag.top + drag.y - event.clientY, behavior: "instant" });
    });
    port.addEventListener("dragstart", (event) => event.preventDefault());
    port.addEventListener("click", (event) => {
      if (drag && drag.far) event.preventDefault();
      drag = null;
    }, true);
  };
  all(".viewport").forEach(graph);

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
