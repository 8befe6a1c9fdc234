import { keyOf } from './key.ts';
import type { Kind } from './kind.ts';
import { sh } from './sh.ts';

/** The host's clock, that chrony keeps: looked at, never set. */
export interface ClockResource {
  kind: 'clock';
}

/** What chrony says of the clock. */
export type ClockState =
  /** chrony isn't there, or doesn't answer. */
  | { sync: 'unknown' }
  | { sync: 'yes' /** How far the system's clock is from the servers' time. */; secondsOff: number }
  | { sync: 'no' };

/** Further off than that, the clock is reported though it is being set right. */
const SECONDS_OFF = 1;

/** The clock: whether it is in fact synchronised is a notice to the operator; no change can bring that about. */
export const clockKind: Kind<ClockResource, ClockState> = {
  kind: 'clock',
  ops: [],
  shell: sh`
observe_clock() {
  if command -v chronyc >/dev/null; then chronyc -n -c tracking 2>&1; fi
}
`,
  ask: () => ['tracking'],
  // chronyc(1), -c: fields by comma, among them the system's offset (5th) and, last, the leap status.
  parse({ text }, asked) {
    const fields = text.trim().split(',');
    const offset = Number(fields[4]);
    const whole = fields.length >= 14 && !Number.isNaN(offset);
    const state: ClockState = !whole
      ? { sync: 'unknown' }
      : fields.at(-1) === 'Not synchronised'
        ? { sync: 'no' }
        : { sync: 'yes', secondsOff: Math.abs(offset) };
    return new Map(asked.map((resource) => [keyOf(resource), state]));
  },
  diff: () => [],
  undo: () => undefined,
  warn(_, state) {
    switch (state.sync) {
      case 'unknown':
        return [];
      case 'no':
        return ['the clock is not synchronised: chrony has no time server that answers (yet); see chronyc sources'];
      case 'yes':
        return state.secondsOff > SECONDS_OFF
          ? [`the clock is ${state.secondsOff.toFixed(1)} s off the time servers’; chrony is setting it right`]
          : [];
    }
  },
};
