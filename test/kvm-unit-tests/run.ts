import type { JitOptions } from '../../src/cpu/machine-code.ts';
import { makeTestMachine } from '../guests/machine.ts';
import { plugInTestDevice } from './test-device.ts';

const MEMORY_BYTES = 256 << 20;
const EXIT_PORT = 0xf4;
const SLICE = 20_000_000;
/** The PICs with the vectors 08h and 70h of firmware, which the images expect, and IRQ 11 of the test device open to edges. */
const PICS_BY_FIRMWARE = [
  [0x20, 0x11],
  [0x21, 0x08],
  [0x21, 0x04],
  [0x21, 0x01],
  [0x21, 0xfb],
  [0xa0, 0x11],
  [0xa1, 0x70],
  [0xa1, 0x02],
  [0xa1, 0x01],
  [0xa1, 0xf7],
  [0x4d1, 0],
] as const;

/** What to run. */
export interface ImageRun {
  /** The image's name without folder and ending. */
  readonly name: string;
  readonly args?: string;
  /** Lines `NAME=VALUE` that images read as their environment. */
  readonly environment?: string;
}

/** How an image ended. */
export interface ImageResult {
  /** The value of the exit port, 0 where all passed; undefined where the image did not end that way. */
  readonly status?: number;
  readonly output: string;
  /** Where the guest was at its end. */
  readonly where: string;
}

/** Runs a kvm-unit-tests image under the virtual clock.
 * @param mostInstructions after which it is given up @param jit how hot code is translated; all is interpreted without */
export function runImage(kernel: Uint8Array, image: ImageRun, mostInstructions: number, jit?: JitOptions): ImageResult {
  const { machine, serial } = makeTestMachine({
    jit,
    memoryBytes: MEMORY_BYTES,
    debugExitPort: EXIT_PORT,
    boot: {
      kernel,
      initrd: image.environment === undefined ? undefined : new TextEncoder().encode(`${image.environment}\n`),
      commandLine: `${image.name}.flat ${image.args ?? ''}`.trim(),
    },
  });
  plugInTestDevice(machine.board);
  for (const [port, value] of PICS_BY_FIRMWARE) machine.board.ports.write(port, 1, value);
  const ending = (status?: number) => ({ status, output: serial.output, where: machine.vcpu.describe() });
  while (machine.vcpu.retired < mostInstructions) {
    const exit = machine.run(SLICE);
    if (exit.kind === 'shutdown') return ending(exit.reason === 'debugExit' ? exit.code : undefined);
    if (exit.kind === 'halted' && !machine.awake && !machine.skipIdle()) break;
  }
  return ending();
}
