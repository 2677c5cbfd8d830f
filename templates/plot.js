// Numbers of charts: what a block holds as lines that can be switched, smoothed, placed and written.
const reportgenPlot = (() => {
  const parts = {};

  // --- what the report holds, unpacked when it is first asked for ---
  const read = async () => {
    const holder = document.getElementById("reportgen-data");
    if (holder.type === "application/json") return JSON.parse(holder.textContent);
    const packed = Uint8Array.from(atob(holder.textContent), (letter) => letter.charCodeAt(0));
    return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
  };
  let report = null;
  parts.block = async (anchor) => {
    report = report || read();
    const [, section, id] = anchor.match(/^(.*?)--(.*)$/);
    return (await report).sections.find((one) => one.name === section).blocks.find((one) => one.id === id);
  };

  // TensorBoard's smoothing: an exponential mean without the bias of its start; a constant series is untouched.
  parts.smooth = (values, weight) => {
    const finite = values.filter(Number.isFinite);
    if (finite.every((value) => value === finite[0])) return values;
    let last = 0;
    let decay = 1;
    return values.map((value) => {
      if (!Number.isFinite(value)) return value;
      last = weight * last + (1 - weight) * value;
      decay *= weight;
      return last / (1 - decay);
    });
  };

  // --- lines: each switch has a head, the raw line that the head is the mean of, and faint ones ---
  const line = (series, colour) => ({
    name: series.name, group: series.group || series.name, role: series.role, run: series.run, smooths: series.smooths,
    weight: series.weight, colour, y: series.y.map(Number),
    at: { x: series.x.map(Number), epochs: series.epochs.map(Number), times: series.times.map(Number) },
    low: series.low.map(Number), high: series.high.map(Number),
  });
  parts.model = (block, colours) => {
    const lines = block.series.map((series, place) => line(series, colours[place]));
    const named = new Map(lines.map((one) => [one.name, one]));
    const entry = (head) => {
      const raw = named.get(head.smooths) || null;
      if (raw) head.at = raw.at;
      return { name: raw ? raw.name : head.name, head, raw, faint: [], colour: head.colour, run: head.run, on: true };
    };
    const entries = lines.filter((one) => one.role !== "faint").map(entry);
    for (const one of lines) {
      if (one.role !== "faint" || entries.some((other) => other.raw === one)) continue;
      const host = entries.find((other) => other.head.group === one.group);
      if (host) host.faint.push(one); else entries.push(entry(one));
    }
    return { lines, entries };
  };
  // What of an entry is drawn at a weight; null is as the report has it, its mean over every logged point.
  parts.drawn = (entry, weight) => {
    const { head, raw, faint } = entry;
    const source = raw || head;
    if (weight === null || head.role === "points") return { at: head.at, y: head.y, raw: raw && raw.y, faint };
    if (weight === 0) return { at: source.at, y: source.y, raw: null, faint };
    return { at: source.at, y: parts.smooth(source.y, weight), raw: source.y, faint };
  };
  parts.nearest = (places, x) => {
    let found = -1;
    places.forEach((place, at) => {
      if (Number.isFinite(place) && (found < 0 || Math.abs(place - x) < Math.abs(places[found] - x))) found = at;
    });
    return found;
  };

  // --- ticks ---
  parts.ticks = (low, high, most) => {
    const rough = (high - low) / Math.max(1, most);
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999);
    const found = [];
    for (let at = Math.ceil(low / step - 1e-9); at * step <= high + step * 1e-9; at += 1) {
      found.push(Number((at * step).toPrecision(12)));
    }
    return found;
  };
  parts.logTicks = (low, high, most) => {
    const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
    const stride = Math.max(1, Math.ceil((last - first) / most));
    const found = [];
    for (let power = first; power <= last; power += stride) {
      for (const factor of last - first <= 3 ? [1, 2, 5] : [1]) found.push(Number(`${factor}e${power}`));
    }
    const inside = found.filter((value) => value >= low && value <= high);
    return inside.length > 1 ? inside : parts.ticks(low, high, most).filter((value) => value > 0);
  };

  // --- numbers as they are written ---
  const minus = (text) => text.replace(/-/g, "−");
  parts.exact = (value) => {
    if (Number.isNaN(value)) return "NaN";
    if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
    const plain = Number.isInteger(value) && Math.abs(value) < 1e15;
    return minus(plain ? value.toLocaleString("en-US") : String(value));
  };
  parts.short = (value, digits = 5) => parts.exact(Number(value.toPrecision(digits)));
  parts.tick = (value) => {
    const size = Math.abs(value);
    if (size && (size >= 1e6 || size < 1e-4)) return minus(value.toExponential().replace("e+", "e"));
    return minus(value.toLocaleString("en-US", { maximumFractionDigits: 8 }));
  };
  parts.unit = (seconds) => {
    if (seconds < 120) return [1, "s"];
    return seconds < 7200 ? [60, "min"] : [3600, "h"];
  };
  parts.place = (axis, value, name) => {
    if (axis === "x") return `${name} ${parts.exact(value)}`;
    if (axis === "epochs") return `Epoch ${parts.short(value)}`;
    const [divisor, unit] = parts.unit(value);
    return `${parts.short(value / divisor, 4)} ${unit}`;
  };

  // --- rows, one a point; a name that a spreadsheet would take for a formula is quoted for it ---
  parts.rows = (block, lines) => {
    const more = ["epochs", "times"].filter((axis) => lines.some((one) => one.at[axis].length));
    const titles = { epochs: "epoch", times: "seconds" };
    const rows = [["series", "run", block.x_label || "x", ...more.map((axis) => titles[axis]), block.y_label || "y"]];
    for (const one of lines) {
      one.y.forEach((y, at) => {
        rows.push([one.name, one.run, one.at.x[at], ...more.map((axis) => one.at[axis][at] ?? ""), y]);
      });
    }
    // Also within a cell, where a spreadsheet of another country parts cells.
    const start = /(^|[;\t\r\n|])([\s\u200b\ufeff]*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])/g;
    const number = (cell) => cell.trim() && Number.isFinite(Number(cell));
    const quoted = (cell) => cell.replace(/^(?=[\t\r\n])/, "'").replace(start, "$1$2'");
    const plain = (cell) => (typeof cell === "string" && !number(cell) ? quoted(cell) : String(cell));
    return rows.map((row) => row.map(plain));
  };
  parts.csv = (rows) => rows.map((row) => row.map(
    (cell) => (/[",;\t\r\n]/.test(cell) ? `"${cell.replace(/"/g, '""')}"` : cell)).join(",")).join("\r\n");
  parts.tsv = (rows) => rows.map((row) => row.map((cell) => cell.replace(/[\t\r\n]/g, " ")).join("\t")).join("\n");

  // --- parts of the page ---
  parts.make = (name, attributes, text = "", parent = null) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.textContent = text;
    if (parent) parent.append(made);
    return made;
  };
  parts.shape = (parent, name, attributes, text = "") => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text) made.textContent = text;
    parent.append(made);
    return made;
  };
  return parts;
})();
