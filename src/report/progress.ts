import { type Paint, printable } from './paint.ts';

/** One phase of the work over several items (hosts, mostly), shown while it goes on. */
export interface Phase {
  /** What an item is doing now. */
  update(item: string, text: string): void;
  done(item: string, text?: string): void;
  failed(item: string, text?: string): void;
  /** Ends the phase; items not yet ended count as left alone. */
  end(): Promise<void>;
}

/** Shows progress; results are printed by the commands themselves. */
export interface Progress {
  phase(title: string, items: readonly string[]): Promise<Phase>;
  /** A line for the operator that isn't part of the result. */
  note(text: string): void;
}

/** More items than this are shown as a count. */
const MANY = 20;

/** Plain lines on stderr, for a pipe, a log or NO_COLOR. One line when an item ends; counts when there are many. */
export function plainProgress(write: (line: string) => void): Progress {
  return {
    note: (text) => write(printable(text)),
    phase: async (title, items) => {
      const many = items.length > MANY;
      let ended = 0;
      const end = (item: string, text: string | undefined, word: string): void => {
        ended += 1;
        if (!many) write(printable(`${title}: ${item} ${text ?? word}`));
        else if (word === 'failed') write(printable(`${title}: ${item} ${text ?? word}`));
        else if (ended % 50 === 0 || ended === items.length) write(`${title}: ${ended} of ${items.length}`);
      };
      return {
        update: () => undefined,
        done: (item, text) => end(item, text, 'done'),
        failed: (item, text) => end(item, text, 'failed'),
        end: async () => undefined,
      };
    },
  };
}

/** One JSON object a line on stdout, versioned. */
export function jsonProgress(write: (line: string) => void): Progress {
  const emit = (event: Record<string, unknown>): void => write(JSON.stringify({ v: 1, ...event }));
  return {
    note: (text) => emit({ event: 'note', text }),
    phase: async (title, items) => {
      emit({ event: 'phase', phase: title, items });
      const each = (state: string) => (item: string, text?: string) =>
        emit({ event: 'item', phase: title, item, state, ...(text === undefined ? {} : { text }) });
      return { update: each('running'), done: each('done'), failed: each('failed'), end: async () => undefined };
    },
  };
}

/** What listr2 lets a running task change. */
interface LiveTask {
  title: string;
}

/** One line of the live list. It can be told to end before listr2 has started it. */
interface Line {
  title: string;
  task?: LiveTask;
  ended: Promise<void>;
  end: (error?: Error) => void;
}

function makeLine(title: string): Line {
  let end: Line['end'] = () => undefined;
  const ended = new Promise<void>((resolve, reject) => {
    end = (error) => (error === undefined ? resolve() : reject(error));
  });
  // A line that failed before listr2 listens is no unhandled rejection.
  ended.catch(() => undefined);
  return { title, ended, end };
}

/** A live list on a terminal, by listr2. Its own signal handling is off: it would exit with 127. */
export function liveProgress(paint: Paint, write: (line: string) => void): Progress {
  return {
    note: (text) => write(printable(text)),
    phase: async (title, items) => {
      const { Listr, ListrLogger, ProcessOutput } = await import('listr2');
      const many = items.length > MANY;
      const lines = new Map((many ? ['hosts'] : items).map((item) => [item, makeLine(item)]));
      const show = (line: Line | undefined, text: string): void => {
        if (line === undefined) return;
        line.title = text;
        if (line.task !== undefined) line.task.title = text;
      };
      const list = new Listr(
        [
          {
            title,
            task: (_context, outer) =>
              outer.newListr(
                [...lines.values()].map((line) => ({
                  title: line.title,
                  task: (_inner: unknown, task: LiveTask) => {
                    line.task = task;
                    task.title = line.title;
                    return line.ended;
                  },
                })),
                { concurrent: true, exitOnError: false },
              ),
          },
        ],
        {
          registerSignalListeners: false,
          exitOnError: false,
          rendererOptions: {
            collapseSubtasks: false,
            collapseErrors: false,
            showErrorMessage: false,
            // Results go to stdout, progress to stderr.
            logger: new ListrLogger({ processOutput: new ProcessOutput(process.stderr, process.stderr) }),
          },
        },
      );
      const running = list.run().catch(() => undefined);
      let ended = 0;
      const finish = (item: string, text: string | undefined, error?: Error): void => {
        ended += 1;
        if (many) {
          show(lines.get('hosts'), `${ended} of ${items.length}`);
          if (error !== undefined) write(printable(`${title}: ${item} ${error.message}`));
          return;
        }
        const line = lines.get(item);
        show(line, text === undefined ? item : `${item}  ${paint.faint(printable(text))}`);
        line?.end(error);
      };
      return {
        update: (item, text) => show(lines.get(item), `${item}  ${paint.faint(printable(text))}`),
        done: (item, text) => finish(item, text),
        failed: (item, text) => finish(item, text, new Error(text ?? 'failed')),
        end: async () => {
          for (const line of lines.values()) line.end();
          await running;
        },
      };
    },
  };
}
