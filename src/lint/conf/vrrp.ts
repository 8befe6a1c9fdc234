import { heading, type KeepalivedConf, type Statement } from '../../conf/keepalived.ts';
import { parseAddress } from '../../inventory/addresses.ts';
import { instance, real, service } from './examples.ts';
import { type ConfRule, globally, last, top, value, within } from './rule.ts';
import { twins } from './services.ts';

const MAN = 'keepalived.conf(5)';
const SEEN = 'keepalived 2.2.7, keepalived -t';

function* instances(confs: readonly KeepalivedConf[]): Iterable<{ conf: KeepalivedConf; one: Statement }> {
  for (const conf of confs) for (const one of top(conf, 'vrrp_instance')) yield { conf, one };
}

const isMaster = (one: Statement): boolean => /^MASTER$/i.test(value(last(one, 'state')) ?? '');

/** Addresses in the adverts, without prefix and options. */
export function advertised(one: Statement): string[] {
  return within(one, 'virtual_ipaddress').flatMap(({ body }) => (body ?? []).map(addressOf));
}

function addressOf(statement: Statement): string {
  const [text = ''] = (statement.words[0]?.text ?? '').split('/');
  return parseAddress(text)?.address ?? text;
}

/** VRRP's version that an instance speaks. */
export function versionOf(conf: KeepalivedConf, one: Statement): number {
  const said = value(last(one, 'version')) ?? value(globally(conf, 'vrrp_version'));
  const six = advertised(one).length > 0 && advertised(one).every((each) => each.includes(':'));
  return six ? 3 : Number(said ?? 2);
}

export function passwordOf(one: Statement): Statement | undefined {
  return last(last(one, 'authentication'), 'auth_pass');
}

/** Passwords from manuals and guides, and those that are no secret by their form. */
function isGuessable(password: string): boolean {
  return (
    /^(.)\1*$/.test(password) ||
    /^(1234|12345678?|0123|abcd|pass|password|secret|keepalived|k@l!ve|changeme|admin|root|test|lvs|vrrp)\d*$/i.test(
      password,
    ) ||
    password.length < 4
  );
}

/** VRRP instances of one file. */
export const CONF_VRRP: readonly ConfRule[] = [
  {
    code: 'LVS-CONF-101',
    severity: 'error',
    title: 'an instance without a number of its own',
    why: 'The virtual router’s number, 1 to 255, is how nodes know each other’s adverts. Without one keepalived leaves the instance out.',
    remedy: 'Write virtual_router_id, the same on all nodes.',
    source: `${MAN}, virtual_router_id; RFC 5798, section 5.2.3`,
    bad: instance({ id: 'virtual_router_id 256' }),
    good: instance({}),
    *check(confs) {
      for (const { one } of instances(confs)) {
        const id = last(one, 'virtual_router_id');
        const number = Number(value(id));
        if (Number.isInteger(number) && number >= 1 && number <= 255) continue;
        yield { place: (id ?? one).place, what: `${heading(one)} has no virtual_router_id from 1 to 255` };
      }
    },
  },
  {
    code: 'LVS-CONF-102',
    severity: 'error',
    title: 'one number for two virtual routers on a wire',
    why: 'Two instances with one number on one interface send adverts that each takes for its own peer’s: both give way, or fight.',
    remedy: 'Give one of them another virtual_router_id.',
    source: 'RFC 5798, section 5.2.3',
    bad: `${instance({})}${instance({ name: 'mail', addresses: '192.0.2.101' })}`,
    good: `${instance({})}${instance({ name: 'mail', id: 'virtual_router_id 52', addresses: '192.0.2.101' })}`,
    *check(confs) {
      for (const conf of confs) {
        const six = (one: Statement) => (advertised(one).some((each) => each.includes(':')) ? 6 : 4);
        const own = top(conf, 'vrrp_instance').filter((one) => last(one, 'virtual_router_id') !== undefined);
        for (const found of twins(own, (one) =>
          [value(last(one, 'virtual_router_id')), value(last(one, 'interface')), six(one)].join(' '),
        )) {
          const one = own.find((each) => each.place === found.place);
          yield {
            ...found,
            what: `virtual_router_id ${value(last(one, 'virtual_router_id'))} is another instance’s on this interface too`,
          };
        }
      }
    },
  },
  {
    code: 'LVS-CONF-103',
    severity: 'error',
    title: 'nopreempt of a node that begins as master',
    why: 'A node with state MASTER takes the addresses when it starts, whoever has them: keepalived clears nopreempt, and a delay of preemption with it. After a repair the node takes over again, with a second outage.',
    remedy: 'Write state BACKUP on all nodes; the priority decides who is master.',
    source: `${MAN}, nopreempt`,
    bad: instance({ state: 'state MASTER', more: 'nopreempt' }),
    good: instance({ more: 'nopreempt' }),
    *check(confs) {
      for (const { one } of instances(confs)) {
        for (const said of isMaster(one) ? within(one, 'nopreempt', 'preempt_delay') : [])
          yield { place: said.place, what: `${value(said, 0)} counts for nothing with state MASTER` };
      }
    },
  },
  {
    code: 'LVS-CONF-104',
    severity: 'error',
    title: 'a password that is cut',
    why: 'VRRP’s field has eight characters. keepalived cuts what is longer: another node, or another program, with all of it never agrees.',
    remedy: 'Use at most eight characters.',
    source: `${SEEN}: “Truncating auth_pass to 8 characters”; RFC 2338, section 5.3.10`,
    bad: instance({ more: 'authentication {\n    auth_type PASS\n    auth_pass Tr0ub4dor&3\n}' }),
    good: instance({ more: 'authentication {\n    auth_type PASS\n    auth_pass vTq7dK2z\n}' }),
    *check(confs) {
      for (const { one } of instances(confs)) {
        const password = passwordOf(one);
        if (password !== undefined && (value(password) ?? '').length > 8)
          yield { place: password.place, what: 'the password is longer than eight characters' };
      }
    },
  },
  {
    code: 'LVS-CONF-105',
    severity: 'warning',
    title: 'a password that anybody guesses',
    why: 'It stands in every guide. Whoever is on the wire can send an advert with priority 255 and takes the addresses.',
    remedy: 'Use another one, made by chance; and unicast, or a firewall that lets adverts in from the peers alone.',
    source: 'RFC 2338, section 10.2',
    bad: instance({ more: 'authentication {\n    auth_type PASS\n    auth_pass 1111\n}' }),
    good: instance({ more: 'authentication {\n    auth_type PASS\n    auth_pass vTq7dK2z\n}' }),
    *check(confs) {
      for (const { one } of instances(confs)) {
        const password = passwordOf(one);
        if (password !== undefined && isGuessable(value(password) ?? ''))
          yield { place: password.place, what: 'the password is one of those that are tried first' };
      }
    },
  },
  {
    code: 'LVS-CONF-106',
    severity: 'warning',
    title: 'a password that version 3 doesn’t know',
    why: 'VRRP version 3 has no authentication: the password counts for nothing.',
    remedy: 'Leave it out, or use version 2.',
    source: 'RFC 5798, section 9',
    bad: instance({ more: 'version 3\nauthentication {\n    auth_type PASS\n    auth_pass vTq7dK2z\n}' }),
    good: instance({ more: 'version 3' }),
    *check(confs) {
      for (const { conf, one } of instances(confs)) {
        const said = last(one, 'authentication');
        if (said !== undefined && versionOf(conf, one) === 3)
          yield { place: said.place, what: `${heading(one)} speaks version 3, which has no authentication` };
      }
    },
  },
  {
    code: 'LVS-CONF-107',
    severity: 'error',
    title: 'an interval that version 2 can’t say',
    why: 'Version 2 counts adverts in whole seconds: keepalived rounds, and a peer that doesn’t refuses the adverts.',
    remedy: 'Use whole seconds, or version 3.',
    source: `${MAN}, advert_int; RFC 3768, section 5.3.7`,
    bad: instance({ more: 'advert_int 1.5' }),
    good: instance({ more: 'version 3\nadvert_int 1.5' }),
    *check(confs) {
      for (const { conf, one } of instances(confs)) {
        const said = last(one, 'advert_int');
        if (said === undefined || versionOf(conf, one) === 3 || Number.isInteger(Number(value(said)))) continue;
        yield { place: said.place, what: `advert_int ${value(said)} in version 2` };
      }
    },
  },
  {
    code: 'LVS-CONF-108',
    severity: 'warning',
    title: 'adverts so often that a reload is a takeover',
    why: 'A backup takes over when it has heard nothing for three intervals. While keepalived reads a new configuration it sends nothing.',
    remedy: 'Use 1 s or more.',
    source: `${MAN}, advert_int; acassen/keepalived issue 754`,
    bad: instance({ more: 'version 3\nadvert_int 0.2' }),
    good: instance({ more: 'version 3\nadvert_int 1' }),
    *check(confs) {
      for (const { one } of instances(confs)) {
        const said = last(one, 'advert_int');
        if (said !== undefined && Number(value(said)) < 1)
          yield { place: said.place, what: `advert_int ${value(said)}: a reload may look like the master’s end` };
      }
    },
  },
  {
    code: 'LVS-CONF-109',
    severity: 'error',
    title: 'vrrp_strict with a VIP that is to be reached',
    why: 'Strict mode keeps to the letter of the RFC: the addresses are the router’s alone, and keepalived drops all packets to them that don’t come from its owner. It allows no unicast peers and no password either.',
    remedy: 'Leave vrrp_strict out.',
    source: `${MAN}, vrrp_strict`,
    bad: `global_defs {\n    vrrp_strict\n}\n${instance({})}`,
    good: instance({}),
    *check(confs) {
      for (const conf of confs) {
        const said = globally(conf, 'vrrp_strict');
        if (said !== undefined && top(conf, 'vrrp_instance').length > 0)
          yield { place: said.place, what: 'vrrp_strict drops what is sent to the VIPs' };
      }
    },
  },
  {
    code: 'LVS-CONF-110',
    severity: 'warning',
    title: 'priority 255 with nopreempt',
    why: '255 says that the addresses are the node’s own: it takes them whenever it runs, whatever nopreempt says.',
    remedy: 'Use at most 254.',
    source: 'RFC 5798, section 6.4.1',
    bad: instance({ priority: 'priority 255', more: 'nopreempt' }),
    good: instance({ priority: 'priority 254', more: 'nopreempt' }),
    *check(confs) {
      for (const { one } of instances(confs)) {
        const said = last(one, 'priority');
        if (said !== undefined && value(said) === '255' && last(one, 'nopreempt') !== undefined)
          yield { place: said.place, what: 'priority 255 takes over in spite of nopreempt' };
      }
    },
  },
  {
    code: 'LVS-CONF-111',
    severity: 'warning',
    title: 'scripts without enable_script_security',
    why: 'keepalived runs scripts as root. Without the word it runs those too that somebody else can write, and so anything.',
    remedy:
      'Add enable_script_security to global_defs, and see that root alone can write the scripts and their folders.',
    source: `${MAN}, enable_script_security`,
    bad: `vrrp_script alive {\n    script "/usr/local/bin/alive"\n}\n`,
    good: `global_defs {\n    enable_script_security\n}\nvrrp_script alive {\n    script "/usr/local/bin/alive"\n}\n`,
    *check(confs) {
      for (const conf of confs) {
        const [script] = scriptsOf(conf);
        if (script !== undefined && globally(conf, 'enable_script_security') === undefined)
          yield { place: script.place, what: 'a script runs, and enable_script_security isn’t set' };
      }
    },
  },
  {
    code: 'LVS-CONF-112',
    severity: 'error',
    title: 'a name that nothing here has',
    why: 'keepalived leaves a script, an instance or a group out that it doesn’t know, and goes on without it.',
    remedy: 'Correct the name, or describe what it names.',
    source: MAN,
    bad: instance({ more: 'track_script {\n    alife\n}' }),
    good: `global_defs {\n    enable_script_security\n}\nvrrp_script alive {\n    script "/usr/local/bin/alive"\n}\n${instance({ more: 'track_script {\n    alive\n}' })}`,
    *check(confs) {
      for (const conf of confs) {
        const named = (keyword: string) => new Set(top(conf, keyword).map((one) => value(one)));
        const tracking = [...top(conf, 'vrrp_instance'), ...top(conf, 'vrrp_sync_group')];
        const uses = [
          ...tracking
            .flatMap((one) => within(one, 'track_script').flatMap(({ body }) => body ?? []))
            .map((one) => ({ one, kind: 'vrrp_script' })),
          ...top(conf, 'vrrp_sync_group')
            .flatMap((one) => within(one, 'group').flatMap(({ body }) => body ?? []))
            .map((one) => ({ one, kind: 'vrrp_instance' })),
        ];
        for (const { one, kind } of uses) {
          if (!named(kind).has(value(one, 0)))
            yield { place: one.place, what: `there is no ${kind} “${value(one, 0) ?? ''}”` };
        }
        for (const one of top(conf, 'virtual_server').filter((each) => value(each) === 'group')) {
          if (!named('virtual_server_group').has(value(one, 2)))
            yield { place: one.place, what: `there is no virtual_server_group “${value(one, 2) ?? ''}”` };
        }
      }
    },
  },
  {
    code: 'LVS-CONF-113',
    severity: 'error',
    title: 'one address on two instances',
    why: 'Each instance decides by itself where its addresses are: one of them can put the address on one node and the other on the other.',
    remedy: 'Leave it in one of them.',
    source: MAN,
    bad: `${instance({})}${instance({ name: 'mail', id: 'virtual_router_id 52' })}`,
    good: `${instance({})}${instance({ name: 'mail', id: 'virtual_router_id 52', addresses: '192.0.2.101' })}`,
    *check(confs) {
      for (const conf of confs) {
        const all = top(conf, 'vrrp_instance').flatMap((one) =>
          within(one, 'virtual_ipaddress', 'virtual_ipaddress_excluded').flatMap(({ body }) => body ?? []),
        );
        for (const found of twins(all, addressOf))
          yield {
            ...found,
            what: found.what.replace(/ stands here a second time$/, ' is a floating address a second time'),
          };
      }
    },
  },
  {
    code: 'LVS-CONF-114',
    severity: 'warning',
    title: 'NAT whose two sides may part',
    why: 'The replies of real servers pass the inside address, requests the outside one. Instances that are in no sync group can be master on different nodes: then requests and replies go through different directors, and nothing works.',
    remedy: 'Put the instances into one vrrp_sync_group.',
    source: `${MAN}, vrrp_sync_group`,
    bad: `${instance({})}${instance({ name: 'inside', device: 'interface eth1', id: 'virtual_router_id 52', addresses: '10.0.0.1' })}${service({ method: 'lvs_method NAT', real: real('10.0.0.11 80') })}`,
    good: `vrrp_sync_group both {\n    group {\n        shop\n        inside\n    }\n}\n${instance({})}${instance({ name: 'inside', device: 'interface eth1', id: 'virtual_router_id 52', addresses: '10.0.0.1' })}${service({ method: 'lvs_method NAT', real: real('10.0.0.11 80') })}`,
    *check(confs) {
      for (const conf of confs) {
        const own = top(conf, 'vrrp_instance');
        const devices = new Set(own.map((one) => value(last(one, 'interface'))));
        const nat = top(conf, 'virtual_server').some(
          (one) => (value(last(one, 'lvs_method', 'lb_kind')) ?? 'NAT').toUpperCase() === 'NAT',
        );
        const [first] = own;
        if (first === undefined || devices.size < 2 || !nat || top(conf, 'vrrp_sync_group').length > 0) continue;
        yield { place: first.place, what: 'instances on several interfaces, a NAT service, and no vrrp_sync_group' };
      }
    },
  },
  {
    code: 'LVS-CONF-115',
    severity: 'error',
    title: 'an instance that carries nothing',
    why: 'An instance without virtual_ipaddress elects a master, and no address moves.',
    remedy: 'Add virtual_ipaddress.',
    source: `${MAN}, virtual_ipaddress`,
    bad: `vrrp_instance shop {\n    state BACKUP\n    interface eth0\n    virtual_router_id 51\n}\n`,
    good: instance({}),
    *check(confs) {
      for (const { one } of instances(confs)) {
        if (advertised(one).length === 0) yield { place: one.place, what: `${heading(one)} has no virtual_ipaddress` };
      }
    },
  },
];

/** Every statement that makes keepalived run something. */
function scriptsOf(conf: KeepalivedConf): Statement[] {
  const found: Statement[] = [];
  const walk = (statements: readonly Statement[]): void => {
    for (const one of statements) {
      if (/^(script|notify(_\w+)?|quorum_(up|down)|misc_path)$/.test(value(one, 0) ?? '') && one.body === undefined)
        found.push(one);
      walk(one.body ?? []);
    }
  };
  walk(conf.statements);
  return found;
}
