import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { loadCluster } from '../../src/inventory/index.ts';
import type { Facts } from '../../src/platform/facts.ts';
import { type Desired, desire } from '../../src/roles/index.ts';
import { facts, LO_PROFILE, RUNTIME_PROFILE, WIRED_PROFILE } from './facts.ts';

// What lvsctl wants of every host, as readable files. After a change that is meant: UPDATE_GOLDEN=1 npx vitest run
// test/inventories, and read the difference.

const here = dirname(fileURLToPath(import.meta.url));
const UPDATE = process.env.UPDATE_GOLDEN === '1';

const ROCKY = facts({ platform: 'rhel', osId: 'rocky', osVersion: '9.6', networkManager: '1.52.0' });
const EULER = facts({ platform: 'rhel', osId: 'openEuler', osVersion: '24.03', networkManager: '1.44.2' });

/** What hosts tell of themselves; those that aren't named are plain Debian hosts. */
const CASES: { inventory: string; hosts?: Record<string, Facts> }[] = [
  {
    inventory: 'dr-wrr',
    hosts: {
      route: facts(),
      director: facts({ profiles: [LO_PROFILE, WIRED_PROFILE] }),
      rs1: facts({ profiles: [LO_PROFILE, RUNTIME_PROFILE] }),
      rs2: ROCKY,
    },
  },
  { inventory: 'nat-two-nic', hosts: { lvs: ROCKY, web1: ROCKY } },
  {
    inventory: 'nat-openeuler',
    hosts: { 'lvs-server': EULER, 'lvs-real01': EULER, 'lvs-real02': EULER, 'lvs-real03': EULER },
  },
  { inventory: 'nat-one-arm' },
  { inventory: 'dr-one-subnet' },
  { inventory: 'tun', hosts: { rs2: ROCKY } },
  { inventory: 'fullnat' },
  { inventory: 'dr-keepalived', hosts: { lvs2: ROCKY, web2: ROCKY, app2: ROCKY } },
  { inventory: 'nat-keepalived', hosts: { lvs2: EULER } },
  { inventory: 'dual-stack', hosts: { rs2: ROCKY } },
  { inventory: 'fwmark-multiport', hosts: { rs2: ROCKY } },
  { inventory: 'schedulers', hosts: { director: ROCKY } },
  { inventory: 'minimal-nat' },
  { inventory: 'minimal-dr' },
  { inventory: 'minimal-tun' },
  { inventory: 'minimal-fullnat' },
];

describe.each(CASES)('$inventory', ({ inventory, hosts = {} }) => {
  const cluster = loadCluster([join(here, `../../inventories/${inventory}.yaml`)]);

  const managed = cluster.hosts.filter((host) => host.managed).map(({ name }) => name);

  test('what is told is told of managed hosts', () => {
    expect(managed).toEqual(expect.arrayContaining(Object.keys(hosts)));
  });

  test.each(managed)('%s is as recorded', (host) => {
    const folder = join(here, 'golden', inventory, host);
    const rendered = render(desire(cluster, host, hosts[host] ?? facts()));
    if (UPDATE) record(folder, rendered);
    expect(rendered).toEqual(recorded(folder));
  });
});

/** Files by their path below the golden folder: each file on the host, and the resources with contents left out. */
function render(desired: readonly Desired[]): Record<string, string> {
  const files: Record<string, string> = {};
  const resources = desired.map(({ stage, resource }) => {
    if (resource.kind === 'file' && resource.state === 'present') {
      files[`files${resource.path}`] = resource.content;
      return { stage, ...resource, content: undefined };
    }
    if (resource.kind === 'connection') {
      files[`files${resource.profile.file}`] = resource.profile.content;
      return { stage, ...resource, profile: { ...resource.profile, content: undefined } };
    }
    return { stage, ...resource };
  });
  files['resources.yaml'] = stringify(resources, { lineWidth: 0 });
  return files;
}

function record(folder: string, files: Record<string, string>): void {
  rmSync(folder, { recursive: true, force: true });
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
}

function recorded(folder: string): Record<string, string> {
  if (!existsSync(folder)) return {};
  const paths = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  return Object.fromEntries(paths.map((path) => [relative(folder, path), readFileSync(path, 'utf8')]));
}
