// A chart drawn: the lines of a model at a size, with its axes, marks and the point that is read.
const reportgenDraw = (() => {
  const { drawn, logTicks, nearest, shape, tick, ticks, unit } = reportgenPlot;
  const AXES = { epochs: "Epoch", times: "Time" };
  const finite = (values) => values.filter(Number.isFinite);
  const extent = (values) => values.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
  const between = (low, high) => (x) => x >= low && x <= high;

  // What is drawn of each entry that is switched on: its places on the axis in use and its values.
  const visible = (model, view) => model.entries.filter((entry) => entry.on)
    .map((entry) => ({ entry, ...drawn(entry, view.weight) }))
    .map((one) => ({ ...one, x: one.at[view.axis] }))
    .filter((one) => one.x.length);

  const bounds = (curves, model, view) => {
    const [low, high] = extent(model.entries.flatMap((entry) => finite(entry.head.at[view.axis])));
    const across = view.range || (low < high ? [low, high] : [low - 1, low + 1].map((x) => (Number.isFinite(x) ? x : 0)));
    const inside = between(...across);
    const usable = (y) => Number.isFinite(y) && (!view.log || y > 0);
    const values = curves.flatMap((one) => [
      ...one.y.filter((y, at) => usable(y) && inside(one.x[at])),
      ...(one.raw || []).filter((y, at) => usable(y) && inside(one.x[at])),
      ...[one.entry.head.low, one.entry.head.high].flatMap((ends) => ends.filter((y, at) => usable(y) && inside(one.x[at]))),
      ...one.faint.flatMap((other) => other.y.filter((y, at) => usable(y) && inside(other.at[view.axis][at]))),
    ]);
    let [bottom, top] = values.length ? extent(values) : [view.log ? 0.1 : 0, 1];
    if (view.log) {
      const spare = Math.max((Math.log10(top) - Math.log10(bottom)) * 0.04, 0.02);
      return { across, upright: [bottom / 10 ** spare, top * 10 ** spare] };
    }
    const spare = top > bottom ? (top - bottom) * 0.04 : Math.abs(top) * 0.1 || 1;
    return { across, upright: [bottom - spare, top + spare] };
  };

  // Places in pixels; margins as wide as the numbers of the y axis need.
  const scales = (curves, model, view, size) => {
    const { across, upright } = bounds(curves, model, view);
    const marks = view.log ? logTicks(...upright, 6) : ticks(...upright, size.height < 220 ? 4 : 6);
    const longest = Math.max(3, ...marks.map((value) => tick(value).length));
    const box = { left: 26 + 6.6 * longest, top: 8, right: size.width - 12, bottom: size.height - 38 };
    const way = view.log ? Math.log10 : (y) => y;
    const [from, to] = upright.map(way);
    const x = (value) => box.left + (value - across[0]) / (across[1] - across[0]) * (box.right - box.left);
    const y = (value) => box.bottom - (way(value) - from) / (to - from) * (box.bottom - box.top);
    const back = (pixel) => across[0] + (pixel - box.left) / (box.right - box.left) * (across[1] - across[0]);
    return { across, box, marks, x, y, back };
  };

  // A text as long as there is room for, at so many pixels a letter.
  const short = (text, room, letter = 6.5) => (
    text.length * letter > room ? `${text.slice(0, Math.max(1, Math.floor(room / letter) - 1))}…` : text);
  const path = (places, values, scale, log) => {
    const out = [];
    let pen = false;
    values.forEach((value, at) => {
      if (!Number.isFinite(value) || (log && value <= 0) || !Number.isFinite(places[at])) { pen = false; return; }
      out.push(`${pen ? "L" : "M"}${scale.x(places[at]).toFixed(1)} ${scale.y(value).toFixed(1)}`);
      if (!pen) out.push("h0");
      pen = true;
    });
    return out.join("");
  };

  const axes = (svg, scale, block, view, size) => {
    const { box } = scale;
    const grid = shape(svg, "g", { class: "grid" });
    const words = shape(svg, "g", { class: "ticks" });
    for (const value of scale.marks) {
      const y = scale.y(value).toFixed(1);
      shape(grid, "path", { d: `M${box.left} ${y}H${box.right}` });
      shape(words, "text", { x: box.left - 6, y: Number(y) + 4, "text-anchor": "end" }, tick(value));
    }
    const [divisor, name] = view.axis === "times" ? unit(scale.across[1]) : [1, ""];
    const most = Math.max(2, Math.floor((box.right - box.left) / 70));
    for (const value of ticks(scale.across[0] / divisor, scale.across[1] / divisor, most)) {
      const x = scale.x(value * divisor).toFixed(1);
      shape(grid, "path", { d: `M${x} ${box.bottom}v4` });
      shape(words, "text", { x, y: box.bottom + 16, "text-anchor": "middle" }, tick(value));
    }
    shape(svg, "path", { class: "frame", d: `M${box.left} ${box.top}V${box.bottom}H${box.right}` });
    const below = view.axis === "x" ? block.x_label : AXES[view.axis] + (name && ` (${name})`);
    const middle = (box.top + box.bottom) / 2;
    shape(words, "text", { x: (box.left + box.right) / 2, y: size.height - 6, "text-anchor": "middle" }, short(below, box.right - box.left));
    shape(words, "text", { x: 11, y: middle, "text-anchor": "middle", transform: `rotate(-90 11 ${middle})` }, short(block.y_label, box.bottom - box.top));
  };

  // A cross at the top of the frame where a value is NaN, an arrow at the end by which it left.
  const broken = (svg, curves, scale, view) => {
    const { box } = scale;
    for (const one of curves) {
      for (const [xs, ys] of [[one.x, one.raw || one.y], ...one.faint.map((other) => [other.at[view.axis], other.y])]) {
        ys.forEach((y, at) => {
          if (Number.isFinite(y) || !between(...scale.across)(xs[at])) return;
          const x = scale.x(xs[at]);
          const cross = `M${x - 3} ${box.top - 3}l6 6m0 -6l-6 6`;
          const arrow = y > 0 ? `M${x - 4} ${box.top + 3}h8l-4 -7z` : `M${x - 4} ${box.bottom - 3}h8l-4 7z`;
          shape(svg, "path", { class: `broken${Number.isNaN(y) ? "" : " full"}`, d: Number.isNaN(y) ? cross : arrow });
        });
      }
    }
  };

  const marks = (svg, block, model, scale, view) => {
    const taken = []; // stretches of the rows that labels stand in
    for (const mark of block.marks) {
      const at = Number(mark.x);
      let x = at;
      if (view.axis !== "x") {
        const near = model.lines.map((one) => [one, nearest(one.at.x, at)])
          .filter(([one, place]) => place >= 0 && Number.isFinite(one.at[view.axis][place]))
          .sort(([a, i], [b, j]) => Math.abs(a.at.x[i] - at) - Math.abs(b.at.x[j] - at))[0];
        if (!near) continue;
        x = near[0].at[view.axis][near[1]];
      }
      if (!between(...scale.across)(x)) continue;
      const [across, { box }] = [scale.x(x), scale];
      const left = across > box.left + 0.6 * (box.right - box.left);
      shape(svg, "path", { class: "mark", d: `M${across.toFixed(1)} ${box.top}V${box.bottom}` });
      const room = (left ? across - box.left : box.right - across) - 5;
      const text = short(mark.label, room, 5.6);
      const [from, to] = left ? [across - 5 - 5.6 * text.length, across] : [across, across + 5 + 5.6 * text.length];
      let row = 0;
      while (taken.some((one) => one.row === row && one.from < to && from < one.to)) row += 1;
      taken.push({ row, from, to });
      const place = { class: "mark-label", x: across + (left ? -5 : 5), y: box.top + 13 + 12 * row, "text-anchor": left ? "end" : "start" };
      shape(svg, "text", place, text);
      if (mark.y !== null && Number.isFinite(Number(mark.y)) && (!view.log || mark.y > 0)) {
        shape(svg, "circle", { class: "mark-point", cx: across, cy: scale.y(Number(mark.y)), r: 3.5 });
      }
    }
  };

  let clips = 0;
  const lines = (svg, curves, scale, view) => {
    const { box } = scale;
    clips += 1;
    const clip = shape(svg, "clipPath", { id: `_clip${clips}` });
    shape(clip, "rect", { x: box.left, y: box.top - 2, width: box.right - box.left, height: box.bottom - box.top + 4 });
    const field = shape(svg, "g", { class: "lines", "clip-path": `url(#_clip${clips})` });
    const one = (entry, kind, places, values) => shape(
      field, "path", { class: `${kind} s${entry.colour}`, d: path(places, values, scale, view.log) });
    const end = (y) => (view.log && y <= 0 ? box.bottom : scale.y(y)).toFixed(1);
    for (const { entry, x } of curves) {
      const { low, high } = entry.head;
      if (!low.length) continue;
      const above = x.map((place, at) => `${scale.x(place).toFixed(1)} ${end(high[at])}`);
      const below = x.map((place, at) => `${scale.x(place).toFixed(1)} ${end(low[at])}`).reverse();
      shape(field, "path", { class: `band s${entry.colour}`, d: `M${above.join("L")}L${below.join("L")}z` });
    }
    for (const { entry, faint, raw, x } of curves) {
      for (const other of faint) one(entry, "faint", other.at[view.axis], other.y);
      if (raw) one(entry, "faint", x, raw);
    }
    for (const { entry, x, y } of curves) {
      if (entry.head.role !== "points") { one(entry, entry.head.role, x, y); continue; }
      y.forEach((value, at) => {
        if (!Number.isFinite(value) || (view.log && value <= 0) || !Number.isFinite(x[at])) return;
        shape(field, "circle", { class: `dot s${entry.colour}`, cx: scale.x(x[at]).toFixed(1), cy: scale.y(value).toFixed(1), r: 2.5 });
      });
    }
  };

  // Everything anew into an svg; what comes back reads it.
  const draw = (svg, block, model, view, size) => {
    const curves = visible(model, view);
    const scale = scales(curves, model, view, size);
    svg.replaceChildren();
    for (const [key, value] of [["viewBox", `0 0 ${size.width} ${size.height}`], ["width", size.width], ["height", size.height]]) {
      svg.setAttribute(key, value);
    }
    axes(svg, scale, block, view, size);
    lines(svg, curves, scale, view);
    marks(svg, block, model, scale, view);
    broken(svg, curves, scale, view);
    return { curves, scale, over: shape(svg, "g", { class: "over" }) };
  };
  return { draw, between };
})();
