"use strict";
// Addresses (#concept/12) and keys.
(() => {
  const overview = document.getElementById("overview");
  const page = document.getElementById("concept");
  const missing = document.getElementById("missing");
  const search = document.getElementById("text");
  let scrolled = 0; // of the overview, while a concept is open
  let steps = 0; // taken within the page, so that going back stays in it

  function update() {
    const concepts = featcx.filters.concepts();
    featcx.scatter.show(concepts);
    featcx.table.show(concepts);
    const [left, all] = [concepts.length, featcx.count].map((n) => n.toLocaleString("en"));
    document.getElementById("count").textContent = left === all ? `${all} concepts` : `${left} of ${all} concepts`;
  }

  function route() {
    const asked = /^#concept\/(.+)$/.exec(location.hash)?.[1];
    const isKnown = /^\d+$/.test(asked) && Number(asked) < featcx.count;
    const wasOverview = !overview.hidden;
    if (asked !== undefined && wasOverview) scrolled = window.scrollY;
    overview.hidden = asked !== undefined;
    page.hidden = !isKnown;
    missing.hidden = asked === undefined || isKnown;
    if (isKnown) {
      featcx.table.goTo(Number(asked));
      featcx.concept.open(Number(asked));
      window.scrollTo(0, 0);
      featcx.concept.focus();
    } else if (asked !== undefined) {
      refuse(asked);
    } else if (!wasOverview) {
      document.title = `${featcx.name}: concepts`;
      window.scrollTo(0, scrolled);
      featcx.table.move(0);
      featcx.table.focus();
    }
  }

  function refuse(asked) {
    const [title, text] = missing.querySelectorAll("h2, p");
    title.textContent = `There is no concept ${asked}`;
    text.textContent = `${featcx.name} has the concepts 0 to ${featcx.count - 1}.`;
    document.title = `${featcx.name}: no such concept`;
    window.scrollTo(0, 0);
    title.focus({ preventScroll: true });
  }

  function onOverview(event) {
    const inTable = event.target.id === "rows";
    const step = { j: 1, k: -1, ArrowDown: 1, ArrowUp: -1, PageDown: featcx.table.page(), PageUp: -featcx.table.page(), Home: -Infinity, End: Infinity }[event.key];
    const isLetter = event.key.length === 1;
    if (step !== undefined && (inTable || isLetter)) {
      featcx.table.move(step);
      featcx.table.focus();
    } else if (event.key === "Enter" && (inTable || event.target === document.body) && featcx.table.current() !== undefined) {
      location.hash = featcx.address(featcx.table.current());
    } else if (event.key === "/") {
      search.focus();
      search.select();
    } else return;
    event.preventDefault();
  }

  function onPage(event) {
    if (event.key === "Escape") back();
    else if (event.key === "/") { location.hash = ""; setTimeout(() => search.focus()); }
    else if (page.hidden) return; // there is no concept to leaf from
    else if (event.key === "j" || event.key === "ArrowRight") featcx.concept.next(1);
    else if (event.key === "k" || event.key === "ArrowLeft") featcx.concept.next(-1);
    else if (event.key === "h") featcx.concept.toggleHeat();
    else return;
    event.preventDefault();
  }

  function back() {
    if (steps) history.back();
    else location.hash = "";
  }

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("input:not([type=checkbox]), select")) {
      if (event.target === search && (event.key === "Escape" || event.key === "Enter")) {
        event.preventDefault();
        featcx.table.focus();
      }
      return;
    }
    (overview.hidden ? onPage : onOverview)(event);
  }

  overview.hidden = false; // so that the table can measure itself
  featcx.filters.start(update);
  featcx.table.start((concept) => featcx.scatter.mark(concept));
  update();
  window.addEventListener("hashchange", () => { steps += 1; route(); });
  document.addEventListener("keydown", onKey);
  route();
  document.documentElement.dataset.ready = "true";
  performance.mark("table");
  // after the first picture of the page: the library of charts is larger than everything else
  requestAnimationFrame(() => setTimeout(() => featcx.scatter.start()));
})();
