"use strict";
// How numbers and names are written, and elements made. Text is only ever set as text, so names cannot become markup.
Object.assign(featcx, (() => {
  const MISSING = "–";
  const WRITERS = {
    count: (v) => String(v),
    share: (v) => v.toFixed(2),
    percent: (v) => `${Number((100 * v).toPrecision(3))} %`,
    value: (v) => String(Number(v.toPrecision(3))),
  };

  function written(column, value) {
    if (value === null || value === undefined || Number.isNaN(value)) return MISSING;
    if (column.names) return column.names[value];
    return WRITERS[column.form](value).replace("-", "−").replace(/^−(0(\.0+)?)$/, "$1");
  }
  const number = (value) => written({ form: "value" }, value);
  const percent = (value) => written({ form: "percent" }, value);
  const signed = (value) => (value > 0 ? `+${number(value)}` : number(value));
  const end = (column, value) => (column.form === "percent" ? `${Number((100 * value).toPrecision(2))} %` : written(column, value));
  const between = (column, low, high) => `95 %: ${end(column, low)} to ${end(column, high)}`;

  function element(name, properties = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(properties)) {
      if (key in made && key !== "list") made[key] = value;
      else made.setAttribute(key, value);
    }
    made.append(...children.filter((child) => child !== null && child !== undefined));
    return made;
  }
  const section = (title, ...content) => element("section", {}, element("h3", {}, title), ...content);
  const button = (label, onClick, properties = {}) => {
    const made = element("button", { type: "button", ...properties }, label);
    made.addEventListener("click", onClick);
    return made;
  };

  const of = (name, concept) => written(featcx.column.get(name) ?? {}, featcx.value(name, concept));
  // "class 3": on whose images a concept was fitted; nothing where all were fitted on all classes.
  const fitted = (concept) => (featcx.column.has("class_name") ? [`class ${of("class_name", concept)}`] : []);
  // What a concept is called: by its reader, or by what it shows. The short form leaves out further classes.
  const shows = (concept) => (featcx.column.has("shows") ? of("shows", concept) : "");
  const called = (concept) => featcx.notes.of(concept).name || shows(concept).replace(/, also .*/, "");
  const isBarely = (concept) => {
    const best = featcx.value("best_information", concept);
    return best !== null && best < featcx.barely;
  };
  const address = (concept) => `#concept/${concept}`;
  const imageAddress = (image) => `#image/${image}`;
  const picture = (image) => `images/${String(image).padStart(6, "0")}.webp`;

  function thumbnail(concept) {
    const image = featcx.strongest[concept];
    if (image === null) return element("span");
    return element("img", { src: picture(image), alt: "", loading: "lazy", decoding: "async", className: featcx.is_small ? "small" : "" });
  }

  // The colour of a concept's complexity, which nothing else has.
  function complexityColour(value) {
    const scale = featcx.palette.complexity;
    return value === null ? "var(--line)" : scale[Math.round((scale.length - 1) * Math.min(1, Math.max(0, value)))];
  }

  return {
    MISSING, written, number, percent, signed, between, element, section, button, of, fitted, shows, called, isBarely,
    address, imageAddress, picture, thumbnail, complexityColour,
  };
})());
