// The list of claims: filters (kept in the address), tiles, links to one claim, printing.
(() => {
  const byName = new Map([...document.querySelectorAll("[id]")].map((item) => [item.id.toLowerCase(), item]));
  const form = document.querySelector(".filters");
  const claims = [...document.querySelectorAll(".claim")].map((item) => ({ item, details: item.querySelector("details") }));
  const tiles = [...document.querySelectorAll("button.tile")];
  const visible = () => claims.filter((c) => !c.item.hidden);

  // A malformed address ("#%") names nothing.
  function linked() {
    try {
      return byName.get(decodeURIComponent(location.hash.slice(1)).toLowerCase());
    } catch {
      return undefined;
    }
  }

  function openLinked() {
    const target = linked();
    if (!target) return;
    if (target.matches(".claim > details")) {
      if (target.parentElement.hidden) { form.reset(); apply(); }
      target.open = true;
      target.querySelector("summary").focus({ preventScroll: true });
    }
    target.scrollIntoView();
  }

  addEventListener("hashchange", openLinked);
  // A link that is clicked again changes no address, but opens its claim again.
  addEventListener("click", (event) => {
    const link = event.target.closest?.('a[href^="#"]');
    if (link && link.hash === location.hash && !(event.ctrlKey || event.metaKey || event.shiftKey)) openLinked();
  });

  if (!form) return openLinked();
  const field = form.elements;
  const filters = [field.text, ...form.querySelectorAll("select, input[type=checkbox]")];

  function apply() {
    const query = field.text.value;
    for (const { item } of claims) {
      item.hidden = !(matches(query, item.dataset.text) && filters.every((f) => f.type === "search"
        || (f.type === "checkbox" ? !f.checked || f.name in item.dataset : !f.value || item.dataset[f.name] === f.value)));
    }
    const shown = visible().length;
    form.querySelector("output").value = `${shown} of ${claims.length} shown`;
    document.querySelector(".none").hidden = shown > 0;
    for (const tile of tiles) tile.setAttribute("aria-pressed", String(tile.dataset.outcome === field.outcome.value));
    label();
    remember();
  }

  // The button always says what it will do to the claims that are shown.
  function label() {
    field.open.textContent = visible().every((c) => c.details.open) ? "Close all" : "Open all";
  }

  function remember() {
    const address = new URLSearchParams(location.search);
    for (const f of filters) {
      const value = f.type === "checkbox" ? (f.checked ? "1" : "") : f.value.trim();
      if (value) address.set(f.name, value); else address.delete(f.name);
    }
    const query = String(address) && `?${address}`;
    if (query === location.search) return;
    try {
      history.replaceState(null, "", location.pathname + query + location.hash);
    } catch {
      // Some browsers refuse many changes within seconds: the filters work, the address waits for the next one.
    }
  }

  function recall() {
    const address = new URLSearchParams(location.search);
    for (const f of filters) {
      const value = address.get(f.name) ?? "";
      if (f.type === "checkbox") f.checked = value !== "";
      else if (f.type === "search" || [...f.options].some((option) => option.value === value)) f.value = value;
    }
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
    tile.disabled = false;
    tile.addEventListener("click", () => {
      field.outcome.value = field.outcome.value === tile.dataset.outcome ? "" : tile.dataset.outcome;
      apply();
      if (field.outcome.value) document.getElementById("claims").scrollIntoView();
    });
  }

  // On paper nothing can be opened: print every shown claim open, or for the table alone closed; then put it back.
  const page = document.documentElement;
  let before = [];
  addEventListener("beforeprint", () => {
    if (before.length) return; // asked twice before it is done
    before = visible().map(({ details }) => [details, details.open]);
    for (const [details] of before) details.open = page.dataset.print !== "table";
  });
  addEventListener("afterprint", () => {
    for (const [details, open] of before) details.open = open;
    before = [];
    delete page.dataset.print;
  });
  for (const button of form.querySelectorAll(".print")) {
    button.addEventListener("click", () => { page.dataset.print = button.value; print(); });
  }

  recall();
  apply();
  openLinked();
})();
