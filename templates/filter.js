// A section of many charts is filtered by words; groups without a match go, groups with one open.
(() => {
  const { make } = reportgenPlot;
  const MANY = 12;
  for (const section of document.querySelectorAll("main > section")) {
    const charts = Array.from(section.querySelectorAll(".block")).filter((block) => block.querySelector(".plot"));
    if (charts.length <= MANY) continue;
    const words = new Map(charts.map((block) => {
      const group = block.closest("details.group");
      const choice = block.closest(".choice");
      const texts = [...block.querySelectorAll("h3, h4, h5, .numbers thead th"), ...(group ? [group.querySelector("summary")] : []),
        ...(choice ? [choice.querySelector(".chosen")] : [])];
      return [block, texts.map((part) => part.textContent).join(" ").toLowerCase()];
    }));
    const groups = Array.from(section.querySelectorAll("details.group"));
    const open = new Map(groups.map((group) => [group, group.open]));
    const bar = make("p", { class: "finder" });
    const label = `Filter ${charts.length} charts`;
    const filter = make("input", { type: "search", class: "filter", placeholder: label, "aria-label": label }, "", bar);
    const count = make("span", { class: "cut", role: "status" }, "", bar);
    filter.addEventListener("input", () => {
      const asked = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
      const found = charts.filter((block) => asked.every((word) => words.get(block).includes(word)));
      const kept = new Set(found);
      section.classList.toggle("searched", asked.length > 0);
      charts.forEach((block) => { block.hidden = !kept.has(block); });
      for (const group of groups) {
        const own = charts.filter((block) => group.contains(block));
        group.hidden = asked.length > 0 && own.length > 0 && !own.some((block) => kept.has(block));
        group.open = asked.length ? !group.hidden : open.get(group);
      }
      count.textContent = asked.length ? `${found.length} of ${charts.length}` : "";
    });
    const top = charts[0].closest("details.group") || charts[0].closest(".row") || charts[0];
    top.before(bar);
  }
})();
