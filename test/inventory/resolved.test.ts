import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { loadClusters } from '../../src/inventory/index.ts';
import { type ResolvedValue, resolvedText, resolvedValues } from '../../src/inventory/resolved.ts';
import { folder } from './files.ts';

const inventories = new URL('../../inventories/', import.meta.url).pathname;

const FLEET = {
  'lvs.yaml': `version: 1
name: shop
include: [hosts.yaml]
defaults: { host: { dns: [10.0.0.53], ssh: { user: root } }, service: { scheduler: rr } }
groups: { web: { hosts: ["web[1-2]"], ssh: { jump: bastion }, vars: { note: "a: [b" } } }
vrrp:
  edge:
    nodes: { a: {}, b: { priority: 90 } }
    auth_pass: { env: LVS_RESOLVED_PASS }
    instances: { inside: { virtual_router_id: 52, interface: e, addresses: [10.0.0.1/24] } }
vips: { shop: { addresses: [10.0.0.100], vrrp: edge.inside } }
services:
  web: { mode: nat, vip: shop, port: 80, real_servers: { web: { weight: 2 }, web2: { port: 8080 } } }
`,
  'hosts.yaml': `hosts:
  a: { interfaces: { e: { addresses: [10.0.0.2/24] } } }
  b: { interfaces: { e: { addresses: [10.0.0.3/24] } } }
  web1: { interfaces: { e: { addresses: [10.0.0.4/24] } } }
  web2: { interfaces: { e: { addresses: [10.0.0.5/24] } }, ssh: { user: me } }
`,
};

function resolved(path: string) {
  const [loaded] = loadClusters([path]);
  if (loaded === undefined) throw new Error('no cluster');
  const values = resolvedValues(loaded.cluster, loaded.document);
  return { values, text: resolvedText(values, loaded.document) };
}

describe('lvsctl validate --resolved', () => {
  const fleet = () => resolved(join(folder(FLEET), 'lvs.yaml'));

  test.each<[string, ResolvedValue['value'], string]>([
    ['hosts.web1.ssh.user', 'root', 'defaults, lvs.yaml:4'],
    ['hosts.web2.ssh.user', 'me', 'said, hosts.yaml:5'],
    ['hosts.web1.ssh.jump', 'bastion', 'group web, lvs.yaml:5'],
    ['hosts.web1.ssh.address', '10.0.0.4', 'the first interface’s first address'],
    ['hosts.web1.interfaces.e.dns', ['10.0.0.53'], 'defaults, lvs.yaml:4'],
    ['hosts.web1.interfaces.e.segment', '10.0.0.0/24', 'the subnet it shares'],
    ['hosts.web1.interfaces.e.gateway', ['10.0.0.1'], 'the director’s address: replies of web must pass it (nat)'],
    ['hosts.a.manage', 'all', 'built in'],
    ['vrrp.edge.nodes.a.priority', 100, 'built in'],
    ['vrrp.edge.nodes.b.priority', 90, 'said, lvs.yaml:8'],
    ['vrrp.edge.auth_pass', 'env LVS_RESOLVED_PASS', 'said, lvs.yaml:9'],
    ['vrrp.edge.instances.inside.vips', ['10.0.0.100/32'], 'the VIPs that name it'],
    ['services.web.directors', ['a', 'b'], 'the nodes of edge'],
    ['services.web.scheduler', 'rr', 'defaults, lvs.yaml:4'],
    ['services.web.protocol', 'tcp', 'built in'],
    ['services.web.real_servers.web1.weight', 2, 'group web, lvs.yaml:13'],
    ['services.web.real_servers.web2.port', 8080, 'said, lvs.yaml:13'],
  ])('%s', (path, value, from) => {
    const row = fleet().values.find((each) => each.path.join('.') === path);
    expect(row?.value).toEqual(value);
    const place = row?.file === undefined ? '' : `, ${basename(row.file)}:${row.line}`;
    expect(`${row?.from}${place}`).toBe(from);
  });

  test('holds no secret', () => {
    process.env.LVS_RESOLVED_PASS = 'hush-9';
    const { values, text } = fleet();
    expect(`${JSON.stringify(values)}${text}`).not.toContain('hush-9');
  });

  test('has a comment on each value or above it', () => {
    const { text } = fleet();
    expect(text).toContain('\n    scheduler: rr                         # defaults, lvs.yaml:4\n');
    expect(text).toContain(
      '\n        # the director’s address: replies of web must pass it (nat)\n        gateway: [10.0.0.1]\n',
    );
  });

  const files = readdirSync(inventories).filter((name) => name.endsWith('.yaml'));
  test.each([...files.map((name) => join(inventories, name)), ''])('%s: as YAML it says the same', (file) => {
    const { values, text } = file === '' ? fleet() : resolved(file);
    const read: unknown = parse(text);
    for (const { path, value } of values) {
      expect(
        path.reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], read),
        path.join('.'),
      ).toEqual(value);
    }
    expect(text.split('\n').filter((line) => line.length > 80 && line.includes('#'))).toEqual([]);
  });
});
