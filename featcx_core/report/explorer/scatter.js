"use strict";
// The scatter: one point a concept that the filters leave; a point opens its concept.
featcx.scatter = (() => {
  const { element } = featcx;
  const MOST_COLOURS = 12; // names told apart; with more, colours repeat and no key is drawn
  const NO_VALUE = "#b8c0c9";
  let source, ring, view;
  let isAsked = false;
  const select = (name) => document.getElementById(name);
  const chosen = (name) => featcx.column.get(select(name).value);

  function start() {
    featcx.list.on("show", refresh);
    featcx.list.on("move", () => mark(featcx.list.current()));
    featcx.charts.onScheme(() => { if (isAsked) draw(); });
  }

  function open() { // the library is larger than everything else: read when the chart is first looked at
    if (isAsked) return;
    isAsked = true;
    const axes = featcx.numeric().map((c) => [c.name, c.label]);
    const colours = [["", "none"], ...featcx.columns.map((c) => [c.name, c.label])];
    const fill = (name, options, preferred) => {
      select(name).append(...options.map(([value, label]) => element("option", { value }, label)));
      const known = options.map(([value]) => value);
      select(name).value = preferred.find((value) => known.includes(value)) ?? known[0];
    };
    fill("across", axes, ["complexity"]);
    fill("up", axes, ["importance", "variance"]);
    fill("colour", colours, ["complexity", "class_name"]);
    for (const name of ["across", "up", "log"]) select(name).addEventListener("change", draw);
    select("colour").addEventListener("change", refresh);
    select("log").checked = select("up").value === "importance";
    featcx.charts.library().then(draw, (error) => select("scatter").replaceChildren(element("p", { className: "note" }, error.message)));
  }

  async function draw() {
    await featcx.charts.library();
    const [x, y] = [chosen("across"), chosen("up")];
    const hover = new Bokeh.HoverTool({
      tooltips: [["concept", "@concept"], ["shows", "@name"], [x.label, "@x{0.[000]}"], [y.label, "@y{0.[000]}"]],
    });
    const figure = featcx.charts.figure({
      x_axis_label: x.label, y_axis_label: y.label, y_axis_type: select("log").checked ? "log" : "linear",
      x_range: featcx.charts.span(x.values, false), y_range: featcx.charts.span(y.values, select("log").checked),
      tools: "pan,wheel_zoom,box_zoom,reset,tap", toolbar_location: "above",
    });
    figure.add_tools(hover);
    Object.assign(figure.toolbar, { active_drag: null, active_scroll: null }); // a page that scrolls under a finger
    source = new Bokeh.ColumnDataSource({ data: content() });
    if (select("log").checked) featcx.charts.logTicks(figure, figure.y_range);
    ring = new Bokeh.ColumnDataSource({ data: { x: [], y: [] } });
    const size = Math.min(9, Math.max(4, 300 / Math.sqrt(featcx.count)));
    const points = figure.scatter({
      x: { field: "x" }, y: { field: "y" }, source, size, fill_color: { field: "colour" }, fill_alpha: 0.8,
      line_color: featcx.charts.ink("ink"), line_alpha: 0.35, line_width: 0.7, nonselection_fill_alpha: 0.8, nonselection_line_alpha: 0.35,
    });
    hover.renderers = [points];
    figure.scatter({ x: { field: "x" }, y: { field: "y" }, source: ring, size: size + 7, fill_color: null, line_color: featcx.charts.ink("ink"), line_width: 2 });
    source.selected.properties.indices.change.connect(() => {
      const [place] = source.selected.indices;
      if (place === undefined) return;
      const concept = source.data.concept[place];
      source.selected.indices = [];
      location.hash = featcx.address(concept);
    });
    view?.remove();
    select("scatter").replaceChildren();
    view = await Bokeh.Plotting.show(figure, select("scatter"));
    mark(featcx.list.current());
    performance.mark("scatter");
  }

  function content() {
    const [x, y, colour] = [chosen("across"), chosen("up"), chosen("colour")];
    const isLog = select("log").checked;
    const fits = (c) => x.values[c] !== null && y.values[c] !== null && !(isLog && y.values[c] <= 0);
    const shown = featcx.list.concepts();
    const there = shown.filter(fits);
    const left = shown.length - there.length;
    select("unplotted").textContent = left ? `${left} without a value${isLog ? " above zero" : ""}: not in the chart.` : "";
    const paint = painter(colour, there);
    return {
      x: there.map((c) => x.values[c]), y: there.map((c) => y.values[c]), concept: there,
      colour: there.map(paint), name: there.map((c) => featcx.called(c)),
    };
  }

  // The colour of a concept; draws the key as well.
  function painter(column, there) {
    const { groups } = featcx.palette;
    const scale = scaleOf(column);
    const key = select("key");
    key.replaceChildren();
    if (!column) return () => groups[0];
    const kinds = column.names ?? (column.name === "cluster" ? [...new Set(column.values)].filter((value) => value !== null).map(String) : null);
    if (kinds) {
      const all = kinds.length <= MOST_COLOURS;
      const dot = (n) => element("i", { style: `background:${groups[n % groups.length]}` });
      if (all && column.names) key.append(...kinds.map((name, n) => element("span", {}, dot(n), name)));
      else key.append(`${column.label}: ${kinds.length}, colours repeat`);
      return (c) => (column.values[c] === null ? NO_VALUE : groups[column.values[c] % groups.length]);
    }
    const known = there.map((c) => column.values[c]).filter((value) => value !== null);
    let [low, high] = [Infinity, -Infinity];
    if (column.name === "complexity") [low, high] = [0, 1];
    for (const value of known) { low = Math.min(low, value); high = Math.max(high, value); }
    const place = (value) => Math.round((scale.length - 1) * (high > low ? (value - low) / (high - low) : 0.5));
    if (known.length) key.append(element("span", {}, column.label), ...ends(column, low, high, place(low)));
    return (c) => (column.values[c] === null ? NO_VALUE : scale[place(column.values[c])]);
  }

  // Complexity has colours of its own.
  const scaleOf = (column) => (column?.name === "complexity" ? featcx.palette.complexity : featcx.palette.others);

  // From which value to which the colours go; one colour where all values are the same.
  function ends(column, low, high, place) {
    const scale = scaleOf(column);
    const dot = element("i", { style: `background:${scale[place]}` });
    if (low === high) return [element("span", {}, dot, `all ${low === 0 ? 0 : featcx.written(column, low)}`)];
    const ramp = element("span", { className: "ramp", style: `background:linear-gradient(to right,${scale.join(",")})` });
    const isTold = featcx.written(column, low) !== featcx.written(column, high);
    const [from, to] = [low, high].map((value) => featcx.written(isTold ? column : { form: "value" }, value));
    return [from, ramp, to];
  }

  function refresh() {
    if (source) source.data = content();
  }

  function mark(concept) { // a ring around the table's row
    if (!ring) return;
    const place = source.data.concept.indexOf(concept);
    ring.data = place < 0 ? { x: [], y: [] } : { x: [source.data.x[place]], y: [source.data.y[place]] };
  }

  return { start, open };
})();
