export type { Lab } from './lab.ts';
export type { LabProgress } from './progress.ts';
export type { MachineStatus } from './protocol.ts';
export { labDown, labFind, labUp } from './up.ts';
