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
  top=\${1#/*/}
  top=\${1%"$top"}\${top%%/*}
  if [ ! -d "$tried" ]; then mkdir -p "$tried" && chmod 0700 "$tried" || return 1; fi
  if [ ! -e "$tried$top" ]; then
    mkdir -p "$tried\${top%/*}" || return 1
    if [ -d "$R$top" ]; then cp -a "$R$top" "$tried$top"; else mkdir "$tried$top"; fi || return 1
  fi
  mkdir -p "$tried\${1%/*}" && rm -f "$tried$1" && take "$tried$1" && chown "$2:$3" "$tried$1" && chmod "$4" "$tried$1"
}

# in_their_places COMMAND...: runs it with the copies mounted; 97 where the host can't mount.
in_their_places() {
  unshare -m true 2>/dev/null || return 97
  # shellcheck disable=SC2016
  unshare -m sh -c '
    copies=$1 root=$2
    shift 2
    for top in "$copies"/*/*; do
      mount --bind "$top" "$root\${top#"$copies"}" 2>/dev/null || exit 97
    done
    exec "$@"' sh "$tried" "$R" "$@" 2>&1
}

# file_check VALIDATOR: where the host can't mount (97), the program says what is wrong when it is to take the files up.
op_file_check() {
  tried=$R/run/lvsctl/try.$$
  config=/etc/keepalived/keepalived.conf
  case $1 in
    keepalived)
      output=$(in_their_places keepalived -t -f "$R$config")
      status=$?
      if [ "$status" -eq 143 ]; then
        user='^\([[:space:]]*\(script_user\|user\)[[:space:]]\{1,\}\)[^[:space:]].*'
        sed "s/$user/\1root/" "$tried$config" >"$tried$config.root" && chmod 0600 "$tried$config.root" &&
          mv -f "$tried$config.root" "$tried$config"
        output=$(in_their_places keepalived -t -f "$R$config")
        status=$?
      fi
      ;;
    nginx)
      output=$(in_their_places nginx -t)
      status=$?
      ;;
    apache)
      if command -v apache2ctl >/dev/null; then output=$(in_their_places apache2ctl -t)
      else output=$(in_their_places httpd -t)
      fi
      status=$?
      ;;
    *)
      output="this host program has no validator $1"
      status=1
      ;;
  esac
  rm -rf "$tried"
  if [ "$status" -eq 0 ] || [ "$status" -eq 97 ]; then return 0; fi
  printf '%s\n' "\${output:-$1 says no and not why}"
  return 1
}
`;
