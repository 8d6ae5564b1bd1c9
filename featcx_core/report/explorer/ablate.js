"use strict";
// Predictions without some concepts, computed here. The head reads the activations linearly: without concept i the logits
// of an image are y − z_i v_i, with its code z_i and what a code of 1 adds, v_i: exact at the layer before the head.
featcx.ablate = (() => {
  const { element, percent, button } = featcx;
  const gone = new Set();
  const watching = [];
  let given = null; // images, labels, logits, class_of
  let last = null; // what the concepts that are gone change

  async function load() {
    if (given) return given;
    const { images, labels, logits, class_of: classes, n_probe: n } = await featcx.file("ablation");
    given = { images, labels, classes, n, logits: featcx.floats(logits), width: featcx.floats(logits).length / images.length };
    return given;
  }

  function largest(values, start, width) {
    let best = 0;
    for (let output = 1; output < width; output += 1) if (values[start + output] > values[start + best]) best = output;
    return best;
  }

  // Accuracy before and after, and the images whose prediction changes, without a set of concepts.
  async function without(concepts) {
    const { images, labels, classes, logits, width } = await load();
    const left = Float64Array.from(logits);
    for (const concept of concepts) {
      const details = await featcx.details(concept);
      const [places, codes, weights] = [featcx.wholes(details.places), featcx.floats(details.codes), featcx.floats(details.weights)];
      places.forEach((place, n) => {
        for (let output = 0; output < width; output += 1) left[place * width + output] -= codes[n] * weights[output];
      });
    }
    let [before, after] = [0, 0];
    const flips = [];
    images.forEach((image, place) => {
      const [was, is] = [largest(logits, place * width, width), largest(left, place * width, width)];
      if (classes) { before += classes[was] === labels[place]; after += classes[is] === labels[place]; }
      if (was !== is) flips.push({ image, label: labels[place], before: was, after: is });
    });
    const shares = classes ? [before, after].map((right) => right / images.length) : null;
    return { shares, flips, n: images.length };
  }

  async function toggle(concept) {
    if (gone.has(concept)) gone.delete(concept); else gone.add(concept);
    last = gone.size ? await without([...gone]) : null;
    for (const call of watching) call();
  }

  async function clear() {
    gone.clear();
    last = null;
    for (const call of watching) call();
  }

  // "97.1 % instead of 98.4 %; 12 of 1,000 predictions change"
  function said({ shares, flips, n }) {
    const noun = `${flips.length} of ${n.toLocaleString("en")} predictions change`;
    return shares ? `accuracy ${percent(shares[1])} instead of ${percent(shares[0])}; ${noun}` : noun;
  }

  function where() {
    const { images, n } = given;
    const which = images.length === n ? `all ${n.toLocaleString("en")} probe images` : `${images.length.toLocaleString("en")} of the ${n.toLocaleString("en")} probe images, at even steps`;
    return `Computed in this page on ${which}: the logits minus each concept's code times its effect on them. Exact at the layer before the head; nothing before that layer is changed.`;
  }

  function flipped({ image, label, before, after }) {
    return featcx.pictures.figure(image, label, [`${featcx.output_names[before]} → ${featcx.output_names[after]}`]);
  }

  function start() { // a bar at the foot of every page while concepts are gone
    const bar = document.getElementById("gone");
    watching.push(() => {
      bar.hidden = !gone.size;
      if (!last) return bar.replaceChildren();
      const links = [...gone].flatMap((concept, n) => [n ? ", " : "", element("a", { href: featcx.address(concept) }, String(concept))]);
      bar.replaceChildren(
        element("p", { role: "status" }, `Without ${gone.size === 1 ? "concept " : "concepts "}`, ...links, `: ${said(last)}.`),
        button(gone.size === 1 ? "Put it back" : "Put all back", clear),
      );
    });
  }

  return { start, toggle, clear, said, where, flipped, has: (concept) => gone.has(concept), last: () => last, size: () => gone.size, on: (call) => watching.push(call) };
})();
