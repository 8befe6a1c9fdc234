/** A kernel parameter's live value (a file resource sets it at boot). */
export interface SysctlResource {
  kind: 'sysctl';
  /** Dotted name, e.g. `net.ipv4.ip_forward`; a dot inside an interface's name is written `/` (sysctl.d(5)). */
  name: string;
  value: string;
  /** The file that sets it at boot, e.g. `/etc/sysctl.d/90-lvsctl.conf`: later files that disagree are reported. */
  file: string;
}
