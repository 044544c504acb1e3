import type { PcBoard } from '../../src/boards/pc.ts';
import type { Device, DeviceState, IrqLine } from '../../src/machine/interfaces.ts';

const ECHO_PORTS = [0xe0, 4] as const;
const IRQ_PORTS = [0x2000, 16] as const;
const MEMORY = [0xff000000, 0x10000] as const;

/** A device without a state that outlives a test. */
abstract class Stateless implements Device {
  abstract read(offset: number, size: number): number;
  abstract write(offset: number, size: number, value: number): void;

  save(): DeviceState {
    return { version: 1 };
  }

  restore(): void {}
}

/** Ports that answer with what was written last. */
class Echo extends Stateless {
  #value = 0;

  read(_offset: number, size: number): number {
    return size === 4 ? this.#value : this.#value & ((1 << (8 * size)) - 1);
  }

  write(_offset: number, _size: number, value: number): void {
    this.#value = value;
  }
}

/** A port for each ISA interrupt: its level. */
class InterruptLevels extends Stateless {
  readonly #lines: readonly IrqLine[];

  constructor(lines: readonly IrqLine[]) {
    super();
    this.#lines = lines;
  }

  read(): number {
    return 0;
  }

  write(offset: number, _size: number, value: number): void {
    this.#lines[offset]?.set(value !== 0);
  }
}

/** Bytes behind the bus rather than RAM. */
class MmioBytes extends Stateless {
  readonly #view = new DataView(new ArrayBuffer(MEMORY[1]));

  read(offset: number, size: number): number {
    if (size === 1) return this.#view.getUint8(offset);
    return size === 2 ? this.#view.getUint16(offset, true) : this.#view.getUint32(offset, true);
  }

  write(offset: number, size: number, value: number): void {
    if (size === 1) this.#view.setUint8(offset, value);
    else if (size === 2) this.#view.setUint16(offset, value, true);
    else this.#view.setUint32(offset, value, true);
  }
}

/** Plugs in what QEMU calls pc-testdev and kvm-unit-tests use: an echo, interrupt lines, and memory reached as a device. */
export function plugInTestDevice(board: PcBoard): void {
  const lines = Array.from({ length: IRQ_PORTS[1] }, (_, irq) => board.isaInterrupt(irq));
  board.ports.map(...ECHO_PORTS, new Echo(), 'testEcho', 4);
  board.ports.map(...IRQ_PORTS, new InterruptLevels(lines), 'testInterrupts', 4);
  board.mmio.map(...MEMORY, new MmioBytes(), 'testMemory', 4);
}
