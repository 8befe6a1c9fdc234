import { describe, expect, it } from 'vitest';
import type { Plan, PlannedChange, Step } from '../../src/plan/plan.ts';
import { makePaint, printable } from '../../src/report/paint.ts';
import { planText } from '../../src/report/plan-text.ts';
import { problemText } from '../../src/report/problem-text.ts';

const plain = makePaint(false);

function change(key: string, direction: PlannedChange['direction'], shown: PlannedChange['shown']): PlannedChange {
  const resource = { kind: 'package', name: 'x' } as const;
  return { key, kind: 'any', direction, shown, ops: [], before: null, after: null, resource };
}

function step(host: string, stage: Step['stage'], ...changes: PlannedChange[]): Step {
  return { id: `${host}/${stage}`, host, stage, direction: 'add', needs: [], changes, ops: [] };
}

function plan(steps: Step[], more: Partial<Plan> = {}): Plan {
  const host = (name: string) => ({
    name,
    ssh: { address: `10.0.0.${name.length}` },
    platform: 'debian',
  });
  return {
    format: 'lvsctl-plan',
    version: 6,
    id: '0123456789abcdef',
    engine: '1',
    created: '2026-01-01T00:00:00.000Z',
    cluster: 'c',
    purpose: 'apply',
    inventory: { file: '/c.yaml', fingerprint: 'f' },
    lab: false,
    hosts: [host('rs1'), host('director')],
    unseen: [],
    steps,
    warnings: [],
    ...more,
  };
}

describe('planText', () => {
  it('shows a host, its changes in order, and the order across hosts', () => {
    const text = planText(
      plan([
        step(
          'rs1',
          'suppress',
          change('sysctl net.ipv4.conf.all.arp_ignore', 'change', [
            { as: 'value', name: 'net.ipv4.conf.all.arp_ignore', before: '0', after: '1' },
          ]),
        ),
        step(
          'director',
          'rules',
          change('ipvs tcp 20.20.20.20:80', 'change', [
            {
              as: 'rules',
              before: ['-A -t 20.20.20.20:80 -s wrr', '-a -t 20.20.20.20:80 -r 30.30.30.30:80 -g -w 2'],
              after: ['-A -t 20.20.20.20:80 -s wrr', '-a -t 20.20.20.20:80 -r 30.30.30.30:80 -g -w 1'],
            },
          ]),
          change('file /etc/motd', 'change', [{ as: 'text', path: '/etc/motd', before: 'a\nb\n', after: 'a\nc\n' }]),
        ),
      ]),
      plain,
    );
    expect(text).toBe(`rs1  10.0.0.3, debian
  ~ sysctl net.ipv4.conf.all.arp_ignore: 0 → 1

director  10.0.0.8, debian
  ~ ipvs tcp 20.20.20.20:80
        -A -t 20.20.20.20:80 -s wrr
      - -a -t 20.20.20.20:80 -r 30.30.30.30:80 -g -w 2
      + -a -t 20.20.20.20:80 -r 30.30.30.30:80 -g -w 1
  ~ file /etc/motd
      @@ -1,2 +1,2 @@
       a
      -b
      +c

Order
  1. suppress  rs1
  2. rules     director

Plan: 3 changes on 2 hosts, 0 unchanged.`);
  });

  it('says when there is nothing to do', () => {
    expect(planText(plan([]), plain)).toMatch(/No changes: 2 hosts as described\.$/u);
  });

  it('shows a host that could not be read, and says so in the summary', () => {
    const problem = {
      code: 'SSH-REFUSED',
      place: { kind: 'host', host: 'rs2', phase: 'connect' },
      what: 'refused',
      next: 'Start it.',
    } as const;
    const text = planText(plan([], { unseen: [{ host: 'rs2', problems: [problem] }] }), plain);
    expect(text).toContain('rs2  could not be read\n  host rs2, connect: SSH-REFUSED\n    refused\n    → Start it.');
    expect(text).toMatch(/rs2 not read\.$/u);
    const none = planText({ ...plan([]), hosts: [], unseen: [{ host: 'rs2', problems: [problem] }] }, plain);
    expect(none).toMatch(/^No plan: rs2 not read\.$/mu);
  });

  it('lets no control character of a host through', () => {
    const text = planText(
      plan([
        step(
          'rs1',
          'web',
          change('file /x', 'add', [{ as: 'text', path: '/x', before: null, after: 'a\u001b[2Jb\u202e\n' }]),
        ),
      ]),
      plain,
    );
    expect(text).toContain('+a\\x1b[2Jb\\u202e');
  });
});

describe('printable', () => {
  it('keeps what a person writes', () => {
    expect(printable('Grüße\t→ 30.30.30.30 日本')).toBe('Grüße\t→ 30.30.30.30 日本');
  });
});

describe('problemText', () => {
  const problem = (file: string) =>
    ({ code: 'INV-X', place: { kind: 'file', file, line: 3, column: 7 }, what: 'w', next: 'n' }) as const;

  it.each([
    [`${process.cwd()}/lvs.yaml`, 'lvs.yaml:3:7: error: INV-X\n  w\n  → n'],
    ['/elsewhere/lvs.yaml', '/elsewhere/lvs.yaml:3:7: error: INV-X\n  w\n  → n'],
  ])('%s', (file, text) => {
    expect(problemText(problem(file), plain)).toBe(text);
  });
});
