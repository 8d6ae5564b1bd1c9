"use strict";
// The concepts that the filters leave, in their order, and the one that the keys have come to. Gallery and table show it.
featcx.list = (() => {
  let shown = [];
  let places = new Map(); // concept -> its place
  let cursor = 0;
  const watching = { show: [], move: [] };
  const tell = (what) => watching[what].forEach((call) => call());

  function show(concepts) {
    shown = concepts;
    places = new Map(concepts.map((concept, place) => [concept, place]));
    cursor = 0;
    tell("show");
    tell("move");
  }

  function move(step) {
    cursor = Math.max(0, Math.min(shown.length - 1, cursor + step));
    tell("move");
  }

  const place = (concept) => places.get(concept) ?? -1;
  function goTo(concept) { // stays where it is when the filters leave the concept out
    const there = place(concept);
    if (there >= 0) move(there - cursor);
  }

  const on = (what, call) => watching[what].push(call);
  return { show, move, goTo, place, on, concepts: () => shown, current: () => shown[cursor], cursor: () => cursor };
})();
