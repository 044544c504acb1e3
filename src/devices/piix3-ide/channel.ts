import { requireVersion } from '../../base/state-version.ts';
import { ATA_DEVICE, ATA_REG, ATA_STATUS, type AtaDrive } from '../../machine/ata.ts';
import type { HostWork } from '../../machine/host-work.ts';
import type { BlockRegister, DeviceState, GuestMemory, IrqLine } from '../../machine/interfaces.ts';
import { BusMaster } from './bus-master.ts';

/** A bank of registers of a channel. */
export interface RegisterBank {
  read(offset: number, size: number): number;
  write(offset: number, size: number, value: number): void;
}

/** What a channel is connected to. */
export interface ChannelOptions {
  /** the drives on the cable: the first and the second */
  readonly drives: readonly [AtaDrive | undefined, AtaDrive | undefined];
  readonly irq: IrqLine;
  readonly memory: GuestMemory;
  readonly hostWork: HostWork;
}

/** Device control register (ATA/ATAPI-7 volume 2, section 5). */
const N_IEN = 0x02;
const SRST = 0x04;
const HOB = 0x80;

const EXECUTE_DEVICE_DIAGNOSTIC = 0x90;
const STATE_VERSION = 1;

/** An IDE channel: the registers of up to two drives on one cable, their interrupt, and the bus-master engine. */
export class IdeChannel {
  /** The command block: 8 ports. */
  readonly commandBlock: RegisterBank & BlockRegister;
  /** The control block: alternate status when read, device control when written. */
  readonly controlBlock: RegisterBank;
  readonly busMaster: BusMaster;
  readonly #drives: ChannelOptions['drives'];
  readonly #irq: IrqLine;
  readonly #hostWork: HostWork;
  /** which drives assert INTRQ */
  readonly #asserted = [false, false];
  #level = false;
  #selected = 0;
  #control = 0;
  /** how much of the selected drive's transfer has been moved */
  #moved = 0;

  constructor({ drives, irq, memory, hostWork }: ChannelOptions) {
    this.#drives = drives;
    this.#irq = irq;
    this.#hostWork = hostWork;
    this.busMaster = new BusMaster(memory, () => this.#startDma());
    drives.forEach((drive, index) => {
      drive?.connect({ changed: (interrupt) => this.#changed(index, interrupt) });
    });
    this.commandBlock = {
      read: (offset, size) => this.#read(offset, size),
      write: (...w) => this.#write(...w),
      readMany: (offset, size, target) => this.#readMany(offset, size, target),
      writeMany: (offset, size, source) => this.#writeMany(offset, size, source),
    };
    this.controlBlock = { read: () => this.#status(), write: (_offset, _size, value) => this.#writeControl(value) };
  }

  save(): DeviceState {
    return {
      version: STATE_VERSION,
      asserted: [...this.#asserted],
      selected: this.#selected,
      control: this.#control,
      moved: this.#moved,
      busMaster: this.busMaster.save(),
      drives: this.#drives.map((drive) => drive?.save() ?? null),
    };
  }

  restore(state: DeviceState): void {
    requireVersion('IdeChannel', state.version, STATE_VERSION);
    this.#selected = Number(state.selected);
    this.#control = Number(state.control);
    const drives = state.drives as readonly (DeviceState | null)[];
    this.#drives.forEach((drive, index) => {
      const saved = drives[index];
      if (drive && saved) drive.restore(saved);
    });
    this.busMaster.restore(state.busMaster as DeviceState);
    this.#moved = Number(state.moved);
    for (const index of [0, 1]) this.#asserted[index] = (state.asserted as boolean[])[index];
    this.#level = this.#wantsInterrupt();
    this.#irq.set(this.#level);
    this.#startDma();
  }

  get #drive(): AtaDrive | undefined {
    return this.#drives[this.#selected];
  }

  #read(offset: number, size: number): number {
    if (offset === ATA_REG.data) return this.#readData(size);
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 0x100 + this.#readRegister(offset + i);
    return value;
  }

  #write(offset: number, size: number, value: number): void {
    if (offset === ATA_REG.data) this.#writeData(size, value);
    else for (let i = 0; i < size; i++) this.#writeRegister(offset + i, (value >>> (i * 8)) & 0xff);
  }

  #readRegister(register: number): number {
    const drive = this.#drive;
    if (register === ATA_REG.command) {
      const status = this.#status();
      this.#asserted[this.#selected] = false;
      this.#updateInterrupt();
      return status;
    }
    if (!drive) return 0;
    const { taskFile } = drive;
    if (register === ATA_REG.features) return taskFile.error;
    const bank = this.#control & HOB && register !== ATA_REG.device ? taskFile.previous : taskFile.current;
    return bank[register];
  }

  #writeRegister(register: number, value: number): void {
    this.#control &= ~HOB;
    if (register === ATA_REG.command) this.#command(value);
    else {
      for (const drive of this.#drives) drive?.taskFile.write(register, value);
      if (register === ATA_REG.device) this.#select(value & ATA_DEVICE.second ? 1 : 0);
    }
  }

  #select(drive: number): void {
    if (drive !== this.#selected) this.#moved = 0;
    this.#selected = drive;
    this.#updateInterrupt();
  }

  #status(): number {
    if (!this.#drive) return 0;
    return this.#control & SRST ? ATA_STATUS.bsy : this.#drive.taskFile.status;
  }

  #command(code: number): void {
    if (this.#control & SRST) return;
    if (code === EXECUTE_DEVICE_DIAGNOSTIC) {
      for (const drive of this.#drives) drive?.execute(code);
      this.#asserted[1] = false;
      this.#select(0);
      return;
    }
    this.#asserted[this.#selected] = false;
    this.#updateInterrupt();
    this.#moved = 0;
    this.#drive?.execute(code);
  }

  #writeControl(value: number): void {
    const resets = (value & ~this.#control & SRST) !== 0;
    this.#control = value & (N_IEN | SRST | HOB);
    if (resets) {
      for (const drive of this.#drives) drive?.reset();
      this.#asserted.fill(false);
      this.#moved = 0;
      this.#selected = 0;
    }
    this.#updateInterrupt();
  }

  /** What the guest may move through the data register now. */
  #pioTransfer(direction: 'toHost' | 'fromHost') {
    const transfer = this.#drive?.transfer;
    return transfer && !transfer.dma && transfer.direction === direction ? transfer : undefined;
  }

  #readData(size: number): number {
    const transfer = this.#pioTransfer('toHost');
    if (!transfer) return 2 ** (size * 8) - 1;
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 0x100 + (transfer.data[this.#moved + i] ?? 0);
    this.#dataMoved(size, transfer.data.length);
    return value;
  }

  #writeData(size: number, value: number): void {
    const transfer = this.#pioTransfer('fromHost');
    if (!transfer) return;
    for (let i = 0; i < size; i++) {
      const at = this.#moved + i;
      if (at < transfer.data.length) transfer.data[at] = value >>> (i * 8);
    }
    this.#dataMoved(size, transfer.data.length);
  }

  /** Only the drive hears of a block's last bytes. */
  #readMany(offset: number, size: number, target: Uint8Array): number {
    const data = offset === ATA_REG.data ? this.#pioTransfer('toHost')?.data : undefined;
    if (!data) return 0;
    const bytes = this.#bytesInside(data, size, target.length);
    target.set(data.subarray(this.#moved, this.#moved + bytes));
    this.#moved += bytes;
    return bytes;
  }

  #writeMany(offset: number, size: number, source: Uint8Array): number {
    const data = offset === ATA_REG.data ? this.#pioTransfer('fromHost')?.data : undefined;
    if (!data) return 0;
    const bytes = this.#bytesInside(data, size, source.length);
    data.set(source.subarray(0, bytes), this.#moved);
    this.#moved += bytes;
    return bytes;
  }

  /** Most bytes, up to `most`, that leave an access of `size` bytes to the block's end. */
  #bytesInside(data: Uint8Array, size: number, most: number): number {
    const accesses = Math.min(Math.ceil((data.length - this.#moved) / size) - 1, Math.floor(most / size));
    return Math.max(0, accesses) * size;
  }

  #dataMoved(bytes: number, length: number): void {
    this.#moved += bytes;
    if (this.#moved < length) return;
    this.#moved = 0;
    this.#drive?.transferred();
  }

  #changed(index: number, interrupt: boolean): void {
    if (interrupt) this.#asserted[index] = true;
    this.#updateInterrupt();
    if (index === this.#selected) this.#startDma();
  }

  #startDma(): void {
    if (this.#dmaTransfer()) this.#hostWork.access(() => this.#moveDma());
  }

  /** What is to be moved by the bus-master engine now. */
  #dmaTransfer() {
    const transfer = this.busMaster.active ? this.#drive?.transfer : undefined;
    return transfer?.dma ? transfer : undefined;
  }

  #moveDma(): void {
    const transfer = this.#dmaTransfer();
    if (!transfer) return;
    const { direction, data } = transfer;
    this.#dataMoved(this.busMaster.move(direction, data.subarray(this.#moved)), data.length);
  }

  #wantsInterrupt(): boolean {
    return this.#asserted[this.#selected] && !(this.#control & N_IEN);
  }

  #updateInterrupt(): void {
    const level = this.#wantsInterrupt();
    if (level && !this.#level) this.busMaster.interrupted();
    this.#level = level;
    this.#irq.set(level);
  }
}
