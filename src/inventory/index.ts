export { inventoryFingerprint } from './fingerprint.ts';
export { type Loaded, loadCluster, loadClusters, loadOne } from './load.ts';
