/** A systemd unit: enabled at boot, running now, and running the configuration that stands on disk. */
export interface ServiceResource {
  kind: 'service';
  /** With its suffix, e.g. `nginx.service`. */
  unit: string;
  /** null: left as it is. */
  enabled: boolean | null;
  running: boolean | null;
  /** The files it reads, with the SHA-256 (hex) that each is to have. */
  config: { path: string; sha256: string }[];
  /** How it takes up a changed configuration. */
  activate: 'reload' | 'restart';
}
