"use strict";
// What is known of the concepts. A page opened from disk may not fetch files, so data arrives as scripts:
// concepts.js calls featcx.study(…) once, details_0000.js calls featcx.take(…) when one of its concepts is opened.
const featcx = (() => {
  const files = new Map(); // number of a file of details -> promise of its rows
  const waiting = new Map(); // the same -> what to call with them

  function study(given) {
    Object.assign(featcx, given); // name, epoch, count, columns, charts, heat, palette, file_size, …
    featcx.column = new Map(given.columns.map((column) => [column.name, column]));
    for (const column of given.columns.filter((c) => c.names)) {
      const sorted = [...column.names.keys()].sort((a, b) => collator.compare(column.names[a], column.names[b]));
      column.rank = []; // place of each name in the alphabet
      sorted.forEach((name, place) => { column.rank[name] = place; });
    }
  }

  function details(concept) {
    const file = Math.floor(concept / featcx.file_size);
    if (!files.has(file)) {
      files.set(file, new Promise((resolve, reject) => {
        waiting.set(file, resolve);
        const script = document.createElement("script");
        script.src = `data/details_${String(file).padStart(4, "0")}.js`;
        script.onerror = () => { files.delete(file); reject(new Error(`cannot read ${script.src}`)); };
        document.head.append(script);
      }));
    }
    return files.get(file).then((rows) => rows[concept % featcx.file_size]);
  }

  const collator = new Intl.Collator("en", { numeric: true });
  const take = (file, rows) => waiting.get(file)(rows);
  const value = (name, concept) => featcx.column.get(name)?.values[concept] ?? null;
  const numeric = () => featcx.columns.filter((column) => !column.names);
  return { study, details, take, value, numeric };
})();
