import { service } from './examples.ts';
import type { Entry } from './rule.ts';

/** What is wrong with comments that silence rules. */
export const SILENCERS = {
  unused: {
    code: 'LVS-IGNORE-001',
    severity: 'warning',
    title: 'a comment silences nothing',
    why: 'The rule that `# lvsctl-ignore` names finds nothing in its line. What was silenced is mended, or stands elsewhere; left there, the comment would hide the next mistake of its kind.',
    remedy: 'Take the comment out, or move it to the line of the finding.',
    bad: service('scheduler: wrr   # lvsctl-ignore LVS-SCHED-001: no real server is ever drained'),
    good: service('scheduler: sh   # lvsctl-ignore LVS-SCHED-001: no real server is ever drained'),
  },
  strange: {
    code: 'LVS-IGNORE-002',
    severity: 'warning',
    title: 'a comment silences what is no rule',
    why: '`# lvsctl-ignore` names a code that no rule has, or an error of the inventory itself (INV-…), which can’t be silenced: without it there is no cluster to go on with.',
    remedy: 'Name a rule as lvsctl rules lists them: # lvsctl-ignore CODE: reason',
    bad: service('scheduler: wrr   # lvsctl-ignore LVS-SCHED-1: no real server is ever drained'),
    good: service('scheduler: sh   # lvsctl-ignore LVS-SCHED-001: no real server is ever drained'),
  },
  bare: {
    code: 'LVS-IGNORE-003',
    severity: 'warning',
    title: 'a comment silences without a reason',
    why: 'Whoever reads the inventory next can’t tell whether the finding was looked into.',
    remedy: 'Write the reason behind the code: # lvsctl-ignore CODE: reason',
    bad: service('scheduler: sh   # lvsctl-ignore LVS-SCHED-001'),
    good: service('scheduler: sh   # lvsctl-ignore LVS-SCHED-001: no real server is ever drained'),
  },
} as const satisfies Record<string, Entry>;
