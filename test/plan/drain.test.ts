import { describe, expect, test } from 'vitest';
import { countChanges } from '../../src/plan/plan.ts';
import { sha256 } from '../../src/resources/file.ts';
import { type Case, CONF, expectPairDrained, ids, OTHERS, opsOf, planOf, RELOAD, ROW, stepOf } from './drained.ts';

describe('a change of a real server that cuts requests', () => {
  test('is made while its director gives it none', () => {
    const plan = planOf({ changing: { web1: 'restart' } });
    expect(ids(plan)).toEqual(['lvs1/drain/web1/web', 'web1/web', 'lvs1/undrain/web1/web']);
    expect(stepOf(plan, 'web1/web').needs).toContain('lvs1/drain/web1/web');
    expect(stepOf(plan, 'lvs1/undrain/web1/web').needs).toContain('web1/web');
    expect(opsOf(stepOf(plan, 'lvs1/drain/web1/web'))).toEqual([
      OTHERS,
      `ipvs -e ${ROW} -r 10.0.0.21:80 -g -w 0`,
      'ipvs_answering 10.0.0.21 80',
      `ipvs_drained 45 10.0.0.100 10.0.0.21:80 ${ROW}`,
    ]);
    expect(opsOf(stepOf(plan, 'lvs1/undrain/web1/web'))).toEqual([
      'ipvs_answers 30',
      `ipvs -e ${ROW} -r 10.0.0.21:80 -g -w 1`,
    ]);
    expect(countChanges(plan)).toBe(1);
    expect(plan.warnings).toEqual([]);
  });

  test('of the sorry server, which gets none, is made at once', () => {
    const more = { health_check: { tcp_check: {} }, sorry_server: { address: '10.0.0.23' } };
    expect(ids(planOf({ more, changing: { web3: 'restart' } }))).toEqual(['web3/web']);
  });

  test('of a pair with keepalived, on both directors, in its configuration too', () => {
    const plan = planOf({ pair: true, changing: { web1: 'stop' } });
    expectPairDrained(plan);
    const begun = stepOf(plan, 'web1/web/remove').needs;
    expect(begun).toEqual(expect.arrayContaining(['lvs1/drain/web1/web/remove', 'lvs2/drain/web1/web/remove']));
  });

  test('is taken back with the weight, whoever dies', () => {
    const { hosts } = planOf({ pair: true, changing: { web1: 'restart' } });
    const revert = hosts.find(({ name }) => name === 'lvs1')?.revert;
    expect(revert?.paths).toEqual(['/etc/keepalived/keepalived.conf']);
    expect(revert?.ops.map(({ name, args }) => [name, ...args].join(' '))).toEqual([
      'tx_file /etc/keepalived/keepalived.conf',
      `keepalived_repair -e ${ROW} -r 10.0.0.21:80 -g -w 1`,
      'service_back keepalived.service keepalived reload kept',
    ]);
  });

  test('two of them, one after the other on their director', () => {
    const plan = planOf({ changing: { web1: 'restart', web2: 'restart' } });
    expect(stepOf(plan, 'lvs1/drain/web2/web').needs).toContain('lvs1/undrain/web1/web');
    expect(ids(plan)).toHaveLength(6);
  });

  test.each<['reload' | 'file']>([['reload'], ['file']])('a %s drains nobody', (what) => {
    expect(ids(planOf({ changing: { web1: what } }))).toEqual(['web1/web']);
  });

  test('without drains it is made as it is', () => {
    expect(ids(planOf({ changing: { web1: 'restart' }, drain: false }))).toEqual(['web1/web']);
  });

  test.each<[string, Case]>([
    [
      'keepalived runs another configuration than stands there',
      {
        pair: true,
        changing: { web1: 'restart' },
        states: (states) =>
          states.set('service keepalived.service', {
            load: 'loaded',
            enabled: true,
            running: true,
            stale: false,
            loaded: ['0  /etc/keepalived/keepalived.conf'],
          }),
      },
    ],
    [
      'a line of it is hidden',
      {
        pair: true,
        changing: { web1: 'restart' },
        states: (states) => {
          const content = 'auth_pass <hidden>\nvirtual_server 10.0.0.100 80 {\n real_server 10.0.0.21 80 {\n }\n}\n';
          states.set('file /etc/keepalived/keepalived.conf', {
            type: 'file',
            sha256: '1',
            content,
            owner: 'root',
            group: 'root',
            mode: '0600',
          });
          states.set('service keepalived.service', {
            load: 'loaded',
            enabled: true,
            running: true,
            stale: false,
            loaded: ['1  /etc/keepalived/keepalived.conf'],
          });
        },
      },
    ],
  ])('where %s, in the live table alone', (_, one) => {
    const plan = planOf(one);
    expect(opsOf(stepOf(plan, 'lvs1/drain/web1/web'))[2]).toMatch(/^ipvs_answering/);
    expect(opsOf(stepOf(plan, 'lvs1/undrain/web1/web')).slice(1)).toEqual([
      `keepalived_repair -e ${ROW} -r 10.0.0.21:80 -g -w 1`,
      'ipvs_again 30',
    ]);
  });

  test('waits as long as a slow check takes to find it well', () => {
    const more = { health_check: { tcp_check: {}, interval: 40, timeout: 5, retries: 2, retry_interval: 3 } };
    const plan = planOf({ pair: true, more, changing: { web1: 'restart' } });
    expect(opsOf(stepOf(plan, 'lvs2/undrain/web1/web')).at(-1)).toBe('ipvs_again 71');
  });
});

describe('what a director can’t drain', () => {
  test('changes while it drains no other', () => {
    const weights = { web1: { weight: 1 }, web2: { weight: 3 } };
    const more = { quorum: 2, health_check: { tcp_check: {} } };
    const plan = planOf({ pair: true, servers: weights, more, changing: { web1: 'restart', web2: 'restart' } });
    for (const name of ['lvs1', 'lvs2']) expect(stepOf(plan, `${name}/drain/web1/web`).needs).toContain('web2/web');
  });

  test('changes one after the other', () => {
    const plan = planOf({ scheduler: 'sh', changing: { web1: 'restart', web2: 'restart' } });
    expect(stepOf(plan, 'web2/web').needs).toContain('web1/web');
  });

  test('changes at once without drains', () => {
    const plan = planOf({ scheduler: 'sh', changing: { web1: 'restart', web2: 'restart' }, drain: false });
    expect(stepOf(plan, 'web2/web').needs).not.toContain('web1/web');
  });
});

/** keepalived's checks have taken web2 out of the live tables, though it is described. */
const failing: NonNullable<Case['states']> = (states) => {
  for (const [key, state] of states) {
    if (!key.startsWith('ipvs')) continue;
    const { destinations, ...row } = state as { destinations: { address: string }[] };
    states.set(key, { ...row, destinations: destinations.filter(({ address }) => address === '10.0.0.21') });
  }
};

describe('where nobody could take the requests there is a warning in place of a drain', () => {
  const warned = (one: Omit<Case, 'changing'>) => {
    const plan = planOf({ changing: { web1: 'restart' }, ...one });
    expect(ids(plan).filter((id) => id.includes('drain'))).toEqual([]);
    return plan.warnings.map(({ host, text }) => `${host}: ${text}`);
  };
  const lost = 'web1: requests of service web are lost while this changes: ';

  test.each<[string, Omit<Case, 'changing'>, string]>([
    ['the only real server', { servers: { web1: {} } }, `${lost}no other real server could take them`],
    [
      'the others have weight 0',
      { servers: { web1: {}, web2: { weight: 0 } } },
      `${lost}no other real server could take them`,
    ],
    ['dh', { scheduler: 'dh' }, `${lost}the scheduler dh refuses clients of a server with weight 0`],
    ['sh', { scheduler: 'sh' }, `${lost}the scheduler sh refuses clients of a server with weight 0`],
    [
      'a quorum',
      { pair: true, more: { quorum: 2, health_check: { tcp_check: {} } } },
      `${lost}without 10.0.0.21 the service has less than its quorum of 2`,
    ],
    ['a check that has taken the others out', { pair: true, states: failing }, `${lost}no other real server`],
    [
      'a director that was not read',
      { read: [] },
      'web1: lvs1 was not read: it may go on sending requests there, which are lost while this changes',
    ],
  ])('%s', (_, one, text) => {
    expect(warned(one)).toEqual([expect.stringContaining(text)]);
  });

  test('also after the directors’ own changes, when the others are still out', () => {
    const plan = planOf({ pair: true, states: failing, changing: { web1: 'stop' } });
    expect(ids(plan)).toEqual(['web1/web/remove']);
    expect(plan.warnings.map(({ text }) => text)).toEqual([expect.stringContaining('no other real server')]);
  });

  test('one that is new there is no failed one', () => {
    const was = { servers: { web1: {} } };
    const plan = planOf({ pair: true, was, changing: { web1: 'stop' } });
    expect(ids(plan)).toContain('lvs1/drain/web1/web/remove');
  });

  test('it is drained for others that could not be read, with a warning', () => {
    const plan = planOf({ changing: { web1: 'restart' }, unread: ['web2'] });
    expect(ids(plan)).toContain('lvs1/drain/web1/web');
    const text = 'meanwhile only web2 could take requests of service web, and could not be read';
    expect(plan.warnings).toEqual([{ host: 'web1', key: 'service web.service', text }]);
    expect(planOf({ pair: true, changing: { web1: 'restart' }, unread: ['web2'] }).warnings).toEqual([]);
  });

  test('sh with its fallback is drained', () => {
    const plan = planOf({ changing: { web1: 'restart' }, scheduler: 'sh', more: { scheduler_flags: ['sh-fallback'] } });
    expect(ids(plan)).toContain('lvs1/drain/web1/web');
  });

  test('of two services it is drained in that which others serve', () => {
    const services = {
      alone: { mode: 'dr', vip: '10.0.0.101', port: 80, directors: ['lvs1'], real_servers: { web1: {} } },
    };
    const plan = planOf({ changing: { web1: 'restart' }, services });
    expect(opsOf(stepOf(plan, 'lvs1/drain/web1/web')).filter((op) => op.startsWith('ipvs '))).toEqual([
      `ipvs -e ${ROW} -r 10.0.0.21:80 -g -w 0`,
    ]);
    expect(plan.warnings.map(({ text }) => text)).toEqual([
      'requests of service alone are lost while this changes: no other real server could take them',
    ]);
  });

  test('a machine that serves nobody needs neither', () => {
    const plan = planOf({ changing: { web3: 'restart' } });
    expect([ids(plan), plan.warnings]).toEqual([['web3/web'], []]);
  });
});

describe('a real server that leaves', () => {
  const was = { servers: { web1: {}, web2: {} } };
  const now = { servers: { web2: { weight: 2 }, web3: {} } };

  test('gets nothing new, and goes when what it serves has ended', () => {
    const plan = planOf({ was, ...now, changing: {} });
    expect(opsOf(stepOf(plan, 'lvs1/rules')).filter((op) => op.startsWith('ipvs'))).toEqual([
      `ipvs -e ${ROW} -r 10.0.0.22:80 -g -w 2`,
      `ipvs -a ${ROW} -r 10.0.0.23:80 -g -w 1`,
      `ipvs -e ${ROW} -r 10.0.0.21:80 -g -w 0`,
    ]);
    expect(opsOf(stepOf(plan, 'lvs1/rules/remove'))).toEqual([
      `ipvs_drained 45 10.0.0.100 10.0.0.21:80 ${ROW}`,
      `ipvs -d ${ROW} -r 10.0.0.21:80`,
    ]);
  });

  test('of a pair, first with weight 0 in keepalived’s configuration', () => {
    const plan = planOf({ pair: true, was, ...now, changing: {} });
    expect(opsOf(stepOf(plan, 'lvs1/rules'))).toEqual([
      `${CONF} weights 2 1 0`,
      `ipvs -e ${ROW} -r 10.0.0.22:80 -g -w 2`,
      `ipvs -e ${ROW} -r 10.0.0.21:80 -g -w 0`,
    ]);
    expect(opsOf(stepOf(plan, 'lvs1/vip'))).toEqual([RELOAD]);
    expect(opsOf(stepOf(plan, 'lvs1/rules/remove'))).toEqual([
      `ipvs_drained 45 10.0.0.100 10.0.0.21:80 ${ROW}`,
      `${CONF} weights 2 1`,
      `ipvs -d ${ROW} -r 10.0.0.21:80`,
      RELOAD,
    ]);
    const kept = stepOf(plan, 'lvs1/record').ops.filter(({ name }) => name === 'before_keep');
    const found = plan.steps.flatMap(({ changes }) => changes).find(({ kind }) => kind === 'file')?.before;
    expect(kept.map(({ args }) => args[1])).toEqual([(found as { sha256: string }).sha256]);
    const turns = plan.steps.flatMap(({ id, turn }) => (turn === undefined ? [] : [[id, turn]]));
    const turn = (stage: string) => ({ among: [`lvs1/${stage}`, `lvs2/${stage}`], address: '10.0.0.100' });
    expect(Object.fromEntries(turns)).toEqual({
      'lvs1/vip': turn('vip'),
      'lvs2/vip': turn('vip'),
      'lvs1/rules/remove': turn('rules/remove'),
      'lvs2/rules/remove': turn('rules/remove'),
    });
  });

  test.each<[string, Partial<Case>]>([
    ['without drains', { drain: false }],
    ['where its clients would be refused', { scheduler: 'sh' }],
  ])('%s at once', (_, more) => {
    const plan = planOf({ was, ...now, changing: {}, ...more });
    expect(ids(plan)).toEqual(['lvs1/rules']);
  });
});

describe('settings that both nodes of a pair must share', () => {
  const renumbered = (all: Map<string, unknown>) => {
    const state = all.get('file /etc/keepalived/keepalived.conf') as { content: string };
    const content = state.content.replace('virtual_router_id 51', 'virtual_router_id 52');
    const hash = sha256(content);
    all.set('file /etc/keepalived/keepalived.conf', { ...state, content, sha256: hash });
    const service = all.get('service keepalived.service') as object;
    all.set('service keepalived.service', { ...service, loaded: [`${hash}  /etc/keepalived/keepalived.conf`] });
  };

  test('change on both at once, with a warning', () => {
    const plan = planOf({ pair: true, changing: {}, states: renumbered });
    expect(ids(plan)).toEqual(['lvs1/rules', 'lvs2/rules', 'lvs1/vip', 'lvs2/vip']);
    expect(plan.steps.filter(({ turn }) => turn !== undefined)).toEqual([]);
    expect(plan.warnings.map(({ host, key }) => `${host} ${key}`)).toEqual(['lvs1 vrrp edge', 'lvs2 vrrp edge']);
  });
});
