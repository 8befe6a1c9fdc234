# Asks at fixed times whether or not the earlier requests were answered, as many clients together would, until SIGTERM.
# A line for each request: when it began (seconds since 1970), seconds that it took, what became of it, the answer. A
# request has timed out when no answer is there at its limit: what has come is read before that is judged, for this
# machine may have had no time to look. "late AT SECONDS" tells of such a time.
# 228 is clock_gettime on x86-64 (perl-base has no Time::HiRes), 1 its monotonic clock and 0 that of the day.
use strict; use Socket qw(:DEFAULT inet_pton pack_sockaddr_in6); use Fcntl; $| = 1; $SIG{PIPE} = 'IGNORE';
my ($address, $port, $path, $rate, $limit) = @ARGV; my ($stop, %open) = (0);
$SIG{TERM} = sub { $stop = 1 };
sub clock { my $b = pack('qq', 0, 0); syscall(228, $_[0], $b); my ($s, $n) = unpack('qq', $b); $s + $n / 1e9 }
sub now { clock(1) }
my $six = $address =~ /:/; my $family = $six ? AF_INET6 : AF_INET;
my $bytes = inet_pton($family, $address) or die "no address: $address\n";
my $to = $six ? pack_sockaddr_in6($port, $bytes) : pack_sockaddr_in($port, $bytes);
my $next = now(); my $epoch = clock(0) - $next; my ($reading, $writing) = ('', '');
sub done { my ($c, $result) = @_; my $b = $c->{got}; $b =~ s/^.*?\r\n\r\n//s; $b =~ s/\s+/ /g;
  printf "%.3f %.3f %s %s\n", $c->{at} + $epoch, now() - $c->{at}, $result, $result eq 'ok' ? $b : '';
  vec($reading, $c->{n}, 1) = 0; vec($writing, $c->{n}, 1) = 0; delete $open{$c->{n}}; close $c->{s} }
sub send_request { my ($c) = @_; vec($writing, $c->{n}, 1) = 0;
  if (my $e = unpack 'i', getsockopt $c->{s}, SOL_SOCKET, SO_ERROR) { $! = $e; return done($c, 'refused') }
  syswrite $c->{s}, "GET $path HTTP/1.0\r\nHost: load\r\n\r\n" }
sub take_answer { my ($c) = @_;
  while (1) {
    my $n = sysread $c->{s}, my $piece, 65536;
    if (!defined $n) { return if $!{EAGAIN} || $!{EINTR}; return done($c, 'reset') }
    if ($n == 0) { return done($c, $c->{got} =~ m#^HTTP/1\.. 200# ? 'ok' : 'bad') }
    $c->{got} .= $piece;
  } }
print "load\n";
my $last = $next;
until ($stop && !%open) {
  my $t = now();
  printf "late %.3f %.3f\n", $last + $epoch, $t - $last if $t - $last > 0.2; $last = $t;
  if (!$stop && $t >= $next) {
    $next += 1 / $rate;
    my $s; my $ok = socket($s, $family, SOCK_STREAM, 0) && fcntl($s, F_SETFL, O_NONBLOCK) && (connect($s, $to) || $!{EINPROGRESS});
    if (!$ok) { printf "%.3f 0 refused \n", $t + $epoch; next }
    my $n = fileno $s; $open{$n} = { s => $s, n => $n, at => $t, got => '' };
    vec($reading, $n, 1) = 1; vec($writing, $n, 1) = 1;
  }
  my $wait = $stop ? 0.05 : $next - now(); $wait = 0 if $wait < 0; $wait = 0.05 if $wait > 0.05;
  my $looked = now();
  if (select(my $r = $reading, my $w = $writing, undef, $wait) > 0) {
    for my $c (values %open) { send_request($c) if vec($w, $c->{n}, 1) }
    for my $c (values %open) { take_answer($c) if vec($r, $c->{n}, 1) }
  }
  for my $c (values %open) { done($c, 'timeout') if $looked - $c->{at} > $limit }
}
