import { sysctlPath } from '../resources/sysctl.ts';
import { type Desired, earliest, type Part, type Question } from './desired.ts';

/**
 * Read last of all folders' files, after Debian's 99-sysctl.conf (sysctl.d(5): by base name): `systemd-sysctl` lets
 * the last assignment win.
 */
export const SYSCTL_FILE = '/etc/sysctl.d/99-zz-lvsctl.conf';
/** Read by systemd-modules-load before systemd-sysctl starts, so that parameters of modules exist (modules-load.d(5)). */
export const MODULES_FILE = '/etc/modules-load.d/lvsctl.conf';

/** Two names of one parameter (Linux net/ipv4/devinet.c, devinet_sysctl). */
const FORWARD = 'net/ipv4/ip_forward';
const FORWARD_TOO = 'net/ipv4/conf/all/forwarding';

/** A parameter's path below /proc/sys, the same for all its names. Pure. */
export function parameterOf(name: string): string {
  const path = sysctlPath(name);
  return path === FORWARD_TOO ? FORWARD : path;
}

/** Kernel parameters of all roles: one file for the next boot, and each live. Of two wishes for one the first counts. */
export function sysctlResources(question: Question, part: Part): Desired[] {
  const byPath = new Map<string, Part['sysctls'][number]>();
  for (const setting of part.sysctls) {
    const path = parameterOf(setting.name);
    if (!byPath.has(path)) byPath.set(path, setting);
  }
  if (byPath.size === 0) return [];
  // Writing ip_forward resets other parameters (ip-sysctl.rst): it comes first, live and in the file.
  const settings = [...byPath]
    .sort(([a], [b]) => Number(b === FORWARD) - Number(a === FORWARD) || (a < b ? -1 : 1))
    .map(([, setting]) => setting);
  const content = question.template('sysctl/99-zz-lvsctl.conf', { settings });
  return [
    { stage: earliest(settings.map(({ stage }) => stage)), resource: textFile(SYSCTL_FILE, content) },
    ...settings.map(
      ({ stage, name, value }): Desired => ({ stage, resource: { kind: 'sysctl', name, value, file: SYSCTL_FILE } }),
    ),
  ];
}

/** Kernel modules of all roles: one file for the next boot, and each loaded now. */
export function moduleResources(question: Question, part: Part): Desired[] {
  if (part.modules.length === 0) return [];
  const modules = [...new Set(part.modules.map(({ name }) => name))];
  const content = question.template('modules-load/lvsctl.conf', { modules });
  return [
    { stage: earliest(part.modules.map(({ stage }) => stage)), resource: textFile(MODULES_FILE, content) },
    ...part.modules.map(({ stage, name }): Desired => ({ stage, resource: { kind: 'module', name } })),
  ];
}

/** A file of root's that everybody may read. */
export function textFile(
  path: string,
  content: string,
): Extract<Desired['resource'], { kind: 'file'; state: 'present' }> {
  return { kind: 'file', path, state: 'present', content, owner: 'root', group: 'root', mode: '0644' };
}
