// The same as `normalised` and `matches` in proofs_check/search.py, with the same rules (SEARCH).
function normalised(text) {
  text = text.normalize("NFKD").toLowerCase();
  for (const [symbol, written] of Object.entries(SEARCH.symbols)) text = text.replaceAll(symbol, written);
  return text
    .replace(new RegExp(SEARCH.marks, "gu"), "")
    .replace(new RegExp(SEARCH.operators, "gu"), " $& ")
    .replace(new RegExp(`(?<![a-z])(?:${SEARCH.names})(?![a-z])`, "gu"), " $& ")
    .replace(new RegExp(SEARCH.dropped, "gu"), "")
    .trim().replace(/\s+/gu, " ");
}

function matches(query, text) {
  const names = new Set(SEARCH.names.split("|"));
  return normalised(query).split(" ")
    .every((word) => (names.has(word) ? ` ${text} `.includes(` ${word} `) : text.includes(word)));
}
