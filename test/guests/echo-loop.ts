/** Perl that accepts connections at `$listener`, a socket that listens, and sends back what they bring. */
export const ECHO_LOOP = `my ($open, $bytes, %peers) = ('');
vec($open, fileno $listener, 1) = 1;
while (1) {
  select my $readable = $open, undef, undef, undef;
  if (vec $readable, fileno $listener, 1) {
    accept my $peer, $listener or next;
    $peers{fileno $peer} = $peer;
    vec($open, fileno $peer, 1) = 1;
  }
  for my $number (grep { vec $readable, $_, 1 } keys %peers) {
    next if sysread $peers{$number}, $bytes, 65536 and syswrite $peers{$number}, $bytes;
    vec($open, $number, 1) = 0;
    close delete $peers{$number};
  }
}
`;
