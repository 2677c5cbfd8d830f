// Pictures of a grid are seen larger in a window of their own; the arrow keys go on to their neighbours.
(() => {
  const pictures = Array.from(document.querySelectorAll(".grid td > img"));
  if (!pictures.length) return;
  const dialog = make("dialog", { class: "large", "aria-label": "Picture" }, "", document.body);
  const close = make("button", { type: "button", "aria-label": "Close" }, "×", dialog);
  const large = document.createElement("img"); // there from the first picture on
  const words = make("p", { role: "status" }, "", dialog);
  let now = null;

  const said = (picture) => {
    const cell = picture.closest("td");
    const row = cell.parentElement.querySelector("th");
    const head = picture.closest("table").querySelectorAll("thead th")[cell.cellIndex - (row ? 1 : 0)];
    const under = cell.querySelector(".under");
    return [row, head, under].filter(Boolean).map((part) => part.textContent.trim()).filter(Boolean).join(" · ");
  };
  // As large as there is room; small ones at a whole multiple, so that their pixels stay alike.
  const show = (picture) => {
    now = picture;
    const [wide, high] = [picture.naturalWidth, picture.naturalHeight];
    const fit = Math.min((window.innerWidth * 0.92 - 48) / wide, (window.innerHeight * 0.92 - 130) / high);
    const pixels = picture.classList.contains("pixels");
    const times = pixels ? Math.max(Math.min(1, fit), Math.floor(Math.min(fit, 640 / Math.max(wide, high)))) : Math.min(fit, 3);
    words.before(large);
    large.className = picture.className;
    large.src = picture.src;
    large.alt = picture.alt;
    large.width = Math.round(wide * times);
    large.height = Math.round(high * times);
    words.textContent = said(picture) || picture.alt;
  };
  const seen = (picture) => picture.closest("table") === now.closest("table") && !picture.closest("tr").hidden;
  const step = (way) => {
    const row = pictures.filter(seen);
    const other = row[row.indexOf(now) + way];
    if (other) show(other);
  };
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (way) { event.preventDefault(); step(way); }
  });
  for (const picture of pictures) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "enlarge";
    button.title = "Enlarge";
    picture.before(button);
    button.append(picture);
    button.addEventListener("click", () => { show(picture); dialog.showModal(); });
  }
})();
