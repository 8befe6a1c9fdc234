/** Hosts in folders of the test's own: the real host program under dash, files for all that it changes. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { observe } from '../../src/host/client.ts';
import { buildPlan, type SeenHost } from '../../src/plan/build.ts';
import type { StagedResource } from '../../src/plan/manifest.ts';
import type { Plan } from '../../src/plan/plan.ts';
import type { Connection, Transport } from '../../src/transport/types.ts';
import { localShell } from '../host/local-shell.ts';
import { bareHost, emptyCluster } from '../plan/empty.ts';

const me = execFileSync('id', ['-un']).toString().trim();
const group = execFileSync('id', ['-gn']).toString().trim();

export interface Sandbox {
  folder: string;
  transport: Transport;
  connect(host: string): Connection;
  /** A file of a host; null where there is none. */
  read(host: string, path: string): string | null;
  /** Writes a file of a host; with no host, of the tools that all of them have. */
  put(host: string, path: string, content: string, mode?: number): void;
  /** A plan that gives each host these resources. */
  plan(wanted: Readonly<Record<string, readonly StagedResource[]>>): Promise<Plan>;
  end(): void;
}

/** A file that comes at a stage, `web` unless told. */
export function file(path: string, content: string, stage: StagedResource['stage'] = 'web'): StagedResource {
  return { stage, resource: { kind: 'file', path, state: 'present', content, owner: me, group, mode: '0644' } };
}

export function makeSandbox(hosts: readonly string[]): Sandbox {
  const folder = mkdtempSync(join(tmpdir(), 'lvsctl-sandbox-'));
  const write = (path: string, content: string, mode = 0o644) => {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    chmodSync(path, mode);
  };
  const at = (host: string, path: string) => join(folder, host, path);
  write(join(folder, 'bin/sync'), '#!/bin/sh\n', 0o755);
  for (const host of hosts) {
    write(at(host, 'etc/os-release'), 'ID=debian\n');
    for (const name of ['osrelease', 'arch', 'random/boot_id', 'hostname'])
      write(at(host, `proc/sys/kernel/${name}`), 'x\n');
    symlinkSync('/proc/uptime', at(host, 'proc/uptime'));
  }
  const connect = (host: string): Connection => ({
    ...localShell({ env: { LVSCTL_ROOT: join(folder, host), PATH: `${join(folder, 'bin')}:${process.env.PATH}` } }),
    host,
  });
  return {
    folder,
    connect,
    transport: { connect: async ({ name }) => connect(name), close: async () => undefined },
    read: (host, path) => (existsSync(at(host, path)) ? readFileSync(at(host, path), 'utf8') : null),
    put: (host, path, content, mode) => write(at(host, path), content, mode),
    end: () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }),
    async plan(wanted) {
      const seen = await Promise.all(
        Object.entries(wanted).map(async ([name, desired]): Promise<SeenHost> => {
          const host = bareHost(name);
          const desire = () => desired.map(({ resource }) => resource);
          const { facts, states } = await observe(connect(name), { facts: [], desire });
          return { host, facts, states, desired };
        }),
      );
      const context = { fingerprint: '', engine: '', lab: false, created: String(Math.random()) };
      return buildPlan({ cluster: emptyCluster('test'), ...context }, seen, []);
    },
  };
}
