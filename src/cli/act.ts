import { setMaxListeners } from 'node:events';

/** The options that every command takes. */
interface Common {
  json?: boolean;
}

/** What a command is: options in, exit code out. */
type Run = (output: import('./output.ts').Output, signal: AbortSignal) => Promise<number>;

/** Runs a command with its output, Ctrl-C and errors taken care of, and sets the exit code. */
export async function act(options: Common, run: Run): Promise<void> {
  const { makeOutput, reportError, EXIT } = await import('./output.ts');
  const output = makeOutput(options.json === true);
  const controller = new AbortController();
  // Every host that is being read listens: Node would warn of a leak.
  setMaxListeners(0, controller.signal);
  let presses = 0;
  const stop = (): void => {
    presses += 1;
    if (presses > 2) process.exit(EXIT.interrupted);
    if (presses === 1) output.progress.note('Stopping at the next safe point (Ctrl-C twice more: at once) …');
    controller.abort();
  };
  // A terminal that goes tells it more than once.
  const hangUp = (): void => controller.abort();
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  process.on('SIGHUP', hangUp);
  let code: number;
  try {
    code = await run(output, controller.signal);
  } catch (error) {
    code = reportError(error, output, controller.signal.aborted);
  }
  if (controller.signal.aborted) code = EXIT.interrupted;
  process.off('SIGINT', stop);
  process.off('SIGTERM', stop);
  process.off('SIGHUP', hangUp);
  process.exitCode = code;
}
