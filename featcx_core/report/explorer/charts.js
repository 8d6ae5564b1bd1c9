"use strict";
// Charts, by Bokeh, which is loaded when the page is already there to be used.
featcx.charts = (() => {
  const COLOURS = ["#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7"]; // Okabe & Ito
  const sources = [];
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  const onScheme = (call) => scheme.addEventListener("change", call);
  const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim(); // of light or dark

  const load = (src) => new Promise((resolve, reject) => {
    const script = document.createElement("script");
    Object.assign(script, { src, onload: resolve, onerror: () => reject(new Error(`cannot read ${src}`)) });
    document.head.append(script);
  });
  let ready = null;
  const library = () => {
    ready ??= load("bokeh.min.js").then(() => load("bokeh-api.min.js"));
    return ready;
  };

  function figure(options) {
    const [INK, MUTED, GRID] = ["ink", "muted", "line"].map(ink);
    const made = Bokeh.Plotting.figure({
      sizing_mode: "stretch_both", toolbar_location: null, outline_line_color: null, background_fill_color: null,
      border_fill_color: null, min_border: 4, ...options,
    });
    made.toolbar.logo = null;
    for (const axis of [...made.xaxis, ...made.yaxis]) {
      Object.assign(axis, {
        axis_label_text_color: INK, axis_label_text_font_style: "normal", axis_label_text_font_size: "13px",
        major_label_text_color: INK, major_label_text_font_size: "12px", axis_line_color: MUTED,
        major_tick_line_color: MUTED, minor_tick_line_color: null,
      });
    }
    for (const grid of [...made.xgrid, ...made.ygrid]) grid.grid_line_color = GRID;
    return made;
  }

  // One figure a chart of concept pages, made once; another concept is another data source's content.
  async function lines(charts, targets) {
    await library();
    sources.length = 0;
    for (const [place, chart] of charts.entries()) {
      const named = typeof chart.places[0] === "string";
      const drawn = figure({
        x_axis_label: chart.across, y_axis_label: chart.up, tools: "",
        x_range: named ? chart.places : span(chart.places, false),
        ...(chart.is_share ? { y_range: [-0.02, 1.05] } : {}),
      });
      if (named && chart.places.length > 4) for (const axis of drawn.xaxis) axis.major_label_orientation = 0.9;
      const zeros = chart.places.map(() => 0); // until a concept's values come
      const source = new Bokeh.ColumnDataSource({ data: content(chart, chart.series.map(() => zeros)) });
      sources.push(source);
      drawn.segment({ x0: { field: "x" }, x1: { field: "x" }, y0: { field: "low" }, y1: { field: "high" }, source, line_color: COLOURS[0], line_alpha: 0.45, line_width: 2 });
      chart.series.forEach((_, n) => {
        const style = { source, line_color: COLOURS[n] };
        drawn.line({ x: { field: "x" }, y: { field: `s${n}` }, line_width: 2, ...style });
        drawn.scatter({ x: { field: "x" }, y: { field: `s${n}` }, size: 6, fill_color: COLOURS[n], ...style });
      });
      targets[place].replaceChildren();
      await Bokeh.Plotting.show(drawn, targets[place]);
    }
  }

  // Which line is which, below the chart, where it covers none of them and wraps on a narrow screen.
  function key(chart) {
    const { element } = featcx;
    const names = chart.series.length > 1 ? chart.series : [];
    return element("div", { className: "key" }, ...names.map((name, n) => element("span", {}, element("i", { style: `background:${COLOURS[n]}` }), name)));
  }

  function content(chart, lines) { // the lines' values, then, where there are any, the first one's errors
    const numbers = (values) => chart.places.map((_, place) => values?.[place] ?? NaN);
    const data = { x: chart.places };
    chart.series.forEach((_, n) => { data[`s${n}`] = numbers(lines[n]); });
    const errors = numbers(lines[chart.series.length]);
    data.low = data.s0.map((value, n) => value - errors[n]);
    data.high = data.s0.map((value, n) => value + errors[n]);
    return data;
  }

  function fill(charts, details) {
    charts.forEach((chart, place) => { if (sources[place]) sources[place].data = content(chart, details[place]); });
  }

  // From a little below the least value to a little above the greatest; the same whatever the filters leave.
  function span(values, isLog) {
    const known = values.filter((value) => value !== null && !(isLog && value <= 0)).map((v) => (isLog ? Math.log10(v) : v));
    if (!known.length) return isLog ? [0.1, 1] : [0, 1];
    const ends = [Math.min(...known), Math.max(...known)];
    const beyond = 0.05 * (ends[1] - ends[0]) || 0.5;
    return [ends[0] - beyond, ends[1] + beyond].map((end) => (isLog ? 10 ** end : end));
  }

  // Ticks of a logarithmic axis: 1, 2 and 5 times the powers of ten that it spans.
  function logTicks(figure, range) {
    const [low, high] = [range.start, range.end].map((value) => Math.log10(value));
    const ticks = [];
    for (let power = Math.floor(low) - 1; power <= Math.ceil(high); power += 1) {
      for (const times of high - low < 3 ? [1, 2, 5] : [1]) ticks.push(Number(`${times}e${power}`));
    }
    const ticker = new Bokeh.FixedTicker({ ticks });
    const formatter = new Bokeh.BasicTickFormatter({ use_scientific: low < -4 });
    for (const axis of figure.yaxis) Object.assign(axis, { ticker, formatter });
    for (const grid of figure.ygrid) grid.ticker = ticker;
  }

  return { library, figure, lines, key, fill, span, logTicks, ink, onScheme };
})();
