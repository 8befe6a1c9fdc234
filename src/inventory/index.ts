export { inventoryFingerprint } from './fingerprint.ts';
export { type Loaded, loadCluster, loadClusters } from './load.ts';
