// Where a reader is and what they have set: taken down on one page, found again on the next one of the same file.
const reportgenPlace = (() => {
  const root = document.documentElement;
  const all = (query, within = document) => Array.from(within.querySelectorAll(query));

  // --- an element's address: its id, or the nearest id about it, its tag, what it says, and which of these it is ---
  const about = (part) => {
    const up = part.parentElement && part.parentElement.closest("[id]");
    return up ? up.id : "";
  };
  const says = (part) => (part.getAttribute("aria-label") || (part.querySelector("summary") || part).textContent).trim().slice(0, 80);
  const kin = (within, tag) => {
    const ground = within ? document.getElementById(within) : document;
    return ground ? all(tag, ground).filter((one) => about(one) === within) : [];
  };
  const address = (part) => {
    if (part.id) return { id: part.id };
    const [within, tag] = [about(part), part.localName];
    return { within, tag, says: says(part), at: kin(within, tag).indexOf(part) };
  };
  const find = (place) => {
    if (place.id) return document.getElementById(place.id);
    const found = kin(place.within, place.tag);
    const same = found.filter((one) => says(one) === place.says);
    return same.find((one) => one === found[place.at]) || same[0] || found[place.at] || null;
  };
  const each = (list, act) => {
    for (const [place, value] of list) {
      const part = find(place);
      if (part) act(part, value);
    }
  };

  // --- what is open and folded: only what the reader turned, so that a new page's own choice holds elsewhere ---
  const expanded = (toggle) => toggle.getAttribute("aria-expanded");
  const details = all("details").map((part) => [part, part.open]);
  const folds = all(".fold").map((toggle) => [toggle, expanded(toggle)]);

  // --- the place on the page: the part next to the upper edge, since what is above it may grow ---
  const spot = () => {
    const y = window.scrollY;
    let found = { id: "", top: 0 };
    for (const part of y > 0 ? all("main [id]:not(tr)") : []) {
      const { bottom, height, top } = part.getBoundingClientRect();
      if (!height || bottom <= 0 || top >= window.innerHeight) continue;
      if (!found.id || Math.abs(top) < Math.abs(found.top)) found = { id: part.id, top };
    }
    return { ...found, y };
  };
  const settle = ({ id, top, y }) => {
    const part = id && document.getElementById(id);
    const to = part ? part.getBoundingClientRect().top + window.scrollY - top : y;
    window.scrollTo({ top: to, behavior: "instant" });
  };

  const focus = () => {
    const part = document.activeElement;
    if (!part || part === document.body) return null;
    const caret = part.matches(".filter") ? [part.selectionStart, part.selectionEnd] : null;
    return { place: address(part), caret, seen: part.matches(":focus-visible") };
  };
  const refocus = ({ place, caret, seen }) => {
    const part = find(place);
    if (!part) return;
    part.focus({ preventScroll: true, focusVisible: seen });
    if (caret) part.setSelectionRange(...caret);
  };

  const SCROLLED = ".scroll, .legend, pre";
  const save = () => ({
    theme: root.dataset.theme || "",
    filters: all(".filter").filter((part) => part.value).map((part) => [address(part), part.value]),
    details: details.filter(([part, open]) => part.open !== open).map(([part]) => [address(part), part.open]),
    folds: folds.filter(([part, open]) => expanded(part) !== open).map(([part]) => [address(part), expanded(part)]),
    sorts: all("[aria-sort]").map((head) => [address(head), head.getAttribute("aria-sort")]),
    views: all(".plot, .viewport, .chooser").filter((part) => part.kept && part.kept.save()).map((part) => [address(part), part.kept.save()]),
    scrolled: all(SCROLLED).filter((part) => part.scrollTop || part.scrollLeft)
      .map((part) => [address(part), { top: part.scrollTop, left: part.scrollLeft, behavior: "instant" }]),
    focus: focus(),
    spot: spot(),
  });

  // Pressed until it is so: each of these has two states, or three counting the first.
  const press = (button, done) => {
    for (let turn = 0; button && turn < 2 && !done(); turn += 1) button.click();
  };
  const restore = async (kept) => {
    if (kept.theme) press(document.querySelector(".theme"), () => root.dataset.theme === kept.theme);
    each(kept.filters, (part, value) => {
      part.value = value;
      part.dispatchEvent(new Event("input"));
    });
    each(kept.details, (part, open) => { part.open = open; });
    each(kept.folds, (part, open) => press(part, () => expanded(part) === open));
    each(kept.sorts, (part, order) => press(part.querySelector(".sort"), () => part.getAttribute("aria-sort") === order));
    settle(kept.spot);
    let moved = false;
    const events = ["wheel", "touchmove", "pointerdown", "keydown"];
    const move = () => { moved = true; };
    events.forEach((name) => window.addEventListener(name, move, { once: true, passive: true }));
    const views = [];
    each(kept.views, (part, view) => { if (part.kept) views.push(part.kept.restore(view)); });
    await Promise.allSettled(views);
    events.forEach((name) => window.removeEventListener(name, move));
    if (moved) return;
    each(kept.scrolled, (part, to) => part.scrollTo(to));
    if (kept.focus) refocus(kept.focus);
    settle(kept.spot);
  };
  return { restore, save };
})();
