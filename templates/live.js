// The page of a training that is still going is read anew from time to time, and the reader stays where they are.
(() => {
  const { make } = reportgenPlot;
  const MOST = 60; // looks without anything new after which it is taken to have ended
  const SLOWER = 1.1; // each of them waits longer by this factor, so that a slow training is not given up soon
  const QUIET = 2000; // milliseconds without a key or a movement before the page may change
  const { created = "", refresh = "0" } = document.documentElement.dataset;
  const every = 1000 * Number(refresh);
  const kept = history.state && history.state.reportgen;

  if (kept) {
    history.replaceState(null, "");
    // What another version of this script took down may be of another form: the page is then as it opens.
    reportgenPlace.restore(kept.place).catch(() => {});
    window.addEventListener("load", () => setTimeout(() => { history.scrollRestoration = "auto"; }));
  }
  if (!(every > 0)) return;

  const opened = performance.now();
  let looks = kept && kept.asked && kept.created === created ? kept.looks + 1 : 0;
  let paused = Boolean(kept && kept.paused);
  let asked = false;

  // --- a reader who is at something is not disturbed ---
  let touched = -Infinity;
  let held = false;
  let composing = false;
  const listen = (names, act) => names.forEach((name) => window.addEventListener(name, act, { capture: true, passive: true }));
  listen(["keydown", "input", "wheel", "touchmove", "scroll", "pointerup"], () => { touched = performance.now(); });
  listen(["pointerdown"], () => { held = true; });
  listen(["pointerup", "pointercancel"], () => { held = false; });
  // A button let go outside the window, or over a scroll bar, is not told.
  listen(["pointermove"], (event) => { held = held && event.buttons > 0; });
  listen(["compositionstart"], () => { composing = true; });
  listen(["compositionend"], () => { composing = false; });
  const busy = () => (
    held || composing || performance.now() - touched < QUIET || document.getSelection().type === "Range");

  // --- what the head says of it ---
  const chip = make("span", { class: "again" });
  const button = make("button", { id: "_live", type: "button", title: "Whether this page is read anew by itself" }, "Live", chip);
  const said = make("span", {}, "", chip);
  (document.querySelector(".about") || document.body).append(chip);
  const ago = () => {
    const seconds = Math.max(0, (Date.now() - Date.parse(created)) / 1000);
    const [size, unit] = [[86400, "days"], [3600, "h"], [60, "min"], [1, "s"]].find(([one]) => seconds >= 2 * one) || [0, ""];
    if (size) return `${Math.floor(seconds / size)} ${unit} ago`;
    return seconds >= 0 ? "just now" : "at an unknown time";
  };
  const ended = () => looks >= MOST;
  const tell = () => {
    button.setAttribute("aria-pressed", String(!paused && !ended()));
    const state = paused ? "paused, updated" : "updated";
    said.textContent = ` ${ended() ? "no longer updated, last" : state} ${ago()}`;
  };

  const look = () => {
    tell();
    const due = performance.now() - opened >= every * SLOWER ** looks;
    if (asked || paused || ended() || document.hidden || !due || busy()) return;
    asked = true;
    window.location.reload();
  };
  button.addEventListener("click", () => {
    if (ended()) looks = 0; else paused = !paused;
    look();
  });
  window.addEventListener("beforeunload", () => {
    history.scrollRestoration = "manual";
    history.replaceState({ reportgen: { asked, created, looks, paused, place: reportgenPlace.save() } }, "");
  });
  document.addEventListener("visibilitychange", look);
  setInterval(look, 500);
  look();
})();
