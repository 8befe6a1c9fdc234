import { failure } from '../errors/index.ts';
import { historyText, runText } from '../report/history-text.ts';
import { aim, type HostOptions } from './context.ts';
import { EXIT, type Output } from './output.ts';
import { checkRunId, chooseRun, headOf, readHistory, readRun } from './runs.ts';

/** `lvsctl history [HOST]`: what was done on hosts, newest first. */
export async function historyCommand(
  host: string | undefined,
  options: HostOptions,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  if (host !== undefined && options.limit !== undefined) {
    throw failure({
      code: 'CLI-USAGE',
      place: { kind: 'none' },
      what: 'both HOST and --limit say which hosts are meant',
      next: 'Say one of them.',
    });
  }
  const limited = host === undefined ? options : { ...options, limit: [host] };
  const target = await aim(limited, output);
  try {
    const { found, problems } = await readHistory(target, limited, output, signal);
    const runs = found.map((run) => ({ ...headOf(run), hosts: hostsOf(run.hosts) }));
    output.emit('history', { runs: runs.map(({ end: _end, changes: _changes, part: _part, ...run }) => run) });
    if (runs.length > 0 || problems.length === 0) output.print(historyText(runs, output.paint));
    output.problems(problems);
    return problems.length > 0 ? EXIT.error : EXIT.done;
  } finally {
    await target.transport.close();
  }
}

function hostsOf<T extends { end: unknown; changes: number }>(hosts: ReadonlyMap<string, T>) {
  return [...hosts].map(
    ([host, { end, changes }]) => ({ host, end, changes }) as Pick<T, 'end' | 'changes'> & { host: string },
  );
}

/** `lvsctl show ID`: what a run changed, host by host. */
export async function showCommand(
  id: string,
  options: HostOptions,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  checkRunId(id);
  const target = await aim(options, output);
  try {
    const history = await readHistory(target, options, output, signal);
    const run = chooseRun(id, history);
    const limited = { ...options, limit: [...run.hosts.keys()] };
    const { found, problems } = await readRun(target, limited, output, { id: run.id, signal });
    const hosts = [...run.hosts].map(([host, head]) => ({ host, ...(found.get(host) ?? { run: head, changes: [] }) }));
    const { end: _end, changes: _changes, part: _part, ...head } = headOf(run);
    output.emit('run', { ...head, hosts: hosts.map(({ host, run: { end }, changes }) => ({ host, end, changes })) });
    output.print(runText(head, hosts, output.paint));
    const all = [...history.problems, ...problems];
    output.problems(all);
    return all.length > 0 ? EXIT.error : EXIT.done;
  } finally {
    await target.transport.close();
  }
}
