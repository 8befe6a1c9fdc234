import type { Facts } from '../../src/platform/facts.ts';
import { kinds, type Resource } from '../../src/resources/index.ts';
import type { FileState, Section } from '../../src/resources/kind.ts';

/** A Debian host with nothing on it. */
export const DEBIAN: Facts = {
  platform: 'debian',
  osId: 'debian',
  osVersion: '12',
  kernel: '6.1.0',
  arch: 'x86_64',
  bootId: 'b',
  hostname: 'rs1',
  systemd: true,
  devices: {},
  profiles: [],
};

/** The states that a kind reads out of what `observe_<kind>` printed. */
export function parsed(text: string, asked: readonly Resource[], more: Partial<Section> = {}): unknown[] {
  const files = new Map<string, FileState>();
  const [first] = asked;
  if (first === undefined) return [];
  return [...kinds[first.kind].parse({ text, facts: DEBIAN, files, ...more }, asked).values()];
}

/** Operations as the words that the host gets. */
export function words(ops: readonly { name: string; args: readonly string[] }[]): string[] {
  return ops.map(({ name, args }) => [name, ...args].join(' '));
}
