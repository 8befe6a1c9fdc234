import type { ApplyResult, HostResult } from '../apply/apply.ts';
import type { Paint } from './paint.ts';

/** What an apply brought about, a line a host, as read back from the hosts. */
export function resultText(result: ApplyResult, paint: Paint): string {
  const width = Math.max(0, ...result.hosts.map((host) => host.host.length));
  const lines = result.hosts.map((host) => `  ${host.host.padEnd(width)}  ${hostText(host, paint)}`);
  const total = result.hosts.reduce((sum, host) => sum + host.done.length, 0);
  const head = result.interrupted
    ? paint.changed('Interrupted: this was done and this was not.')
    : result.hosts.every((host) => host.status === 'done')
      ? paint.added(`Applied: ${total} change${total === 1 ? '' : 's'}, read back from the hosts.`)
      : paint.removed('Not all of the plan was applied.');
  return ['', head, ...lines].join('\n');
}

function hostText(host: HostResult, paint: Paint): string {
  switch (host.status) {
    case 'done':
      return paint.added(`${host.done.length} changed`);
    case 'unchanged':
      return `nothing changed, ${host.missing.length} not done`;
    case 'partial':
      if (host.missing.length === 0) {
        return `${host.done.length} changed, ${paint.removed(`but not recorded in lvsctl's manifest there`)}`;
      }
      return `${host.done.length} changed, ${paint.removed(`${host.missing.length} not done`)}: ${host.missing.join(', ')}`;
    case 'unknown':
      return paint.removed('lost: what was done is not known; lvsctl plan reads it');
  }
}
