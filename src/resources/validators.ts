import { sh } from './sh.ts';

/** Programs that check a configuration before its files take their places. */
export type Validator = 'keepalived' | 'nginx' | 'apache';

export const VALIDATOR_OPS = ['file_try', 'file_check'];

/**
 * How they are run: before anything else changes on the host, over copies of the folders below /etc that the files
 * belong to, with the new files among them, mounted in their places where nobody else sees it. So a checker that reads
 * a whole folder sees all new files together, names the paths that they are to have, and nothing on the host changes.
 *
 * keepalived -t ends with 0 and says nothing, or says what is wrong; in 2.2.7 its code then is 5 and not that of
 * keepalived(8). That version ends itself by SIGTERM wherever a script is to run as another user than root (fixed in
 * 2.2.8): then the same text is checked with root in that user's place.
 */
export const VALIDATORS = sh`
# file_try PATH OWNER GROUP MODE: puts the input among the copies.
op_file_try() {
  set +f
  for tried in "$R"/run/lvsctl/try.*; do
    [ -e "$tried" ] && ! kill -0 "\${tried##*.}" 2>/dev/null && rm -rf "$tried"
  done
  set -f
  tried=$R/run/lvsctl/try.$$
  case $1 in
    /etc/*/*)
      top=\${1#/etc/}
      top=/etc/\${top%%/*}
      ;;
    *) top=\${1%/*} ;;
  esac
  if [ ! -d "$tried" ]; then tops=; mkdir -p "$tried" && chmod 0700 "$tried" || return 1; fi
  if [ ! -e "$tried$top" ]; then
    tops=$tops$top$nl
    mkdir -p "$tried\${top%/*}" || return 1
    if [ -d "$R$top" ]; then cp -a "$R$top" "$tried$top"; else mkdir "$tried$top"; fi || return 1
  fi
  mkdir -p "$tried\${1%/*}" && rm -f "$tried$1" && take "$tried$1" && chown "$2:$3" "$tried$1" && chmod "$4" "$tried$1"
}

# in_their_places COMMAND...: runs it with the copies mounted; 97 where the host can't mount.
in_their_places() {
  unshare -m true 2>/dev/null || return 97
  # shellcheck disable=SC2016
  tops=$tops unshare -m sh -c '
    copies=$1 root=$2
    shift 2
    for top in $tops; do
      mount --bind "$copies$top" "$root$top" 2>/dev/null || exit 97
    done
    exec "$@"' sh "$tried" "$R" "$@"
}

# keepalived_test RUNNER FILE [COPY]: COPY is where FILE can be changed for a second look.
keepalived_test() {
  output=$("$1" keepalived -t -f "$2" 2>&1)
  status=$?
  [ "$status" -eq 143 ] || return "$status"
  copy=\${3:-$R/run/lvsctl/keepalived.conf}
  user='^\([[:space:]]*\(script_user\|user\)[[:space:]]\{1,\}\)[^[:space:]].*'
  old=$(umask)
  umask 077
  mkdir -p "\${copy%/*}" && sed "s/$user/\1root/" "\${3:-$2}" >"$copy.root" && mv -f "$copy.root" "$copy"
  umask "$old"
  if [ -n "\${3-}" ]; then output=$("$1" keepalived -t -f "$2" 2>&1)
  else output=$("$1" keepalived -t -f "$copy" 2>&1)
  fi
  status=$?
  rm -f "$copy"
  return "$status"
}

# What keepalived is about to read, before it does.
keepalived_valid() {
  keepalived_test command "$R/etc/keepalived/keepalived.conf" && return 0
  printf '%s\n' "\${output:-keepalived -t says no and not why}"
  return 1
}

# keepalived -t looks at scripts, and not for what runs them.
interpreters() {
  scripts=$(find "$tried" -type f -perm -100)
  for script in $scripts; do
    line_of "$script"
    case $line in
      '#!'*)
        line=\${line#??}
        # shellcheck disable=SC2086
        IFS=' ' && set -- $line && IFS=$nl
        case $1 in
          */env) command -v "$2" >/dev/null || echo "\${script#"$tried"}: Line 1: there is no $2 on this host" ;;
          *) [ -x "$1" ] || echo "\${script#"$tried"}: Line 1: there is no $1 on this host" ;;
        esac
        ;;
    esac
  done
}

# file_check VALIDATOR: where the host can't mount (97), the program says what is wrong when it is to take the files up.
op_file_check() {
  tried=$R/run/lvsctl/try.$$
  config=/etc/keepalived/keepalived.conf
  oldifs=$IFS
  IFS=$nl
  case $1 in
    keepalived)
      keepalived_test in_their_places "$R$config" "$tried$config"
      status=$?
      # A bond or VLAN that this very apply makes; what keepalived is to read is tested again when that is there.
      known=$(printf '%s\n' "$output" | grep -viE "interface .*(doesn't exist|not found)|^non-existent interface")
      if [ -n "$output" ] && [ -z "$known" ]; then status=0; fi
      missing=$(interpreters)
      if [ "$status" -eq 0 ] && [ -n "$missing" ]; then status=1; output=$missing; fi
      ;;
    nginx)
      output=$(in_their_places nginx -t 2>&1)
      status=$?
      ;;
    apache)
      if command -v apache2ctl >/dev/null; then output=$(in_their_places apache2ctl -t 2>&1)
      else output=$(in_their_places httpd -t 2>&1)
      fi
      status=$?
      ;;
    *)
      output="this host program has no validator $1"
      status=1
      ;;
  esac
  IFS=$oldifs
  rm -rf "$tried"
  if [ "$status" -eq 0 ] || [ "$status" -eq 97 ]; then return 0; fi
  printf '%s\n' "\${output:-$1 says no and not why}"
  return 1
}
`;
