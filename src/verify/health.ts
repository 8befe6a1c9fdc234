import { randomBytes } from 'node:crypto';
import type { HowToAsk } from '../plan/health.ts';
import { endpoint } from '../resources/ipvs-table.ts';
import { sh } from '../resources/sh.ts';
import type { Connection } from '../transport/types.ts';
import { capture } from './probe.ts';

/** What one host is to look after: somewhere that is to answer it, or something of its own. */
export type Look =
  | { what: 'answer'; address: string; port: number; count: number; how: HowToAsk }
  | { what: 'having'; device: string; address: string }
  | { what: 'listening'; port: number }
  | { what: 'running'; unit: string };

/** `unknown`: that host has nothing to ask with. */
export type Seen = { state: 'well' } | { state: 'ill' | 'unknown'; said: string };

/** Seconds that one request may take. */
const SECONDS = 3;
/** Looks that one session is asked for: each is a process there. */
const AT_ONCE = 40;

/**
 * The program that looks; six words for each look. All looks go on at once, and each says how it went in one line, which
 * is written whole. For pages curl where the host has it, else bash's own /dev/tcp; a listening socket is read from
 * /proc/net.
 */
const PROGRAM = sh`
R=\${LVSCTL_ROOT-}
mark=$1 seconds=$2
shift 2
set -f
nl='
'
requested() {
  if command -v curl >/dev/null 2>&1; then
    said=$(curl -sSk --globoff --noproxy '*' --max-time "$seconds" -o /dev/null -w '%{http_code}' \
      -H 'Connection: close' \${name:+-H "Host: $name"} "$scheme://$site:$port$path" 2>&1) || return 1
  elif [ "$scheme" = http ] && command -v bash >/dev/null 2>&1; then
    said=$(timeout "$seconds" bash -c 'exec 3<>"/dev/tcp/$0/$1" &&
      printf "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n" "$2" "$3" >&3 && IFS= read -r line <&3 && printf %s "$line"' \
      "$address" "$port" "$path" "\${name:-$site}" 2>&1) || return 1
    said=\${said#* }
    said=\${said%% *}
  else
    said='neither curl nor bash is here'
    return 2
  fi
  code=$said
  said="it answers with status $code"
  case $code in *[!0-9]* | '') return 1 ;; esac
  if [ "$statuses" = - ]; then [ "$code" -lt 500 ]; else case ",$statuses," in *",$code,"*) ;; *) return 1 ;; esac; fi
}
connected() {
  if ! command -v bash >/dev/null 2>&1; then said='bash is not here'; return 2; fi
  said=$(timeout "$seconds" bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$address" "$port" 2>&1)
}
# An address that is tentative, or that another host had first (dadfailed), answers nobody.
having() {
  if ! command -v ip >/dev/null 2>&1; then said='ip is not here'; return 2; fi
  said="it doesn't have it"
  ip -o addr show 2>/dev/null | {
    status=2
    while read -r _ device _ address flags; do
      case " $flags " in *' tentative '* | *' dadfailed '*) address= ;; esac
      if [ "$device \${address%%/*}" = "$1 $2" ]; then exit 0; fi
      status=1
    done
    exit "$status"
  }
}
# With the module not loaded there is no table, and ipvsadm would load it.
weighs() {
  place=$1
  said='it is not in the table'
  [ -e "$R/proc/net/ip_vs" ] || return 1
  if ! command -v ipvsadm >/dev/null 2>&1; then said='ipvsadm is not here'; return 2; fi
  # shellcheck disable=SC2046,SC2086
  set -- $(ipvsadm -Ln $2 2>/dev/null)
  while [ $# -ge 4 ]; do
    if [ "$1 $2" = "-> $place" ]; then
      said="it has weight $4 in the table"
      [ "$4" -gt 0 ]
      return
    fi
    shift
  done
  return 1
}
listening() {
  for table in /proc/net/tcp /proc/net/tcp6; do
    [ -r "$table" ] || continue
    while read -r _ own _ state _; do case $own/$state in *:"$1"/0A) return 0 ;; esac; done <"$table"
  done
  said='nothing listens there'
  return 1
}
running() {
  if ! command -v systemctl >/dev/null 2>&1; then said='systemd is not here'; return 2; fi
  said=$(systemctl is-active "$1" 2>&1)
}
look() {
  said=
  case $2 in
    listening) listening "$3" ;;
    running) running "$3" ;;
    having) having "$3" "$4" ;;
    weighs) weighs "$3" "$4" ;;
    *)
      scheme=$2 address=$3 port=\${4%/*} count=\${4#*/} path=$5 statuses=\${6%%/*} name=\${6#*/}
      case $address in *:*) site="[$address]" ;; *) site=$address ;; esac
      status=0
      while [ "$count" -gt 0 ] && [ "$status" -eq 0 ]; do
        count=$((count - 1))
        if [ "$scheme" = connect ]; then connected; else requested; fi
        status=$?
      done
      return "$status"
      ;;
  esac
}
while [ $# -ge 6 ]; do
  {
    look "$@"
    status=$?
    said=\${said##*"$nl"}
    printf '%s %s %s %.300s\n' "$mark" "$1" "$status" "$said"
  } &
  shift 6
done
wait
`;

/**
 * Looks after everything at once.
 * @returns how each was found, in the order of the looks
 * @throws the transport's errors
 */
export async function lookAfter(connection: Connection, looks: readonly Look[]): Promise<Seen[]> {
  const seen: Seen[] = [];
  for (let from = 0; from < looks.length; from += AT_ONCE)
    seen.push(...(await lookAtSome(connection, looks.slice(from, from + AT_ONCE))));
  return seen;
}

async function lookAtSome(connection: Connection, looks: readonly Look[]): Promise<Seen[]> {
  const mark = randomBytes(16).toString('hex');
  const words = looks.flatMap((look, index) => [String(index), ...wordsOf(look)]);
  const most = Math.max(...looks.map((look) => (look.what === 'answer' ? look.count : 1)));
  const argv = ['sh', '-c', PROGRAM, 'lvsctl-look', mark, String(SECONDS), ...words];
  return parseSeen(await capture(connection, argv, most * SECONDS + 30), mark, looks.length);
}

/** Five words of a look, none of them empty. */
function wordsOf(look: Look): string[] {
  switch (look.what) {
    case 'listening':
      return ['listening', look.port.toString(16).toUpperCase().padStart(4, '0'), '-', '-', '-'];
    case 'running':
      return ['running', look.unit, '-', '-', '-'];
    case 'having':
      return ['having', look.device, look.address, '-', '-'];
    case 'answer': {
      const { address, port, count, how } = look;
      if (how.by === 'table') return ['weighs', endpoint(look), how.row, '-', '-'];
      if (how.by === 'connect') return ['connect', address, `${port}/${count}`, '-', '-/'];
      const statuses = how.status.length === 0 ? '-' : how.status.join(',');
      return [how.tls ? 'https' : 'http', address, `${port}/${count}`, how.path, `${statuses}/${how.name ?? ''}`];
    }
  }
}

/** Reads the program's lines; what it says nothing of is unknown. Pure. */
export function parseSeen(text: string, mark: string, count: number): Seen[] {
  const seen = Array.from({ length: count }, (): Seen => ({ state: 'unknown', said: 'no answer' }));
  for (const line of text.split('\n')) {
    const [head, index = '', status = '', ...said] = line.split(' ');
    if (head !== mark || !(Number(index) < count)) continue;
    const words = said.join(' ').trim();
    seen[Number(index)] =
      status === '0'
        ? { state: 'well' }
        : { state: status === '2' ? 'unknown' : 'ill', said: words || 'no answer in time' };
  }
  return seen;
}
