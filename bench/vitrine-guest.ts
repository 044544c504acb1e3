// What a child process with one guest under Vitrine runs (see start-guest.ts). Gets a BootOrder in JSON as its argument,
// sends a ConsoleLine for each line of the guest's console, and ends with the guest.
import { openBootFile } from '../src/host/node/boot-file.ts';
import { HandlerFiles } from '../src/host/node/handler-files.ts';
import { nodeTime } from '../src/host/node/time.ts';
import { UnpackedFiles, unpackZstd } from '../src/host/node/unpacked-files.ts';
import { Vm } from '../src/vm/index.ts';
import { type BootOrder, cpuMillis, LineStamper } from './boot.ts';

async function runGuest(): Promise<void> {
  const order: BootOrder = JSON.parse(process.argv[2] ?? '');
  const stamper = new LineStamper(
    (line) => process.send?.(line),
    () => ({ instructions: Number(vm.stats.instructions), cpuMillis: cpuMillis() }),
  );
  const vm = await Vm.create({
    memoryBytes: order.memoryBytes,
    kernel: openBootFile(order.kernel),
    initrd: openBootFile(order.initrd),
    commandLine: order.commandLine,
    clock: 'host',
    seed: 1n,
    noReboot: true,
    accel: order.accel,
    serial: [{ send: (byte) => stamper.push(byte), onByte: () => {} }, undefined],
    handlers: new HandlerFiles(),
    unpacked: new UnpackedFiles(),
    zstd: unpackZstd,
    host: nodeTime,
  });
  await vm.run();
  process.disconnect?.();
}

/** Settles when the guest has ended. */
export const running = runGuest();
