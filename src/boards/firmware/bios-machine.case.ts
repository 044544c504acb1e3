import { assemble } from '../../isa/assemble.ts';
import type { BlockDevice } from '../../machine/interfaces.ts';
import type { PcDrive } from '../drives.ts';
import type { FirmwareBoot } from '../firmware-boot.ts';
import { PcMachine } from '../pc-machine.ts';
import { BuiltinBios } from './builtin.ts';

/** Bytes of a sector. */
export const SECTOR_BYTES = 512;
/** Sectors of a disk that {@link bootDisk} makes. */
export const DISK_SECTORS = 2048;
const MOST_NANOS = 3_000_000_000n;

/** A disk that is bytes in memory. */
export function diskOf(bytes: Uint8Array): BlockDevice {
  return {
    sizeBytes: bytes.length,
    readOnly: false,
    read: async (offset, target) => target.set(bytes.subarray(offset, offset + target.length)),
    write: async (offset, source) => bytes.set(source, offset),
    flush: async () => {},
    discard: async () => {},
    close: async () => {},
  };
}

/** A drive with a medium. */
export function driveOf(kind: PcDrive['kind'], bytes: Uint8Array, bus: PcDrive['bus'] = 'ide'): PcDrive {
  return { kind, bus, name: kind, medium: diskOf(bytes) };
}

/** A disk whose boot sector is this code; each sector behind it holds its own number. */
export function bootDisk(source: string): Uint8Array {
  const disk = new Uint8Array(DISK_SECTORS * SECTOR_BYTES);
  for (let n = 1; n < DISK_SECTORS; n++) disk.fill(n, n * SECTOR_BYTES, (n + 1) * SECTOR_BYTES);
  const code = `${source}\n org 0x7dfe\n dw 0xaa55`;
  disk.set(assemble(code, { bits: 16, origin: 0x7c00 }).bytes);
  return disk;
}

/** Boots from a disk until the guest ends the run, or for three seconds. @param options of the firmware; further drives */
export async function boot(disk: Uint8Array, options: Partial<FirmwareBoot> = {}, drives: readonly PcDrive[] = []) {
  let output = '';
  const machine = new PcMachine({
    memoryBytes: 32 << 20,
    clock: 'virtual',
    hostNanos: () => 0n,
    startEpochMs: Date.UTC(2026, 0, 2, 3, 4, 5),
    seed: 1n,
    serial: [],
    sharedMemory: false,
    wake: () => {},
    drives: disk.length > 0 ? [driveOf('disk', disk), ...drives] : drives,
    boot: { rom: 'builtin', ...options },
    makeBios: (bios) => new BuiltinBios(bios),
    debugExitPort: 0x501,
    debugOutput: (byte) => {
      output += String.fromCharCode(byte);
    },
  });
  for (;;) {
    const exit = machine.run(100_000);
    if (exit.kind === 'shutdown' || machine.clock.nowNanos() > MOST_NANOS) return { machine, output, exit };
    await new Promise(setImmediate);
    if (exit.kind === 'halted' && !machine.awake) machine.skipIdle();
  }
}

/** Code that ends the run with AL. */
export const EXIT = 'mov dx, 0x501\n out dx, al\n';

/** The text of the screen, line by line. */
export function screenOf({ board }: PcMachine): string[] {
  return Array.from({ length: 25 }, (_, row) => {
    const cells = Array.from({ length: 80 }, (_, column) => board.mmio.read(0xb8000 + (row * 80 + column) * 2, 1));
    return String.fromCharCode(...cells).trimEnd();
  });
}
