/** What `lab up` is doing, for whoever watches. */
export interface LabProgress {
  phase: 'check' | 'tools' | 'image' | 'boot';
  /** One line for people. */
  text: string;
  /** Seconds that the phase is expected to take from here; absent where it is short. */
  expected?: number;
  /** The host that the line is about, in phase `boot`. */
  host?: string;
}

export type OnProgress = (progress: LabProgress) => void;
