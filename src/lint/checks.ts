import { serviceSays } from '../inventory/places.ts';
import { service } from './examples.ts';
import type { Rule } from './rule.ts';

/** Health checks that say less than they seem to. */
export const CHECKS: readonly Rule[] = [
  {
    code: 'LVS-CHECK-001',
    severity: 'warning',
    title: 'the check asks the host, not the service',
    why: 'An echo comes back as long as the kernel runs. A real server whose web server has ended still counts as up, and goes on getting connections that are refused.',
    remedy: 'Use a check that speaks to the service: tcp_check, http_get, dns_check …',
    source: 'keepalived.conf(5), PING_CHECK',
    bad: service('health_check: { ping_check: {} }'),
    good: service('health_check: { tcp_check: {} }'),
    *check(question) {
      for (const { name, healthCheck } of question.cluster.services) {
        if (healthCheck?.check.type !== 'ping_check') continue;
        yield {
          path: [...serviceSays(question, name, 'health_check'), 'ping_check'],
          of: 'key',
          what: `${name} counts a real server as up while it answers pings, whether the service runs or not`,
        };
      }
    },
  },
  {
    code: 'LVS-CHECK-002',
    severity: 'warning',
    title: 'silence counts as health',
    why: 'Over UDP a closed port is told by an ICMP message. A host that is off, or behind a filter, sends none: without require_reply keepalived takes its silence for health.',
    remedy: 'Add a payload that the service answers, and require_reply: true.',
    source: 'keepalived.conf(5), UDP_CHECK',
    bad: service('protocol: udp\nport: 53\nhealth_check: { udp_check: {} }'),
    good: service('protocol: udp\nport: 53\nhealth_check: { udp_check: { payload: "00ff", require_reply: true } }'),
    *check(question) {
      for (const { name, healthCheck } of question.cluster.services) {
        if (healthCheck?.check.type !== 'udp_check' || healthCheck.check.requireReply) continue;
        yield {
          path: [...serviceSays(question, name, 'health_check'), 'udp_check'],
          of: 'key',
          what: `${name} counts a real server that says nothing at all as up`,
        };
      }
    },
  },
];
