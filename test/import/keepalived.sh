# keepalived.sh CONF DEVICES: what a keepalived makes of CONF, and ipvsadm of CONF.rules, in a network of its own where
# every address is silent.
# Says the fullest IPVS table of its first seconds, and then who it is by VRRP and which addresses it holds.
conf=$1
mount -t tmpfs none /run && mount -t tmpfs none /tmp || exit 1
ip link set lo up
number=0
for device in $2; do
  number=$((number + 1))
  ip link add "$device" type veth peer name "peer$number" && ip link set "peer$number" up && ip address add "10.250.$number.1/24" dev "$device" && ip link set "$device" up
  [ "$number" -gt 1 ] || ip route add default dev "$device"
done
sysctl -qw net.ipv4.vs.conntrack=0
grep . "$conf.rules" | ipvsadm -R
keepalived -n -l -f "$conf" -p /run/all.pid -r /run/vrrp.pid -c /run/check.pid >/run/log 2>&1 &
most=0
for round in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
  sleep 0.1
  ipvsadm -Sn >/run/table
  lines=$(wc -l </run/table)
  [ "$lines" -le "$most" ] || { most=$lines; cp /run/table /run/fullest; }
done
sleep 8
kill -USR1 "$(cat /run/all.pid)"
sleep 2
echo '@ table'
sort /run/fullest 2>/dev/null
echo '@ data'
cat /tmp/keepalived*.data 2>/dev/null
echo '@ addresses'
ip -o address show | sed -n 's/^[0-9]*: \([^ ]*\) *inet6\{0,1\} \([^ ]*\) .*/\2/p' | grep -v '^10\.250\.\|^127\.\|^::1/\|^fe80' | sort
echo '@ log'
cat /run/log
kill "$(cat /run/all.pid)"
wait
