import { failure } from '../errors/index.ts';
import type { Stage } from '../resources/kind.ts';
import type { Desired, Question } from './desired.ts';
import { textFile } from './kernel.ts';

/**
 * A oneshot unit that brings back at boot, before the network comes up, what other resources keep live.
 * @param commands absolute path and words; one that begins with `-` may fail (systemd.service(5))
 * @throws HOST-NO-SYSTEMD
 */
export function bootUnit(
  { host, facts, template }: Question,
  stage: Stage,
  unit: { name: string; description: string; commands: readonly string[] },
): Desired[] {
  if (!facts.systemd) {
    throw failure({
      code: 'HOST-NO-SYSTEMD',
      place: { kind: 'host', host: host.name, phase: 'desire' },
      what: `${unit.name} is wanted, but systemd doesn’t run there`,
      next: 'Use a host that systemd runs on, or take the role from this one.',
    });
  }
  const { name, description, commands } = unit;
  const content = template('systemd/boot.service', { description, commands });
  return [
    { stage, resource: textFile(`/etc/systemd/system/${name}`, content) },
    {
      stage,
      resource: { kind: 'service', unit: name, enabled: true, running: null, config: [], activate: 'restart' },
    },
  ];
}
