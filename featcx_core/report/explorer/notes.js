"use strict";
// Names and notes of one's own: kept by this browser for this dictionary, written to and read from CSV files.
featcx.notes = (() => {
  const { element } = featcx;
  const HEAD = ["study", "epoch", "dictionary", "concept", "name", "note"];
  const NOTHING = { name: "", note: "" };
  let kept = new Map(); // concept -> {name, note}
  let changed = () => {};
  const key = () => `featcx/${featcx.name}/${featcx.made_from}`;

  function start(onChange) {
    changed = onChange;
    try {
      kept = new Map(JSON.parse(localStorage.getItem(key()) ?? "[]"));
    } catch { kept = new Map(); } // a browser that keeps nothing, or something that is no list
    document.getElementById("export").addEventListener("click", () => save(csv()));
    const chooser = document.getElementById("import");
    chooser.addEventListener("change", async () => {
      const [file] = chooser.files;
      if (file) say(read(await file.text()));
      chooser.value = "";
    });
    say();
  }

  const of = (concept) => kept.get(concept) ?? NOTHING;

  function set(concept, part) {
    const now = { ...of(concept), ...part };
    if (now.name || now.note) kept.set(concept, now); else kept.delete(concept);
    store();
  }

  function store() {
    let trouble = "";
    try { localStorage.setItem(key(), JSON.stringify([...kept])); } catch { trouble = "This browser keeps nothing: export before you leave."; }
    say(trouble);
    changed();
  }

  function say(text = "") {
    const noun = kept.size === 1 ? "concept has" : "concepts have";
    document.getElementById("kept").textContent = text || `${kept.size} ${noun} a name or a note.`;
  }

  const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : String(text));
  function csv() {
    const rows = [...kept].sort(([a], [b]) => a - b).map(([concept, { name, note }]) => [featcx.name, featcx.epoch, featcx.made_from, concept, name, note]);
    return [HEAD, ...rows].map((row) => row.map((cell) => quoted(String(cell))).join(",")).join("\r\n") + "\r\n";
  }

  function save(text) {
    const url = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    element("a", { href: url, download: `${featcx.name}_names.csv` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }

  function cells(text) { // rows of a CSV file
    const rows = [[""]];
    let isQuoted = false;
    for (let place = 0; place < text.length; place += 1) {
      const row = rows[rows.length - 1];
      const letter = text[place];
      if (isQuoted && letter === '"' && text[place + 1] === '"') { row[row.length - 1] += '"'; place += 1; }
      else if (letter === '"') isQuoted = !isQuoted;
      else if (letter === "," && !isQuoted) row.push("");
      else if (letter === "\n" && !isQuoted) rows.push([""]);
      else if (letter !== "\r" || isQuoted) row[row.length - 1] += letter;
    }
    return rows.filter((row) => row.some(Boolean));
  }

  // Take a file's rows over; returns what is said of them.
  function read(text) {
    const [head, ...rows] = cells(text.replace(/^\uFEFF/, ""));
    const place = Object.fromEntries(HEAD.map((name) => [name, head?.indexOf(name) ?? -1]));
    if (place.concept < 0 || place.name < 0) return `Wanted a file with the columns concept and name, got ${head?.join(", ") || "nothing"}.`;
    let [taken, others] = [0, 0];
    for (const row of rows) {
      const concept = Number(row[place.concept]);
      const isOther = place.dictionary >= 0 && row[place.dictionary] !== featcx.made_from;
      if (isOther || !Number.isInteger(concept) || concept < 0 || concept >= featcx.count) { others += 1; continue; }
      kept.set(concept, { name: row[place.name] ?? "", note: row[place.note] ?? "" });
      taken += 1;
    }
    store();
    return `${taken} taken over${others ? `; ${others} left out: they are of another dictionary` : ""}.`;
  }

  return { start, of, set, csv, read };
})();
