import type { KeepalivedConf } from '../../conf/keepalived.ts';
import type { Problem, Severity } from '../../errors/index.ts';
import { told } from '../told.ts';
import { CONF_PAIR } from './pair.ts';
import type { ConfRule } from './rule.ts';
import { CONF_SERVICES } from './services.ts';
import { CONF_VRRP } from './vrrp.ts';

/** Every rule about keepalived.conf. */
export const CONF_RULES: readonly ConfRule[] = [...CONF_SERVICES, ...CONF_VRRP, ...CONF_PAIR];

/**
 * What is wrong or fragile in keepalived.conf files; several are the nodes of one cluster. With what could not be read.
 * In the order of the files and their lines. Pure.
 */
export function lintConf(confs: readonly KeepalivedConf[]): (Problem & { severity: Severity })[] {
  const order = new Map(confs.flatMap(({ files }) => files).map((file, index) => [file, index]));
  const found = told(CONF_RULES, confs);
  const syntax = confs.flatMap(({ problems }) => problems.map((one) => ({ ...one, severity: 'error' as const })));
  const at = ({ place }: Problem): number[] =>
    place.kind === 'file' ? [order.get(place.file) ?? 0, place.line ?? 0, place.column ?? 0] : [0, 0, 0];
  return [...syntax, ...found].sort((a, b) => {
    const [x, y] = [at(a), at(b)];
    return (x[0] ?? 0) - (y[0] ?? 0) || (x[1] ?? 0) - (y[1] ?? 0) || (x[2] ?? 0) - (y[2] ?? 0);
  });
}
