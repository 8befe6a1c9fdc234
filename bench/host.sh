#!/bin/sh
# Becomes one host of the farm, inside a mount namespace of its own: private /etc, /run and /var/lib, then sshd.
# host.sh FARM NAME ADDRESS:PORT MAXSTARTUPS; FARM/etc is copied, FARM/keys/NAME.pub is written.
# LVSCTL_BENCH_UID and _GID: whom sshd runs as; an ordinary user's sshd must not think that it is root.
set -eu
farm=$1 name=$2 address=$3 startups=$4

mount -t tmpfs -o mode=0755,size=4m etc /etc
mount -t tmpfs -o mode=0755,size=1m run /run
mount -t tmpfs -o mode=0755,size=4m lib /var/lib
cp -a "$farm/etc/." /etc/
mkdir -p /run/sshd /run/systemd/system
printf '%s\n' "$name" >/etc/hostname
ssh-keygen -q -t ed25519 -N '' -C "$name" -f /etc/ssh/host_key
cat >>/etc/ssh/sshd_config <<END
ListenAddress $address
MaxStartups $startups
END
# The client waits for this file: it appears whole.
cp /etc/ssh/host_key.pub "$farm/keys/$name.new"
mv "$farm/keys/$name.new" "$farm/keys/$name.pub"

sshd=$(command -v sshd || echo /usr/sbin/sshd)
if [ "$LVSCTL_BENCH_UID" = 0 ]; then exec "$sshd" -D -e -f /etc/ssh/sshd_config; fi
exec unshare --user --map-user="$LVSCTL_BENCH_UID" --map-group="$LVSCTL_BENCH_GID" "$sshd" -D -e -f /etc/ssh/sshd_config
