/** What every host of the benchmark holds, and what each contestant is asked to check: 10 files, 6 sysctls, 3 services. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Liquid } from 'liquidjs';

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');

/** In the order in which they must be written: ip_forward resets others. */
export const SYSCTLS = {
  'net.ipv4.ip_forward': '1',
  'net.core.somaxconn': '4096',
  'net.ipv4.conf.all.arp_announce': '2',
  'net.ipv4.conf.all.arp_ignore': '1',
  'net.ipv4.conf.all.send_redirects': '0',
  'net.ipv4.tcp_fin_timeout': '30',
};

export const UNITS = ['nginx.service', 'chrony.service', 'keepalived.service'];

/** Nine files that the inventory names, of 0.3 to 3 KiB. */
export const FILES = Object.fromEntries(
  Array.from({ length: 9 }, (_, index) => [
    `/etc/bench/part-${index}.conf`,
    Array.from({ length: 10 * (index + 1) }, (_, line) => `option_${index}_${line} = value number ${line}\n`).join(''),
  ]),
);

/** The tenth file: where lvsctl keeps the sysctls for the next boot, rendered from its own template. */
const SYSCTL_FILE = '/etc/sysctl.d/99-zz-lvsctl.conf';

/** All ten, by path. */
export async function allFiles() {
  const template = readFileSync(join(ROOT, 'templates/sysctl/99-zz-lvsctl.conf'), 'utf8');
  const settings = Object.entries(SYSCTLS).map(([name, value]) => ({ name, value }));
  return { ...FILES, [SYSCTL_FILE]: await new Liquid().parseAndRender(template, { settings }) };
}

export const sysctlPath = (name) => `/proc/sys/${name.replaceAll('.', '/')}`;

export const sha256 = (text) => createHash('sha256').update(text).digest('hex');
