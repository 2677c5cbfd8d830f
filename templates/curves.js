// Charts that can be worked with: read, switched, smoothed, zoomed. The picture stays until one is first used.
(() => {
  const { block: load, csv, exact, make, model: modelled, nearest, place, rows, shape, short, tsv } = reportgenPlot;
  const { between, draw } = reportgenDraw;
  const unpacks = document.getElementById("reportgen-data").type === "application/json" || "DecompressionStream" in window;

  const chart = (plot) => {
    const picture = plot.querySelector("img");
    const { id } = plot.closest(".block");
    const { axes, course, log, weight } = plot.dataset;
    const name = plot.dataset.x;
    const title = plot.dataset.title;
    const first = () => ({ log: log === "yes", axis: "x", weight: null, range: null });
    const view = first();
    let live = null; // what is there once the picture has been replaced
    let starting = null;

    // --- tools ---
    const bar = make("div", { class: "tools", role: "group", "aria-label": `${title}: tools` });
    const tool = (words, label, act, within = bar) => {
      const button = make("button", { type: "button", title: label }, words, within);
      button.addEventListener("click", async () => { await start(); act(); });
      return button;
    };
    const logged = tool("Log", "Logarithmic value axis", () => { view.log = !view.log; redraw(); });
    const names = { x: name, epochs: "Epoch", times: "Time" };
    const ways = axes ? ["x", ...axes.split(" ")] : [];
    const switches = make("span", { role: "group", "aria-label": "Horizontal axis", class: "ways" });
    const turns = ways.map((way) => [way, tool(names[way], `Over ${names[way].toLowerCase()}`, () => {
      Object.assign(view, { axis: way, range: null });
      live.at = null;
      redraw();
    }, switches)]);
    if (ways.length) bar.append(switches);
    const label = make("label", { class: "slide" }, "Smoothing");
    const slider = make("input", { type: "range", min: 0, max: 0.99, step: 0.01 }, "", label);
    const amount = make("output", {}, "", label);
    if (course) bar.append(label);
    slider.addEventListener("input", async () => { await start(); view.weight = Number(slider.value); redraw(); });
    const reset = tool("Reset", "Everything as at first", () => {
      Object.assign(view, first());
      for (const entry of live.model.entries) entry.on = true;
      live.at = null;
      redraw();
    });
    const note = make("p", { class: "cut note", role: "status" });
    plot.before(bar);
    plot.after(note);
    exported(plot.closest(".block"));
    const pressed = (button, on) => button.setAttribute("aria-pressed", String(on));
    const told = () => {
      pressed(logged, view.log);
      turns.forEach(([way, button]) => pressed(button, way === view.axis));
      const changed = view.log !== first().log || view.axis !== "x" || view.weight !== null || view.range;
      reset.hidden = !(changed || (live && live.model.entries.some((entry) => !entry.on)));
      const now = view.weight === null ? Number(weight) : view.weight;
      slider.value = now;
      amount.textContent = now.toFixed(2);
    };
    told();

    // --- the picture is replaced ---
    const start = () => {
      starting = starting || begin();
      return starting;
    };
    const begin = async () => {
      const block = await load(id);
      const model = modelled(block, plot.dataset.colours.split(" ").map(Number));
      const height = picture.getBoundingClientRect().height;
      const holder = make("div", { class: "chart" });
      const where = make("p", { class: "where" }, "", holder);
      const runs = make("div", { class: "runs", role: "group", "aria-label": "Runs" }, "", holder);
      const legend = make("ul", { class: "legend" }, "", holder);
      const field = make("div", { class: "field", role: "slider", tabindex: 0, "aria-label": `${title}: read-out` }, "", holder);
      live = { block, model, where, field, at: null, values: [], drawn: null };
      live.svg = shape(field, "svg", { class: "curve", "aria-hidden": "true", focusable: "false" });
      legends(legend);
      live.runs = whole(runs);
      const focused = document.activeElement === plot;
      plot.removeAttribute("tabindex");
      plot.classList.add("live");
      plot.append(holder);
      live.height = Math.round(Math.max(190, height - (field.offsetTop - holder.offsetTop)));
      pointed();
      keyed();
      redraw();
      new ResizeObserver(() => { if (field.clientWidth !== live.width) redraw(); }).observe(field);
      if (focused) field.focus({ preventScroll: true });
    };

    // --- legend: what a press switches off, and beside it the value that is read ---
    const legends = (list) => {
      for (const entry of live.model.entries) {
        const item = make("li", {}, "", list);
        const button = make("button", { type: "button", title: entry.name }, "", item);
        make("span", { class: `swatch ${entry.head.role} s${entry.colour}`, "aria-hidden": "true" }, "", button);
        button.append(entry.name);
        button.addEventListener("click", () => { entry.on = !entry.on; redraw(); });
        Object.assign(entry, { button, value: make("span", { class: "value" }, "", item) });
      }
    };
    // A run of several lines is switched as a whole.
    const whole = (list) => {
      const { entries } = live.model;
      const runs = [...new Set(entries.map((entry) => entry.run))];
      if (runs.length < 2 || runs.length === entries.length) return [];
      return runs.map((run) => {
        const own = entries.filter((entry) => entry.run === run);
        const button = make("button", { type: "button", title: `All of ${run}` }, run, list);
        button.addEventListener("click", () => {
          const on = !own.some((entry) => entry.on);
          for (const entry of own) entry.on = on;
          redraw();
        });
        return [button, own];
      });
    };

    const redraw = () => {
      told();
      live.width = Math.max(220, live.field.clientWidth);
      live.drawn = draw(live.svg, live.block, live.model, view, { width: live.width, height: live.height });
      for (const entry of live.model.entries) pressed(entry.button, entry.on);
      for (const [button, own] of live.runs) pressed(button, own.some((entry) => entry.on));
      const inside = between(...live.drawn.scale.across);
      const all = live.drawn.curves.flatMap((one) => one.x.filter((x) => Number.isFinite(x) && inside(x)));
      live.places = [...new Set(all)].sort((a, b) => a - b);
      note.textContent = remarks().join(" ");
      reading(live.at);
    };

    const remarks = () => {
      const said = [];
      const { curves } = live.drawn;
      const count = curves.reduce((sum, one) => sum + one.y.length, 0);
      if (view.weight) said.push(`Smoothed ${view.weight.toFixed(2)} from the ${exact(count)} points drawn.`);
      const low = curves.flatMap((one) => one.raw || one.y).filter((y) => y <= 0).length;
      if (view.log && low) said.push(`${exact(low)} values are not above zero and have no place on this axis.`);
      const lost = live.model.entries.filter((one) => one.on && !one.head.at[view.axis].length).length;
      if (lost) said.push(`${exact(lost)} series have no ${names[view.axis].toLowerCase()}.`);
      const blank = curves.flatMap((one) => one.x).filter(Number.isNaN).length;
      if (blank) said.push(`${exact(blank)} points without ${names[view.axis].toLowerCase()} are not drawn.`);
      if (view.range) said.push("A part of the axis; Reset shows all.");
      return said;
    };

    // --- what is read: the logged point next to a place, of every line that is shown ---
    const reading = (x) => {
      const { curves, scale, over } = live.drawn;
      over.replaceChildren();
      const inside = between(...scale.across);
      const near = x === null ? [] : curves.map((one) => [one, nearest(one.x.map((at) => (inside(at) ? at : NaN)), x)])
        .filter(([, at]) => at >= 0);
      const [best] = near.slice().sort(([a, i], [b, j]) => Math.abs(a.x[i] - x) - Math.abs(b.x[j] - x));
      live.at = best ? best[0].x[best[1]] : null;
      live.model.entries.forEach((entry) => { entry.value.textContent = ""; });
      live.where.textContent = best ? ["x", "epochs", "times"].filter((way) => Number.isFinite(best[0].at[way][best[1]]))
        .map((way) => place(way, best[0].at[way][best[1]], name)).join(" · ") : "Point at the chart, or use the arrow keys.";
      if (best) shape(over, "path", { class: "hair", d: `M${scale.x(live.at).toFixed(1)} ${scale.box.top}V${scale.box.bottom}` });
      for (const [one, at] of near) mark(one, at);
      spoken(near);
    };
    const mark = (one, at) => {
      const { scale, over } = live.drawn;
      for (const y of [one.raw ? one.raw[at] : NaN, one.y[at]]) {
        if (!Number.isFinite(y) || (view.log && y <= 0)) continue;
        shape(over, "circle", { class: `read s${one.entry.colour}`, cx: scale.x(one.x[at]).toFixed(1), cy: scale.y(y).toFixed(1), r: 3.5 });
      }
      const roomy = live.width > 340;
      const value = one.raw && roomy ? `${exact(one.raw[at])} (mean ${short(one.y[at])})` : exact((one.raw || one.y)[at]);
      const away = one.x[at] === live.at ? "" : ` at ${view.axis === "x" ? exact(one.x[at]) : place(view.axis, one.x[at], name)}`;
      one.entry.value.textContent = value + away;
    };
    const spoken = (near) => {
      const { field, places, at, where } = live;
      const values = near.map(([{ entry }]) => `${entry.name} ${entry.value.textContent}`);
      const said = { min: 0, max: Math.max(0, places.length - 1), now: Math.max(0, places.indexOf(at)), text: [where.textContent, ...values].join("; ") };
      for (const [key, value] of Object.entries(said)) field.setAttribute(`aria-value${key}`, value);
    };

    // --- pointer: read, select a stretch, go back ---
    const pointed = () => {
      const { field } = live;
      let from = null;
      const at = (event) => event.clientX - field.getBoundingClientRect().left;
      const clamped = (pixel) => Math.min(live.drawn.scale.box.right, Math.max(live.drawn.scale.box.left, pixel));
      field.addEventListener("pointermove", (event) => {
        const { box, back } = live.drawn.scale;
        reading(back(clamped(at(event))));
        if (from === null) return;
        const [left, right] = [from, clamped(at(event))].sort((a, b) => a - b);
        shape(live.drawn.over, "rect", { class: "chosen", x: left, y: box.top, width: right - left, height: box.bottom - box.top });
      });
      field.addEventListener("pointerdown", (event) => {
        if (event.pointerType !== "mouse") reading(live.drawn.scale.back(clamped(at(event))));
        if (event.pointerType !== "mouse" || event.button !== 0) return;
        from = clamped(at(event));
        field.setPointerCapture(event.pointerId);
      });
      field.addEventListener("pointerup", (event) => {
        const [left, right] = from === null ? [0, 0] : [from, clamped(at(event))].sort((a, b) => a - b);
        from = null;
        if (right - left < 8) return;
        view.range = [left, right].map(live.drawn.scale.back);
        redraw();
      });
      field.addEventListener("pointercancel", () => { from = null; });
      field.addEventListener("dblclick", () => { view.range = null; redraw(); });
      field.addEventListener("pointerleave", (event) => {
        if (event.pointerType === "mouse" && !field.matches(":focus-visible")) reading(null);
      });
    };

    // --- keyboard ---
    const keyed = () => {
      const moves = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10, Home: -Infinity, End: Infinity };
      const zoom = (factor) => {
        const [low, high] = live.drawn.scale.across;
        const middle = live.at === null ? (low + high) / 2 : live.at;
        view.range = [middle - (middle - low) * factor, middle + (high - middle) * factor];
        redraw();
      };
      const back = () => { view.range = null; redraw(); };
      const others = { "+": () => zoom(0.5), "=": () => zoom(0.5), "-": back, 0: back, Escape: () => reading(null) };
      live.field.addEventListener("keydown", (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in moves || event.key in others)) return;
        event.preventDefault();
        if (event.key in others) { others[event.key](); return; }
        const last = live.places.length - 1;
        const now = live.at === null ? (moves[event.key] > 0 ? -1 : last + 1) : live.places.indexOf(live.at);
        if (last >= 0) reading(live.places[Math.min(last, Math.max(0, now + moves[event.key] * (event.shiftKey ? 10 : 1)))]);
      });
    };

    // What a reader has set, for the next page of the same report; nothing where the picture still stands.
    plot.kept = {
      save: () => (live ? { view: { ...view }, off: live.model.entries.filter((entry) => !entry.on).map((entry) => entry.name) } : null),
      restore: async (kept) => {
        await start();
        Object.assign(view, kept.view);
        for (const entry of live.model.entries) entry.on = !kept.off.includes(entry.name);
        redraw();
      },
    };

    plot.tabIndex = 0;
    plot.addEventListener("focus", start);
    plot.addEventListener("pointermove", start, { once: true });
    plot.addEventListener("pointerdown", start, { once: true });
  };

  // --- the data behind a chart, to take away ---
  const exported = (block) => {
    const numbers = block.querySelector("details.numbers > summary");
    if (!numbers) return;
    const bar = make("div", { class: "tools" });
    const said = make("span", { role: "status" });
    const table = async () => {
      const data = await load(block.id);
      return rows(data, modelled(data, []).lines);
    };
    const tool = (words, act) => {
      make("button", { type: "button" }, words, bar).addEventListener("click", async () => act(await table()));
    };
    tool("Download CSV", (found) => {
      const address = URL.createObjectURL(new Blob([csv(found)], { type: "text/csv" }));
      make("a", { href: address, download: `${block.id}.csv` }).click();
      setTimeout(() => URL.revokeObjectURL(address), 1000);
    });
    tool("Copy data", async (found) => {
      const done = await copied(tsv(found), bar);
      said.textContent = done ? `${exact(found.length - 1)} points copied.` : "The browser did not let it be copied.";
    });
    bar.append(said);
    numbers.after(bar);
  };
  const copied = async (text, within) => {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      const area = make("textarea", { class: "skip", "aria-hidden": "true" }, "", within);
      area.value = text;
      area.select();
      const done = document.execCommand("copy");
      area.remove();
      return done;
    }
  };

  if (unpacks) document.querySelectorAll(".plot[data-colours]").forEach(chart);
})();
