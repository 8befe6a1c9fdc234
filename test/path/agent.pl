#!/usr/bin/perl
# Makes nets of hosts out of network namespaces of this kernel, connects from clients to services, and tells what came of
# each connection and which frames each host took. One process: a fork costs 24 ms in a lab guest.
# Reads lines; each begins with a word:
#   case ID             what follows is a net of its own
#   host NAME           a namespace of it; what follows is about it
#   w LINE              for ip(8) in the net's own namespace, where the bridges are; @NAME is a host's namespace
#   s PATH VALUE        a file of /proc/sys
#   i LINE              for ip(8)
#   v LINE              for ipvsadm -R
#   t LINE | u LINE     for iptables-restore, ip6tables-restore
#   x WORDS             a command
#   listen PORT         a TCP port to wait at
#   connect ID FAMILY ADDRESS PORT SPORT
#   go SECONDS          does it all, tells, and forgets it all
use strict;
use warnings;
use POSIX ':sys_wait_h';
use Socket qw(:all);
use Time::HiRes 'time';
use constant { UNSHARE => 272, SETNS => 308, NEWNET => 0x40000000, AF_PACKET => 17, ALL => 0x0300 };

$| = 1;
$SIG{PIPE} = 'IGNORE';
my (@cases, $case, $host);
my ($SIZE, $ROUNDS, $PAUSE) = (6000, 3, 0.08);

sub namespace { syscall(UNSHARE, NEWNET) == 0 or die "unshare: $!"; open(my $fd, '<', '/proc/self/ns/net') or die; return $fd }
sub enter { syscall(SETNS, fileno($_[0]), NEWNET) == 0 or die "setns: $!" }
my $home = do { open(my $fd, '<', '/proc/self/ns/net') or die; $fd };

# A command with lines on its stdin; what it says of mistakes is told.
sub command {
  my ($words, $lines) = @_;
  pipe(my $in, my $out);
  pipe(my $told, my $tell);
  my $pid = fork();
  if ($pid == 0) {
    open(STDIN, '<&', $in);
    open(STDOUT, '>&', $tell);
    open(STDERR, '>&', $tell);
    close($out);
    close($told);
    exec(@$words) or POSIX::_exit(127);
  }
  close($in);
  close($tell);
  print $out join('', map { "$_\n" } @$lines);
  close($out);
  my @said = <$told>;
  waitpid($pid, 0);
  print "said $case->{id} ", ($host ? $host->{name} : '-'), " @$words: $_" for @said;
}

sub make {
  for my $h (@{$case->{hosts}}) { $h->{ns} = namespace() }
  $case->{ns} = namespace();
  my %path = map { $_->{name} => "/proc/$$/fd/" . fileno($_->{ns}) } @{$case->{hosts}};
  s/\@(\S+)/$path{$1}/g for @{$case->{w}};
  undef $host;
  command(['ip', '-force', '-batch', '-'], $case->{w});
  for (@{$case->{hosts}}) {
    $host = $_;
    enter($host->{ns});
    for (@{$host->{s}}) {
      my ($file, $value) = split ' ', $_, 2;
      if (open(my $fd, '>', "/proc/sys/$file")) { print $fd $value; close($fd) or print "said $case->{id} $host->{name} $file: $!\n" }
      else { print "said $case->{id} $host->{name} $file: $!\n" }
    }
    command(['ip', '-force', '-batch', '-'], $host->{i});
    command([split ' '], []) for @{$host->{x}};
    command(['ipvsadm', '-R'], $host->{v}) if @{$host->{v}};
    command(['iptables-legacy-restore'], $host->{t}) if @{$host->{t}};
    command(['ip6tables-legacy-restore'], $host->{u}) if @{$host->{u}};
    socket(my $capture, AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK, ALL) or die "packet: $!";
    setsockopt($capture, SOL_SOCKET, 33, pack('i', 1 << 20));
    $host->{capture} = $capture;
    for my $port (@{$host->{listen}}) {
      for my $family (AF_INET, AF_INET6) {
        socket(my $listener, $family, SOCK_STREAM | SOCK_NONBLOCK, 0) or next;
        setsockopt($listener, IPPROTO_IPV6, IPV6_V6ONLY, 1) if $family == AF_INET6;
        bind($listener, $family == AF_INET ? pack_sockaddr_in($port, INADDR_ANY) : pack_sockaddr_in6($port, IN6ADDR_ANY)) or next;
        listen($listener, 50);
        push @{$host->{listeners}}, $listener;
      }
    }
  }
  enter($home);
}

# Frames that the host took: not what it sent, nor what was for others.
sub frames {
  my ($h, $id, $hops) = @_;
  while (defined(my $from = recv($h->{capture}, my $data, 160, 0))) {
    my (undef, undef, $index, undef, $type, $length, $mac) = unpack('SnlSCCa8', $from);
    next if $type != 0 || !length $data;
    my $shown = '-';
    my @headers;
    while (length $data) {
      my $version = unpack('C', $data) >> 4;
      my ($next, $src, $dst);
      if ($version == 4) {
        $next = unpack('x9C', $data);
        ($src, $dst) = map { inet_ntoa($_) } unpack('x12a4a4', $data);
        $data = substr($data, 4 * (unpack('C', $data) & 15));
      } elsif ($version == 6) {
        $next = unpack('x6C', $data);
        ($src, $dst) = map { inet_ntop(AF_INET6, $_) } unpack('x8a16a16', $data);
        $data = substr($data, 40);
      } else { last }
      if ($next == 4 || $next == 41) { push @headers, "$src>$dst"; next }
      if ($next == 47) {
        push @headers, "$src>$dst";
        $data = substr($data, unpack('n', $data) & 0x8000 ? 8 : 4);
        next;
      }
      if ($next == 17) {
        push @headers, "$src>$dst";
        $data = substr($data, 12 + 4 * (unpack('x8C', $data) & 31));
        next;
      }
      last if $next != 6;
      my ($sport, $dport, $flags) = unpack('nnx9C', $data);
      last if !($flags & 2);
      my $leg = $flags & 16 ? 'reply' : 'request';
      my $port = $leg eq 'request' ? $sport : $dport;
      my $name = $h->{names}{$index} //= do {
        my $request = pack('a16ix20', '', $index);
        ioctl($h->{capture}, 0x8910, $request) ? unpack('Z16', $request) : $index;
      };
      my $link = $length == 6 ? join(':', unpack('(H2)6', $mac)) : '-';
      my $outer = @headers ? $headers[0] : '-';
      my $line = "hop $id $port $leg $h->{name} $name $link $outer $src $sport $dst $dport";
      print "$line\n" if !$hops->{$line}++;
      last;
    }
  }
}

sub begin {
  my ($c, $now) = @_;
  my $v4 = $c->{family} == 4;
  my $family = $v4 ? AF_INET : AF_INET6;
  socket(my $socket, $family, SOCK_STREAM | SOCK_NONBLOCK, 0) or die;
  setsockopt($socket, SOL_SOCKET, SO_REUSEADDR, 1);
  bind($socket, $v4 ? pack_sockaddr_in($c->{sport}, INADDR_ANY) : pack_sockaddr_in6($c->{sport}, IN6ADDR_ANY)) or die "bind: $!";
  my $to = inet_pton($family, $c->{address});
  my $done = connect($socket, $v4 ? pack_sockaddr_in($c->{port}, $to) : pack_sockaddr_in6($c->{port}, $to));
  $c->{error} = $! if !$done && !$!{EINPROGRESS};
  @$c{qw(socket round got by wait)} = ($socket, 0, 0, '-', $done ? $now : 0);
  $c->{state} = $c->{error} ? 'done' : 'connecting';
}

sub go {
  my ($limit) = @_;
  for (@cases) { $case = $_; make() }
  my (@clients, @served, %hops);
  my $start = time;
  for my $one (@cases) {
    for my $h (@{$one->{hosts}}) {
      for my $c (@{$h->{connect}}) {
        enter($h->{ns});
        $c->{case} = $one->{id};
        begin($c, time);
        push @clients, $c;
      }
    }
  }
  enter($home);
  while (time - $start < $limit && grep { $_->{state} ne 'done' } @clients) {
    my ($read, $write) = ('', '');
    for (map { @{$_->{hosts}} } @cases) {
      vec($read, fileno($_), 1) = 1 for @{$_->{listeners} // []};
      vec($read, fileno($_->{capture}), 1) = 1;
    }
    vec($read, fileno($_->{socket}), 1) = 1 for @served;
    for (@served) { vec($write, fileno($_->{socket}), 1) = 1 if length $_->{out} }
    for (@clients) {
      next if $_->{state} eq 'done';
      vec($write, fileno($_->{socket}), 1) = 1 if $_->{state} eq 'connecting' || length($_->{out} // '');
      vec($read, fileno($_->{socket}), 1) = 1 if $_->{state} eq 'asked';
    }
    select($read, $write, undef, 0.05);
    my $now = time;
    for my $one (@cases) {
      for my $h (@{$one->{hosts}}) {
        frames($h, $one->{id}, \%hops) if vec($read, fileno($h->{capture}), 1);
        for (@{$h->{listeners} // []}) {
          next if !vec($read, fileno($_), 1);
          while (accept(my $socket, $_)) {
            fcntl($socket, 4, 2048);
            push @served, { socket => $socket, name => $h->{name}, got => 0, out => '' };
          }
        }
      }
    }
    for (@served) {
      if (vec($read, fileno($_->{socket}), 1)) {
        my $n = sysread($_->{socket}, my $data, 65536);
        if (defined $n && $n > 0) {
          $_->{got} += $n;
          if ($_->{got} >= $SIZE) { $_->{got} -= $SIZE; $_->{out} .= substr("$_->{name} " . ('.' x $SIZE), 0, $SIZE) }
        } elsif (defined $n || !$!{EAGAIN}) { $_->{gone} = 1 }
      }
      if (!$_->{gone} && length $_->{out}) {
        my $n = syswrite($_->{socket}, $_->{out});
        if (defined $n) { substr($_->{out}, 0, $n) = '' } elsif (!$!{EAGAIN}) { $_->{gone} = 1 }
      }
    }
    @served = grep { !$_->{gone} } @served;
    for (@clients) {
      next if $_->{state} eq 'done';
      my $fail = sub { @$_{qw(state error)} = ('done', "$_[0]") };
      if ($_->{state} eq 'connecting') {
        next if !vec($write, fileno($_->{socket}), 1);
        $! = unpack('i', getsockopt($_->{socket}, SOL_SOCKET, SO_ERROR));
        if ($!) { $fail->($!); next }
        @$_{qw(state wait)} = ('waiting', $now);
      }
      if ($_->{state} eq 'waiting' && $now >= $_->{wait}) { @$_{qw(state out got)} = ('asked', '.' x $SIZE, 0) }
      next if $_->{state} ne 'asked';
      if (length $_->{out}) {
        my $n = syswrite($_->{socket}, $_->{out});
        if (defined $n) { substr($_->{out}, 0, $n) = '' } elsif (!$!{EAGAIN}) { $fail->($!); next }
      }
      next if !vec($read, fileno($_->{socket}), 1);
      my $n = sysread($_->{socket}, my $data, 65536);
      if (!defined $n) { $fail->($!) if !$!{EAGAIN}; next }
      if ($n == 0) { $fail->('closed'); next }
      $_->{by} = $1 if $_->{got} == 0 && $data =~ /^(\S+) /;
      $_->{got} += $n;
      next if $_->{got} < $SIZE;
      if (++$_->{round} == $ROUNDS) { $_->{state} = 'done' } else { @$_{qw(state wait)} = ('waiting', $now + $PAUSE) }
    }
  }
  for my $one (@cases) { frames($_, $one->{id}, \%hops) for @{$one->{hosts}} }
  for (@clients) {
    my $how = $_->{state} eq 'done' && !$_->{error} ? 'answered' : $_->{error} ? 'failed' : $_->{state};
    print "end $_->{case} $_->{sport} $how $_->{by} ", $_->{round}, ' ', $_->{error} // '', "\n";
  }
  # Closed without a farewell: namespaces go at once.
  for (@clients, @served) { setsockopt($_->{socket}, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0)); close($_->{socket}) }
  @cases = ();
  printf "done %.1f\n", time - $start;
}

while (<STDIN>) {
  chomp;
  my ($word, $rest) = split ' ', $_, 2;
  if ($word eq 'case') { undef $host; $case = { id => $rest, hosts => [], w => [] }; push @cases, $case }
  elsif ($word eq 'host') { $host = { name => $rest, map { $_ => [] } qw(s i v t u x listen connect) }; push @{$case->{hosts}}, $host }
  elsif ($word eq 'w') { push @{$case->{w}}, $rest }
  elsif ($word eq 'connect') { my %c; @c{qw(id family address port sport)} = split ' ', $rest; push @{$host->{connect}}, \%c }
  elsif ($word eq 'go') { go($rest) }
  else { push @{$host->{$word}}, $rest }
}
