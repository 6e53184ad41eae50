// Words that are typical of a kind of items: many of its texts hold them, and few of the others do.

const WORDS = 3;

export function typicalWords(items, groups) {
  const held = new Map();
  const sizes = Array(groups).fill(0);
  for (const { item, text, group } of items) {
    sizes[group] += 1;
    const words = text === String(item) ? [] : text.toLowerCase().match(/\p{L}{4,}/gu);
    for (const word of new Set(words)) {
      if (!held.has(word)) held.set(word, Array(groups).fill(0));
      held.get(word)[group] += 1;
    }
  }
  return sizes.map((size, group) => {
    const worth = (counts) => {
      const others = counts.reduce((sum, one) => sum + one) - counts[group];
      return (counts[group] / size) * Math.log(((counts[group] + 0.3) / (size + 1)) * ((items.length - size + 2) / (others + 0.6)));
    };
    const known = [...held].filter(([, counts]) => counts[group] > Math.max(1, size / 9)).map(([word, counts]) => [worth(counts), word]);
    return known.filter(([value]) => value > 0).sort(([a], [b]) => b - a).slice(0, WORDS).map(([, word]) => word);
  });
}
