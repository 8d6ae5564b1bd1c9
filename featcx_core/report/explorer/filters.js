"use strict";
// Which concepts are shown, and in which order.
featcx.filters = (() => {
  const { element } = featcx;
  const NAMED = ["shows", "class_name", "super_class"]; // columns that the text searches
  const ranges = new Map(); // column -> [low, high]; NaN: no limit
  const order = { by: "complexity", descending: false };
  let words = [];
  let changed = () => {};

  const scale = (column) => (column.form === "percent" ? 100 : 1);
  const limit = (input, column) => (input.value === "" ? NaN : Number(input.value) / scale(column));

  function start(onChange) {
    changed = onChange;
    const form = document.getElementById("filters");
    if (!featcx.column.has(order.by)) order.by = "concept";
    const named = NAMED.map((name) => featcx.column.get(name)).filter(Boolean);
    for (const { names } of named) {
      document.getElementById("names").append(...names.slice(0, 2000).map((value) => element("option", { value })));
    }
    document.getElementById("text").placeholder = "name, class, concept number";
    orders();
    document.querySelector("#ranges .ranges").append(...featcx.numeric().map(fields));
    document.getElementById("text").addEventListener("input", (event) => { read(event.target.value); changed(); });
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => { words = []; ranges.clear(); setTimeout(changed); });
  }

  // In which order gallery and table are: the heads of the table choose it too.
  function orders() {
    const chooser = document.getElementById("order");
    chooser.append(element("option", { value: "concept" }, "number"), ...featcx.columns.map((c) => element("option", { value: c.name }, c.label)));
    chooser.addEventListener("change", () => { order.by = ""; sortBy(chooser.value); });
    document.getElementById("turn").addEventListener("click", () => sortBy(order.by));
    showOrder();
  }

  function showOrder() {
    document.getElementById("order").value = order.by;
    document.getElementById("turn").textContent = order.descending ? "highest first" : "lowest first";
  }

  function fields(column) {
    const known = column.values.filter((value) => value !== null);
    const ends = [Math.min(...known), Math.max(...known)];
    const inputs = ["lowest", "highest"].map((which, place) => element("input", {
      type: "number", step: "any", name: `${column.name}_${which}`, "aria-label": `${column.label}, ${which}`,
      placeholder: featcx.written(column, ends[place]).replace(" %", ""),
    }));
    for (const input of inputs) {
      input.addEventListener("input", () => { ranges.set(column, inputs.map((i) => limit(i, column))); changed(); });
    }
    const unit = column.form === "percent" ? ", %" : "";
    return element("fieldset", { title: column.meaning }, element("legend", {}, column.label + unit), ...inputs);
  }

  function read(text) {
    words = text.toLowerCase().replace(/\bclass:\s+/g, "class:").split(/\s+/).filter(Boolean);
  }

  function only(column, value) { // everything else is let go
    document.getElementById("filters").reset();
    const inputs = document.querySelectorAll(`#ranges input[name^="${column.name}_"]`);
    for (const input of inputs) input.value = value;
    document.getElementById("ranges").open = true;
    setTimeout(() => { ranges.set(column, [value, value]); changed(); });
  }

  // A number is that of a concept, or a name or a word of one, 1 never 10; another word is part of a name.
  function matches() {
    const found = words.map((word) => {
      const [, kind, asked] = /^(#|class:)?(.*)$/.exec(word);
      const isNumber = /^\d+$/.test(asked);
      const fits = (name) => (isNumber ? name.split(/[^\p{L}\p{N}]+/u).includes(asked) : name.includes(asked));
      const all = isNumber ? NAMED.slice(1) : NAMED; // what a concept shows has counts in its text
      const searched = { "#": [], "class:": ["class_name"] }[kind] ?? all;
      const named = searched.map((name) => featcx.column.get(name)).filter(Boolean);
      return { // a name is looked at once, not once a concept
        number: isNumber && kind !== "class:" ? Number(asked) : -1,
        isOwn: (concept) => !kind && fits(Object.values(featcx.notes.of(concept)).join(" ").toLowerCase()),
        named: named.map((column) => [column.values, column.names.map((name) => fits(name.toLowerCase()))]),
      };
    });
    return (concept) => found.every(({ number, named, isOwn }) => number === concept || isOwn(concept)
      || named.some(([values, fitting]) => fitting[values[concept]]));
  }

  function within(concept) {
    for (const [column, [low, high]] of ranges) {
      if (Number.isNaN(low) && Number.isNaN(high)) continue;
      const value = column.values[concept];
      if (value === null || value < low || value > high) return false;
    }
    return true;
  }

  function concepts() {
    const fits = matches();
    const found = [];
    for (let concept = 0; concept < featcx.count; concept += 1) if (fits(concept) && within(concept)) found.push(concept);
    const column = featcx.column.get(order.by);
    if (!column) return order.descending ? found.reverse() : found;
    const { values, rank } = column;
    const key = rank ? (concept) => rank[values[concept]] ?? null : (concept) => values[concept];
    const sign = order.descending ? -1 : 1;
    return found.sort((a, b) => { // what has no value comes last, whichever way
      const [x, y] = [key(a), key(b)];
      if (x === null || y === null) return (x === null) - (y === null) || a - b;
      return sign * (x - y) || a - b;
    });
  }

  function sortBy(name) {
    const isText = Boolean(featcx.column.get(name)?.names) || name === "concept";
    order.descending = order.by === name ? !order.descending : !isText && name !== "complexity";
    order.by = name;
    showOrder();
    changed();
  }

  return { start, concepts, sortBy, only, order };
})();
