import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll } from 'vitest';
import { LvsctlError, placeText } from '../../src/errors/index.ts';
import { loadCluster } from '../../src/inventory/index.ts';

const made: string[] = [];
afterAll(() => {
  for (const path of made.splice(0)) rmSync(path, { recursive: true, force: true });
});

/** Makes a folder with these files and says where; it is gone after the test file. */
export function folder(files: Record<string, string | Uint8Array>): string {
  const path = mkdtempSync(join(tmpdir(), 'lvsctl-test-'));
  made.push(path);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), content);
  }
  return path;
}

/** Every problem as `LINE:COLUMN CODE what → next`, with the folder's name cut out. */
export function problemsOf(path: string, cut: string, options: { cluster?: string } = {}): string[] {
  try {
    loadCluster([path], options);
  } catch (error) {
    if (!(error instanceof LvsctlError)) throw error;
    return error.problems.map(({ place, code, what, next }) =>
      `${placeText(place)} ${code} ${what} → ${next}`.replaceAll(`${cut}/`, '').replace(/^lvs\.yaml:/, ''),
    );
  }
  return [];
}

/** The problems of one inventory text. */
export function problemsIn(text: string | Uint8Array, more: Record<string, string> = {}): string[] {
  const path = folder({ 'lvs.yaml': text, ...more });
  return problemsOf(join(path, 'lvs.yaml'), path);
}

/** A cluster that is right: what a case adds or replaces stands in `more`. */
export function inventory(more: { hosts?: string; service?: string; tail?: string } = {}): string {
  return `version: 1
name: c
hosts:
  d: { interfaces: { eth0: { addresses: [10.0.0.2/24], gateway: 10.0.0.1 } } }
  r: { interfaces: { eth0: { addresses: [10.0.0.3/24] } } }
${more.hosts ?? ''}
services:
  web:
    ${more.service ?? 'mode: dr\n    vip: 10.0.0.100\n    protocol: tcp\n    port: 80\n    scheduler: wrr\n    directors: [d]\n    real_servers: { r: {} }'}
${more.tail ?? ''}
`;
}
