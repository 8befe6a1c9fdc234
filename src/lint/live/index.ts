import type { KeepalivedConf } from '../../conf/keepalived.ts';
import type { Problem, Severity } from '../../errors/index.ts';
import type { Observed } from '../../observed/observed.ts';
import { lintConf } from '../conf/index.ts';
import { told } from '../told.ts';
import { LIVE_BOOT } from './boot.ts';
import { LIVE_DIRECTORS } from './directors.ts';
import { LIVE_DRIFT } from './drift.ts';
import { LIVE_REAL_SERVERS } from './real-servers.ts';
import type { LiveRule } from './rule.ts';
import { LIVE_UNREAD } from './unread.ts';
import { routers, type View, viewOf } from './view.ts';
import { LIVE_VRRP } from './vrrp.ts';

/** Every rule about hosts as they are. */
export const LIVE_RULES: readonly LiveRule[] = [
  ...[...LIVE_BOOT, ...LIVE_DRIFT, ...LIVE_VRRP, ...LIVE_REAL_SERVERS, ...LIVE_DIRECTORS, ...LIVE_UNREAD].sort(
    (a, b) => (a.code < b.code ? -1 : 1),
  ),
];

/**
 * What is wrong or fragile on hosts that were read together, by the rules about hosts and those about keepalived.conf.
 * Hosts with a virtual router in common are nodes of one cluster: their files are held against each other. Host by host,
 * in their order. Pure.
 */
export function lintLive(seen: readonly Observed[]): (Problem & { severity: Severity })[] {
  const views = seen.map(viewOf);
  const live = told(LIVE_RULES, views);
  const found = [...live, ...clusters(views).flatMap(lintConf)];
  const order = ({ place }: Problem): number =>
    seen.findIndex(({ name }) =>
      place.kind === 'host' ? place.host === name : place.kind === 'file' && place.file.startsWith(`${name}:`),
    );
  return found.toSorted((a, b) => order(a) - order(b));
}

/** The configurations, those of nodes that share a virtual router together. */
function clusters(views: readonly View[]): KeepalivedConf[][] {
  const groups: View[][] = views.map((view) => [view]);
  for (const members of routers(views)) {
    const [first, ...others] = members.map(({ view }) => groups.find((group) => group.includes(view)));
    for (const other of others) {
      if (first === undefined || other === undefined || other === first) continue;
      first.push(...other);
      groups.splice(groups.indexOf(other), 1);
    }
  }
  return groups.map((group) => group.flatMap(({ conf }) => conf ?? [])).filter((confs) => confs.length > 0);
}
