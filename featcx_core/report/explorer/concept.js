"use strict";
// The page of one concept. Its frame is made once; another concept fills it anew.
featcx.concept = (() => {
  const { element } = featcx;
  const MOST_MATES = 12;
  const UNTOLD = ["standard_error", "x", "y"]; // stands beside K; places on a plane say nothing by themselves
  const MADE = "Made by optimisation, no image of the data: from a seeded random start its phases were changed to raise the "
    + "activation along the concept; its magnitude spectrum is the mean of the study's training images.";
  let page, parts, heatShown = true;
  let current = null;

  function start() {
    page = document.getElementById("concept");
    const section = (title, ...content) => element("section", {}, element("h3", {}, title), ...content);
    const list = () => element("ul", { className: "cards" });
    parts = {
      title: element("h2", { tabIndex: -1 }), fitted: element("p", { className: "note" }), place: element("span", { className: "note" }),
      numbers: element("dl", { className: "numbers" }), pictures: element("div", { className: "pictures" }),
      note: element("p", { className: "note" }), near: list(), mates: list(), all: element("p", { className: "note" }),
      made: element("div", { className: "pictures" }),
      heat: element("input", { type: "checkbox", checked: true, id: "heat", "aria-keyshortcuts": "h" }),
      charts: featcx.chart_specs.map(() => element("div", { className: "chart" })),
    };
    parts.heat.addEventListener("change", () => heat(parts.heat.checked));
    const step = (by, label, keys) => {
      const button = element("button", { type: "button", "aria-keyshortcuts": keys }, label);
      button.addEventListener("click", () => next(by));
      return button;
    };
    const titled = featcx.chart_specs.map((chart, n) => element("div", {}, element("h3", {}, chart.title), parts.charts[n], featcx.charts.key(chart)));
    parts.matesSection = section("In the same cluster", parts.mates, parts.all);
    parts.madeSection = section("Made to excite it", parts.made, element("p", { className: "note" }, MADE));
    const toggle = element("label", { className: "check" }, parts.heat, " heat maps");
    toggle.hidden = !featcx.heat;
    page.append(
      element("nav", { className: "line", ariaLabel: "Concepts" }, element("a", { href: "#" }, "← All concepts"), step(-1, "Previous", "k ArrowLeft"), step(1, "Next", "j ArrowRight"), parts.place),
      keys(), parts.title, parts.fitted, parts.numbers,
      section("Where it is strongest", element("div", { className: "line" }, toggle), parts.pictures, parts.note),
      parts.madeSection, element("section", { className: "charts" }, ...titled),
      section("Nearest concepts", parts.near), parts.matesSection,
    );
    if (featcx.chart_specs.length) {
      featcx.charts.lines(featcx.chart_specs, parts.charts).then(() => { if (current !== null) open(current); }, () => {});
    }
  }

  function keys() {
    const key = (name) => element("kbd", {}, name);
    const heatMaps = featcx.heat ? [" · ", key("h"), " heat maps on, off"] : [];
    return element("p", { className: "note keys" }, key("j"), " ", key("k"), " or ", key("→"), " ", key("←"), ": next, previous", ...heatMaps, " · ", key("/"), " filter · ", key("Esc"), " back");
  }

  async function open(concept) {
    if (!page) start();
    current = concept;
    const group = featcx.of("super_class", concept);
    const of = group === featcx.MISSING ? "" : ` (${group})`;
    const [name] = featcx.fitted(concept);
    parts.title.textContent = `Concept ${concept}${name ? ` · ${name}${of}` : ""}`;
    parts.fitted.textContent = name
      ? `It was fitted on the images of ${name}; it can be active on images of any class.`
      : "It was fitted on the images of all classes together.";
    document.title = `${featcx.name}: concept ${concept}`;
    const [shown, place] = [featcx.table.concepts(), featcx.table.place(concept)];
    parts.place.textContent = place < 0 ? "" : `${place + 1} of ${shown.length}`;
    parts.numbers.replaceChildren(...featcx.columns.filter((c) => !c.names && !UNTOLD.includes(c.name)).map((c) => number(c, concept)));
    mates(concept);
    try {
      const details = await featcx.details(concept);
      if (current === concept) fill(concept, details);
    } catch (error) {
      parts.note.textContent = error.message;
    }
  }

  function number(column, concept) {
    const error = column.name === "complexity" ? ` ± ${featcx.of("standard_error", concept)}` : "";
    const text = featcx.written(column, column.values[concept]) + error;
    return element("div", {}, element("dt", {}, column.label), element("dd", {}, text), element("dd", {}, column.meaning));
  }

  function fill(concept, details) {
    const maps = details.heat ? unpacked(details.heat) : [];
    parts.pictures.replaceChildren(...details.images.map((image, rank) => picture(image, maps[rank])));
    parts.note.replaceChildren(...remark(details));
    parts.made.replaceChildren(...details.made.map((made) => madePicture(concept, ...made)));
    parts.madeSection.hidden = !details.made.length;
    parts.near.replaceChildren(...details.near.map(([other, cosine]) => card(other, `cosine ${cosine.toFixed(2)}`)));
    featcx.charts.fill(featcx.chart_specs, details.charts);
    heat(heatShown);
  }

  function remark(details) { // what is said of heat maps goes with them
    if (!details.images.length) return ["It is active on no probe image."];
    const few = details.images.length < featcx.n_images ? `Active on only ${details.images.length} probe images. ` : "";
    const order = `${few}Strongest first. Below each: the image's own class, and its code in per cent of the strongest.`;
    if (!featcx.heat) return [`${order} The dictionary is fitted on one vector an image, so there are no heat maps.`];
    return [order, element("span", { className: "of-heat" }, " Bright: where in the image the concept is active, on one scale for all of them.")];
  }

  function madePicture(concept, src, reached, best) {
    const [a, b] = [reached, best].map((value) => featcx.written({ form: "value" }, value));
    const box = element("div", { className: "picture" }, element("img", { src, alt: `Made to excite concept ${concept}`, loading: "lazy" }));
    return element("figure", {}, box, element("figcaption", {}, `activation ${a}; best probe image ${b}`));
  }

  function picture([image, label, strength], map) {
    const shown = element("img", { src: featcx.picture(image), loading: "lazy", decoding: "async", className: featcx.is_small ? "small" : "", alt: `Image ${image}, class ${featcx.class_names[label]}` });
    const box = element("div", { className: "picture", style: `aspect-ratio:${featcx.aspect}` }, shown);
    if (map) box.append(painted(map));
    const text = `class ${featcx.class_names[label]} · ${Math.round(100 * strength)} %`;
    return element("figure", {}, box, element("figcaption", {}, text));
  }

  function unpacked(text) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const size = featcx.heat[0] * featcx.heat[1];
    return Array.from({ length: bytes.length / size }, (_, n) => bytes.subarray(n * size, (n + 1) * size));
  }

  function painted(map) { // a few pixels, which the browser enlarges smoothly
    const [height, width] = featcx.heat;
    const canvas = element("canvas", { width, height, ariaHidden: "true" });
    const pixels = new ImageData(width, height);
    const { lights, opacity, heat: tints } = featcx.palette;
    map.forEach((value, place) => {
      pixels.data.set(lights ? lit(value / 255, ...lights) : [...tints[value >> 2], opacity * value], 4 * place);
    });
    canvas.getContext("2d").putImageData(pixels, 0, 0);
    return canvas;
  }

  function lit(share, darkest, glow) { // a tint would change colours: the rest of the image is darkened instead
    const opacity = 1 - darkest - (1 - darkest - glow) * share;
    const grey = (255 * glow * share) / opacity;
    return [grey, grey, grey, 255 * opacity];
  }

  function heat(isShown) {
    heatShown = isShown;
    parts.heat.checked = isShown;
    parts.pictures.classList.toggle("plain", !isShown);
  }

  function card(concept, text) {
    const words = element("span", {}, `Concept ${concept}`, ...featcx.fitted(concept).map((name) => element("small", {}, name)),
      element("small", {}, `K ${featcx.of("complexity", concept)} · ${text}`));
    return element("li", {}, element("a", { href: featcx.address(concept) }, featcx.thumbnail(concept), words));
  }

  function mates(concept) {
    const column = featcx.column.get("cluster");
    const cluster = column?.values[concept] ?? null;
    parts.matesSection.hidden = cluster === null;
    if (cluster === null) return;
    const others = [];
    column.values.forEach((value, other) => { if (value === cluster && other !== concept) others.push(other); });
    const gamma = (other) => featcx.value("importance", other) ?? -1;
    others.sort((a, b) => gamma(b) - gamma(a));
    parts.mates.replaceChildren(...others.slice(0, MOST_MATES).map((other) => card(other, `Γ ${featcx.of("importance", other)}`)));
    const link = element("a", { href: "#" }, `All ${others.length + 1} concepts of cluster ${cluster} in the table`);
    link.addEventListener("click", () => featcx.filters.only(column, cluster));
    parts.all.replaceChildren(link);
  }

  function next(step) { // in the table's order
    const shown = featcx.table.concepts();
    const place = featcx.table.place(current);
    const other = shown[place < 0 ? 0 : Math.max(0, Math.min(shown.length - 1, place + step))];
    if (other !== undefined && other !== current) location.replace(featcx.address(other));
  }

  return { open, next, toggleHeat: () => heat(!heatShown), focus: () => parts.title.focus({ preventScroll: true }) };
})();
