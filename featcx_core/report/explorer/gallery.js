"use strict";
// The gallery: concepts as cards, from simple to complex or in another order. Only cards near the screen are in the page.
featcx.gallery = (() => {
  const { element } = featcx;
  const GAP = 14; // pixels
  const TEXT = 106; // pixels: below a card's images
  const BARS = 40;
  const MORE = 2; // rows beyond either edge
  const made = new Map(); // concept -> its card
  let box, axis, slider, bars, ends, columns = 1, height = 1;

  function start() {
    [box, axis] = ["cards", "axis"].map((id) => document.getElementById(id));
    [slider, bars, ends] = [axis.querySelector("input"), axis.querySelector(".bars"), axis.querySelectorAll(".ends span")];
    document.getElementById("gallery-keys").before(element("p", { className: "line note" }, featcx.pictures.toggle(), featcx.pictures.key()));
    slider.addEventListener("input", () => scrollTo(Number(slider.value)));
    window.addEventListener("scroll", () => requestAnimationFrame(render), { passive: true });
    new ResizeObserver(() => { measure(); render(); }).observe(box);
    featcx.list.on("show", () => { drawAxis(); measure(); render(); });
    featcx.list.on("move", () => { if (isOpen()) reveal(); });
  }

  const isOpen = () => box.offsetParent !== null;
  const order = () => featcx.column.get(featcx.filters.order.by);

  function measure() {
    const least = box.clientWidth < 600 ? 158 : 222;
    columns = Math.max(1, Math.floor((box.clientWidth + GAP) / (least + GAP)));
    const width = (box.clientWidth - (columns - 1) * GAP) / columns;
    height = Math.round(width / Math.min(1.8, Math.max(0.6, featcx.aspect))) + TEXT + GAP;
    box.style.height = `${Math.max(1, Math.ceil(featcx.list.concepts().length / columns)) * height}px`;
    box.style.setProperty("--columns", columns);
  }

  function render() {
    if (!isOpen()) return;
    const shown = featcx.list.concepts();
    const above = -box.getBoundingClientRect().top; // of the gallery, beyond the screen's upper edge
    const first = Math.max(0, Math.floor(above / height) - MORE) * columns;
    const last = Math.min(shown.length, (Math.ceil((above + window.innerHeight) / height) + MORE) * columns);
    const wanted = shown.slice(first, last);
    const kept = new Set(wanted);
    for (const [concept, card] of made) if (!kept.has(concept)) { card.remove(); made.delete(concept); }
    wanted.forEach((concept, n) => {
      const place = first + n;
      if (!made.has(concept)) made.set(concept, card(concept));
      const item = made.get(concept);
      const width = `((100% - ${(columns - 1) * GAP}px) / ${columns} + ${GAP}px)`;
      item.style.top = `${Math.floor(place / columns) * height}px`;
      item.style.left = `calc(${place % columns} * ${width})`;
      item.style.height = `${height - GAP}px`;
      item.setAttribute("aria-posinset", place + 1);
      item.setAttribute("aria-setsize", shown.length);
      item.classList.toggle("current", place === featcx.list.cursor());
      if (box.children[n] !== item) box.insertBefore(item, box.children[n] ?? null); // so that Tab goes in their order
    });
    document.getElementById("nothing").hidden = shown.length > 0;
    if (document.activeElement !== slider) moveSlider(shown[Math.min(shown.length - 1, Math.max(0, Math.floor(above / height)) * columns)]);
  }

  function card(concept) {
    const images = element("span", { className: "four" });
    const link = element("a", { href: featcx.address(concept) }, images, ...words(concept));
    const item = element("li", { "data-concept": concept }, link);
    featcx.card(concept).then(([shown, heat]) => {
      const maps = featcx.pictures.unpacked(heat);
      images.append(...shown.map((image, rank) => featcx.pictures.box(image, maps[rank], "")));
      if (!shown.length) images.append(element("span", { className: "note" }, "active on no image"));
    }, (error) => images.append(element("span", { className: "note" }, error.message)));
    return item;
  }

  function words(concept) {
    const value = featcx.value("complexity", concept);
    const [column] = [order()];
    const name = element("strong", {}, `${concept}`, featcx.called(concept) ? ` · ${featcx.called(concept)}` : "");
    const bar = element("span", { className: "bar" }, element("i", { style: `width:${100 * (value ?? 0)}%;background:${featcx.complexityColour(value)}` }));
    const parts = [`complexity ${featcx.of("complexity", concept)}`];
    if (column && column.name !== "complexity" && !column.names) parts.push(`${column.label} ${featcx.of(column.name, concept)}`);
    else if (featcx.column.has("importance")) parts.push(`importance ${featcx.of("importance", concept)}`);
    if (featcx.isBarely(concept)) parts.push("barely readable anywhere");
    return [name, ...(featcx.column.has("complexity") ? [bar] : []), element("small", {}, parts.join(" · "))];
  }

  function span(column) {
    if (column.name === "complexity") return [0, 1];
    const known = column.values.filter((value) => value !== null);
    return [Math.min(...known), Math.max(...known)];
  }

  function drawAxis() {
    const column = order();
    axis.hidden = !column || Boolean(column.names);
    if (axis.hidden) return;
    const [low, high] = span(column);
    const counts = new Array(BARS).fill(0);
    for (const concept of featcx.list.concepts()) {
      const value = column.values[concept];
      if (value !== null) counts[Math.min(BARS - 1, Math.floor((BARS * (value - low)) / (high - low || 1)))] += 1;
    }
    const most = Math.max(1, ...counts);
    const colour = (n) => (column.name === "complexity" ? featcx.complexityColour((n + 0.5) / BARS) : "var(--muted)");
    const drawn = counts.map((count, n) => element("i", { style: `height:${100 * Math.sqrt(count / most)}%;background:${colour(n)}` }));
    const isDescending = featcx.filters.order.descending;
    bars.replaceChildren(...(isDescending ? drawn.reverse() : drawn));
    const texts = column.name === "complexity" ? ["simple", "complex"] : [low, high].map((value) => `${column.label} ${featcx.written(column, value)}`);
    (isDescending ? texts.reverse() : texts).forEach((text, n) => { ends[n].textContent = text; });
    slider.setAttribute("aria-label", `${column.label} of the concepts on screen`);
  }

  // The slider runs from 0 to 1000 along the axis; it leads to the first concept there.
  function scrollTo(share) {
    const column = order();
    const [low, high] = span(column);
    const { descending } = featcx.filters.order;
    const wanted = descending ? high - (share / 1000) * (high - low) : low + (share / 1000) * (high - low);
    const shown = featcx.list.concepts();
    const isThere = (concept) => { const value = column.values[concept]; return value === null || (descending ? value <= wanted : value >= wanted); };
    const found = shown.findIndex(isThere);
    const place = found < 0 ? shown.length - 1 : found;
    window.scrollTo(0, window.scrollY + box.getBoundingClientRect().top + Math.floor(place / columns) * height - axis.offsetHeight - 8);
    render();
  }

  function moveSlider(concept) {
    const column = order();
    const value = axis.hidden || concept === undefined ? null : column.values[concept];
    if (value === null) return;
    const [low, high] = span(column);
    const share = (1000 * (value - low)) / (high - low || 1);
    slider.value = featcx.filters.order.descending ? 1000 - share : share;
    slider.setAttribute("aria-valuetext", featcx.written(column, value));
  }

  function reveal() { // the card that the keys have come to
    render();
    const top = box.getBoundingClientRect().top + Math.floor(featcx.list.cursor() / columns) * height;
    const least = axis.hidden ? 0 : axis.offsetHeight + 8;
    if (top < least || top + height > window.innerHeight) window.scrollTo(0, window.scrollY + top - least);
    render();
  }

  function renew() { // names have changed
    for (const card of made.values()) card.remove();
    made.clear();
    render();
  }

  return { start, render: () => { measure(); drawAxis(); render(); }, renew, columns: () => columns };
})();
