import { sha256 } from '../../src/resources/file.ts';
import { keyOf, type Resource } from '../../src/resources/index.ts';
import type { IpvsState } from '../../src/resources/ipvs.ts';
import { type IpvsDestination, type IpvsForwarding, matchWords } from '../../src/resources/ipvs-table.ts';
import type { IpvsTimeouts } from '../../src/resources/ipvs-timeouts.ts';
import type { FileState, Op } from '../../src/resources/kind.ts';
import { type ServiceState, serviceKind } from '../../src/resources/service.ts';

/** A host as the operations see it, in plain values: what the program does on a real one, said a second time. */
export interface Model {
  packages: Set<string>;
  modules: Set<string>;
  /** Path below /proc/sys → value. */
  sysctls: Map<string, string>;
  files: Map<string, Extract<FileState, { type: 'file' }>>;
  /** `-t 20.20.20.20:80` → service. */
  table: Map<string, NonNullable<IpvsState>>;
  timeouts: IpvsTimeouts | null;
  units: Map<string, ServiceState>;
}

/** Does one operation on the model; throws where the real tool would refuse. */
export function applyOp(model: Model, op: Op): void {
  const [first = '', second = '', third = '', fourth = ''] = op.args;
  switch (op.name) {
    case 'package_install':
      for (const spec of op.args.slice(1)) model.packages.add(spec.slice(0, spec.indexOf('=')));
      return;
    case 'module_load':
      model.modules.add(first);
      return;
    case 'sysctl_set':
      model.sysctls.set(first, second);
      return;
    case 'file_put':
      model.files.set(first, {
        type: 'file',
        sha256: sha256(op.input ?? ''),
        owner: second,
        group: third,
        mode: fourth,
      });
      return;
    case 'file_remove':
      model.files.delete(first);
      return;
    case 'ipvs':
      if (first === 'forget') return;
      ipvsadm(model.table, first === 'cut' ? ['-d', ...op.args.slice(1)] : op.args);
      return;
    case 'ipvs_timeouts':
      model.timeouts = { tcp: Number(first), tcpFin: Number(second), udp: Number(third) };
      return;
    case 'service_enable':
    case 'service_disable':
      unit(model, first).enabled = op.name === 'service_enable';
      return;
    case 'service_stop':
      unit(model, first).running = false;
      return;
    case 'service_start':
    case 'service_reload':
    case 'service_restart': {
      const state = unit(model, first);
      if (op.name !== 'service_start' && !state.running) throw new Error(`${first} is not running`);
      state.running = true;
      state.stale = false;
      return;
    }
    default:
      throw new Error(`the model has no ${op.name}`);
  }
}

/** A start or a reload records what the configuration files hold then. */
export function record(model: Model, resource: Resource, ops: readonly Op[]): void {
  if (resource.kind !== 'service') return;
  const taken = ops.some((op) => serviceKind.ops.includes(op.name) && /start|reload/.test(op.name));
  if (taken) unit(model, resource.unit).loaded = resource.config.map(({ path, sha256 }) => `${sha256}  ${path}`);
}

function unit(model: Model, name: string): ServiceState {
  const state = model.units.get(name) ?? { load: 'loaded', enabled: false, running: false, stale: false, loaded: null };
  model.units.set(name, state);
  return state;
}

function ipvsadm(table: Model['table'], args: readonly string[]): void {
  const words = args[3] === '-6' ? 4 : 3;
  const [command] = args;
  const key = args.slice(1, words).join(' ');
  const rest = args.slice(words);
  const found = table.get(key);
  const value = (flag: string) => rest[rest.indexOf(flag) + 1] ?? '';
  if (command === '-A') {
    if (found) throw new Error('Service already exists');
    table.set(key, { scheduler: value('-s'), flags: rest.slice(2), destinations: [] });
    return;
  }
  if (!found) throw new Error('Service not defined');
  if (command === '-D') table.delete(key);
  else if (command === '-E') Object.assign(found, { scheduler: value('-s'), flags: rest.slice(2) });
  else {
    const [, address = '', port = ''] = /^(.*):(\d+)$/.exec(value('-r')) ?? [];
    const at = found.destinations.findIndex((each) => each.address === address && each.port === Number(port));
    if ((command === '-a') === at >= 0) throw new Error(`${command}: destination ${at < 0 ? 'missing' : 'exists'}`);
    const limit = (flag: string) => (rest.includes(flag) ? Number(value(flag)) : 0);
    const made: IpvsDestination = {
      ...forwarding(rest),
      address,
      port: Number(port),
      weight: Number(value('-w')),
      upper: limit('-x'),
      lower: limit('-y'),
    };
    found.destinations = found.destinations.filter((_, index) => index !== at);
    if (command !== '-d') found.destinations.push(made);
    found.destinations.sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : a.port - b.port));
  }
}

/** The tunnel's type and port alone: what the tests' resources vary. */
function forwarding(words: readonly string[]): IpvsForwarding {
  if (words.includes('-m')) return { method: 'masq' };
  if (!words.includes('-i')) return { method: 'gate' };
  if (!words.includes('--tun-type')) return { method: 'tunnel', tunnel: { type: 'ipip' } };
  const port = Number(words[words.indexOf('--tun-port') + 1]);
  return { method: 'tunnel', tunnel: { type: 'gue', port, checksum: 'none' } };
}

/** What an observation of the model gives for one resource. */
export function stateOf(model: Model, resource: Resource): unknown {
  switch (resource.kind) {
    case 'package':
      return { installed: model.packages.has(resource.name) };
    case 'module':
      return { loaded: model.modules.has(resource.name), available: true };
    case 'sysctl':
      return { value: model.sysctls.get(resource.name.replaceAll('.', '/')) ?? null, overriddenBy: null };
    case 'file':
      return model.files.get(resource.path) ?? { type: 'absent' };
    case 'ipvs': {
      const state = model.table.get(matchWords(resource).join(' '));
      return state === undefined ? null : structuredClone(state);
    }
    case 'ipvs_timeouts':
      return model.timeouts;
    case 'service':
      return structuredClone(unit(model, resource.unit));
    case 'connection':
      throw new Error(`the model has no ${keyOf(resource)}`);
  }
}
