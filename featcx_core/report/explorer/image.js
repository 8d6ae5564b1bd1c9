"use strict";
// The page of one image: its prediction, and the concepts that bring it about.
featcx.image = (() => {
  const { element, number, signed, section, button } = featcx;
  let page, parts;
  let current = null;

  function start() {
    page = document.getElementById("image");
    parts = { title: element("h2", { tabIndex: -1 }), picture: element("div", { className: "large" }), facts: element("dl", { className: "facts" }), sum: element("p"), rows: element("ul", { className: "logits of-concepts" }), note: element("p", { className: "note" }) };
    const step = (by, label, keys) => button(label, () => next(by), { "aria-keyshortcuts": keys });
    page.append(
      element("nav", { className: "line", ariaLabel: "Images" }, element("a", { href: "#", className: "back" }, "← All concepts"), step(-1, "Previous", "k ArrowLeft"), step(1, "Next", "j ArrowRight")),
      parts.title, element("div", { className: "of-image" }, parts.picture, parts.facts),
      section("Which concepts bring the prediction", parts.sum, parts.rows, parts.note),
    );
  }

  async function open(image) {
    if (!page) start();
    current = image;
    parts.title.textContent = `Image ${image}`;
    document.title = `${featcx.name}: image ${image}`;
    const [label, file, predicted, isRight, active, logit, byConcepts, byRest, bias, concepts] = await featcx.imageDetails(image);
    if (current !== image) return;
    const [name, output] = [featcx.class_names[label], featcx.output_names[predicted]];
    parts.title.textContent = `Image ${image} · class ${name}`;
    parts.picture.replaceChildren(featcx.pictures.box(image, null, `Image ${image}, class ${name}`));
    const mark = isRight === null ? "" : isRight ? " (right)" : " (wrong)";
    const facts = [["class", name], ["predicted", `${output}${mark}`], ...(file ? [["file", file]] : []), ["active concepts", String(active)]];
    parts.facts.replaceChildren(...facts.flatMap(([term, text]) => [element("dt", {}, term), element("dd", {}, text)]));
    parts.sum.textContent = `Logit of ${output}: ${number(logit)} = ${number(byConcepts)} by the concepts ${part(byRest)} by what they leave ${part(bias)} bias.`;
    const most = Math.max(1e-30, ...concepts.map(([, , value]) => Math.abs(value)));
    parts.rows.replaceChildren(...concepts.map((row) => drawn(row, most)));
    const few = concepts.length < active ? `The ${concepts.length} of its ${active} active concepts that add or take most.` : "All its active concepts.";
    parts.note.textContent = `${few} A contribution is the concept's code times what a code of 1 adds to the logit. Table image_concepts.`;
  }

  const part = (value) => (value < 0 ? `− ${number(-value)}` : `+ ${number(value)}`);

  function drawn([concept, code, value], most) {
    const name = element("a", { href: featcx.address(concept) }, featcx.thumbnail(concept), element("span", {}, element("strong", {}, String(concept)), ` ${featcx.called(concept)}`, element("small", {}, `code ${number(code)}`)));
    const bar = element("span", { className: "bar" }, element("i", { className: value < 0 ? "takes" : "", style: `width:${(100 * Math.abs(value)) / most}%` }));
    return element("li", {}, name, bar, element("b", {}, signed(value)));
  }

  function next(step) {
    const place = featcx.placeOfImage(current) + step;
    const other = featcx.images[Math.max(0, Math.min(featcx.images.length - 1, place))];
    if (other !== current) location.replace(featcx.imageAddress(other));
  }

  return { open, next, focus: () => parts.title.focus({ preventScroll: true }) };
})();
