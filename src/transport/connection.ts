import type { Link } from './channels.ts';
import { commandLine } from './quote.ts';
import type { Secrets } from './secrets.ts';
import { collectStderr, sessionOf } from './session.ts';
import { becomeRoot, sudoCommand } from './sudo.ts';
import type { Connection, Target } from './types.ts';

/** What every transport starts programs with. */
export type Exec = Link['exec'];

/** A Connection out of a way to run command lines. */
export function connectionOf(
  target: Target,
  user: string,
  link: { exec: Exec; close(): void | Promise<void> },
  secrets: Secrets,
): Connection {
  // root needs no sudo, and a minimal system has none.
  const become = target.ssh.become === 'sudo' && user !== 'root';
  return {
    host: target.name,
    async open(argv, { phase, timeout }) {
      const whom = { host: target.name, phase };
      const sudo = become ? sudoCommand(argv) : undefined;
      const raw = await link.exec(commandLine(sudo?.argv ?? argv), whom);
      const stderr = collectStderr(raw.stderr);
      if (sudo) await becomeRoot(raw, stderr, sudo, whom, () => secrets.sudo(user));
      return sessionOf(raw, stderr, whom, timeout);
    },
    async close() {
      await link.close();
    },
  };
}
