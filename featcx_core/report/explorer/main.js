"use strict";
// Addresses (#gallery, #table, #memorised, #concept/12, #image/345) and keys.
(() => {
  const page = Object.fromEntries(["overview", "concept", "image", "missing"].map((name) => [name, document.getElementById(name)]));
  const views = [...document.querySelectorAll("[data-view]")];
  const search = document.getElementById("text");
  const scrolled = new Map(); // of each view, while something else is open
  let view = "gallery";
  let last = null; // what is open
  let steps = 0; // taken within the page, so that going back stays in it

  function update() {
    const concepts = featcx.filters.concepts();
    featcx.list.show(concepts);
    const [left, all] = [concepts.length, featcx.count].map((n) => n.toLocaleString("en"));
    document.getElementById("count").textContent = left === all ? `${all} concepts` : `${left} of ${all} concepts`;
  }

  // What an address asks for: a view of the overview, a concept or an image, or something that is not there.
  function asked() {
    const hash = decodeURIComponent(location.hash.slice(1));
    const [, kind, number] = /^(concept|image)[/=](.+)$/.exec(hash) ?? [];
    if (!kind) return { kind: "overview", view: views.some((each) => each.dataset.view === hash) ? hash : "gallery", isOwn: hash !== "" };
    const isNumber = /^\d+$/.test(number);
    const isThere = isNumber && (kind === "concept" ? Number(number) < featcx.count : featcx.placeOfImage(Number(number)) >= 0);
    return isThere ? { kind, number: Number(number) } : { kind: "missing", of: kind, number };
  }

  function route() {
    const now = asked();
    if (last?.kind === "overview") scrolled.set(view, window.scrollY);
    for (const [name, box] of Object.entries(page)) box.hidden = name !== now.kind;
    if (now.kind === "overview") overview(now);
    else if (now.kind === "missing") refuse(now);
    else {
      if (now.kind === "concept") featcx.list.goTo(now.number);
      featcx[now.kind].open(now.number);
      window.scrollTo(0, 0);
      featcx[now.kind].focus();
    }
    last = now;
  }

  function overview(now) {
    view = now.isOwn || last?.kind === "overview" ? now.view : view; // "#" leads back to the view that was left
    for (const box of views) box.hidden = box.dataset.view !== view;
    for (const link of document.querySelectorAll("#views a")) {
      if (link.hash === `#${view}`) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
    }
    document.getElementById("choice").hidden = view === "memorised";
    document.title = `${featcx.name}: ${view === "memorised" ? "memorised images" : "concepts"}`;
    if (view === "memorised") featcx.memorised.open();
    if (view === "gallery") featcx.gallery.render();
    if (view === "table") { featcx.scatter.open(); featcx.table.render(); }
    window.scrollTo(0, scrolled.get(view) ?? 0);
    if (last && last.kind !== "overview") {
      featcx.list.move(0);
      if (view === "table") featcx.table.focus(); else page.overview.focus({ preventScroll: true });
    }
  }

  function refuse({ of, number }) {
    const [title, text] = page.missing.querySelectorAll("h2, p");
    title.textContent = `There is no ${of} ${number}`;
    text.textContent = of === "concept" ? `${featcx.name} has the concepts 0 to ${featcx.count - 1}.` : "Images that no concept shows have no page.";
    document.title = `${featcx.name}: no such ${of}`;
    window.scrollTo(0, 0);
    title.focus({ preventScroll: true });
  }

  function onOverview(event) {
    const inTable = view === "table" && event.target.id === "rows";
    const inList = inTable || (view === "gallery" && (event.target === page.overview || event.target === document.body));
    const across = view === "gallery" ? featcx.gallery.columns() : 1;
    const far = view === "table" ? featcx.table.page() : 3 * across;
    const arrows = { ArrowDown: across, ArrowUp: -across, PageDown: far, PageUp: -far, Home: -Infinity, End: Infinity };
    if (view === "gallery") Object.assign(arrows, { ArrowRight: 1, ArrowLeft: -1 });
    const step = { j: 1, k: -1, ...arrows }[event.key];
    const isLetter = event.key.length === 1;
    if (view !== "memorised" && step !== undefined && (inList || isLetter)) {
      featcx.list.move(step);
      if (view === "table") featcx.table.focus(); else page.overview.focus({ preventScroll: true });
    } else if (event.key === "Enter" && inList && featcx.list.current() !== undefined) {
      location.hash = featcx.address(featcx.list.current());
    } else if (event.key === "/") {
      search.focus();
      search.select();
    } else if (event.key === "h") featcx.pictures.flip();
    else if (event.key === "g" || event.key === "t") location.hash = event.key === "g" ? "#gallery" : "#table";
    else return;
    event.preventDefault();
  }

  function onPage(event) {
    const open = featcx[last.kind]; // there is nothing to leaf from where nothing is open
    if (event.key === "Escape") back();
    else if (event.key === "/") { location.hash = ""; setTimeout(() => search.focus()); }
    else if (last.kind === "missing") return;
    else if (event.key === "j" || event.key === "ArrowRight") open.next(1);
    else if (event.key === "k" || event.key === "ArrowLeft") open.next(-1);
    else if (event.key === "h") featcx.pictures.flip();
    else if (event.key === "n" && last.kind === "concept") featcx.concept.rename();
    else if (event.key === "a" && last.kind === "concept") featcx.concept.ablate();
    else return;
    event.preventDefault();
  }

  function back() {
    if (steps) history.back();
    else location.hash = "";
  }

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("input:not([type=checkbox]), select, textarea")) {
      if (event.key === "Escape" || (event.target === search && event.key === "Enter")) {
        event.preventDefault();
        event.target.blur();
        if (last.kind === "overview") (view === "table" ? featcx.table : page.overview).focus();
      }
      return;
    }
    (last.kind === "overview" ? onOverview : onPage)(event);
  }

  document.body.classList.toggle("small-images", featcx.is_small);
  page.overview.hidden = false; // so that gallery and table can measure themselves
  featcx.notes.start(() => { featcx.gallery.renew(); });
  featcx.filters.start(update);
  featcx.gallery.start();
  featcx.table.start();
  featcx.scatter.start();
  featcx.ablate.start();
  update();
  for (const link of document.querySelectorAll('#views a[href="#memorised"]')) link.hidden = !featcx.n_memorised;
  window.addEventListener("hashchange", () => { steps += 1; route(); });
  document.addEventListener("keydown", onKey);
  route();
  document.documentElement.dataset.ready = "true";
  performance.mark("usable");
})();
