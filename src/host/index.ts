export { type FactGroup, type Observation, observe } from './client.ts';
export { execute, type OpResult } from './execute.ts';
export { ENGINE_VERSION } from './program.ts';
