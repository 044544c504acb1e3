import { Nvme } from '../../src/devices/nvme/nvme.ts';
import { DiskQueue } from '../../src/machine/disk-queue.ts';
import { type Device, type GuestMemory, PageAbsent } from '../../src/machine/interfaces.ts';
import type { PciSlot } from '../../src/machine/pci-slot.ts';
import { TestDisk } from '../../src/machine/test-disk.case.ts';
import type { HostileSubject } from './hostile-device.ts';

const DISK_BYTES = 1 << 20;
const COMMAND_BYTES = 64;
const QUEUES = 4;
const ENTRIES = 64;
/** Where submission queues lie, a page each, and where completion queues do. */
const SUBMISSIONS = 0x0000;
const COMPLETIONS = 0x8000;
const PAGE = 0x1000;
const OPCODES = [0, 1, 2, 4, 5, 6, 8, 9, 0x0a, 0x0c, 1, 2, 5, 1];
const [CREATE_SQ, CREATE_CQ] = [1, 5];
const [CC, AQA, ASQ, ACQ] = [0x14, 0x24, 0x28, 0x30];
const REGISTERS = [0x0c, 0x10, CC, 0x1c, AQA, ASQ, 0x2c, ACQ, 0x34];
const DOORBELLS = Array.from({ length: QUEUES * 2 }, (_, n) => 0x1000 + n * 4);

type Below = (limit: number) => number;

/** A guest that does now and then what a driver does, and nearly right things in between. */
class NvmeFuzzer {
  readonly card: Nvme;
  readonly #memory: GuestMemory;
  #registers: Pick<Device, 'read' | 'write'> | undefined;

  constructor(slot: PciSlot) {
    this.#memory = slot.memory;
    const window: PciSlot['window'] = (kind, length, device, name) => {
      if (name === 'nvme') this.#registers = device;
      return slot.window(kind, length, device, name);
    };
    this.card = new Nvme(new DiskQueue(new TestDisk(DISK_BYTES), slot.hostWork), 'fuzz', 0, { ...slot, window });
  }

  poke(below: Below): void {
    const action = below(40);
    if (action === 0) this.#setUp();
    else if (action < 10) this.#write(DOORBELLS[below(DOORBELLS.length)], below(ENTRIES));
    else this.#put(below(QUEUES), below(ENTRIES), randomCommand(below));
  }

  #setUp(): void {
    this.#write(CC, 0);
    this.#write(AQA, (ENTRIES - 1) * 0x10001);
    this.#write(ASQ, SUBMISSIONS);
    this.#write(ACQ, COMPLETIONS);
    this.#write(CC, 1);
    for (let queue = 1; queue < QUEUES; queue++) {
      const size = (ENTRIES - 1) << 16;
      const [submissions, completions] = [SUBMISSIONS + queue * PAGE, COMPLETIONS + queue * PAGE];
      this.#put(0, queue * 2 - 2, [CREATE_CQ, completions, 0, size | queue, (queue << 16) | 3, 0]);
      this.#put(0, queue * 2 - 1, [CREATE_SQ, submissions, 0, size | queue, (queue << 16) | 1, 0]);
    }
    this.#write(DOORBELLS[0], (QUEUES - 1) * 2);
  }

  /** @param command opcode with identity, both PRPs, dwords 10 to 12 */
  #put(queue: number, entry: number, [opcode, prp1, prp2, ...dwords]: readonly number[], namespace = 1): void {
    const view = new DataView(new ArrayBuffer(COMMAND_BYTES));
    const words = [
      [0, opcode],
      [4, namespace],
      [24, prp1],
      [32, prp2],
      ...dwords.map((dword, i) => [40 + i * 4, dword]),
    ];
    for (const [at, word] of words) view.setUint32(at, word, true);
    try {
      const gpa = SUBMISSIONS + queue * PAGE + entry * COMMAND_BYTES;
      this.#memory.forWrite(gpa, COMMAND_BYTES).set(new Uint8Array(view.buffer));
    } catch (error) {
      if (!(error instanceof PageAbsent)) throw error;
    }
  }

  #write(register: number, value: number): void {
    this.#registers?.write(register, 4, value);
  }
}

function randomCommand(below: Below): readonly number[] {
  const prp = () => (below(4) ? 0x20000 + below(0x80) * PAGE : below(1 << 21));
  return [
    OPCODES[below(OPCODES.length)] | (below(0x10000) << 16),
    prp(),
    prp(),
    below(2) ? below(QUEUES) | (below(ENTRIES) << 16) : below(2048),
    below(2) ? 3 | (below(QUEUES) << 16) : below(2) * 4,
    below(4) ? below(64) : below(2 ** 32),
  ];
}

/** An NVMe disk. */
export function nvmeSubject(): HostileSubject {
  let fuzzer: NvmeFuzzer | undefined;
  const make = (slot: PciSlot) => {
    fuzzer = new NvmeFuzzer(slot);
    return fuzzer.card;
  };
  return { name: 'nvme', make, registers: [...REGISTERS, ...DOORBELLS], poke: (below) => fuzzer?.poke(below) };
}
