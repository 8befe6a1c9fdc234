export { inventoryFingerprint } from './fingerprint.ts';
export { loadCluster } from './load.ts';
