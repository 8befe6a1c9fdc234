/** A package that must be installed, whatever its version. */
export interface PackageResource {
  kind: 'package';
  /** The family's own name of the package. */
  name: string;
}
