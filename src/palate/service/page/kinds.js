// Words that are typical of a kind of items: many of its texts hold them, and few of the others do.

const WORDS = 3;
const distinct = (text) => new Set(text.toLowerCase().match(/\p{L}{4,}/gu) ?? []);

export function typicalWords(items, groups) {
  const all = new Map();
  const sizes = Array(groups).fill(0);
  for (const one of items) {
    sizes[one.group] += 1;
    for (const word of distinct(one.text === String(one.item) ? "" : one.text)) {
      if (!all.has(word)) all.set(word, Array(groups).fill(0));
      all.get(word)[one.group] += 1;
    }
  }
  return sizes.map((size, kind) => {
    const score = (held) => {
      const others = held.reduce((sum, one) => sum + one, 0) - held[kind];
      return (held[kind] / size) * Math.log((held[kind] + 0.3) / (size + 1) / ((others + 0.6) / (items.length - size + 2)));
    };
    const known = [...all].filter(([, held]) => held[kind] > 1).map(([word, held]) => [word, score(held)]);
    return known.filter(([, value]) => value > 0).sort((a, b) => b[1] - a[1]).slice(0, WORDS).map(([word]) => word);
  });
}
