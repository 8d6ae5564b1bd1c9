"use strict";
// The page of one concept: what it shows, what it does, where and when, then its scores. Its frame is made once.
featcx.concept = (() => {
  const { element, section, button } = featcx;
  const MOST_MATES = 12;
  const MOST_FLIPS = 8;
  const UNTOLD = ["x", "y"]; // places on a plane say nothing by themselves
  const MADE = "Made by optimisation, no image of the data: from a seeded random start its phases were changed to raise the "
    + "activation along the concept; its magnitude spectrum is the mean of the study's training images.";
  let page, parts;
  let current = null;

  function start() {
    page = document.getElementById("concept");
    const list = () => element("ul", { className: "cards" });
    const pictures = (css = "") => element("div", { className: `pictures ${css}` });
    const note = () => element("p", { className: "note" });
    parts = {
      title: element("h2", { tabIndex: -1 }), place: element("span", { className: "note" }), barely: element("p", { className: "mark" }, "Barely readable anywhere: no layer tells it well, so its complexity says little."),
      strongest: pictures(), remark: note(), middle: pictures("four-wide"), least: pictures("four-wide"), bins: element("ol", { className: "histogram" }),
      raised: element("ul", { className: "logits" }), lowered: element("ul", { className: "logits" }), effect: element("p"), flips: pictures(), flipsNote: note(),
      ablate: button("Ablate here", () => featcx.ablate.toggle(current), { "aria-keyshortcuts": "a" }), gone: element("p", { role: "status" }), goneFlips: pictures(), goneNote: note(),
      numbers: element("dl", { className: "numbers" }), near: list(), mates: list(), all: note(), made: pictures(), fitted: note(),
      charts: featcx.chart_specs.map(() => element("div", { className: "chart" })), training: featcx.training.made(), ...own(),
    };
    parts.sections = sections();
    page.append(navigation(), keys(), parts.title, parts.barely, ...parts.sections.all);
    featcx.ablate.on(() => { if (current !== null) without(); });
    drawCharts();
    featcx.charts.onScheme(drawCharts);
  }

  function navigation() {
    const step = (by, label, keys) => button(label, () => next(by), { "aria-keyshortcuts": keys });
    return element("nav", { className: "line", ariaLabel: "Concepts" }, element("a", { href: "#", className: "back" }, "← All concepts"), step(-1, "Previous", "k ArrowLeft"), step(1, "Next", "j ArrowRight"), parts.place);
  }

  function keys() {
    const key = (name) => element("kbd", {}, name);
    const more = [...(featcx.heat ? [["h", "heat maps on, off"]] : []), ...(featcx.can_ablate ? [["a", "ablate here"]] : []), ["n", "name it"], ["/", "search"], ["Esc", "back"]];
    return element("p", { className: "note keys" }, key("j"), " ", key("k"), " or ", key("→"), " ", key("←"), ": next, previous", ...more.flatMap(([name, text]) => [" · ", key(name), ` ${text}`]));
  }

  function own() { // name and note of one's own
    const name = element("input", { type: "text", autocomplete: "off", maxLength: 120 });
    const text = element("textarea", { rows: 2, maxLength: 2000 });
    const set = () => { featcx.notes.set(current, { name: name.value.trim(), note: text.value.trim() }); title(); };
    name.addEventListener("change", set);
    text.addEventListener("change", set);
    const form = element("div", { className: "own" }, element("label", {}, element("span", {}, "Your name for it"), name), element("label", {}, element("span", {}, "Your note"), text));
    return { ownName: name, ownNote: text, ownForm: form };
  }

  function sections() {
    const pictured = (title, box, ...rest) => element("div", {}, element("h4", {}, title), box, ...rest);
    const titled = featcx.chart_specs.map((chart, n) => element("div", {}, element("h4", {}, chart.title), parts.charts[n], featcx.charts.key(chart)));
    const { slider, ends, said, images } = parts.training;
    const found = {
      strongest: section("Where it is strongest", element("p", { className: "line note" }, featcx.pictures.toggle(), featcx.pictures.key()), parts.strongest, parts.remark, parts.ownForm),
      range: element("div", { className: "pair" }, pictured("In the middle of its range", parts.middle), pictured("Barely active", parts.least)),
      bins: section("Over its whole range", parts.bins, element("p", { className: "note" }, "Probe images by the concept's code, with an image of each part. Heights go with the square root of the number; grey: not active.")),
      logits: section("Which outputs it raises and lowers", element("div", { className: "pair" }, pictured("Raises", parts.raised), pictured("Lowers", parts.lowered)), element("p", { className: "note" }, "On average over the images on which it is active: its code times the atom times the head's weights.")),
      without: section("Without it", parts.effect, parts.flips, parts.flipsNote, element("p", { className: "line" }, parts.ablate, parts.gone), parts.goneFlips, parts.goneNote),
      charts: section("Where and when", element("div", { className: "charts" }, ...titled)),
      training: section("Over training", slider, ends, said, images, element("p", { className: "note" }, `Each ${featcx.moment} has a dictionary of its own; concepts are matched by the cosine of their atoms.`)),
      scores: section("Scores", parts.numbers, parts.fitted),
      made: section("Made to excite it", parts.made, element("p", { className: "note" }, MADE)),
      near: section("Nearest concepts", parts.near),
      mates: section("In the same cluster", parts.mates, parts.all),
    };
    found.charts.hidden = !featcx.chart_specs.length;
    return { ...found, all: Object.values(found) };
  }

  function drawCharts() {
    if (featcx.chart_specs.length) featcx.charts.lines(featcx.chart_specs, parts.charts).then(() => { if (current !== null) open(current); }, () => {});
  }

  function title() {
    const name = featcx.notes.of(current).name;
    const shows = featcx.shows(current);
    parts.title.textContent = [`Concept ${current}`, name, shows].filter(Boolean).join(" · ");
    document.title = `${featcx.name}: concept ${current}`;
  }

  async function open(concept) {
    if (!page) start();
    current = concept;
    title();
    const { name, note } = featcx.notes.of(concept);
    [parts.ownName.value, parts.ownNote.value] = [name, note];
    parts.barely.hidden = !featcx.isBarely(concept);
    const [fitted] = featcx.fitted(concept);
    parts.fitted.textContent = fitted
      ? `It was fitted on the images of ${fitted}; it can be active on images of any class.`
      : "It was fitted on the images of all classes together.";
    const [shown, place] = [featcx.list.concepts(), featcx.list.place(concept)];
    parts.place.textContent = place < 0 ? "" : `${(place + 1).toLocaleString("en")} of ${shown.length.toLocaleString("en")}`;
    parts.numbers.replaceChildren(...featcx.columns.filter((c) => !c.names && !UNTOLD.includes(c.name)).map((c) => number(c, concept)));
    mates(concept);
    try {
      const details = await featcx.details(concept);
      if (current === concept) fill(concept, details);
    } catch (error) {
      parts.remark.textContent = error.message;
    }
  }

  function number(column, concept) { // with its interval, where there is one
    const [value, low, high] = [column.values, column.low, column.high].map((values) => values?.[concept] ?? null);
    const ends = value === null || low === null || high === null ? null : element("dd", { className: "ends-of" }, featcx.between(column, low, high));
    return element("div", {}, element("dt", {}, column.label), element("dd", { className: "value" }, featcx.written(column, value)), ends, element("dd", {}, column.meaning));
  }

  function fill(concept, details) {
    const maps = details.heat ? featcx.pictures.unpacked(details.heat) : [];
    const plain = ([image, label, share]) => featcx.pictures.figure(image, label, [caption(label, share)]);
    parts.strongest.replaceChildren(...details.images.map(([image, label, share, file], rank) => featcx.pictures.figure(image, label, [caption(label, share), ...(file ? [file] : [])], maps[rank])));
    parts.remark.replaceChildren(...remark(details));
    parts.middle.replaceChildren(...details.middle.map(plain));
    parts.least.replaceChildren(...details.least.map(plain));
    for (const box of [parts.middle, parts.least]) box.parentElement.hidden = !box.children.length;
    parts.sections.range.hidden = !details.middle.length && !details.least.length;
    parts.bins.replaceChildren(...featcx.range.drawn(details.bins));
    parts.sections.bins.hidden = details.bins.length < 2;
    logits(details.logits);
    effect(details);
    without();
    parts.made.replaceChildren(...details.made.map((made) => madePicture(concept, ...made)));
    parts.sections.made.hidden = !details.made.length;
    parts.training.fill(details.path);
    parts.sections.training.hidden = !details.path.length;
    parts.near.replaceChildren(...details.near.map(([other, cosine]) => card(other, `cosine ${cosine.toFixed(2)}`)));
    featcx.charts.fill(featcx.chart_specs, details.charts);
  }

  const caption = (label, share) => `class ${featcx.class_names[label]} · ${Math.round(100 * share)} %`;

  function remark(details) { // what is said of heat maps goes with them
    if (!details.images.length) return ["It is active on no probe image."];
    const few = details.images.length < featcx.n_images ? `Active on only ${details.images.length} probe images. ` : "";
    const order = `${few}Strongest first. Below each: the image's own class, and its code in per cent of the strongest.`;
    if (!featcx.heat) return [`${order} The dictionary is fitted on one vector an image, so there are no heat maps.`];
    const patches = featcx.of_patches ? " The head reads the class token: the maps are of the other tokens of the same layer, encoded like it." : "";
    return [order, element("span", { className: "of-heat" }, ` Bright: where in the image the concept is active, on one scale for all of them.${patches}`)];
  }

  function logits(rows) {
    const most = Math.max(1e-30, ...rows.map(([, , mean]) => Math.abs(mean ?? 0)));
    const drawn = ([output, , mean]) => element("li", {}, element("span", {}, featcx.output_names[output]),
      element("span", { className: "bar" }, element("i", { style: `width:${(100 * Math.abs(mean ?? 0)) / most}%` })), element("b", {}, mean === null ? featcx.MISSING : featcx.signed(mean)));
    const by = (sign) => rows.filter(([, per]) => sign * per > 0).sort((a, b) => sign * (b[1] - a[1])).map(drawn);
    const none = () => element("li", { className: "note" }, "no output");
    for (const [box, sign] of [[parts.raised, 1], [parts.lowered, -1]]) {
      const found = by(sign);
      box.replaceChildren(...(found.length ? found : [none()]));
    }
    parts.sections.logits.hidden = !rows.length;
  }

  function effect({ effect: given, flips }) {
    parts.sections.without.hidden = !given;
    if (!given) return;
    const [accuracy, after, count, low, high, lost, gained] = given;
    const percent = (value) => featcx.percent(value);
    const changes = `${count} ${count === 1 ? "prediction changes" : "predictions change"} (${featcx.between({ form: "percent" }, low, high)} of the probe images)`;
    const turns = lost === null ? "" : `: ${lost} turn wrong, ${gained} turn right`;
    parts.effect.textContent = accuracy === null ? `Without this concept alone, ${changes}.` : `Without this concept alone, accuracy is ${percent(after)} instead of ${percent(accuracy)}; ${changes}${turns}.`;
    parts.flips.replaceChildren(...flips.map(([image, label, before, now]) => featcx.ablate.flipped({ image, label, before, after: now })));
    parts.flipsNote.textContent = flips.length ? `${flips.length < count ? `The ${flips.length} on which it is strongest. ` : ""}Below each: the prediction with and without the concept.` : "";
    parts.flips.hidden = !flips.length;
  }

  function without() { // what this page computes: without this concept and those that are gone already
    const isGone = featcx.ablate.has(current);
    parts.ablate.hidden = !featcx.can_ablate;
    parts.ablate.textContent = isGone ? "Put it back" : featcx.ablate.size() ? "Ablate here, too" : "Ablate here";
    parts.ablate.setAttribute("aria-pressed", String(isGone));
    const last = isGone ? featcx.ablate.last() : null;
    const others = featcx.ablate.size() - 1;
    const which = others > 0 ? `Without it and ${others} more: ` : "Without it: ";
    parts.gone.textContent = last ? `${which}${featcx.ablate.said(last)}.` : "";
    const flips = last ? last.flips.slice(0, MOST_FLIPS) : [];
    parts.goneFlips.replaceChildren(...flips.map(featcx.ablate.flipped));
    parts.goneFlips.hidden = !flips.length;
    parts.goneNote.textContent = last ? featcx.ablate.where() : "";
  }

  function madePicture(concept, src, reached, best) {
    const box = element("div", { className: "picture" }, element("img", { src, alt: `Made to excite concept ${concept}`, loading: "lazy" }));
    return element("figure", {}, box, element("figcaption", {}, `activation ${featcx.number(reached)}; best probe image ${featcx.number(best)}`));
  }

  function card(concept, text) {
    const words = element("span", {}, element("strong", {}, `Concept ${concept}`), element("small", {}, featcx.called(concept)),
      element("small", {}, `complexity ${featcx.of("complexity", concept)} · ${text}`));
    return element("li", {}, element("a", { href: featcx.address(concept) }, featcx.thumbnail(concept), words));
  }

  function mates(concept) {
    const column = featcx.column.get("cluster");
    const cluster = column?.values[concept] ?? null;
    parts.sections.mates.hidden = cluster === null;
    if (cluster === null) return;
    const others = [];
    column.values.forEach((value, other) => { if (value === cluster && other !== concept) others.push(other); });
    const gamma = (other) => featcx.value("importance", other) ?? -1;
    others.sort((a, b) => gamma(b) - gamma(a));
    parts.mates.replaceChildren(...others.slice(0, MOST_MATES).map((other) => card(other, `importance ${featcx.of("importance", other)}`)));
    const link = element("a", { href: "#gallery" }, `All ${others.length + 1} concepts of cluster ${cluster} in the gallery`);
    link.addEventListener("click", () => featcx.filters.only(column, cluster));
    parts.all.replaceChildren(link);
  }

  function next(step) { // in the order of gallery and table
    const shown = featcx.list.concepts();
    const place = featcx.list.place(current);
    const other = shown[place < 0 ? 0 : Math.max(0, Math.min(shown.length - 1, place + step))];
    if (other !== undefined && other !== current) location.replace(featcx.address(other));
  }

  return { open, next, rename: () => parts.ownName.focus(), ablate: () => { if (featcx.can_ablate) featcx.ablate.toggle(current); }, focus: () => parts.title.focus({ preventScroll: true }) };
})();
