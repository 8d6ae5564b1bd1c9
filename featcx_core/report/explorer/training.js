"use strict";
// A concept over training: the images of the concept that is matched to it at each checkpoint.
featcx.training = (() => {
  const { element, number } = featcx;

  function made() { // its parts, filled for each concept
    const slider = element("input", { type: "range", min: 0, step: 1, "aria-label": "Checkpoint" });
    const [said, images] = [element("p", { className: "note", role: "status" }), element("div", { className: "pictures six" })];
    const ends = element("p", { className: "ends note" }, element("span"), element("span"));
    let path = [];

    function show() {
      const [epoch, match, cosine, chance, complexity, importance, shown] = path[Number(slider.value)];
      const isMatch = match !== null && !(cosine <= chance);
      const found = [`${featcx.moment[0].toUpperCase()}${featcx.moment.slice(1)} ${epoch}: `];
      if (match === null) found.push("no concept is matched.");
      else if (!isMatch) found.push(`no match: cosine ${cosine.toFixed(2)}, random atoms reach ${chance.toFixed(2)}.`);
      else {
        found.push(`concept ${match} of that ${featcx.moment}, cosine ${cosine.toFixed(2)}${chance === null ? "" : ` (random atoms reach ${chance.toFixed(2)})`}`);
        if (complexity !== null) found.push(`, complexity ${complexity.toFixed(2)}`);
        if (importance !== null) found.push(`, importance ${number(importance)}`);
        found.push(".");
      }
      said.textContent = found.join("");
      slider.setAttribute("aria-valuetext", `${featcx.moment} ${epoch}`);
      images.replaceChildren(...(isMatch ? shown : []).map(([image, label]) => featcx.pictures.figure(image, label, [`class ${featcx.class_names[label]}`])));
    }

    function fill(now) {
      path = now;
      if (!path.length) return;
      slider.max = path.length - 1;
      slider.value = path.length - 1;
      const [first, last] = [ends.firstChild, ends.lastChild];
      [first.textContent, last.textContent] = [`${featcx.moment} ${path[0][0]}`, `${featcx.moment} ${path[path.length - 1][0]}`];
      show();
    }

    slider.addEventListener("input", show);
    return { slider, ends, said, images, fill };
  }

  return { made };
})();
