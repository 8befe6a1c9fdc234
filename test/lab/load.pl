# Asks at fixed times whether or not the earlier requests were answered, as many clients together would, until SIGTERM.
# A line for each request: when it began (seconds since 1970), seconds that it took, what became of it, the answer.
# 228 is clock_gettime on x86-64 (perl-base has no Time::HiRes), 1 its monotonic clock and 0 that of the day.
use strict; use IO::Socket::IP; use IO::Select; $| = 1; $SIG{PIPE} = 'IGNORE';
my ($address, $port, $path, $rate, $limit) = @ARGV; my ($stop, %open) = (0);
$SIG{TERM} = sub { $stop = 1 };
sub clock { my $b = pack('qq', 0, 0); syscall(228, $_[0], $b); my ($s, $n) = unpack('qq', $b); $s + $n / 1e9 }
sub now { clock(1) }
my $next = now(); my $epoch = clock(0) - $next; my $select = IO::Select->new;
sub done { my ($c, $result) = @_; my $b = $c->{got}; $b =~ s/^.*?\r\n\r\n//s; $b =~ s/\s+/ /g;
  printf "%.3f %.3f %s %s\n", $c->{at} + $epoch, now() - $c->{at}, $result, $result eq 'ok' ? $b : '';
  $select->remove($c->{s}); delete $open{fileno $c->{s}}; close $c->{s} }
print "load\n";
until ($stop && !%open) {
  my $t = now();
  if (!$stop && $t >= $next) {
    $next += 1 / $rate;
    my $s = IO::Socket::IP->new(PeerHost => $address, PeerPort => $port, Blocking => 0);
    if (!$s) { printf "%.3f 0 refused \n", $t + $epoch; next }
    $open{fileno $s} = { s => $s, at => $t, got => '', sent => 0 }; $select->add($s);
  }
  for my $c (values %open) { done($c, 'timeout') if $t - $c->{at} > $limit }
  my $wait = $stop ? 0.05 : $next - now(); $wait = 0 if $wait < 0; $wait = 0.05 if $wait > 0.05;
  my @unsent = map { $_->{s} } grep { !$_->{sent} } values %open;
  my ($r, $w) = IO::Select->select($select, @unsent ? IO::Select->new(@unsent) : undef, undef, $wait);
  for my $s (@{$w || []}) {
    my $c = $open{fileno $s} or next;
    if (my $e = $s->getsockopt(1, 4)) { $! = $e; done($c, 'refused'); next }
    syswrite $s, "GET $path HTTP/1.0\r\nHost: load\r\n\r\n"; $c->{sent} = 1;
  }
  for my $s (@{$r || []}) {
    my $c = defined fileno $s ? $open{fileno $s} : undef; next unless $c;
    my $n = sysread $s, my $piece, 65536;
    if (!defined $n) { next if $!{EAGAIN} || $!{EINTR}; done($c, 'reset') }
    elsif ($n == 0) { done($c, $c->{got} =~ m#^HTTP/1\.. 200# ? 'ok' : 'bad') }
    else { $c->{got} .= $piece }
  }
}
