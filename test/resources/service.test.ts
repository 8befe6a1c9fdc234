import { describe, expect, test } from 'vitest';
import { diffOne, type ServiceResource } from '../../src/resources/index.ts';
import type { ServiceState } from '../../src/resources/service.ts';
import { DEBIAN, parsed, words } from './facts.ts';

const hash = 'ab'.repeat(32);
const nginx: ServiceResource = {
  kind: 'service',
  unit: 'nginx.service',
  enabled: true,
  running: true,
  config: [{ path: '/etc/nginx/nginx.conf', sha256: hash }],
  activate: 'reload',
};
const line = `${hash}  /etc/nginx/nginx.conf`;
const fine: ServiceState = { load: 'loaded', enabled: true, running: true, stale: false, loaded: [line] };

function block(id: string, file: string, active = 'active', load = 'loaded', reload = 'no'): string {
  return `Id=${id}\nLoadState=${load}\nActiveState=${active}\nUnitFileState=${file}\nNeedDaemonReload=${reload}\n`;
}

describe('systemctl show', () => {
  test('several units, one not there, one an alias, one masked', () => {
    const asked = ['nginx.service', 'sshd.service', 'nope.service', 'keepalived.service'].map((unit) => ({
      ...nginx,
      unit,
    }));
    const text = [
      `@unit nginx.service\n@recorded\n@loaded ${line}\n@unit sshd.service\n@unit nope.service\n@unit keepalived.service\n${block('nginx.service', 'enabled', 'active', 'loaded', 'yes')}`,
      block('ssh.service', 'disabled', 'reloading'),
      block('nope.service', '', 'inactive', 'not-found'),
      block('keepalived.service', 'masked-runtime', 'failed', 'masked'),
    ].join('\n');
    expect(parsed(text, asked)).toEqual([
      { load: 'loaded', enabled: true, running: true, stale: true, loaded: [line] },
      { load: 'loaded', enabled: false, running: true, stale: false, loaded: null },
      { load: 'not-found', enabled: false, running: false, stale: false, loaded: null },
      { load: 'masked', enabled: false, running: false, stale: false, loaded: null },
    ]);
  });

  test.each([
    ['generated, linked in rc?.d', 'generated', '@sysv\n', true],
    ['generated, not linked', 'generated', '', false],
    ['static', 'static', '', null],
    ['enabled until the next boot only', 'enabled-runtime', '', false],
  ])('%s', (_, file, note, enabled) => {
    const text = `@unit nginx.service\n${note}${block('nginx.service', file)}`;
    expect(parsed(text, [nginx])).toEqual([{ ...fine, enabled, loaded: null }]);
  });

  test('an empty record is not the same as none', () => {
    expect(parsed(`@unit nginx.service\n@recorded\n${block('nginx.service', 'enabled')}`, [nginx])).toEqual([
      { ...fine, loaded: [] },
    ]);
  });

  test('no systemd: nothing is known to run', () => {
    expect(parsed('@unit nginx.service\nSystem has not been booted with systemd\n', [nginx])).toEqual([
      { load: 'not-found', enabled: false, running: false, stale: false, loaded: null },
    ]);
  });
});

describe('changes', () => {
  test.each<[string, Partial<ServiceResource>, Partial<ServiceState>, string[]]>([
    ['as described', {}, {}, []],
    [
      'not there yet, and its package will enable it',
      { enabled: false, running: null, config: [], packaged: true },
      { load: 'not-found', enabled: false, running: false, loaded: null },
      ['service_disable nginx.service'],
    ],
    [
      'not there, and nothing brings it',
      { enabled: false, running: null, config: [] },
      { load: 'not-found', enabled: false, running: false, loaded: null },
      [],
    ],
    ['left as it is', { enabled: null, running: null, config: [] }, { enabled: false, running: false }, []],
    ['not enabled', {}, { enabled: false }, ['service_enable nginx.service']],
    ['cannot be enabled', {}, { enabled: null }, []],
    ['stopped', {}, { running: false }, ['service_start nginx.service nginx']],
    [
      'new',
      {},
      { enabled: false, running: false, loaded: null },
      ['service_enable nginx.service', 'service_start nginx.service nginx'],
    ],
    [
      'runs an older configuration',
      {},
      { loaded: [`${'0'.repeat(64)}  /etc/nginx/nginx.conf`] },
      ['service_reload nginx.service nginx'],
    ],
    ['nothing recorded', {}, { loaded: null }, ['service_reload nginx.service nginx']],
    ['nothing recorded, nothing to record', { config: [] }, { loaded: null }, []],
    ['an older unit', { config: [] }, { stale: true }, ['service_reload nginx.service nginx']],
    ['to be restarted', { activate: 'restart', unit: 'x.service' }, { loaded: null }, ['service_restart x.service -']],
    [
      'stopped with an older configuration: starting is enough',
      {},
      { running: false, loaded: [] },
      ['service_start nginx.service nginx'],
    ],
    [
      'left alone while running, e.g. ipvsadm, whose restart empties the table',
      { running: null },
      { stale: true, loaded: [] },
      [],
    ],
    ['left alone while stopped', { running: null }, { running: false, loaded: null }, []],
    [
      'to be stopped',
      { running: false, enabled: false },
      {},
      ['service_disable nginx.service', 'service_stop nginx.service'],
    ],
    [
      'to be stopped, with an older configuration',
      { running: false, enabled: null },
      { loaded: [] },
      ['service_stop nginx.service'],
    ],
  ])('%s', (_, desired, observed, ops) => {
    const changes = diffOne({ ...nginx, ...desired }, { ...fine, ...observed }, DEBIAN);
    expect(words(changes.flatMap((change) => change.ops))).toEqual(ops);
    expect(changes.length).toBe(ops.length === 0 ? 0 : 1);
  });

  test('says why, and what must hold afterwards', () => {
    const [change] = diffOne(nginx, { ...fine, loaded: [] }, DEBIAN);
    expect(change).toMatchObject({
      reason: 'nginx.service runs an older configuration',
      after: { running: true, loaded: [line] },
    });
  });
});
