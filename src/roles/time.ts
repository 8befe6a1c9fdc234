import { NOTHING, type Part, type Question } from './desired.ts';
import { textFile } from './kernel.ts';
import { configuredService } from './service.ts';

/** The clock follows the time servers that the inventory names; whether it in fact does is looked at each time. */
export function time(question: Question): Part {
  const { host, family, template } = question;
  if (host.timeServers.length === 0) return NOTHING;
  const { unit, config, drift } = family.chrony;
  const file = textFile(config, template('chrony/chrony.conf', { servers: host.timeServers, drift }));
  return {
    ...NOTHING,
    resources: [
      { stage: 'packages', resource: { kind: 'package', name: family.packages.chrony } },
      { stage: 'reach', resource: file },
      // chronyd reads its file only when it starts; the clock runs on meanwhile.
      ...configuredService(question, { stage: 'reach', unit, activate: 'restart' }, [file]),
      { stage: 'reach', resource: { kind: 'clock' } },
    ],
  };
}
