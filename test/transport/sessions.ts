/** What holds of every transport's sessions; each transport's test runs these cases against itself. */
import { expect, test } from 'vitest';
import type { Connection } from '../../src/transport/types.ts';
import { all, codeOf, failureOf, run, sh } from './io.ts';

const phase = 'test';

export function sessionCases(connection: () => Connection): void {
  test('stdin, stdout, stderr and the exit code', async () => {
    const result = await run(connection(), sh('cat; echo oops >&2; exit 7'), 'hello\n');
    expect(result).toEqual({ stdout: 'hello\n', stderr: 'oops\n', exit: { code: 7, signal: null } });
  });

  test("a program's own exit code 255 is no failure of the connection", async () => {
    const result = await run(connection(), sh('echo bye; exit 255'));
    expect(result).toEqual({ stdout: 'bye\n', stderr: '', exit: { code: 255, signal: null } });
  });

  test('arguments arrive as they are', async () => {
    const words = ['', ' ', 'a b', "it's", '$HOME', '`id`', '"', '\\', '*', '~', '!x', 'ä→𝄞', '-n', 'a\nb', '\t'];
    const result = await run(connection(), ['printf', '%s\\0', ...words]);
    expect(result.stdout.split('\0').slice(0, -1)).toEqual(words);
  });

  test('bytes go both ways unchanged, more than any window', async () => {
    const bytes = Buffer.alloc(5 * 1024 * 1024, 0).map((_, index) => (index * 7 + (index >> 8)) & 0xff);
    const session = await connection().open(['cat'], { phase });
    const sending = (async () => {
      for (let at = 0; at < bytes.length; at += 100_000) await session.write(bytes.subarray(at, at + 100_000));
      session.end();
    })();
    const back = await all(session.stdout);
    await sending;
    expect(back.equals(Buffer.from(bytes))).toBe(true);
    expect(await session.exit).toEqual({ code: 0, signal: null });
  });

  test('a character cut in two by packets comes back whole', async () => {
    const result = await run(connection(), sh("printf '\\303'; sleep 0.2; printf '\\244'"));
    expect(result.stdout).toBe('ä');
  });

  test('stderr is kept up to 64 KiB and never stalls the program', async () => {
    const result = await run(connection(), sh('head -c 3000000 /dev/zero | tr "\\0" x >&2; echo done'));
    expect(result.stdout).toBe('done\n');
    expect(result.stderr.length).toBe(64 * 1024);
  });

  test('exit is known although nobody reads stdout', async () => {
    const session = await connection().open(sh('echo unread; exit 3'), { phase });
    session.end();
    expect(await session.exit).toEqual({ code: 3, signal: null });
  });

  test('a program that closes stdout goes on, and its exit code is its own', async () => {
    const result = await run(connection(), sh('echo first; exec >&-; sleep 0.2; exit 4'));
    expect(result).toEqual({ stdout: 'first\n', stderr: '', exit: { code: 4, signal: null } });
  });

  test('writing to a program that ended is SSH-ENDED', async () => {
    const session = await connection().open(['true'], { phase });
    await session.exit;
    expect(await codeOf(session.write('late'))).toBe('SSH-ENDED');
    session.end();
  });

  test('a writer that waits for room hears when the program ends', async () => {
    const session = await connection().open(sh('sleep 0.3; exit 0'), { phase });
    const flood = (async () => {
      for (;;) await session.write(Buffer.alloc(1024 * 1024));
    })();
    expect(await codeOf(flood)).toBe('SSH-ENDED');
    expect(await session.exit).toEqual({ code: 0, signal: null });
  });

  test('a time limit ends the session, not the connection', async () => {
    const session = await connection().open(sh('echo early; sleep 5'), { phase, timeout: 0.3 });
    const error = await failureOf(session.exit);
    expect(error.problems[0]).toMatchObject({
      code: 'SSH-COMMAND-TIMEOUT',
      place: { kind: 'host', phase },
    });
    expect(await codeOf(all(session.stdout))).toBe('SSH-COMMAND-TIMEOUT');
    expect((await run(connection(), ['echo', 'still here'])).stdout).toBe('still here\n');
  });

  test('kill ends the session, not the connection', async () => {
    const session = await connection().open(['cat'], { phase });
    const reading = codeOf(all(session.stdout));
    session.kill();
    expect(await codeOf(session.exit)).toBe('SSH-KILLED');
    expect(await reading).toBe('SSH-KILLED');
    expect(await codeOf(session.write('more'))).toBe('SSH-KILLED');
    expect((await run(connection(), ['echo', 'still here'])).stdout).toBe('still here\n');
  });

  test('a program that reads its input is gone from the host after kill', async () => {
    const session = await connection().open(sh('echo $$; exec cat'), { phase });
    const first = await session.stdout[Symbol.asyncIterator]().next();
    const pid = Buffer.from(first.value ?? [])
      .toString()
      .trim();
    expect(pid).toMatch(/^\d+$/);
    session.kill();
    await failureOf(session.exit);
    const script = `for i in $(seq 100); do kill -0 ${pid} 2>/dev/null || { echo gone; exit; }; sleep 0.05; done; echo alive`;
    expect((await run(connection(), sh(script))).stdout).toBe('gone\n');
  });

  test('a program that does not exist: the shell says so', async () => {
    const result = await run(connection(), ['/nonexistent/program']);
    expect(result.exit.code).toBe(127);
    expect(result.stderr).toMatch(/not found|No such file/);
  });

  test('many sessions at once, more than sshd allows on one connection', async () => {
    const results = await Promise.all(
      Array.from({ length: 25 }, (_, index) => run(connection(), sh(`sleep 0.05; echo ${index}`))),
    );
    expect(results.map((result) => result.stdout.trim())).toEqual(Array.from({ length: 25 }, (_, index) => `${index}`));
  });

  test('an argument with a NUL byte is refused here', async () => {
    await expect(connection().open(['echo', 'a\0b'], { phase })).rejects.toThrow(RangeError);
  });
}
