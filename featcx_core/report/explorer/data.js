"use strict";
// What is known of the concepts. A page opened from disk may not fetch files, so data arrives as scripts:
// concepts.js calls featcx.study(…) once; each file in data/ calls featcx.take(…) when it is asked for.
const featcx = (() => {
  const files = new Map(); // name of a file -> promise of its content
  const waiting = new Map(); // the same -> what to call with it

  function study(given) {
    Object.assign(featcx, given); // name, epoch, count, columns, order, images, heat, palette, …
    featcx.column = new Map(given.columns.map((column) => [column.name, column]));
    featcx.placeOf = new Int32Array(given.count); // of each concept in the gallery's files
    given.order.forEach((concept, place) => { featcx.placeOf[concept] = place; });
    for (const column of given.columns.filter((c) => c.names)) {
      const sorted = [...column.names.keys()].sort((a, b) => collator.compare(column.names[a], column.names[b]));
      column.rank = []; // place of each name in the alphabet
      sorted.forEach((name, place) => { column.rank[name] = place; });
    }
  }

  function file(name) {
    if (!files.has(name)) {
      files.set(name, new Promise((resolve, reject) => {
        waiting.set(name, resolve);
        const script = document.createElement("script");
        script.src = `data/${name}.js`;
        script.onerror = () => { files.delete(name); reject(new Error(`cannot read ${script.src}`)); };
        document.head.append(script);
      }));
    }
    return files.get(name);
  }

  const numbered = (kind, place, size) => file(`${kind}_${String(Math.floor(place / size)).padStart(4, "0")}`).then((rows) => rows[place % size]);
  const details = (concept) => numbered("details", concept, featcx.file_size);
  const card = (concept) => numbered("gallery", featcx.placeOf[concept], featcx.gallery_size);

  function placeOfImage(image) { // among those that have a page; -1 without one
    let [low, high] = [0, featcx.images.length - 1];
    while (low <= high) {
      const middle = (low + high) >> 1;
      if (featcx.images[middle] === image) return middle;
      if (featcx.images[middle] < image) low = middle + 1; else high = middle - 1;
    }
    return -1;
  }
  const imageDetails = (image) => numbered("images", placeOfImage(image), featcx.file_size);

  function bytes(text) {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  }
  const floats = (text) => new Float32Array(bytes(text).buffer);
  const wholes = (text) => new Uint32Array(bytes(text).buffer);

  const collator = new Intl.Collator("en", { numeric: true });
  const take = (name, content) => waiting.get(name)(content);
  const value = (name, concept) => featcx.column.get(name)?.values[concept] ?? null;
  const numeric = () => featcx.columns.filter((column) => !column.names);
  return { study, file, details, card, imageDetails, placeOfImage, bytes, floats, wholes, take, value, numeric };
})();
