"use strict";
// The whole range of a concept: how many images have which code, and an image of each part.
featcx.range = (() => {
  const { element, number } = featcx;

  function drawn(bins) {
    const most = Math.max(1, ...bins.slice(1).map(([, count]) => count));
    return bins.map(([high, count, image, label], n) => {
      const tall = 100 * Math.sqrt(Math.min(1, count / most));
      const words = n ? `code up to ${number(high)}` : "code 0";
      const bar = element("span", { className: "tall" }, element("i", { className: n ? "" : "none", style: `height:${count ? Math.max(3, tall) : 0}%` }));
      const shown = image === null ? element("span", { className: "picture empty", style: `aspect-ratio:${featcx.aspect}` }) : example(image, label, words);
      return element("li", { "aria-label": `${words}: ${count} images` }, element("b", {}, count.toLocaleString("en")), bar, shown, element("small", {}, n ? String(Number(high.toPrecision(2))) : "0"));
    });
  }

  function example(image, label, words) {
    const inside = featcx.pictures.box(image, null, `An image of class ${featcx.class_names[label]}, ${words}`);
    return featcx.placeOfImage(image) < 0 ? inside : element("a", { href: featcx.imageAddress(image), className: "framed" }, inside);
  }

  return { drawn };
})();
