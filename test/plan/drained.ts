import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { loadCluster } from '../../src/inventory/index.ts';
import type { Cluster } from '../../src/inventory/model.ts';
import { buildPlan, type SeenHost } from '../../src/plan/build.ts';
import type { StagedResource } from '../../src/plan/manifest.ts';
import type { Plan, Step } from '../../src/plan/plan.ts';
import { sha256 } from '../../src/resources/file.ts';
import { keyOf, type Resource } from '../../src/resources/index.ts';
import { desire } from '../../src/roles/index.ts';
import { facts } from '../inventories/facts.ts';
import { folder } from '../inventory/files.ts';

/** Clusters whose real servers are changed, as plans of them: what stands around that on their directors. */

const place = folder({});

export interface Described {
  pair?: boolean;
  scheduler?: string;
  servers?: Record<string, object>;
  more?: object;
  services?: object;
}

/** Three machines that may serve, one director or two. */
export function described({
  pair,
  scheduler = 'wrr',
  servers = { web1: {}, web2: {} },
  more,
  services,
}: Described): Cluster {
  const host = (last: number) => ({ interfaces: { e0: { addresses: [`10.0.0.${last}/24`], gateway: '10.0.0.1' } } });
  const vip = pair ? { vip: 'shop' } : { vip: '10.0.0.100', directors: ['lvs1'] };
  const text = JSON.stringify({
    version: 1,
    name: 'drains',
    hosts: { lvs1: host(11), lvs2: host(12), web1: host(21), web2: host(22), web3: host(23) },
    ...(pair
      ? {
          vrrp: {
            edge: {
              nodes: { lvs1: { priority: 100 }, lvs2: { priority: 90 } },
              preempt: false,
              instances: { outside: { virtual_router_id: 51, interface: 'e0' } },
            },
          },
          vips: { shop: { addresses: ['10.0.0.100'], vrrp: 'edge.outside' } },
        }
      : {}),
    services: { web: { mode: 'dr', ...vip, port: 80, scheduler, real_servers: servers, ...more }, ...services },
  });
  writeFileSync(join(place, 'c.yaml'), text);
  return loadCluster([join(place, 'c.yaml')]);
}

const KINDS = ['ipvs', 'file', 'service', 'keepalived'];

/** A director as `was` describes it, of which `now` is asked. */
export function director(
  now: Cluster,
  was: Cluster,
  name: string,
  change: (states: Map<string, unknown>) => void,
): SeenHost {
  const host = now.hosts.find((one) => one.name === name);
  if (host === undefined) throw new Error(name);
  const asked = (cluster: Cluster) =>
    desire(cluster, name, facts()).filter(
      ({ resource }) => KINDS.includes(resource.kind) && !keyOf(resource).includes('/etc/systemd/'),
    );
  const desired = asked(now);
  const wanted = new Map(asked(was).map(({ resource }) => [keyOf(resource), resource]));
  const states = new Map(
    desired.map(({ resource }) => [keyOf(resource), stateOf(wanted.get(keyOf(resource)), resource)]),
  );
  change(states);
  return { host, facts: facts(), desired, states };
}

function stateOf(was: Resource | undefined, now: Resource): unknown {
  if (was === undefined) return now.kind === 'ipvs' ? null : { type: 'absent' };
  switch (was.kind) {
    case 'ipvs': {
      if (was.state !== 'present') return null;
      const { scheduler, flags, destinations } = was;
      return { scheduler, flags, destinations };
    }
    case 'file': {
      if (was.state !== 'present') return { type: 'absent' };
      const { content, owner, group, mode } = was;
      return { type: 'file', sha256: sha256(content), content, owner, group, mode };
    }
    case 'service': {
      const loaded = was.config.map((one) => `${one.sha256}  ${one.path}`);
      return { load: 'loaded', enabled: was.enabled, running: was.running ?? false, stale: false, loaded };
    }
    default:
      return { running: true, answers: true, vrrp: {}, up: {}, table: {}, addresses: {} };
  }
}

/** A real server whose network profile or service changes, or something harmless. */
export function server(cluster: Cluster, name: string, what: 'restart' | 'reload' | 'stop' | 'file'): SeenHost {
  const host = cluster.hosts.find((one) => one.name === name);
  if (host === undefined) throw new Error(name);
  const activate = what === 'restart' ? 'restart' : 'reload';
  const config = [{ path: '/c', sha256: sha256('new') }];
  const service: Resource = {
    kind: 'service',
    unit: 'web.service',
    enabled: true,
    running: what !== 'stop',
    config,
    activate,
  };
  const file: Resource = {
    kind: 'file',
    path: '/f',
    state: 'present',
    content: 'x',
    owner: 'root',
    group: 'root',
    mode: '0644',
  };
  const resource = what === 'file' ? file : service;
  const running = { load: 'loaded', enabled: true, running: true, stale: false, loaded: [`${sha256('old')}  /c`] };
  const desired: StagedResource[] = [{ stage: 'web', resource }];
  return {
    host,
    facts: facts(),
    desired,
    states: new Map([[keyOf(resource), what === 'file' ? { type: 'absent' } : running]]),
  };
}

export interface Case extends Described {
  was?: Described;
  changing: Record<string, Parameters<typeof server>[2]>;
  states?: (states: Map<string, unknown>) => void;
  drain?: boolean;
  read?: string[];
  /** Real servers that could not be read. */
  unread?: string[];
}

export function planOf({
  was,
  changing,
  states = () => undefined,
  drain = true,
  read = ['lvs1', 'lvs2'],
  unread = [],
  ...now
}: Case): Plan {
  const cluster = described(now);
  const before = was === undefined ? cluster : described({ ...now, ...was });
  const directors = now.pair ? ['lvs1', 'lvs2'] : ['lvs1'];
  const seen = [
    ...directors.filter((name) => read.includes(name)).map((name) => director(cluster, before, name, states)),
    ...Object.entries(changing).map(([name, what]) => server(cluster, name, what)),
  ];
  const unseen = cluster.hosts.filter(({ name }) => unread.includes(name)).map((host) => ({ host, problems: [] }));
  const context = { cluster, fingerprint: 'f', engine: 'e', lab: false, created: '2026-01-01T00:00:00.000Z' };
  return buildPlan({ ...context, ...(drain ? { draining: { timeout: 45 } } : {}) }, seen, unseen);
}

export function ids({ steps }: Plan): string[] {
  return steps.filter(({ stage }) => stage !== 'record').map(({ id }) => id);
}

export function stepOf(plan: Plan, id: string): Step {
  const step = plan.steps.find((one) => one.id === id);
  if (step === undefined) throw new Error(`${id} of ${ids(plan).join(', ')}`);
  return step;
}

/** A step's operations in short: their words, and of a file the weights in it. */
export function opsOf(step: Step): string[] {
  return [...step.changes.flatMap(({ ops }) => ops), ...step.ops].map(({ name, args, input }) => {
    const weights = input?.match(/weight \d+/g)?.map((word) => word.slice('weight '.length));
    return [name, ...args, ...(weights === undefined ? [] : [`weights ${weights.join(' ')}`])].join(' ');
  });
}

export const ROW = '-t 10.0.0.100:80';
export const CONF = 'file_put /etc/keepalived/keepalived.conf root root 0600';
export const RELOAD = 'service_reload keepalived.service keepalived';
/** Whether somebody else takes web1's requests. */
export const OTHERS = `ipvs_others 10.0.0.100 10.0.0.21:80 ${ROW}`;
/** The live table's own way back, where keepalived has the table. */
export const LIVE = `keepalived_repair -e ${ROW} -r 10.0.0.21:80 -g -w 1`;

/** What both directors of a pair do around a change of web1, in their configurations too: id `web1/web/remove`. */
export function expectPairDrained(plan: Plan): void {
  for (const name of ['lvs1', 'lvs2']) {
    expect(opsOf(stepOf(plan, `${name}/drain/web1/web/remove`)).slice(0, 4)).toEqual([
      OTHERS,
      `ipvs -e ${ROW} -r 10.0.0.21:80 -g -w 0`,
      `${CONF} weights 0 1`,
      RELOAD,
    ]);
    expect(opsOf(stepOf(plan, `${name}/undrain/web1/web/remove`))).toEqual([
      'ipvs_answers 30',
      `${CONF} weights 1 1`,
      RELOAD,
      LIVE,
      expect.stringMatching(/^ipvs_again \d+$/),
    ]);
  }
}
