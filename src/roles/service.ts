import { failure } from '../errors/index.ts';
import { sha256 } from '../resources/file.ts';
import type { Stage } from '../resources/kind.ts';
import type { ServiceResource } from '../resources/resource.ts';
import type { Desired, Question } from './desired.ts';
import { textFile } from './kernel.ts';

/**
 * A service that is enabled and runs with exactly these files loaded. A drop-in makes the unit record what it
 * loads, so that "needs a reload" is read from the host.
 * @throws HOST-NO-SYSTEMD
 */
export function configuredService(
  { host, facts, template }: Question,
  service: { stage: Stage; unit: string; activate: ServiceResource['activate'] },
  files: readonly { path: string; content: string }[],
): Desired[] {
  const { stage, unit, activate } = service;
  if (!facts.systemd) {
    throw failure({
      code: 'HOST-NO-SYSTEMD',
      place: { kind: 'host', host: host.name, phase: 'desire' },
      what: `${unit} is wanted, but systemd doesn’t run there`,
      next: 'Use a host that systemd runs on, or take the role from this one.',
    });
  }
  const dropIn = template('systemd/loaded.conf', { unit, paths: files.map(({ path }) => path) });
  const config = files.map(({ path, content }) => ({ path, sha256: sha256(content) }));
  return [
    { stage, resource: textFile(`/etc/systemd/system/${unit}.d/lvsctl.conf`, dropIn) },
    { stage, resource: { kind: 'service', unit, enabled: true, running: true, config, activate } },
  ];
}
