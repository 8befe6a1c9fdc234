/** A kernel module that must be loaded now (a file resource loads it at boot). */
export interface ModuleResource {
  kind: 'module';
  name: string;
}
