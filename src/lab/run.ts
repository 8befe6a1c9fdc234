import { ExecaError, execa } from 'execa';
import { failure } from '../errors/index.ts';

export interface RunOptions {
  env?: NodeJS.ProcessEnv;
  signal?: AbortSignal;
  input?: string;
  cwd?: string;
  /** Called with each line of stderr. */
  onLine?: (line: string) => void;
}

/**
 * Runs a program of this machine to its end and returns its stdout. An abort ends it by SIGTERM, which lets it clean up.
 * @throws LvsctlError `LAB-TOOL-FAILED` with the last lines of its stderr; `LAB-INTERRUPTED`
 */
export async function run(argv: readonly [string, ...string[]], options: RunOptions = {}): Promise<string> {
  const [program, ...args] = argv;
  try {
    const child = execa(program, args, {
      ...(options.env === undefined ? {} : { env: options.env }),
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.signal === undefined ? {} : { cancelSignal: options.signal }),
      ...(options.input === undefined ? { stdin: 'ignore' } : { input: options.input }),
      forceKillAfterDelay: 20_000,
    });
    if (options.onLine !== undefined) void forward(child.iterable({ from: 'stderr' }), options.onLine);
    return String((await child).stdout);
  } catch (error) {
    if (!(error instanceof ExecaError)) throw error;
    if (error.isCanceled) throw interrupted();
    const tail = String(error.stderr ?? '')
      .split('\n')
      .filter((line) => line.trim() !== '')
      .slice(-6)
      .join('; ');
    throw failure(
      {
        code: 'LAB-TOOL-FAILED',
        place: { kind: 'none' },
        what: `${program} ${args.slice(0, 2).join(' ')} ended with ${error.exitCode ?? error.signal ?? error.code}: ${tail || error.shortMessage}`,
        next: 'See the message above; run the same command by hand to learn more',
      },
      { cause: error },
    );
  }
}

async function forward(lines: AsyncIterable<unknown>, onLine: (line: string) => void): Promise<void> {
  try {
    for await (const line of lines) onLine(String(line));
  } catch {
    // The program's failure is reported by the promise of its result.
  }
}

/** The failure that an interrupted lab command ends with. */
export function interrupted() {
  return failure(
    {
      code: 'LAB-INTERRUPTED',
      place: { kind: 'none' },
      what: 'interrupted; nothing of the lab is left running',
      next: 'Run the command again: what was already built is kept',
    },
    { exitCode: 130 },
  );
}
