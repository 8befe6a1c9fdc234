import type { Cluster } from '../inventory/model.ts';
import type { SeenHost } from '../plan/build.ts';
import { instanceName, vrrpStates } from '../resources/keepalived.ts';
import type { Check } from './judge.ts';

/** Of each VRRP instance: who is master. Exactly one must be; who doesn't hold the VIP at the moment is as well as it. Pure. */
export function judgePairs(cluster: Cluster, seen: readonly SeenHost[]): Check[] {
  return cluster.vrrp.flatMap((group) =>
    group.instances
      .filter(({ addresses }) => addresses.length > 0)
      .map((instance): Check => {
        const name = instanceName(group, instance);
        const hop = `${group.name}.${instance.name}: who is master`;
        const states = group.nodes.map(({ host }) => ({ host, state: stateOn(seen, host, name) }));
        const masters = states.filter(({ state }) => state === 'MASTER');
        const unseen = states.filter(({ state }) => state === undefined);
        const detail = states
          .map(
            ({ host, state }) => `${host} ${state === undefined ? 'could not be asked' : `is ${state.toLowerCase()}`}`,
          )
          .join(', ');
        if (masters.length > 1) return { hop, status: 'failed', detail: `${detail}: both answer for its addresses` };
        if (masters.length === 0 && unseen.length === 0)
          return { hop, status: 'failed', detail: `${detail}: nobody is` };
        const fault = states.some(({ state }) => state === 'FAULT');
        return { hop, status: fault ? 'failed' : unseen.length > 0 ? 'unknown' : 'ok', detail };
      }),
  );
}

/** The director that is master of a service's VIPs; undefined where none is known, or no pair carries them. Pure. */
export function masterOf(cluster: Cluster, seen: readonly SeenHost[], vrrp: { group: string; instance: string }) {
  const group = cluster.vrrp.find(({ name }) => name === vrrp.group);
  const name = instanceName({ name: vrrp.group }, { name: vrrp.instance });
  return group?.nodes.find(({ host }) => stateOn(seen, host, name) === 'MASTER')?.host;
}

function stateOn(seen: readonly SeenHost[], host: string, instance: string) {
  const found = seen.find((one) => one.host.name === host);
  return found && vrrpStates(found.states.get('keepalived'))[instance];
}
