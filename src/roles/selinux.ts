import type { Stage } from '../resources/kind.ts';
import type { Desired } from './desired.ts';

/**
 * Ports that the RHEL family's SELinux policy counts as web servers' or web caches' (http_port_t, http_cache_port_t):
 * web servers and Tomcat may listen there, and a proxy may ask there with the narrower of two switches.
 */
const WEB_PORTS: readonly (readonly [number, number])[] = [
  [80, 81],
  [443, 443],
  [488, 488],
  [3128, 3128],
  [8008, 8009],
  [8080, 8080],
  [8118, 8118],
  [8123, 8123],
  [8443, 8443],
  [9000, 9000],
  [10001, 10010],
];

function isWebPort(port: number): boolean {
  return WEB_PORTS.some(([first, last]) => first <= port && port <= last);
}

/** SELinux, where it runs, keeps web servers from connecting anywhere: the narrowest switch that lets them ask these ports. */
export function mayAsk(stage: Stage, ports: readonly number[]): Desired[] {
  if (ports.length === 0) return [];
  const name = ports.every(isWebPort) ? 'httpd_can_network_relay' : 'httpd_can_network_connect';
  return [{ stage, resource: { kind: 'selinux_boolean', name, value: true } }];
}

/** A notice for each port on which SELinux, where it enforces, wouldn't let a web server listen. */
export function mayListen(stage: Stage, ports: readonly number[]): Desired[] {
  return ports
    .filter((port) => !isWebPort(port))
    .map((port): Desired => ({ stage, resource: { kind: 'selinux_port', port, type: 'http_port_t' } }));
}
