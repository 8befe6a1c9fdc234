import { isDeepStrictEqual } from 'node:util';
import { isRecord } from './holds.ts';
import { keyOf } from './key.ts';
import type { Change, Kind, Op, Shown } from './kind.ts';
import { sh } from './sh.ts';

/** A systemd unit: enabled at boot, running now, and running the configuration that stands on disk. */
export interface ServiceResource {
  kind: 'service';
  /** With its suffix, e.g. `nginx.service`. */
  unit: string;
  /** null: left as it is. */
  enabled: boolean | null;
  /** null: left as it is, neither reloaded nor restarted. */
  running: boolean | null;
  /** The files it reads, with the SHA-256 (hex) that each is to have. */
  config: { path: string; sha256: string }[];
  /** It comes with a package that is wanted too, which enables it: not there yet, it counts as enabled. */
  packaged?: true;
  /** How it takes up a changed configuration. */
  activate: 'reload' | 'restart';
  /** Its stop would take away more than is ours (ipvsadm's empties the whole table): it is stopped without that. */
  quiet?: true;
  /** Given back: where it runs, it takes up the files that are there now, and nothing notes any more what it loads. */
  released?: true;
}

/** A unit as systemd has it. */
export interface ServiceState {
  /** systemd's LoadState, e.g. `loaded`, `not-found`, `masked`. */
  load: string;
  /** null where it can be neither enabled nor disabled (`static` units). */
  enabled: boolean | null;
  running: boolean;
  /** Whether systemd has an older text of the unit in memory (NeedDaemonReload). */
  stale: boolean;
  /** `sha256sum` lines of the configuration that it started with or took up last; null where nothing is recorded. */
  loaded: string[] | null;
}

/**
 * systemd units. Whether one runs an older configuration is read from the host: a drop-in of the unit records the
 * hashes of its files in `/run/lvsctl/loaded/<unit>` when it starts and when it reloads.
 */
export const serviceKind: Kind<ServiceResource, ServiceState> = {
  kind: 'service',
  ops: [
    'service_enable',
    'service_disable',
    'service_start',
    'service_stop',
    'service_reload',
    'service_restart',
    'service_release',
    'service_back',
  ],
  shell: sh`
# An init script's links tell whether it is enabled: systemd says "generated" of its unit.
observe_service() {
  oldifs=$IFS
  IFS=$nl
  # shellcheck disable=SC2086
  set -- $asked
  IFS=$oldifs
  notes=
  for unit; do
    notes="\${notes}@unit $unit$nl"
    name=\${unit%.service}
    if [ -e "$R/etc/init.d/$name" ]; then
      set +f
      for link in "$R"/etc/rc[2345].d/S[0-9][0-9]"$name"; do
        if [ -L "$link" ]; then notes="\${notes}@sysv$nl"; break; fi
      done
      set -f
    fi
    if [ -r "$R/run/lvsctl/loaded/$unit" ]; then
      notes="\${notes}@recorded$nl"
      while IFS= read -r line; do notes="\${notes}@loaded $line$nl"; done <"$R/run/lvsctl/loaded/$unit"
    fi
  done
  printf '%s' "$notes"
  systemctl show -p Id,LoadState,ActiveState,UnitFileState,NeedDaemonReload "$@" 2>&1
}

op_service_enable() {
  systemctl --quiet enable "$1" || return 1
  if [ -n "$booting" ]; then systemctl --no-block start "$1"; fi
}

op_service_disable() {
  # What takes back may find that the unit's file never came.
  output=$(systemctl --quiet disable "$1" 2>&1) || case $back:$output in
    1:*'does not exist'*) return 0 ;;
    *) printf '%s\n' "$output"; return 1 ;;
  esac
  if [ -n "$booting" ]; then systemctl --no-block stop "$1"; fi
}

# While the host starts, what is asked of systemd waits its turn.
# service_stop UNIT [quiet]: quiet is without what the unit does when it stops.
op_service_stop() {
  if [ "\${2-}" = quiet ] && [ -z "$booting" ]; then
    silenced=$R/run/systemd/system/$1.d
    mkdir -p "$silenced" && printf '[Service]\nExecStop=\nExecStopPost=\n' >"$silenced/zz-lvsctl-quiet.conf" &&
      systemctl daemon-reload && systemctl stop "$1"
    status=$?
    rm -f "$silenced/zz-lvsctl-quiet.conf"
    rmdir "$silenced" 2>/dev/null
    systemctl daemon-reload
    return "$status"
  fi
  systemctl \${booting:+--no-block} stop "$1" || return 1
  # One that is stopped while it starts may count as failed, and it is stopped because that is wanted.
  [ -n "$booting" ] || systemctl reset-failed "$1" 2>/dev/null || :
}

# Reads units again where systemd's copy of this one is old; checks the configuration with the program's own checker.
service_ready() {
  if [ "$(systemctl show -p NeedDaemonReload --value "$1")" = yes ]; then
    systemctl daemon-reload || return 1
    reread=
  fi
  case $2 in
    nginx) output=$(nginx -t 2>&1) || { printf '%s\n' "$output"; return 1; } ;;
    keepalived) keepalived_valid ;;
  esac
}

service_verdict() {
  if [ "$1" -eq 0 ] && systemctl --quiet is-active "$2"; then return 0; fi
  systemctl status --no-pager --lines=20 --full "$2"
  return 1
}

op_service_start() {
  if [ -n "$booting" ]; then systemctl --no-block start "$1"; return; fi
  service_ready "$1" "$2" || return 1
  systemctl reset-failed "$1" 2>/dev/null
  systemctl start "$1"
  service_verdict $? "$1" || return 1
  case $2 in keepalived) keepalived_settled start ;; esac
}

op_service_reload() {
  service_ready "$1" "$2" || return 1
  systemctl reload "$1"
  service_verdict $? "$1" || return 1
  case $2 in keepalived) keepalived_settled reload ;; esac
}

op_service_restart() {
  service_ready "$1" "$2" || return 1
  systemctl restart "$1"
  service_verdict $? "$1"
}

# service_release UNIT CHECKER reload|restart: it runs what stands on disk now, and its record goes.
op_service_release() {
  systemctl daemon-reload || return 1
  service_ready "$1" "$2" || return 1
  systemctl "$3" "$1"
  service_verdict $? "$1" && rm -f "$R/run/lvsctl/loaded/$1"
}

# service_back UNIT CHECKER reload|restart kept|none|stale: where it runs anything but what stands there now, it takes that
# up. kept: its record tells; none: there was none, so one tells that it was touched; stale: nothing tells.
op_service_back() {
  loaded=$R/run/lvsctl/loaded/$1
  if ! systemctl --quiet is-active "$1"; then op_service_start "$1" "$2" || return 1
  elif [ "$4" = kept ] && [ -e "$loaded" ] && (cd "$R/" && sha256sum -c "$loaded" >/dev/null 2>&1); then return 0
  elif [ "$4" = none ] && [ ! -e "$loaded" ]; then return 0
  elif [ "$3" = reload ]; then op_service_reload "$1" "$2" || return 1
  else op_service_restart "$1" "$2" || return 1
  fi
  [ "$4" = kept ] || rm -f "$loaded"
}
`,
  boots: ['service_enable', 'service_disable', 'service_start', 'service_stop'],
  revert({ ops }, _, state) {
    const opposite: Readonly<Record<string, string>> = {
      service_enable: 'service_disable',
      service_disable: 'service_enable',
      service_start: 'service_stop',
    };
    const early = ops.flatMap(({ name, args }): Op[] =>
      opposite[name] === undefined ? [] : [{ name: opposite[name], args: args.slice(0, 1) }],
    );
    const record = state?.stale ? 'stale' : state?.loaded ? 'kept' : 'none';
    const late = ops.flatMap(({ name, args }): Op[] => {
      const [unit = '', , activate] = args;
      const back = (how: string): Op[] => [{ name: 'service_back', args: [unit, checker(unit), how, record] }];
      switch (name) {
        case 'service_stop':
          return [{ name: 'service_start', args: [unit, checker(unit)] }];
        case 'service_release':
          return back(activate ?? 'restart');
        case 'service_reload':
          return back('reload');
        case 'service_restart':
          return back('restart');
        default:
          return [];
      }
    });
    return { ops: early, late };
  },
  undo({ resource, before }) {
    if (!isRecord(before)) return undefined;
    const enabled = typeof before.enabled === 'boolean' ? before.enabled : null;
    const { packaged: _, ...own } = resource;
    return { ...own, enabled, running: before.running === false ? false : null, config: [], released: true };
  },
  back({ resource, before, wrote }) {
    if (!isRecord(before)) return undefined;
    const enabled = typeof before.enabled === 'boolean' ? before.enabled : null;
    const { packaged: _, released: __, ...own } = resource;
    if (Array.isArray(before.loaded))
      return { ...own, enabled, running: true, config: before.loaded.flatMap(loadedFile) };
    if (before.running === false) return { ...own, enabled, running: false, config: [] };
    const stopped = wrote.some((after) => isRecord(after) && after.running === false);
    if (stopped) return { ...own, enabled, running: true, config: [] };
    return { ...own, enabled, running: null, config: [], released: true };
  },
  earliest: (first, later) => (isRecord(first) && isRecord(later) ? { ...later, ...first } : first),
  // A reload lets requests that are being served come to their end.
  disturbs: ({ ops }) =>
    ops.some(
      ({ name, args }) =>
        name === 'service_restart' || name === 'service_stop' || (name === 'service_release' && args[2] === 'restart'),
    ),
  late: ({ running }) => running !== false,
  ask: ({ unit }) => [unit],
  parse({ text }, asked) {
    const blocks = propertyBlocks(text);
    return new Map(
      asked.map((resource, index) => [
        keyOf(resource),
        stateOf(blocks[index] ?? new Map(), notesOf(text, resource.unit)),
      ]),
    );
  },
  diff(resource, state) {
    const { unit, enabled, running } = resource;
    const config = resource.config.map(({ path, sha256 }) => `${sha256}  ${path}`);
    const outdated = whyActivate(resource, state, config);
    const ops: Op[] = [];
    const shown: Shown[] = [];
    const before: Partial<ServiceState> = {};
    const after: Partial<ServiceState> = {};
    const word = (on: boolean, yes: string, no: string) => (on ? yes : no);
    const isEnabled = resource.packaged && state.load === 'not-found' ? true : state.enabled;
    if (enabled !== null && isEnabled !== null && isEnabled !== enabled) {
      ops.push({ name: word(enabled, 'service_enable', 'service_disable'), args: [unit] });
      shown.push({ as: 'action', text: `${word(enabled, 'enable', 'disable')} ${unit}` });
      before.enabled = state.enabled;
      // What boot starts since is to be stopped when it is given back.
      before.running = state.running;
      after.enabled = enabled;
    }
    if (running !== null && state.running !== running) {
      ops.push({
        name: word(running, 'service_start', 'service_stop'),
        args: running ? [unit, checker(unit)] : [unit, ...(resource.quiet ? ['quiet'] : [])],
      });
      shown.push({ as: 'action', text: `${word(running, 'start', 'stop')} ${unit}` });
      before.running = state.running;
      after.running = running;
      if (running) after.stale = false;
      if (running && config.length > 0) after.loaded = config;
    } else if (outdated !== undefined) {
      ops.push({ name: `service_${resource.activate}`, args: [unit, checker(unit)] });
      shown.push({ as: 'action', text: `${resource.activate} ${unit}` });
      before.running = state.running;
      before.loaded = state.loaded;
      before.stale = state.stale;
      after.running = true;
      after.stale = false;
      if (config.length > 0) after.loaded = config;
    }
    if (resource.released && running === null && state.running && state.loaded !== null) {
      ops.push({ name: 'service_release', args: [unit, checker(unit), resource.activate] });
      shown.push({ as: 'action', text: `${resource.activate} ${unit} with its own files` });
      before.loaded = state.loaded;
      after.loaded = null;
    }
    if (ops.length === 0) return [];
    const direction = running === false || enabled === false ? 'remove' : 'change';
    const change: Change = { key: keyOf(resource), kind: 'service', direction, shown, ops, before, after };
    return [outdated === undefined ? change : { ...change, reason: outdated }];
  },
};

/** A line of `sha256sum`, as a unit's record has it. */
function loadedFile(line: unknown): { path: string; sha256: string }[] {
  const [, sha256, path] = /^([0-9a-f]{64}) [ *](.*)$/.exec(String(line)) ?? [];
  return sha256 === undefined || path === undefined ? [] : [{ path, sha256 }];
}

/** Why a running unit has to take up its configuration, read from the host's own state alone; undefined where it hasn't. */
function whyActivate(resource: ServiceResource, state: ServiceState, config: readonly string[]): string | undefined {
  if (!state.running || resource.running !== true) return undefined;
  if (state.stale) return 'systemd has an older text of the unit';
  if (config.length === 0) return undefined;
  if (state.loaded === null) return `nothing tells which configuration ${resource.unit} runs`;
  return isDeepStrictEqual(state.loaded, config) ? undefined : `${resource.unit} runs an older configuration`;
}

/** Which program checks a unit's configuration before the unit takes it up; `-`: none. */
function checker(unit: string): string {
  return unit === 'nginx.service' ? 'nginx' : unit === 'keepalived.service' ? 'keepalived' : '-';
}

/** The blocks of `systemctl show`, in the order of the units asked for (an alias shows another Id than was asked). */
function propertyBlocks(text: string): Map<string, string>[] {
  const lines = text.split('\n').filter((line) => !line.startsWith('@'));
  return lines
    .join('\n')
    .split(/\n{2,}/)
    .map((block) => new Map(block.split('\n').flatMap((line) => pair(line))))
    .filter((block) => block.size > 0);
}

function pair(line: string): [string, string][] {
  const at = line.indexOf('=');
  return at < 0 ? [] : [[line.slice(0, at), line.slice(at + 1)]];
}

interface Notes {
  sysv: boolean;
  loaded: string[] | null;
}

function notesOf(text: string, unit: string): Notes {
  const lines = text.split('\n');
  const start = lines.indexOf(`@unit ${unit}`);
  if (start < 0) return { sysv: false, loaded: null };
  const end = lines.findIndex((line, index) => index > start && (!line.startsWith('@') || line.startsWith('@unit ')));
  const own = lines.slice(start + 1, end < 0 ? undefined : end);
  return {
    sysv: own.includes('@sysv'),
    loaded: own.includes('@recorded')
      ? own.filter((line) => line.startsWith('@loaded ')).map((line) => line.slice('@loaded '.length))
      : null,
  };
}

/** systemctl(1), is-enabled: which words mean that the unit starts at boot. */
function stateOf(properties: ReadonlyMap<string, string>, notes: Notes): ServiceState {
  const file = properties.get('UnitFileState') ?? '';
  const active = properties.get('ActiveState') ?? 'inactive';
  const unchangeable = ['static', 'indirect', 'transient', 'alias'].includes(file);
  return {
    load: properties.get('LoadState') ?? 'not-found',
    enabled: unchangeable ? null : file === 'enabled' || (file === 'generated' && notes.sysv),
    running: active === 'active' || active === 'reloading',
    stale: properties.get('NeedDaemonReload') === 'yes',
    loaded: notes.loaded,
  };
}
