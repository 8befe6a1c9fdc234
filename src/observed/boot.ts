/** Kernel parameters as files set them at boot. */
import { sysctlPath } from '../resources/sysctl.ts';
import type { BootSetting } from './observed.ts';

const FOLDERS = ['/etc/sysctl.d', '/run/sysctl.d', '/usr/local/lib/sysctl.d', '/usr/lib/sysctl.d'];

export interface BootFiles {
  /** Paths of all files, also of empty and masked ones: they hide those of the same name in later folders. */
  paths: readonly string[];
  /** `./PATH:LINE:TEXT`, as `grep -n` prints them. */
  lines: readonly string[];
  /** Whether systemd-sysctl(8) reads them: it leaves /etc/sysctl.conf alone, which `sysctl --system` reads last. */
  systemd: boolean;
}

/**
 * Assignments in the order in which they take effect: files of all folders by their base name, one of equal names hiding
 * the others (/etc before /run before /usr/local/lib before /usr/lib; sysctl.d(5)). `forgotten` is what stands in
 * /etc/sysctl.conf where nothing reads that: systemd does by a link alone (Debian's 99-sysctl.conf, which 13 has no
 * more). Pure.
 */
export function bootSettings({ paths, lines, systemd }: BootFiles): {
  boot: BootSetting[];
  forgotten: BootSetting[];
} {
  const chosen = new Map<string, string>();
  for (const folder of FOLDERS) {
    for (const path of paths.filter((one) => one.startsWith(`${folder}/`))) {
      const base = path.slice(folder.length + 1);
      if (!chosen.has(base)) chosen.set(base, path);
    }
  }
  const order = [...chosen].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, path]) => path);
  const settings = lines.flatMap(settingOf);
  const of = (path: string) => settings.filter((one) => one.path === path);
  const last = of('/etc/sysctl.conf');
  const read = order.flatMap(of);
  const linked = chosen.has('99-sysctl.conf');
  if (!systemd) return { boot: [...read, ...last], forgotten: [] };
  return { boot: read, forgotten: linked ? [] : last };
}

function settingOf(line: string): BootSetting[] {
  const [, path = '', number = '', text = ''] = /^\.(\/.*?):(\d+):(.*)$/.exec(line) ?? [];
  const match = /^\s*-?\s*([^#;=\s][^=]*?)\s*=\s*(.*?)\s*$/.exec(text);
  const excluded = /^\s*-\s*([^#;=\s]+)\s*$/.exec(text);
  if (excluded?.[1] !== undefined) return [{ name: sysctlPath(excluded[1]), value: '', path, line: Number(number) }];
  if (match?.[1] === undefined || match[2] === undefined) return [];
  return [{ name: sysctlPath(match[1]), value: oneLine(match[2]), path, line: Number(number) }];
}

export function oneLine(value: string): string {
  return value.trim().replace(/\s+/g, ' ');
}

/**
 * The setting that counts for a parameter: the last explicit one, else the last pattern's. A `-NAME` without a value
 * takes it out of the patterns, and says nothing itself (sysctl.d(5)). Pure.
 */
export function settingFor(boot: readonly BootSetting[], name: string): BootSetting | undefined {
  const own = boot.filter((one) => one.name === name);
  const explicit = own.findLast(({ value }) => value !== '');
  if (explicit !== undefined || own.length > 0) return explicit;
  return boot.findLast(({ name: pattern, value }) => pattern.includes('*') && value !== '' && fits(pattern, name));
}

function fits(pattern: string, name: string): boolean {
  const parts = pattern.split('*').map((part) => part.replace(/[\\^$.|?+()[\]{}]/g, '\\$&'));
  return new RegExp(`^${parts.join('[^/]*')}$`).test(name);
}
