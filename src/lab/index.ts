export type { Lab, RunStreams } from './lab.ts';
export type { LabProgress, OnProgress } from './progress.ts';
export type { MachineState, MachineStatus } from './protocol.ts';
export { type LabUpOptions, labDown, labFind, labUp } from './up.ts';
