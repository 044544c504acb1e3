import assert from 'node:assert/strict';
import { test } from 'node:test';
import { unpackLinux } from '../src/boards/loaders/unpack.ts';
import { type Architecture, debianBusybox, debianKernel } from './guests/debian.ts';
import { packInitramfs } from './guests/initramfs.ts';
import { makeTestMachine, runToShutdown } from './guests/machine.ts';

const LIMIT = 6_000_000_000;

/** Debian's kernels that are packed by xz: metapackage, where they are linked to be, and what they are aligned to. */
const KERNELS: readonly [Architecture, string, bigint, bigint][] = [
  ['amd64', 'linux-image-amd64', 0xffffffff81000000n, 2n << 20n],
  ['i386', 'linux-image-686-pae', 0xc1000000n, 16n << 20n],
];

for (const [architecture, metapackage, linkedAt, alignment] of KERNELS) {
  test(`${metapackage}, unpacked by the host, runs where chance has put it`, { timeout: 600_000 }, async (t) => {
    const files = Promise.all([debianKernel(architecture, metapackage), debianBusybox(architecture)]);
    const found = await files.catch((error: Error) => error);
    if (found instanceof Error) return t.skip(`no Debian kernel here: ${found.message.split('\n')[0]}`);
    const [kernel, busybox] = found;
    const unpacked = await unpackLinux(kernel);
    assert.ok(unpacked, 'it is unpacked');
    const initrd = packInitramfs(busybox, "grep ' _text$' /proc/kallsyms\npoweroff -f");
    const boot = { kernel, unpacked, initrd, commandLine: 'console=ttyS0 quiet' };
    const { machine, serial } = makeTestMachine({ boot, memoryBytes: 256 << 20, jit: { hotAfter: 2000 } });
    await runToShutdown(machine, LIMIT);
    const [, address] = /^([0-9a-f]+) T _text/m.exec(serial.output) ?? assert.fail(serial.output);
    const offset = BigInt(`0x${address}`) - linkedAt;
    assert.ok(offset > 0n && offset % alignment === 0n, address);
  });
}
