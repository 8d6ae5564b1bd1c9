"use strict";
// The table: only the rows in view are in the page, so 10,000 concepts cost what 30 do.
featcx.table = (() => {
  const { element } = featcx;
  const ROW = 44; // pixels: --row of the style sheet
  const MORE = 8; // rows beyond either edge
  const WIDTHS = { text: 7.2, count: 5, share: 4.4, percent: 7, value: 5.4 };
  let box, head, body;

  const CONCEPT = "Number of the concept; its strongest image.";
  const NO_VALUE = "No value, most often because the concept is active on too few images to be measured.";

  const columns = () => featcx.columns.filter((column) => column.in_table);

  function start() {
    box = document.getElementById("rows");
    [head, body] = [box.querySelector("thead"), box.querySelector("tbody")];
    const widths = [7, ...columns().map((column) => (column.name === "shows" ? 15 : Math.max(WIDTHS[column.form], column.label.length > 9 ? 7.4 : 0)))];
    const table = box.querySelector("table");
    table.style.width = `${widths.reduce((a, b) => a + b)}rem`;
    table.prepend(element("colgroup", {}, ...widths.map((width) => element("col", { style: `width:${width}rem` }))));
    box.setAttribute("aria-colcount", widths.length);
    meanings();
    featcx.list.on("show", () => { header(); render(); });
    featcx.list.on("move", () => { if (box.offsetParent) reveal(); });
    box.addEventListener("scroll", () => requestAnimationFrame(render), { passive: true });
    new ResizeObserver(() => render()).observe(box);
    body.addEventListener("click", (event) => {
      const row = event.target.closest("tr[data-concept]");
      if (row && !event.target.closest("a")) location.hash = featcx.address(row.dataset.concept);
    });
  }

  // The texts of the heads' tooltips, to read without a mouse; the heads are described by them.
  function meanings() {
    const rest = featcx.columns.filter((column) => !column.in_table); // axes and ranges have these too
    const rows = [...columns(), ...rest].map((column) => [column.name, column.label, column.meaning]);
    for (const [name, label, meaning] of [["concept", "concept", CONCEPT], ...rows, ["dash", featcx.MISSING, NO_VALUE]]) {
      document.querySelector("#meanings dl").append(element("dt", {}, label), element("dd", { id: `means-${name}` }, meaning));
    }
  }

  function header() {
    const { by, descending } = featcx.filters.order;
    const cell = (name, label, title, css) => {
      const mark = by === name ? (descending ? " ↓" : " ↑") : "";
      const button = element("button", { type: "button", title, tabIndex: 0, "aria-describedby": `means-${name}` }, label + mark);
      button.addEventListener("click", () => {
        featcx.filters.sortBy(name);
        head.querySelector(`[data-name="${name}"] button`).focus();
      });
      const found = element("th", { scope: "col", role: "columnheader", className: css, "data-name": name }, button);
      if (mark) found.setAttribute("aria-sort", descending ? "descending" : "ascending");
      return found;
    };
    const first = cell("concept", "concept", CONCEPT, "text");
    const others = columns().map((c) => cell(c.name, c.label, c.meaning, c.names ? "text" : ""));
    head.replaceChildren(element("tr", { role: "row" }, first, ...others));
  }

  function render() {
    if (!box.offsetParent) return;
    const shown = featcx.list.concepts();
    box.setAttribute("aria-rowcount", shown.length + 1);
    const first = Math.max(0, Math.floor(box.scrollTop / ROW) - MORE);
    const last = Math.min(shown.length, first + Math.ceil(box.clientHeight / ROW) + 2 * MORE);
    const rows = [];
    for (let place = first; place < last; place += 1) rows.push(row(shown[place], place));
    if (!shown.length) rows.push(element("tr", { className: "nothing" }, element("td", { colSpan: 99 }, "No concept fits these filters.")));
    body.replaceChildren(space(first), ...rows, space(shown.length - last));
    box.setAttribute("aria-activedescendant", body.querySelector('[aria-selected="true"]')?.id ?? "");
  }

  const space = (rows) => element("tr", { className: "space", ariaHidden: "true" }, element("td", { style: `height:${rows * ROW}px` }));

  function row(concept, place) {
    const link = element("a", { href: featcx.address(concept), tabIndex: -1 }, featcx.thumbnail(concept), String(concept));
    const cells = columns().map((column) => {
      const text = featcx.written(column, column.values[concept]);
      const own = column.name === "shows" && featcx.notes.of(concept).name;
      return element("td", { role: "gridcell", className: column.names ? "text" : "" }, own || text);
    });
    return element("tr", {
      id: `row-${concept}`, role: "row", "data-concept": concept, "aria-rowindex": place + 2,
      "aria-selected": String(place === featcx.list.cursor()),
    }, element("td", { role: "gridcell" }, link), ...cells);
  }

  function reveal() {
    const [top, header] = [featcx.list.cursor() * ROW, ROW];
    if (top < box.scrollTop) box.scrollTop = top;
    else if (top + ROW + header > box.scrollTop + box.clientHeight) box.scrollTop = top + ROW + header - box.clientHeight + 4;
    render();
  }

  const page = () => Math.max(1, Math.floor(box.clientHeight / ROW) - 2);
  return { start, render: () => { header(); reveal(); }, page, focus: () => box.focus({ preventScroll: true }) };
})();
