import { sha256 } from '../../src/resources/file.ts';
import { keyOf, type Resource } from '../../src/resources/index.ts';
import type { IpvsDestination, IpvsState } from '../../src/resources/ipvs.ts';
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
      ipvsadm(model.table, op.args);
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
  const [command, protocol, service, ...rest] = args;
  const key = `${protocol} ${service}`;
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
    const method: IpvsDestination['method'] = rest.includes('-m') ? 'masq' : rest.includes('-i') ? 'tunnel' : 'gate';
    const made = { address, port: Number(port), method, weight: Number(value('-w')) };
    found.destinations = found.destinations.filter((_, index) => index !== at);
    if (command !== '-d') found.destinations.push(made);
    found.destinations.sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : a.port - b.port));
  }
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
      const state = model.table.get(`-t ${resource.address}:${resource.port}`);
      return state === undefined ? null : structuredClone(state);
    }
    case 'service':
      return structuredClone(unit(model, resource.unit));
    case 'connection':
      throw new Error(`the model has no ${keyOf(resource)}`);
  }
}
