"use strict";
// The training images that were learned last, or never.
featcx.memorised = (() => {
  const { number } = featcx;
  let isFilled = false;

  async function open() {
    if (isFilled) return;
    isFilled = true;
    const rows = await featcx.file("memorised");
    document.querySelector("[data-view=memorised] .pictures").replaceChildren(...rows.map(drawn));
  }

  function drawn([image, label, before, loss, epoch, forgotten, file]) {
    const [given, was] = [label, before].map((place) => featcx.class_names[place]);
    const learned = epoch === null ? "wrong at the last checkpoint" : `stays right from ${featcx.moment} ${epoch}`;
    const texts = [label === before ? `given label ${given}` : `given label ${given}, was ${was}`, `loss ${number(loss)} in all`, learned];
    if (forgotten) texts.push(`forgotten ${forgotten === 1 ? "once" : `${forgotten} times`}`);
    if (file) texts.push(file);
    return featcx.pictures.figure(image, label, texts);
  }

  return { open };
})();
