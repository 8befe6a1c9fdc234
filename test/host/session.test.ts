import { expect, test } from 'vitest';
import { talk } from '../../src/host/session.ts';
import { localShell } from './local-shell.ts';

const here = (script: string) => localShell({ shell: ['sh', '-c', `${script}; exec "$@"`, 'sh', 'sh'] });

test('a login that hangs is told in time, whatever time the operations have', async () => {
  const host = await talk(here('exec sleep 1000'), 'observe', { phase: 'apply', timeout: 600, greeting: 0.5 });
  await expect(host.next()).rejects.toMatchObject({
    problems: [
      { code: 'HOST-SILENT', what: 'the host program did not start in 0.5 s, though the host let this user in' },
    ],
  });
});

test('what it says before that is no first word', async () => {
  const host = await talk(here('while sleep 0.1; do echo welcome; done'), 'observe', { phase: 'apply', greeting: 1 });
  await expect(host.next()).rejects.toMatchObject({ problems: [{ code: 'HOST-SILENT' }] });
});
