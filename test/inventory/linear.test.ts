import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

/**
 * Twice the inventory is twice the work: told by counting, as no clock could. V8 counts how often each block of our
 * sources is run; and a search through a list counts as long as the list.
 */

const root = new URL('../../', import.meta.url).pathname;
const COUNTED = [`${root}src/`, '/node_modules/yaml/'];

/**
 * Parts of a cluster, ten hosts each, and what all of them have in common: a client, whose ways to all services are
 * walked, or a director with services of all parts. (With both, its addresses are looked through for each walk.)
 */
type Common = 'a client' | 'a director';

function inventory(parts: number, common: Common): string {
  const all = Array.from({ length: parts }, (_none, n) => n);
  const each = (line: (n: number) => string) => all.map(line).join('\n');
  const eight = (n: number, line: (name: string, address: string) => string) =>
    Array.from({ length: 8 }, (_none, i) => line(`w${n}x${i}`, `10.${n >> 8}.${n & 255}.${20 + i}`)).join('\n');
  return `version: 1
name: linear
defaults: { host: { dns: [10.255.255.53] }, service: { scheduler: wrr } }
hosts:
  ${common === 'a client' ? 'client: { manage: none' : 'lvs: { forwarding: true'}, interfaces: { e: { addresses: [10.255.255.9/8] } } }
  gate: { forwarding: true, interfaces: { e: { addresses: [10.255.255.1/8, 192.0.2.1/24] } } }
${each(
  (n) => `  a${n}: { interfaces: { e: { addresses: [10.${n >> 8}.${n & 255}.1/8] } } }
  b${n}: { interfaces: { e: { addresses: [10.${n >> 8}.${n & 255}.2/8] } } }
${eight(n, (name, address) => `  ${name}: { interfaces: { e: { addresses: [${address}/8, ${address.replace('10.', '172.')}/32], gateway: 10.255.255.1 } } }`)}`,
)}
groups:
  everybody:
    sysctls: { net.core.somaxconn: 4096 }
    hosts: [${all.map((n) => `'w${n}x[0-7]'`).join(', ')}]
${each((n) => `  g${n}: { hosts: ['w${n}x[0-3]'] }`)}
vrrp:
${each((n) => `  v${n}: { nodes: { a${n}: { priority: 100 }, b${n}: { priority: 90 } }, instances: { i: { virtual_router_id: ${(n % 250) + 1}, interface: e } } }`)}
vips:
${each((n) => `  p${n}: { addresses: [10.${n >> 8}.${n & 255}.100], vrrp: v${n}.i }`)}
services:
${each(
  (
    n,
  ) => `  dr${n}: { mode: dr, vip: p${n}, port: 80, real_servers: { g${n}: {}, w${n}x5: { weight: 2 } }, health_check: { tcp_check: {} } }
  nat${n}: { mode: nat, vip: 192.0.2.${n + 2}, port: 81, directors: [a${n}], real_servers: { g${n}: { port: 8080 } } }`,
)}
${common === 'a client' ? '' : each(shared)}
web_servers:
  pages: { software: nginx, hosts: [everybody], port: 8080, index: "x" }
proxies:
${each((n) => `  f${n}: { software: nginx, hosts: [w${n}x4], port: 80, upstream: { servers: { g${n}: { port: 8080 } } } }`)}
applications:
${each((n) => `  t${n}: { software: tomcat, hosts: [w${n}x3], port: 9090 }`)}
`;
}

const shared = (
  n: number,
) => `${n > 0 ? '' : EVERYONE}  tun${n}: { mode: tun, vip: 10.254.${n >> 8}.${n & 255}, port: ${1000 + n}, directors: [lvs], real_servers: { w${n}x6: {} } }
  one${n}: { mode: dr, vip: 10.254.255.1, port: ${1000 + n}, directors: [lvs], real_servers: { w${n}x7: {} } }`;
const EVERYONE =
  '  everyone: { mode: dr, vip: 10.254.255.2, ports: [80, 443], directors: [lvs], real_servers: { everybody: {} } }\n';

/** What is done with an inventory of so many parts: how often the busiest block of each function ran. */
async function work(parts: number, common: Common): Promise<Map<string, number>> {
  writeFileSync(file, inventory(parts, common));
  await session.post('Profiler.takePreciseCoverage');
  const search = countSearches();
  try {
    // Findings are looked up too: here are some.
    expect(await findingsIn(file)).toBeGreaterThan(parts);
  } finally {
    search.end();
  }
  const { result } = await session.post('Profiler.takePreciseCoverage');
  const counts = new Map([['a search through lists', search.steps()]]);
  for (const { url, functions } of result.filter((script) => COUNTED.some((part) => script.url.includes(part)))) {
    for (const { functionName, ranges } of functions) {
      const key = `${functionName} of ${url.slice(url.lastIndexOf('/') + 1)} at ${ranges[0]?.startOffset}`;
      counts.set(key, Math.max(...ranges.map(({ count }) => count)));
    }
  }
  return counts;
}

/** How many findings an inventory has. What V8 compiles before it counts is counted badly: the sources are loaded here. */
async function findingsIn(inventory: string): Promise<number> {
  const { loadClusters } = await import('../../src/inventory/index.ts');
  const { rehearse } = await import('../../src/roles/index.ts');
  const { lint } = await import('../../src/lint/index.ts');
  const loaded = loadClusters([inventory]);
  for (const { cluster } of loaded) rehearse(cluster);
  return lint(loaded).length;
}

/** Lets `includes` and `indexOf` count the members of the lists that they look through. */
function countSearches(): { steps(): number; end(): void } {
  let steps = 0;
  const methods = (['includes', 'indexOf'] as const).map((name) => [name, Array.prototype[name]] as const);
  for (const [name, method] of methods) {
    Reflect.set(Array.prototype, name, function counted(this: unknown[], ...wanted: [unknown, number?]) {
      steps += this.length;
      return Reflect.apply(method, this, wanted);
    });
  }
  return {
    steps: () => steps,
    end: () => {
      for (const [name, method] of methods) Reflect.set(Array.prototype, name, method);
    },
  };
}

const session = new Session();
const path = mkdtempSync(join(tmpdir(), 'lvsctl-test-'));
const file = join(path, 'lvs.yaml');

beforeAll(async () => {
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  // V8 counts some functions otherwise after it has been asked for the first time.
  for (const common of ['a client', 'a director'] as const) await work(2, common);
});
afterAll(() => {
  session.disconnect();
  rmSync(path, { recursive: true });
});

test.each<[Common]>([['a client'], ['a director']])(
  'nothing is done more than about twice as often for twice the inventory, with %s for all',
  async (common) => {
    const once = await work(20, common);
    const twice = await work(40, common);
    const counted = [...twice].filter(([, count]) => count > 1000);
    expect(counted.length).toBeGreaterThan(100);
    const more = counted
      .map(([name, count]) => ({ name, from: once.get(name) ?? 0, to: count }))
      .filter(({ from, to }) => from > 0 && to > 2.3 * from)
      .map(({ name, from, to }) => `${name}: ${from}, then ${to}`);
    expect(more).toEqual([]);
  },
);
