import type { HostRun, PastChange, RunEnd } from '../plan/history.ts';
import { type Paint, printable } from './paint.ts';
import { changeText } from './plan-text.ts';

/** A run with how it ended on each of its hosts. */
export interface RunRow extends HostRun {
  hosts: { host: string; end: RunEnd; changes: number }[];
}

const WIDTH = 80;

/** Runs as a table, newest first, no wider than a terminal of 80 columns. */
export function historyText(runs: readonly RunRow[], paint: Paint): string {
  if (runs.length === 0) return 'No host tells of a run.';
  const head = ['run', 'when (UTC)', 'what', 'commit', 'changes', 'result', 'who'];
  const undone = takenBack(runs);
  const rows = runs.map((run) => {
    const total = run.hosts.reduce((sum, { changes }) => sum + changes, 0);
    return [
      run.id.slice(0, 8),
      whenText(run.when).slice(0, 16),
      run.purpose,
      commitText(run),
      `${total} on ${run.hosts.length}`,
      resultOf(run, undone.get(run.id)),
      printable(run.who),
    ];
  });
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const last = widths.slice(0, -1).reduce((sum, width) => sum + width + 2, 0);
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) =>
        column < row.length - 1 ? cell.padEnd(widths[column] ?? 0) : shortened(cell, WIDTH - last),
      )
      .join('  ')
      .trimEnd();
  return [paint.faint(line(head)), ...rows.map(line)].join('\n');
}

/** By run the hosts on which rollbacks took it back that stand themselves; the newest run comes first. */
function takenBack(runs: readonly RunRow[]): Map<string, Set<string>> {
  const undone = new Map<string, Set<string>>();
  for (const { id, of, hosts } of runs) {
    if (of === undefined) continue;
    const standing = hosts.filter(({ host, end }) => stands(end) && undone.get(id)?.has(host) !== true);
    undone.set(of, new Set([...(undone.get(of) ?? []), ...standing.map(({ host }) => host)]));
  }
  return undone;
}

function stands({ state }: RunEnd): boolean {
  return state === 'confirmed' || state === 'done';
}

function shortened(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}

function whenText(when: string): string {
  return printable(when)
    .replace('T', ' ')
    .replace(/(\.\d+)?Z$/, '');
}

function commitText({ commit }: Pick<HostRun, 'commit'>): string {
  return commit === undefined ? '-' : `${printable(commit.id).slice(0, 7)}${commit.dirty ? '+' : ''}`;
}

function resultOf({ hosts }: RunRow, undone: ReadonlySet<string> = new Set()): string {
  const standing = hosts.filter(({ end, changes }) => stands(end) && changes > 0);
  const left = standing.filter(({ host }) => !undone.has(host));
  if (left.length < standing.length) return left.length === 0 ? 'taken back' : 'partly taken back';
  const states = new Set(hosts.map(({ end }) => end.state));
  const [first = ''] = states;
  return states.size === 1 ? first : 'mixed';
}

/** What a run changed, host by host, with what was there before as far as that is kept. */
export function runText(
  run: Omit<HostRun, 'end' | 'changes'>,
  hosts: readonly { host: string; run: HostRun; changes: readonly PastChange[] }[],
  paint: Paint,
): string {
  const { commit } = run;
  const dirty = commit?.dirty ? ', with changes that were not committed' : '';
  const head = [
    `${paint.strong(`Run ${run.id}`)}`,
    `${run.purpose} of ${printable(run.cluster)} by ${printable(run.who)} at ${whenText(run.when)} UTC`,
    ...(commit === undefined ? [] : [`inventory: commit ${printable(commit.id)}${dirty}`]),
    ...(run.of === undefined ? [] : [`takes back run ${printable(run.of)}`]),
  ];
  const blocks = hosts.map(({ host, run: { end }, changes }) =>
    [`${paint.strong(host)}  ${endText(end, paint)}`, ...changes.map((change) => changeText(change, paint))].join('\n'),
  );
  return [head.join('\n'), ...blocks].join('\n\n');
}

function endText(end: RunEnd, paint: Paint): string {
  switch (end.state) {
    case 'confirmed':
      return paint.added('confirmed');
    case 'done':
      return paint.added('done, with nothing that the host could have taken back');
    case 'open':
      return paint.changed('not ended, or nobody told its end');
    case 'reverted':
      return paint.changed(`taken back: ${printable(end.reason)}`);
    case 'failed':
      return paint.removed(`failed: ${printable(end.reason)}`);
  }
}
