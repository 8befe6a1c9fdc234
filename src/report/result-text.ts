import type { ApplyResult, HostResult } from '../apply/apply.ts';
import type { Plan } from '../plan/plan.ts';
import { type Paint, printable } from './paint.ts';

/** What an apply (or a destroy) brought about, a line a host, as read back from the hosts. */
export function resultText(result: ApplyResult, paint: Paint, purpose: Plan['purpose'] = 'apply'): string {
  const width = Math.max(0, ...result.hosts.map((host) => host.host.length));
  const lines = result.hosts.flatMap((host) => [
    `  ${host.host.padEnd(width)}  ${hostText(host, paint, purpose)}`,
    ...host.left.map((text) => `  ${' '.repeat(width)}  ${paint.faint(`left: ${printable(text)}`)}`),
  ]);
  const total = result.hosts.reduce((sum, host) => sum + host.done.length, 0);
  const head = result.interrupted
    ? paint.changed('Interrupted: this was done and this was not.')
    : result.hosts.every((host) => host.status === 'done')
      ? paint.added(`${WORDS[purpose].head}: ${total} change${total === 1 ? '' : 's'}, read back from the hosts.`)
      : paint.removed(WORDS[purpose].part);
  return ['', head, ...lines].join('\n');
}

const WORDS = {
  apply: { head: 'Applied', done: 'changed', part: 'Not all of the plan was applied.', record: 'not recorded in' },
  rollback: {
    head: 'Taken back',
    done: 'taken back',
    part: 'Not all of it was taken back.',
    record: 'not recorded in',
  },
  destroy: { head: 'Given back', done: 'given back', part: 'Not everything was given back.', record: 'still in' },
} as const;

function hostText(host: HostResult, paint: Paint, purpose: Plan['purpose']): string {
  const { done, record } = WORDS[purpose];
  switch (host.status) {
    case 'done':
      return paint.added(host.done.length === 0 ? 'as before' : `${host.done.length} ${done}`);
    case 'unchanged':
      return `nothing changed, ${host.missing.length} not done`;
    case 'partial':
      if (host.missing.length === 0) {
        return `${host.done.length} ${done}, ${paint.removed(`but ${record} lvsctl's manifest there`)}`;
      }
      return `${host.done.length} ${done}, ${paint.removed(`${host.missing.length} not done`)}: ${host.missing.join(', ')}`;
    case 'reverted':
      return paint.changed(`as before: its ${host.missing.length} changes were taken back`);
    case 'unknown':
      return paint.removed('lost: what was done is not known; lvsctl plan reads it');
  }
}
