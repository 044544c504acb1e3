import { AGENT_CHANNEL } from '../../vm/agent/frames.ts';

/**
 * The guest's side of `exec` and `cp`, in the Perl that every Debian system has: it runs commands for the host, several
 * at a time, with input, output, messages and status of each apart. What it says and hears are the frames of
 * `vm/agent/frames.ts`. Its only word is the port, or `-` for a socket that is its standard input.
 */
export const AGENT_PROGRAM: string = String.raw`#!/usr/bin/perl
# Runs commands for the host that this machine is a guest of.
use strict;
use warnings;
use Fcntl;
use POSIX ();

use constant { RESET => 1, HELLO => 2, START => 3, INPUT => 4, CREDIT => 5, HANG_UP => 6 };
use constant { OUTPUT => 7, MESSAGES => 8, ENDED => 9 };
use constant { HEADER => 9, MOST_FRAME => 65536, PIECE => 32768, MOST_WAITING => 1 << 18 };
use constant { FIRST_CREDIT => 1 << 20, CREDIT_STEP => 1 << 18 };
# Perl runs a handler between its own steps: a signal on the way into select would wait for the next thing to happen.
use constant { LONGEST_SLEEP => 0.5 };
my %STREAMS = (OUTPUT, 'output', MESSAGES, 'messages');

my $path = shift // die "which port?\n";
my $port;
if ($path eq '-') { open $port, '+<&=', 0 or die "standard input: $!\n" }
else { sysopen $port, $path, O_RDWR or die "$path: $!\n" }
pipe my $woken, my $wake or die "pipe: $!\n";
unblock($_) for $port, $woken, $wake;
$SIG{CHLD} = sub { syswrite $wake, 'x' };
$SIG{PIPE} = 'IGNORE';
$ENV{HOME} //= '/root';
$ENV{PATH} //= '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

my ($received, $waiting, %jobs) = ('', '');

while (1) {
  my ($readable, $writable) = ('', '');
  vec($readable, fileno $_, 1) = 1 for $port, $woken;
  vec($writable, fileno $port, 1) = 1 if length $waiting;
  for my $job (values %jobs) {
    vec($writable, fileno $job->{input}, 1) = 1 if $job->{input} && length $job->{queued};
    vec($readable, fileno $_, 1) = 1 for may_send($job) ? grep { $_ } @$job{values %STREAMS} : ();
  }
  next if select($readable, $writable, undef, %jobs ? LONGEST_SLEEP : undef) < 0;
  sysread $woken, my $ignored, 100;
  receive() if vec($readable, fileno $port, 1);
  transmit() if length $waiting;
  reap();
  for my $id (keys %jobs) {
    feed($id, $jobs{$id});
    collect($id, $jobs{$id});
  }
}

sub unblock {
  my ($file) = @_;
  fcntl $file, F_SETFL, fcntl($file, F_GETFL, 0) | O_NONBLOCK;
}

sub put {
  my ($type, $id, $payload) = @_;
  $waiting .= pack('CVV', $type, $id, length $payload) . $payload;
}

sub may_send { $_[0]{credit} > 0 && length $waiting < MOST_WAITING }

sub transmit {
  my $count = syswrite $port, $waiting, PIECE;
  substr $waiting, 0, $count, '' if $count;
}

sub receive {
  my $count;
  # The port gives a page at a time.
  1 while length $received < HEADER + MOST_FRAME
    and $count = sysread $port, $received, MOST_FRAME, length $received;
  if (defined $count && $count == 0) {
    exit if $path eq '-';
    select undef, undef, undef, 0.2; # the host has closed its end for now
  }
  while (1) {
    $received =~ s/^\0+//;
    return if length $received < HEADER;
    my ($type, $id, $length) = unpack 'CVV', $received;
    if ($length > MOST_FRAME) { $received = ''; return }
    return if length $received < HEADER + $length;
    my $payload = substr $received, HEADER, $length;
    substr $received, 0, HEADER + $length, '';
    obey($type, $id, $payload);
  }
}

sub obey {
  my ($type, $id, $payload) = @_;
  my $job = $jobs{$id};
  if ($type == RESET) {
    kill 'KILL', -$_->{pid} for values %jobs;
    %jobs = ();
    $waiting = '';
    put(HELLO, 0, $payload);
  }
  elsif ($type == START) { start($id, split /\0/, $payload, -1) unless $job }
  elsif (!$job) { }
  elsif ($type == INPUT) {
    $job->{queued} .= $payload;
    $job->{last} = 1 if $payload eq '';
  }
  elsif ($type == CREDIT) { $job->{credit} += unpack 'V', $payload }
  elsif ($type == HANG_UP) {
    kill 'HUP', -$job->{pid};
    delete $jobs{$id};
  }
}

sub start {
  my ($id, @words) = @_;
  pop @words; # each has a NUL behind it
  my ($problem, @pipes) = ('');
  for (0 .. 2) {
    pipe my $from, my $to or $problem = "pipe: $!";
    push @pipes, [$from, $to];
  }
  my $pid = $problem ? undef : fork;
  if (!defined $pid) {
    put(MESSAGES, $id, ($problem || "fork: $!") . "\n");
    put(ENDED, $id, 'exit 126');
    return;
  }
  become(\@pipes, @words) if $pid == 0;
  my ($input, $output, $messages) = ($pipes[0][1], $pipes[1][0], $pipes[2][0]);
  unblock($_) for $input, $output, $messages;
  $jobs{$id} = {
    pid => $pid, input => $input, output => $output, messages => $messages,
    queued => '', fed => 0, credit => FIRST_CREDIT,
  };
}

sub become {
  my ($pipes, @words) = @_;
  POSIX::setsid();
  chdir $ENV{HOME} or chdir '/';
  POSIX::dup2(fileno $pipes->[$_][$_ ? 1 : 0], $_) for 0 .. 2;
  $SIG{$_} = 'DEFAULT' for 'CHLD', 'PIPE';
  no warnings 'exec';
  exec { $words[0] } @words;
  my ($status, $text) = ($!{ENOENT} ? 127 : 126, "$words[0]: $!\n");
  syswrite STDERR, $text;
  POSIX::_exit($status);
}

sub reap {
  while ((my $pid = waitpid -1, POSIX::WNOHANG) > 0) {
    my $status = $? & 127 ? 'signal ' . ($? & 127) : 'exit ' . ($? >> 8);
    $_->{pid} == $pid and $_->{status} = $status for values %jobs;
  }
}

# Gives a command its input.
sub feed {
  my ($id, $job) = @_;
  return unless $job->{input};
  my $count = length $job->{queued} ? syswrite $job->{input}, $job->{queued}, PIECE : 0;
  my $deaf = !defined $count && !$!{EAGAIN};
  $count = $deaf ? length $job->{queued} : $count // 0;
  substr $job->{queued}, 0, $count, '';
  $job->{fed} += $count;
  if ($job->{fed} >= CREDIT_STEP) {
    put(CREDIT, $id, pack 'V', $job->{fed});
    $job->{fed} = 0;
  }
  delete $job->{input} if $deaf || $job->{last} && $job->{queued} eq '';
}

# Sends what a command says. Once it has ended, that is all there is, whoever else may still hold its output.
sub collect {
  my ($id, $job) = @_;
  my $more = 1;
  while ($more) {
    $more = 0;
    for my $type (OUTPUT, MESSAGES) {
      my $stream = $STREAMS{$type};
      next unless $job->{$stream};
      return unless may_send($job);
      my $count = sysread $job->{$stream}, my $bytes, $job->{credit} < PIECE ? $job->{credit} : PIECE;
      if ($count) {
        put($type, $id, $bytes);
        $job->{credit} -= $count;
        $more = 1;
      }
      elsif (defined $count) { delete $job->{$stream} }
    }
  }
  return unless defined $job->{status};
  put(ENDED, $id, $job->{status});
  delete $jobs{$id};
}
`;

/** Starts the agent where the machine has its port. */
const UNIT = `[Unit]
Description=Runs commands for the host of this virtual machine
BindsTo=dev-virtio\\x2dports-${AGENT_CHANNEL}.device
After=dev-virtio\\x2dports-${AGENT_CHANNEL}.device

[Service]
ExecStart=/usr/lib/vitrine/agent /dev/virtio-ports/${AGENT_CHANNEL}
Restart=always
RestartSec=1
`;
const UDEV_RULE = `SUBSYSTEM=="virtio-ports", ATTR{name}=="${AGENT_CHANNEL}", SYMLINK+="virtio-ports/${AGENT_CHANNEL}", TAG+="systemd", ENV{SYSTEMD_WANTS}="vitrine-agent.service"
`;

/** What the agent consists of in a system with systemd: paths, contents, and whether they are programs. */
export const AGENT_FILES: readonly (readonly [path: string, text: string, isProgram: boolean])[] = [
  ['/usr/lib/vitrine/agent', AGENT_PROGRAM, true],
  ['/etc/systemd/system/vitrine-agent.service', UNIT, false],
  ['/etc/udev/rules.d/90-vitrine-agent.rules', UDEV_RULE, false],
];
