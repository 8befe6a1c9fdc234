/** A time limit that stands still while the operator is asked something. */
export interface Deadline {
  /** Runs `work` without counting its time. */
  during<T>(work: () => Promise<T>): Promise<T>;
  clear(): void;
}

/** Calls `expired` once, after `ms` milliseconds of counted time. */
export function deadline(ms: number, expired: () => void): Deadline {
  let left = ms;
  let since = performance.now();
  let timer: NodeJS.Timeout | undefined = setTimeout(expired, left);
  let paused = 0;
  let over = false;
  const stop = () => {
    clearTimeout(timer);
    timer = undefined;
  };
  return {
    async during(work) {
      if (paused++ === 0) {
        stop();
        left -= performance.now() - since;
      }
      try {
        return await work();
      } finally {
        if (--paused === 0 && !over) {
          since = performance.now();
          timer = setTimeout(expired, Math.max(left, 1));
        }
      }
    },
    clear() {
      over = true;
      stop();
    },
  };
}
