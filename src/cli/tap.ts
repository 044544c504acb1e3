import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import type { NetPort } from '../vm/index.ts';
import { streamPort } from './frame-socket.ts';

/**
 * Opens a TAP interface and passes frames between it and its own streams, on which each frame has its length before it. Node
 * has no call for the ioctl TUNSETIFF, which Perl, a part of every Linux distribution, has (Linux, Documentation/networking/tuntap.rst).
 * An empty frame says that the interface is open.
 */
const HELPER = String.raw`use strict;
my ($name) = @ARGV;
my ($TUNSETIFF, $IFF_TAP, $IFF_NO_PI) = (0x400454ca, 0x0002, 0x1000);
open my $tap, '+<', '/dev/net/tun' or die "/dev/net/tun: $!\n";
ioctl $tap, $TUNSETIFF, my $request = pack 'a16 S x22', $name, $IFF_TAP | $IFF_NO_PI or die "$!\n";
sub put { my ($bytes) = @_; while (length $bytes) { substr($bytes, 0, syswrite(STDOUT, $bytes) || exit) = '' } }
put pack 'N', 0;
my $in = '';
while (1) {
  my $ready = '';
  vec($ready, fileno STDIN, 1) = vec($ready, fileno $tap, 1) = 1;
  select $ready, undef, undef, undef;
  put pack 'N/a*', $_ if vec $ready, fileno $tap, 1 and sysread $tap, $_, 65553;
  next unless vec $ready, fileno STDIN, 1;
  sysread STDIN, $in, 65536, length $in or exit;
  while (length $in >= 4 and length $in >= 4 + (my $length = unpack 'N', $in)) {
    syswrite $tap, substr $in, 4, $length;
    substr($in, 0, 4 + $length) = '';
  }
}
`;

/** A TAP interface of this host that is open. */
export interface Tap {
  readonly port: NetPort;
  close(): void;
}

/** Opens a TAP interface: one that this user may use, or a new one where they may make it.
 * @throws {Error} it cannot be had, with the reason */
export async function openTap(name: string): Promise<Tap> {
  if (process.platform !== 'linux') throw new Error('TAP interfaces are for Linux hosts');
  const helper = spawn('perl', ['-e', HELPER, name], { stdio: ['pipe', 'pipe', 'pipe'] });
  const complaint = text(helper.stderr).catch(() => '');
  const failed = once(helper, 'exit').then(
    async () => Promise.reject(new Error((await complaint).trim() || 'its helper has ended')),
    ({ code, message }: NodeJS.ErrnoException) =>
      Promise.reject(new Error(code === 'ENOENT' ? 'it takes perl, which this host lacks' : message)),
  );
  const port = streamPort(helper.stdout, helper.stdin);
  await Promise.race([new Promise((resolve) => port.onFrame(resolve)), failed]);
  failed.catch(() => {});
  return { port, close: () => void helper.kill() };
}
