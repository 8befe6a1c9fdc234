import { describe, expect, test } from 'vitest';
import { execute, observe } from '../../src/host/client.ts';
import { ENGINE_VERSION } from '../../src/host/program.ts';
import type { Connection } from '../../src/transport/types.ts';
import { localShell } from './local-shell.ts';

/** A host whose shell is this script, in place of the host program; `$nonce` is set. */
function host(script: string): Connection {
  const honest = localShell();
  const prefix = 'while read -r line; do [ "$line" = lvsctl-engine ] && read -r nonce && break; done\n';
  return { ...honest, host: 'rs1', open: (_argv, options) => honest.open(['sh', '-c', prefix + script], options) };
}

const look = (connection: Connection) => observe(connection, { facts: [], desire: () => [], phase: 'observe' });
const hello = `printf '\\n%s hello ${ENGINE_VERSION}\\n' "$nonce"; `;

describe('a host that does not answer as it should', () => {
  test.each([
    ['ends at once', 'exit 0', 'HOST-LOST', 'exit code 0'],
    ['says why on stderr', 'echo "sh: not found" >&2; exit 127', 'HOST-LOST', 'sh: not found'],
    ['is killed', `${hello} kill -9 $$`, 'HOST-LOST', 'signal SIGKILL'],
    ['ends after its greeting', `${hello} exit 3`, 'HOST-LOST', 'exit code 3'],
    ['ends in the middle of a frame', `${hello} printf '\\n%s base\\nkernel' "$nonce"`, 'HOST-LOST', 'middle'],
    [
      'is another program',
      `printf '\\n%s hello 0-other\\n\\n%s x\\n' "$nonce" "$nonce"; cat`,
      'HOST-PROTOCOL',
      'unknown',
    ],
    ['refuses', `${hello} printf '\\n%s refused x\\n\\n%s y\\n' "$nonce" "$nonce"; cat`, 'HOST-PROTOCOL', 'refused'],
    ['never stops talking', `${hello} yes`, 'HOST-PROTOCOL', '64 MiB'],
    ['ends without its facts', `${hello} printf '\\n%s bye\\n' "$nonce"`, 'HOST-PROTOCOL', 'facts'],
  ])('%s', async (_, script, code, what) => {
    await expect(look(host(script))).rejects.toMatchObject({
      problems: [{ code, place: { kind: 'host', host: 'rs1', phase: 'observe' }, what: expect.stringContaining(what) }],
    });
  });

  test('an operation whose end is unknown is named', async () => {
    const going = host(`${hello} read -r op; printf '\\n%s op 0\\nworking' "$nonce"; exit 1`);
    await expect(execute(going, [{ name: 'module_load', args: ['ip_vs'] }])).rejects.toMatchObject({
      problems: [{ code: 'HOST-LOST', what: expect.stringContaining('module_load ip_vs') }],
    });
  });

  test('desire fails: its error comes through', async () => {
    const desire = () => {
      throw new Error('no such template');
    };
    await expect(observe(localShell(), { facts: [], desire })).rejects.toThrow('no such template');
  });

  test('a path that the lines of a request cannot hold is refused before anything is asked', async () => {
    const desire = () => [{ kind: 'file' as const, path: '/etc/a\nb', state: 'absent' as const }];
    await expect(observe(localShell(), { facts: [], desire })).rejects.toMatchObject({
      problems: [{ code: 'HOST-NAME' }],
    });
  });
});

test('an interruption ends the observation at once', async () => {
  const stop = new AbortController();
  const going = observe(host(`${hello} echo; read -r never; sleep 1000`), {
    facts: [],
    desire: () => [],
    signal: stop.signal,
  });
  stop.abort();
  await expect(going).rejects.toMatchObject({ exitCode: 130, problems: [{ code: 'INTERRUPTED' }] });
});
