import { serviceSays } from '../inventory/places.ts';
import { pair } from './examples.ts';
import type { Rule } from './rule.ts';

/** What directors of a pair tell each other of their connections. */
export const SYNC: readonly Rule[] = [
  {
    code: 'LVS-SYNC-001',
    severity: 'warning',
    title: 'synchronisation without an id',
    why: 'A director takes in what comes with its own id; with 0 it takes in everything. Another pair on the segment, with the same group and port, would fill its table with strange connections.',
    remedy: 'Give sync an id of its own, from 1 to 255; the virtual_router_id will do.',
    source: 'ipvsadm(8), --syncid',
    bad: pair('', '', 'ipvs: { sync: { interface: eth0 } }\n'),
    good: pair('', '', 'ipvs: { sync: { interface: eth0, id: 51 } }\n'),
    *check({ cluster, said }) {
      if (cluster.ipvs.sync?.id !== 0) return;
      const own = said.ipvs?.sync?.id === undefined ? [] : ['id'];
      yield {
        path: ['ipvs', 'sync', ...own],
        of: own.length === 0 ? 'key' : 'value',
        what: 'synchronisation with id 0 takes in what any director of the segment sends',
      };
    },
  },
  {
    code: 'LVS-SYNC-002',
    severity: 'info',
    title: 'persistence that a takeover forgets',
    why: 'Which client belongs to which real server is known to the director that is master. The other one begins anew when it takes over: clients may change their real server, and lose what it knew of them.',
    remedy: 'Add ipvs: { sync: { interface: …, id: … } }: the directors tell each other.',
    source: 'ipvsadm(8), --start-daemon; Linux Documentation/networking/ipvs-sysctl.rst, sync_threshold',
    bad: pair('', 'persistence_timeout: 5m'),
    good: pair('', 'persistence_timeout: 5m', 'ipvs: { sync: { interface: eth0, id: 51 } }\n'),
    *check(question) {
      if (question.cluster.ipvs.sync !== undefined) return;
      for (const { name, persistence, directors } of question.cluster.services) {
        if (persistence === undefined || directors.length < 2) continue;
        yield {
          path: serviceSays(question, name, 'persistence_timeout'),
          of: 'key',
          what: `${directors.join(' and ')} don’t tell each other which client of ${name} is whose`,
        };
      }
    },
  },
];
