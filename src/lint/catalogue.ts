import { COMMAND_CODES } from './codes-commands.ts';
import { HOST_CODES, SSH_CODES } from './codes-hosts.ts';
import { LAB_CODES } from './codes-lab.ts';
import { CONF_RULES } from './conf/index.ts';
import { RULES } from './index.ts';
import { LIVE_RULES } from './live/index.ts';
import { LOADING_FILE } from './loading-file.ts';
import { LOADING_HOSTS } from './loading-hosts.ts';
import { LOADING_SERVICES } from './loading-services.ts';
import type { Entry } from './rule.ts';
import { SILENCERS } from './silencer-rules.ts';

/** What is said of command lines, files, plans, hosts, the way to them and the lab: of anything but an inventory. */
export const OTHER_CODES: readonly Entry[] = [...COMMAND_CODES, ...HOST_CODES, ...SSH_CODES, ...LAB_CODES].sort(
  (a, b) => (a.code < b.code ? -1 : 1),
);

/** Everything that lvsctl says by a code: of an inventory (the rules, and the errors of loading one), of a keepalived.conf, of running hosts, and all else. */
export const CATALOGUE: readonly Entry[] = [
  ...RULES.map(({ check: _check, ...entry }) => entry),
  ...Object.values(SILENCERS),
  ...CONF_RULES.map(({ check: _check, ...entry }) => entry),
  ...LIVE_RULES.map(({ check: _check, ...entry }) => entry),
  ...[...LOADING_FILE, ...LOADING_HOSTS, ...LOADING_SERVICES].sort((a, b) => (a.code < b.code ? -1 : 1)),
  ...OTHER_CODES,
];

/** What is known of a code. */
export function entryOf(code: string): Entry | undefined {
  return CATALOGUE.find((entry) => entry.code === code);
}
