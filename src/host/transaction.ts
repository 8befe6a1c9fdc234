import { sh } from '../resources/sh.ts';

/** What the program says of an operation that isn't done because the host takes its changes back, and because its run lost the host. */
export const ENDED = 'the host takes its changes back: nothing more is done';
export const NOT_HELD = 'this run does not hold the host any more: nothing more is done';
/** The reason of a host that takes its changes back by itself. */
export const UNCONFIRMED = 'nobody confirmed it in time';

/**
 * The transaction of a host: its changes stand together or go together.
 *
 * `/var/lib/lvsctl/tx` is there while one is open. It is made whole beside that name and comes by one rename: `id`,
 * `revert` (operations that take the changes back), `paths` and `files` (what stood where files are about to be
 * changed), `program` (this text), `deadline` (seconds since boot) and the token `armed`. A guard on the host, which
 * no connection holds, takes the changes back when the deadline passes. Who wants to confirm or to take back renames
 * the token first, to `confirmed` or `reverting`: one of them succeeds, and the other says so. Then it renames
 * `turn.0` to have its own name behind the dot: it carries the word out. Whoever finds there one that is gone takes its
 * place by one rename, and so on.
 *
 * Taking back must work on a disk that takes nothing more. Renames need no room; a kept file that can't be copied to its
 * place is linked there; `spare` (128 KiB) and `deadline` go for what is noted; how it ended stands in `reverted` already. Where a
 * file that stands on disk doesn't come back all the same, nothing is closed and no copy dropped: the guard tries again,
 * and so does the next run.
 *
 * After a power cut, `settle` runs before anything that reads what was changed. What is live then follows from files:
 * only what stands on disk is taken back.
 *
 * Why these forms:
 * - time is /proc/uptime: no clock that is set meanwhile;
 * - the program's own text is read from /proc/PID/cmdline, so that it needn't be sent a second time;
 * - a file is emptied by `true`: a redirection that fails ends the shell where it belongs to a special built-in (`:`).
 */
export const CORE_TRANSACTION = sh`
tx=$R/var/lib/lvsctl/tx
settle_unit=/etc/systemd/system/lvsctl-settle.service
settle_link=/etc/systemd/system/sysinit.target.wants/lvsctl-settle.service

# Sets "up" to the whole seconds since boot.
uptime_of() {
  IFS='. ' read -r up line <"$R/proc/uptime"
}

# tx_until SECONDS FOLDER: the deadline is so far from now.
tx_until() {
  uptime_of
  printf '%s\n' $((up + $1)) >"$2/deadline.$$" && mv -f "$2/deadline.$$" "$2/deadline"
}

# process_of PID: sets "process" to its number and when it began (proc(5), stat: field 22), which no later one with that
# number has. One that is dead and that nobody waited for counts as gone.
process_of() {
  process=
  { line_of "/proc/$1/stat"; } 2>/dev/null || return 1
  # shellcheck disable=SC2086
  set -- "$1" \${line##*) }
  case \${2-Z} in Z | X) return 1 ;; esac
  process=$1.\${21}
}

# What is written before the token must be on the disk before the token changes.
on_disk() {
  sync "$@" 2>/dev/null || flush
}

# The changes that are not confirmed are taken back at boot, before anything reads what they changed.
settle_arm() {
  [ -d "$R/run/systemd/system" ] || return 0
  if [ ! -d "$R\${settle_link%/*}" ]; then true >"$tx/wants" && mkdir "$R\${settle_link%/*}" || return 1; fi
  printf '%s\n' '[Unit]' 'Description=lvsctl: takes back changes that were not confirmed' 'DefaultDependencies=no' \
    'After=systemd-remount-fs.service local-fs.target' \
    'Before=sysinit.target systemd-sysctl.service systemd-modules-load.service network-pre.target NetworkManager.service' \
    '[Service]' 'Type=oneshot' 'ExecStart=/bin/sh /var/lib/lvsctl/tx/program settle' >"$R$settle_unit" &&
    ln -sf "$settle_unit" "$R$settle_link" && on_disk "$R$settle_unit" "$R/etc/systemd/system" "$R\${settle_link%/*}"
}

# guard_unit ID PROPERTY...: words without quotes, semicolons and dollar signs alone: systemd writes them down, expands
# them, and reads them again at each daemon-reload (semicolons then come back changed).
guard_unit() {
  guard=lvsctl-revert-$1
  shift
  systemd-run --quiet --collect --unit="$guard" --property=Restart=on-failure --property=RestartSec=5 "$@" \
    sh "$tx/program" guard
}

# guard_start ID: it outlives this session and what holds it, and comes again where somebody kills it or the host had no
# memory for it; not when all is over. Nothing is changed before it is there.
guard_start() {
  if [ -d "$R/run/systemd/system" ]; then
    # Where systemd takes no condition here, it comes again for nothing.
    guard_unit "$1" --property=ConditionPathExists="$tx/program" 2>/dev/null || guard_unit "$1" 2>&1 || return 1
  else
    LVSCTL_ROOT=$R setsid sh "$tx/program" guard </dev/null >/dev/null 2>&1 3>&- &
  fi
  tries=0
  until [ -e "$tx/guard" ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || return 1
    sleep 0.1
  done
}

# tx_open ID SECONDS PATH...: the input is the operations that take the changes back.
op_tx_open() {
  tx_wait
  if [ -e "$tx" ]; then echo 'changes of another run are open here'; return 1; fi
  id=$1
  seconds=$2
  shift 2
  own_folder || return 1
  rm -rf "$tx.new" "$tx.old"
  mask=$(umask)
  umask 077
  mkdir -p "$tx.new/files" && take "$tx.new/revert" && tx_keep "$@"
  status=$?
  umask "$mask"
  [ "$status" -eq 0 ] || { rm -rf "$tx.new"; return 1; }
  printf '%s\n' "$id" >"$tx.new/id" && true >"$tx.new/armed" && true >"$tx.new/turn.0" &&
    printf '%0131072d\n' 0 >"$tx.new/spare" &&
    printf '%s\n' "$id" 'the disk had no room to note why' >"$tx.new/reverted" && tx_until "$seconds" "$tx.new" &&
    flush && mv -T "$tx.new" "$tx" && on_disk "$R/var/lib/lvsctl" && guard_start "$id" && settle_arm && tx_hold "$id" &&
    return 0
  echo 'nothing can be armed here: no change is made that could not be taken back'
  rm -rf "$tx.new"
  [ ! -e "$tx" ] || tx_end
  return 1
}

# The transaction that this session's operations belong to. Once the host took its changes back (who made them was
# asleep, and goes on), none of them may be done any more.
held=
tx_hold() {
  held=$1
  process_of $$
  printf '%s\n' "$process" >"$tx/session"
}

tx_holds() {
  [ -n "$held" ] || return 0
  if [ -e "$tx/armed" ] && line_of "$tx/id" && [ "$line" = "$held" ]; then return 0; fi
  echo 'the host takes its changes back: nothing more is done'
  return 1
}

# tx_enter ID: a later session of the same run.
op_tx_enter() {
  held=$1
  tx_holds && tx_hold "$1"
}

# Whose lease this session works under. Once somebody broke it, or another run took the host, nothing more may be done.
leased=
lease_holds() {
  if [ -z "$leased" ] || ! line_of "$lease" || [ "$line" = "$leased" ]; then return 0; fi
  echo 'this run does not hold the host any more: nothing more is done'
  return 1
}

# lease_enter ID: what this session does belongs to that run.
op_lease_enter() {
  leased=$1
  lease_holds
}

# Keeps what stands at the paths, and the program.
tx_keep() {
  true >"$tx.new/paths" || return 1
  tr '\0\n' '\n\001' <"/proc/$$/cmdline" | sed -n "/^engine=$engine/p" | tr '\001' '\n' >"$tx.new/program" || return 1
  line_of "$tx.new/program"
  if [ "$line" != "engine=$engine" ]; then echo "can't read /proc/$$/cmdline"; return 1; fi
  for path; do
    shift
    printf '%s\n' "$path" >>"$tx.new/paths" || return 1
    if [ -f "$R$path" ] || [ -L "$R$path" ]; then set -- "$@" ".$path"; fi
  done
  [ $# -gt 0 ] || return 0
  (cd "$R/" && cp -a --parents "$@" "$tx.new/files")
}

# tx_file PATH: what stood there stands there again. Without the copies nothing tells what that was.
op_tx_file() {
  if [ -e "$tx/files$1" ] || [ -L "$tx/files$1" ]; then
    if place "$1" && tx_copy "$tx/files$1" && mv -fT "$staged" "$R$1"; then return 0; fi
    rm -f "$staged"
    # It may never have been changed.
    tx_same "$tx/files$1" "$R$1"
    return
  fi
  if [ ! -e "$tx/files" ]; then echo "the copies that this host kept are gone: $1 stays"; return 1; fi
  unstage "\${1%/*}"
  # A folder was never ours.
  if [ -d "$R$1" ] && [ ! -L "$R$1" ]; then return 0; fi
  rm -f "$R$1" && unfold "$1"
}

# A link needs no room; both are on one disk, or it fails.
tx_copy() {
  cp -a "$1" "$staged" && return 0
  rm -f "$staged"
  cp -al "$1" "$staged" 2>/dev/null
}

# tx_same COPY FILE: whether the file is as its copy.
tx_same() {
  if [ -L "$1" ]; then
    [ -L "$2" ] && [ "$(readlink "$1")" = "$(readlink "$2")" ]
    return
  fi
  if [ ! -f "$2" ] || [ -L "$2" ]; then return 1; fi
  before=$(stat -c '%a %u %g' "$1" && sha256sum <"$1") || return 1
  [ "$before" = "$(stat -c '%a %u %g' "$2" && sha256sum <"$2")" ]
}

# tx_files: all that stood on disk stands there again.
tx_files() {
  kept=1
  while IFS= read -r path; do
    op_tx_file "$path" || { echo "$path is not as it was"; kept=; }
  done <"$tx/paths"
  [ -n "$kept" ]
}

# The same at last; what keeps it is told, and on a disk that takes nothing noted nowhere else.
why=
tx_files_or_why() {
  why=$(tx_files 2>&1) && why= && return 0
  printf '%s\n' "$why"
  return 1
}

# tx_claim confirmed|reverting: only one can have the token.
tx_claim() {
  mv -T "$tx/armed" "$tx/$1" 2>/dev/null || return 1
  tx_turn
  mine=$?
  on_disk "$tx"
  return "$mine"
}

# tx_turn: whether it is for this process to do what the token says. "after" is who had to before: 0, nobody; again,
# somebody who could not.
tx_turn() {
  set +f
  for turn in "$tx"/turn.*; do :; done
  set -f
  [ -e "$turn" ] || return 1
  after=\${turn##*/turn.}
  case $after in
    0 | again) ;;
    *) if [ -z "$booting" ] && tx_lives "$after"; then return 1; fi ;;
  esac
  process_of $$
  mv -T "$turn" "$tx/turn.$process" 2>/dev/null
}

# tx_lives PID.START: whether it is that process and not a later one with its number; a number alone, as earlier versions
# and staged files have it: whether it is one of ours. The first is told without another process: there may be no memory
# for one, and two that take back at once would undo each other's work.
tx_lives() {
  case $1 in
    *.*) process_of "\${1%%.*}" && [ "$process" = "$1" ] ;;
    *) kill -0 "$1" 2>/dev/null && grep -q lvsctl "/proc/$1/cmdline" 2>/dev/null ;;
  esac
}

# tx_kill PID: it and all that it began. It is stopped first, so that it begins nothing more.
tx_kill() {
  kill -STOP "$1"
  ours=" $1 "
  grown=1
  set +f
  while [ -n "$grown" ]; do
    grown=
    for stat in /proc/[0-9]*/stat; do
      # A process that has ended meanwhile has no line.
      line_of "$stat" 2>/dev/null || continue
      rest=\${line##*) ? }
      # Without systemd, this guard is one of them.
      case $ours$$' ' in
        *" \${line%% *} "*) ;;
        *" \${rest%% *} "*) ours="$ours\${line%% *} "; grown=1 ;;
      esac
    done
  done
  set -f
  # shellcheck disable=SC2086
  kill -9 $ours 2>/dev/null
}

# Nothing is open any more. Until then the guard stays: it follows whoever is cut off in the middle of this.
tx_end() {
  [ ! -e "$tx/wants" ] || wants=1
  guard=
  if line_of "$tx/guard"; then guard=$line; fi
  rm -f "$R$settle_link" "$R$settle_unit"
  [ -z "\${wants-}" ] || rmdir "$R\${settle_link%/*}" 2>/dev/null
  rm -rf "$tx.old"
  mv -T "$tx" "$tx.old" || return 1
  if [ -n "$guard" ] && [ "\${guard%%.*}" != $$ ] && tx_lives "$guard"; then kill "\${guard%%.*}"; fi
  rm -rf "$tx.old"
}

# The changes stand; which ones is noted, for an answer that is lost on its way. What they put aside goes.
tx_stand() {
  if [ -e "$tx/aside" ]; then
    while IFS= read -r path; do
      rm -rf "$R\${path%/*}/.lvsctl-aside.\${path##*/}"
      unfold "$path"
    done <"$tx/aside"
  fi
  noted=$R/var/lib/lvsctl/confirmed
  if cp "$tx/id" "$noted.$$" && mv -f "$noted.$$" "$noted"; then :; else rm -f "$noted.$$"; ln -f "$tx/id" "$noted"; fi
  line_of "$tx/id"
  op_run_close "$line" confirmed
  tx_end
}

op_tx_confirm() {
  if line_of "$tx/id" && [ "$line" = "$1" ] && tx_claim confirmed; then
    tx_stand
    return 0
  fi
  # It may be for another one to end it.
  [ ! -e "$tx/confirmed" ] || tx_wait >/dev/null 2>&1
  op_tx_status "$1"
  return 1
}

# tx_revert ID REASON: takes the changes back now; its answer is the state afterwards, and nothing else: what can't be
# noted on a full disk would stand before it.
op_tx_revert() {
  if line_of "$tx/id" && [ "$line" = "$1" ] && tx_claim reverting; then tx_back "$2"
  else tx_wait
  fi >/dev/null 2>&1
  op_tx_status "$1"
  tx_unmoved
}

# A token that can't be renamed: the shell says why.
tx_unmoved() {
  [ ! -e "$tx/armed" ] || true >>"$tx/armed"
}

# Another one has the token: its end is waited for, or its work done where it is gone. Of several that wait, one takes
# the place of each that is gone. Where that one can't, it is told.
tx_wait() {
  waited=0
  while [ -e "$tx/reverting" ] || [ -e "$tx/confirmed" ]; do
    [ "$waited" -lt 300 ] || return 0
    # Who has just renamed the token is about to take its turn.
    if [ "$waited" -lt 3 ] && [ -e "$tx/turn.0" ]; then :
    elif tx_turn; then
      on_disk "$tx"
      if [ -e "$tx/confirmed" ]; then tx_stand; return; fi
      reason='the one that took it back was ended'
      if [ "$after" = again ] && line_of "$tx/reason"; then reason=$line; fi
      tx_back "$reason"
      return
    fi
    waited=$((waited + 1))
    sleep 1
  done
  return 0
}

# tx_settle: what another run left open is ended, before anything else is done here.
op_tx_settle() {
  rm -rf "$tx.new" "$tx.old"
  [ -d "$tx" ] || return 0
  line_of "$tx/program"
  if [ "$line" != "engine=$engine" ]; then
    # Operations of another version are its own program's, whose time is over now.
    tx_until 0 "$tx"
    line_of "$tx/guard"
    tx_lives "$line" || LVSCTL_ROOT=$R sh "$tx/program" guard
    waited=0
    while [ -e "$tx" ] && [ "$waited" -lt 300 ]; do
      waited=$((waited + 1))
      sleep 1
    done
  elif tx_claim reverting; then tx_back 'another run began before it was confirmed'; else tx_wait; fi
  [ -e "$tx" ] || return 0
  printf '%s\n' "$why"
  tx_unmoved
  return 1
}

# tx_status ID: open, reverting, confirmed, or closed (never begun); reverted, with the reason and the log.
op_tx_status() {
  if line_of "$tx/id" && [ "$line" = "$1" ]; then
    if [ -e "$tx/armed" ]; then echo open; return 0; fi
    if [ -e "$tx/reverting" ]; then printf 'reverting\n%s\n' "$why"; return 0; fi
    if [ -e "$tx/confirmed" ]; then echo confirmed; return 0; fi
  fi
  # Also where it came to its end just now.
  if line_of "$R/var/lib/lvsctl/confirmed" && [ "$line" = "$1" ]; then echo confirmed; return 0
  elif line_of "$R/var/lib/lvsctl/reverted" && [ "$line" = "$1" ]; then
    echo reverted
    sed 1d "$R/var/lib/lvsctl/reverted"
    return 0
  fi
  echo closed
}

# tx_back REASON: with the turn in hand. Where not all that stood on disk could be brought back, somebody tries again.
tx_back() {
  if line_of "$tx/session"; then
    session=$line
    if [ "\${session%%.*}" != $$ ] && tx_lives "$session"; then tx_kill "\${session%%.*}"; fi
  fi
  rm -f "$tx/spare" "$tx/deadline"
  log=$tx/log
  if { true >"$log"; } 2>/dev/null; then :; else log=/dev/null; fi
  if tx_undo >"$log" 2>&1; then whole=1; else whole=; fi
  flush
  if [ -z "$whole" ]; then
    { printf '%s\n' "$1" >"$tx/reason"; } 2>/dev/null
    process_of $$
    mv -T "$tx/turn.$process" "$tx/turn.again"
    return 1
  fi
  line_of "$tx/id"
  old=$(umask)
  umask 077
  noted=$R/var/lib/lvsctl/reverted
  if { printf '%s\n%s\n' "$line" "$1" && tail -c 16384 "$log"; } >"$noted.$$" && mv -f "$noted.$$" "$noted"; then :
  else rm -f "$noted.$$"; mv -f "$tx/reverted" "$noted"; fi
  umask "$old"
  op_run_close "$line" "reverted $1"
  tx_end
}

# Set while changes are taken back; and while that happens at boot.
back=
booting=
after=0

# Does the operations that take back. One that fails stops no other: it may never have been done. Files have to come
# back: where anything failed they are gone through once more. What was tried before is tried whole once they are there.
tx_undo() {
  reread=
  missed=
  if [ -n "$booting" ]; then
    tx_files || missed=1
    [ ! -d "$R/run/systemd/system" ] || systemctl daemon-reload
  elif [ "$after" = again ]; then tx_files_or_why || return 1
  fi
  back=1
  session=\${nonce-}
  exec 5<&3 3<"$tx/revert"
  IFS= read -r nonce <&3
  while IFS=' ' read -r word name count size <&3; do
    fields "$count"
    given=
    if [ -n "$booting" ]; then
      case $name in
        tx_file | @BOOT_OPS@) ;;
        *) unread; continue ;;
      esac
    fi
    run_op || { printf '%s failed\n' "$name"; missed=1; }
    unread
  done
  exec 3<&5 5<&-
  nonce=$session
  if [ -n "$missed" ] && ! tx_files_or_why; then missed=2; fi
  if [ -n "$reread" ] && [ -z "$booting" ] && [ -d "$R/run/systemd/system" ]; then systemctl daemon-reload; fi
  back=
  [ "$missed" != 2 ]
}

# What an operation left of its input is none of the next one's.
unread() {
  if [ "$size" -eq 0 ] || [ -n "$given" ]; then return 0; fi
  while IFS= read -r line <&3; do
    if [ "$line" = "$nonce" ]; then break; fi
  done
}

# Waits for the deadline, which whoever holds the host moves on.
main_guard() {
  process_of $$
  printf '%s\n' "$process" >"$tx/guard"
  while [ -e "$tx/armed" ]; do
    uptime_of
    if line_of "$tx/deadline" && [ "$up" -ge "$line" ]; then
      if tx_claim reverting; then tx_back 'nobody confirmed it in time'; fi
    fi
    sleep 1
  done
  # Who has the token may be cut off in the middle; or the disk takes nothing, for now.
  while tx_wait; [ -e "$tx/reverting" ] || [ -e "$tx/confirmed" ]; do sleep 10; done
  exit 0
}

# At boot, before the network.
main_settle() {
  booting=1
  rm -rf "$tx.new" "$tx.old"
  if [ -e "$tx/confirmed" ]; then tx_stand
  elif [ -d "$tx" ]; then
    tx_claim reverting || tx_turn
    # The next boot tries again, or the next run.
    tx_back 'the host started anew before it was confirmed' || exit 1
  fi
  rm -f "$R$settle_link" "$R$settle_unit"
  exit 0
}
`;

/**
 * What one run holds of a host: the lease. It ends by itself when nobody renews it, later than the deadline of what that
 * run has open. In /run: a host that starts anew is free.
 *
 * In: `lease ID SECONDS COUNT`, COUNT lines that tell of the owner; then `beat SECONDS CONFIRM` (0: the deadline of a
 * transaction stays) and at last `release`. Out: `taking` with what was in the way; `lease taken`, or `lease held` with
 * what is known of the holder, or `lease failed`. To each beat: `lease kept`; `lease lost`, with what stands in its
 * place; `lease gone` where nothing does (a host that was given back has no place for one).
 *
 * Who breaks a lease leaves a mark in its place, and so does who gives one up, which holds nothing: an owner that slept
 * learns of it.
 */
export const CORE_LEASE = sh`
lease=$R/run/lvsctl/lease

# lease_write SECONDS: its first lines are the run and when it ends.
lease_write() {
  uptime_of
  printf '%s\n%s\n%s' "$id" $((up + $1)) "$owner" >"$lease.$$" && mv -f "$lease.$$" "$lease"
}

# Whether somebody else holds the host.
lease_held() {
  { IFS= read -r holder && IFS= read -r end; } 2>/dev/null <"$lease" || return 1
  [ "$holder" != "$id" ] || return 1
  uptime_of
  [ "$up" -lt "$end" ]
}

# Two that come at once: each makes the same folder, and one of them succeeds. A folder whose maker is gone goes.
# Its status: 1 where somebody else holds the host, 2 where nothing can be noted.
lease_take() {
  mkdir -p "$R/run/lvsctl" || return 2
  tries=0
  until mkdir "$lease.lock" 2>/dev/null; do
    if line_of "$lease.lock/pid" && ! kill -0 "$line" 2>/dev/null; then rm -rf "$lease.lock"; fi
    tries=$((tries + 1))
    if [ "$tries" -gt 50 ]; then rm -rf "$lease.lock"; fi
    if [ "$tries" -gt 60 ]; then mkdir "$lease.lock"; return 2; fi
    sleep 0.1
  done
  printf '%s\n' $$ >"$lease.lock/pid"
  if lease_held; then taken=1
  elif lease_write "$1"; then taken=0
  else rm -f "$lease.$$"; taken=2
  fi
  rm -rf "$lease.lock"
  return "$taken"
}

# What another one put in its place stays. A mark stays too, which holds nothing: an earlier owner that was asleep learns
# by it that somebody was here.
lease_drop() {
  if line_of "$lease" && [ "$line" = "$id" ]; then
    { printf '%s\n0\n%s' "$id" "$owner" >"$lease.$$" && mv -f "$lease.$$" "$lease"; } 2>/dev/null ||
      rm -f "$lease.$$" "$lease"
  fi
}

main_hold() {
  # An owner that is gone in the middle of an answer must not end this before it has given the host up.
  trap '' PIPE
  begin
  frame hello "$engine"
  IFS=' ' read -r word id seconds count <&3 || exit 0
  if [ "$word" != lease ]; then frame refused "$word"; exit 1; fi
  fields "$count"
  owner=$record
  # What can't be noted is said inside of this frame.
  frame taking
  lease_take "$seconds" 2>&1
  taken=$?
  if [ "$taken" -eq 0 ]; then frame lease taken
  elif [ "$taken" -eq 2 ]; then
    frame lease failed
    frame bye
    exit 0
  else
    frame lease held
    uptime_of
    printf 'now %s\n' "$up"
    cat "$lease" 2>&1
    frame bye
    exit 0
  fi
  frame waiting
  while IFS=' ' read -r word seconds confirm <&3; do
    case $word in
      beat)
        # Without it, because somebody broke it, the deadline isn't moved on either.
        if ! line_of "$lease"; then frame lease gone
        elif [ "$line" != "$id" ]; then
          frame lease lost
          show "$lease"
        elif lease_write "$seconds" 2>/dev/null; then
          if [ "$confirm" -gt 0 ] && line_of "$tx/id" && [ "$line" = "$id" ] && [ -e "$tx/armed" ]; then
            tx_until "$confirm" "$tx"
          fi
          frame lease kept
        else frame lease gone
        fi
        frame waiting
        ;;
      release)
        lease_drop
        frame bye
        exit 0
        ;;
      *) frame refused "$word"; exit 1 ;;
    esac
  done
  # Its owner is gone: what it has open ends by itself, or is ended by the next one.
  lease_drop
  exit 0
}

# What is known of the holder, and the run whose changes are open here.
op_lease_show() {
  uptime_of
  printf 'now %s\n' "$up"
  if line_of "$tx/id" && [ -e "$tx/armed" ]; then printf 'open %s\n' "$line"; else echo 'open -'; fi
  if [ -r "$lease" ]; then cat "$lease"; fi
}

# lease_break ID WHO: somebody says that its owner is gone.
op_lease_break() {
  line_of "$lease" || return 0
  if [ "$line" != "$1" ]; then echo 'somebody else has taken it meanwhile'; return 1; fi
  printf '%s\n' - 0 "$2" >"$lease.$$" && mv -f "$lease.$$" "$lease"
}
`;
