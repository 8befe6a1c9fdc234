/** The tables, as Markdown that reads well as plain text too. */

/** Targets, as multiples of the floor; peak memory in MiB. */
const TARGETS = { wall: { 1: 1.7, 10: 1.4, 50: 1.25, 500: 1.25 }, cpu: { 50: 2, 500: 1.6 }, peak: { 500: 200 } };

const seconds = (value) => (value === undefined ? '–' : value < 10 ? `${value.toFixed(3)} s` : `${value.toFixed(1)} s`);
const times = (value, of, target) =>
  value === undefined ? '–' : `${(value / of).toFixed(2)}${target === undefined ? '' : ` (${target})`}`;

/** @param {string[][]} rows the first is the head */
export function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const line = (row) => `| ${row.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`;
  return [
    line(rows[0]),
    `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`,
    ...rows.slice(1).map(line),
  ].join('\n');
}

/** One group of rows: all contestants at each number of hosts. `results` is `{ hosts, name, wall, cpu, peak }[]`. */
export function timesTable(results, targets) {
  const rows = [['hosts', 'program', 'wall', 'floor = 1', 'CPU', 'floor = 1', 'peak memory']];
  for (const { hosts, name, wall, cpu, peak } of results) {
    const floor = results.find((one) => one.hosts === hosts && one.name === 'floor');
    const target = (what) => (targets && name === 'lvsctl' ? TARGETS[what][hosts] : undefined);
    rows.push([
      String(hosts),
      name,
      seconds(wall),
      times(wall, floor.wall, target('wall')),
      seconds(cpu),
      times(cpu, floor.cpu, target('cpu')),
      peak === undefined ? '–' : `${peak.toFixed(0)} MiB${target('peak') === undefined ? '' : ` (${target('peak')})`}`,
    ]);
  }
  return table(rows);
}

/** `report` as `run.mjs` gathers it. */
export function text(report) {
  const parts = [];
  const { direct, delayed, trips, startups, roundTrip } = report;
  if (direct.length > 0) parts.push(timesTable(direct, true), 'In brackets: what is to be reached.');
  if (delayed.length > 0) parts.push(`With ${roundTrip} ms of round-trip time on the way:`, timesTable(delayed, false));
  if (trips.length > 0) {
    const rows = [
      ['one host', 'round trips', 'bytes'],
      ...trips.map((one) => [one.name, one.trips, one.bytes].map(String)),
    ];
    parts.push(table(rows));
  }
  if (startups.length > 0) {
    const rows = [
      ['50 hosts behind one sshd, default MaxStartups', 'read, each run'],
      ...startups.map((one) => [one.name, one.read.join(', ')]),
    ];
    parts.push(table(rows));
  }
  return parts.join('\n\n');
}
