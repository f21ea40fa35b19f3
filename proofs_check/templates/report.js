"use strict";
(() => {
  const form = document.querySelector(".filters");
  if (!form) return;
  const field = form.elements;
  const claims = [...document.querySelectorAll(".claim")].map((item) => ({
    item, details: item.querySelector("details"), text: item.textContent.toLowerCase(),
  }));
  const tiles = [...document.querySelectorAll("a.tile")];
  const visible = () => claims.filter((c) => !c.item.hidden);

  function apply() {
    const words = field.text.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const { item, text } of claims) {
      item.hidden = !(words.every((word) => text.includes(word))
        && (!field.paper.value || item.dataset.paper === field.paper.value)
        && (!field.outcome.value || item.dataset.outcome === field.outcome.value)
        && (!field.surprises.checked || "surprise" in item.dataset));
    }
    const shown = visible().length;
    form.querySelector("output").value = `${shown} of ${claims.length} shown`;
    document.querySelector(".none").hidden = shown > 0;
    for (const tile of tiles) tile.setAttribute("aria-pressed", String(tile.dataset.outcome === field.outcome.value));
    label();
  }

  // The button always says what it will do to the claims that are shown.
  function label() {
    field.open.textContent = visible().every((c) => c.details.open) ? "Close all" : "Open all";
  }

  function openLinked() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target || !target.matches(".claim > details")) return;
    if (target.parentElement.hidden) { form.reset(); apply(); }
    target.open = true;
    target.scrollIntoView();
  }

  form.hidden = false;
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(apply));
  field.open.addEventListener("click", () => {
    const open = !visible().every((c) => c.details.open);
    for (const { details } of visible()) details.open = open;
  });
  for (const { details } of claims) details.addEventListener("toggle", label);
  for (const tile of tiles) {
    tile.setAttribute("role", "button");
    tile.addEventListener("click", () => {
      field.outcome.value = field.outcome.value === tile.dataset.outcome ? "" : tile.dataset.outcome;
      apply();
    });
  }
  // On paper nothing can be opened: print every shown claim open, then put the page back.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = visible().filter((c) => !c.details.open);
    for (const { details } of closed) details.open = true;
  });
  addEventListener("afterprint", () => { for (const { details } of closed) details.open = false; });
  addEventListener("hashchange", openLinked);
  apply();
  openLinked();
})();
