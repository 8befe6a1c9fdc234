import type { Desired, Part, Question } from './desired.ts';

/** What the operator asks of a host besides its roles. */
export function extras({ host }: Question): Part {
  return {
    sysctls: Object.entries(host.sysctls).map(([name, value]) => ({ stage: 'reach', name, value })),
    modules: host.modules.map((name) => ({ stage: 'reach', name })),
    addresses: [],
    firewall: [],
    resources: [
      ...host.packages.map((name): Desired => ({ stage: 'packages', resource: { kind: 'package', name } })),
      ...host.files.map((file): Desired => ({ stage: 'reach', resource: { kind: 'file', state: 'present', ...file } })),
      ...host.units.map(
        ({ name, enabled, running }): Desired => ({
          stage: 'application',
          resource: { kind: 'service', unit: name, enabled, running, config: [], activate: 'restart' },
        }),
      ),
    ],
  };
}
