/** A whole keepalived.conf as what one host has. */
import { heading, type KeepalivedConf, type Statement } from '../conf/keepalived.ts';
import type { CheckContext } from './checks.ts';
import type { Gaps } from './gaps.ts';
import { emptyHost, type ImportedHost } from './imported.ts';
import { importVirtualServer } from './services.ts';
import { block, leftOver } from './take.ts';
import { importInstance, importSyncGroup, type VrrpContext } from './vrrp.ts';

/** The host's name as the file itself tells it (`router_id`). */
export function routerId({ statements }: KeepalivedConf): string | undefined {
  const globals = statements.filter((one) => one.words[0]?.text === 'global_defs').flatMap(({ body }) => body ?? []);
  return block(globals).word('router_id');
}

/** @param scriptOf as in `CheckContext` */
export function importKeepalived(
  name: string,
  conf: KeepalivedConf,
  scriptOf: CheckContext['scriptOf'],
  gaps: Gaps,
): ImportedHost {
  gaps.problems.push(...conf.problems);
  const said = block(conf.statements);
  const host = emptyHost(name);
  const version = globals(said.all('global_defs'), host, gaps);
  const context: VrrpContext = {
    bfds: byName(said.all('bfd_instance')),
    scripts: byName(said.all('vrrp_script')),
    scriptOf,
    gaps,
    ...(version === undefined ? {} : { version }),
  };
  for (const one of said.all('bfd_instance')) {
    const session = block(one.body ?? []);
    session.all('neighbor_ip', 'source_ip', 'min_rx', 'min_tx', 'multiplier', 'checker');
    for (const left of session.rest()) leftOver(left, heading(one), gaps);
  }
  const groups = byName(said.all('virtual_server_group'));
  host.instances = said.all('vrrp_instance').map((one) => {
    const instance = importInstance(one, context);
    oldSync(one, host);
    return instance;
  });
  host.syncGroups = said.all('vrrp_sync_group').map((one) => {
    const group = importSyncGroup(one, context);
    for (const member of group.instances.filter((each) => !host.instances.some(({ name: known }) => known === each)))
      gaps.add(
        one.place,
        `the sync group ${group.name} names “${member}”, and there is no such instance`,
        'It is left out.',
      );
    return group;
  });
  host.services = said.all('virtual_server').flatMap((one) => importVirtualServer(one, groups, context));
  const asked = new Set(said.all('virtual_server').map(({ words }) => words[1]?.text === 'group' && words[2]?.text));
  for (const [group, statement] of groups) {
    if (!asked.has(group)) gaps.add(statement.place, `no virtual_server uses the group ${group}`, 'It is left out.');
  }
  const watched = new Set(
    conf.statements.flatMap(({ body }) =>
      (body ?? []).filter(({ words }) => words[0]?.text === 'track_script').flatMap((one) => one.body ?? []),
    ),
  );
  for (const [script, statement] of context.scripts) {
    if (![...watched].some(({ words }) => words[0]?.text === script))
      gaps.add(statement.place, `nothing watches the script ${script}`, 'It is left out.');
  }
  for (const one of said.rest()) leftOver(one, 'the file', gaps);
  return host;
}

function byName(statements: readonly Statement[]): Map<string, Statement> {
  return new Map(statements.map((one) => [one.words[1]?.text ?? '', one]));
}

/** What lvsctl writes by itself in these words, and so needs no place. */
const SAME: Readonly<Record<string, string | undefined>> = {
  enable_script_security: undefined,
  reload_check_config: undefined,
  script_user: 'root',
  vrrp_garp_master_refresh: '10',
};

/** What the global definitions say to the host; gives `vrrp_version`. */
function globals(statements: readonly Statement[], host: ImportedHost, gaps: Gaps): 2 | 3 | undefined {
  const said = block(statements.flatMap(({ body }) => body ?? []));
  said.all('router_id');
  const sync = said.last('lvs_sync_daemon');
  if (sync !== undefined) {
    const [, device = '', ...words] = sync.words.map(({ text }) => text);
    const after = (key: string): string | undefined =>
      words.includes(key) ? words[words.indexOf(key) + 1] : undefined;
    const [id, port, group] = [after('id'), after('port'), after('group')];
    host.sync = {
      interface: device,
      ...(id === undefined ? {} : { id: Number(id) }),
      ...(port === undefined || port === '8848' ? {} : { port: Number(port) }),
      ...(group === undefined || group === '224.0.0.81' ? {} : { group }),
    };
    for (const key of ['maxlen', 'ttl']) {
      if (words.includes(key))
        gaps.add(sync.place, `“${key}” of lvs_sync_daemon is not in the inventory`, 'The kernel’s own is used.');
    }
  }
  const timeouts = said.last('lvs_timeouts')?.words.map(({ text }) => text) ?? [];
  for (const [key, word] of [
    ['tcp', 'tcp'],
    ['tcp_fin', 'tcpfin'],
    ['udp', 'udp'],
  ] as const) {
    const at = timeouts.indexOf(word);
    if (at > 0) host.timeouts = { ...host.timeouts, [key]: Number(timeouts[at + 1]) };
  }
  const version = said.number('vrrp_version');
  for (const one of said.rest()) {
    const [keyword, value] = one.words.map(({ text }) => text);
    if (keyword !== undefined && keyword in SAME && (SAME[keyword] ?? value) === value) continue;
    leftOver(one, 'global_defs', gaps);
  }
  return version === 2 || version === 3 ? version : undefined;
}

/** The synchronisation as versions before 2 said it, in an instance. */
function oldSync(statement: Statement, host: ImportedHost): void {
  const device = block(statement.body ?? []).word('lvs_sync_daemon_interface', 'lvs_sync_daemon_inteface');
  if (device !== undefined) host.sync ??= { interface: device };
}
