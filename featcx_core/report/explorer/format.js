"use strict";
// How numbers are written, and elements made. Text is only ever set as text, so names cannot become markup.
Object.assign(featcx, (() => {
  const MISSING = "–";
  const WRITERS = {
    count: (v) => String(v),
    share: (v) => v.toFixed(2),
    percent: (v) => `${Number((100 * v).toPrecision(2))} %`,
    value: (v) => String(Number(v.toPrecision(3))),
  };

  function written(column, value) {
    if (value === null || value === undefined || Number.isNaN(value)) return MISSING;
    if (column.names) return column.names[value];
    return WRITERS[column.form](value).replace("-", "−").replace(/^−(0(\.0+)?)$/, "$1");
  }

  function element(name, properties = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(properties)) {
      if (key in made && key !== "list") made[key] = value;
      else made.setAttribute(key, value);
    }
    made.append(...children);
    return made;
  }

  const of = (name, concept) => written(featcx.column.get(name) ?? {}, featcx.value(name, concept));
  // "class 3": on whose images a concept was fitted; nothing where all were fitted on all classes.
  const fitted = (concept) => (featcx.column.has("class_name") ? [`class ${of("class_name", concept)}`] : []);
  const address = (concept) => `#concept/${concept}`;
  const picture = (image) => `images/${String(image).padStart(6, "0")}.webp`;

  function thumbnail(concept) {
    const image = featcx.strongest[concept];
    if (image === null) return element("span");
    return element("img", { src: picture(image), alt: "", loading: "lazy", decoding: "async" });
  }

  return { MISSING, written, element, of, fitted, address, picture, thumbnail };
})());
