import { sh } from '../resources/sh.ts';

/**
 * What was done on a host: `/var/lib/lvsctl/history/NUMBER-RUN`, the last 20 runs, at most 1 MiB (the newest stays in any
 * case). What has another name is none of them: a shell ends where it is to count with such a one. Lines of an entry: how it ended, the run, what is told of it (JSON), its changes (JSON).
 *
 * `/var/lib/lvsctl/run` is the run that goes on, without its end. It is there before anything is changed, and becomes an
 * entry together with the confirmation, or when the changes were taken back.
 */
export const CORE_HISTORY = sh`
run_file=$R/var/lib/lvsctl/run
runs=$R/var/lib/lvsctl/history

# run_note: the input is an entry without its end.
op_run_note() {
  own_folder || return 1
  if [ -e "$run_file" ]; then history_add 'failed its end was not told'; fi
  take "$run_file.new" && mv -f "$run_file.new" "$run_file"
}

# run_close RUN RESULT: of a run without a transaction, which would tell its end by itself.
op_run_close() {
  if line_of "$run_file" && [ "$line" = "$1" ]; then history_add "$2"; fi
  return 0
}

# history_add RESULT: what is noted becomes the newest entry. No transaction fails for it.
history_add() {
  line_of "$run_file" || return 0
  run=$line
  latest=10000000
  known=
  umask 077
  mkdir -p "$runs"
  set +f
  for entry in "$runs"/[1-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]-*; do
    case $entry in
      *'/[1-9]'*) ;;
      *"-$run") known=1 ;;
      *) entry=\${entry##*/}; latest=\${entry%%-*} ;;
    esac
  done
  set -f
  if [ -n "$known" ]; then rm -f "$run_file"
  elif { printf '%s\n' "$1"; cat "$run_file"; } >"$runs/.new" && on_disk "$runs/.new"; then
    mv -f "$runs/.new" "$runs/$((latest + 1))-$run" && rm -f "$run_file" && history_prune
  fi
  umask 022
  return 0
}

history_prune() {
  set +f
  set -- "$runs"/[1-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]-*
  set -f
  sizes=$(stat -c %s "$@")$nl
  total=0
  rest=$sizes
  while [ -n "$rest" ]; do
    total=$((total + \${rest%%"$nl"*}))
    rest=\${rest#*"$nl"}
  done
  dropped=
  while [ $# -gt 1 ]; do
    if [ $# -le 20 ] && [ "$total" -le 1048576 ]; then break; fi
    rm -f "$1"
    total=$((total - \${sizes%%"$nl"*}))
    sizes=\${sizes#*"$nl"}
    dropped=1
    shift
  done
  [ -z "$dropped" ] || op_before_prune
}
`;

/** The fact groups `history` and `run:RUN`. */
export const CORE_HISTORY_FACTS = sh`
# The heads of all runs, oldest first.
facts_history() {
  set +f
  for entry in "$R"/var/lib/lvsctl/history/[1-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]-*; do
    [ -r "$entry" ] || continue
    { IFS= read -r result && IFS= read -r run && IFS= read -r head; } <"$entry" || continue
    frame history
    printf '%s\n%s\n%s\n' "$result" "$run" "$head"
  done
  set -f
  [ -r "$R/var/lib/lvsctl/run" ] || return 0
  { IFS= read -r run && IFS= read -r head; } <"$R/var/lib/lvsctl/run" || return 0
  frame history
  printf 'open\n%s\n%s\n' "$run" "$head"
}

# facts_run RUN: one of them whole.
facts_run() {
  set +f
  for entry in "$R"/var/lib/lvsctl/history/[1-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]-"$1"; do
    [ -r "$entry" ] || continue
    frame run
    cat "$entry"
  done
  set -f
}
`;
