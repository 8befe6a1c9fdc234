import type { Observed } from '../../observed/observed.ts';
import { isRunning, keepsTable, nameOf, type Row, rowsOf, servedBy, serviceText, type View, viewOf } from './view.ts';
import { standingsOf } from './vrrp.ts';

/** What a host is, in short. */
export interface Summary {
  host: string;
  /** Distribution and kernel. */
  system: string;
  /** E.g. `director of 2 services, by keepalived`; none where it is nothing of the kind. */
  roles: string[];
}

/** What each of the hosts is. Pure. */
export function summaries(seen: readonly Observed[]): Summary[] {
  const views = seen.map(viewOf);
  const rows = rowsOf(views);
  return views.map((view) => {
    const { facts, name } = view.seen;
    const system = [`${facts.osId} ${facts.osVersion}`.trim(), `kernel ${facts.kernel}`].join(', ');
    return { host: name, system, roles: [...directing(view), ...standingsOf(view), ...serving(view, rows)] };
  });
}

function directing(view: View): string[] {
  const keys = [...(view.table?.keys() ?? [])];
  if (keys.length === 0) {
    const { length } = view.configured.services;
    return length > 0 && !isRunning(view) ? [`director of ${counted(length)} that keepalived doesn’t make`] : [];
  }
  const by = keepsTable(view) && isRunning(view) ? ', by keepalived' : '';
  const shown = keys.length > 3 ? counted(keys.length) : keys.map(serviceText).join(', ');
  return [`director of ${shown}${by}`];
}

function serving(view: View, rows: readonly Row[]): string[] {
  const asked = servedBy(view, rows).map(({ key }) => nameOf(key).vip ?? serviceText(key));
  const silent = view.seen.links.get('lo')?.addresses ?? [];
  const own = silent
    .map(({ address }) => address)
    .filter((address) => !address.startsWith('127.') && address !== '::1');
  const vips = [...new Set([...asked, ...own])];
  return vips.length === 0 ? [] : [`real server of ${vips.join(', ')}`];
}

function counted(n: number): string {
  return `${n} service${n === 1 ? '' : 's'}`;
}
