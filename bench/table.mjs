/** The results as text. */

const number = (value, digits) => (value === undefined || Number.isNaN(value) ? '–' : value.toFixed(digits));

/**
 * Rows of one contestant each, with ratios to the floor's row of the same title.
 * @param {{ title: string, hosts: number, results: { name: string, wall: number, cpu: number, memory: number }[] }[]} sections
 */
export function resultRows(sections) {
  const head = ['hosts', 'who', 'wall s', '÷ floor', 'CPU s', '÷ floor', 'peak MB', '÷ floor'];
  const rows = sections.flatMap(({ title, results }) => {
    const floor = results[0];
    return results.map((result) => [
      title,
      result.name,
      number(result.wall, 3),
      number(result.wall / floor.wall, 2),
      number(result.cpu, 3),
      number(result.cpu / floor.cpu, 2),
      number(result.memory, 0),
      number(result.memory / floor.memory, 2),
    ]);
  });
  return [head, ...rows];
}

/** A table for a terminal. */
export function plainTable(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows
    .map((row) =>
      row.map((cell, column) => (column < 2 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]))).join('  '),
    )
    .join('\n');
}

/** The same for README.md. */
export function markdownTable(rows) {
  const [head, ...rest] = rows.map((row) => `| ${row.join(' | ')} |`);
  const line = `|${rows[0].map((_, column) => (column < 2 ? ' --- |' : ' ---: |')).join('')}`;
  return [head, line, ...rest].join('\n');
}
