// Writes src/cpu/usual-instructions.ts anew: `node test/instructions/write-usual.ts`. Boots Debian's kernels and looks at the code
// that was decoded meanwhile.
import { writeFileSync } from 'node:fs';
import { unpackLinux } from '../../src/boards/loaders/unpack.ts';
import type { PcMachine } from '../../src/boards/pc-machine.ts';
import { HandlerFactory } from '../../src/cpu/handlers.ts';
import type { Linker } from '../../src/cpu/linker.ts';
import { type KeyedMode, modeOf } from '../../src/cpu/mode.ts';
import { BLOCK } from '../../src/cpu/records.ts';
import { tryDecode } from '../../src/isa/decode.ts';
import type { Decoded } from '../../src/isa/operands.ts';
import { PAGE_BYTES } from '../../src/machine/guest-memory.ts';
import { type Architecture, debianBusybox, debianKernel } from '../guests/debian.ts';
import { packInitramfs } from '../guests/initramfs.ts';
import { makeTestMachine, runTo } from '../guests/machine.ts';

const SYSTEMS = [
  { bits: 64, architecture: 'amd64', kernel: 'linux-image-cloud-amd64' },
  { bits: 32, architecture: 'i386', kernel: 'linux-image-686' },
] as const;
const MEMORY_BYTES = 256 << 20;
/** When decoded code is looked at: it does not stay for ever. */
const INSTRUCTIONS_BETWEEN = 150_000_000;
const LOOKS = 12;
/** Kinds in fewer places than these are not usual. */
const FEWEST_PLACES = 5;
const SCRIPT = 'while true; do ls -lR /proc/1 /bin | md5sum; done';
const LINE_LENGTH = 120;

/** Instructions that have one handler. */
interface Kind {
  places: number;
  /** The shortest one. */
  bytes: string;
}

class Kinds {
  readonly #bits: number;
  /** Never asked to compile any. */
  readonly #handlers = new HandlerFactory({} as Linker);
  /** By the slots of their handlers. */
  readonly #kinds = new Map<number, Kind>();
  readonly #blocks = new Set<string>();

  constructor(bits: number) {
    this.#bits = bits;
  }

  /** Counts what has been decoded and is still there. */
  look({ vcpu, ram }: PcMachine): void {
    const { cache, view } = vcpu.engine;
    for (let gpa = 0; gpa < MEMORY_BYTES; gpa += PAGE_BYTES) {
      for (const { address, start } of cache.blocksNear(gpa)) {
        const modeKey = view.getUint32(address + BLOCK.modeKey, true);
        const bytes = ram.isRam(start) ? ram.forRead(start, PAGE_BYTES - (start % PAGE_BYTES)) : new Uint8Array();
        this.#count(`${start}.${modeKey}`, modeKey, view.getUint32(address + BLOCK.count, true), bytes);
      }
    }
  }

  /** The usual ones, as hexadecimal bytes, what is in most places first. */
  get usual(): string[] {
    const kinds = [...this.#kinds.values()].filter(({ places }) => places >= FEWEST_PLACES);
    return kinds.sort((a, b) => b.places - a.places).map(({ bytes }) => bytes);
  }

  #count(block: string, modeKey: number, count: number, bytes: Uint8Array): void {
    const mode = modeOf(modeKey);
    if (mode.bits !== this.#bits || this.#blocks.has(block)) return;
    this.#blocks.add(block);
    for (let i = 0, at = 0; i < count; i++) {
      const result = tryDecode((offset) => bytes[at + offset] ?? 0, mode);
      if (result.kind !== 'instruction' || at + result.decoded.length > bytes.length) return;
      this.#add(result.decoded, mode, Buffer.from(bytes.subarray(at, at + result.decoded.length)).toString('hex'));
      at += result.decoded.length;
    }
  }

  #add(decoded: Decoded, mode: KeyedMode, bytes: string): void {
    const { slot } = this.#handlers.handlerFor(decoded, mode);
    const kind = this.#kinds.get(slot);
    this.#kinds.set(slot, {
      places: (kind?.places ?? 0) + 1,
      bytes: kind === undefined || bytes.length < kind.bytes.length ? bytes : kind.bytes,
    });
  }
}

async function usualOf(bits: number, architecture: Architecture, kernelName: string): Promise<string[]> {
  const [kernel, busybox] = await Promise.all([debianKernel(architecture, kernelName), debianBusybox(architecture)]);
  const unpacked = await unpackLinux(kernel);
  const boot = { kernel, unpacked, initrd: packInitramfs(busybox, SCRIPT), commandLine: 'console=ttyS0' };
  const { machine } = makeTestMachine({ boot, memoryBytes: MEMORY_BYTES, jit: { hotAfter: 4000 } });
  const kinds = new Kinds(bits);
  for (let look = 1; look <= LOOKS; look++) {
    runTo(machine, look * INSTRUCTIONS_BETWEEN);
    kinds.look(machine);
  }
  return kinds.usual;
}

/** Words in lines. */
function wrapped(words: readonly string[]): string {
  const lines = [''];
  for (const word of words) {
    const line = `${lines[lines.length - 1]} ${word}`.trimStart();
    if (line.length > LINE_LENGTH) lines.push(word);
    else lines.splice(-1, 1, line);
  }
  return lines.join('\n');
}

const tables: string[] = [];
for (const { bits, architecture, kernel } of SYSTEMS) {
  tables.push(`  ${bits}: \`\n${wrapped(await usualOf(bits, architecture, kernel))}\n\`,`);
}
writeFileSync(
  new URL('../../src/cpu/usual-instructions.ts', import.meta.url),
  `/**
 * Instructions whose handlers most systems need, by the size of their code: one of each kind, as hexadecimal bytes. They are those of
 * which Debian's kernels and BusyBox have ${FEWEST_PLACES} at least in what a boot decodes. Written by test/instructions/write-usual.ts.
 */
export const USUAL_INSTRUCTIONS: Readonly<Record<32 | 64, string>> = {
${tables.join('\n')}
};
`,
);
