/** What a host of the lab is doing. `waiting`: its turn to start hasn't come. */
export type MachineState = 'off' | 'waiting' | 'booting' | 'up' | 'failed';

export interface MachineStatus {
  name: string;
  state: MachineState;
  /** Times that its power came on. */
  boots: number;
  /** Interfaces whose cable is pulled. */
  cut: string[];
  /** Why it failed, in one line. */
  reason?: string;
}

/** How long a lab depends on whoever watches it: never, until every host has started, or all its life. */
export type Hold = 'never' | 'start' | 'always';

/** What may be asked of a lab's supervisor: one line of JSON a connection, one answer line or more. */
export type Request =
  | { op: 'status' }
  /** Answers with a status at once and at each change. The lab ends when the asker goes away, for as long as `hold` says. */
  | { op: 'watch'; hold: Hold }
  | { op: 'power'; hosts: string[]; action: 'off' | 'on' | 'cycle' }
  | { op: 'link'; host: string; interfaces: string[]; action: 'cut' | 'restore' }
  /** After an `ok` the connection is a byte stream to that port of the host. */
  | { op: 'stream'; host: string; port: number }
  | { op: 'down' };

export type Reply = { ok: true; hosts: MachineStatus[] } | { ok: false; what: string };

/** Everything that a supervisor needs, written by `lab up` into the lab's folder as lab.json. */
export interface LabFile {
  version: 1;
  layout: import('./layout.ts').Layout;
  images: Partial<Record<import('../inventory/model.ts').Platform, import('./image.ts').Image>>;
  linux: string;
  socket: string;
  /** PATH and LD_LIBRARY_PATH for the programs that it runs. */
  env: Record<string, string>;
  /** Kernels that may start at once. */
  parallel: number;
}
