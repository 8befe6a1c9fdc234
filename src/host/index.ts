export { ENGINE_VERSION } from './program.ts';
