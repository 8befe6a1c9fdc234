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

interface LiveTask {
  title: string;
  output: string;
}

/** A live list on a terminal, by listr2. Its own signal handling is off: it would exit with 127. */
export function liveProgress(paint: Paint, write: (line: string) => void): Progress {
  return {
    note: (text) => write(printable(text)),
    phase: async (title, items) => {
      const { Listr } = await import('listr2');
      const shown = items.length > MANY ? ['hosts'] : items;
      const handles = new Map<string, { resolve: () => void; reject: (error: Error) => void; task?: LiveTask }>();
      const tasks = shown.map((item) => ({
        title: item,
        task: (_context: unknown, task: LiveTask) => {
          const ended = new Promise<void>((resolve, reject) => handles.set(item, { resolve, reject, task }));
          return ended;
        },
      }));
      const list = new Listr(
        [{ title, task: (_context, task) => task.newListr(tasks, { concurrent: true, exitOnError: false }) }],
        {
          registerSignalListeners: false,
          exitOnError: false,
          rendererOptions: { collapseSubtasks: false, collapseErrors: false, showErrorMessage: false },
        },
      );
      const running = list.run().catch(() => undefined);
      // The tasks start in a later turn of the event loop.
      await new Promise((resolve) => setImmediate(resolve));
      let ended = 0;
      const finish = (item: string, text: string | undefined, good: boolean): void => {
        ended += 1;
        const handle = handles.get(items.length > MANY ? 'hosts' : item);
        if (handle === undefined) return;
        if (items.length > MANY) {
          if (handle.task) handle.task.title = `${ended} of ${items.length} hosts`;
          if (!good) write(printable(`${title}: ${item} ${text ?? 'failed'}`));
          return;
        }
        if (text !== undefined && handle.task) handle.task.title = `${item}  ${paint.faint(printable(text))}`;
        if (good) handle.resolve();
        else handle.reject(new Error(text ?? 'failed'));
      };
      return {
        update: (item, text) => {
          const handle = handles.get(item);
          if (handle?.task) handle.task.title = `${item}  ${paint.faint(printable(text))}`;
        },
        done: (item, text) => finish(item, text, true),
        failed: (item, text) => finish(item, text, false),
        end: async () => {
          for (const handle of handles.values()) handle.resolve();
          await running;
        },
      };
    },
  };
}
