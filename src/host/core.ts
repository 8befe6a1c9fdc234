import { sh } from '../resources/sh.ts';

/**
 * The core of the program that runs on hosts: reading requests, framing answers, dispatch. POSIX sh; what it needs
 * besides built-ins is in coreutils. Comments are taken out before it is sent.
 *
 * Wire format. In: anything, a magic line, a nonce line, then lines as `main_observe` and `main_apply` read them.
 * Out: frames, each opened by a separator, `\n<nonce> <words>\n`, and ended by the next one. The nonce is 128 random
 * bits that the controller chose for this session and that nothing on the host has seen, so no content can imitate a
 * separator. The last frame is `bye`; without it the answer is cut off. A frame is known to be complete when the next
 * one begins, so `waiting` follows where the program waits for the controller.
 *
 * Why these forms:
 * - Forks cost (1 ms, in small virtual machines 24), built-ins don't; but dash's `read` takes one byte at a time, and
 *   the kernel hands out a number in /proc/sys only to a read from offset 0, so there it sees one digit.
 * - Standard input is moved to fd 3 and replaced by /dev/null: what an operation starts (apt, maintainer scripts)
 *   can't eat the requests that follow.
 * - `dd bs=N count=1 iflag=fullblock` reads exactly N bytes; `head -c` of busybox and uutils reads ahead on a pipe.
 * - Folders that it makes can be entered whatever the login's umask: a web server reads what stands in them.
 * - Tables of records are newline-separated strings: POSIX sh has no arrays. So no field may be empty.
 */
export const CORE_HEAD = sh`set -uf
umask 022
LC_ALL=C
export LC_ALL
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin
export PATH
R=\${LVSCTL_ROOT-}
nl='
'
disks=
exec 3<&0 </dev/null

frame() {
  printf '\n%s %s\n' "$nonce" "$*"
}

# Prints a short file with built-ins; the last line may lack its newline.
show() {
  text=
  while IFS= read -r line; do text=$text$line$nl; done <"$1" && printf '%s' "$text$line"
}

# Reads one line of a file into the variable "line"; of a number in /proc/sys, its first digit and no newline.
line_of() {
  line=
  [ -r "$1" ] || return 1
  IFS= read -r line <"$1" || [ -n "$line" ]
}

# All that was written is on this host's own disks. A mount from another machine may never answer, so it isn't asked.
flush() {
  if [ -z "$disks" ] && [ -r "$R/proc/mounts" ]; then
    while IFS=' ' read -r mounted mount_at mount_type line; do
      case $mount_type$mount_at in fuse* | *\\*) continue ;; esac
      case $mounted:$mount_type in /dev/* | *:zfs | *:btrfs | *:overlay) disks="$disks$mount_at$nl" ;; esac
    done <"$R/proc/mounts"
  fi
  if [ -z "$disks" ]; then sync; return; fi
  oldifs=$IFS
  IFS=$nl
  # shellcheck disable=SC2086
  set -- $disks
  IFS=$oldifs
  sync -f "$@" 2>/dev/null || sync
}

begin() {
  while IFS= read -r line <&3; do
    [ "$line" = lvsctl-engine ] || continue
    IFS= read -r nonce <&3 && return 0
  done
  exit 0
}
`;

/** Facts: what the host says of itself. */
export const CORE_FACTS = sh`
facts_base() {
  frame base
  base=
  line_of "$R/proc/sys/kernel/osrelease"; base="\${base}kernel $line$nl"
  if line_of "$R/proc/sys/kernel/arch"; then :; else line=$(uname -m); fi
  base="\${base}arch $line$nl"
  line_of "$R/proc/sys/kernel/random/boot_id"; base="\${base}boot $line$nl"
  line_of "$R/proc/sys/kernel/hostname"; base="\${base}hostname $line$nl"
  [ -d "$R/run/systemd/system" ] && base="\${base}systemd yes$nl"
  printf '%s' "$base"
  frame os-release
  if [ -r "$R/etc/os-release" ]; then show "$R/etc/os-release"; fi
  if [ -d "$R/var/lib/lvsctl/tx" ]; then
    frame transaction
    cat "$R/var/lib/lvsctl/tx/id" 2>&1
  fi
  if [ -r "$R/var/lib/lvsctl/manifest.json" ]; then
    frame manifest
    cat "$R/var/lib/lvsctl/manifest.json"
  fi
}

network_seen=
facts_network() {
  [ -z "$network_seen" ] || return 0
  network_seen=1
  frame addresses
  ip -j addr show 2>&1
  facts_profiles
}

# NetworkManager's profiles, and the keyfiles of those that are active.
facts_profiles() {
  command -v nmcli >/dev/null || return 0
  profiles=$(nmcli -t -e no -f DEVICE,TYPE,UUID,NAME,FILENAME connection show 2>&1) || return 0
  frame networkmanager
  nmcli -v
  frame profiles
  printf '%s\n' "$profiles"
  oldifs=$IFS
  IFS=$nl
  for profile in $profiles; do
    IFS=$oldifs
    case $profile in
      :*) ;;
      *:/*)
        file=/\${profile##*:/}
        if [ -r "$R$file" ]; then
          frame keyfile "$file"
          show "$R$file"
        fi
        ;;
    esac
  done
  IFS=$oldifs
}
`;

/** The modes. `@OBSERVE_CASES@`, `@OBSERVE_CALLS@` and `@OP_CASES@` are joined in from the registry of kinds. */
export const CORE_MAIN = sh`
@ASKED@

fields() {
  record=
  left=$1
  while [ "$left" -gt 0 ]; do
    IFS= read -r line <&3 || exit 0
    record=$record$line$nl
    left=$((left - 1))
  done
}

main_observe() {
  begin
  frame hello "$engine"
  IFS= read -r wanted <&3 || exit 0
  facts_base
  case " $wanted " in *' network '*) facts_network ;; esac
  case " $wanted " in *' firewall '*) facts_firewall ;; esac
  case " $wanted " in *' history '*) facts_history ;; esac
  case " $wanted " in *' run:'*) run=\${wanted##*run:}; facts_run "\${run%% *}" ;; esac
  frame ready
  frame waiting
  while IFS=' ' read -r word kind count <&3; do
    case $word in
      ask)
        fields "$count"
        case $kind in
@ASK_CASES@
          *) frame refused "$kind"; exit 1 ;;
        esac
        ;;
      go)
@OBSERVE_CALLS@
        frame bye
        exit 0
        ;;
      *) frame refused "$word"; exit 1 ;;
    esac
  done
  exit 0
}

# Writes the operation's input to a file that only its owner can read. The line after the input proves that all of
# it came; without it nothing has happened but a staged file, which goes again. dd holds a block in memory: what is
# long comes in blocks of 1 MiB.
take() {
  rm -f "$1"
  old=$(umask)
  umask 077
  if [ "$size" -gt 1048576 ]; then
    {
      dd bs=1048576 count=$((size / 1048576)) iflag=fullblock 2>/dev/null &&
        { [ $((size % 1048576)) -eq 0 ] || dd bs=$((size % 1048576)) count=1 iflag=fullblock 2>/dev/null; }
    } >"$1" <&3
  elif [ "$size" -gt 0 ]; then
    dd bs="$size" count=1 iflag=fullblock of="$1" 2>/dev/null <&3
  else
    true >"$1"
  fi || { umask "$old"; rm -f "$1"; echo "can't write $1: is the disk full, or read-only?"; return 1; }
  umask "$old"
  given=1
  IFS= read -r line <&3 || line=
  [ "$line" = "$nonce" ] && return 0
  rm -f "$1"
  exit 0
}

# give COMMAND...: the operation's input is what the command reads. What takes back needs no room for it so: all of it is
# on this host.
give() {
  dd bs="$size" count=1 iflag=fullblock 2>/dev/null <&3 | "$@"
  status=$?
  given=1
  IFS= read -r line <&3
  return "$status"
}

# lvsctl's own folder, for root alone from its first moment: names of copies in it tell of what they hold.
own_folder() {
  [ -d "$R/var/lib/lvsctl/before" ] && return 0
  (umask 077 && mkdir -p "$R/var/lib/lvsctl/before") && chmod 0700 "$R/var/lib/lvsctl" "$R/var/lib/lvsctl/before"
}

# Makes a folder and those above it, and notes which: they go again when nothing is in them any more.
make_folder() {
  if [ -z "$1" ] || [ -d "$R$1" ]; then return 0; fi
  make_folder "\${1%/*}" && own_folder || return 1
  # Once, however often it was taken back.
  grep -qsxF "$1" "$R/var/lib/lvsctl/folders" || printf '%s\n' "$1" >>"$R/var/lib/lvsctl/folders" || return 1
  mkdir "$R$1"
}

# A unit's text has changed: systemd is to read units again.
reread=
unit_touched() {
  case $1 in /etc/systemd/system/*) reread=1 ;; esac
}

# Removes the folder that something stood in, and those above it, where lvsctl made them and they are empty. Those that
# were never made, because somebody was stopped before, are passed by.
unfold() {
  unit_touched "$1"
  dir=\${1%/*}
  [ -e "$R/var/lib/lvsctl/folders" ] || return 0
  while [ -n "$dir" ]; do
    if [ -d "$R$dir" ]; then
      grep -qxF "$dir" "$R/var/lib/lvsctl/folders" || return 0
      rmdir "$R$dir" 2>/dev/null || return 0
    fi
    dir=\${dir%/*}
  done
  return 0
}

# unstage FOLDER: what processes of ours that are gone had staged there goes.
unstage() {
  set +f
  for staged in "$R$1"/.lvsctl.*; do
    [ -e "$staged" ] || [ -L "$staged" ] || continue
    tx_lives "\${staged##*.}" || rm -rf "$staged"
  done
  set -f
}

staged=
# place PATH: there is a folder for it, and "staged" is a name in there to be renamed to PATH.
place() {
  unit_touched "$1"
  dir=\${1%/*}
  make_folder "$dir" || return 1
  if [ -d "$R$1" ] && [ ! -L "$R$1" ]; then echo "$1 is a directory"; return 1; fi
  unstage "$dir"
  staged=$R$dir/.lvsctl.$$
}

# put PATH OWNER GROUP MODE: the operation's input becomes the file, by one rename.
put() {
  place "$1" && take "$staged" || return 1
  chown "$2:$3" "$staged" && chmod "$4" "$staged" && mv -fT "$staged" "$R$1" && return 0
  rm -f "$staged"
  return 1
}

# give_back PATH OWNER GROUP MODE SHA256: the copy that was kept becomes the file again, by one rename.
give_back() {
  copy=$R/var/lib/lvsctl/before/$5
  [ -e "$copy" ] || { echo "the copy of $1 that lvsctl kept is gone: $copy"; return 1; }
  holds_sum "$copy" "$5" || { echo "the copy of $1 that lvsctl kept is damaged: $copy"; return 1; }
  place "$1" || return 1
  # The copy's name tells what is in it, perhaps a secret: it stands in no command that others can see.
  (umask 077 && cat <"$copy" >"$staged") && chown "$2:$3" "$staged" && chmod "$4" "$staged" && mv -fT "$staged" "$R$1" && return 0
  rm -f "$staged"
  return 1
}

op_manifest_write() {
  own_folder || return 1
  place /var/lib/lvsctl/manifest.json && take "$staged" || return 1
  # Nothing else tells what lvsctl manages: its bytes are on the disk before its name is.
  chown root:root "$staged" && chmod 0600 "$staged" && on_disk "$staged" && mv -fT "$staged" "$R/var/lib/lvsctl/manifest.json" &&
    return 0
  rm -f "$staged"
  return 1
}

# before_keep PATH SHA256: a copy of what lvsctl is about to replace for the first time, named by its content. That may be
# a secret, so the name stands in no command that others can see: the copy is written in place, and one that a power cut
# left unfinished is written again before anything is changed.
op_before_keep() {
  copy=$R/var/lib/lvsctl/before/$2
  [ ! -e "$copy" ] || ! holds_sum "$copy" "$2" || return 0
  own_folder || return 1
  holds_sum "$R$1" "$2" || { echo "$1 was changed meanwhile"; return 1; }
  (umask 077 && cat <"$R$1" >"$copy") || { true >"$copy"; echo "can't keep a copy of $1: is the disk full?"; return 1; }
  holds_sum "$copy" "$2" || { true >"$copy"; echo "$1 was changed meanwhile"; return 1; }
}

holds_sum() {
  sum=$(sha256sum <"$1")
  [ "\${sum%% *}" = "$2" ]
}

# before_prune SHA256...: drops copies that nothing needs any more; those named stay, and what record and history name.
op_before_prune() {
  needed=" $* "
  noted=$(cd "$R/var/lib/lvsctl" && grep -rhs . manifest.json run history)
  set --
  # By number: their names stand in no command. busybox's find deletes nothing: there they are emptied.
  while read -r inode name; do
    case $needed in *" $name "*) continue ;; esac
    case $noted in *"$name"*) continue ;; esac
    [ $# -eq 0 ] || set -- "$@" -o
    set -- "$@" -inum "$inode"
    true >"$R/var/lib/lvsctl/before/$name"
  done <<LIST
$(ls -i "$R/var/lib/lvsctl/before" 2>/dev/null)
LIST
  [ $# -eq 0 ] || find "$R/var/lib/lvsctl/before" -type f "(" "$@" ")" -delete 2>/dev/null || :
}

# Everything was given back: the record goes last, so that an interrupted one is found and ended by the next run.
op_manifest_forget() {
  if [ -e "$R/var/lib/lvsctl/folders" ]; then
    text=
    while IFS= read -r line; do text=$line$nl$text; done <"$R/var/lib/lvsctl/folders"
    oldifs=$IFS
    IFS=$nl
    # shellcheck disable=SC2086
    for dir in $text; do rmdir "$R$dir" 2>/dev/null; done
    IFS=$oldifs
  fi
  rm -rf "$R/run/lvsctl" "$R/var/lib/lvsctl/before" && rm -f "$R/var/lib/lvsctl/manifest.json" && rm -rf "$R/var/lib/lvsctl"
}

# Does the operation "name" with the fields of the record as its arguments.
run_op() {
  set --
  while [ -n "$record" ]; do
    set -- "$@" "\${record%%"$nl"*}"
    record=\${record#*"$nl"}
  done
  case $name in
@OP_CASES@
    *) echo "this host program has no operation $name"; return 1 ;;
  esac
}

main_apply() {
  begin
  frame hello "$engine"
  number=0
  while IFS=' ' read -r word name count size <&3; do
    [ "$word" = op ] || { frame refused "$word"; exit 1; }
    fields "$count"
    frame op "$number"
    if lease_holds && tx_holds; then run_op 2>&1; else false; fi
    status=$?
    frame result "$status" "$number"
    frame waiting
    [ "$status" -eq 0 ] || break
    number=$((number + 1))
  done
  # Units that nobody started or enabled since: what they do when they stop is what stands there now.
  if [ -n "$reread" ] && [ -d "$R/run/systemd/system" ]; then systemctl daemon-reload >/dev/null 2>&1; fi
  # What is reported as done survives a power cut: a renamed new file may have no bytes on the disk yet.
  flush
  frame bye
  exit 0
}

case \${1-} in
  observe) main_observe ;;
  apply) main_apply ;;
  guard) main_guard ;;
  settle) main_settle ;;
  hold) main_hold ;;
  look) main_look ;;
  *) echo "lvsctl host program $engine: called with an unknown mode" >&2; exit 64 ;;
esac
`;
