/**
 * A guest of our own that is saved in `test/snapshots`: it answers each character from COM1 with its count, a digit
 * further than the last one, and the character. `node test/snapshots/echo-guest.ts FILE` writes a snapshot of it; those that are there
 * stay as they are, one a version of the format.
 */
import { writeFile } from 'node:fs/promises';
import { nodeTime } from '../../src/host/node/time.ts';
import type { CharPort } from '../../src/machine/interfaces.ts';
import { deflateCodec, MemorySink, Vm, type VmConfig } from '../../src/vm/index.ts';
import { multibootKernel } from '../guests/multiboot.ts';

/** The count lies in memory, the loop's code on a page of its own. */
export const ECHO_SOURCE = `
  mov byte [0x200000], 0x30
wait:
  mov dx, 0x3fd
  in al, dx
  test al, 1
  jz wait
  mov dx, 0x3f8
  in al, dx
  mov bl, al
  mov al, [0x200000]
  out dx, al
  mov al, bl
  out dx, al
  inc byte [0x200000]
  jmp wait
`;

/** A serial line of a test. */
export class EchoLine implements CharPort {
  output = '';
  #receive: (byte: number) => boolean = () => false;

  send(byte: number): void {
    this.output += String.fromCharCode(byte);
  }

  onByte(receive: (byte: number) => boolean): void {
    this.#receive = receive;
  }

  /** Types a character and waits for the answer. */
  async ask(character: string): Promise<string> {
    const before = this.output.length;
    while (!this.#receive(character.charCodeAt(0))) await new Promise((resolve) => setImmediate(resolve));
    while (this.output.length < before + 2) await new Promise((resolve) => setImmediate(resolve));
    return this.output.slice(before);
  }
}

/** Makes a machine with a line. @param more what its kernel is, or its snapshot */
export async function makeEcho(more: Partial<VmConfig>): Promise<{ vm: Vm; line: EchoLine }> {
  const line = new EchoLine();
  const fixed = { memoryBytes: 8 << 20, commandLine: '', clock: 'virtual', seed: 1n, noReboot: true } as const;
  return { vm: await Vm.create({ ...fixed, serial: [line], host: nodeTime, ...more }), line };
}

if (process.argv[1] === import.meta.filename) {
  const { vm, line } = await makeEcho({ kernel: multibootKernel(ECHO_SOURCE) });
  void vm.run();
  for (const character of 'abc') await line.ask(character);
  const sink = new MemorySink();
  await vm.snapshot(sink, { codec: deflateCodec });
  await writeFile(process.argv[2], sink.bytes());
  process.exit(0);
}
