import type { Protocol } from '../inventory/model.ts';

/** One real server of a virtual service, in ipvsadm's words. */
export interface IpvsDestination {
  address: string;
  port: number;
  /** gate: direct routing (-g), masq: NAT (-m), tunnel: ipip (-i). */
  method: 'gate' | 'masq' | 'tunnel';
  weight: number;
}

/** A virtual service in the kernel's live table with exactly these destinations, or none. */
export type IpvsResource =
  | {
      kind: 'ipvs';
      state: 'present';
      protocol: Protocol;
      address: string;
      port: number;
      scheduler: string;
      /** Further words of `ipvsadm -A`, e.g. `['-p', '300']`; normally empty. */
      flags: string[];
      destinations: IpvsDestination[];
    }
  | { kind: 'ipvs'; state: 'absent'; protocol: Protocol; address: string; port: number };
