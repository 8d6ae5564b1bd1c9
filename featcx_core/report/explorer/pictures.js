"use strict";
// Images with heat maps: bright where the concept is active, on one scale for all images of a concept.
featcx.pictures = (() => {
  const { element } = featcx;
  let isShown = true;
  const toggles = [];

  function unpacked(text) { // the maps of a concept's images
    const bytes = featcx.bytes(text);
    const size = featcx.heat ? featcx.heat[0] * featcx.heat[1] : 0;
    return Array.from({ length: size ? bytes.length / size : 0 }, (_, n) => bytes.subarray(n * size, (n + 1) * size));
  }

  // A map of a few pixels, which the browser enlarges smoothly.
  function painted(values, [height, width] = featcx.heat) {
    const canvas = element("canvas", { width, height, ariaHidden: "true" });
    const pixels = new ImageData(width, height);
    const { lights, opacity, heat: tints } = featcx.palette;
    values.forEach((value, place) => {
      pixels.data.set(lights ? lit(value / 255, ...lights) : [...tints[value >> 2], opacity * value], 4 * place);
    });
    canvas.getContext("2d").putImageData(pixels, 0, 0);
    return canvas;
  }

  function lit(share, darkest, glow) { // a tint would change colours: the rest of the image is darkened a little instead
    const opacity = 1 - darkest - (1 - darkest - glow) * share;
    const grey = (255 * glow * share) / opacity;
    return [grey, grey, grey, 255 * opacity];
  }

  function box(image, map, alt) {
    const shown = element("img", { src: featcx.picture(image), loading: "lazy", decoding: "async", className: featcx.is_small ? "small" : "", alt });
    const made = element("span", { className: "picture", style: `aspect-ratio:${featcx.aspect}` }, shown);
    if (map) made.append(painted(map));
    return made;
  }

  // An image with a caption, which leads to the image's page.
  function figure(image, label, captions, map = null) {
    const name = featcx.class_names[label];
    const inside = box(image, map, `Image ${image}, class ${name}`);
    const isLinked = featcx.placeOfImage(image) >= 0;
    const framed = isLinked ? element("a", { href: featcx.imageAddress(image), className: "framed" }, inside) : inside;
    return element("figure", {}, framed, element("figcaption", {}, ...captions.map((text) => element("span", {}, text))));
  }

  // What light and dark mean.
  function key() {
    if (!featcx.heat) return element("span", { hidden: true });
    const ramp = element("span", { className: "picture ramp-of-heat" });
    ramp.append(painted(Array.from({ length: 64 }, (_, n) => Math.round((n * 255) / 63)), [1, 64]));
    return element("span", { className: "heat-key" }, "not active", ramp, "most active");
  }

  function toggle() { // a box that shows and hides all heat maps
    const input = element("input", { type: "checkbox", checked: isShown, "aria-keyshortcuts": "h" });
    input.addEventListener("change", () => show(input.checked));
    toggles.push(input);
    const label = element("label", { className: "check" }, input, " heat maps");
    label.hidden = !featcx.heat;
    return label;
  }

  function show(now) {
    isShown = now;
    for (const input of toggles) input.checked = now;
    document.body.classList.toggle("plain", !now);
  }

  return { unpacked, painted, box, figure, key, toggle, flip: () => show(!isShown) };
})();
