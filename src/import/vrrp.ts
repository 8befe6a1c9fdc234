/** `vrrp_instance`, `vrrp_sync_group` and `vrrp_script` blocks. Defaults are those of keepalived.conf(5) 2.2.7. */
import { heading, type Statement } from '../conf/keepalived.ts';
import { bits, parseAddress, parseCidr } from '../inventory/addresses.ts';
import type { Cidr } from '../inventory/model.ts';
import { type CheckContext, commandWords } from './checks.ts';
import type { Gaps } from './gaps.ts';
import type { ImportedInstance, ImportedScript, ImportedSyncGroup, Notify } from './imported.ts';
import { type Block, block, leftOver } from './take.ts';

/** What instances need from the rest of the configuration. */
export interface VrrpContext extends CheckContext {
  /** `vrrp_script` blocks by name. */
  scripts: ReadonlyMap<string, Statement>;
  /** `vrrp_version` of global_defs. */
  version?: 2 | 3;
}

export function importInstance(statement: Statement, context: VrrpContext): ImportedInstance {
  const { gaps } = context;
  const said = block(statement.body ?? []);
  const device = said.word('interface') ?? '';
  const name = statement.words[1]?.text ?? 'vrrp';
  const master = /^MASTER$/i.test(said.word('state') ?? '');
  const noPreempt = said.last('nopreempt');
  said.flag('preempt');
  if (noPreempt !== undefined && master) {
    gaps.add(
      noPreempt.place,
      `nopreempt counts for nothing in ${name}: it begins as MASTER`,
      'keepalived clears it; with lvsctl every node begins as BACKUP, and preempt: false would hold.',
    );
  }
  const version = said.number('version') ?? context.version;
  const source = said.word('unicast_src_ip', 'mcast_src_ip');
  const delay = said.number('preempt_delay');
  const password = passwordOf(said.last('authentication'), gaps);
  said.flag('check_unicast_src');
  // Read by the host: its table is synchronised as a whole.
  said.all('lvs_sync_daemon_interface', 'lvs_sync_daemon_inteface');
  const peers = (said.last('unicast_peer')?.body ?? []).flatMap((one) => {
    const peer = parseAddress(one.words[0]?.text ?? '');
    if (peer === undefined || one.words.length > 1) leftOver(one, 'unicast_peer', gaps);
    return peer === undefined ? [] : [peer.address];
  });
  const addresses = said
    .all('virtual_ipaddress', 'virtual_ipaddress_excluded')
    .flatMap(({ body }) => (body ?? []).flatMap((one) => floating(one, device, gaps)));
  const instance: ImportedInstance = {
    name,
    place: statement.place,
    device,
    virtualRouterId: said.number('virtual_router_id') ?? 0,
    priority: said.number('priority') ?? 100,
    advertInterval: said.number('advert_int') ?? 1,
    ...(version === 2 || version === 3 ? { version } : {}),
    preempt: noPreempt === undefined || master,
    ...(delay === undefined || delay === 0 ? {} : { preemptDelay: delay }),
    ...(source === undefined ? {} : { source }),
    peers,
    ...(password === undefined ? {} : { password }),
    addresses: unique(addresses),
    trackInterfaces: trackedInterfaces(said, gaps),
    trackScripts: trackedScripts(said, context),
    notify: notifyOf(said, context),
  };
  for (const one of said.rest()) leftOver(one, heading(statement), gaps);
  return instance;
}

export function importSyncGroup(statement: Statement, context: VrrpContext): ImportedSyncGroup {
  const said = block(statement.body ?? []);
  const members = said.last('group')?.body ?? [];
  if (said.all('track_interface').length > 0) {
    context.gaps.add(
      statement.place,
      'interfaces that a sync group watches are not in the inventory',
      'Watch them in one of its instances.',
    );
  }
  const group: ImportedSyncGroup = {
    name: statement.words[1]?.text ?? 'group',
    place: statement.place,
    instances: members.flatMap(({ words }) => words.map(({ text }) => text)),
    trackScripts: trackedScripts(said, context),
    notify: notifyOf(said, context),
  };
  for (const one of said.rest()) leftOver(one, heading(statement), context.gaps);
  return group;
}

function unique(addresses: readonly Cidr[]): Cidr[] {
  return addresses.filter((one, index) => index === addresses.findIndex(({ address }) => address === one.address));
}

/** `192.168.200.17/24 dev eth1 label eth1:0`. */
function floating(statement: Statement, device: string, gaps: Gaps): Cidr[] {
  const [text = '', ...options] = statement.words.map((word) => word.text);
  const plain = parseAddress(text);
  const cidr = plain === undefined ? parseCidr(text) : { ...plain, prefix: bits(plain.family) };
  if (cidr === undefined) {
    gaps.add(statement.place, `“${text}” is no address`, 'It is left out.');
    return [];
  }
  for (let at = 0; at < options.length; at += 1) {
    const [key = '', value = ''] = [options[at], options[at + 1]];
    if (key === 'dev') {
      at += 1;
      if (value === device) continue;
      gaps.add(
        statement.place,
        `${text} stands on ${value}, and the instance speaks on ${device}`,
        'lvsctl gives all addresses of an instance to its interface: make it an instance of its own.',
      );
    } else {
      const pair = /^(label|scope|brd|broadcast|peer)$/.test(key);
      if (pair) at += 1;
      if (key === 'scope' && value === 'global') continue;
      gaps.add(
        statement.place,
        `“${pair ? `${key} ${value}` : key}” of ${text} is not in the inventory`,
        'The address alone is.',
      );
    }
  }
  return [cidr];
}

function passwordOf(statement: Statement | undefined, gaps: Gaps): ImportedInstance['password'] {
  if (statement === undefined) return undefined;
  const said = block(statement.body ?? []);
  const type = said.word('auth_type') ?? 'PASS';
  const password = said.last('auth_pass');
  for (const one of said.rest()) leftOver(one, 'authentication', gaps);
  if (type !== 'PASS') {
    gaps.add(statement.place, `auth_type ${type} is not in the inventory`, 'lvsctl knows PASS, in version 2.');
    return undefined;
  }
  return password?.place;
}

function trackedInterfaces(said: Block, gaps: Gaps): string[] {
  return said.all('track_interface').flatMap(({ body }) =>
    (body ?? []).flatMap((one) => {
      const [device = '', ...options] = one.words.map(({ text }) => text);
      if (options.length === 0) return [device];
      gaps.add(
        one.place,
        `“${heading(one)}” of track_interface is not in the inventory`,
        'There the loss of a watched interface is a fault, without weight.',
      );
      return [];
    }),
  );
}

function trackedScripts(said: Block, context: VrrpContext): ImportedScript[] {
  return said.all('track_script').flatMap(({ body }) =>
    (body ?? []).flatMap((one) => {
      const [name = '', option, weight, ...more] = one.words.map(({ text }) => text);
      const described = context.scripts.get(name);
      if (described === undefined) {
        context.gaps.add(one.place, `there is no vrrp_script “${name}”`, 'It is left out.');
        return [];
      }
      if (option !== undefined && (option !== 'weight' || more.length > 0)) leftOver(one, 'track_script', context.gaps);
      const script = importScript(name, described, context);
      if (script === undefined) return [];
      return [option === 'weight' && weight !== undefined ? { ...script, weight: Number(weight) } : script];
    }),
  );
}

function importScript(name: string, statement: Statement, context: VrrpContext): ImportedScript | undefined {
  const said = block(statement.body ?? []);
  const line = said.last('script');
  const [path = '', ...words] = commandWords(line);
  const script: Omit<ImportedScript, 'script'> = { name };
  for (const key of ['interval', 'timeout', 'weight', 'rise', 'fall'] as const) {
    const value = said.number(key);
    if (value !== undefined && !(key === 'interval' && value === 1)) script[key] = value;
  }
  for (const one of said.rest()) leftOver(one, heading(statement), context.gaps);
  if (line === undefined) return undefined;
  if (words.length > 0) {
    context.gaps.add(line.place, `the script of ${name} has arguments`, 'Write a script without, and name it.');
    return undefined;
  }
  const found = context.scriptOf(path, line.place);
  return found === undefined ? undefined : { ...script, script: found };
}

const EVENTS = {
  master: 'notify_master',
  backup: 'notify_backup',
  fault: 'notify_fault',
  stop: 'notify_stop',
  any: 'notify',
};

function notifyOf(said: Block, context: VrrpContext): Notify {
  return Object.fromEntries(
    Object.entries(EVENTS).flatMap(([event, keyword]) => {
      const line = said.last(keyword);
      if (line === undefined) return [];
      const [path = '', ...words] = commandWords(line);
      if (words.length > 0) {
        context.gaps.add(line.place, `the script of ${keyword} has arguments`, 'Write a script without, and name it.');
        return [];
      }
      const script = context.scriptOf(path, line.place);
      return script === undefined ? [] : [[event, script]];
    }),
  );
}
